//! One SMTP port: greeting, EHLO, TLS, login, envelope.

use std::time::Duration;

use mailwright_smtp::client::{
    Cause, Extent, Failure, Loss, Phase, Rehearsed, Session, Settings, Step, Transaction,
};
use mailwright_smtp::reply::Bounds;
use mailwright_words::{Address, Envelope, Recipient, Reply, ReversePath};
use tokio::time::Instant;

use super::{Line, Seen, banner, login_check};
use crate::{
    Check, Section, code,
    dialogue::Dialogue,
    handshake::{self, Measure},
    login::{Bar, Outcome, login},
    world::Stream,
};

/// How long a host may take to be ready: some wait six seconds on purpose, to see who talks first.
const SLOW: Duration = Duration::from_secs(8);

/// Whether an examination goes on.
type Going = Option<()>;

/// Examines the port behind `stream`.
pub(super) async fn examine(
    line: &Line<'_>,
    stream: Stream,
    section: &mut Section,
    seen: &mut Seen,
) {
    let mut visit = Visit::new(line, stream);
    let done = visit.all(section, seen).await;
    if done.is_none() && visit.is_silent && !line.implicit && line.speaks_tls().await {
        section.push(
            Check::right("smtp.implicit", "TLS", "this port speaks TLS from the first octet")
                .tried("a handshake without STARTTLS"),
        );
        // What was said of a silent greeting holds no more.
        section.checks.retain(|check| !["smtp.greeting", "smtp.slow"].contains(&check.id));
        if let Some(stream) = line.again().await {
            let line = Line { implicit: true, ..*line };
            let mut visit = Visit::new(&line, stream);
            visit.all(section, seen).await;
            section.conversation = visit.dialogue.quit().await;
            return;
        }
    }
    section.conversation = visit.dialogue.quit().await;
}

struct Visit<'a> {
    line: &'a Line<'a>,
    dialogue: Dialogue<'static>,
    /// The greeting never came.
    is_silent: bool,
}

impl<'a> Visit<'a> {
    fn new(line: &'a Line<'a>, stream: Stream) -> Self {
        let world = line.world;
        let session = Session::new(Settings {
            hostname: world.hostname.clone(),
            lmtp: line.lmtp,
            command_timeout: world.timeout,
            final_timeout: world.timeout,
            bounds: Bounds::default(),
        });
        Self { line, dialogue: Dialogue::new(stream, session, None), is_silent: false }
    }

    async fn all(&mut self, section: &mut Section, seen: &mut Seen) -> Going {
        if self.line.implicit {
            self.shake(section, seen, "a handshake from the first octet").await?;
        }
        self.greet(section, seen).await?;
        if !self.line.implicit {
            self.secure(section, seen).await?;
        }
        self.logins(section, seen);
        self.log_in(section).await?;
        self.rehearse(section).await
    }

    /// Greeting and hello.
    async fn greet(&mut self, section: &mut Section, seen: &mut Seen) -> Going {
        let begin = Instant::now();
        let step = self.dialogue.advance().await;
        if let Some(reply) = self.dialogue.session.greeting() {
            seen.name = self.dialogue.session.greeting_name().map(str::to_owned);
            section.push(banner::greeting(reply).tried("to be greeted"));
        }
        let took = begin.elapsed();
        if took > SLOW && step == Step::Ready {
            section.push(
                Check::warning("smtp.slow", "Speed", format!("{} s until ready", took.as_secs()))
                    .tried("how long the greeting and the answer to EHLO take")
                    .means(
                        "The host makes strangers wait, or waits itself, mostly for a name server \
                         that does not know your address.",
                    )
                    .mend(
                        "Look at the PTR record of your address, and at the resolver of the \
                           host.",
                    ),
            );
        }
        match step {
            Step::Ready => {}
            step => {
                self.failed(&step, section);
                return None;
            }
        }
        seen.speaks = true;
        self.hello(section);
        Some(())
    }

