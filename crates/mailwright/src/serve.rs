//! The running server: opens everything, serves until it is told to stop, closes everything.
//!
//! Ports are bound first, then privileges are dropped, then the data folder is opened, so that
//! nothing in it belongs to root. A stop lets sessions and attempts finish.

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use mailwright_api::{Health, Metrics, Problem, Sources};
use mailwright_config::{Config, Http, Listener as ListenerConfig, Role, Source};
use mailwright_deliver::{Deliverer, Setup, Wire};
use mailwright_directory::{DomainKind, NewPassword};
use mailwright_net::{
    Arrival, Listener, Terms,
    control::ControlListener,
    drive,
    listen::{Rules, open},
    tls::{Acceptor, Certificates, SelfSigned, Sources as CertificateSources},
};
use mailwright_queue::Queue;
use mailwright_sasl::Secret;
use mailwright_serve::smtp::{Conversation, Door};
use mailwright_words::{Address, Domain};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{
    Failure,
    courier::Courier,
    log,
    office::Office,
    privilege, remote,
    setup::{FirstAccount, Open, Screen},
};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How often space of deleted bodies is taken back.
const RECLAIM: Duration = Duration::from_mins(10);
/// How long a deleted body is kept.
const GRACE: Duration = Duration::from_hours(1);

/// Serves until a signal says stop.
pub(crate) async fn serve(config: Config, source: Source) -> Result<ExitCode, Failure> {
    log::start(&config.log)?;
    let metrics =
        Metrics::install().map_err(|error| Failure::of("metrics do not start", &error))?;
    let ports = Ports::bind(&config)?;
    privilege::drop(&config.server)?;
    let office = Office::open(config).await?;
    let account = first_account(&office).await?;
    let certificates = certificates(&office.config)?;
    let control = ControlListener::bind(&remote::socket(&office.config))
        .map_err(|error| Failure::of("the control socket", &error))?;
    let opened = ports.open();
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    ports.spawn(&office, &certificates, &metrics, (&mut tasks, &stopping))?;
    spawn_queue(&office, &opened, (&mut tasks, &stopping))?;
    spawn_upkeep(&office, &mut tasks, &stopping);
    let answering = tokio::spawn(remote::answer(control, office.clone()));
    show(&office.config, &opened, account.as_ref())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Server started.");
    wait_for_stop(&office, &certificates, &source).await?;
    tracing::info!("Server stops.");
    stop.send_replace(true);
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Failure::of("a part of the server broke", &error))?;
    }
    answering.abort();
    office.close().await;
    tracing::info!("Server stopped.");
    Ok(ExitCode::SUCCESS)
}

/// The bound ports, before anything is behind them.
struct Ports {
    mail: Vec<(String, ListenerConfig, Listener)>,
    http: Vec<TcpListener>,
}

impl Ports {
    fn bind(config: &Config) -> Result<Self, Failure> {
        let mut mail = Vec::new();
        for (name, listener) in &config.listeners {
            let bound = Listener::bind(rules(name, listener, config))
                .map_err(|error| Failure::of(&format!("listener {name}"), &error))?;
            mail.push((name.clone(), listener.clone(), bound));
        }
        let Http { addresses } = &config.http;
        let mut http = Vec::new();
        for address in addresses {
            let bound =
                open(*address).map_err(|error| Failure::of(&format!("http {address}"), &error))?;
            http.push(bound);
        }
        Ok(Self { mail, http })
    }

    /// What is open, for the screen and against loops.
    fn open(&self) -> Vec<Open> {
        let mail = self.mail.iter().flat_map(|(_, config, listener)| {
            let (role, implicit_tls) = (Some(config.role), config.implicit_tls);
            let each = listener.addresses().into_iter();
            each.map(move |address| Open { role, address, implicit_tls })
        });
        let http = self.http.iter().filter_map(|listener| {
            let address = listener.local_addr().ok()?;
            Some(Open { role: None, address, implicit_tls: false })
        });
        mail.chain(http).collect()
    }

