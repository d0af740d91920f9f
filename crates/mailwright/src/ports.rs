//! The open ports and what is behind each: a door and its terms, which a reload replaces.
//!
//! A session keeps the door it came through; a reload is for those that come after it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_api::{Shown, Sources, Text};
use mailwright_config::{Config, Listener as ListenerConfig, Live, Role};
use mailwright_net::{
    Arrival, Listener, Terms,
    acme::Challenges,
    dns, drive,
    listen::{Rules, open},
    tls::Acceptor,
};
use mailwright_serve::{Shared, imap, pop3, smtp};
use mailwright_words::Domain;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{Failure, office::Office, policy, setup::Open};

/// The bound ports, before anything is behind them.
pub(crate) struct Ports {
    mail: Vec<(String, ListenerConfig, Listener)>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    challenges: Vec<TcpListener>,
}

/// What every door stands before.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) office: Office,
    /// What shakes hands; without it there is no TLS.
    pub(crate) acceptor: Option<Arc<Acceptor>>,
    /// That of the web.
    pub(crate) web: Option<Arc<Acceptor>>,
    /// Answers to an authority.
    pub(crate) challenges: Challenges,
    /// Sessions of each account, over all doors that show mailboxes.
    pub(crate) shared: Shared,
    /// Becomes true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// A listener that serves, as far as a reload changes it.
pub(crate) struct Served {
    name: String,
    rules: Live<Rules>,
    entry: Live<Entry>,
}

/// What a client meets that comes now.
struct Entry {
    door: Door,
    terms: Terms,
    office: Office,
}

/// A door, by what is spoken behind it.
enum Door {
    Smtp(Arc<smtp::Door>),
    Imap(Arc<imap::Door>),
    Pop3(Arc<pop3::Door>),
}

/// How long an IMAP session may last in all; clients keep them for days.
const IMAP_SESSION_MAX: Duration = Duration::from_hours(30 * 24);

impl Ports {
    /// Opens every port of the configuration.
    ///
    /// Errors: a port is taken or forbidden.
    pub(crate) fn bind(config: &Config) -> Result<Self, Failure> {
        let mut mail = Vec::new();
        for (name, listener) in &config.listeners {
            let bound = Listener::bind(rules(name, listener, config))
                .map_err(|error| Failure::of(&format!("listener {name}"), &error))?;
            mail.push((name.clone(), listener.clone(), bound));
        }
        Ok(Self {
            mail,
            http: bind("http", &config.http.addresses)?,
            https: bind("https", &config.https.addresses)?,
            challenges: bind("acme", &config.acme.http_addresses)?,
        })
    }

    /// What is open, for the screen and against loops.
    pub(crate) fn open(&self) -> Vec<Open> {
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

    /// Serves on all of them.
    ///
    /// Errors: the server's name is no domain.
    pub(crate) fn spawn(
        self,
        house: &House,
        sources: &Sources,
        tasks: &mut JoinSet<()>,
    ) -> Result<Vec<Served>, Failure> {
        let mut served = Vec::new();
        for (name, config, listener) in self.mail {
            let entry = Live::new(house.entry(&name, &config)?);
            let rules = listener.rules();
            let present = entry.clone();
            let session = move |arrival: Arrival| session(present.now(), arrival);
            let clock = Arc::clone(&house.office.clock);
            tasks.spawn(listener.run(clock, house.stopping.clone(), session));
            served.push(Served { name, rules, entry });
        }
        let stop = || {
            let mut stopping = house.stopping.clone();
            async move { stopping.wait_for(|stop| *stop).await.map(drop).unwrap_or_default() }
        };
        if let Some(web) = &house.web {
            for listener in self.https {
                let web = (Arc::clone(web), house.shown());
                tasks.spawn(mailwright_api::serve_https(listener, web, stop()));
            }
        }
        for listener in self.challenges {
            tasks.spawn(mailwright_api::serve_challenges(listener, house.shown(), stop()));
        }
        for listener in self.http {
            let (sources, stop) = (sources.clone(), stop());
            tasks.spawn(mailwright_api::serve(listener, sources, stop));
        }
        Ok(served)
    }
}

fn bind(section: &str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let one = |address: &SocketAddr| {
        open(*address).map_err(|error| Failure::of(&format!("{section} {address}"), &error))
    };
    addresses.iter().map(one).collect()
}

impl House {
    /// What is shown over the web.
    fn shown(&self) -> Shown {
        let office = self.office.clone();
        let policy = move |domain: Domain| -> Text {
            let office = office.clone();
            Box::pin(async move {
                let is_ours = office.is_ours(&domain).await.unwrap_or(false);
                is_ours.then(|| policy::text(&office.config.now()))
            })
        };
        Shown { policy: Arc::new(policy), challenges: self.challenges.clone() }
    }

