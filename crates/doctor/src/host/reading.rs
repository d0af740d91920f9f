//! One IMAP or POP3 port: greeting, what is offered, TLS.
//!
//! A line-by-line client of a few commands. What a host says is bounded, in lines and in time.
//! Source: RFC 9051, RFC 1939, RFC 2449, RFC 2595, RFC 5034.

mod login;

use mailwright_net::tls::Inspected;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout, timeout_at},
};

use super::{Line, Seen, Service};
use crate::{
    Check, Section,
    handshake::{self, Measure},
    world::Stream,
};

/// Octets of a line.
const LINE_MAX: usize = 8 * 1024;
/// Lines of one answer.
const LINES_MAX: usize = 200;
/// Waits of one visit, all together: a host that drips its answers does not hold it for long.
const WAITS_MAX: u32 = 12;
/// Octets of what was said that are kept.
const SAID_MAX: usize = 16 * 1024;

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
            Check::right("imap.implicit", "TLS", "this port speaks TLS from the first octet")
                .tried("a handshake without STARTTLS"),
        );
        section.checks.retain(|check| check.id != "reading.greeting");
        if let Some(stream) = line.again().await {
            let line = Line { implicit: true, ..*line };
            let mut visit = Visit::new(&line, stream);
            visit.all(section, seen).await;
            section.conversation = visit.wire.said;
            return;
        }
    }
    section.conversation = visit.wire.said;
}

/// Why no line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    /// Nothing for too long.
    Late,
    /// The host hung up.
    Closed,
    /// A line, or an answer, that does not end.
    Endless,
}

/// A connection, line by line.
struct Wire {
    stream: Option<Stream>,
    bytes: Vec<u8>,
    limit: std::time::Duration,
    /// When the visit is over, whatever the host does.
    end: Instant,
    said: String,
}

impl Wire {
    fn note(&mut self, who: &str, line: &str) {
        if self.said.len() < SAID_MAX {
            self.said.extend([who, line, "\n"]);
        }
    }

    async fn say(&mut self, line: &str, shown: &str) -> Result<(), Quiet> {
        self.note("C: ", shown);
        let Some(stream) = &mut self.stream else { return Err(Quiet::Closed) };
        let written = timeout(self.limit, async {
            stream.write_all(format!("{line}\r\n").as_bytes()).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Quiet::Closed),
            Err(_) => Err(Quiet::Late),
        }
    }

    async fn line(&mut self) -> Result<String, Quiet> {
        let deadline = (Instant::now() + self.limit).min(self.end);
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                let text: String = text.chars().filter(|c| !c.is_control()).collect();
                self.note("S: ", &text);
                return Ok(text);
            }
            if self.bytes.len() > LINE_MAX {
                return Err(Quiet::Endless);
            }
            let Some(stream) = &mut self.stream else { return Err(Quiet::Closed) };
            let mut piece = [0; 2048];
            match timeout_at(deadline, stream.read(&mut piece)).await {
                Ok(Ok(count)) if count > 0 => {
                    self.bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                }
                Ok(_) => return Err(Quiet::Closed),
                Err(_) => return Err(Quiet::Late),
            }
        }
    }

    /// Lines up to one that `is_last` says is.
    async fn until(&mut self, is_last: impl Fn(&str) -> bool) -> Result<Vec<String>, Quiet> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let over = is_last(&line);
            lines.push(line);
            if over {
                return Ok(lines);
            }
            if lines.len() >= LINES_MAX {
                return Err(Quiet::Endless);
            }
        }
    }
}

struct Visit<'a> {
    line: &'a Line<'a>,
    wire: Wire,
    tls: Option<Inspected>,
    tags: u32,
    is_silent: bool,
}

impl<'a> Visit<'a> {
    fn new(line: &'a Line<'a>, stream: Stream) -> Self {
        let wire = Wire {
            stream: Some(stream),
            bytes: Vec::new(),
            limit: line.world.timeout,
            end: Instant::now() + line.world.timeout.saturating_mul(WAITS_MAX),
            said: String::new(),
        };
        Self { line, wire, tls: None, tags: 0, is_silent: false }
    }

    fn is_imap(&self) -> bool {
        self.line.question.service == Service::Imap
    }

    async fn all(&mut self, section: &mut Section, seen: &mut Seen) -> Going {
        if self.line.implicit {
            self.shake(section, seen, "a handshake from the first octet").await?;
        }
        self.greet(section, seen).await?;
        let offered = self.offered(section).await?;
        let offered = self.upgraded(section, seen, offered).await?;
        self.logins(section, seen, &offered);
        self.log_in(section, &offered).await;
        let bye = if self.is_imap() { "z LOGOUT" } else { "QUIT" };
        // The host's farewell changes nothing.
        self.wire.say(bye, bye).await.ok();
        Some(())
    }

