//! Telling a service manager that the server is ready, or stops.
//!
//! One datagram to the socket that the manager named; without one nothing is told.
//! Source: `sd_notify(3)`.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// The server's word to a service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Every port is open, and mail is taken.
    Ready,
    /// It was told to stop.
    Stopping,
}

impl Word {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Tells the manager whose socket is `name`; one that begins with `@` is no file.
///
/// Errors: nobody listens there.
pub fn notify(name: &OsStr, word: Word) -> io::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(hidden) => SocketAddr::from_abstract_name(hidden)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing must not hold the server up.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(word.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_arrives_at_a_file_and_at_a_hidden_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let hidden = format!("mailwright-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&hidden).unwrap();
        for (socket, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{hidden}").into()),
        ] {
            notify(&name, Word::Ready).unwrap();
            let mut got = [0; 32];
            let count = socket.recv(&mut got).unwrap();
            assert_eq!(&got[..count], b"READY=1");
        }
        assert!(notify(OsStr::new("/no/such/socket"), Word::Stopping).is_err());
    }
}
