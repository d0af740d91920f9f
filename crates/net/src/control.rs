//! The control socket: how a command reaches the server that holds the store.
//!
//! A caller says its arguments and streams its standard input in chunks, of which an empty one is
//! the end: without it the caller died in the middle. The server answers with frames of output, of
//! errors, and at last an exit code. Only the server's own user and root
//! are listened to; the peer's uid is the kernel's word, not the caller's.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Most octets that the arguments of one command may take.
const ARGUMENTS_MAX: u32 = 1024 * 1024;
/// Most octets of one frame of output.
const FRAME_MAX: u32 = 1024 * 1024;
/// Octets of standard input that are sent at once.
const CHUNK: usize = 64 * 1024;

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
    pub async fn arguments(mut self) -> io::Result<(String, ControlInput, ControlWriter)> {
        let length = self.stream.read_u32().await?;
        if length > ARGUMENTS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "arguments are too long"));
        }
        let mut text = String::new();
        (&mut self.stream).take(length.into()).read_to_string(&mut text).await?;
        let (input, output) = self.stream.into_split();
        Ok((text, ControlInput::new(input), ControlWriter { output }))
    }
}

/// The standard input of a caller. It ends where the caller said so; a connection that ends before
/// is an error.
#[derive(Debug)]
pub struct ControlInput {
    input: OwnedReadHalf,
    /// The length of the next chunk, as far as it has come.
    length: u32,
    /// Octets of that length.
    digits: u32,
    /// Octets of the chunk that are still to come.
    left: usize,
    is_over: bool,
}

impl ControlInput {
    fn new(input: OwnedReadHalf) -> Self {
        Self { input, length: 0, digits: 0, left: 0, is_over: false }
    }

    /// Reads into all of `room`, or what there is.
    fn poll_some(&mut self, context: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut part = ReadBuf::new(room);
        ready!(Pin::new(&mut self.input).poll_read(context, &mut part))?;
        match part.filled().len() {
            0 => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the caller went away before the end of its input",
            ))),
            octets => Poll::Ready(Ok(octets)),
        }
    }

    /// Reads lengths until there is a chunk, or the end.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left == 0 && !self.is_over {
            let mut digit = [0];
            ready!(self.poll_some(context, &mut digit))?;
            let [digit] = digit;
            self.length = self.length << 8 | u32::from(digit);
            self.digits += 1;
            if self.digits == 4 {
                self.left = usize::try_from(self.length).unwrap_or(usize::MAX);
                self.is_over = self.left == 0;
                (self.length, self.digits) = (0, 0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ControlInput {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(context))?;
        let most = this.left.min(buffer.remaining()).min(CHUNK);
        if most > 0 {
            let room = buffer.initialize_unfilled_to(most);
            let octets = ready!(this.poll_some(context, room))?;
            buffer.advance(octets);
            this.left -= octets;
        }
        Poll::Ready(Ok(()))
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

    /// Says the arguments; then standard input is fed, and frames come back.
    ///
    /// Errors: the server went away.
    pub async fn call(mut self, arguments: &str) -> io::Result<(ControlFeeder, ControlReader)> {
        let length = u32::try_from(arguments.len())
            .ok()
            .filter(|length| *length <= ARGUMENTS_MAX)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "arguments are too long"))?;
        self.stream.write_u32(length).await?;
        self.stream.write_all(arguments.as_bytes()).await?;
        let (input, output) = self.stream.into_split();
        Ok((ControlFeeder { output }, ControlReader { input }))
    }
}

/// What the caller says after its arguments.
#[derive(Debug)]
pub struct ControlFeeder {
    output: OwnedWriteHalf,
}

impl ControlFeeder {
    /// Streams `input`, and says where it ends.
    ///
    /// Errors: it cannot be read, or the server went away or wants no more of it; the server is
    /// not told that it has all then.
    pub async fn feed(mut self, mut input: impl AsyncRead + Send + Unpin) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let octets = input.read(&mut chunk).await?;
            self.output.write_u32(u32::try_from(octets).map_err(io::Error::other)?).await?;
            self.output.write_all(chunk.get(..octets).unwrap_or_default()).await?;
            if octets == 0 {
                return self.output.shutdown().await;
            }
        }
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

    fn listener(name: &str) -> (PathBuf, ControlListener) {
        let folder = std::env::temp_dir().join(format!("mailwright-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = ControlListener::bind(&folder.join("control.sock")).unwrap();
        (folder, listener)
    }

    #[tokio::test]
    async fn a_caller_gets_the_answer_to_what_it_said() {
        let (folder, listener) = listener("control");
        let path = folder.join("control.sock");
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
        let (feeder, mut reader) = caller.call("[\"x\"]").await.unwrap();
        let said = "secret".repeat(30_000);
        let fed = tokio::spawn(async move { feeder.feed(said.as_bytes()).await });
        let mut output = Vec::new();
        let code = loop {
            match reader.next().await.unwrap() {
                Frame::Output(bytes) => output.extend(bytes),
                other => break other,
            }
        };
        assert!(output.starts_with(b"[\"x\"]secretsecret"));
        assert_eq!((output.len(), code), (5 + 180_000, Frame::Exit(3)));
        fed.await.unwrap().unwrap();
        server.await.unwrap();
        assert!(ControlCaller::connect(&path).await.unwrap().is_none(), "gone with its server");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn input_that_ends_without_its_end_is_an_error() {
        let (folder, listener) = listener("control-torn");
        let path = folder.join("control.sock");
        // Killed between two chunks, inside of one, and inside of a length.
        for sent in [&b"\0\0\0\x04half"[..], b"\0\0\0\x09half", b"\0\0\0\x04half\0\0", b""] {
            let caller = ControlCaller::connect(&path).await.unwrap().unwrap();
            let (mut feeder, _reader) = caller.call("[]").await.unwrap();
            feeder.output.write_all(sent).await.unwrap();
            drop(feeder);
            let (_, mut input, _writer) =
                listener.accept().await.unwrap().arguments().await.unwrap();
            let mut said = Vec::new();
            let error = input.read_to_end(&mut said).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(said, if sent.is_empty() { &b""[..] } else { b"half" });
        }
        drop(listener);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
