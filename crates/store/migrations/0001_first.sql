-- The first schema. Times are epoch milliseconds, ids are made by the program.
-- Indexes are few on purpose: each costs on the way of every message.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE node (
    id    INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
);

-- Who.

CREATE TABLE tenant (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
);

CREATE TABLE principal (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES tenant (id),
    kind        TEXT NOT NULL CHECK (kind IN ('person', 'application', 'inbox', 'administrator')),
    name        TEXT NOT NULL UNIQUE,
    disabled    INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER,
    used_bytes  INTEGER NOT NULL DEFAULT 0,
    modseq      INTEGER NOT NULL DEFAULT 1,
    uidvalidity INTEGER NOT NULL DEFAULT 1,
    scram_sha1_salt   BLOB,
    scram_sha256_salt BLOB,
    created     INTEGER NOT NULL
);

CREATE TABLE credential (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    principal  INTEGER NOT NULL REFERENCES principal (id),
    kind       TEXT NOT NULL CHECK (kind IN ('password', 'app_password', 'token')),
    label      TEXT NOT NULL,
    hash       TEXT NOT NULL,
    scram_sha1   BLOB,
    scram_sha256 BLOB,
    cram_md5     BLOB,
    created    INTEGER NOT NULL,
    last_used  INTEGER,
    UNIQUE (principal, kind, label)
);

CREATE TABLE domain (
    id        INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL REFERENCES tenant (id),
    name      TEXT NOT NULL UNIQUE,
    kind      TEXT NOT NULL DEFAULT 'local' CHECK (kind IN ('local', 'backup', 'sandbox')),
    catch_all TEXT,
    created   INTEGER NOT NULL
);

CREATE TABLE address (
    id      INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL REFERENCES tenant (id),
    domain  INTEGER NOT NULL REFERENCES domain (id),
    address TEXT NOT NULL UNIQUE,
    kind    TEXT NOT NULL CHECK (kind IN ('mailbox', 'alias', 'list', 'forward', 'inbox')),
    principal INTEGER REFERENCES principal (id),
    created INTEGER NOT NULL
);

CREATE INDEX address_domain ON address (domain);
CREATE INDEX address_principal ON address (principal);

CREATE TABLE address_target (
    address INTEGER NOT NULL REFERENCES address (id),
    target  TEXT NOT NULL,
    PRIMARY KEY (address, target)
) WITHOUT ROWID;

CREATE TABLE send_as (
    principal INTEGER NOT NULL REFERENCES principal (id),
    address   TEXT NOT NULL,
    tenant    INTEGER NOT NULL REFERENCES tenant (id),
    PRIMARY KEY (principal, address)
) WITHOUT ROWID;

-- Bytes. A body is the bytes as they came; who uses it counts in `refs`.

CREATE TABLE body (
    id          INTEGER PRIMARY KEY,
    segment     INTEGER NOT NULL,
    offset      INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    crc         INTEGER NOT NULL,
    file        INTEGER NOT NULL DEFAULT 0,
    refs        INTEGER NOT NULL CHECK (refs >= 0),
    dead_since  INTEGER,
    quarantined INTEGER
);

CREATE INDEX body_dead ON body (dead_since) WHERE dead_since IS NOT NULL;
CREATE INDEX body_file ON body (file) WHERE file = 1;

CREATE TABLE segment (
    id     INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    dead   INTEGER NOT NULL DEFAULT 0,
    sealed INTEGER NOT NULL DEFAULT 0
);

-- Mailboxes.

CREATE TABLE mailbox (
    id            INTEGER PRIMARY KEY,
    tenant        INTEGER NOT NULL REFERENCES tenant (id),
    account       INTEGER NOT NULL REFERENCES principal (id),
    parent        INTEGER REFERENCES mailbox (id),
    name          TEXT NOT NULL,
    special_use   TEXT,
    uidvalidity   INTEGER NOT NULL,
    uidnext       INTEGER NOT NULL DEFAULT 1,
    recent_from_uid INTEGER NOT NULL DEFAULT 1,
    highestmodseq INTEGER NOT NULL DEFAULT 1,
    total         INTEGER NOT NULL DEFAULT 0,
    unseen        INTEGER NOT NULL DEFAULT 0,
    deleted       INTEGER NOT NULL DEFAULT 0,
    bytes         INTEGER NOT NULL DEFAULT 0,
    expunge_floor_modseq INTEGER NOT NULL DEFAULT 0,
    subscribed    INTEGER NOT NULL DEFAULT 1,
    created       INTEGER NOT NULL,
    UNIQUE (account, name)
);

CREATE TABLE message (
    id              INTEGER PRIMARY KEY,
    tenant          INTEGER NOT NULL REFERENCES tenant (id),
    account         INTEGER NOT NULL REFERENCES principal (id),
    body            INTEGER NOT NULL,
    head            BLOB NOT NULL,
    head_skip       INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    internal_date   INTEGER NOT NULL,
    message_id_hash INTEGER,
    thread          INTEGER,
    subject_base    TEXT,
    origin          INTEGER,
    first_mailbox   INTEGER,
    UNIQUE (origin, first_mailbox)
);

