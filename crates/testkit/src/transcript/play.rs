//! Plays a transcript against a pure session, with its input cut anywhere.
//!
//! Which protocol it is, the [`Actor`] knows: a session together with a stand-in for its driver.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Act, Entry, Mismatch, Transcript, decode, is_like};

/// A session with what answers its questions.
pub trait Actor: Sized {
    /// The session that the line of `@listener` describes; `None` when that line is wrong.
    fn enter(transcript: &Transcript) -> Option<Self>;

    /// Takes what the client sends.
    fn feed(&mut self, octets: &[u8]);

    /// What the session does next; its questions are answered on the way. `None` when the client
    /// has to speak.
    fn next(&mut self) -> Option<Move>;

    /// The handshake is done.
    fn tls(&mut self);

    /// Something befell the session.
    fn event(&mut self, event: Event);

    /// How long the client may say nothing.
    fn timeout(&self) -> Duration;

    /// Does a word behind `@` that only this protocol knows; false when it does not know it.
    fn does(&mut self, _word: &str, _argument: &str) -> bool {
        false
    }

    /// A state that a line of `=` names; `None` when there is none of this name.
    fn state(&self, noun: &str) -> Option<Vec<u8>>;
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It says this.
    Say(Vec<u8>),
    /// It waits for the handshake.
    StartTls,
    /// It is over.
    Close,
}

/// What befalls a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client is gone.
    Eof,
    /// The client said nothing for too long.
    TimedOut,
    /// The server stops.
    Shutdown,
}

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
pub fn play<A: Actor>(transcript: &Transcript, cut: Cut) -> Result<(), Mismatch> {
    let mut stage = Stage::<A>::new(transcript, cut)?;
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
pub fn rewrite<A: Actor>(text: &str) -> Result<String, Mismatch> {
    let transcript = Transcript::parse(text)?;
    let mut stage = Stage::<A>::new(&transcript, Cut::Whole)?;
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

/// Compares a state with what a transcript wants of it.
///
/// Errors: what it is instead.
pub fn compare(found: Option<Vec<u8>>, want: &str) -> Result<(), String> {
    let found = found.ok_or("no such state")?;
    if found == want.as_bytes() || decode(want).is_some_and(|want| want == found) {
        return Ok(());
    }
    Err(format!("wanted {want}\n   found {}", found.escape_ascii()))
}

/// A session, and what it said so far.
struct Stage<A> {
    actor: A,
    cut: Cut,
    /// What the client sends next.
    sends: Vec<u8>,
    /// Lines the server said and nobody expected yet.
    said: VecDeque<String>,
    partial: Vec<u8>,
    start_tls: bool,
    closed: bool,
}

impl<A: Actor> Stage<A> {
    fn new(transcript: &Transcript, cut: Cut) -> Result<Self, Mismatch> {
        let wrong = || Mismatch { line: 1, found: "the line of @listener is wrong".to_owned() };
        let mut stage = Self {
            actor: A::enter(transcript).ok_or_else(wrong)?,
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
                self.actor.tls();
            }
            "tls" => return Err("no handshake was asked for".to_owned()),
            "wait" => {
                let wait = duration(argument).ok_or("this is no duration")?;
                if wait >= self.actor.timeout() {
                    self.actor.event(Event::TimedOut);
                }
            }
            "eof" => self.actor.event(Event::Eof),
            "shutdown" => self.actor.event(Event::Shutdown),
            "closed" if self.closed => {}
            "closed" => return Err("the session goes on".to_owned()),
            _ if self.actor.does(word, argument) => {}
            _ => return Err("this is nothing to do".to_owned()),
        }
        self.run();
        Ok(())
    }

    fn state(&self, noun: &str, want: &str) -> Result<(), String> {
        compare(self.actor.state(noun), want)
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
            self.actor.feed(piece);
            self.run();
            rest = tail;
        }
    }

    /// Does what the session wants, until it wants input.
    fn run(&mut self) {
        while let Some(done) = self.actor.next() {
            match done {
                Move::Say(octets) => self.partial.extend(octets),
                Move::StartTls => self.start_tls = true,
                Move::Close => self.closed = true,
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
