//! What came from the client, cut into commands: lines, and the literals they announce.
//!
//! Only CRLF ends a line. A command that is wrong or too large is dropped to its end, so that the
//! place in the stream is never lost and the memory held is bounded by [`Limits`]. The octets of a
//! message go past. Source: RFC 9051 section 4.3, RFC 7888, RFC 3516 section 4.4.

use memchr::memchr;

use crate::command::{Announced, Cursor};

/// How much may come. In octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of a line with its CRLF.
    pub(crate) line: usize,
    /// Of a command with its literals.
    pub(crate) command: usize,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// A whole command, without its last CRLF.
    Command(Vec<u8>),
    /// A literal is announced at the end of [`Input::text`]; one of [`Input::accept`],
    /// [`Input::stream`] and [`Input::spoil`] follows.
    Announced(Announced),
    /// A command that was too long, or was spoilt, has ended; its beginning.
    Dropped(Vec<u8>, Drop),
}

/// Why a command was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drop {
    /// A line was over its limit.
    LineTooLong,
    /// The whole was.
    CommandTooLong,
    /// [`Input::spoil`] was called.
    Spoilt,
}

/// Octets that wait to be read, and the command that is being gathered.
#[derive(Debug, Default)]
pub(crate) struct Input {
    octets: Vec<u8>,
    /// Where what was not yet read begins.
    start: usize,
    /// How much behind `start` is known to hold no line's end.
    scanned: usize,
    /// The command so far; of one that is dropped, its beginning.
    text: Vec<u8>,
    mode: Mode,
    /// Why the command that comes is dropped.
    dropped: Option<Drop>,
    /// The end of a line that is dropped.
    tail: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// Lines come.
    #[default]
    Line,
    /// The line that comes is too long.
    LongLine,
    /// A literal was announced, and is not decided upon.
    Announced(Announced),
    /// Octets of a literal come.
    Literal(u64),
    /// Octets of a message come.
    Stream(u64),
    /// Octets come that nobody wants.
    Skip(u64),
}

/// What a line of a command is.
enum Line {
    /// Its end, or the place of a literal.
    Ends(Fragment),
    /// Only a part.
    GoesOn,
}

/// A line was over its limit; it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Memory that an idle session may keep.
const IDLE_OCTETS: usize = 4096;
/// What is kept of a command that is dropped: its tag and verb.
const HEAD_OCTETS: usize = 256;
/// The longest announcement is `~{9223372036854775807+}`; what is kept of a dropped line.
const TAIL_OCTETS: usize = 32;
/// Octets of a message that are handed on at once, unless it ends before.
const STREAM_OCTETS: usize = 32 << 10;

