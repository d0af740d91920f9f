//! `Tx`, the one way to SQL: statements by text, values by name, rows by column.
//!
//! It is the seam behind which another engine fits, so nothing of `SQLite` shows in it. Statements
//! are prepared once a connection and kept.

use mailwright_words::{Id, Timestamp};
use rusqlite::{
    Connection, Statement, ToSql,
    types::{FromSql, ToSqlOutput, ValueRef},
};

use crate::{error::StoreError, index::Entry, mailbox::Edit};

/// A value on its way into a statement.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// SQL's `NULL`.
    Null,
    /// A whole number, a time, an id or a truth.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

macro_rules! value_from {
    ($($type:ty => |$it:ident| $value:expr;)*) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($it: $type) -> Self { $value }
        })*
    };
}

value_from! {
    i64 => |it| Self::Integer(it);
    &i64 => |it| Self::Integer(*it);
    i32 => |it| Self::Integer(i64::from(it));
    u32 => |it| Self::Integer(i64::from(it));
    u16 => |it| Self::Integer(i64::from(it));
    u8 => |it| Self::Integer(i64::from(it));
    bool => |it| Self::Integer(i64::from(it));
    Id => |it| Self::Integer(it.get());
    Timestamp => |it| Self::Integer(it.ms());
    &'a str => |it| Self::Text(it);
    &'a String => |it| Self::Text(it);
    &'a [u8] => |it| Self::Blob(it);
    &'a Vec<u8> => |it| Self::Blob(it);
}

/// Sizes of what we hold stay far below `i64::MAX`; past it the value saturates.
impl From<u64> for Value<'_> {
    fn from(n: u64) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(n: usize) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value with the name a statement knows it by, the colon included.
pub type Param<'a> = (&'static str, Value<'a>);

/// Values by name for a statement: `params! { id, name: &row.name }` binds `:id` and `:name`.
#[macro_export]
macro_rules! params {
    () => { $crate::engine::named(&[]) };
    ($($name:ident $(: $value:expr)?),+ $(,)?) => {
        $crate::engine::named(
            &[$((concat!(":", stringify!($name)), $crate::params!(@ $name $(, $value)?))),+]
        )
    };
    (@ $name:ident, $value:expr) => { $crate::engine::Value::from($value) };
    (@ $name:ident) => { $crate::engine::Value::from($name) };
}

/// What [`params!`](crate::params) makes, so that its type is known.
pub const fn named<'a, 'v>(params: &'a [Param<'v>]) -> &'a [Param<'v>] {
    params
}

/// One row of an answer; it lives until the next one is taken.
#[derive(Debug)]
pub struct Row<'r>(&'r rusqlite::Row<'r>);

impl Row<'_> {
    /// The value of column `index`, counted from 0.
    ///
    /// Errors: when the column is missing or of another type.
    pub fn get<T: Column>(&self, index: usize) -> Result<T, StoreError> {
        T::read(self.0.get_ref(index)?)
    }

    /// The octets of column `index`, counted from 0, without a copy.
    ///
    /// Errors: when the column is missing or no blob.
    pub fn bytes(&self, index: usize) -> Result<&[u8], StoreError> {
        self.0.get_ref(index)?.as_blob().ok().ok_or(StoreError::Corrupt("blob"))
    }
}

/// A type that a column can be read as.
pub trait Column: Sized {
    #[doc(hidden)]
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError>;
}

fn plain<T: FromSql>(value: ValueRef<'_>) -> Result<T, StoreError> {
    T::column_result(value).map_err(|e| rusqlite::Error::from(e).into())
}

macro_rules! columns {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn read(value: ValueRef<'_>) -> Result<Self, StoreError> { plain(value) }
        })*
    };
}

columns!(i64, i32, u32, u16, u8, bool, String, Vec<u8>);

impl Column for u64 {
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError> {
        Self::try_from(i64::read(value)?).ok().ok_or(StoreError::Corrupt("size"))
    }
}

impl Column for usize {
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError> {
        Self::try_from(i64::read(value)?).ok().ok_or(StoreError::Corrupt("size"))
    }
}

impl Column for Id {
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError> {
        i64::read(value).map(Self::from_i64)
    }
}

impl Column for Timestamp {
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError> {
        i64::read(value).map(Self::new)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: ValueRef<'_>) -> Result<Self, StoreError> {
        if value == ValueRef::Null { Ok(None) } else { T::read(value).map(Some) }
    }
}

