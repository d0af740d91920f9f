//! The running server: opens everything, serves until it is told to stop, closes everything.
//!
//! Ports are bound first, then privileges are dropped, then the data folder is opened, so that
//! nothing in it belongs to root. A stop lets sessions and attempts finish.

use std::{process::ExitCode, sync::Arc};

use mailwright_api::{
    Backing, Checked, Health, Metrics, Offer, Problem, Refreshed, Setup, Sources,
};
use mailwright_config::{Config, Source};
use mailwright_directory::{DomainKind, NewPassword};
use mailwright_net::{
    acme::Challenges,
    control::ControlListener,
    egress::Egress,
    notify::{Word, notify},
    tls::{Acceptor, Certificates},
};
use mailwright_sasl::Secret;
use mailwright_serve::Shared;
use mailwright_words::{Address, Domain};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    Failure,
    certify::Certifier,
    checkup, daily,
    gauge::Gauges,
    log,
    office::Office,
    outgoing::Outgoing,
    ports::{House, Ports},
    privilege,
    reload::{Reloader, certificate_sources},
    remote,
    setup::{FirstAccount, Open, Screen},
    stdout, upkeep, verify, world,
};

/// Serves until a signal says stop.
pub(crate) async fn serve(config: Config, source: Source) -> Result<ExitCode, Failure> {
    let filter = log::start(&config.log)?;
    let mut signals = Signals::listen()?;
    let metrics =
        Metrics::install().map_err(|error| Failure::of("metrics do not start", &error))?;
    let ports = Ports::bind(&config)?;
    privilege::drop(&config.server)?;
    let mut office = Office::open(config.clone()).await?;
    office.is_serving = true;
    let certificates = Certificates::load(certificate_sources(&config))
        .map_err(|error| Failure::of("certificates", &error))?;
    let control = ControlListener::bind(&remote::socket(&config))
        .map_err(|error| Failure::of("the control socket", &error))?;
    let opened = ports.open();
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let acceptor = Acceptor::new(Arc::clone(&certificates))
        .map_err(|error| Failure::of("TLS does not start", &error))?;
    let challenges = Challenges::default();
    let web = Acceptor::web(Arc::clone(&certificates), challenges.clone())
        .map_err(|error| Failure::of("TLS does not start", &error))?;
    let (acceptor, web) = (Some(Arc::new(acceptor)), Some(Arc::new(web)));
    let house = House { office, acceptor, web, challenges, shared: Shared::default(), stopping };
    let House { office, stopping, .. } = &house;
    verify::start(office)?;
    let outgoing = Outgoing::start(office, &opened, (&mut tasks, stopping))?;
    upkeep::spawn(office, &mut tasks, stopping);
    daily::spawn(office, &mut tasks, stopping);
    let certifier =
        Certifier::new(office.clone(), Arc::clone(&certificates), house.challenges.clone());
    let certifying = tokio::spawn(certifier.run());
    // Before anybody is answered, so that no command comes between, and told at once, so that
    // nothing that fails can lose the password. Who connects meanwhile waits a moment.
    let account = first_account(office).await?;
    show(&config, &opened, account.as_ref())?;
    let served = ports.spawn(&house, &sources(office, metrics), &mut tasks)?;
    let answering = tokio::spawn(remote::answer(control, office.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Server started.");
    tell(Word::Ready);
    let reloader = Reloader { source, certificates, filter, house, served, outgoing };
    let mut broken = until_stop(wait_for_stop(&mut signals, &reloader), &mut tasks).await;
    tracing::info!("Server stops.");
    tell(Word::Stopping);
    stop.send_replace(true);
    tokio::select! {
        () = ended(&mut tasks, &mut broken) => {}
        () = wait_for_stop(&mut signals, &reloader) => {
            return Err(Failure::new("stopped in the middle of a stop"));
        }
    }
    answering.abort();
    certifying.abort();
    let office = reloader.close();
    office.close().await;
    tracing::info!("Server stopped.");
    broken.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Waits for `stop`, or for a part that ends before: none of them does so by itself, and what is
/// left would look alive and be deaf.
async fn until_stop(stop: impl Future<Output = ()>, tasks: &mut JoinSet<()>) -> Option<Failure> {
    tokio::select! {
        () = stop => None,
        ended = tasks.join_next() => Some(broken(ended)),
    }
}

/// Waits until every part has ended; the first that broke is what is told.
async fn ended(tasks: &mut JoinSet<()>, broken: &mut Option<Failure>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            broken.get_or_insert_with(|| Failure::of("a part of the server broke", &error));
        }
    }
}

/// A part that ended while nobody had asked for it.
pub(crate) fn broken(ended: Option<Result<(), JoinError>>) -> Failure {
    let failure = match ended {
        Some(Err(error)) => Failure::of("a part of the server broke", &error),
        _ => Failure::new("a part of the server ended by itself"),
    };
    tracing::error!(%failure, "Server cannot go on.");
    failure
}

/// Tells the service manager, where there is one.
fn tell(word: Word) {
    let told = mailwright_config::notify_socket().map(|name| notify(&name, word));
    if let Some(Err(error)) = told {
        tracing::warn!(%error, "The service manager was not told.");
    }
}

pub(crate) fn sources(office: &Office, metrics: Metrics) -> Sources {
    let gauges = Gauges::new(office.clone());
    let refresh = move || -> Refreshed {
        let gauges = gauges.clone();
        Box::pin(async move { gauges.refresh().await })
    };
    let (setup, sandbox) = (Some(setup(office)), Some(backing(office)));
    let examine = Some(checkup::for_http(office));
    let (office, config) = (office.clone(), office.config.clone());
    let health = Arc::new(move || health(&office));
    Sources { config, metrics, refresh: Arc::new(refresh), health, setup, examine, sandbox }
}

/// What the sandbox's pages and API work on.
pub(crate) fn backing(office: &Office) -> Backing {
    Backing {
        store: office.store.clone(),
        directory: office.directory.clone(),
        intake: office.intake.clone(),
        clock: Arc::clone(&office.clock),
        config: office.config.clone(),
        egress: egress(office),
        hooks: egress(office)
            .map(|egress| egress.picking(Config::webhook_egress, mailwright_api::CALLS_MAX)),
    }
}

/// Asks servers that messages name, where names can be looked up.
fn egress(office: &Office) -> Option<Egress> {
    match world::egress(&office.config) {
        Ok(egress) => Some(egress),
        Err(error) => {
            tracing::warn!(%error, "Links and remote pictures cannot be asked for.");
            None
        }
    }
}

/// What mail clients are told of this server.
fn setup(office: &Office) -> Setup {
    let offering = office.clone();
    let offer = move || {
        let config = offering.config.now();
        Offer { hostname: config.server.hostname.clone(), services: config.services() }
    };
    let asking = office.clone();
    let is_ours = move |domain: Domain| -> Checked {
        let office = asking.clone();
        Box::pin(async move { office.is_ours(&domain).await.ok() })
    };
    Setup { offer: Arc::new(offer), is_ours: Arc::new(is_ours) }
}

fn health(office: &Office) -> Health {
    let full = office.intake.is_full(office.now()).then(|| Problem {
        name: "disk_full",
        detail: "the disk of the data folder is nearly full: new mail gets 452 until space is free"
            .to_owned(),
    });
    let stopped = office.store.has_stopped().then(|| Problem {
        name: "store_stopped",
        detail: "the store takes no more writes, and new mail gets 451; look at the log, mend the \
                 disk and restart"
            .to_owned(),
    });
    let problems: Vec<Problem> = full.into_iter().chain(stopped).collect();
    let accepting = problems.is_empty();
    Health { version: env!("CARGO_PKG_VERSION"), accepting, problems }
}

/// In a folder that never had an account, and has no domain, there is one to try things with.
async fn first_account(office: &Office) -> Result<Option<FirstAccount>, Failure> {
    let directory = &office.directory;
    let unfit = |error| Failure::of("the first account", &error);
    let domain = Domain::parse("localhost").map_err(unfit)?;
    // A start that was broken off may have left the domain, and no account.
    let domains = directory.domains().await?;
    let is_ours = |known: &mailwright_directory::Domain| known.name == domain.as_str();
    if directory.had_account().await? || !domains.iter().all(is_ours) {
        return Ok(None);
    }
    let address = Address::parse("you@localhost").map_err(unfit)?;
    let password = mailwright_directory::generate()
        .map_err(|error| Failure::of("the first password", &error))?;
    if domains.is_empty() {
        directory.add_domain(&domain, DomainKind::Local, office.now()).await?;
    }
    let secret = NewPassword::Text(Secret::new(password.clone()));
    let account = directory.add_account(&address, secret, office.now()).await?;
    Ok(Some(FirstAccount { address: account.address, password }))
}

fn show(config: &Config, opened: &[Open], account: Option<&FirstAccount>) -> Result<(), Failure> {
    let program = std::env::current_exe().unwrap_or_else(|_| "mailwright".into());
    let certificate = config.server.data.join("self-signed.crt");
    let screen = Screen {
        data: &config.server.data,
        certificate: certificate.is_file().then_some(certificate.as_path()),
        program: &program,
        listeners: opened,
        account,
    };
    Ok(stdout::greet(&screen.text())?)
}

/// Waits for SIGTERM or SIGINT; SIGHUP reads the configuration and certificates again.
async fn wait_for_stop(signals: &mut Signals, reloader: &Reloader) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => reloader.reload(),
        }
    }
}