    fn hello(&self, section: &mut Section) {
        let session = &self.dialogue.session;
        let Some(reply) = session.hello_reply() else { return };
        let is_helo = self.is_helo();
        let name = session.greeting_name();
        let tried = format!("EHLO {}", self.line.world.hostname);
        let checks = banner::hello(reply, name, is_helo);
        section.checks.extend(checks.into_iter().map(|check| check.tried(tried.clone())));
    }

    /// What a session that broke says.
    fn failed(&mut self, step: &Step, section: &mut Section) {
        let Step::Failed(failure) = step else { return };
        let port = self.line.place.port();
        let silent = Failure::Lost(Loss { phase: Phase::Greeting, cause: Cause::TimedOut });
        self.is_silent = *failure == silent && self.dialogue.first.is_empty();
        let check = banner::no_session(failure, &self.dialogue.first, port);
        section.push(check.tried("a session"));
    }

    /// Whether the host was said `HELO` to, and so had no way to offer anything.
    fn is_helo(&self) -> bool {
        self.dialogue.session.conversation().contains("C: HELO")
    }

    /// STARTTLS, offered or not.
    async fn secure(&mut self, section: &mut Section, seen: &mut Seen) -> Going {
        let is_offered = self.dialogue.session.capabilities().starttls;
        let is_strict = self.line.is_strict();
        self.dialogue.session.start_tls();
        match self.dialogue.advance().await {
            Step::StartTls if is_offered || self.is_helo() => {}
            Step::StartTls => {
                let reply = Reply::new(220, None, "go ahead");
                section.push(banner::no_starttls(Some(&reply), true, is_strict).tried("STARTTLS"));
            }
            Step::TlsRefused(reply) if is_offered => {
                let (means, mend) = code::advice(&reply);
                section.push(
                    Check::wrong(
                        "smtp.starttls",
                        "STARTTLS",
                        format!("offered, and refused: {reply}"),
                    )
                    .tried("STARTTLS")
                    .means(means)
                    .mend(mend),
                );
                return Some(());
            }
            Step::TlsRefused(reply) => {
                section.push(banner::no_starttls(Some(&reply), false, is_strict).tried("STARTTLS"));
                return Some(());
            }
            _ if is_offered => {
                section.push(
                    Check::wrong("smtp.starttls", "STARTTLS", "the session broke")
                        .tried("STARTTLS")
                        .means("The host offers TLS, and hangs up or says no more when asked.")
                        .mend("Look at the log of the host; try from another network."),
                );
                return None;
            }
            _ => {
                section.push(banner::no_starttls(None, false, is_strict).tried("STARTTLS"));
                return None;
            }
        }
        self.shake(section, seen, "STARTTLS and a handshake").await?;
        self.dialogue.session.tls();
        match self.dialogue.advance().await {
            Step::Ready => Some(()),
            step => {
                self.failed(&step, section);
                None
            }
        }
    }

    async fn shake(&mut self, section: &mut Section, seen: &mut Seen, tried: &str) -> Going {
        let line = self.line;
        let name = line.question.tls_name();
        if let Err(error) = self.dialogue.shake(&line.world.inspector, name).await {
            section.push(handshake::broken(&error, tried));
            return None;
        }
        let inspected = self.dialogue.tls.as_ref()?;
        let now = line.world.clock.now();
        let measure = Measure { name, now, is_strict: line.is_strict() };
        section.checks.extend(handshake::judge(inspected, measure));
        seen.secure = true;
        seen.trusted = inspected.trust.is_ok();
        seen.pem.clone_from(&inspected.pem);
        Some(())
    }

    /// What is offered for logins, now that all is said.
    fn logins(&self, section: &mut Section, seen: &mut Seen) {
        const ID: &str = "smtp.auth";
        const TITLE: &str = "Logins";
        let offered = &self.dialogue.session.capabilities().auth;
        seen.logins = !offered.is_empty();
        let is_submission = !self.line.relays;
        let list = offered.join(" ");
        let check = match (offered.is_empty(), is_submission) {
            (false, _) if !seen.secure => Check::warning(ID, TITLE, format!("{list}, without TLS"))
                .means("Whoever logs in here with PLAIN or LOGIN shows the password on the way.")
                .mend("Offer AUTH only behind TLS."),
            (false, _) => Check::right(ID, TITLE, list),
            (true, true) => Check::warning(ID, TITLE, "none offered")
                .means("Mail programs find no way to log in on this port.")
                .mend("If users are to send here, switch on logins for this port."),
            (true, false) => Check::right(ID, TITLE, "none, as between servers"),
        };
        section.push(check.tried("AUTH in the answer to EHLO"));
    }

