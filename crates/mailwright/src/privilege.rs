//! Giving up root, once the ports are bound.

use mailwright_config::Server;
use nix::unistd::{Gid, Group, Uid, User, setgid, setgroups, setuid};

use crate::Failure;

/// Becomes the configured user and group; without one nothing happens.
///
/// Errors: there is no such user, or this process may not become it; then nothing may be served.
pub(crate) fn drop(server: &Server) -> Result<(), Failure> {
    let Some(name) = &server.user else { return Ok(()) };
    let user = User::from_name(name)
        .map_err(|error| Failure::of("server.user", &error))?
        .ok_or_else(|| Failure::new(format!("server.user: there is no user {name}")))?;
    let gid = match &server.group {
        Some(group) => group_id(group)?,
        None => user.gid,
    };
    become_user(user.uid, gid).map_err(|error| Failure::of("giving up privileges", &error))
}

fn group_id(name: &str) -> Result<Gid, Failure> {
    let group = Group::from_name(name).map_err(|error| Failure::of("server.group", &error))?;
    let missing = || Failure::new(format!("server.group: there is no group {name}"));
    Ok(group.ok_or_else(missing)?.gid)
}

/// The groups first: afterwards there is no right to change them.
fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    if Uid::effective() == uid {
        return Ok(());
    }
    setgroups(&[gid])?;
    setgid(gid)?;
    setuid(uid)
}