/// An open transaction, inside a closure given to [`crate::Store::write`] or
/// [`crate::Store::read`].
///
/// In a read, a statement that would write is refused by the database.
#[derive(Debug)]
pub struct Tx<'c> {
    connection: &'c Connection,
    /// What the views of mailboxes are told after the commit.
    edits: Vec<Edit>,
    /// Messages that were delivered and are to be rendered.
    late: Vec<Id>,
    /// What the index is to keep.
    entries: Vec<Entry>,
    /// Whether the answer waits for stable storage, although the group need not.
    is_promise: bool,
}

/// What follows a commit.
#[derive(Debug)]
pub(crate) struct Sequel {
    /// What the views of mailboxes are told.
    pub(crate) edits: Vec<Edit>,
    /// What is to be rendered.
    pub(crate) late: Vec<Id>,
    /// What the index is to keep.
    pub(crate) entries: Vec<Entry>,
    /// Whether it has to be on stable storage before it is answered.
    pub(crate) is_promise: bool,
}

/// How far the sequel of a transaction was made, to take back what was added later.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    edits: usize,
    entries: usize,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        let (edits, late, entries) = (Vec::new(), Vec::new(), Vec::new());
        Self { connection, edits, late, entries, is_promise: false }
    }

    /// Tells the view of a mailbox what changed, once it is committed.
    pub(crate) fn publish(&mut self, edit: Edit) {
        self.edits.push(edit);
    }

    /// Has a message rendered once it is committed; it may turn out not to be there.
    pub(crate) fn render_later(&mut self, message: Id) {
        self.late.push(message);
    }

    /// Has the index keep an entry once its message is committed.
    pub(crate) fn index(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Keeps the answers back until the commit is on stable storage, also in a group that may
    /// answer before.
    pub(crate) fn promise(&mut self) {
        self.is_promise = true;
    }

    /// How far the sequel is made.
    pub(crate) fn extent(&self) -> Extent {
        Extent { edits: self.edits.len(), entries: self.entries.len() }
    }

    /// Takes back the edits and entries behind an extent.
    pub(crate) fn back_to(&mut self, extent: Extent) {
        self.edits.truncate(extent.edits);
        self.entries.truncate(extent.entries);
    }

    /// What follows the commit.
    pub(crate) fn into_sequel(self) -> Sequel {
        let Self { connection: _, edits, late, entries, is_promise } = self;
        Sequel { edits, late, entries, is_promise }
    }

    /// Runs a statement and says how many rows it touched.
    pub fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        Ok(statement.raw_execute()?)
    }

    /// Runs `part` so that its error takes back its own rows only, and nothing else of the closure.
    ///
    /// The inner result is the part's, the outer one that of the savepoint itself.
    ///
    /// Errors: those of the database; the whole closure must end with it.
    pub fn nested<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Result<T, StoreError>, StoreError> {
        self.execute("SAVEPOINT part", &[])?;
        let extent = self.extent();
        let outcome = part(self);
        if outcome.is_err() {
            self.back_to(extent);
            self.execute("ROLLBACK TO part", &[])?;
        }
        self.execute("RELEASE part", &[])?;
        Ok(outcome)
    }

    /// Runs one statement for each of `rows`, and says how many rows it touched in all.
    pub fn execute_many<'p, R: AsRef<[Param<'p>]>>(
        &mut self,
        sql: &str,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut touched = 0;
        for row in rows {
            bind(&mut statement, row.as_ref())?;
            touched += statement.raw_execute()?;
        }
        Ok(touched)
    }

    /// Every row of an answer, each read by `read`.
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(read(&Row(row))?);
        }
        Ok(out)
    }

    /// Gives each row of an answer to `each` until that says false; says whether all were given.
    pub fn each(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !each(&Row(row))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first row of an answer, if it has one.
    pub fn query_opt<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => read(&Row(row)).map(Some),
            None => Ok(None),
        }
    }

    /// The first row of an answer that always has one.
    ///
    /// Errors: [`StoreError::Missing`] when it has none after all.
    pub fn query_one<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.query_opt(sql, params, read)?.ok_or(StoreError::Missing("row"))
    }
}

/// Binds every parameter of the statement: one left out is an error of ours, not a `NULL`.
fn bind(statement: &mut Statement<'_>, params: &[Param<'_>]) -> Result<(), StoreError> {
    if statement.parameter_count() != params.len() {
        let count = statement.parameter_count();
        return Err(rusqlite::Error::InvalidParameterCount(params.len(), count).into());
    }
    for (place, (name, value)) in params.iter().enumerate() {
        // Mostly the names come in the statement's order, which spares the search.
        let index = if statement.parameter_name(place + 1) == Some(name) {
            place + 1
        } else {
            statement
                .parameter_index(name)?
                .ok_or_else(|| rusqlite::Error::InvalidParameterName((*name).to_owned()))?
        };
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}
