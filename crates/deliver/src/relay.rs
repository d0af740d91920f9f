//! Relay: one attempt to give a message to a domain's servers, host by host.
//!
//! Hosts that cannot be spoken with are passed over for the next one; what a host says about a
//! recipient is its answer. Nothing here waits for another day: that is the queue's.
//! Source: RFC 5321 section 5.1.

mod hurry;
mod published;
mod rehearse;
mod run;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use mailwright_config::{Host, Relay, Route};
use mailwright_net::Clock;
use mailwright_smtp::client::{By, Settings, Transaction, Verdict};
use mailwright_smtp::reply::Bounds;
use mailwright_words::Timestamp;
use mailwright_words::address::Domain;
use mailwright_words::envelope::{DeliverBy, Envelope};

use crate::connection::{Connection, Fault, Opening};
use crate::convert::{self, Fitted};
use crate::ledger::Ledger;
use crate::mx::{self, Asking, Hosts, Names, Server, Unroutable};
use crate::network::Network;
use crate::outcome::{Content, Job, Outcome, RecipientOutcome};
use crate::pool::{Key, Pool};
use crate::route::{Target, route};
use crate::sign::Signatures;
use crate::sts::{Know, Known, Sts};
use crate::tls::{Dane, Level, Need, dane, decide};

pub(crate) use hurry::Hurry;
pub use rehearse::Seen;

use hurry::Crowd;
use published::Published;
use run::Run;

/// What came of opening a connection: it, or what went wrong, where, and what was said.
type Opened = Result<Connection, (Fault, Option<SocketAddr>, String)>;

/// How long a broken STARTTLS is remembered.
const BROKEN_TLS: Duration = Duration::from_hours(1);
/// Hosts whose STARTTLS is remembered as broken.
const BROKEN_MAX: usize = 1000;

/// What a deliverer is made of.
#[derive(Clone)]
pub struct Setup {
    /// Our name, as `EHLO` says it and as others' MX records have it.
    pub hostname: String,
    /// How messages leave.
    pub relay: Relay,
    /// Next hops by domain.
    pub routes: BTreeMap<String, Route>,
    /// Where we listen: mail that would go there loops.
    pub listeners: Vec<SocketAddr>,
    /// The DNS.
    pub names: Arc<dyn Names>,
    /// The network.
    pub network: Arc<dyn Network>,
    /// The MTA-STS policies of domains.
    pub policies: Arc<dyn Know>,
    /// Who counts sessions for reports to their domains.
    pub ledger: Arc<dyn Ledger>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

/// The servers that take the mail of a domain, and what bounds they have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// Equal for all domains of the same servers.
    pub key: String,
    /// Most connections at once, where that was set.
    pub connections_max: Option<usize>,
    /// Most messages a minute, where that was set.
    pub messages_per_minute: Option<u32>,
}

