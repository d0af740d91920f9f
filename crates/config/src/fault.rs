//! What an inbox does to the programs that send to it, as rules: each says where in a session it
//! strikes, whom, how often, and what it does.
//!
//! They are no part of the configuration file: an inbox keeps its own. What a rule means while a
//! session runs is `intake`'s matter; here it is read and checked.

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// Rules of one inbox.
const FAULTS_MAX: usize = 200;
/// Longest wait that one rule makes.
const DELAY_MAX: Duration = Duration::from_mins(10);
/// Longest text of a pattern or a reply, in octets.
const TEXT_MAX: usize = 2000;

/// A moment of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the greeting.
    Connect,
    /// Before the handshake.
    Tls,
    /// `EHLO` or `HELO`.
    Ehlo,
    /// `AUTH`, once the name is known.
    Auth,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA` or the first `BDAT`.
    Data,
    /// While the message comes.
    Body,
    /// After the message.
    Message,
}

/// How a handshake is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BreakTls {
    /// The connection is closed.
    Close,
    /// An alert says that there is no agreement.
    Alert,
    /// Octets come that are no TLS.
    Garbage,
}

/// More of them than this in that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many are let through.
    pub count: u32,
    /// In which time.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub per: Duration,
}

/// A rule: where it strikes, whom, how often, and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// Where in a session.
    pub at: Phase,
    /// The network of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub client: Option<IpNet>,
    /// How it names itself; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<String>,
    /// The reverse-path; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The forward-path, after `rcpt` any of them; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// More octets than this: those announced at `mail`, those that came at `body` and `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub larger_than: Option<u64>,
    /// Only this one of those that fit, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only each such one of those that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only the first so many of those that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Only those that are more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The share of those that fit, 0 to 1, drawn by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// What the draw begins with: the same seed draws the same.
    #[serde(default)]
    pub seed: u64,
    /// What is said: a code, an enhanced status where one is wanted, a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// How long to wait first.
    #[serde(default, with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub delay: Option<Duration>,
    /// At `body`: octets that are read in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<u64>,
    /// Whether the connection is closed without a reply.
    #[serde(default)]
    pub drop: bool,
    /// At `tls`: how the handshake is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_tls: Option<BreakTls>,
    /// At `rcpt`: a pair of sender and recipient is put off until this time after its first try.
    #[serde(default, with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub greylist: Option<Duration>,
    /// At `message`: whether it is stored nevertheless.
    #[serde(default)]
    pub keep: bool,
}

/// What an inbox goes by, besides what holds for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct InboxSettings {
    /// Most messages; past them the oldest go. Never more than `sandbox.messages_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_max: Option<usize>,
    /// Most octets of all messages; a message that has no room is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub octets_max: Option<u64>,
    /// How long messages are kept.
    #[serde(with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kept: Option<Duration>,
    /// Whether recipients such as `bounce+550-5.1.1@...` do what their name says.
    pub magic: bool,
    /// The rules, looked at in their order.
    pub faults: Vec<Fault>,
}

impl Default for InboxSettings {
    fn default() -> Self {
        Self { messages_max: None, octets_max: None, kept: None, magic: true, faults: Vec::new() }
    }
}

