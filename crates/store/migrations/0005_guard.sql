-- What keeps attackers out, and what is kept of who did what.

CREATE TABLE block (
    network   TEXT PRIMARY KEY,
    reason    TEXT NOT NULL,
    automatic INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    until     INTEGER
) WITHOUT ROWID;

-- Rows are never changed; they go when they are older than they are kept.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    who    TEXT NOT NULL,
    peer   TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not changed');
END;

-- Who wrote to whom from where, as a hash.
CREATE TABLE greylist (
    triple BLOB PRIMARY KEY,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    passed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What an account sent in an hour since 1970.
CREATE TABLE sent (
    account    INTEGER NOT NULL,
    hour       INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (account, hour)
) WITHOUT ROWID;
