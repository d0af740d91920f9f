-- What was released of the messages that inboxes caught: once for each key and address.

CREATE TABLE release (
    message INTEGER NOT NULL,
    key     TEXT NOT NULL,
    address TEXT NOT NULL,
    spool   INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (message, key, address)
) WITHOUT ROWID;
