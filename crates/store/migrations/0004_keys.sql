-- Keys that domains sign with. A private key is erased when nothing is signed with it any more.
CREATE TABLE dkim_key (
    id        INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL REFERENCES tenant (id),
    domain    INTEGER NOT NULL REFERENCES domain (id),
    selector  TEXT NOT NULL,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    state     TEXT NOT NULL CHECK (state IN ('pending', 'active', 'old', 'retired')),
    private   BLOB,
    public    BLOB NOT NULL,
    created   INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    UNIQUE (domain, selector),
    CHECK (private IS NOT NULL OR state IN ('old', 'retired'))
);

-- One key of a kind signs at a time.
CREATE UNIQUE INDEX dkim_key_active ON dkim_key (domain, algorithm) WHERE state = 'active';

-- The domain of the author of a message that was submitted here, who may use it.
ALTER TABLE spool ADD COLUMN sign_as TEXT;
