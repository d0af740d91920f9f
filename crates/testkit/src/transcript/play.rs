//! Plays a transcript against the pure session, with its input cut anywhere.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailwright_smtp::server::{
    BareNewlines, Event, FutureRelease, Peer, Role, Session, Settings, Step,
};
use mailwright_words::{Domain, Timestamp};

use super::{Act, Entry, Mismatch, Transcript, decode, is_like};
use crate::policy::Policy;

/// How what the client sends reaches the session.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// As it stands in the file: what is sent before an expectation, at once.
    Whole,
    /// Octet by octet.
    Octets,
    /// In pieces whose sizes follow from this seed.
    Seed(u64),
}

/// Plays `transcript`.
///
/// Errors: the first line that the session does not agree with.
pub fn play(transcript: &Transcript, cut: Cut) -> Result<(), Mismatch> {
    let mut stage = Stage::new(transcript, cut)?;
    for entry in &transcript.entries {
        stage.act(entry)?;
    }
    stage.flush();
    match stage.said.pop_front() {
        Some(line) => Err(Mismatch {
            line: transcript.entries.last().map_or(0, |entry| entry.line + 1),
            found: format!("the server also says: {line}"),
        }),
        None => Ok(()),
    }
}

/// Rewrites the `S:` lines of the transcript `text` to what the session says.
///
/// Errors: the file is no transcript.
pub fn rewrite(text: &str) -> Result<String, Mismatch> {
    let transcript = Transcript::parse(text)?;
    let mut stage = Stage::new(&transcript, Cut::Whole)?;
    let mut entries = transcript.entries.iter().peekable();
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(entry) = entries.next_if(|entry| entry.line == number) else {
            lines.push(line.to_owned());
            continue;
        };
        match &entry.act {
            Act::Line(_) => {
                stage.flush();
                lines.extend(stage.said.pop_front().map(|said| format!("S: {said}")));
            }
            Act::Code(_) | Act::Like(_) if stage.act(entry).is_ok() => lines.push(line.to_owned()),
            Act::Code(_) | Act::Like(_) => {}
            Act::Send(_) | Act::Do(..) | Act::State(..) => {
                if !stage.sending() {
                    stage.leftover(&mut lines);
                }
                lines.push(line.to_owned());
                let outcome = stage.act(entry);
                debug_assert!(outcome.is_ok() || !matches!(entry.act, Act::Send(_)));
            }
        }
    }
    stage.flush();
    stage.leftover(&mut lines);
    Ok(lines.join("\n") + "\n")
}

/// A session with its stand-in for policy.
struct Stage {
    session: Session,
    policy: Policy,
    cut: Cut,
    /// What the client sends next.
    sends: Vec<u8>,
    /// Lines the server said and nobody expected yet.
    said: VecDeque<String>,
    partial: Vec<u8>,
    start_tls: bool,
    closed: bool,
}

impl Stage {
    fn new(transcript: &Transcript, cut: Cut) -> Result<Self, Mismatch> {
        let wrong = || Mismatch { line: 1, found: "the line of @listener is wrong".to_owned() };
        let settings = settings(transcript).ok_or_else(wrong)?;
        let peer = transcript.value("peer").unwrap_or("203.0.113.9");
        let address: IpAddr = peer.parse().map_err(|_invalid| wrong())?;
        let peer = Peer {
            address: SocketAddr::new(address, 49_152),
            trusted: address.is_loopback(),
            tls: transcript.has("implicit"),
        };
        let policy = Policy::new(settings.role, address);
        let session = Session::new(Arc::new(settings), peer);
        let mut stage = Self {
            session,
            policy,
            cut,
            sends: Vec::new(),
            said: VecDeque::new(),
            partial: Vec::new(),
            start_tls: false,
            closed: false,
        };
        stage.run();
        Ok(stage)
    }

    const fn sending(&self) -> bool {
        !self.sends.is_empty()
    }

    fn act(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        let line = entry.line;
        let wrong = |found: String| Err(Mismatch { line, found });
        if let Act::Send(octets) = &entry.act {
            if !self.sending()
                && let Some(said) = self.said.pop_front()
            {
                return wrong(format!("the server also says: {said}"));
            }
            self.sends.extend_from_slice(octets);
            return Ok(());
        }
        self.flush();
        match &entry.act {
            Act::Send(_) => Ok(()),
            Act::Line(want) => match self.said.pop_front() {
                Some(said) if said == *want => Ok(()),
                other => wrong(format!("wanted {want}\n   found {other:?}")),
            },
            Act::Like(want) => match self.said.pop_front() {
                Some(said) if is_like(want, &said) => Ok(()),
                other => wrong(format!("wanted like {want}\n   found {other:?}")),
            },
            Act::Code(code) => loop {
                match self.said.pop_front() {
                    Some(said) if said.starts_with(&format!("{code}-")) => {}
                    Some(said) if said.starts_with(code.as_str()) => break Ok(()),
                    other => break wrong(format!("wanted {code}\n   found {other:?}")),
                }
            },
            Act::Do(word, argument) => self.does(word, argument).map_or_else(wrong, Ok),
            Act::State(noun, want) => self.state(noun, want).map_or_else(wrong, Ok),
        }
    }

