//! What both sides said, where a listener keeps it: lines without passwords and without messages.
//!
//! It holds the beginning of the session, up to its first transaction, and the newest transaction,
//! so that a long session costs no more than a short one.

use std::mem;

use mailwright_words::Reply;

/// A reply that refused something, and the command before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The command, or what was heard in its place.
    pub command: String,
    /// The reply.
    pub reply: Reply,
}

/// Refusals that wait to be fetched.
const REFUSED_MAX: usize = 20;
/// What is written where there was no more room.
const CUT: &str = "(more was said)\n";

/// The lines of a session.
#[derive(Debug)]
pub(super) struct Log {
    opening: String,
    transaction: Option<String>,
    last: String,
    refused: Vec<Refused>,
    /// Most octets of each part.
    max: usize,
}

impl Log {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            opening: String::new(),
            transaction: None,
            last: String::new(),
            refused: Vec::new(),
            max: max / 2,
        }
    }

    /// A command came, as far as it may be shown.
    pub(super) fn heard(&mut self, line: &[u8]) {
        let line = shown(line);
        if starts(&line, "MAIL") {
            self.transaction = Some(String::new());
        }
        self.push("C: ", &line);
        self.last = line;
    }

    /// Something came that is not shown.
    pub(super) fn heard_hidden(&mut self, what: &str) {
        self.push("C: ", what);
        what.clone_into(&mut self.last);
    }

    /// We said something.
    pub(super) fn said(&mut self, reply: &Reply) {
        let text = String::from_utf8_lossy(&reply.to_wire()).into_owned();
        for line in text.lines() {
            self.push("S: ", line);
        }
        if reply.code >= 400 && self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused { command: self.last.clone(), reply: reply.clone() });
        }
    }

    /// We said a line that is no reply.
    pub(super) fn said_line(&mut self, line: &str) {
        self.push("S: ", line);
    }

    /// All lines that are held.
    pub(super) fn text(&self) -> String {
        [self.opening.as_str(), self.transaction.as_deref().unwrap_or_default()].concat()
    }

    /// The refusals since the last call.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        mem::take(&mut self.refused)
    }

    fn push(&mut self, who: &str, line: &str) {
        let part = self.transaction.as_mut().unwrap_or(&mut self.opening);
        if part.ends_with(CUT) {
            return;
        }
        if part.len() + who.len() + line.len() + 1 > self.max.saturating_sub(CUT.len()) {
            part.push_str(CUT);
            return;
        }
        part.extend([who, line, "\n"]);
    }
}

/// A command as it is shown: what proves a client is not.
fn shown(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if !starts(&text, "AUTH") {
        return text;
    }
    let mut words = text.split_ascii_whitespace();
    let (verb, mechanism) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let hidden = if words.next().is_some() { " ***" } else { "" };
    format!("{verb} {mechanism}{hidden}")
}

fn starts(line: &str, verb: &str) -> bool {
    line.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_and_only_the_newest_transaction_is_held() {
        let mut log = Log::new(10_000);
        log.heard(b"EHLO c.example");
        log.heard(b"auth plain AHVzZXIAc2VjcmV0");
        log.heard_hidden("***");
        log.said(&Reply::new(535, None, "No"));
        for address in ["a@x.example", "b@x.example"] {
            log.heard(format!("MAIL FROM:<{address}>").as_bytes());
        }
        let text = log.text();
        assert_eq!(
            text,
            "C: EHLO c.example\nC: auth plain ***\nC: ***\nS: 535 No\nC: MAIL FROM:<b@x.example>\n"
        );
        let refused = log.take_refused();
        assert_eq!((refused.len(), refused[0].command.as_str()), (1, "***"));
        assert!(log.take_refused().is_empty());
    }

    #[test]
    fn what_is_held_has_an_end() {
        let mut log = Log::new(400);
        for _ in 0..1000 {
            log.heard(b"NOOP");
        }
        log.heard(b"MAIL FROM:<>");
        assert!(log.text().len() <= 400 && log.text().ends_with("C: MAIL FROM:<>\n"));
    }
}