impl Input {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(octets);
    }

    fn rest(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing waits to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.octets.len()
    }

    /// Whether a command, or a literal of it, has begun and not ended.
    pub(crate) fn is_within(&self) -> bool {
        self.mode != Mode::Line || !self.text.is_empty() || !self.is_empty()
    }

    /// The command so far.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Octets held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.rest().len() + self.text.len() + self.tail.len()
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.octets.len());
        self.scanned = 0;
    }

    /// What comes next; `None` when more octets, or a decision, have to come first.
    pub(crate) fn next(&mut self, limits: Limits) -> Option<Fragment> {
        loop {
            match self.mode {
                Mode::Announced(_) | Mode::Stream(_) => return None,
                Mode::Literal(0) | Mode::Skip(0) => self.mode = Mode::Line,
                Mode::Literal(left) => {
                    let taken = self.here(left)?;
                    self.text.extend_from_slice(self.octets.get(self.start..self.start + taken)?);
                    self.consume(taken);
                    self.mode = Mode::Literal(left.saturating_sub(wide(taken)));
                }
                Mode::Skip(left) => {
                    let taken = self.here(left)?;
                    self.consume(taken);
                    self.mode = Mode::Skip(left.saturating_sub(wide(taken)));
                }
                Mode::Line | Mode::LongLine => match self.line_of_command(limits)? {
                    Line::Ends(fragment) => return Some(fragment),
                    Line::GoesOn => {}
                },
            }
        }
    }

    /// How many of the `left` octets are here; `None` for none.
    fn here(&mut self, left: u64) -> Option<usize> {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.rest().len());
        if here == 0 {
            self.forget();
        }
        (here > 0).then_some(here)
    }

    /// Reads a line of a command.
    fn line_of_command(&mut self, limits: Limits) -> Option<Line> {
        let Some(length) = self.find() else {
            self.wait(limits.line);
            return None;
        };
        let line = self.octets.get(self.start..self.start + length)?;
        if self.mode == Mode::LongLine || length + 2 > limits.line {
            if self.text.is_empty() {
                self.text.extend(line.iter().take(head(limits.line)));
            }
            self.tail.extend_from_slice(line.get(length.saturating_sub(TAIL_OCTETS)..)?);
            self.dropped = self.dropped.or(Some(Drop::LineTooLong));
            self.mode = Mode::Line;
        } else if self.dropped.is_some() {
            self.tail = line.get(length.saturating_sub(TAIL_OCTETS)..)?.to_vec();
        } else if self.text.len() + length > limits.command {
            self.text.truncate(HEAD_OCTETS);
            self.tail = line.get(length.saturating_sub(TAIL_OCTETS)..)?.to_vec();
            self.dropped = Some(Drop::CommandTooLong);
        } else {
            self.text.extend_from_slice(line);
        }
        self.consume(length + 2);
        if self.dropped.is_some() {
            let announced = announced(&std::mem::take(&mut self.tail));
            return self.go_on_dropping(announced);
        }
        Some(Line::Ends(match announced(&self.text) {
            Some(literal) => {
                self.text.extend_from_slice(b"\r\n");
                self.mode = Mode::Announced(literal);
                Fragment::Announced(literal)
            }
            None => Fragment::Command(std::mem::take(&mut self.text)),
        }))
    }

    /// A line of a command that is dropped ended; so did the command, unless octets follow that
    /// the client sends without being asked.
    fn go_on_dropping(&mut self, announced: Option<Announced>) -> Option<Line> {
        if let Some(literal) = announced.filter(|literal| !literal.waits) {
            self.mode = Mode::Skip(literal.octets);
            return Some(Line::GoesOn);
        }
        let why = self.dropped.take()?;
        Some(Line::Ends(Fragment::Dropped(std::mem::take(&mut self.text), why)))
    }

    /// The announced literal is gathered.
    pub(crate) fn accept(&mut self) {
        if let Mode::Announced(literal) = self.mode {
            self.mode = Mode::Literal(literal.octets);
        }
    }

    /// The announced literal is a message: its octets are read with [`Input::octets`], and what
    /// stands before them is handed out.
    pub(crate) fn stream(&mut self) -> Vec<u8> {
        if let Mode::Announced(literal) = self.mode {
            self.mode = Mode::Stream(literal.octets);
        }
        std::mem::take(&mut self.text)
    }

    /// The command whose literal is announced is dropped; [`Fragment::Dropped`] tells its end.
    pub(crate) fn spoil(&mut self) {
        if let Mode::Announced(literal) = self.mode {
            self.text.truncate(HEAD_OCTETS);
            self.dropped = Some(Drop::Spoilt);
            // An empty line as the client sends it behind a literal, when it waits for us.
            self.mode = if literal.waits { Mode::Line } else { Mode::Skip(literal.octets) };
        }
    }

    /// What was spoilt ends where the client waits for our word.
    pub(crate) fn end_spoilt(&mut self) -> Option<Vec<u8>> {
        let ends = self.mode == Mode::Line && self.dropped == Some(Drop::Spoilt);
        ends.then(|| {
            self.dropped = None;
            std::mem::take(&mut self.text)
        })
    }

    /// How many octets of the message are still to come; `None` when none is streamed.
    pub(crate) const fn streams(&self) -> Option<u64> {
        match self.mode {
            Mode::Stream(left) => Some(left),
            _ => None,
        }
    }

    /// The rest of the message is not wanted; neither is what follows in the command.
    pub(crate) fn spoil_stream(&mut self) {
        if let Mode::Stream(left) = self.mode {
            self.dropped = Some(Drop::Spoilt);
            self.mode = Mode::Skip(left);
        }
    }

    /// Octets of the message; `None` when more have to come first.
    pub(crate) fn octets(&mut self) -> Option<Vec<u8>> {
        let Mode::Stream(left) = self.mode else { return None };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(STREAM_OCTETS);
        if wanted == 0 {
            self.mode = Mode::Line;
            return Some(Vec::new());
        }
        let octets = self.rest().get(..wanted)?.to_vec();
        self.consume(wanted);
        self.mode = Mode::Stream(left.saturating_sub(wide(wanted)));
        Some(octets)
    }

    /// Takes a line that is no command, of `max` octets at most; `None` when more has to come.
    pub(crate) fn line(&mut self, max: usize) -> Option<Result<Vec<u8>, TooLong>> {
        let Some(length) = self.find() else {
            self.wait(max);
            self.text.clear();
            return None;
        };
        let long = self.mode == Mode::LongLine || length + 2 > max;
        self.mode = Mode::Line;
        self.tail.clear();
        let line = self.octets.get(self.start..self.start + length).map(<[u8]>::to_vec);
        self.consume(length + 2);
        Some(line.filter(|_| !long).ok_or(TooLong))
    }

    /// How many octets the next line has before its CRLF.
    fn find(&mut self) -> Option<usize> {
        let rest = self.octets.get(self.start..)?;
        let mut from = self.scanned;
        while let Some(found) = memchr(b'\n', rest.get(from..)?) {
            let newline = from + found;
            if newline > 0 && rest.get(newline - 1) == Some(&b'\r') {
                return Some(newline - 1);
            }
            from = newline + 1;
        }
        self.scanned = rest.len();
        None
    }

    /// Keeps what may be the beginning of a line, and no more than that.
    fn wait(&mut self, max: usize) {
        let length = self.rest().len();
        if self.mode == Mode::LongLine || length >= max {
            let rest = self.octets.get(self.start..).unwrap_or_default();
            if self.text.is_empty() {
                self.text.extend(rest.iter().take(head(max)));
            }
            let kept = usize::from(rest.last() == Some(&b'\r'));
            let gone = rest.get(..length - kept).unwrap_or_default();
            self.tail.extend_from_slice(
                gone.get(gone.len().saturating_sub(TAIL_OCTETS)..).unwrap_or_default(),
            );
            self.tail.drain(..self.tail.len().saturating_sub(TAIL_OCTETS));
            self.mode = Mode::LongLine;
            self.consume(length - kept);
            self.scanned = kept;
        }
        self.forget();
    }

    /// Gives back memory that nothing needs.
    fn forget(&mut self) {
        if self.is_empty() && self.octets.capacity() > IDLE_OCTETS {
            self.octets = Vec::new();
            self.start = 0;
        }
    }
}

