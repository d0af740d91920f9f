//! Where a command is carried out: in the running server, or here on the opened store.

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use mailwright_config::Config;
use mailwright_net::{
    Clock as _, System,
    control::{ControlCaller, ControlListener, ControlReader, ControlStream, Frame},
};
use tokio::{
    io::{AsyncRead, AsyncWriteExt},
    sync::mpsc,
};

use crate::{
    Failure, admin,
    cli::{AdminCommand, Cli, Command},
    console::{self, Console},
    office::{BETWEEN_TRIES, Office, TRIES},
    part::Part,
    privilege,
    stdout::marked,
};

/// Frames that wait for a part of this process, at most.
const FRAMES_WAITING_MAX: usize = 16;
/// How long to wait after a caller could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The control socket of a data folder.
pub(crate) fn socket(config: &Config) -> PathBuf {
    config.server.data.join("control.sock")
}

/// Who carries a command out.
enum Doer {
    /// The running server.
    Server(ControlCaller),
    /// This process, on the opened store.
    Here(Office),
    /// Another process, because this one is root's and has to stay so.
    Child,
}

/// What becomes of root's rights where this process is to open the store: nothing in it may come to
/// belong to root.
#[derive(Clone, Copy)]
enum Root {
    /// They are given up.
    GivenUp,
    /// They are kept, for files that are no part of the store.
    Kept,
}

/// Carries out a command, by the running server if there is one.
pub(crate) async fn run(
    command: AdminCommand,
    arguments: Vec<String>,
    config: Config,
) -> Result<ExitCode, Failure> {
    match reach(config, Root::GivenUp).await? {
        Doer::Server(caller) => call(caller, &arguments).await,
        Doer::Here(office) => here(command, office).await,
        Doer::Child => Err(Failure::new("this command needs no other process")),
    }
}

/// Finds who carries a command out.
async fn reach(config: Config, root: Root) -> Result<Doer, Failure> {
    let path = socket(&config);
    let unreachable =
        |error: io::Error| Failure::of(&format!("cannot reach {}", path.display()), &error);
    let clock = System::new();
    for _ in 0..TRIES {
        if let Some(caller) = ControlCaller::connect(&path).await.map_err(unreachable)? {
            return Ok(Doer::Server(caller));
        }
        match root {
            Root::GivenUp => privilege::drop_for_data(&config.server)?,
            Root::Kept if privilege::would_drop(&config.server)? => return Ok(Doer::Child),
            Root::Kept => {}
        }
        if let Some(office) = Office::open_if_free(config.clone()).await? {
            office.free_claims().await?;
            return Ok(Doer::Here(office));
        }
        // A server that starts or stops has the folder, and no socket.
        clock.sleep(BETWEEN_TRIES).await;
    }
    let folder = config.server.data.display();
    Err(Failure::new(format!("{folder} is in use by another process that does not answer")))
}

/// Has a command carried out as a part of one that this process does: it reads `input`, and what
/// it says comes as frames, of which the last is the exit code.
pub(crate) async fn part(
    arguments: &[&str],
    config: Config,
    input: impl AsyncRead + Send + Sync + Unpin + 'static,
) -> Result<mpsc::Receiver<Frame>, Failure> {
    let program = std::iter::once("mailwright".to_owned());
    let line = program.chain(arguments.iter().map(|argument| (*argument).to_owned()));
    let text = serde_json::to_string(&line.collect::<Vec<_>>())
        .map_err(|error| Failure::of("the arguments cannot be sent", &error))?;
    let (to, frames) = mpsc::channel(FRAMES_WAITING_MAX);
    match reach(config, Root::Kept).await? {
        Doer::Server(caller) => {
            let (feeder, answers) = caller.call(&text).await?;
            tokio::spawn(feeder.feed(input));
            tokio::spawn(relay(answers, to));
        }
        Doer::Here(office) => {
            let command = understood(&text)?;
            tokio::spawn(apart(command, office, input, to));
        }
        Doer::Child => {
            let child = Part::begin(arguments)
                .map_err(|error| Failure::of("another process does not start", &error))?;
            tokio::spawn(child.serve(input, to));
        }
    }
    Ok(frames)
}

