-- Daily reports that went: which, and where to. A row is written with the message that carries
-- the report, so that a crash at any moment makes no second one.
CREATE TABLE report_sent (
    kind   TEXT NOT NULL,
    day    INTEGER NOT NULL,
    domain TEXT NOT NULL,
    report TEXT NOT NULL,
    place  TEXT NOT NULL,
    PRIMARY KEY (day, domain, kind, report, place)
) WITHOUT ROWID;