/// What is kept of a line over its limit, wherever it was cut: the octet at the limit may be CR.
fn head(max: usize) -> usize {
    HEAD_OCTETS.min(max.saturating_sub(1))
}

/// The literal that a line announces at its end.
fn announced(line: &[u8]) -> Option<Announced> {
    if line.last() != Some(&b'}') {
        return None;
    }
    let brace = line.get(line.len().saturating_sub(TAIL_OCTETS)..)?;
    let at = line.len() - brace.len() + brace.iter().rposition(|&octet| octet == b'{')?;
    let start = if at > 0 && line.get(at - 1) == Some(&b'~') { at - 1 } else { at };
    let mut text = line.get(start..)?.to_vec();
    text.extend_from_slice(b"\r\n");
    Cursor::new(&text, 1).announcement().ok()
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { line: 40, command: 60 };

    /// What comes of `text`, with literals decided by `decide`.
    fn cut(text: &[u8], size: usize, decide: fn(&mut Input, Announced)) -> Vec<String> {
        let mut input = Input::default();
        let mut told = Vec::new();
        for piece in text.chunks(size) {
            input.push(piece);
            loop {
                if let Some(octets) = input.octets() {
                    told.push(format!("octets {}", octets.escape_ascii()));
                    continue;
                }
                match input.next(LIMITS) {
                    Some(Fragment::Announced(literal)) => {
                        decide(&mut input, literal);
                        let refused = literal.waits && input.end_spoilt().is_some();
                        told.extend(refused.then(|| "refused".to_owned()));
                    }
                    Some(Fragment::Command(text)) => told.push(text.escape_ascii().to_string()),
                    Some(Fragment::Dropped(text, why)) => {
                        let head = text.get(..4).unwrap_or(&text);
                        told.push(format!("{} {why:?}", head.escape_ascii()));
                    }
                    None => break,
                }
            }
            assert!(input.held() <= 100 + size, "{}", input.held());
        }
        told
    }

    #[test]
    fn commands_are_cut_out_wherever_the_input_is_cut() {
        let long = "x".repeat(50);
        let text = format!(
            "a1 b\r\na2 c {{3}}\r\n\r\nx y ~{{2+}}\r\n\0\n\r\na3 {long} {{5+}}\r\nab\r\nc \
             d {{1}}\r\na4 e\nf\r\na5 {{30+}}\r\n{}g {{20+}}\r\n{}hh\r\na6 {long}\r\n\r\n",
            "y".repeat(30),
            "z".repeat(20)
        );
        let want = [
            "a1 b",
            "a2 c {3}\\r\\n\\r\\nx y ~{2+}\\r\\n\\x00\\n",
            "a3 x LineTooLong",
            "a4 e\\nf",
            "a5 {30+}\\r\\nyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyg {20+}\\r\\nzzzzzzzzzzzzzzzzzzzzhh",
            "a6 x LineTooLong",
            "",
        ];
        for size in 1..text.len() {
            let told = cut(text.as_bytes(), size, |input, _| input.accept());
            // The fifth is over the limit of a command, told where its last line comes.
            let mut expected = want.map(str::to_owned);
            expected[4] = "a5 { CommandTooLong".to_owned();
            assert_eq!(told, expected, "{size}");
        }
    }

    #[test]
    fn what_is_spoilt_ends_where_it_should() {
        let text = b"a {3}\r\nb c {3+}\r\nxyz {2+}\r\n\r\n more\r\nd e\r\n";
        for size in 1..text.len() {
            let told = cut(text, size, |input, _| input.spoil());
            assert_eq!(told, ["refused", "b c  Spoilt", "d e"], "{size}");
        }
    }

    #[test]
    fn messages_go_past() {
        let text = b"a {3}\r\nx\r\n {0+}\r\n\r\nb\r\n";
        for size in 1..text.len() {
            let told = cut(text, size, |input, _| {
                input.stream();
            });
            assert_eq!(
                told,
                ["octets x\\r\\n", "octets ", "octets ", "", "b"].map(str::to_owned),
                "{size}"
            );
        }
    }
}