CREATE TABLE message_meta (
    message       INTEGER PRIMARY KEY REFERENCES message (id),
    version       INTEGER NOT NULL,
    envelope      BLOB,
    bodystructure BLOB,
    parts         BLOB,
    headers       BLOB,
    preview       TEXT
);

CREATE TABLE mailbox_msg (
    mailbox       INTEGER NOT NULL REFERENCES mailbox (id),
    uid           INTEGER NOT NULL,
    message       INTEGER NOT NULL REFERENCES message (id),
    flags         INTEGER NOT NULL,
    keywords      INTEGER NOT NULL DEFAULT 0,
    modseq        INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    save_date     INTEGER NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;

CREATE INDEX mailbox_msg_message ON mailbox_msg (message);

CREATE TABLE keyword (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    bit     INTEGER NOT NULL CHECK (bit BETWEEN 0 AND 63),
    name    TEXT NOT NULL,
    PRIMARY KEY (mailbox, bit),
    UNIQUE (mailbox, name)
) WITHOUT ROWID;

CREATE TABLE mailbox_change (
    mailbox  INTEGER NOT NULL REFERENCES mailbox (id),
    modseq   INTEGER NOT NULL,
    uid_low  INTEGER NOT NULL,
    uid_high INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('changed', 'expunged')),
    PRIMARY KEY (mailbox, modseq, uid_low, kind)
) WITHOUT ROWID;

-- Spool and queue.

CREATE TABLE spool (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES tenant (id),
    parent      INTEGER,
    body        INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    head        BLOB NOT NULL,
    head_skip   INTEGER NOT NULL,
    sender      TEXT NOT NULL,
    envid       TEXT,
    ret         TEXT CHECK (ret IN ('full', 'hdrs')),
    body_type   TEXT NOT NULL CHECK (body_type IN ('7bit', '8bitmime', 'binarymime')),
    smtputf8    INTEGER NOT NULL,
    confined    INTEGER NOT NULL DEFAULT 0,
    stream      TEXT NOT NULL DEFAULT '',
    priority    INTEGER NOT NULL DEFAULT 0,
    arrived     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    deliver_by  INTEGER,
    by_mode     TEXT CHECK (by_mode IN ('return', 'notify')),
    by_trace    INTEGER NOT NULL DEFAULT 0,
    depth       INTEGER NOT NULL DEFAULT 0,
    listener    TEXT NOT NULL,
    peer        TEXT NOT NULL,
    helo        TEXT NOT NULL,
    account     INTEGER
);

-- A recipient waits at `due`; a blocked destination keeps its own row back for all of them.
CREATE TABLE recipient (
    id          INTEGER PRIMARY KEY,
    spool       INTEGER NOT NULL REFERENCES spool (id),
    tenant      INTEGER NOT NULL REFERENCES tenant (id),
    address     TEXT NOT NULL,
    original    TEXT NOT NULL,
    orcpt       TEXT,
    notify      INTEGER NOT NULL,
    class       TEXT NOT NULL CHECK (class IN ('local', 'relay', 'capture')),
    principal   INTEGER,
    folder      TEXT,
    destination TEXT NOT NULL,
    confined    INTEGER NOT NULL DEFAULT 0,
    stream      TEXT NOT NULL DEFAULT '',
    priority    INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'held')),
    owner_node  INTEGER,
    owner_epoch INTEGER,
    due         INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    delay_told  INTEGER NOT NULL DEFAULT 0,
    expires     INTEGER NOT NULL,
    last_reply  TEXT,
    UNIQUE (spool, address),
    CHECK (class <> 'relay' OR confined = 0)
);

-- Who waits for a destination, apart by tenant and stream, so that none fills what is claimed.
CREATE INDEX recipient_due ON recipient (destination, tenant, stream, due)
    WHERE state = 'queued' AND owner_node IS NULL;
CREATE INDEX recipient_owner ON recipient (owner_node, owner_epoch) WHERE owner_node IS NOT NULL;

-- `next_due` is when a claim may find something: never later than the first unowned recipient is
-- due, except that a blocked destination waits for the end of its block.
CREATE TABLE destination (
    site          TEXT PRIMARY KEY,
    next_due      INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0,
    last_reply    TEXT,
    changed       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX destination_due ON destination (next_due);

CREATE TABLE attempt (
    id         INTEGER PRIMARY KEY,
    recipient  INTEGER NOT NULL,
    spool      INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    started    INTEGER NOT NULL,
    ended      INTEGER NOT NULL,
    host       TEXT,
    outcome    TEXT NOT NULL,
    reply      TEXT,
    transcript TEXT
);

CREATE INDEX attempt_recipient ON attempt (recipient);

CREATE TABLE event (
    id        INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    spool     INTEGER,
    recipient INTEGER,
    address   TEXT,
    detail    TEXT
);

CREATE INDEX event_spool ON event (spool) WHERE spool IS NOT NULL;

-- What is left of events that were removed: how many of a kind there were in an hour since 1970.
CREATE TABLE event_hour (
    tenant INTEGER NOT NULL,
    hour   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, kind)
) WITHOUT ROWID;
