-- What reading and changing mailboxes needs beside their rows.

-- No change has a number beyond this one; it is on stable storage before any such number is told.
ALTER TABLE principal ADD COLUMN modseq_reserved INTEGER NOT NULL DEFAULT 0;

-- A name may be subscribed to while no mailbox has it.
CREATE TABLE subscription (
    account INTEGER NOT NULL REFERENCES principal (id),
    name    TEXT NOT NULL,
    PRIMARY KEY (account, name)
) WITHOUT ROWID;

INSERT INTO subscription (account, name) SELECT account, name FROM mailbox WHERE subscribed = 1;
ALTER TABLE mailbox DROP COLUMN subscribed;

-- A mailbox that was deleted, whose rows go chunk by chunk.
ALTER TABLE mailbox ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
CREATE INDEX mailbox_dead ON mailbox (dead) WHERE dead = 1;

-- Contents that no mailbox has any more; sessions that were not told yet may read them for a while.
CREATE TABLE orphan (
    message INTEGER PRIMARY KEY REFERENCES message (id),
    since   INTEGER NOT NULL
);

ALTER TABLE message_meta ADD COLUMN body BLOB;
ALTER TABLE message_meta ADD COLUMN base_subject TEXT;
ALTER TABLE message_meta ADD COLUMN is_reply INTEGER;
ALTER TABLE message_meta ADD COLUMN message_id_hash INTEGER;
ALTER TABLE message_meta ADD COLUMN refs BLOB;
ALTER TABLE message_meta ADD COLUMN sent INTEGER;
ALTER TABLE message_meta ADD COLUMN sent_day INTEGER;
