//! `mailwright sandbox`: inboxes without a server around them, for a program under test.
//!
//! It needs no configuration and leaves nothing behind: its data folder is a temporary one, unless
//! another is named. It is the ordinary server with one listener that catches all mail.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use mailwright_api::Metrics;
use mailwright_config::{
    Config, Host, InboxBy, InboxSettings, Level, Listener, Protocol, Role, Route, Source, TlsNeed,
};
use mailwright_directory::DEFAULT_INBOX;
use mailwright_net::{
    Clock, System,
    acme::Challenges,
    tls::{Acceptor, Certificates, SelfSigned, Sources},
};
use mailwright_serve::Shared;
use mailwright_store::{Options, body::VolatileDisk};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Failure,
    cli::{self, Sandbox},
    load, log,
    office::{Office, options},
    outgoing::Outgoing,
    ports::{House, Ports},
    serve, stdout, upkeep,
};

/// Messages of one session.
const SESSION_MESSAGES_MAX: usize = 10_000_000;
/// Free space that a sandbox leaves to others, in octets.
const FREE_SPACE_MIN: u64 = 64 << 20;

/// Serves until a signal says stop.
pub(crate) async fn run(
    sandbox: Sandbox,
    data: Option<PathBuf>,
    source: &Source,
) -> Result<ExitCode, Failure> {
    let mut signals = serve::Signals::listen()?;
    let folder = Folder::new(data, sandbox.keep)?;
    let mut config = config(&sandbox, folder.path.clone())?;
    // What checks ask, and who may be asked, is for the operator to say.
    let given = load(source)?;
    (config.checks, config.egress) = (given.checks, given.egress);
    log::start(&config.log)?;
    let metrics =
        Metrics::install().map_err(|error| Failure::of("metrics do not start", &error))?;
    let ports = Ports::bind(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let mut options = options(&config);
    if sandbox.volatile {
        options = Options { is_volatile: true, disk: Arc::new(VolatileDisk), ..options };
    }
    let opened = Office::open_with(options, config.clone(), clock).await?;
    let shown = folder.path.display();
    let office = opened.ok_or_else(|| Failure::new(format!("{shown} is in use")))?;
    set_up(&office, &sandbox).await?;
    let has_tls = sandbox.tls || !sandbox.smtps.is_empty();
    let acceptor = if has_tls { Some(Arc::new(acceptor(&config)?)) } else { None };
    let (stop, stopping) = watch::channel(false);
    let (web, challenges, shared) = (None, Challenges::default(), Shared::default());
    let house = House { office, acceptor, web, challenges, shared, stopping };
    let House { office, stopping, .. } = &house;
    let mut tasks = JoinSet::new();
    let addresses = ports.open();
    ports.spawn(&house, &serve::sources(office, metrics), &mut tasks)?;
    let outgoing = Outgoing::start(office, &addresses, (&mut tasks, stopping))?;
    upkeep::spawn(office, &mut tasks, stopping);
    show(&addresses, &folder)?;
    let broken = tokio::select! {
        () = signals.stopped() => None,
        ended = tasks.join_next() => Some(serve::broken(ended)),
    };
    stop.send_replace(true);
    tokio::select! {
        () = async { while tasks.join_next().await.is_some() {} } => {}
        () = signals.stopped() => {}
    }
    drop(outgoing);
    let House { office, .. } = house;
    office.close().await;
    drop(folder);
    broken.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Makes the default inbox, with the settings that were given.
async fn set_up(office: &Office, sandbox: &Sandbox) -> Result<(), Failure> {
    let default = office.directory.inbox(DEFAULT_INBOX, office.now()).await?;
    if let Some(path) = &sandbox.settings {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::of(&path.display().to_string(), &error))?;
        let settings = InboxSettings::read(&text)
            .map_err(|why| Failure::new(format!("{}: {why}", path.display())))?;
        office.intake.set_inbox_settings(default, settings).await?;
    }
    Ok(())
}

/// What a server would have in its configuration file.
fn config(sandbox: &Sandbox, data: PathBuf) -> Result<Config, Failure> {
    let mut config = mailwright_config::load(&Source::default())
        .map_err(|problem| Failure::new(problem.to_string()))?;
    config.server.data = data;
    config.http.addresses.clone_from(&sandbox.http);
    config.log.level = Level::Warn;
    config.intake.free_space_min = FREE_SPACE_MIN;
    // A program under test may keep its connection for as long as it likes.
    config.limits.messages_max = SESSION_MESSAGES_MAX;
    let rules = sandbox.inbox_by.iter().map(|rule| match rule {
        cli::InboxBy::User => InboxBy::User,
        cli::InboxBy::Tag => InboxBy::Tag,
        cli::InboxBy::Domain => InboxBy::Domain,
    });
    config.sandbox.inbox_by = rules.collect();
    config.sandbox.is_open = true;
    config.sandbox.token = sandbox.token.as_deref().map(mailwright_config::Secret::from);
    config.sandbox.hosts.clone_from(&sandbox.host);
    config.sandbox.webhooks.allow.clone_from(&sandbox.webhook_allow);
    // Who reaches a page on loopback reaches all else there, too.
    if sandbox.http.iter().all(|address| address.ip().is_loopback()) {
        let here = ["localhost", "127.0.0.0/8", "::1"];
        config.sandbox.webhooks.allow.extend(here.iter().filter_map(|host| host.parse().ok()));
    }
    release(&mut config, sandbox)?;
    // Whoever may reach an open inbox may read it: no password is a secret.
    let anywhere = ["0.0.0.0/0", "::/0"];
    config.auth.plaintext_from = anywhere.iter().filter_map(|net| net.parse().ok()).collect();
    let listeners = [
        ("sandbox", Role::Sandbox, &sandbox.smtp),
        ("imap", Role::Imap, &sandbox.imap),
        ("pop3", Role::Pop3, &sandbox.pop3),
    ];
    let listeners = listeners.into_iter().filter(|(_, _, addresses)| !addresses.is_empty());
    let mut listeners: BTreeMap<String, Listener> = listeners
        .map(|(name, role, addresses)| (name.to_owned(), Listener::new(role, addresses.clone())))
        .collect();
    if !sandbox.smtps.is_empty() {
        let listener = Listener::new(Role::Sandbox, sandbox.smtps.clone());
        listeners.insert("smtps".to_owned(), Listener { implicit_tls: true, ..listener });
    }
    config.listeners = listeners;
    Ok(config)
}

/// Whom messages may be released to, and by which server.
fn release(config: &mut Config, sandbox: &Sandbox) -> Result<(), Failure> {
    config.sandbox.release.to.clone_from(&sandbox.release_to);
    config.sandbox.release.from.clone_from(&sandbox.release_from);
    let Some(via) = &sandbox.release_via else { return Ok(()) };
    let (host, port) = match via.rsplit_once(':') {
        // An IPv6 address has its port behind brackets.
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0);
            let port = port.ok_or_else(|| Failure::new(format!("{via:?} is no HOST:PORT")))?;
            (host.trim_start_matches('[').trim_end_matches(']'), Some(port))
        }
        _ => (via.trim_start_matches('[').trim_end_matches(']'), None),
    };
    let hop = Host {
        host: host.to_owned(),
        port,
        protocol: Protocol::default(),
        tls: TlsNeed::default(),
        fingerprints: Vec::new(),
        implicit_tls: false,
        user: None,
        password: None,
    };
    config.routes.insert("*".to_owned(), Route { hosts: vec![hop], ..Route::default() });
    config.check().map_err(|problem| Failure::new(problem.to_string()))
}

