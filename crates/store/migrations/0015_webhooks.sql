-- Webhooks of inboxes, and each delivery to them that is due or was made.

CREATE TABLE webhook (
    id         INTEGER PRIMARY KEY,
    inbox      INTEGER NOT NULL,
    url        TEXT NOT NULL,
    kinds      TEXT NOT NULL,
    secret     BLOB NOT NULL,
    old_secret BLOB,
    old_until  INTEGER,
    created    INTEGER NOT NULL,
    waiting    INTEGER NOT NULL DEFAULT 0,
    failing    INTEGER,
    disabled   INTEGER,
    reason     TEXT
);

CREATE INDEX webhook_inbox ON webhook (inbox);
CREATE INDEX webhook_waiting ON webhook (id) WHERE waiting > 0;

-- A number is never used twice: receivers tell deliveries apart by it.
CREATE TABLE webhook_delivery (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook  INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    message  INTEGER,
    payload  TEXT,
    at       INTEGER NOT NULL,
    due      INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    tried    INTEGER,
    status   INTEGER,
    error    TEXT
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, due) WHERE due IS NOT NULL;
CREATE INDEX webhook_delivery_of ON webhook_delivery (webhook, id);
