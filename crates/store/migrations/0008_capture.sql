-- Inboxes of the sandbox, and what is kept beside the messages they caught.

CREATE TABLE inbox (
    principal INTEGER PRIMARY KEY REFERENCES principal (id),
    number    INTEGER NOT NULL UNIQUE,
    mailbox   INTEGER NOT NULL,
    expires   INTEGER
);

CREATE INDEX inbox_expires ON inbox (expires) WHERE expires IS NOT NULL;

CREATE TABLE capture (
    message      INTEGER PRIMARY KEY,
    inbox        INTEGER NOT NULL,
    sender       TEXT NOT NULL,
    recipients   TEXT NOT NULL,
    peer         TEXT NOT NULL,
    helo         TEXT NOT NULL,
    protocol     TEXT NOT NULL,
    tls          TEXT,
    mechanism    TEXT,
    username     TEXT,
    conversation TEXT NOT NULL,
    summary      TEXT,
    words        TEXT
);

-- Messages of which nothing was summed up yet.
CREATE INDEX capture_late ON capture (message) WHERE summary IS NULL;

CREATE TABLE capture_tag (
    message INTEGER NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (message, name)
) WITHOUT ROWID;

CREATE INDEX capture_tag_name ON capture_tag (name);