    /// What is offered once TLS was asked for.
    async fn upgraded(
        &mut self,
        section: &mut Section,
        seen: &mut Seen,
        offered: Offer,
    ) -> Option<Offer> {
        if self.line.implicit {
            return Some(offered);
        }
        let is_offered = offered.has(if self.is_imap() { "STARTTLS" } else { "STLS" });
        if self.secure(section, seen, is_offered).await? {
            return self.offered(section).await;
        }
        Some(offered)
    }

    async fn greet(&mut self, section: &mut Section, seen: &mut Seen) -> Going {
        const ID: &str = "reading.greeting";
        const TITLE: &str = "Greeting";
        let check = match self.wire.line().await {
            Ok(line) if is_greeting(self.line.question.service, &line) => {
                section.push(Check::right(ID, TITLE, line).tried("to be greeted"));
                seen.speaks = true;
                return Some(());
            }
            Ok(line) => not_greeted(self.line.question.service, &line),
            Err(quiet) => {
                self.is_silent = quiet == Quiet::Late && self.wire.bytes.is_empty();
                silence(quiet)
            }
        };
        section.push(check.tried("to be greeted"));
        None
    }

    /// The capabilities.
    async fn offered(&mut self, section: &mut Section) -> Option<Offer> {
        let lines = if self.is_imap() {
            let (tag, lines) = self.tagged("CAPABILITY").await.ok()?;
            lines.into_iter().filter(|line| !line.starts_with(&tag)).collect()
        } else {
            self.wire.say("CAPA", "CAPA").await.ok()?;
            let first = self.wire.line().await.ok()?;
            if first.starts_with("+OK") {
                self.wire.until(|line| line == ".").await.ok()?
            } else {
                Vec::new()
            }
        };
        let offer = Offer::read(self.is_imap(), &lines);
        let when = if self.tls.is_some() { "with TLS" } else { "without TLS" };
        let id = if self.is_imap() { "imap.capability" } else { "pop3.capa" };
        let found = format!("{when}: {}", offer.words.join(", "));
        section.push(Check::right(id, "Offered", found).tried("to be told what is offered"));
        Some(offer)
    }

    /// Sends a command of IMAP; its tag, and all up to the line that ends it.
    async fn tagged(&mut self, command: &str) -> Result<(String, Vec<String>), Quiet> {
        self.tags += 1;
        let tag = format!("d{}", self.tags);
        let line = format!("{tag} {command}");
        self.wire.say(&line, &line).await?;
        let start = format!("{tag} ");
        let lines = self.wire.until(|line| line.starts_with(&start)).await?;
        Ok((start, lines))
    }

    /// STARTTLS or STLS; whether all is encrypted now.
    async fn secure(
        &mut self,
        section: &mut Section,
        seen: &mut Seen,
        is_offered: bool,
    ) -> Option<bool> {
        const ID: &str = "reading.starttls";
        const TITLE: &str = "STARTTLS";
        let (is_taken, told) = if self.is_imap() {
            let (tag, lines) = self.tagged("STARTTLS").await.ok()?;
            let last = lines.last().cloned().unwrap_or_default();
            (last.starts_with(&format!("{tag}OK")), last)
        } else {
            self.wire.say("STLS", "STLS").await.ok()?;
            let told = self.wire.line().await.ok()?;
            (told.starts_with("+OK"), told)
        };
        let check = match (is_offered, is_taken) {
            (true, true) => None,
            (false, true) => Some(
                Check::wrong(ID, TITLE, "not offered, yet the host takes it")
                    .means(
                        "Something between here and the host takes TLS out of its offer, so that \
                         all is sent readable.",
                    )
                    .mend(
                        "Use the port that begins with TLS; try from another network to find \
                           where.",
                    ),
            ),
            (true, false) => Some(
                Check::wrong(ID, TITLE, format!("offered, and refused: {told}"))
                    .means("The host's TLS is broken, most often for want of its certificate.")
                    .mend("Look at the log of the host."),
            ),
            (false, false) => Some(
                Check::wrong(ID, TITLE, "not offered")
                    .means("Passwords and mail can be read on the way.")
                    .mend(
                        "Give the host a certificate and switch on TLS, or use the port that \
                           begins with it.",
                    ),
            ),
        };
        section.checks.extend(check.map(|check| check.tried("STARTTLS")));
        if is_taken {
            self.shake(section, seen, "STARTTLS and a handshake").await?;
        }
        Some(is_taken)
    }

