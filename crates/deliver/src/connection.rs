//! A connection to a host: the pure session, its socket, its deadlines.
//!
//! Each wait for a reply has one deadline, which an octet now and then does not move.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use mailwright_net::tls::{Doubt, PeerCertificate};
use mailwright_sasl::client::{Exchange, choose};
use mailwright_sasl::{ChannelBinding, Nonce};
use mailwright_smtp::client::{
    Event, Extent, Failure, Lacking, Loss, Phase, Rehearsed, Session, Settings, Step, Transaction,
    Verdict,
};
use mailwright_words::envelope::BodyType;
use mailwright_words::reply::Reply;

use crate::convert;
use crate::network::{Network, Stream};
use crate::outcome::Content;
use crate::relay::Hurry;
use crate::route::Target;
use crate::tls::{Demand, Level};

/// Octets read at once.
const READ_BYTES: usize = 16 * 1024;
/// How long a host that no longer reads may take for its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a host could not be spoken with.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The handshake broke.
    #[error("the TLS handshake broke: {0}")]
    Handshake(String, Option<Doubt>),
    /// TLS is needed, and not to be had.
    #[error("the host does not offer the TLS that is needed: {0}")]
    NoTls(String),
    /// The host does not want us.
    #[error("the host refused {0}")]
    Refused(Phase, Reply),
    /// The connection was lost.
    #[error(transparent)]
    Lost(#[from] Loss),
    /// No way to log in: nothing in common, or not over this connection.
    #[error("the host offers no way to log in that this connection allows")]
    NoLogin,
    /// The host does not take our login, or could not prove itself.
    #[error("the login was refused")]
    Login(Reply),
    /// We reached ourselves.
    #[error("mail loops back to this server")]
    Loop,
}

/// An open connection.
pub(crate) struct Connection {
    session: Session,
    stream: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
    /// Where the host is.
    pub(crate) address: SocketAddr,
    /// Version and cipher.
    pub(crate) tls: Option<String>,
    /// The certificate that the host showed.
    pub(crate) peer: Option<PeerCertificate>,
    /// Whether the host is sure to be who it says.
    verified: bool,
    binding: ChannelBinding,
    /// When it was made.
    pub(crate) made: Instant,
    /// Since when it has no work.
    pub(crate) idle: Instant,
    /// Transactions so far.
    pub(crate) used: usize,
    /// Transactions after which it is closed.
    pub(crate) used_max: usize,
    /// The message could not be read this time, though its bytes may be sound.
    pub(crate) unread: bool,
}

/// How to open a connection.
pub(crate) struct Opening<'a> {
    pub(crate) network: &'a dyn Network,
    pub(crate) settings: Settings,
    pub(crate) connect_timeout: Duration,
    /// Leave STARTTLS out, because its handshake broke before.
    pub(crate) plain: bool,
}

impl Connection {
    /// Connects to one of `addresses`, and introduces us, with TLS and login as `target` needs.
    ///
    /// Errors: [`Fault`], with the conversation so far and the address it came to.
    pub(crate) async fn open(
        opening: &Opening<'_>,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<Self, (Fault, Option<SocketAddr>, String)> {
        let (stream, address) = opening
            .network
            .dial(addresses, opening.connect_timeout)
            .await
            .map_err(|error| (Fault::Connect(error.to_string()), None, String::new()))?;
        let now = Instant::now();
        let mut connection = Self {
            session: Session::new(opening.settings.clone()),
            stream: Some(stream),
            buffer: vec![0; READ_BYTES],
            address,
            tls: None,
            peer: None,
            verified: false,
            binding: ChannelBinding::default(),
            made: now,
            idle: now,
            used: 0,
            used_max: target.messages_max,
            unread: false,
        };
        connection.session.note(&format!("connected to {} at {address}", target.name));
        let Demand { why, .. } = &target.demand;
        connection.session.note(&format!("TLS asked for: {}, {why}", target.demand.word()));
        match connection.introduce(opening, target).await {
            Ok(()) => Ok(connection),
            Err(fault) => {
                let conversation = connection.conversation();
                if connection.session.is_ready() {
                    connection.quit().await;
                }
                Err((fault, Some(address), conversation))
            }
        }
    }

    /// What was said, for the operator.
    pub(crate) fn conversation(&self) -> String {
        self.session.conversation()
    }

    /// Most recipients of one transaction that the host takes.
    pub(crate) fn recipients_max(&self) -> Option<usize> {
        self.session.capabilities().recipients_max
    }

    /// Whether another transaction may follow.
    pub(crate) fn is_ready(&self) -> bool {
        let limit = self.session.capabilities().transactions_max;
        self.session.is_ready() && limit.is_none_or(|limit| self.used < limit)
    }

