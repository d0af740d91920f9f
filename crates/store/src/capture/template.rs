//! Templates of messages; what stands in them means nothing here.

use mailwright_words::Timestamp;

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its number; 0 before it is kept.
    pub id: u64,
    /// By which messages name it.
    pub uuid: String,
    /// What it is called.
    pub name: String,
    /// What its messages are marked with.
    pub category: String,
    /// The subject of its messages.
    pub subject: String,
    /// Their HTML.
    pub html: Option<String>,
    /// Their text.
    pub text: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

const TEMPLATE: &str =
    "SELECT id, uuid, name, category, subject, html, text, created, updated FROM template";

fn read(row: &Row<'_>) -> Result<Template, StoreError> {
    Ok(Template {
        id: row.get(0)?,
        uuid: row.get(1)?,
        name: row.get(2)?,
        category: row.get(3)?,
        subject: row.get(4)?,
        html: row.get(5)?,
        text: row.get(6)?,
        created: row.get(7)?,
        updated: row.get(8)?,
    })
}

/// Every template, oldest first.
///
/// Errors: those of the database.
pub fn templates(tx: &mut Tx<'_>) -> Result<Vec<Template>, StoreError> {
    tx.query(&format!("{TEMPLATE} ORDER BY id"), params! {}, read)
}

/// The template with that number.
///
/// Errors: those of the database.
pub fn template(tx: &mut Tx<'_>, id: u64) -> Result<Option<Template>, StoreError> {
    tx.query_opt(&format!("{TEMPLATE} WHERE id = :id"), params! { id }, read)
}

/// The template that messages name so.
///
/// Errors: those of the database.
pub fn template_named(tx: &mut Tx<'_>, uuid: &str) -> Result<Option<Template>, StoreError> {
    tx.query_opt(&format!("{TEMPLATE} WHERE uuid = :uuid"), params! { uuid }, read)
}

/// Keeps a new template, unless there are `most`; gives its number.
///
/// Errors: [`StoreError::Cannot`] when there are too many.
pub fn add_template(tx: &mut Tx<'_>, new: &Template, most: usize) -> Result<u64, StoreError> {
    let count: usize =
        tx.query_one("SELECT count(*) FROM template", params! {}, |row| row.get(0))?;
    if count >= most {
        return Err(StoreError::Cannot("there are as many templates as there may be"));
    }
    tx.query_one(
        "INSERT INTO template (uuid, name, category, subject, html, text, created, updated)
         VALUES (:uuid, :name, :category, :subject, :html, :text, :created, :updated)
         RETURNING id",
        params! { uuid: &new.uuid, name: &new.name, category: &new.category,
        subject: &new.subject, html: new.html.as_deref(), text: new.text.as_deref(),
        created: new.created, updated: new.updated },
        |row| row.get(0),
    )
}

/// Has a template be as given.
///
/// Errors: [`StoreError::Missing`].
pub fn set_template(tx: &mut Tx<'_>, to: &Template) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE template SET name = :name, category = :category, subject = :subject, html = :html,
             text = :text, updated = :updated WHERE id = :id",
        params! { name: &to.name, category: &to.category, subject: &to.subject,
        html: to.html.as_deref(), text: to.text.as_deref(), updated: to.updated, id: to.id },
    )?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("template")) }
}

/// Removes a template.
///
/// Errors: [`StoreError::Missing`].
pub fn drop_template(tx: &mut Tx<'_>, id: u64) -> Result<(), StoreError> {
    match tx.execute("DELETE FROM template WHERE id = :id", params! { id })? {
        1 => Ok(()),
        _ => Err(StoreError::Missing("template")),
    }
}
