//! The database engine: one writer thread, reading connections, and the data folder's lock.

mod log;
mod reader;
mod schema;
mod tx;
mod writer;

pub(crate) use self::{
    reader::Readers,
    schema::open as open_database,
    tx::{Extent, Sequel},
    writer::{BodyRow, Inbox, Job, Mark, Writer},
};
pub use self::{
    tx::{Column, Param, Row, Tx, Value, named},
    writer::Lane,
};