    /// Whether the host promises reports.
    pub(crate) fn has_dsn(&self) -> bool {
        self.session.capabilities().dsn
    }

    /// What the host can do.
    pub(crate) fn capabilities(&self) -> &mailwright_smtp::client::Capabilities {
        self.session.capabilities()
    }

    async fn introduce(&mut self, opening: &Opening<'_>, target: &Target) -> Result<(), Fault> {
        if target.implicit_tls {
            self.secure(opening, target).await?;
        }
        let plain = opening.plain || target.demand.level == Level::Plain;
        loop {
            match self.advance().await {
                Step::Ready => {
                    if target.found && self.is_named(&opening.settings.hostname) {
                        return Err(Fault::Loop);
                    }
                    let offered = self.session.capabilities().starttls;
                    if self.tls.is_none() && offered && !plain {
                        self.session.start_tls();
                        continue;
                    }
                    self.check_tls(target)?;
                    return self.login(target).await;
                }
                Step::TlsRefused(_) => {
                    self.check_tls(target)?;
                    return self.login(target).await;
                }
                Step::StartTls => {
                    self.secure(opening, target).await?;
                    self.session.tls();
                }
                step => return Err(fault(step)),
            }
        }
    }

    /// Whether the host has our name. One without a domain, such as `localhost`, is anybody's.
    fn is_named(&self, hostname: &str) -> bool {
        hostname.contains('.')
            && self.session.greeting_name().is_some_and(|name| name.eq_ignore_ascii_case(hostname))
    }

    fn check_tls(&self, target: &Target) -> Result<(), Fault> {
        let needed = target.demand.level.is_needed();
        if needed && self.tls.is_none() { Err(no_tls(target)) } else { Ok(()) }
    }