/// Gives messages to other servers. Shared by all attempts; it owns the idle connections.
pub struct Deliverer {
    setup: Setup,
    pool: Pool,
    broken: Mutex<HashMap<String, Instant>>,
    /// Signatures of messages that are on their way.
    signatures: Signatures,
    /// Room for messages that are converted.
    places: Arc<Semaphore>,
    /// Connections that work, by where they lead.
    crowd: Crowd,
    /// Whether the server stops.
    stopping: watch::Sender<bool>,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Deliverer {
    /// A deliverer with no connection yet.
    pub fn new(setup: Setup) -> Self {
        let places = Arc::new(Semaphore::new(convert::AT_ONCE_MAX));
        let (stopping, _) = watch::channel(false);
        let (pool, broken, crowd) = (Pool::default(), Mutex::default(), Crowd::default());
        let signatures = Signatures::new(Arc::clone(&setup.clock));
        Self { setup, pool, broken, signatures, places, crowd, stopping }
    }

    /// The configured route of a domain, with the limits that the queue keeps.
    pub fn route(&self, domain: &Domain) -> Option<&Route> {
        route(&self.setup.routes, domain)
    }

    /// Which servers take the mail of a domain, as far as limits go.
    ///
    /// Domains with the same servers, or whose servers are of one provider, have the same site.
    pub async fn site(&self, domain: &Domain) -> Site {
        let Setup { relay, names, hostname, .. } = &self.setup;
        let alone = Site { key: domain.to_string(), ..Site::default() };
        if let Some(route) = self.route(domain).filter(|route| !route.hosts.is_empty()) {
            let hosts = route.hosts.iter().map(|host| format!("{}:{}", host.host, host.port()));
            let key = hosts.collect::<Vec<_>>().join(" ");
            return Site { key, connections_max: route.connections_max, ..alone };
        }
        if domain.literal().is_some() {
            return alone;
        }
        let asking = Asking { names: names.as_ref(), limit: relay.lookup_timeout };
        let hosts = mx::hosts(asking, domain.as_str(), hostname, &mut || 0).await;
        let Ok(Hosts { names: mut hosts, .. }) = hosts else { return alone };
        let provider = hosts.first().and_then(|best| relay.provider(best));
        if let Some((name, provider)) = provider {
            let connections_max = provider.connections_max;
            let messages_per_minute = provider.messages_per_minute;
            return Site { key: format!("*.{name}"), connections_max, messages_per_minute };
        }
        hosts.sort();
        let connections_max = self.route(domain).and_then(|route| route.connections_max);
        Site { key: hosts.join(" "), connections_max, ..alone }
    }

    /// Closes connections that have been idle too long. To be called every second or so.
    pub fn sweep(&self) {
        self.pool.sweep(&self.setup.relay);
    }

    /// Fetches policies again before they are out of date. To be called every hour or so.
    pub async fn refresh_policies(&self) {
        self.setup.policies.refresh().await;
    }

    /// Takes leave of every idle connection, when another deliverer takes over.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Ends the attempts that run, and every later one: what a host may have taken by now is waited
    /// for, anything else is given up.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Tries every recipient of `job` once: one outcome each, in their order.
    ///
    /// It has one deadline over all hosts. A message whose end was sent is past it: whoever gave up
    /// then would send it twice.
    pub async fn attempt(&self, job: Job) -> Vec<RecipientOutcome> {
        let route = route(&self.setup.routes, &job.domain).cloned().unwrap_or_default();
        let (domain, mut run) = (job.domain.clone(), Run::new(job));
        let (hurry, mut stopping) = (run.hurry(), self.stopping.subscribe());
        let is_stopped = {
            let work = self.all(&route, &domain, &mut run);
            tokio::pin!(work);
            let stopped = async { stopping.wait_for(|stop| *stop).await.map(drop) };
            let end = timeout(self.setup.relay.attempt_timeout, stopped);
            tokio::select! {
                biased;
                () = &mut work => None,
                ended = end => {
                    let is_stopped = ended.is_ok();
                    if hurry.begin() {
                        work.await;
                    }
                    Some(is_stopped)
                }
            }
        };
        if let Some(is_stopped) = is_stopped {
            run.broken_off(is_stopped);
        }
        run.finish()
    }

    /// All servers that there are for a domain, until nobody is left.
    async fn all(&self, route: &Route, domain: &Domain, run: &mut Run) {
        if route.hosts.is_empty() {
            let need = Need::new(route.tls.unwrap_or(self.setup.relay.tls), &route.digests());
            match self.found(domain).await {
                Ok(servers) => self.servers((domain, servers), &need, run).await,
                Err(error) => run.unroutable(&error, route.backup.is_empty()),
            }
        } else {
            self.set(&route.hosts, run).await;
        }
        if run.may_try_others() {
            self.set(&route.backup, run).await;
        }
    }

    async fn found(&self, domain: &Domain) -> Result<Vec<Server>, Unroutable> {
        let Setup { relay, hostname, .. } = &self.setup;
        let mut random = || getrandom::u32().unwrap_or_default();
        mx::servers(self.asking(), domain, hostname, relay.hosts_max, &mut random).await
    }

    fn asking(&self) -> Asking<'_> {
        Asking { names: self.setup.names.as_ref(), limit: self.setup.relay.lookup_timeout }
    }