/// Passes on what the server says.
async fn relay(mut answers: ControlReader, to: mpsc::Sender<Frame>) {
    loop {
        let frame = match answers.next().await {
            Ok(frame) => frame,
            Err(error) => {
                let text = format!("mailwright: the server went away in the middle: {error}\n");
                if to.send(Frame::Error(text)).await.is_err() {
                    return;
                }
                Frame::Exit(1)
            }
        };
        let is_last = matches!(frame, Frame::Exit(_));
        if to.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

/// Carries a command out in this process, for another part of it.
async fn apart(
    command: AdminCommand,
    office: Office,
    input: impl AsyncRead + Send + Sync + Unpin + 'static,
    to: mpsc::Sender<Frame>,
) {
    let (mut console, mut frames) = Console::new(input);
    let work = async move {
        let mut code = 0;
        if let Err(failure) = admin::run(command, &office, &mut console).await {
            code = failure.code;
            if !failure.message.is_empty()
                && console.note(&format!("mailwright: {failure}")).await.is_err()
            {
                tracing::debug!(%failure, "Nobody is told.");
            }
        }
        drop(console);
        office.close().await;
        code
    };
    let pass = async {
        while let Some(frame) = frames.recv().await {
            if to.send(frame).await.is_err() {
                // What the command says next is refused, and it ends.
                frames.close();
            }
        }
    };
    let (code, ()) = tokio::join!(work, pass);
    if to.send(Frame::Exit(code)).await.is_err() {
        tracing::debug!("Nobody waits for the exit code.");
    }
}

/// Carries the command out in this process.
async fn here(command: AdminCommand, office: Office) -> Result<ExitCode, Failure> {
    let (mut console, frames) = Console::new(tokio::io::stdin());
    let printer = tokio::spawn(console::to_terminal(frames));
    let done = admin::run(command, &office, &mut console).await;
    drop(console);
    let printed = printer.await.map_err(io::Error::other);
    office.close().await;
    printed??;
    done.map(|()| ExitCode::SUCCESS)
}

/// Has the running server carry the command out.
async fn call(caller: ControlCaller, arguments: &[String]) -> Result<ExitCode, Failure> {
    let text = serde_json::to_string(arguments)
        .map_err(|error| Failure::of("the arguments cannot be sent", &error))?;
    let (feeder, mut answers) = caller.call(&text).await?;
    // The server stops reading when the command has what it needs; that is no error.
    let feeder = tokio::spawn(feeder.feed(tokio::io::stdin()));
    let code = match tell(&mut answers).await {
        Ok(code) => code,
        Err(failure) => {
            crate::complain(&failure);
            failure.code
        }
    };
    feeder.abort();
    // A thread that waits in a read of the terminal would keep the process alive.
    #[expect(clippy::exit, reason = "standard input may never end, and the answer is complete")]
    std::process::exit(code.into())
}

/// Prints what the server says; gives its exit code.
async fn tell(answers: &mut ControlReader) -> Result<u8, Failure> {
    let (mut output, mut errors) = (tokio::io::stdout(), tokio::io::stderr());
    let code = loop {
        let frame = answers
            .next()
            .await
            .map_err(|error| Failure::of("the server went away in the middle", &error))?;
        match frame {
            Frame::Output(bytes) => output.write_all(&bytes).await.map_err(marked)?,
            Frame::Error(text) => errors.write_all(text.as_bytes()).await?,
            Frame::Exit(code) => break code,
        }
    };
    output.flush().await.map_err(marked)?;
    errors.flush().await?;
    Ok(code)
}

/// Answers callers. One that could not be accepted, as when files run out, ends nothing.
pub(crate) async fn answer(listener: ControlListener, office: Office) {
    loop {
        let caller = match listener.accept().await {
            Ok(caller) => caller,
            Err(error) => {
                tracing::error!(%error, "A control connection was not accepted.");
                office.clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let office = office.clone();
        tokio::spawn(async move {
            if let Err(error) = attend(caller, office).await {
                tracing::debug!(%error, "Control connection lost.");
            }
        });
    }
}

async fn attend(caller: ControlStream, office: Office) -> io::Result<()> {
    let (text, input, writer) = caller.arguments().await?;
    let (mut console, frames) = Console::new(input);
    let relay = tokio::spawn(console::to_caller(frames, writer));
    let done = match understood(&text) {
        Ok(command) => admin::run(command, &office, &mut console).await,
        Err(failure) => Err(failure),
    };
    let code = match done {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.message.is_empty() {
                console.note(&format!("mailwright: {failure}")).await?;
            }
            failure.code
        }
    };
    drop(console);
    let mut writer = relay.await.map_err(io::Error::other)??;
    writer.send(&Frame::Exit(code)).await
}

/// The command in a caller's arguments.
fn understood(text: &str) -> Result<AdminCommand, Failure> {
    let arguments: Vec<String> = serde_json::from_str(text)
        .map_err(|error| Failure::of("the arguments cannot be read", &error))?;
    let cli = Cli::try_parse_from(arguments).map_err(|error| Failure::new(error.to_string()))?;
    match cli.command {
        Command::Admin(command) => Ok(*command),
        _ => Err(Failure::new("this command is not for a running server")),
    }
}