    async fn secure(&mut self, opening: &Opening<'_>, target: &Target) -> Result<(), Fault> {
        let Some(stream) = self.stream.take() else { return Err(no_tls(target)) };
        let trust = target.demand.level.trust();
        let handshake = opening.network.secure(stream, &target.name, &trust);
        let secured = match timeout(self.session.timeout(), handshake).await {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) => {
                let doubt = Doubt::of_handshake(&error);
                return Err(Fault::Handshake(error.to_string(), doubt));
            }
            Err(_) => return Err(Fault::Handshake("it took too long".to_owned(), None)),
        };
        self.session.note(&secured.summary);
        self.stream = Some(secured.stream);
        self.tls = Some(secured.summary);
        self.peer = secured.peer;
        self.verified = target.demand.level.is_authenticated();
        self.binding = secured.binding;
        Ok(())
    }

    /// Logs in where the route says so: over verified TLS, or to loopback.
    async fn login(&mut self, target: &Target) -> Result<(), Fault> {
        let Some(login) = target.login.clone() else { return Ok(()) };
        let private = self.verified || self.address.ip().is_loopback();
        if !private {
            return Err(Fault::NoLogin);
        }
        let offered = self.session.capabilities().auth.clone();
        let mechanism = choose(offered.iter().map(String::as_str), &self.binding, private)
            .ok_or(Fault::NoLogin)?;
        let Ok(nonce) = Nonce::random() else { return Err(Fault::NoLogin) };
        let mut exchange = Exchange::new(mechanism, login, self.binding.clone(), nonce);
        let initial = exchange.initial();
        self.session.authenticate(mechanism.name(), initial);
        loop {
            match self.advance().await {
                Step::Challenge(challenge) => {
                    let response = exchange.step(&challenge).ok();
                    self.session.respond(response.as_deref());
                }
                Step::Authenticated(_) if exchange.is_complete() => return Ok(()),
                Step::Authenticated(reply) | Step::AuthRefused(reply) => {
                    return Err(Fault::Login(reply));
                }
                step => return Err(fault(step)),
            }
        }
    }

    /// One transaction. `None` in place of verdicts: the message could not be read, which is our
    /// fault, and the connection is gone.
    ///
    /// Errors: [`Lacking`]; the connection is as it was.
    pub(crate) async fn send(
        &mut self,
        transaction: Transaction,
        content: &dyn Content,
        hurry: &Hurry,
    ) -> Result<Vec<Verdict>, Lacking> {
        let count = transaction.envelope.recipients.len();
        // What goes without a dot at its end has ended with its last octet.
        let is_binary = transaction.envelope.body == BodyType::BinaryMime;
        self.session.begin(transaction)?;
        self.used = self.used.saturating_add(1);
        loop {
            match self.advance().await {
                Step::Body => {
                    hurry.stake(is_binary);
                    self.stream_body(content, hurry).await;
                }
                Step::Done(verdicts) => {
                    hurry.stake(false);
                    self.idle = Instant::now();
                    return Ok(verdicts);
                }
                step => {
                    hurry.stake(false);
                    let verdict = match fault(step) {
                        Fault::Refused(_, reply) => Verdict::Refused(reply),
                        Fault::Lost(loss) => Verdict::Lost(loss),
                        _ => Verdict::Lost(Loss {
                            phase: Phase::Idle,
                            cause: mailwright_smtp::client::Cause::Closed,
                        }),
                    };
                    return Ok(vec![verdict; count]);
                }
            }
        }
    }

    /// Whether the host has hung up, or says something unasked, while there was no work.
    pub(crate) async fn is_stale(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        // Nothing to read is the good case: the host waits.
        timeout(Duration::ZERO, stream.read(&mut self.buffer)).await.is_ok()
    }

    /// Says an envelope, up to `RCPT`, and no message.
    ///
    /// Errors: the connection was lost.
    pub(crate) async fn rehearse(&mut self, transaction: &Transaction) -> Result<Rehearsed, Fault> {
        self.session.rehearse(transaction, Extent::Rcpt);
        match self.advance().await {
            Step::Rehearsed(said) => Ok(said),
            step => Err(fault(step)),
        }
    }

    /// Takes leave.
    pub(crate) async fn quit(mut self) {
        if !self.session.is_ready() {
            return;
        }
        self.session.quit();
        while self.advance().await != Step::Close {}
        if let Some(mut stream) = self.stream.take() {
            let end = timeout(LAST_WORDS, stream.shutdown()).await;
            tracing::trace!(?end, "Connection closed.");
        }
    }

    async fn stream_body(&mut self, content: &dyn Content, hurry: &Hurry) {
        let mut pieces = match content.open().await {
            Ok(pieces) => pieces,
            Err(error) => return self.unreadable(&error),
        };
        let mut out = Vec::new();
        loop {
            out.clear();
            match pieces.next().await {
                Ok(Some(piece)) => self.session.body(&piece, &mut out),
                Ok(None) => break,
                Err(error) => return self.unreadable(&error),
            }
            if !self.write(&out).await {
                return;
            }
        }
        self.session.body_end(&mut out);
        hurry.stake(true);
        self.write(&out).await;
    }

    /// A message that cannot be read is not ended: the connection is given up instead.
    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!(%error, "Message could not be read for delivery.");
        self.unread = !convert::is_damage(error);
        self.session.event(Event::Abandon);
    }

    /// Does what the session says, until it wants something of us.
    async fn advance(&mut self) -> Step {
        let mut seen = self.session.progress();
        let mut deadline = None;
        loop {
            match self.session.next() {
                Some(Step::Write(bytes)) => {
                    self.write(&bytes).await;
                }
                Some(step) => return step,
                None => {
                    if self.session.progress() != seen {
                        seen = self.session.progress();
                        deadline = None;
                    }
                    let until = Instant::now() + self.session.timeout();
                    self.read(*deadline.get_or_insert(until)).await;
                }
            }
        }
    }

    async fn read(&mut self, deadline: Instant) {
        let Some(stream) = &mut self.stream else { return self.session.event(Event::Eof) };
        match timeout_at(deadline, stream.read(&mut self.buffer)).await {
            Ok(Ok(count)) if count > 0 => {
                self.session.feed(self.buffer.get(..count).unwrap_or_default());
            }
            Ok(_) => self.session.event(Event::Eof),
            Err(_) => self.session.event(Event::TimedOut),
        }
    }

    /// Writes; says whether it worked. A host that stopped reading may have said why.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let limit = self.session.timeout();
        let written = timeout(limit, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
        .await;
        match written {
            Ok(Ok(())) => return true,
            Ok(Err(_)) => {
                let last = timeout(LAST_WORDS, stream.read(&mut self.buffer)).await;
                if let Ok(Ok(count)) = last {
                    self.session.feed(self.buffer.get(..count).unwrap_or_default());
                }
                self.session.event(Event::Eof);
            }
            Err(_) => self.session.event(Event::TimedOut),
        }
        false
    }
}

fn no_tls(target: &Target) -> Fault {
    Fault::NoTls(target.demand.why.clone())
}

fn fault(step: Step) -> Fault {
    match step {
        Step::Failed(Failure::Refused(phase, reply)) => Fault::Refused(phase, reply),
        Step::Failed(Failure::Lost(loss)) => Fault::Lost(loss),
        _ => Fault::Connect("the session ended".to_owned()),
    }
}
