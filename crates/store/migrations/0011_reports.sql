-- Reports of others about mail in the name of our domains.

-- Messages that may hold reports, until they were read. `author` is the author's domain, `proven`
-- whether it passed DMARC.
CREATE TABLE report_mail (
    body    INTEGER PRIMARY KEY,
    arrived INTEGER NOT NULL,
    author  TEXT NOT NULL,
    proven  INTEGER NOT NULL
);

-- What was read. `content` is a JSON text of all that it tells; `number` is its sender's name for it.
CREATE TABLE report (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('dmarc', 'tls')),
    domain       TEXT NOT NULL,
    organisation TEXT NOT NULL,
    contact      TEXT NOT NULL,
    number       TEXT NOT NULL,
    begins       INTEGER NOT NULL,
    ends         INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    author       TEXT NOT NULL,
    proven       INTEGER NOT NULL,
    passed       INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    content      TEXT NOT NULL,
    UNIQUE (kind, domain, organisation, number)
);

CREATE INDEX report_received ON report (received);
