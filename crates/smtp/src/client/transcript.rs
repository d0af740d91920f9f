//! The conversation with a host, kept for those who ask why a message is late.
//!
//! Bounded, and without secrets: what is sent during AUTH is replaced before it gets here, a
//! message is a note of its size.

use std::fmt::Write as _;

use mailwright_words::reply::Reply;

/// Octets kept of the opening, and again of the transaction.
const PART_MAX: usize = 12 * 1024;
/// Octets kept of one line.
const LINE_MAX: usize = 512;

/// What was said: the opening of the connection, and the current transaction.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    opening: Part,
    current: Option<Part>,
}

#[derive(Debug, Default)]
struct Part {
    text: String,
    dropped: usize,
}

impl Transcript {
    /// What a transaction before this one said goes.
    pub(super) fn begin(&mut self) {
        self.current = Some(Part::default());
    }

    /// We said this; a command is given with or without its CRLF.
    pub(super) fn said(&mut self, line: &str) {
        self.part().add("C: ", line.trim_end());
    }

    /// The host said this.
    pub(super) fn heard(&mut self, reply: &Reply) {
        let last = reply.lines.len().saturating_sub(1);
        for (index, line) in reply.lines.iter().enumerate() {
            let mut text = format!("{}{}", reply.code, if index == last { ' ' } else { '-' });
            if let Some(status) = reply.status {
                // Writing to a `String` cannot fail.
                if write!(text, "{status} ").is_err() {
                    return;
                }
            }
            text.push_str(line);
            self.part().add("S: ", text.trim_end());
        }
    }

    /// Something happened.
    pub(super) fn note(&mut self, text: &str) {
        self.part().add("*  ", text);
    }

    fn part(&mut self) -> &mut Part {
        self.current.as_mut().unwrap_or(&mut self.opening)
    }

    /// All that is kept, one line each.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for part in std::iter::once(&self.opening).chain(&self.current) {
            text.push_str(&part.text);
            if part.dropped > 0 {
                text.extend(["*  ", &part.dropped.to_string(), " more lines\n"]);
            }
        }
        text
    }
}

impl Part {
    fn add(&mut self, who: &str, line: &str) {
        if self.text.len() >= PART_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.text.push_str(who);
        self.text.extend(
            line.chars().take(LINE_MAX).map(
                |character| {
                    if character.is_control() { ' ' } else { character }
                },
            ),
        );
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_opening() {
        let mut transcript = Transcript::default();
        transcript.said("EHLO a.example\r\n");
        transcript.begin();
        for _ in 0..100_000 {
            transcript.said(&"x".repeat(1000));
        }
        let text = transcript.text();
        assert!(text.starts_with("C: EHLO a.example\n"));
        assert!(text.ends_with("more lines\n"));
        assert!(text.len() < 2 * PART_MAX + 2 * LINE_MAX);
        transcript.begin();
        transcript.note("again");
        assert_eq!(transcript.text(), "C: EHLO a.example\n*  again\n");
    }
}