fn acceptor(config: &Config) -> Result<Acceptor, Failure> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let self_signed = Some(SelfSigned { folder: config.server.data.clone(), names });
    let certificates = Certificates::load(Sources { files: Vec::new(), self_signed })
        .map_err(|error| Failure::of("certificates", &error))?;
    Acceptor::new(certificates).map_err(|error| Failure::of("TLS does not start", &error))
}

fn show(addresses: &[crate::setup::Open], folder: &Folder) -> Result<(), Failure> {
    let mut text = format!("Mailwright {} sandbox\n\n", env!("CARGO_PKG_VERSION"));
    for open in addresses {
        let (name, what) = match open.role {
            Some(Role::Sandbox) if open.implicit_tls => ("SMTPS", open.address.to_string()),
            Some(Role::Sandbox) => ("SMTP", format!("{}  takes any mail, any login", open.address)),
            Some(Role::Imap) => ("IMAP", format!("{}  any password", open.address)),
            Some(Role::Pop3) => ("POP3", format!("{}  any password", open.address)),
            _ => ("Page", format!("http://{}/", open.address)),
        };
        text.extend(["  ", name, "  ", &what, "\n"]);
    }
    if !folder.goes {
        text.extend(["  Data  ", &folder.path.display().to_string(), "\n"]);
    }
    Ok(stdout::greet(&text)?)
}

/// The data folder; a temporary one goes when it is dropped.
struct Folder {
    path: PathBuf,
    goes: bool,
}

impl Folder {
    fn new(named: Option<PathBuf>, keep: bool) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Ok(Self { path, goes: false });
        }
        let name = mailwright_directory::generate()
            .map_err(|error| Failure::of("a name for the temporary folder", &error))?;
        let path = std::env::temp_dir().join(format!("mailwright-sandbox-{name}"));
        std::fs::create_dir(&path)?;
        Ok(Self { path, goes: !keep })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.goes
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "Temporary folder not removed.");
        }
    }
}
