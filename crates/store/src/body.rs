//! Bodies: the exact bytes that came over the wire, in segments or, if large, in a file each.
//!
//! A body never changes and is shared: its row counts who uses it, and what nobody has used for a
//! grace time is reclaimed while the store runs.

mod append;
mod collect;
mod disk;
mod read;
mod reclaim;
mod record;
mod recover;
mod refs;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use mailwright_words::Id;

pub(crate) use self::{
    append::{AppendInbox, Appender, Pending},
    collect::{Place, Spilled, blocking},
    read::{OpenSegments, damaged, find},
    record::RecordHead,
    recover::recover,
};
pub use self::{
    collect::{Body, BodyWriter},
    disk::{Disk, DiskFile, RealDisk, VolatileDisk},
    read::{Bodies, BodyReader},
    reclaim::Reclaimed,
    refs::{hold, release},
};
use crate::{
    engine::{Column, Value},
    error::StoreError,
};

/// The number of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub(crate) Id);

impl BodyId {
    /// The number as it stands in rows.
    pub fn get(self) -> i64 {
        self.0.get()
    }

    /// The body that a row names.
    pub fn from_i64(number: i64) -> Self {
        Self(Id::from_i64(number))
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<BodyId> for Value<'_> {
    fn from(id: BodyId) -> Self {
        Self::Integer(id.get())
    }
}

impl Column for BodyId {
    fn read(value: rusqlite::types::ValueRef<'_>) -> Result<Self, StoreError> {
        i64::read(value).map(Self::from_i64)
    }
}

/// Where bodies lie in the data folder.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segments: PathBuf,
    pub(crate) files: PathBuf,
    pub(crate) quarantine: PathBuf,
}

impl Folder {
    /// Makes the folders that are not there yet, and puts their names on stable storage.
    pub(crate) fn new(disk: Arc<dyn Disk>, data: &Path) -> std::io::Result<Self> {
        let bodies = data.join("bodies");
        let (segments, files) = (bodies.join("segments"), bodies.join("large"));
        let quarantine = bodies.join("quarantine");
        for folder in [&segments, &files, &quarantine] {
            disk.make_folder(folder)?;
        }
        disk.sync_folder(&bodies)?;
        disk.sync_folder(data)?;
        Ok(Self { disk, segments, files, quarantine })
    }

    pub(crate) fn segment(&self, id: i64) -> PathBuf {
        self.segments.join(format!("{id:010}.segment"))
    }

    pub(crate) fn file(&self, id: BodyId) -> PathBuf {
        self.files.join(format!("{:020}.body", id.get()))
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
