//! What has to hold for any input: the body of the fuzz target of this crate.
//!
//! `fuzz/` calls it with inputs that a fuzzer invents, the tests here with the corpus.

use std::time::Duration;

use mailwright_config::{InboxSettings, Phase};
use mailwright_words::{Address, Timestamp};

use crate::fault::{Lab, Moment, Strike, is_like};
use crate::magic::{self, Magic};

/// Where a session goes through, in its order.
const PHASES: [Phase; 9] = [
    Phase::Connect,
    Phase::Tls,
    Phase::Ehlo,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body,
    Phase::Message,
];
const BEGIN: Timestamp = Timestamp::new(1_800_000_000_000);
/// Sessions that come one after the other.
const SESSIONS: u32 = 6;
/// Longest waits of all rules of an inbox that one moment may make: ten minutes each, 200 rules.
const DELAYS_MAX: Duration = Duration::from_mins(2000);

/// Settings of an inbox are read as they are written, and its rules do the same each time.
///
/// The first line is a session: a name, a sender and a recipient, parted by blanks. The rest is
/// the settings.
pub fn fault(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (session, json) = text.split_once('\n').unwrap_or(("", &text));
    let mut words = session.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (hello, sender, recipient) = (word(), word(), word());
    patterns(hello, sender);
    names(recipient);
    let settings = match InboxSettings::read(json) {
        Ok(settings) => settings,
        Err(why) => {
            assert!(!why.is_empty(), "what is wrong is said");
            return;
        }
    };
    assert_eq!(InboxSettings::read(&settings.to_json()).as_ref(), Ok(&settings));
    let session = Session { hello, sender, recipients: vec![recipient.to_owned()] };
    let first = session.strikes(&settings);
    assert_eq!(session.strikes(&settings), first, "the same rules do the same");
}

/// A session of a client, as rules look at it.
struct Session<'a> {
    hello: &'a str,
    sender: &'a str,
    recipients: Vec<String>,
}

impl Session<'_> {
    fn moment(&self, at: Phase, turn: u32) -> Moment<'_> {
        let has_sender = !matches!(at, Phase::Connect | Phase::Tls | Phase::Ehlo | Phase::Auth);
        let has_recipients = has_sender && at != Phase::Mail;
        Moment {
            at,
            client: "::ffff:192.0.2.1".parse().ok(),
            hello: self.hello,
            sender: has_sender.then_some(self.sender),
            recipients: if has_recipients { &self.recipients } else { &[] },
            size: Some(u64::from(turn) * 1000),
            now: BEGIN.plus(Duration::from_secs(20 * u64::from(turn))),
        }
    }

    /// What befalls it and those that come after it.
    fn strikes(&self, settings: &InboxSettings) -> Vec<Strike> {
        let lab = Lab::new(settings.clone());
        let moments = (0..SESSIONS).flat_map(|turn| PHASES.map(|at| self.moment(at, turn)));
        let all: Vec<Strike> = moments.map(|moment| struck(&lab, &moment)).collect();
        for (struck, fault) in lab.struck().iter().zip(&settings.faults) {
            assert!(*struck <= u64::from(SESSIONS), "{fault:?} strikes once a session");
            assert!(fault.nth.is_none() || *struck <= 1, "{fault:?} strikes one of them");
            assert!(fault.first.is_none_or(|first| *struck <= first), "{fault:?}");
        }
        all
    }
}

/// What befalls a session at a moment, which is something that can be done there.
fn struck(lab: &Lab, moment: &Moment<'_>) -> Strike {
    let strike = lab.strike(moment);
    assert!(strike.delay <= DELAYS_MAX);
    assert!(strike.reply.is_none() || !strike.drops, "who is hung up on is told nothing");
    assert!(strike.breaks.is_none() || moment.at == Phase::Tls);
    assert!(strike.throttle.is_none_or(|octets| octets >= 100 && moment.at == Phase::Body));
    assert!(!strike.keeps || moment.at == Phase::Message);
    if let Some(reply) = &strike.reply {
        assert!((200..600).contains(&reply.code), "{reply:?}");
        let wire = reply.to_wire();
        assert!(wire.ends_with(b"\r\n"));
        let lines = String::from_utf8_lossy(&wire).matches("\r\n").count();
        assert_eq!(lines, reply.lines.len(), "{reply:?} says a line that is none of its own");
    }
    strike
}

/// Whether a text is like a pattern is what trying each way would find.
fn patterns(pattern: &str, text: &str) {
    let (pattern, text) = (cut(pattern).to_lowercase(), cut(text).to_lowercase());
    let chars: Vec<char> = text.chars().collect();
    // The places of the text up to which the pattern reaches.
    let mut reached = vec![false; chars.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for sign in pattern.chars() {
        let before = reached.clone();
        let goes_on = |at: usize| {
            let is_next = || at > 0 && chars.get(at - 1) == Some(&sign);
            match sign {
                '*' => before.iter().take(at + 1).any(|is| *is),
                _ => is_next() && before.get(at - 1) == Some(&true),
            }
        };
        reached = (0..before.len()).map(goes_on).collect();
    }
    assert_eq!(is_like(&pattern, &text), reached.last() == Some(&true), "{pattern:?} {text:?}");
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(60.min(text.len()))).unwrap_or_default()
}

/// What the name of a recipient asks for can be done.
fn names(recipient: &str) {
    let Ok(address) = Address::parse(recipient) else { return };
    match magic::of(&address) {
        Some(Magic::Bounce(reply) | Magic::Reject(reply)) => {
            assert!((400..600).contains(&reply.code), "{reply:?}");
            assert!(reply.to_wire().ends_with(b"\r\n"));
            let class = reply.status.map(|status| status.to_string());
            let first = reply.code.to_string().chars().next();
            assert_eq!(class.and_then(|class| class.chars().next()), first, "{reply:?}");
        }
        Some(Magic::Defer(times)) => assert!((1..=100).contains(&times)),
        Some(Magic::Slow(time)) => assert!(time <= Duration::from_mins(10)),
        Some(Magic::Complaint) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use mailwright_testkit::fuzz::play;

    #[test]
    fn every_input_of_the_corpus_holds() {
        play("fault", super::fault);
    }
}
