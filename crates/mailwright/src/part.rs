//! A part of a command in a process of its own, which gives up root while this one keeps it.

use std::{
    io,
    process::{self, ChildStdin, Stdio},
};

use clap::Parser as _;
use mailwright_net::control::Frame;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::unix::pipe::{Receiver, Sender},
    sync::mpsc,
};

use crate::cli::Cli;

/// Octets that it says at once, at most.
const PIECE: usize = 64 << 10;

/// Another process of this program, with the configuration that this one was given.
pub(crate) struct Part {
    child: process::Child,
    input: Sender,
    output: Receiver,
    errors: Receiver,
}

impl Part {
    /// Begins the command of `arguments`.
    ///
    /// Errors: those of the system.
    pub(crate) fn begin(arguments: &[&str]) -> io::Result<Self> {
        let given = Cli::parse();
        let mut command = process::Command::new(std::env::current_exe()?);
        for (flag, value) in [("--config", given.config), ("--data", given.data)] {
            command.args(value.into_iter().flat_map(|value| [flag.into(), value.into_os_string()]));
        }
        command.args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let input: ChildStdin = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            input: Sender::from_owned_fd(input.into())?,
            output: Receiver::from_owned_fd(output.into())?,
            errors: Receiver::from_owned_fd(errors.into())?,
        })
    }

    /// Gives it `input`, and passes on what it says, the exit code last.
    pub(crate) async fn serve(
        self,
        input: impl AsyncRead + Send + Unpin + 'static,
        to: mpsc::Sender<Frame>,
    ) {
        let Self { mut child, input: stdin, output, errors } = self;
        let feeder = tokio::spawn(feed(input, stdin));
        let text = |bytes: &[u8]| Frame::Error(String::from_utf8_lossy(bytes).into_owned());
        let said = pass_on(output, |bytes| Frame::Output(bytes.to_vec()), &to);
        tokio::join!(said, pass_on(errors, text, &to));
        let ended = tokio::task::spawn_blocking(move || child.wait()).await;
        feeder.abort();
        let status = ended.ok().and_then(Result::ok);
        let code = status.and_then(|status| status.code()).and_then(|code| code.try_into().ok());
        if to.send(Frame::Exit(code.unwrap_or(1))).await.is_err() {
            tracing::debug!("Nobody waits for the exit code.");
        }
    }
}

/// Gives it all of `input`, and then the end of it.
async fn feed(mut input: impl AsyncRead + Unpin, mut stdin: Sender) {
    if let Err(error) = tokio::io::copy(&mut input, &mut stdin).await {
        // It stops reading when it has what it needs, or fails and says why.
        tracing::debug!(%error, "A part of this command read no further.");
    }
}

/// Passes on what it says until it says no more, or nobody listens.
async fn pass_on(mut from: Receiver, frame: impl Fn(&[u8]) -> Frame, to: &mpsc::Sender<Frame>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(frame(buffer.get(..count).unwrap_or_default())).await.is_err() {
            return;
        }
    }
}
