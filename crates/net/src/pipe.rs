//! Streams that are no TCP: a socket of this machine, and a program's input and output.

use std::{
    io,
    os::{fd::OwnedFd, unix::net},
    path::Path,
    pin::Pin,
    process::{Child, Command},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    time::timeout,
};

use crate::Stream;

/// Connects to a socket of this machine.
///
/// Errors: those of the connection; `TimedOut` when it took longer than `limit`.
pub async fn unix(path: &Path, limit: Duration) -> io::Result<impl Stream + use<>> {
    timeout(limit, UnixStream::connect(path))
        .await
        .map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))?
}

/// Runs a command of the shell, whose input and output are the connection. It is ended with it.
///
/// Errors: it cannot be started.
pub fn program(command: &str) -> io::Result<impl Stream + use<>> {
    let (ours, theirs) = net::UnixStream::pair()?;
    let input = OwnedFd::from(theirs.try_clone()?);
    let output = OwnedFd::from(theirs);
    let mut shell = Command::new("/bin/sh");
    let child = shell.args(["-c", command]).stdin(input).stdout(output).spawn()?;
    ours.set_nonblocking(true)?;
    Ok(Program { socket: UnixStream::from_std(ours)?, child })
}

struct Program {
    socket: UnixStream,
    child: Child,
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that is over already cannot be ended, and one that cannot be waited for is nobody's.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl AsyncRead for Program {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Program {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
    };

    use super::*;

    async fn echoed(mut stream: impl Stream) -> String {
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_program_is_talked_to() {
        assert_eq!(echoed(program("tr a-z A-Z").unwrap()).await, "HELLO");
    }

    #[tokio::test]
    async fn a_socket_of_this_machine_is_connected_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(unix(&path, Duration::from_secs(5)).await.is_err());
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        });
        assert_eq!(echoed(unix(&path, Duration::from_secs(5)).await.unwrap()).await, "hello");
        server.await.unwrap();
    }
}
