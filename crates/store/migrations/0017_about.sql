-- The message of ours that a report is about, where the address it came to proves that.
ALTER TABLE report_mail ADD COLUMN about INTEGER;

-- The names that senders gave their transactions: another server's report may give nothing else.
CREATE TABLE envelope (
    spool INTEGER PRIMARY KEY,
    envid TEXT NOT NULL
);

CREATE INDEX envelope_envid ON envelope (envid);
