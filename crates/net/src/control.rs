//! The control socket: how a command reaches the server that holds the store.
//!
//! A caller says its arguments, streams its standard input and closes that side; the server answers
//! with frames of output, of errors, and at last an exit code. Only the server's own user and root
//! are listened to; the peer's uid is the kernel's word, not the caller's.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Most octets that the arguments of one command may take.
const ARGUMENTS_MAX: u32 = 1024 * 1024;
/// Most octets of one frame of output.
const FRAME_MAX: u32 = 1024 * 1024;

/// The server's end of the control socket. Its file goes away with it.
#[derive(Debug)]
pub struct ControlListener {
    inner: UnixListener,
    path: PathBuf,
}

impl ControlListener {
    /// Binds the socket at `path`, for this user alone.
    ///
    /// The caller holds the lock of the data folder: a file already there is a dead server's.
    ///
    /// Errors: the folder cannot be written, or the path is too long for a socket (108 octets).
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let inner = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { inner, path: path.to_owned() })
    }

    /// Waits for the next caller that may command this server; others are hung up on.
    ///
    /// Errors: the listener itself is broken.
    pub async fn accept(&self) -> io::Result<ControlStream> {
        loop {
            let (stream, _) = self.inner.accept().await?;
            let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
            if uid == 0 || uid == rustix::process::geteuid().as_raw() {
                return Ok(ControlStream { stream });
            }
            tracing::warn!(uid, "Control connection of another user refused.");
        }
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "Control socket not removed.");
        }
    }
}

/// A caller whose arguments were not read yet.
#[derive(Debug)]
pub struct ControlStream {
    stream: UnixStream,
}

impl ControlStream {
    /// Reads the arguments, as the caller's serialised text.
    ///
    /// Errors: the caller went away, or said more than a mebibyte.
    pub async fn arguments(mut self) -> io::Result<(String, OwnedReadHalf, ControlWriter)> {
        let length = self.stream.read_u32().await?;
        if length > ARGUMENTS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "arguments are too long"));
        }
        let mut text = String::new();
        (&mut self.stream).take(length.into()).read_to_string(&mut text).await?;
        let (input, output) = self.stream.into_split();
        Ok((text, input, ControlWriter { output }))
    }
}

/// What the server says to a caller.
#[derive(Debug)]
pub struct ControlWriter {
    output: OwnedWriteHalf,
}

impl ControlWriter {
    /// Sends one frame.
    ///
    /// Errors: the caller went away.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let (kind, bytes): (u8, &[u8]) = match frame {
            Frame::Output(bytes) => (b'O', bytes),
            Frame::Error(text) => (b'E', text.as_bytes()),
            Frame::Exit(code) => (b'X', std::slice::from_ref(code)),
        };
        for chunk in bytes.chunks(64 * 1024) {
            self.output.write_u8(kind).await?;
            self.output.write_u32(u32::try_from(chunk.len()).unwrap_or(FRAME_MAX)).await?;
            self.output.write_all(chunk).await?;
        }
        Ok(())
    }
}

/// What a caller is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes for standard output.
    Output(Vec<u8>),
    /// Text for standard error.
    Error(String),
    /// The command has ended, with this exit code; nothing follows.
    Exit(u8),
}

/// The caller's end.
#[derive(Debug)]
pub struct ControlCaller {
    stream: UnixStream,
}

impl ControlCaller {
    /// Connects to the server of a data folder; `None` where none runs.
    ///
    /// Errors: a server may be there and cannot be reached, such as another user's.
    pub async fn connect(path: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self { stream })),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Says the arguments; then `input` is streamed, and frames come back.
    ///
    /// Errors: the server went away.
    pub async fn call(mut self, arguments: &str) -> io::Result<(OwnedWriteHalf, ControlReader)> {
        let length = u32::try_from(arguments.len())
            .ok()
            .filter(|length| *length <= ARGUMENTS_MAX)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "arguments are too long"))?;
        self.stream.write_u32(length).await?;
        self.stream.write_all(arguments.as_bytes()).await?;
        let (input, output) = self.stream.into_split();
        Ok((output, ControlReader { input }))
    }
}

/// What the caller hears.
#[derive(Debug)]
pub struct ControlReader {
    input: OwnedReadHalf,
}

impl ControlReader {
    /// The next frame.
    ///
    /// Errors: the server went away before it said an exit code, or it speaks another protocol.
    pub async fn next(&mut self) -> io::Result<Frame> {
        let kind = self.input.read_u8().await?;
        let length = self.input.read_u32().await?;
        if length > FRAME_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
        }
        let mut bytes = Vec::new();
        (&mut self.input).take(length.into()).read_to_end(&mut bytes).await?;
        match kind {
            b'O' => Ok(Frame::Output(bytes)),
            b'E' => Ok(Frame::Error(String::from_utf8_lossy(&bytes).into_owned())),
            b'X' => Ok(Frame::Exit(bytes.first().copied().unwrap_or(1))),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown frame")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_gets_the_answer_to_what_it_said() {
        let folder =
            std::env::temp_dir().join(format!("mailwright-control-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("control.sock");
        let listener = ControlListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (arguments, mut input, mut writer) =
                listener.accept().await.unwrap().arguments().await.unwrap();
            let mut said = Vec::new();
            input.read_to_end(&mut said).await.unwrap();
            let output = [arguments.as_bytes(), &said].concat();
            writer.send(&Frame::Output(output)).await.unwrap();
            writer.send(&Frame::Exit(3)).await.unwrap();
        });
        let caller = ControlCaller::connect(&path).await.unwrap().unwrap();
        let (mut input, mut reader) = caller.call("[\"x\"]").await.unwrap();
        input.write_all(b"secret").await.unwrap();
        input.shutdown().await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Frame::Output(b"[\"x\"]secret".to_vec()));
        assert_eq!(reader.next().await.unwrap(), Frame::Exit(3));
        server.await.unwrap();
        assert!(ControlCaller::connect(&path).await.unwrap().is_none(), "gone with its server");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
