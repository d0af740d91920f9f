//! Giving up root: once the ports are bound, and before anything in a data folder is touched.
//!
//! What root would make in the data folder the server could not use. So a command of root's becomes
//! whoever the folder is for, before it opens it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::Path,
};

use mailwright_config::Server;
use nix::unistd::{Gid, Group, Uid, User, setgid, setgroups, setuid};
use rustix::fs::OFlags;

use crate::Failure;

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    user: Uid,
    group: Gid,
}

/// Becomes the configured user and group; without one nothing happens.
///
/// Errors: there is no such user, or this process may not become it; then nothing may be served.
pub(crate) fn drop(server: &Server) -> Result<(), Failure> {
    let Some(who) = configured(server)? else { return Ok(()) };
    if Uid::effective().is_root() {
        make_folder(&server.data, who)
            .map_err(|error| Failure::of("cannot make the data folder", &error))?;
    }
    become_user(who).map_err(|error| Failure::of("giving up privileges", &error))
}

/// Becomes whoever the data folder is for, when this process is root's: the configured user, else
/// the folder's owner.
///
/// Errors: as [`drop`].
pub(crate) fn drop_for_data(server: &Server) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    if server.user.is_some() {
        return drop(server);
    }
    let Some(who) = owner(&server.data)? else { return Ok(()) };
    become_user(who).map_err(|error| Failure::of("becoming the data folder's owner", &error))
}

/// Whether [`drop_for_data`] would make this process somebody else.
///
/// Errors: there is no such user.
pub(crate) fn would_drop(server: &Server) -> Result<bool, Failure> {
    if !Uid::effective().is_root() {
        return Ok(false);
    }
    let who = match configured(server)? {
        Some(who) => Some(who),
        None => owner(&server.data)?,
    };
    Ok(who.is_some_and(|who| !who.user.is_root()))
}

/// Gives what root made in the data folder to the configured user, when there is one.
///
/// Files that have another name elsewhere, and what root does not own, are left alone: nobody can
/// have a file of root's given away by putting it there.
///
/// Errors: there is no such user, or those of the file system.
pub(crate) fn hand_over(server: &Server) -> Result<(), Failure> {
    let Some(who) = configured(server)?.filter(|_| Uid::effective().is_root()) else {
        return Ok(());
    };
    hand_over_tree(&server.data, who)
        .map_err(|error| Failure::of("giving the data folder to server.user", &error))
}

fn hand_over_tree(path: &Path, who: Who) -> io::Result<()> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits());
    let mut options = OpenOptions::new();
    let file: File =
        options.read(true).custom_flags(flags.map_err(io::Error::other)?).open(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != 0 || (!metadata.is_dir() && metadata.nlink() != 1) {
        return Ok(());
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over_tree(&entry?.path(), who)?;
        }
    }
    fchown(&file, Some(who.user.as_raw()), Some(who.group.as_raw()))
}

/// The configured user and group.
fn configured(server: &Server) -> Result<Option<Who>, Failure> {
    let Some(name) = &server.user else { return Ok(None) };
    let user = User::from_name(name)
        .map_err(|error| Failure::of("server.user", &error))?
        .ok_or_else(|| Failure::new(format!("server.user: there is no user {name}")))?;
    let group = match &server.group {
        Some(group) => group_id(group)?,
        None => user.gid,
    };
    Ok(Some(Who { user: user.uid, group }))
}

/// Who owns a folder; `None` for one that is not there.
fn owner(folder: &Path) -> Result<Option<Who>, Failure> {
    match fs::metadata(folder) {
        Ok(metadata) => {
            let (user, group) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
            Ok(Some(Who { user, group }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::of("cannot look at the data folder", &error)),
    }
}

/// Makes the data folder for its user where it is missing and root alone may make it.
fn make_folder(folder: &Path, who: Who) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => fchown(&File::open(folder)?, Some(who.user.as_raw()), Some(who.group.as_raw())),
        // One that is there belongs to whom it belongs; without one above the store says so.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn group_id(name: &str) -> Result<Gid, Failure> {
    let group = Group::from_name(name).map_err(|error| Failure::of("server.group", &error))?;
    let missing = || Failure::new(format!("server.group: there is no group {name}"));
    Ok(group.ok_or_else(missing)?.gid)
}

/// The groups first: afterwards there is no right to change them.
fn become_user(Who { user, group }: Who) -> nix::Result<()> {
    if Uid::effective() == user {
        return Ok(());
    }
    setgroups(&[group])?;
    setgid(group)?;
    setuid(user)
}
