//! The program: command line, wiring, shutdown.
//!
//! Everything that Mailwright can do lives in the other crates; this one joins them. Output of
//! commands goes to standard output, errors to standard error with a non-zero exit.

mod admin;
mod archive;
mod backup;
mod certify;
mod check;
mod checkup;
mod cli;
mod console;
mod courier;
mod daily;
mod doctor;
mod feedback;
mod files;
mod gauge;
mod inout;
mod journey;
mod log;
mod office;
mod outgoing;
mod output;
mod part;
mod policy;
mod ports;
mod privilege;
mod reload;
mod remote;
mod report;
mod road;
mod sandbox;
mod send;
mod serve;
mod sessions;
mod setup;
mod stdout;
mod tlsa;
mod upkeep;
mod verify;
mod world;
mod zone;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use cli::{AdminCommand, Cli, Command, ConfigCommand};
use mailwright_config::{Config, Source};
use rustix::{fs::Mode, process::umask};
use stdout::stdout;

/// Why a command ended without doing its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// What was wrong, and what to do; empty when all was told.
    message: String,
    /// The exit code.
    code: u8,
}

impl Failure {
    /// A failure told in this sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The same with another exit code.
    pub(crate) fn with(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// An end with this exit code, where all was told already.
    pub(crate) const fn told(code: u8) -> Self {
        Self { message: String::new(), code }
    }

    /// A failure while doing `what`.
    pub(crate) fn of(what: &str, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        Self { message, code: 1 }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if stdout::is_unread(&error) {
            return Self::told(stdout::UNREAD);
        }
        Self::of("input or output", &error)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = arguments().collect();
    let cli = Cli::parse_from(&arguments);
    match run(cli, arguments) {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// The arguments; called as `sendmail`, the program is `mailwright sendmail`.
fn arguments() -> impl Iterator<Item = String> {
    let mut given = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let name = given.next().unwrap_or_default();
    let as_sendmail = Path::new(&name).file_name().is_some_and(|name| name == "sendmail");
    std::iter::once(name).chain(as_sendmail.then(|| "sendmail".to_owned())).chain(given)
}

fn complain(failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    // Nobody is left to tell when standard error is closed.
    writeln!(std::io::stderr(), "mailwright: {failure}").unwrap_or_default();
}

fn run(cli: Cli, arguments: Vec<String>) -> Result<ExitCode, Failure> {
    let source = source(&cli);
    match cli.command {
        Command::Init { domain, output } => init(&domain, &output),
        Command::Config(command) => config(&command, &source),
        Command::Serve => {
            keep_private();
            let config = load(&source)?;
            runtime()?.block_on(serve::serve(config, source))
        }
        Command::Sandbox(sandbox) => {
            keep_private();
            let named = |argument: &String| argument == "--data" || argument.starts_with("--data=");
            let data = cli.data.filter(|_| arguments.iter().any(named));
            runtime()?.block_on(sandbox::run(sandbox, data, &source))
        }
        Command::Import(import) => {
            keep_private();
            runtime()?.block_on(inout::import(import, load(&source)?))
        }
        Command::Export(export) => runtime()?.block_on(inout::export(export, load(&source)?)),
        Command::Backup { target } => runtime()?.block_on(backup::backup(target, load(&source)?)),
        Command::Restore { source: from, same_uids } => {
            backup::restore(&from, &load(&source)?, same_uids)
        }
        Command::Check(check) => runtime()?.block_on(check::run(&check, &source)),
        Command::Send(send) => runtime()?.block_on(send::run(*send, &load(&source)?)),
        Command::Admin(command) => {
            keep_private();
            let config = load(&source)?;
            runtime()?.block_on(carry_out(*command, arguments, config))
        }
    }
}

/// A command on the store goes to who has it; what looks elsewhere is done here.
async fn carry_out(
    command: AdminCommand,
    arguments: Vec<String>,
    config: Config,
) -> Result<ExitCode, Failure> {
    if let AdminCommand::Doctor(doctor) = &command
        && let Some(code) = doctor::run(doctor.command.as_ref(), doctor.form, &config).await?
    {
        return Ok(code);
    }
    if let AdminCommand::Sendmail(sendmail) = &command
        && let Some(server) = &sendmail.smtp
    {
        return admin::sendmail::handed::run(sendmail, server, &config).await;
    }
    remote::run(command, arguments, config).await
}

/// What this process makes from now on is for its user alone: messages, the database, keys.
fn keep_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// One worker less than there are processors: the store's two threads have work for one.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let processors = std::thread::available_parallelism()?.get();
    let workers = processors.saturating_sub(1).max(1);
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?)
}

/// Where the configuration comes from: the file that was named, or the one in the data folder.
fn source(cli: &Cli) -> Source {
    let data = cli.data.as_ref().map(|data| data.display().to_string());
    let folder = cli.data.clone().unwrap_or_else(|| Config::default().server.data);
    let found = || Some(folder.join("mailwright.toml")).filter(|file| file.is_file());
    let flags = data.map(|data| ("server.data".to_owned(), data)).into_iter().collect();
    Source::process(cli.config.clone().or_else(found), flags)
}

fn load(source: &Source) -> Result<Config, Failure> {
    mailwright_config::load(source).map_err(|problem| Failure::new(problem.to_string()))
}

fn config(command: &ConfigCommand, source: &Source) -> Result<ExitCode, Failure> {
    let text = match command {
        ConfigCommand::Docs => mailwright_config::docs(),
        ConfigCommand::Show => mailwright_config::show(&load(source)?),
        ConfigCommand::Check => {
            load(source)?;
            "the configuration is right\n".to_owned()
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn init(domain: &str, output: &PathBuf) -> Result<ExitCode, Failure> {
    let name = mailwright_words::address::Domain::parse(domain)
        .map_err(|error| Failure::of(&format!("{domain:?} is no domain"), &error))?;
    let text = mailwright_config::init(name.as_str());
    if output.as_os_str() == "-" {
        stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut file = std::fs::File::create_new(output)
        .map_err(|error| Failure::of(&format!("cannot make {}", output.display()), &error))?;
    file.write_all(text.as_bytes())?;
    let file = output.display();
    writeln!(
        stdout(),
        "Wrote {file}. Next:\n  mailwright --config {file} domain add {name}\n  \
         mailwright --config {file} account add postmaster@{name} --password-stdin\n  \
         mailwright --config {file} serve",
        name = name.as_str()
    )?;
    Ok(ExitCode::SUCCESS)
}