impl InboxSettings {
    /// Reads them.
    ///
    /// Errors: what is wrong, in a sentence for whoever wrote it.
    pub fn read(json: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// As text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether they can be kept.
    ///
    /// Errors: what is wrong, in a sentence for whoever wrote it.
    pub fn check(&self) -> Result<(), String> {
        if self.faults.len() > FAULTS_MAX {
            return Err(format!("an inbox has {FAULTS_MAX} faults at most"));
        }
        for (number, fault) in (1..).zip(&self.faults) {
            fault.check().map_err(|why| format!("fault {number}: {why}"))?;
        }
        Ok(())
    }
}

impl Fault {
    fn check(&self) -> Result<(), &'static str> {
        self.check_action()?;
        let texts = [&self.hello, &self.sender, &self.recipient, &self.reply];
        if texts.into_iter().flatten().any(|text| text.len() > TEXT_MAX) {
            return Err("a text is too long");
        }
        if self.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("probability is between 0 and 1");
        }
        if [self.nth, self.every, self.first].contains(&Some(0)) {
            return Err("nth, every and first count from 1");
        }
        if self.rate.as_ref().is_some_and(|rate| rate.count == 0 || rate.per.is_zero()) {
            return Err("a rate has a count and a time");
        }
        if self.sender.is_some() && self.at.is_before(Phase::Mail) {
            return Err("the sender is known at mail");
        }
        if self.recipient.is_some() && self.at.is_before(Phase::Rcpt) {
            return Err("a recipient is known at rcpt");
        }
        if self.hello.is_some() && self.at.is_before(Phase::Ehlo) {
            return Err("the name is known at ehlo");
        }
        let has_size = matches!(self.at, Phase::Mail | Phase::Body | Phase::Message);
        if self.larger_than.is_some() && !has_size {
            return Err("the size is known at mail, body and message");
        }
        Ok(())
    }

    fn check_action(&self) -> Result<(), &'static str> {
        let acts = self.reply.is_some()
            || self.delay.is_some()
            || self.throttle.is_some()
            || self.drop
            || self.break_tls.is_some()
            || self.greylist.is_some();
        if !acts {
            return Err("it does nothing: give reply, delay, throttle, drop, breakTls or greylist");
        }
        if self.reply.is_some() && self.drop {
            return Err("a connection that is dropped gets no reply");
        }
        if self.delay.into_iter().chain(self.greylist).any(|span| span > DELAY_MAX) {
            return Err("a delay is ten minutes at most");
        }
        if self.throttle.is_some() && self.at != Phase::Body {
            return Err("throttle is for body");
        }
        if self.throttle.is_some_and(|octets| octets < 100) {
            return Err("throttle is 100 octets a second at least");
        }
        if self.at == Phase::Tls && (self.reply.is_some() || self.drop) {
            return Err("at tls there is breakTls and delay");
        }
        if self.break_tls.is_some() && self.at != Phase::Tls {
            return Err("breakTls is for tls");
        }
        if self.greylist.is_some() && self.at != Phase::Rcpt {
            return Err("greylist is for rcpt");
        }
        if self.keep && self.at != Phase::Message {
            return Err("keep is for message");
        }
        match self.reply.as_deref().map(code_of) {
            Some(None) => Err("a reply begins with a code from 200 to 599"),
            Some(Some(code)) if code < 400 && matches!(self.at, Phase::Data | Phase::Body) => {
                Err("at data and body a reply refuses")
            }
            _ => Ok(()),
        }
    }
}

impl Phase {
    fn is_before(self, other: Self) -> bool {
        let order = |phase| match phase {
            Self::Connect => 0,
            Self::Tls => 1,
            Self::Ehlo => 2,
            Self::Auth => 3,
            Self::Mail => 4,
            Self::Rcpt => 5,
            Self::Data => 6,
            Self::Body => 7,
            Self::Message => 8,
        };
        order(self) < order(other)
    }
}

/// The code that a reply begins with.
fn code_of(reply: &str) -> Option<u16> {
    let code = reply.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ends = reply.as_bytes().get(3).is_none_or(|byte| *byte == b' ');
    code.parse().ok().filter(|code| ends && (200..600).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fault: &str) -> Result<InboxSettings, String> {
        InboxSettings::read(&format!("{{\"faults\": [{fault}]}}"))
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let settings = read(
            r#"{"at": "rcpt", "client": "10.0.0.0/8", "recipient": "*@a.example", "every": 2,
                "rate": {"count": 3, "per": "1m"}, "probability": 0.5, "seed": 7,
                "reply": "450 4.2.0 busy", "delay": "1s500ms"},
               {"at": "body", "largerThan": 1000, "drop": true},
               {"at": "tls", "breakTls": "alert"}, {"at": "tls", "delay": "5s"}"#,
        )
        .unwrap();
        assert!(settings.magic);
        assert_eq!(InboxSettings::read(&settings.to_json()).unwrap(), settings);
    }

    #[test]
    fn a_rule_that_means_nothing_is_told_of() {
        for (fault, why) in [
            (r#"{"at": "rcpt"}"#, "does nothing"),
            (r#"{"at": "rcpt", "reply": "hello"}"#, "code"),
            (r#"{"at": "rcpt", "reply": "999 x"}"#, "code"),
            (r#"{"at": "rcpt", "reply": "4501 x"}"#, "code"),
            (r#"{"at": "data", "reply": "250 ok"}"#, "refuses"),
            (r#"{"at": "rcpt", "throttle": 1000}"#, "body"),
            (r#"{"at": "mail", "recipient": "*", "drop": true}"#, "rcpt"),
            (r#"{"at": "ehlo", "sender": "*", "drop": true}"#, "mail"),
            (r#"{"at": "mail", "drop": true, "probability": 1.5}"#, "between"),
            (r#"{"at": "mail", "drop": true, "nth": 0}"#, "from 1"),
            (r#"{"at": "mail", "delay": "2h"}"#, "ten minutes"),
            (r#"{"at": "mail", "breakTls": "close"}"#, "tls"),
            (r#"{"at": "mail", "odd": 1}"#, "odd"),
            (r#"{"at": "rcpt", "largerThan": 5, "drop": true}"#, "size"),
            (r#"{"at": "mail", "drop": true, "reply": "450 x"}"#, "dropped"),
        ] {
            let said = read(fault).unwrap_err();
            assert!(said.contains(why), "{fault}: {said}");
        }
    }
}
