//! What opening does about the traces of a crash, and what is done about damage.
//!
//! Every transaction stores how far the segment was durable when it committed, and a body's row
//! commits after its bytes: so what lies behind the mark was never acknowledged and goes, and so do
//! segments and files that no row names. A bad record before the mark is damage: it is copied into
//! quarantine, its messages are held, and the log says so. Nothing is dropped silently.

use std::{collections::BTreeSet, fs, io, path::Path};

use mailwright_words::Timestamp;
use rusqlite::Connection;

use crate::{
    body::{
        BodyId, Folder,
        record::{self, HEAD, RecordHead, START},
    },
    engine::{BodyRow, Tx},
    error::{OpenError, StoreError},
    params,
};

/// Bodies that are checked at each start, the newest ones.
const CHECKED_AT_START: i64 = 64;

/// Removes what was never acknowledged, looks for damage, and gives the number of the next segment.
pub(crate) fn recover(
    connection: &Connection,
    folder: &Folder,
    now: Timestamp,
) -> Result<i64, OpenError> {
    let mut tx = Tx::new(connection);
    tx.execute("BEGIN IMMEDIATE", &[])?;
    let next = segments(&mut tx, folder)?;
    large_files(&mut tx, folder, now)?;
    let newest = tx.query(
        "SELECT id, segment, offset, length, crc, file FROM body WHERE quarantined IS NULL
         ORDER BY id DESC LIMIT :count",
        params! { count: CHECKED_AT_START },
        row,
    )?;
    for body in newest.iter().filter(|body| !body.file) {
        if is_damaged(folder, body)? {
            quarantine(&mut tx, folder, body, now)?;
        }
    }
    tx.execute("COMMIT", &[])?;
    Ok(next)
}

/// A body's place, from the columns id, segment, offset, length, crc, file.
pub(crate) fn row(row: &crate::engine::Row<'_>) -> Result<BodyRow, StoreError> {
    Ok(BodyRow {
        id: row.get(0)?,
        segment: row.get(1)?,
        offset: row.get(2)?,
        length: row.get(3)?,
        crc: row.get(4)?,
        file: row.get(5)?,
    })
}

fn segments(tx: &mut Tx<'_>, folder: &Folder) -> Result<i64, OpenError> {
    let known: Vec<(i64, u64, i64)> =
        tx.query("SELECT id, length, sealed FROM segment ORDER BY id", &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let named: BTreeSet<i64> = known.iter().map(|(id, ..)| *id).collect();
    let on_disk = numbers(folder, &folder.segments)?;
    for stray in on_disk.difference(&named) {
        tracing::info!(segment = stray, "Removed a segment of which nothing was acknowledged.");
        remove(folder, &folder.segment(*stray))?;
    }
    for (id, length, sealed) in &known {
        if !on_disk.contains(id) {
            tracing::error!(segment = id, "A segment is missing; the bodies in it are lost.");
        } else if *sealed == 0 {
            cut(folder, *id, *length)?;
        }
    }
    tx.execute("UPDATE segment SET sealed = 1 WHERE sealed = 0", &[])?;
    let newest = named.last().max(on_disk.last()).copied().unwrap_or(0);
    Ok(newest + 1)
}

/// Takes away what lies behind the mark.
fn cut(folder: &Folder, segment: i64, mark: u64) -> Result<(), OpenError> {
    let path = folder.segment(segment);
    let at = |source| OpenError::Io { path: path.clone(), source };
    let file = folder.disk.open(&path).map_err(at)?;
    let length = file.length().map_err(at)?;
    if length < mark {
        tracing::error!(segment, length, mark, "A segment is shorter than it was; bytes are lost.");
    } else if length > mark {
        tracing::info!(segment, octets = length - mark, "Removed bytes never acknowledged.");
        folder.disk.open_to_cut(&path).and_then(|file| file.cut(mark)).map_err(at)?;
    }
    Ok(())
}

fn large_files(tx: &mut Tx<'_>, folder: &Folder, now: Timestamp) -> Result<(), OpenError> {
    let known = tx.query(
        "SELECT id, segment, offset, length, crc, file FROM body
         WHERE file = 1 AND quarantined IS NULL",
        &[],
        row,
    )?;
    let kept: BTreeSet<i64> = tx
        .query("SELECT id FROM body WHERE file = 1", &[], |row| row.get(0))?
        .into_iter()
        .collect();
    let on_disk = numbers(folder, &folder.files)?;
    for stray in on_disk.difference(&kept) {
        remove(folder, &folder.file(BodyId::from_i64(*stray)))?;
    }
    for body in known.iter().filter(|body| !on_disk.contains(&body.id)) {
        quarantine(tx, folder, body, now)?;
    }
    Ok(())
}

/// The numbers that the names of a folder begin with.
fn numbers(folder: &Folder, path: &Path) -> Result<BTreeSet<i64>, OpenError> {
    let names = folder.disk.names(path);
    let names = names.map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let number = |name: String| name.split('.').next().and_then(|n| n.parse().ok());
    Ok(names.into_iter().filter_map(number).collect())
}

fn remove(folder: &Folder, path: &Path) -> Result<(), OpenError> {
    folder.disk.remove(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Whether the bytes of a body are not those that were stored.
pub(crate) fn is_damaged(folder: &Folder, body: &BodyRow) -> Result<bool, StoreError> {
    match read_raw(folder, body) {
        Ok((head, bytes)) => Ok(!is_sound(body, head, &bytes)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_sound(body: &BodyRow, head: Option<RecordHead>, bytes: &[u8]) -> bool {
    let own_head = head.is_none_or(|head| {
        head.id == body.id && u64::from(head.length) == body.length && head.crc == body.crc
    });
    let id = BodyId::from_i64(body.id).0;
    own_head && record::seal(crc32c::crc32c(bytes), id, body.length) == body.crc
}

/// The bytes of a body as they are, with the head of its record if it has one.
fn read_raw(folder: &Folder, body: &BodyRow) -> io::Result<(Option<RecordHead>, Vec<u8>)> {
    let mut bytes = vec![0; usize::try_from(body.length).map_err(io::Error::other)?];
    if body.file {
        folder.disk.open(&folder.file(BodyId::from_i64(body.id)))?.read_at(&mut bytes, 0)?;
        return Ok((None, bytes));
    }
    let file = folder.disk.open(&folder.segment(body.segment))?;
    let mut head = [0; HEAD];
    file.read_at(&mut head, body.offset)?;
    let after = u64::try_from(HEAD).unwrap_or(START);
    file.read_at(&mut bytes, body.offset.saturating_add(after))?;
    let none = RecordHead { length: 0, crc: 0, id: 0 };
    Ok((Some(RecordHead::parse(&head).unwrap_or(none)), bytes))
}

/// Sets a damaged body aside: a copy of what is left, and its messages held.
pub(crate) fn quarantine(
    tx: &mut Tx<'_>,
    folder: &Folder,
    body: &BodyRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (id, segment, offset) = (body.id, body.segment, body.offset);
    tracing::error!(id, segment, offset, "A stored body is damaged and was quarantined.");
    if let Ok((_, bytes)) = read_raw(folder, body) {
        fs::write(folder.quarantine.join(format!("{id:020}.damaged")), bytes)?;
    }
    tx.execute("UPDATE body SET quarantined = :now WHERE id = :id", params! { now, id })?;
    tx.execute(
        "UPDATE recipient SET state = 'held', owner_node = NULL, owner_epoch = NULL,
             last_reply = '451 4.3.0 The stored message is damaged'
         WHERE spool IN (SELECT id FROM spool WHERE body = :id)",
        params! { id },
    )?;
    Ok(())
}