/// The signals that are listened to; from the first moment on, so that none ends the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    pub(crate) async fn stopped(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn office(folder: &std::path::Path) -> Office {
        let mut config = Config::default();
        config.server.data = folder.to_owned();
        Office::open(config).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_first_account_is_made_once_in_the_life_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let one = office(folder.path()).await;
        // A start that was broken off between the two.
        let domain = Domain::parse("localhost").unwrap();
        one.directory.add_domain(&domain, DomainKind::Local, one.now()).await.unwrap();
        let made = first_account(&one).await.unwrap().unwrap();
        assert_eq!(made.address, "you@localhost");
        assert!(first_account(&one).await.unwrap().is_none());
        let address = Address::parse("you@localhost").unwrap();
        one.directory.remove_account(&address, one.now()).await.unwrap();
        one.directory.remove_domain(&domain).await.unwrap();
        one.close().await;
        let again = office(folder.path()).await;
        assert!(first_account(&again).await.unwrap().is_none());
        again.close().await;
    }

    #[tokio::test]
    async fn a_part_that_ends_or_breaks_before_the_stop_ends_the_server() {
        let never = std::future::pending::<()>;
        let mut tasks = JoinSet::new();
        tasks.spawn(never());
        tasks.spawn(async { panic!("a fault of ours") });
        let failure = until_stop(never(), &mut tasks).await.unwrap();
        assert!(failure.to_string().contains("a part of the server broke"), "{failure}");
        tasks.spawn(async {});
        let failure = until_stop(never(), &mut tasks).await.unwrap();
        assert_eq!(failure.to_string(), "a part of the server ended by itself");
        assert!(until_stop(std::future::ready(()), &mut tasks).await.is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_account_is_made_where_a_domain_is() {
        let folder = tempfile::tempdir().unwrap();
        let office = office(folder.path()).await;
        let domain = Domain::parse("here.example").unwrap();
        office.directory.add_domain(&domain, DomainKind::Local, office.now()).await.unwrap();
        assert!(first_account(&office).await.unwrap().is_none());
        office.close().await;
    }
}
