//! Small secrets on disk: whole or not at all, and nobody else's.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file that could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct DiskError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub error: io::Error,
}

/// Puts `bytes` in place of the file at `path`, synced, with these permissions.
///
/// Errors: [`DiskError`]; what was there stays. A crash leaves the old file or the new one.
pub(crate) fn keep(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), DiskError> {
    let part = path.with_added_extension("part");
    let written = || {
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    written().map_err(|error| DiskError { path: path.to_owned(), error })
}

/// Makes a folder that only its owner may look into, unless it is there.
///
/// Errors: [`DiskError`].
pub(crate) fn folder(path: &Path) -> Result<(), DiskError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| DiskError { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("acme");
        super::folder(&inner).unwrap();
        super::folder(&inner).unwrap();
        let path = inner.join("mx.example.pem");
        for text in ["one", "two"] {
            keep(&path, 0o600, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&inner)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "nothing is left beside it");
        assert!(keep(&folder.path().join("gone/x"), 0o600, b"").is_err());
    }
}
