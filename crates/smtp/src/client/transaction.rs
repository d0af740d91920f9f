//! One transaction: its commands, and what becomes of each recipient.

use std::fmt::Write as _;

use mailwright_words::envelope::{BodyType, ByMode, Envelope, Notify, Recipient, Ret, TlsWish};
use mailwright_words::reply::Reply;

use super::{Capabilities, Cause};
use crate::command::By;

/// A message for a host: who it is from, to whom it goes, how large it is.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Sender, recipients and parameters. All of its recipients belong to the host.
    pub envelope: Envelope,
    /// Exact octets of the message.
    pub bytes: u64,
    /// The time that is left by now, where one was set.
    pub by: Option<By>,
}

/// What a message needs that a host does not offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// The message has octets over 127.
    #[error("the host does not offer 8BITMIME")]
    EightBitMime,
    /// The message is not made of lines.
    #[error("the host does not offer BINARYMIME")]
    BinaryMime,
    /// An address or a header needs UTF-8.
    #[error("the host does not offer SMTPUTF8")]
    Smtputf8,
    /// The message is to be back when a time has passed, and the host keeps no such time.
    #[error("the host does not offer DELIVERBY")]
    DeliverBy,
    /// The time that is left is shorter than the host takes.
    #[error("the time for delivery is over, or too short for the host")]
    Late,
    /// The message may only go to hosts that send it on encrypted.
    #[error("the host does not offer REQUIRETLS")]
    RequireTls,
    /// The message is larger than the host takes.
    #[error("the host takes no message over {0} octets")]
    Size(u64),
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The host has taken the responsibility.
    Accepted(Reply),
    /// The host said no, for now (4xx) or for good (5xx).
    Refused(Reply),
    /// The connection ended first. After the final dot nobody knows whether the host has the
    /// message; it is sent again, as RFC 5321 section 6.1 prefers a second copy to a loss.
    Lost(Loss),
}

/// Where and why a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{cause} {phase}")]
pub struct Loss {
    /// What the conversation had come to.
    pub phase: Phase,
    /// What ended it.
    pub cause: Cause,
}

/// What a conversation has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the greeting.
    Greeting,
    /// `EHLO`, `HELO` or `LHLO`.
    Hello,
    /// `STARTTLS`, and the handshake.
    Tls,
    /// `AUTH`.
    Auth,
    /// Between transactions.
    Idle,
    /// `MAIL`, or the `RSET` before it.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The message is being sent.
    Body,
    /// The message is sent; the reply is awaited.
    Final,
    /// `QUIT`.
    Quit,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Greeting => "before the greeting",
            Self::Hello => "after the hello",
            Self::Tls => "during STARTTLS",
            Self::Auth => "during AUTH",
            Self::Idle => "while idle",
            Self::Mail => "after MAIL",
            Self::Rcpt => "after RCPT",
            Self::Data => "after DATA",
            Self::Body => "while the message was sent",
            Self::Final => "after the end of the message",
            Self::Quit => "after QUIT",
        })
    }
}

impl Transaction {
    /// What stands against sending this to a host of these `capabilities`; one that is `last`
    /// delivers by itself, at once.
    pub(super) fn lacking(&self, capabilities: &Capabilities, last: bool) -> Result<(), Lacking> {
        self.in_time(capabilities, last)?;
        if self.envelope.tls == TlsWish::Required && !capabilities.require_tls {
            return Err(Lacking::RequireTls);
        }
        if self.envelope.smtputf8 && !capabilities.smtputf8 {
            return Err(Lacking::Smtputf8);
        }
        match self.envelope.body {
            BodyType::EightBitMime if !capabilities.eight_bit_mime => {
                return Err(Lacking::EightBitMime);
            }
            BodyType::BinaryMime if !capabilities.binary_mime => return Err(Lacking::BinaryMime),
            _ => {}
        }
        match capabilities.size {
            Some(limit) if limit > 0 && self.bytes > limit => Err(Lacking::Size(limit)),
            _ => Ok(()),
        }
    }

    /// Source: RFC 2852 section 4.1.4.
    fn in_time(&self, capabilities: &Capabilities, last: bool) -> Result<(), Lacking> {
        let Some(by) = self.by.filter(|by| by.mode == ByMode::Return) else { return Ok(()) };
        let left = u64::try_from(by.seconds).unwrap_or(0);
        match capabilities.deliver_by {
            _ if left == 0 => Err(Lacking::Late),
            None if last => Ok(()),
            None => Err(Lacking::DeliverBy),
            Some(shortest) if left < shortest => Err(Lacking::Late),
            Some(_) => Ok(()),
        }
    }