    /// Servers that were set, one after another.
    async fn set(&self, hosts: &[Host], run: &mut Run) {
        for host in hosts {
            if !run.may_try_others() {
                return;
            }
            let server = match mx::named(self.asking(), &host.host).await {
                Ok(server) => server,
                Err(error) => {
                    run.unroutable(&error, false);
                    continue;
                }
            };
            let need = Need::new(host.tls, &host.digests());
            let dane = self.dane(&need, &server, (host.port(), false), &[]).await;
            // It is a server of no domain: there is nobody to report to.
            match decide(&need, (&dane, Sts::None), (run.wish(), server.sure)) {
                Ok(demand) => {
                    let target = Target::set(&server, host, &self.setup.relay, demand);
                    self.host(&target, &Published::nothing(), run).await;
                }
                Err(refused) => run.refused_for_tls(&server.name, &refused),
            }
        }
    }

    /// The servers of a domain, each as the domain wants it.
    async fn servers(&self, (domain, servers): (&Domain, Vec<Server>), need: &Need, run: &mut Run) {
        let name = domain.as_str();
        let asks = self.asks_sts(need, domain);
        let known = if asks { self.setup.policies.policy(name).await } else { Known::default() };
        for server in servers {
            if !run.may_try_others() {
                return;
            }
            let port = self.setup.relay.port;
            let dane = self.dane(need, &server, (port, true), &[name, &server.name]).await;
            let sts = Sts::of(&known, &server.name);
            let published = Published::new(name, &dane, &known);
            match decide(need, (&dane, sts), (run.wish(), server.sure)) {
                Ok(demand) => {
                    let target = Target::found(server, &self.setup.relay, demand);
                    self.host(&target, &published, run).await;
                }
                Err(refused) => {
                    published.refused(self.setup.ledger.as_ref(), &server.name, &refused);
                    run.refused_for_tls(&server.name, &refused);
                }
            }
        }
    }

    /// Whether the MTA-STS policy of a domain is worth a lookup.
    fn asks_sts(&self, need: &Need, domain: &Domain) -> bool {
        need.asks_sts() && self.setup.relay.mta_sts && domain.literal().is_none()
    }

    /// The TLSA records of a server, where they are worth a lookup.
    async fn dane(
        &self,
        need: &Need,
        server: &Server,
        (port, found): (u16, bool),
        also: &[&str],
    ) -> Dane {
        if !need.asks_dane(found) {
            return Dane::Off;
        }
        let Asking { names, limit } = self.asking();
        dane(names, (&server.bases, port), also, limit).await
    }

    /// One host, address by address.
    async fn host(&self, target: &Target, published: &Published, run: &mut Run) {
        let mut left = target.addresses.clone();
        left.retain(|address| !self.is_own(*address));
        if left.is_empty() {
            return run.fault(target, &Fault::Loop, "");
        }
        let key = Key::of(target);
        if let Some(connection) = self.pool.take(&key, &self.setup.relay).await {
            self.use_up(connection, target, key.clone(), run).await;
        }
        while !left.is_empty() && run.may_try_others() && run.may_connect() {
            if target.found {
                let most = self.setup.relay.connections_per_address_max;
                left.retain(|address| self.crowd.count(address.ip()) < most);
            }
            if left.is_empty() {
                return run.crowded(target);
            }
            let opened = self.open(target, &left).await;
            published.session(self.setup.ledger.as_ref(), target, &opened);
            match opened {
                Ok(connection) => {
                    left.retain(|address| *address != connection.address);
                    self.use_up(connection, target, key.clone(), run).await;
                }
                Err((fault, address, conversation)) => {
                    run.fault(target, &fault, &conversation);
                    left.retain(|one| address.is_some_and(|address| *one != address));
                }
            }
        }
    }

    /// Opens a connection; without TLS when its handshake breaks and nobody asked for it.
    async fn open(&self, target: &Target, addresses: &[SocketAddr]) -> Opened {
        let mut opening = self.opening(target);
        let (fault, address, conversation) =
            match Connection::open(&opening, target, addresses).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
        let may_be_plain = target.demand.level == Level::Optional && !target.implicit_tls;
        match (&fault, address) {
            (Fault::Handshake(why, _), Some(address)) if may_be_plain && !opening.plain => {
                let host = target.name.as_str();
                tracing::warn!(host, %address, why, "TLS is broken; going on without.");
                self.remember_broken(&target.name);
                opening.plain = true;
                Connection::open(&opening, target, &[address]).await
            }
            _ => Err((fault, address, conversation)),
        }
    }

