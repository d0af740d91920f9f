//! Files that a command makes for the person who gave it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Component, Path, PathBuf},
};

use crate::Failure;

/// Makes a folder, or takes one that is empty.
///
/// Errors: something is in it.
pub(crate) fn new_folder(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    make_folder(path).map_err(|error| Failure::of(&format!("cannot make {shown}"), &error))?;
    match fs::read_dir(path)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("{shown} is not empty"))),
    }
}

/// Makes a folder and those above it, for its owner alone; one that is there is fine.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The place of a name below a folder.
///
/// Errors: `InvalidData` for a name that leads out of it.
pub(crate) fn below(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("bad file name {name:?}")));
    }
    Ok(folder.join(name))
}

/// Puts a folder and all above its files on stable storage.
pub(crate) fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Puts the names of a folder on stable storage.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
