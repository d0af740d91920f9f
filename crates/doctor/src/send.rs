//! A message, or a part of a session, to one host: what `mailwright send` does.
//!
//! It is for people and scripts who try things out: it goes as far as it is asked to, tells each
//! phase apart, and never tries again. The queue is for mail that has to arrive.

mod target;

use std::net::{IpAddr, SocketAddr};

use mailwright_smtp::client::{
    Cause, Extent, Failure, Habits, Loss, Phase as Point, Rehearsed, Session, Settings, Step,
    Transaction, Verdict,
};
use mailwright_smtp::reply::Bounds;
use mailwright_words::{Envelope, Reply};

pub use crate::dialogue::Watch;
pub use crate::reach::{NoPlace, Place};
pub use mailwright_net::proxy::Version as ProxyVersion;
pub use target::{Proxy, Target};

use crate::{
    Credentials,
    dialogue::Dialogue,
    login::{Bar, Outcome, login},
    world::World,
};

/// How much TLS there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// None, even where it is offered.
    None,
    /// STARTTLS where it is offered.
    Opportunistic,
    /// STARTTLS, or nothing is sent.
    Required,
    /// From the first octet.
    Implicit,
}

/// A part of a session, in the order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The name, the connection and the greeting.
    Connect,
    /// `EHLO`, `HELO` or `LHLO`.
    Ehlo,
    /// The handshake.
    Tls,
    /// Another client's name and address.
    Xclient,
    /// The login.
    Auth,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA` or `BDAT`.
    Data,
    /// The message, to its end.
    Message,
}

impl Phase {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ehlo => "ehlo",
            Self::Tls => "tls",
            Self::Xclient => "xclient",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Message => "message",
        }
    }

    /// The exit code of a command that fails here.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Connect => 3,
            Self::Ehlo => 4,
            Self::Tls => 5,
            Self::Auth => 6,
            Self::Mail => 7,
            Self::Rcpt => 8,
            Self::Data | Self::Message => 9,
            Self::Xclient => 10,
        }
    }

    /// What begins it on the wire; none where nothing is said, or no command ends it.
    const fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Connect | Self::Message => &[],
            Self::Ehlo => &["EHLO", "HELO", "LHLO"],
            Self::Tls => &["STARTTLS"],
            Self::Xclient => &["XCLIENT"],
            Self::Auth => &["AUTH"],
            Self::Mail => &["MAIL"],
            Self::Rcpt => &["RCPT"],
            Self::Data => &["DATA"],
        }
    }
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// With `QUIT`.
    Quit,
    /// By hanging up on the host's answer.
    Drop,
    /// By hanging up without waiting for the answer, as a client that breaks down does.
    DropUnread,
}

/// What is to be sent, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where to.
    pub target: Target,
    /// The port where none was named.
    pub port: u16,
    /// How much TLS.
    pub tls: Tls,
    /// Whether only a host is good whose certificate is.
    pub verify: bool,
    /// The name the certificate has to have, instead of the host's.
    pub tls_name: Option<String>,
    /// Whether LMTP is spoken.
    pub lmtp: bool,
    /// Pipelining, `BDAT`.
    pub habits: Habits,
    /// What is said in front of the session.
    pub proxy: Option<Proxy>,
    /// What `XCLIENT` says, a command for each.
    pub xclient: Vec<String>,
    /// Whether it is said in front of TLS.
    pub xclient_first: bool,
    /// Whether it goes on where the host does not offer it, or refuses it.
    pub xclient_optional: bool,
    /// The login.
    pub credentials: Option<Credentials>,
    /// Whether it goes on without a login where the host offers none that fits.
    pub login_optional: bool,
    /// Sender, recipients, parameters.
    pub envelope: Envelope,
    /// The message, with CRLF.
    pub message: Vec<u8>,
    /// Where to end; before [`Phase::Message`] nothing is sent.
    pub stop: Option<Phase>,
    /// How to end.
    pub leave: Leave,
}

/// What was said about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Who.
    pub recipient: String,
    /// Whether the host took it, or would.
    pub taken: bool,
    /// The host's last word about it.
    pub reply: String,
}

/// Why it went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Where.
    pub phase: Phase,
    /// What was wrong, in a sentence.
    pub reason: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// The host, as it was asked for.
    pub host: String,
    /// Where it was.
    pub peer: Option<SocketAddr>,
    /// Version and cipher.
    pub tls: Option<String>,
    /// Whether the certificate was good, and if not, why.
    pub trust: Option<Result<(), String>>,
    /// The certificates that it showed, as files hold them.
    pub chain: Option<String>,
    /// The mechanism of the login.
    pub login: Option<&'static str>,
    /// The recipients, each with the host's word, as far as it came to them.
    pub recipients: Vec<Answered>,
    /// Why it went no further than it should.
    pub trouble: Option<Trouble>,
    /// What was said, without secrets.
    pub conversation: String,
}

impl Sent {
    /// 0 when all was as asked for, else what tells the phase.
    pub fn exit_code(&self) -> u8 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.phase.exit_code())
    }
}

type Done = Result<(), Trouble>;

fn trouble(phase: Phase, reason: impl Into<String>) -> Trouble {
    Trouble { phase, reason: reason.into() }
}

/// Sends, as far as `order` says; `watch` is told each line.
pub async fn send(world: &World, order: &Order, watch: Option<Watch<'_>>) -> Sent {
    let mut sent = Sent::default();
    let result = target::connect(world, order, &mut sent).await;
    let line = match result {
        Ok(line) => line,
        Err(trouble) => {
            sent.trouble = Some(trouble);
            return sent;
        }
    };
    let mut session = Session::new(Settings {
        hostname: world.hostname.clone(),
        lmtp: order.lmtp,
        command_timeout: world.timeout,
        final_timeout: world.timeout.saturating_mul(4),
        bounds: Bounds::default(),
    });
    session.set_habits(Habits { hello: order.stop != Some(Phase::Connect), ..order.habits });
    session.note(&line.told(&sent.host));
    if let Some(proxy) = order.proxy {
        session.note(&format!("PROXY header of {}", proxy.source));
    }
    sent.peer = line.peer;
    let (ip, stream) = (line.ip(), line.stream);
    let mut run = Run { world, order, sent, dialogue: Dialogue::new(stream, session, watch) };
    let result = run.converse(ip).await;
    let (mut sent, dialogue) = (run.sent, run.dialogue);
    // What breaks off because we did is as asked for.
    sent.trouble = result.err().filter(|_| !dialogue.was_cut());
    if dialogue.was_cut() {
        sent.recipients.clear();
    }
    sent.conversation = match order.leave {
        Leave::Quit => dialogue.quit().await,
        Leave::Drop | Leave::DropUnread => dialogue.hang_up().await,
    };
    sent
}

struct Run<'a, 'w> {
    world: &'a World,
    order: &'a Order,
    sent: Sent,
    dialogue: Dialogue<'w>,
}

impl Run<'_, '_> {
    fn is_end(&self, phase: Phase) -> bool {
        self.order.stop.is_some_and(|stop| stop <= phase)
    }

    async fn converse(&mut self, peer: IpAddr) -> Done {
        if self.is_over_unread() {
            return Ok(());
        }
        if self.order.tls == Tls::Implicit {
            self.shake().await?;
        }
        self.greet().await?;
        if self.is_end(Phase::Ehlo) {
            return Ok(());
        }
        if self.is_introduced().await? {
            return Ok(());
        }
        self.log_in(peer).await?;
        match self.order.stop {
            Some(Phase::Mail) => self.rehearse(Extent::Mail).await,
            Some(Phase::Rcpt) => self.rehearse(Extent::Rcpt).await,
            Some(Phase::Data) => self.rehearse(Extent::Data).await,
            Some(Phase::Message) | None => self.transact().await,
            Some(_) => Ok(()),
        }
    }

    /// Sets where it hangs up unread; whether that is here already.
    fn is_over_unread(&mut self) -> bool {
        let (Leave::DropUnread, Some(stop)) = (self.order.leave, self.order.stop) else {
            return false;
        };
        match stop {
            Phase::Connect => return true,
            Phase::Message => self.dialogue.cut_behind_message(),
            other => self.dialogue.cut_behind(other.verbs()),
        }
        false
    }

    /// TLS, and another client's name in front of it or behind it; whether that is the end.
    async fn is_introduced(&mut self) -> Result<bool, Trouble> {
        if self.order.xclient_first {
            self.introduce().await?;
            if self.order.stop == Some(Phase::Xclient) {
                return Ok(true);
            }
        }
        self.secure().await?;
        if self.is_end(Phase::Tls) {
            return Ok(true);
        }
        if !self.order.xclient_first {
            self.introduce().await?;
        }
        Ok(self.is_end(Phase::Xclient))
    }

    /// To the first moment at rest.
    async fn greet(&mut self) -> Done {
        match self.dialogue.advance().await {
            Step::Ready => Ok(()),
            step => Err(self.ended(step, Phase::Connect)),
        }
    }

    async fn secure(&mut self) -> Done {
        if matches!(self.order.tls, Tls::None | Tls::Implicit) {
            return Ok(());
        }
        if !self.dialogue.session.capabilities().starttls {
            return match self.order.tls {
                Tls::Required => Err(trouble(Phase::Tls, "the host does not offer STARTTLS")),
                _ if self.order.verify => {
                    Err(trouble(Phase::Tls, "the host does not offer STARTTLS, nor prove itself"))
                }
                _ => Ok(()),
            };
        }
        self.dialogue.session.start_tls();
        match self.dialogue.advance().await {
            Step::StartTls => {}
            Step::TlsRefused(reply) => return Err(trouble(Phase::Tls, reply.to_string())),
            step => return Err(self.ended(step, Phase::Tls)),
        }
        self.shake().await?;
        self.dialogue.session.tls();
        match self.dialogue.advance().await {
            Step::Ready => Ok(()),
            step => Err(self.ended(step, Phase::Ehlo)),
        }
    }

    /// Tells the host of another client.
    async fn introduce(&mut self) -> Done {
        for attributes in &self.order.xclient {
            if self.order.xclient_optional && !self.dialogue.session.capabilities().xclient {
                return Ok(());
            }
            self.dialogue.session.xclient(attributes);
            match self.dialogue.advance().await {
                Step::Ready => {}
                Step::XclientRefused(_) if self.order.xclient_optional => return Ok(()),
                Step::XclientRefused(reply) => {
                    return Err(trouble(Phase::Xclient, reply.to_string()));
                }
                step => return Err(self.ended(step, Phase::Xclient)),
            }
        }
        Ok(())
    }

    /// The name that the certificate has to have.
    fn tls_name(&self) -> String {
        let host = match &self.order.target {
            Target::Server(_) | Target::Mx(_) => &self.sent.host,
            Target::Socket(_) | Target::Program(_) => "localhost",
        };
        self.order.tls_name.clone().unwrap_or_else(|| host.to_owned())
    }

    async fn shake(&mut self) -> Done {
        let name = self.tls_name();
        let shaken = self.dialogue.shake(&self.world.inspector, &name).await;
        shaken.map_err(|error| trouble(Phase::Tls, format!("the handshake broke: {error}")))?;
        if let Some(tls) = &self.dialogue.tls {
            self.sent.tls = Some(format!("{} {}", tls.facts.version, tls.facts.cipher));
            self.sent.chain = Some(tls.pem.clone());
            self.sent.trust = Some(tls.trust.clone().map_err(|why| why.to_string()));
            if let Err(why) = tls.trust.as_ref().map_err(ToString::to_string)
                && self.order.verify
            {
                return Err(trouble(Phase::Tls, format!("the certificate for {name}: {why}")));
            }
        }
        Ok(())
    }

    async fn log_in(&mut self, peer: IpAddr) -> Done {
        let Some(credentials) = &self.order.credentials else { return Ok(()) };
        let fail = |reason: String| Err(trouble(Phase::Auth, reason));
        match login(&mut self.dialogue, credentials, peer).await {
            Outcome::In(mechanism) => {
                self.sent.login = Some(mechanism.name());
                Ok(())
            }
            Outcome::Refused(mechanism, reply) => fail(format!("{mechanism}: {reply}")),
            Outcome::Nothing(Bar::Mechanism) if self.order.login_optional => Ok(()),
            Outcome::Nothing(Bar::Mechanism) => {
                let offered = self.dialogue.session.capabilities().auth.join(" ");
                let offered = if offered.is_empty() { "none" } else { &offered };
                fail(format!("no mechanism in common; the host offers {offered}"))
            }
            Outcome::Nothing(Bar::Readable) => fail(
                "the password would be readable on the way: the connection is not encrypted, or \
                 the certificate is not good"
                    .to_owned(),
            ),
            Outcome::Unproven(mechanism) => {
                fail(format!("{mechanism}: the host did not prove that it knows the password"))
            }
            Outcome::Broken(step) => Err(self.ended(step, Phase::Auth)),
        }
    }

    fn transaction(&self) -> Transaction {
        let bytes = u64::try_from(self.order.message.len()).unwrap_or(u64::MAX);
        Transaction { envelope: self.order.envelope.clone(), bytes, by: None }
    }

    async fn rehearse(&mut self, extent: Extent) -> Done {
        let transaction = self.transaction();
        self.dialogue.session.rehearse(&transaction, extent);
        let Rehearsed { mail, recipients, data } = match self.dialogue.advance().await {
            Step::Rehearsed(rehearsed) => rehearsed,
            step => return Err(self.ended(step, Phase::Mail)),
        };
        if !mail.is_positive() {
            return Err(trouble(Phase::Mail, mail.to_string()));
        }
        let names = self.order.envelope.recipients.iter().map(|one| one.address.to_string());
        let answered = names.zip(&recipients).map(|(recipient, reply)| Answered {
            recipient,
            taken: reply.is_positive(),
            reply: reply.to_string(),
        });
        self.sent.recipients = answered.collect();
        self.all_taken()?;
        match data {
            Some(reply) if !reply.is_intermediate() => Err(trouble(Phase::Data, reply.to_string())),
            _ => Ok(()),
        }
    }

    fn all_taken(&self) -> Done {
        match self.sent.recipients.iter().find(|answered| !answered.taken) {
            Some(refused) => {
                let reason = format!("{}: {}", refused.recipient, refused.reply);
                Err(trouble(Phase::Rcpt, reason))
            }
            None => Ok(()),
        }
    }

    async fn transact(&mut self) -> Done {
        let transaction = self.transaction();
        if let Err(lacking) = self.dialogue.session.begin(transaction) {
            return Err(trouble(Phase::Mail, lacking.to_string()));
        }
        let mut has_sent = false;
        let verdicts = loop {
            match self.dialogue.advance().await {
                Step::Body => {
                    has_sent = true;
                    self.dialogue.body(&self.order.message).await;
                }
                Step::Done(verdicts) => break verdicts,
                step => return Err(self.ended(step, Phase::Mail)),
            }
        };
        let names = self.order.envelope.recipients.iter().map(|one| one.address.to_string());
        self.sent.recipients =
            names.zip(&verdicts).map(|(recipient, verdict)| answered(recipient, verdict)).collect();
        if let Some(Verdict::Lost(loss)) =
            verdicts.iter().find(|verdict| matches!(verdict, Verdict::Lost(_)))
        {
            return Err(lost(*loss));
        }
        let Some(refused) = self.sent.recipients.iter().find(|answered| !answered.taken) else {
            return Ok(());
        };
        let reason = format!("{}: {}", refused.recipient, refused.reply);
        let none_taken = self.sent.recipients.iter().all(|answered| !answered.taken);
        let phase = if has_sent && none_taken { Phase::Data } else { Phase::Rcpt };
        let phase = if self.is_mail_refused() { Phase::Mail } else { phase };
        Err(trouble(phase, reason))
    }

    /// Whether the first word to this transaction was a no.
    fn is_mail_refused(&self) -> bool {
        let said = self.dialogue.session.conversation();
        let answer = said
            .lines()
            .skip_while(|line| !line.starts_with("C: MAIL"))
            .find_map(|line| line.strip_prefix("S: "));
        answer.is_some_and(|answer| answer.starts_with(['4', '5']))
    }

    /// A step that ends what was under way.
    fn ended(&self, step: Step, phase: Phase) -> Trouble {
        match step {
            Step::Failed(Failure::Refused(point, reply)) => refused(point, &reply),
            Step::Failed(Failure::Lost(loss)) => self.not_smtp(loss).unwrap_or_else(|| lost(loss)),
            other => trouble(phase, format!("the session came to an unexpected end: {other:?}")),
        }
    }

    /// What was said instead of a greeting.
    fn not_smtp(&self, loss: Loss) -> Option<Trouble> {
        let is_greeting = loss.phase == Point::Greeting;
        if !is_greeting || !matches!(loss.cause, Cause::Malformed(_)) {
            return None;
        }
        let said = String::from_utf8_lossy(&self.dialogue.first);
        let line: String = said.lines().next()?.chars().filter(|c| !c.is_control()).collect();
        Some(trouble(Phase::Connect, format!("the host does not speak SMTP; it said {line:?}")))
    }
}

fn answered(recipient: String, verdict: &Verdict) -> Answered {
    let (taken, reply) = match verdict {
        Verdict::Accepted(reply) => (true, reply.to_string()),
        Verdict::Refused(reply) => (false, reply.to_string()),
        Verdict::Lost(loss) => (false, loss.to_string()),
    };
    Answered { recipient, taken, reply }
}

fn phase(point: Point) -> Phase {
    match point {
        Point::Greeting => Phase::Connect,
        Point::Hello => Phase::Ehlo,
        Point::Tls => Phase::Tls,
        Point::Auth => Phase::Auth,
        Point::Idle | Point::Mail => Phase::Mail,
        Point::Rcpt => Phase::Rcpt,
        Point::Data | Point::Body | Point::Final | Point::Quit => Phase::Data,
    }
}

fn refused(point: Point, reply: &Reply) -> Trouble {
    trouble(phase(point), reply.to_string())
}

fn lost(loss: Loss) -> Trouble {
    trouble(phase(loss.phase), loss.to_string())
}

#[cfg(test)]
mod tests;