    fn opening(&self, target: &Target) -> Opening<'_> {
        let relay = &self.setup.relay;
        Opening {
            network: self.setup.network.as_ref(),
            settings: Settings {
                hostname: self.setup.hostname.clone(),
                lmtp: target.lmtp,
                command_timeout: relay.command_timeout,
                final_timeout: relay.final_timeout,
                bounds: Bounds::default(),
            },
            connect_timeout: relay.connect_timeout,
            plain: target.demand.level == Level::Optional && self.is_broken(&target.name),
        }
    }

    /// Sends to all that are left over one connection, which is kept for others afterwards.
    async fn use_up(&self, mut connection: Connection, target: &Target, key: Key, run: &mut Run) {
        let relay = &self.setup.relay;
        let _place = self.crowd.join(connection.address.ip());
        let most = connection.recipients_max().unwrap_or(usize::MAX).min(relay.recipients_max);
        while connection.is_ready() && connection.used < connection.used_max {
            let Some((indices, envelope)) = run.next(most.max(1)) else { break };
            let hurry = run.hurry();
            let content = run.content();
            let capabilities = connection.capabilities().clone();
            let fitted = convert::fit(envelope, content, &capabilities, &self.places).await;
            let (envelope, content) = match self.signed(fitted, run).await {
                Ok(signed) => signed,
                Err(refusal) => {
                    run.refused_by_us(&indices, &refusal);
                    continue;
                }
            };
            let content = convert::urged(content, &envelope, &capabilities).await;
            let by = envelope.deliver_by.map(|by| left(by, self.setup.clock.now()));
            let transaction = Transaction { envelope, bytes: content.size(), by };
            match connection.send(transaction, content.as_ref(), &hurry).await {
                Ok(verdicts) => run.verdicts(&indices, verdicts, target, &connection),
                Err(lacking) => {
                    if !run.lacking(&indices, lacking, target, &connection) {
                        break;
                    }
                }
            }
        }
        run.said(&connection.conversation());
        self.pool.put(key, connection, relay);
    }

    /// What is sent, with its signatures: they are over it as it is now.
    async fn signed(
        &self,
        fitted: Result<Fitted, Outcome>,
        run: &Run,
    ) -> Result<(Envelope, Arc<dyn Content>), Outcome> {
        let Fitted { envelope, content, room } = fitted?;
        let Some(signing) = run.signing() else { return Ok((envelope, content)) };
        Ok((envelope, self.signatures.sign(signing, room, content).await?))
    }

    /// Whether mail to `address` would come back to us. A listener on all addresses has loopback;
    /// behind its other addresses our greeting gives us away.
    fn is_own(&self, address: SocketAddr) -> bool {
        self.setup.listeners.iter().any(|own| {
            let everywhere = own.ip().is_unspecified() && address.ip().is_loopback();
            own.port() == address.port() && (own.ip() == address.ip() || everywhere)
        })
    }

    fn is_broken(&self, host: &str) -> bool {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.get(host).is_some_and(|until| *until > Instant::now())
    }

    fn remember_broken(&self, host: &str) {
        let now = Instant::now();
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.retain(|_, until| *until > now);
        if broken.len() < BROKEN_MAX {
            broken.insert(host.to_owned(), now + BROKEN_TLS);
        }
    }
}

/// The time that is left of `by`, in whole seconds, as far as a parameter can say it.
fn left(by: DeliverBy, now: Timestamp) -> By {
    const MOST: i64 = 999_999_999;
    let seconds = by.at.ms().saturating_sub(now.ms()).div_euclid(1000).clamp(-MOST, MOST);
    By { seconds, mode: by.mode, trace: by.trace }
}

/// Whether a reply said only that a transaction has too many recipients.
fn is_too_many(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(reply) if reply.code == 452)
}

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;
