//! SMTP and LMTP on the stage of a transcript: the session and [`Policy`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailwright_smtp::server::{
    self, BareNewlines, FutureRelease, Peer, Role, Session, Settings, Step,
};
use mailwright_words::{Domain, Timestamp};

use super::Transcript;
use super::play::{Actor, Event, Move};
use crate::policy::Policy;

/// What the server offers to clients that may log in, its best first.
const MECHANISMS: [&str; 6] =
    ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"];

/// A session of SMTP or LMTP with its stand-in for policy.
#[derive(Debug)]
pub struct Smtp {
    session: Session,
    policy: Policy,
}

impl Actor for Smtp {
    fn enter(transcript: &Transcript) -> Option<Self> {
        let settings = settings(transcript)?;
        let address: IpAddr = transcript.value("peer").unwrap_or("203.0.113.9").parse().ok()?;
        let peer = Peer {
            address: SocketAddr::new(address, 49_152),
            trusted: address.is_loopback(),
            tls: transcript.has("implicit"),
        };
        let policy = Policy::new(settings.role, address);
        Some(Self { session: Session::new(Arc::new(settings), peer), policy })
    }

    fn feed(&mut self, octets: &[u8]) {
        self.session.feed(octets);
    }

    fn next(&mut self) -> Option<Move> {
        loop {
            match self.session.next()? {
                Step::Write(octets) => return Some(Move::Say(octets)),
                Step::StartTls => return Some(Move::StartTls),
                Step::Close => return Some(Move::Close),
                Step::Ask(question) => {
                    let answer = self.policy.answer(question, &self.session);
                    self.session.answer(answer);
                }
            }
        }
    }

    fn tls(&mut self) {
        self.session.tls();
    }

    fn event(&mut self, event: Event) {
        self.session.event(match event {
            Event::Eof => server::Event::Eof,
            Event::TimedOut => server::Event::TimedOut,
            Event::Shutdown => server::Event::Shutdown,
        });
    }

    fn timeout(&self) -> Duration {
        self.session.timeout()
    }

    fn state(&self, noun: &str) -> Option<Vec<u8>> {
        let policy = &self.policy;
        Some(match noun {
            "spool" => policy.spool.len().to_string().into_bytes(),
            "abandoned" => policy.abandoned.to_string().into_bytes(),
            "recipients" => policy.recipients().join(" ").into_bytes(),
            "protocol" => policy.protocol.clone().into_bytes(),
            "octets" => policy.spool.last().map_or(0, Vec::len).to_string().into_bytes(),
            "body" => policy.spool.last().cloned().unwrap_or_default(),
            _ => return None,
        })
    }
}

fn settings(transcript: &Transcript) -> Option<Settings> {
    let role = match transcript.listener.first()?.as_str() {
        "mta" => Role::Mta,
        "msa" => Role::Msa,
        "lmtp" => Role::Lmtp,
        _ => return None,
    };
    let mut settings = Settings::new(role, Domain::parse("mx.mailwright.example").ok()?);
    settings.tls = !transcript.has("implicit") && !transcript.has("plain");
    if role == Role::Msa {
        settings.auth = MECHANISMS.map(str::to_owned).to_vec();
    }
    let number = |word: &str| transcript.value(word)?.parse().ok();
    settings.message_size_max = number("size").unwrap_or(settings.message_size_max);
    settings.recipients_max = number("recipients")
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(settings.recipients_max);
    let count = |word: &str| number(word).and_then(|count| u32::try_from(count).ok());
    settings.errors_max = count("errors").unwrap_or(settings.errors_max);
    settings.commands_max = count("commands").unwrap_or(settings.commands_max);
    settings.transactions_max = Some(count("messages").unwrap_or(1000));
    settings.binary_mime = !transcript.has("nobinarymime");
    let takes_times = role != Role::Lmtp && !transcript.has("notimes");
    settings.deliver_by =
        takes_times.then(|| Duration::from_secs(number("deliverby").unwrap_or(60)));
    settings.future_release = number("futurerelease").map(|longest| FutureRelease {
        longest: Duration::from_secs(longest),
        latest: Timestamp::new(1_800_000_000_000),
    });
    if transcript.has("normalise") {
        settings.bare_newlines = BareNewlines::Normalise;
    }
    Some(settings)
}