    fn spawn(
        self,
        office: &Office,
        certificates: &Arc<Certificates>,
        metrics: &Metrics,
        (tasks, stopping): (&mut JoinSet<()>, &watch::Receiver<bool>),
    ) -> Result<(), Failure> {
        let acceptor = Acceptor::new(Arc::clone(certificates))
            .map_err(|error| Failure::of("TLS does not start", &error))?;
        let acceptor = Arc::new(acceptor);
        for (name, config, listener) in self.mail {
            let terms = terms(&office.config, &config, &acceptor, stopping);
            let grace = office.config.timeouts.shutdown;
            let clock = Arc::clone(&office.clock);
            let door = smtp_door((&name, &config), office)?;
            let session = move |arrival: Arrival| smtp(Arc::clone(&door), terms.clone(), arrival);
            tasks.spawn(listener.run(clock, stopping.clone(), grace, session));
        }
        for listener in self.http {
            let office = office.clone();
            let health = Arc::new(move || health(&office));
            let sources = Sources { metrics: metrics.clone(), health };
            let mut stopping = stopping.clone();
            tasks.spawn(async move {
                let stop = async move {
                    stopping.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
                };
                if let Err(error) = mailwright_api::serve(listener, sources, stop).await {
                    tracing::error!(%error, "HTTP listener broke.");
                }
            });
        }
        Ok(())
    }
}

fn smtp_door(
    (name, listener): (&str, &ListenerConfig),
    office: &Office,
) -> Result<Arc<Door>, Failure> {
    let door = Door::new(
        (name, listener),
        Arc::clone(&office.config),
        (office.directory.clone(), office.intake.clone()),
        Arc::clone(&office.clock),
        true,
    );
    Ok(Arc::new(door.map_err(|error| Failure::of(&format!("listener {name}"), &error))?))
}

fn rules(name: &str, listener: &ListenerConfig, config: &Config) -> Rules {
    let host = &config.server.hostname;
    Rules {
        name: name.to_owned(),
        addresses: listener.addresses.clone(),
        sessions_max: config.sessions_max(listener),
        sessions_per_address_max: config.sessions_per_address_max(listener),
        proxies: listener.proxy_protocol_from.clone(),
        busy: busy(listener.role, host).into_bytes(),
    }
}

/// What a client is told that finds no place, in its protocol's words.
fn busy(role: Role, host: &str) -> String {
    let text = "Too many sessions, try again later";
    match role {
        Role::Mta | Role::Msa | Role::Lmtp => format!("421 4.7.0 {host} {text}\r\n"),
        Role::Imap => format!("* BYE [UNAVAILABLE] {text}\r\n"),
        Role::Pop3 => format!("-ERR [SYS/TEMP] {text}\r\n"),
    }
}

fn terms(
    config: &Config,
    listener: &ListenerConfig,
    acceptor: &Arc<Acceptor>,
    stopping: &watch::Receiver<bool>,
) -> Terms {
    let is_mta = listener.role == Role::Mta;
    Terms {
        acceptor: Some(Arc::clone(acceptor)),
        implicit_tls: listener.implicit_tls,
        handshake_timeout: config.timeouts.handshake,
        write_timeout: config.timeouts.command,
        session_timeout: config.timeouts.session,
        greeting_delay: if is_mta { config.timeouts.greeting_delay } else { Duration::ZERO },
        shutdown: stopping.clone(),
    }
}

async fn smtp(door: Arc<Door>, terms: Terms, arrival: Arrival) {
    let Arrival { stream, peer, .. } = arrival;
    let conversation = Conversation::new(door, peer, terms.implicit_tls);
    if let Err(error) = drive(stream, conversation, terms).await {
        tracing::debug!(%peer, %error, "Connection ended badly.");
    }
}

fn health(office: &Office) -> Health {
    let full = office.intake.is_full(office.now());
    let problem = Problem {
        name: "disk_full",
        detail: "the disk of the data folder is nearly full: new mail gets 452 until space is free"
            .to_owned(),
    };
    Health {
        version: env!("CARGO_PKG_VERSION"),
        accepting: !full,
        problems: if full { vec![problem] } else { Vec::new() },
    }
}