    fn entry(&self, name: &str, listener: &ListenerConfig) -> Result<Entry, Failure> {
        let config = self.office.config.now();
        let door = match listener.role {
            Role::Imap => Door::Imap(Arc::new(self.imap((name, listener), &config))),
            Role::Pop3 => Door::Pop3(self.pop3(name, listener, &config)),
            Role::Mta | Role::Msa | Role::Lmtp | Role::Sandbox => {
                let door = self.smtp((name, listener), &config);
                let unfit = |error| Failure::of(&format!("listener {name}"), &error);
                Door::Smtp(Arc::new(door.map_err(unfit)?))
            }
        };
        Ok(Entry { door, terms: self.terms(&config, listener), office: self.office.clone() })
    }

    fn pop3(&self, name: &str, listener: &ListenerConfig, config: &Arc<Config>) -> Arc<pop3::Door> {
        Arc::new(pop3::Door::new(
            (name, listener),
            Arc::clone(config),
            (self.office.directory.clone(), self.office.store.clone()),
            (Arc::clone(&self.office.clock), self.shared.clone()),
            self.acceptor.is_some(),
        ))
    }

    fn smtp(
        &self,
        listener: (&str, &ListenerConfig),
        config: &Arc<Config>,
    ) -> Result<smtp::Door, smtp::DoorError> {
        let Office { directory, intake, clock, .. } = &self.office;
        let shared = (directory.clone(), intake.clone());
        let door = smtp::Door::new(
            listener,
            Arc::clone(config),
            shared,
            Arc::clone(clock),
            self.acceptor.is_some(),
        )?;
        if config.door.lists.is_empty() {
            return Ok(door);
        }
        Ok(match dns::System::new(&config.dns) {
            Ok(dns) => door.with_dns(Arc::new(dns)),
            Err(error) => {
                tracing::error!(%error, "Lists in the DNS are not asked.");
                door
            }
        })
    }

    fn imap(&self, listener: (&str, &ListenerConfig), config: &Arc<Config>) -> imap::Door {
        let Office { directory, store, clock, .. } = &self.office;
        let shared = (directory.clone(), store.clone(), self.shared.clone());
        imap::Door::new(
            listener,
            Arc::clone(config),
            shared,
            Arc::clone(clock),
            self.acceptor.is_some(),
        )
    }

    fn terms(&self, config: &Config, listener: &ListenerConfig) -> Terms {
        let is_mta = listener.role == Role::Mta;
        let session_timeout = match listener.role {
            Role::Imap => IMAP_SESSION_MAX,
            Role::Pop3 => config.mailboxes.pop3_session_timeout,
            Role::Mta | Role::Msa | Role::Lmtp | Role::Sandbox => config.timeouts.session,
        };
        Terms {
            acceptor: self.acceptor.clone(),
            implicit_tls: listener.implicit_tls,
            handshake_timeout: config.timeouts.handshake,
            write_timeout: config.timeouts.command,
            session_timeout,
            greeting_delay: if is_mta { config.timeouts.greeting_delay } else { Duration::ZERO },
            shutdown: self.stopping.clone(),
        }
    }
}

impl Served {
    /// Goes by the configuration that is in force now.
    ///
    /// Errors: the server's name is no domain; what was in force stays.
    pub(crate) fn reload(&self, house: &House) -> Result<(), Failure> {
        let config = house.office.config.now();
        let Some(listener) = config.listeners.get(&self.name) else { return Ok(()) };
        self.entry.set(house.entry(&self.name, listener)?);
        self.rules.set(rules(&self.name, listener, &config));
        Ok(())
    }
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
        grace: config.timeouts.shutdown,
    }
}

/// What a client is told that finds no place, in its protocol's words.
fn busy(role: Role, host: &str) -> String {
    let text = "Too many sessions, try again later";
    match role {
        Role::Mta | Role::Msa | Role::Lmtp | Role::Sandbox => {
            format!("421 4.7.0 {host} {text}\r\n")
        }
        Role::Imap => format!("* BYE [UNAVAILABLE] {text}\r\n"),
        Role::Pop3 => format!("-ERR [SYS/TEMP] {text}\r\n"),
    }
}

async fn session(entry: Arc<Entry>, arrival: Arrival) {
    let Arrival { stream, peer, .. } = arrival;
    if entry.office.directory.is_blocked(peer.ip(), entry.office.now()) {
        tracing::debug!(%peer, "Connection of a blocked network closed.");
        return;
    }
    let terms = entry.terms.clone();
    let implicit_tls = terms.implicit_tls;
    // Each on its own, so that a session is no larger than its protocol makes it.
    let held = match &entry.door {
        Door::Smtp(door) => {
            let conversation = smtp::Conversation::new(Arc::clone(door), peer, implicit_tls);
            Box::pin(drive(stream, conversation, terms)).await
        }
        Door::Imap(door) => {
            let conversation = imap::Conversation::new(Arc::clone(door), peer, implicit_tls);
            Box::pin(drive(stream, conversation, terms)).await
        }
        Door::Pop3(door) => {
            let conversation = pop3::Conversation::new(Arc::clone(door), peer, implicit_tls);
            Box::pin(drive(stream, conversation, terms)).await
        }
    };
    if let Err(error) = held {
        tracing::debug!(%peer, %error, "Connection ended badly.");
    }
}