    /// The `MAIL` command, with the parameters that the host knows.
    pub(super) fn mail(&self, capabilities: &Capabilities) -> String {
        let envelope = &self.envelope;
        let mut line = format!("MAIL FROM:{}", envelope.from);
        if capabilities.size.is_some() {
            add(&mut line, "SIZE", &self.bytes.to_string());
        }
        match envelope.body {
            BodyType::BinaryMime => add(&mut line, "BODY", "BINARYMIME"),
            BodyType::EightBitMime => add(&mut line, "BODY", "8BITMIME"),
            BodyType::SevenBit => {}
        }
        if envelope.smtputf8 {
            line.push_str(" SMTPUTF8");
        }
        if envelope.tls == TlsWish::Required {
            line.push_str(" REQUIRETLS");
        }
        if let Some(by) = self.by.filter(|_| capabilities.deliver_by.is_some()) {
            let mode = if by.mode == ByMode::Return { "R" } else { "N" };
            let trace = if by.trace { "T" } else { "" };
            add(&mut line, "BY", &format!("{};{mode}{trace}", by.seconds));
        }
        if let Some(priority) = envelope.priority.filter(|_| capabilities.mt_priority) {
            add(&mut line, "MT-PRIORITY", &priority.to_string());
        }
        if capabilities.dsn {
            match envelope.ret {
                Some(Ret::Full) => add(&mut line, "RET", "FULL"),
                Some(Ret::Hdrs) => add(&mut line, "RET", "HDRS"),
                None => {}
            }
            if let Some(envid) = &envelope.envid {
                add(&mut line, "ENVID", &xtext(envid));
            }
        }
        line
    }

    /// The `RCPT` command of one recipient.
    pub(super) fn rcpt(recipient: &Recipient, capabilities: &Capabilities) -> String {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if capabilities.dsn {
            if recipient.notify != Notify::default() {
                add(&mut line, "NOTIFY", &notify(recipient.notify));
            }
            if let Some((kind, address)) =
                recipient.orcpt.as_deref().and_then(|orcpt| orcpt.split_once(';'))
            {
                let address = if kind.eq_ignore_ascii_case("utf-8") {
                    utf8_xtext(address)
                } else {
                    xtext(address)
                };
                add(&mut line, "ORCPT", &format!("{kind};{address}"));
            }
        }
        line
    }
}

fn add(line: &mut String, keyword: &str, value: &str) {
    line.push(' ');
    line.push_str(keyword);
    line.push('=');
    line.push_str(value);
}

fn notify(notify: Notify) -> String {
    if notify.never {
        return "NEVER".to_owned();
    }
    let words = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }
}

/// Source: RFC 3461 section 4.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'+' | b'=') {
            out.push(char::from(byte));
        } else if write!(out, "+{byte:02X}").is_err() {
            break;
        }
    }
    out
}

/// Source: RFC 6533 section 3, `utf-8-addr-xtext`.
fn utf8_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '!'..='~') && !matches!(character, '+' | '=' | '\\') {
            out.push(character);
        } else if write!(out, "\\x{{{:X}}}", u32::from(character)).is_err() {
            break;
        }
    }
    out
}

/// Where each recipient of a running transaction stands.
#[derive(Debug)]
pub(super) struct Tally {
    verdicts: Vec<Option<Verdict>>,
    /// Indices of those that `RCPT` was answered well for and that have no final reply yet.
    taken: std::collections::VecDeque<usize>,
    /// Those whose commands were sent or refused; what is behind was never tried.
    mail_refused: bool,
}

impl Tally {
    pub(super) fn new(recipients: usize) -> Self {
        Self {
            verdicts: vec![None; recipients],
            taken: std::collections::VecDeque::new(),
            mail_refused: false,
        }
    }

    /// Whether a message has someone to go to.
    pub(super) fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Whether `MAIL` was refused.
    pub(super) fn is_mail_refused(&self) -> bool {
        self.mail_refused
    }

    pub(super) fn taken_count(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn mail_refused(&mut self, reply: &Reply) {
        self.mail_refused = true;
        self.settle_all(&Verdict::Refused(reply.clone()));
    }

    pub(super) fn rcpt(&mut self, index: usize, reply: Reply) {
        if self.mail_refused {
            return;
        }
        if reply.is_positive() {
            self.taken.push_back(index);
        } else {
            self.settle(index, Verdict::Refused(reply));
        }
    }

    /// The reply to the message, for all that were taken.
    pub(super) fn message(&mut self, reply: &Reply) {
        while self.has_taken() {
            self.message_of_next(reply.clone());
        }
    }

    /// The reply to the message, for the next one that was taken: LMTP.
    pub(super) fn message_of_next(&mut self, reply: Reply) {
        if let Some(index) = self.taken.pop_front() {
            let verdict = if reply.is_positive() {
                Verdict::Accepted(reply)
            } else {
                Verdict::Refused(reply)
            };
            self.settle(index, verdict);
        }
    }

    /// All without a verdict get this one.
    pub(super) fn settle_all(&mut self, verdict: &Verdict) {
        self.taken.clear();
        for slot in &mut self.verdicts {
            slot.get_or_insert_with(|| verdict.clone());
        }
    }

    fn settle(&mut self, index: usize, verdict: Verdict) {
        if let Some(slot) = self.verdicts.get_mut(index) {
            slot.get_or_insert(verdict);
        }
    }

    /// The verdicts in the order of the recipients; `open` stands for those without.
    pub(super) fn finish(mut self, open: &Verdict) -> Vec<Verdict> {
        self.settle_all(open);
        self.verdicts.into_iter().flatten().collect()
    }
}