fn spawn_queue(
    office: &Office,
    opened: &[Open],
    (tasks, stopping): (&mut JoinSet<()>, &watch::Receiver<bool>),
) -> Result<(), Failure> {
    let config = &office.config;
    let wire = Wire::new(config, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("the network", &error))?;
    let wire = Arc::new(wire);
    let deliverer = Arc::new(Deliverer::new(Setup {
        hostname: config.server.hostname.clone(),
        relay: config.relay.clone(),
        routes: config.routes.clone(),
        listeners: opened.iter().map(|open| open.address).collect(),
        names: Arc::<Wire>::clone(&wire),
        network: wire,
        clock: Arc::clone(&office.clock),
    }));
    let courier = Courier::new(office.clone(), Arc::clone(&deliverer));
    let settings = mailwright_queue::Settings::new(&config.server.hostname, &config.queue);
    let queue = Queue::new(office.store.clone(), Arc::clone(&office.clock), courier, settings);
    let receiver = stopping.clone();
    tasks.spawn(async move { queue.run(receiver).await });
    let clock = Arc::clone(&office.clock);
    repeat(tasks, stopping, move || {
        let (clock, deliverer) = (Arc::clone(&clock), Arc::clone(&deliverer));
        async move {
            deliverer.sweep();
            clock.sleep(SWEEP).await;
        }
    });
    Ok(())
}

fn spawn_upkeep(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let office = office.clone();
    repeat(tasks, stopping, move || {
        let office = office.clone();
        async move {
            if let Err(error) = office.store.reclaim(office.now(), GRACE).await {
                tracing::warn!(%error, "Space of deleted messages not taken back.");
            }
            office.clock.sleep(RECLAIM).await;
        }
    });
}

/// Does `work` again and again until the server stops.
fn repeat<F: Future<Output = ()> + Send + 'static>(
    tasks: &mut JoinSet<()>,
    stopping: &watch::Receiver<bool>,
    work: impl Fn() -> F + Send + 'static,
) {
    let mut stopping = stopping.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => break,
                () = work() => {}
            }
        }
    });
}

fn certificate_sources(config: &Config) -> CertificateSources {
    let files = config.tls.certificates.iter();
    let host = config.server.hostname.clone();
    let mut names = vec![host, "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.dedup();
    CertificateSources {
        files: files
            .map(|(name, pair)| (name.clone(), pair.certificate.clone(), pair.key.clone()))
            .collect(),
        self_signed: config
            .tls
            .self_signed
            .then(|| SelfSigned { folder: config.server.data.clone(), names }),
    }
}

fn certificates(config: &Config) -> Result<Arc<Certificates>, Failure> {
    let loaded = Certificates::load(certificate_sources(config));
    loaded.map_err(|error| Failure::of("certificates", &error))
}

/// On the very first start there is an account to try things with.
async fn first_account(office: &Office) -> Result<Option<FirstAccount>, Failure> {
    let directory = &office.directory;
    if !directory.domains().await?.is_empty() || !directory.accounts().await?.is_empty() {
        return Ok(None);
    }
    let unfit = |error| Failure::of("the first account", &error);
    let domain = Domain::parse("localhost").map_err(unfit)?;
    let address = Address::parse("you@localhost").map_err(unfit)?;
    let password = mailwright_directory::generate()
        .map_err(|error| Failure::of("the first password", &error))?;
    directory.add_domain(&domain, DomainKind::Local, office.now()).await?;
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
    let mut output = std::io::stdout();
    output.write_all(screen.text().as_bytes())?;
    Ok(output.flush()?)
}

/// Waits for SIGTERM or SIGINT; SIGHUP reads certificates again, after the configuration.
async fn wait_for_stop(
    office: &Office,
    certificates: &Certificates,
    source: &Source,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(office, certificates, source),
        }
    }
}

fn reload(office: &Office, certificates: &Certificates, source: &Source) {
    let fresh = match mailwright_config::load(source) {
        Ok(fresh) => fresh,
        Err(problem) => {
            tracing::error!(%problem, "Configuration not read again; the old one stays in force.");
            return;
        }
    };
    match certificates.reload(Some(certificate_sources(&fresh))) {
        Ok(()) => tracing::info!("Certificates read again."),
        Err(error) => tracing::error!(%error, "Certificates not read again; the old ones stay."),
    }
    if fresh != *office.config {
        tracing::warn!("The configuration has changed; what is not certificates needs a restart.");
    }
}
