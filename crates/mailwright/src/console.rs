//! Where a command reads and writes: a terminal, or a caller at the control socket.
//!
//! Commands are written once; they do not know in which process they run.

use std::io;

use mailwright_net::control::{ControlWriter, Frame};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use crate::stdout::marked;

/// Most frames of output that wait for a slow reader.
const FRAMES_WAITING_MAX: usize = 16;

/// A command's standard input and output.
pub(crate) struct Console {
    input: Box<dyn AsyncRead + Send + Sync + Unpin>,
    output: mpsc::Sender<Frame>,
}

impl Console {
    /// A console on `input`, and the frames that are written to it.
    pub(crate) fn new(
        input: impl AsyncRead + Send + Sync + Unpin + 'static,
    ) -> (Self, mpsc::Receiver<Frame>) {
        let (output, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        (Self { input: Box::new(input), output }, frames)
    }

    /// Writes bytes as they are.
    ///
    /// Errors: nobody reads any more.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.output.send(Frame::Output(bytes)).await.map_err(gone)
    }

    /// Writes one line.
    ///
    /// Errors: nobody reads any more.
    pub(crate) async fn line(&self, text: &str) -> io::Result<()> {
        self.write(format!("{text}\n").into_bytes()).await
    }

    /// Writes one line for the person, not for the script.
    ///
    /// Errors: nobody reads any more.
    pub(crate) async fn note(&self, text: &str) -> io::Result<()> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.output.send(Frame::Error(format!("{text}\n"))).await.map_err(gone)
    }

    /// Reads the first line of standard input, without its end; 4 KiB at most.
    ///
    /// Errors: it cannot be read, is empty, or is not UTF-8.
    pub(crate) async fn secret(&mut self) -> io::Result<String> {
        let mut text = String::new();
        (&mut self.input).take(4096).read_to_string(&mut text).await?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(line.to_owned()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "standard input is empty")),
        }
    }

    /// Reads the next bytes of standard input; empty at its end.
    ///
    /// Errors: it cannot be read.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(64 * 1024);
        self.input.read_buf(&mut chunk).await?;
        Ok(chunk)
    }
}

/// Writes frames to this process's own output until they end.
///
/// Errors: standard output is closed.
pub(crate) async fn to_terminal(mut frames: mpsc::Receiver<Frame>) -> io::Result<()> {
    let (mut output, mut errors) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(frame) = frames.recv().await {
        match frame {
            Frame::Output(bytes) => output.write_all(&bytes).await.map_err(marked)?,
            Frame::Error(text) => errors.write_all(text.as_bytes()).await?,
            Frame::Exit(_) => {}
        }
    }
    output.flush().await.map_err(marked)?;
    errors.flush().await
}

/// Passes frames on to a caller until they end.
///
/// Errors: the caller went away.
pub(crate) async fn to_caller(
    mut frames: mpsc::Receiver<Frame>,
    mut writer: ControlWriter,
) -> io::Result<ControlWriter> {
    while let Some(frame) = frames.recv().await {
        writer.send(&frame).await?;
    }
    Ok(writer)
}
