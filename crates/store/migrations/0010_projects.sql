-- Projects: groups of inboxes, for programs that know inboxes by them.

CREATE TABLE project (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);

-- The one that inboxes are in which were put into none.
INSERT INTO project (id, name) VALUES (1, 'Sandbox');

CREATE TABLE inbox_group (
    inbox     INTEGER PRIMARY KEY,
    project   INTEGER NOT NULL REFERENCES project (id),
    label     TEXT,
    alias     TEXT,
    alias_off INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX inbox_group_project ON inbox_group (project);