    fn does(&mut self, word: &str, argument: &str) -> Result<(), String> {
        match word {
            "tls" if self.start_tls => {
                self.start_tls = false;
                self.session.tls();
            }
            "tls" => return Err("no handshake was asked for".to_owned()),
            "wait" => {
                let wait = duration(argument).ok_or("this is no duration")?;
                if wait >= self.session.timeout() {
                    self.session.event(Event::TimedOut);
                }
            }
            "eof" => self.session.event(Event::Eof),
            "shutdown" => self.session.event(Event::Shutdown),
            "closed" if self.closed => {}
            "closed" => return Err("the session goes on".to_owned()),
            _ => return Err("this is nothing to do".to_owned()),
        }
        self.run();
        Ok(())
    }

    fn state(&self, noun: &str, want: &str) -> Result<(), String> {
        let found = match noun {
            "spool" => self.policy.spool.len().to_string(),
            "abandoned" => self.policy.abandoned.to_string(),
            "recipients" => self.policy.recipients().join(" "),
            "protocol" => self.policy.protocol.clone(),
            "octets" => self.policy.spool.last().map_or(0, Vec::len).to_string(),
            "body" => {
                let last = self.policy.spool.last().map_or(&[][..], Vec::as_slice);
                let same = decode(want).is_some_and(|want| want == last);
                return same.then_some(()).ok_or_else(|| last.escape_ascii().to_string());
            }
            _ => return Err("no such state".to_owned()),
        };
        if found == want { Ok(()) } else { Err(format!("wanted {want}\n   found {found}")) }
    }

    /// Sends what was gathered, cut as asked.
    fn flush(&mut self) {
        let octets = std::mem::take(&mut self.sends);
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let size = match &mut self.cut {
                Cut::Whole => rest.len(),
                Cut::Octets => 1,
                Cut::Seed(seed) => {
                    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let bits = usize::try_from(*seed >> 33).unwrap_or(1);
                    1 + bits % if bits.is_multiple_of(3) { 200 } else { 9 }
                }
            };
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            self.session.feed(piece);
            self.run();
            rest = tail;
        }
    }

    /// Does what the session wants, until it wants input.
    fn run(&mut self) {
        while let Some(step) = self.session.next() {
            match step {
                Step::Write(octets) => self.partial.extend(octets),
                Step::Ask(question) => {
                    let answer = self.policy.answer(question, &self.session);
                    self.session.answer(answer);
                }
                Step::StartTls => self.start_tls = true,
                Step::Close => self.closed = true,
            }
        }
        while let Some(end) = self.partial.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<u8> = self.partial.drain(..end + 2).take(end).collect();
            self.said.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    }

    /// Writes down what the server said and no line expects.
    fn leftover(&mut self, lines: &mut Vec<String>) {
        lines.extend(self.said.drain(..).map(|said| format!("S: {said}")));
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
        settings.auth = vec!["SCRAM-SHA-256-PLUS".into(), "PLAIN".into(), "LOGIN".into()];
    }
    let number = |word: &str| transcript.value(word)?.parse().ok();
    settings.message_size_max = number("size").unwrap_or(settings.message_size_max);
    settings.recipients_max = number("recipients")
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(settings.recipients_max);
    let count = |word: &str| number(word).and_then(|count| u32::try_from(count).ok());
    settings.errors_max = count("errors").unwrap_or(settings.errors_max);
    settings.commands_max = count("commands").unwrap_or(settings.commands_max);
    settings.binary_mime = transcript.has("binarymime");
    settings.deliver_by = number("deliverby").map(Duration::from_secs);
    settings.future_release = number("futurerelease").map(|longest| FutureRelease {
        longest: Duration::from_secs(longest),
        latest: Timestamp::new(1_800_000_000_000),
    });
    if transcript.has("normalise") {
        settings.bare_newlines = BareNewlines::Normalise;
    }
    Some(settings)
}

/// `30s`, `5m` or `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_mins(number)),
        "h" => Some(Duration::from_hours(number)),
        _ => None,
    }
}
