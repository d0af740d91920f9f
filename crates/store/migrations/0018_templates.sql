-- Templates of messages, for programs that send by them.

CREATE TABLE template (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid     TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    category TEXT NOT NULL,
    subject  TEXT NOT NULL,
    html     TEXT,
    text     TEXT,
    created  INTEGER NOT NULL,
    updated  INTEGER NOT NULL
);
