//! Projects: groups of inboxes, with what programs call an inbox besides its name.

use mailwright_words::Id;

use crate::{engine::Tx, error::StoreError, params};

/// The project of inboxes that were put into none; it is always there.
pub const DEFAULT_PROJECT: u64 = 1;

/// A group of inboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// What is kept of an inbox for programs that group them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The project it is in.
    pub project: u64,
    /// What it is called, where that is not its name.
    pub label: Option<String>,
    /// The local part of an address of its own, where one was given.
    pub alias: Option<String>,
    /// Whether that address is switched off.
    pub is_alias_off: bool,
}

impl Default for Group {
    fn default() -> Self {
        Self { project: DEFAULT_PROJECT, label: None, alias: None, is_alias_off: false }
    }
}

/// Every project, oldest first.
///
/// Errors: those of the database.
pub fn projects(tx: &mut Tx<'_>) -> Result<Vec<Project>, StoreError> {
    tx.query("SELECT id, name FROM project ORDER BY id", params! {}, |row| {
        Ok(Project { id: row.get(0)?, name: row.get(1)? })
    })
}

/// Makes a project, unless there are `most`.
///
/// Errors: [`StoreError::Cannot`] when there are too many.
pub fn add_project(tx: &mut Tx<'_>, name: &str, most: usize) -> Result<Project, StoreError> {
    let count: usize =
        tx.query_one("SELECT count(*) FROM project", params! {}, |row| row.get(0))?;
    if count >= most {
        return Err(StoreError::Cannot("there are as many projects as there may be"));
    }
    tx.execute("INSERT INTO project (name) VALUES (:name)", params! { name })?;
    let newest = "SELECT id, name FROM project ORDER BY id DESC LIMIT 1";
    tx.query_one(newest, params! {}, |row| Ok(Project { id: row.get(0)?, name: row.get(1)? }))
}

/// Calls a project otherwise; whether there is one of that number.
///
/// Errors: those of the database.
pub fn rename_project(tx: &mut Tx<'_>, id: u64, name: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE project SET name = :name WHERE id = :id";
    Ok(tx.execute(sql, params! { name, id })? > 0)
}

/// Removes a project; inboxes that are still in it are in none.
///
/// Errors: [`StoreError::Cannot`] for the one that is always there.
pub fn drop_project(tx: &mut Tx<'_>, id: u64) -> Result<(), StoreError> {
    if id == DEFAULT_PROJECT {
        return Err(StoreError::Cannot("the first project stays"));
    }
    tx.execute(
        "UPDATE inbox_group SET project = :first WHERE project = :id",
        params! { first: DEFAULT_PROJECT, id },
    )?;
    tx.execute("DELETE FROM project WHERE id = :id", params! { id }).map(drop)
}

/// What is kept of each inbox that has something.
///
/// Errors: those of the database.
pub fn groups(tx: &mut Tx<'_>) -> Result<Vec<(Id, Group)>, StoreError> {
    tx.query(
        "SELECT g.inbox, g.project, g.label, g.alias, g.alias_off FROM inbox_group g
         JOIN inbox i ON i.principal = g.inbox",
        params! {},
        |row| {
            let group = Group {
                project: row.get(1)?,
                label: row.get(2)?,
                alias: row.get(3)?,
                is_alias_off: row.get(4)?,
            };
            Ok((row.get(0)?, group))
        },
    )
}

/// Keeps this of an inbox.
///
/// Errors: there is no such project, and those of the database.
pub fn set_group(tx: &mut Tx<'_>, inbox: Id, group: &Group) -> Result<(), StoreError> {
    let known: Option<u64> = tx.query_opt(
        "SELECT id FROM project WHERE id = :id",
        params! { id: group.project },
        |row| row.get(0),
    )?;
    if known.is_none() {
        return Err(StoreError::Missing("project"));
    }
    // What was kept of inboxes that went goes with the next that is put somewhere.
    tx.execute(
        "DELETE FROM inbox_group WHERE inbox NOT IN (SELECT principal FROM inbox)",
        params! {},
    )?;
    tx.execute(
        "INSERT INTO inbox_group (inbox, project, label, alias, alias_off)
         VALUES (:inbox, :project, :label, :alias, :off)
         ON CONFLICT (inbox) DO UPDATE SET project = :project, label = :label, alias = :alias,
             alias_off = :off",
        params! { inbox, project: group.project, label: group.label.as_deref(),
        alias: group.alias.as_deref(), off: group.is_alias_off },
    )
    .map(drop)
}

/// The name of the inbox with an address of this local part, in lower case: the one that it was
/// given, or its name; none where that is switched off.
///
/// Errors: those of the database.
pub fn inbox_addressed(tx: &mut Tx<'_>, local: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT p.name FROM inbox i JOIN principal p ON p.id = i.principal
             LEFT JOIN inbox_group g ON g.inbox = i.principal
         WHERE p.disabled = 0 AND ifnull(g.alias_off, 0) = 0
             AND ifnull(g.alias, p.name) = :local
         ORDER BY g.alias IS NULL, i.number LIMIT 1",
        params! { local },
        |row| row.get(0),
    )
}
