-- What was asked of the road to another server, and what it was.

-- Of the message, by its sender; nothing where it leaves that to both ends.
ALTER TABLE spool ADD COLUMN tls_wish TEXT CHECK (tls_wish IN ('required', 'optional'));

-- Of a host, by an attempt: in a word; what came of it; why.
ALTER TABLE attempt ADD COLUMN tls_asked TEXT;
ALTER TABLE attempt ADD COLUMN tls_got TEXT;
ALTER TABLE attempt ADD COLUMN tls_why TEXT;

-- The MTA-STS policies of domains that we send to. One that is out of date says nothing.
CREATE TABLE sts_policy (
    domain  TEXT PRIMARY KEY,
    id      TEXT NOT NULL,
    text    TEXT NOT NULL,
    fetched INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX sts_policy_fetched ON sts_policy (fetched);

-- Sessions with other servers, counted for reports to their domains. `day` counts days since 1970;
-- `policy` is a JSON text of what the domain had published.
CREATE TABLE tls_session (
    day     INTEGER NOT NULL,
    domain  TEXT NOT NULL,
    policy  TEXT NOT NULL,
    host    TEXT NOT NULL,
    address TEXT NOT NULL,
    failure TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, host, address, failure)
) WITHOUT ROWID;
