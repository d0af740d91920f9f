//! A backup, printed as a tar archive: the rows, the bodies, and what else is in the data folder.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use mailwright_store::backup::{Piece, Snapshot};

use super::blocking;
use crate::{Failure, archive, checkup, console::Console, office::Office};

/// Octets that are read at a time.
const PIECE: u64 = 256 << 10;
/// What stands in a data folder for the process alone, comes with the rows and bodies, or, as the
/// index, is made anew where it is missing.
const LEFT_OUT: [&str; 11] = [
    "lock",
    "control.sock",
    "mailwright.db",
    "mailwright.db-wal",
    "mailwright.db-shm",
    "index.db",
    "index.db-wal",
    "index.db-shm",
    "bodies",
    "backup.part",
    checkup::LAST_BACKUP,
];

pub(super) async fn run(office: &Office, console: &Console) -> Result<(), Failure> {
    let snapshot = office.store.snapshot().await?;
    let folder = office.store.path().to_owned();
    let others = blocking(move || Ok(others(&folder, Path::new(""))?)).await?;
    for piece in others.iter().chain(Snapshot::pieces(&snapshot)) {
        send(console, piece).await?;
    }
    console.write(archive::END.to_vec()).await?;
    checkup::note_backup(office);
    Ok(())
}

/// The other files of a data folder: keys, certificates, the configuration.
fn others(data: &Path, below: &Path) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut entries = fs::read_dir(data.join(below))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, kind) = (below.join(entry.file_name()), entry.file_type()?);
        let Some(text) = name.to_str().filter(|name| !LEFT_OUT.contains(name)) else { continue };
        if kind.is_dir() {
            pieces.extend(others(data, &name)?);
        } else if kind.is_file() {
            let length = entry.metadata()?.len();
            pieces.push(Piece { name: text.to_owned(), path: entry.path(), length });
        }
    }
    Ok(pieces)
}

/// Sends one file; it has at least as many octets as are told.
async fn send(console: &Console, piece: &Piece) -> Result<(), Failure> {
    let (path, length) = (piece.path.clone(), piece.length);
    let (mut file, mode) = blocking(move || {
        let file = File::open(path)?;
        let mode = file.metadata()?.mode();
        Ok((file, mode))
    })
    .await?;
    let head = archive::head(&piece.name, length, mode)
        .ok_or_else(|| Failure::new(format!("{} has too long a name", piece.name)))?;
    console.write(head).await?;
    let mut left = length;
    while left > 0 {
        let count = left.min(PIECE);
        let (back, bytes) = blocking(move || {
            let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
            file.read_exact(&mut bytes)?;
            Ok((file, bytes))
        })
        .await?;
        file = back;
        left -= count;
        console.write(bytes).await?;
    }
    Ok(console.write(archive::padding(length)).await?)
}