    async fn log_in(&mut self, section: &mut Section) -> Going {
        let Some(credentials) = &self.line.question.credentials else { return Some(()) };
        let check = match login(&mut self.dialogue, credentials, self.line.place.ip()).await {
            Outcome::In(mechanism) => login_check(mechanism.name(), Ok(())),
            Outcome::Refused(mechanism, reply) => {
                login_check(mechanism.name(), Err(&reply.to_string()))
            }
            Outcome::Nothing(Bar::Mechanism) => {
                Check::unknown("login", "Login", "no mechanism in common; not tried")
                    .means("The host offers none that this program knows.")
                    .mend("--auth tries one that is not offered.")
            }
            Outcome::Nothing(Bar::Readable) => {
                Check::unknown("login", "Login", "not tried: others could read the password")
                    .means("The connection is not encrypted, or the certificate is not good.")
                    .mend("Mend that first; --insecure tries all the same.")
            }
            Outcome::Unproven(mechanism) => Check::wrong(
                "login",
                "Login",
                format!("{mechanism}: the host did not prove that it knows the password"),
            )
            .means("Somebody else may answer in the host's place.")
            .mend("Do not use this password here until the certificate is good."),
            Outcome::Broken(_) => {
                section.push(
                    Check::wrong("login", "Login", "the session broke")
                        .tried("AUTH")
                        .means("The host hung up, or said no more.")
                        .mend("Look at the log of the host, which may say why."),
                );
                return None;
            }
        };
        let check = if check.tried.is_empty() { check.tried("the login") } else { check };
        section.push(check);
        Some(())
    }

    async fn rehearse(&mut self, section: &mut Section) -> Going {
        let Some((from, to)) = &self.line.question.envelope else { return Some(()) };
        let checks = rehearse(&mut self.dialogue, from, to).await;
        section.checks.extend(checks);
        Some(())
    }
}

/// An envelope without a message: what the host says to `MAIL` and each `RCPT`.
pub(crate) async fn rehearse(
    dialogue: &mut Dialogue<'_>,
    from: &ReversePath,
    to: &[Address],
) -> Vec<Check> {
    let recipients: Vec<Recipient> = to.iter().cloned().map(Recipient::new).collect();
    let extent = if recipients.is_empty() { Extent::Mail } else { Extent::Rcpt };
    let envelope = Envelope::new(from.clone(), recipients);
    let transaction = Transaction { envelope, bytes: 1024, by: None };
    dialogue.session.rehearse(&transaction, extent);
    let Rehearsed { mail, recipients, .. } = match dialogue.advance().await {
        Step::Rehearsed(rehearsed) => rehearsed,
        Step::Failed(Failure::Refused(_, reply)) => {
            return vec![answer("smtp.mail", format!("Sender {from}"), &reply).tried("MAIL")];
        }
        _ => {
            return vec![
                Check::wrong("smtp.mail", "Sender", "the session broke")
                    .tried("MAIL")
                    .means("The host hung up, or said no more.")
                    .mend("Look at the log of the host, which may say why."),
            ];
        }
    };
    let mut checks = vec![answer("smtp.mail", format!("Sender {from}"), &mail).tried("MAIL")];
    for (address, reply) in to.iter().zip(&recipients) {
        let title = format!("Recipient {address}");
        checks.push(answer("smtp.rcpt", title, reply).tried("RCPT; nothing was sent"));
    }
    checks
}

/// The check of one answer.
fn answer(id: &'static str, title: String, reply: &Reply) -> Check {
    let found = reply.to_string();
    if reply.is_positive() {
        return Check::right(id, title, found);
    }
    let (means, mend) = code::advice(reply);
    let check = if reply.is_temporary() {
        Check::warning(id, title, found)
    } else {
        Check::wrong(id, title, found)
    };
    check.means(means).mend(mend)
}
