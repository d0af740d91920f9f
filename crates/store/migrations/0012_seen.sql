-- Messages of strangers, counted for reports to the domains that their authors claim. `day` counts
-- days since 1970, `domain` is where the DMARC record was, `policy` what it said, `row` what was
-- found out; the last two are JSON texts.
CREATE TABLE dmarc_seen (
    day    INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    row    TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, row)
) WITHOUT ROWID;
