-- What imports brought into a folder, kept while the folder is: also when the message was expunged.
CREATE TABLE imported (
    mailbox INTEGER NOT NULL REFERENCES mailbox (id),
    origin  INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (mailbox, origin)
) WITHOUT ROWID;

INSERT INTO imported (mailbox, origin, message)
    SELECT first_mailbox, origin, id FROM message
    WHERE origin < 0 AND first_mailbox IN (SELECT id FROM mailbox);