    async fn shake(&mut self, section: &mut Section, seen: &mut Seen, tried: &str) -> Going {
        let (world, name) = (self.line.world, self.line.question.tls_name());
        let stream = self.wire.stream.take()?;
        let shaken = match timeout(self.wire.limit, world.inspector.shake(stream, name)).await {
            Ok(shaken) => shaken,
            Err(late) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, late)),
        };
        let (stream, inspected) = match shaken {
            Ok(shaken) => shaken,
            Err(error) => {
                section.push(handshake::broken(&error, tried));
                return None;
            }
        };
        let measure = Measure { name, now: world.clock.now(), is_strict: true };
        section.checks.extend(handshake::judge(&inspected, measure));
        self.wire.note("*  ", &format!("{} {}", inspected.facts.version, inspected.facts.cipher));
        self.wire.stream = Some(Box::new(stream));
        self.wire.bytes.clear();
        self.tls = Some(inspected);
        seen.secure = true;
        Some(())
    }

    fn logins(&self, section: &mut Section, seen: &mut Seen, offered: &Offer) {
        const ID: &str = "reading.auth";
        const TITLE: &str = "Logins";
        let mut list = offered.mechanisms.clone();
        list.extend(offered.plain_login.then(|| "plain logins".to_owned()));
        let list = list.join(", ");
        seen.logins = !offered.mechanisms.is_empty() || offered.plain_login;
        let check = if self.tls.is_none() && seen.logins {
            Check::warning(ID, TITLE, format!("{list}, without TLS"))
                .means("Whoever logs in here shows the password on the way.")
                .mend("Refuse logins without TLS.")
        } else if seen.logins {
            Check::right(ID, TITLE, list)
        } else {
            Check::warning(ID, TITLE, "none offered")
                .means("Mail programs find no way to log in.")
                .mend("Switch on logins behind TLS.")
        };
        section.push(check.tried("what is offered for logins"));
    }
}

/// The check of a first line that is no greeting.
fn not_greeted(service: Service, line: &str) -> Check {
    const ID: &str = "reading.greeting";
    const TITLE: &str = "Greeting";
    if line.starts_with("* BYE") || line.starts_with("-ERR") {
        return Check::wrong(ID, TITLE, format!("turned away: {line}"))
            .means("The host wants no session with this address now.")
            .mend(
                "Read what it says; too many connections from one address are the usual reason.",
            );
    }
    Check::wrong(ID, TITLE, format!("something else answers: {line:?}"))
        .means(format!("This port does not speak {}.", service.name()))
        .mend("Look at which program listens there.")
}

/// The check of a greeting that never came.
fn silence(quiet: Quiet) -> Check {
    const ID: &str = "reading.greeting";
    const TITLE: &str = "Greeting";
    match quiet {
        Quiet::Late => Check::wrong(ID, TITLE, "connected, and not a word came")
            .means(
                "A firewall takes connections in the host's place, the server hangs, or the port \
                 begins with TLS.",
            )
            .mend("Look at the host's log whether it saw the connection."),
        Quiet::Closed => Check::wrong(ID, TITLE, "connected, and hung up at once")
            .means("The host turns this address away without a word, or nothing is behind it.")
            .mend("Look at the log of the host; try from another address."),
        Quiet::Endless => Check::wrong(ID, TITLE, "a line that does not end")
            .means("It is no server of this kind, or one that is broken.")
            .mend("Look at which program listens there."),
    }
}

fn is_greeting(service: Service, line: &str) -> bool {
    match service {
        Service::Imap => line.starts_with("* OK") || line.starts_with("* PREAUTH"),
        _ => line.starts_with("+OK"),
    }
}

/// What a host offers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Offer {
    words: Vec<String>,
    mechanisms: Vec<String>,
    /// `LOGIN`, or `USER` and `PASS`.
    plain_login: bool,
}

impl Offer {
    fn read(is_imap: bool, lines: &[String]) -> Self {
        let mut offer = Self::default();
        if is_imap {
            let list = lines.iter().find_map(|line| line.strip_prefix("* CAPABILITY "));
            for word in list.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
                let upper = word.to_ascii_uppercase();
                offer.mechanisms.extend(upper.strip_prefix("AUTH=").map(str::to_owned));
                offer.words.push(upper);
            }
            offer.plain_login = !offer.has("LOGINDISABLED");
        } else {
            for line in lines.iter().filter(|line| line.as_str() != ".") {
                let upper = line.to_ascii_uppercase();
                if let Some(list) = upper.strip_prefix("SASL ") {
                    offer.mechanisms.extend(list.split_whitespace().map(str::to_owned));
                }
                offer.words.push(upper);
            }
            offer.plain_login = offer.words.is_empty() || offer.has("USER");
        }
        offer
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }
}
