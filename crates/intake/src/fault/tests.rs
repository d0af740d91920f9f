//! Rules strike where, whom and as often as they say, each time the same.

use std::time::Duration;

use mailwright_config::{BreakTls, InboxSettings, Phase};
use mailwright_words::Timestamp;

use super::lab::{is_like, reply};
use super::*;

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);

fn lab(faults: &str) -> Lab {
    Lab::new(InboxSettings::read(&format!("{{\"faults\": [{faults}]}}")).unwrap())
}

fn moment<'a>(at: Phase, sender: &'a str, recipients: &'a [String]) -> Moment<'a> {
    Moment {
        at,
        client: Some("::ffff:192.0.2.1".parse().unwrap()),
        hello: "client.example",
        sender: Some(sender),
        recipients,
        size: None,
        now: NOW,
    }
}

/// Which of `count` moments it strikes.
fn strikes(lab: &Lab, count: u64) -> Vec<u64> {
    let at = moment(Phase::Mail, "a@a.example", &[]);
    (1..=count).filter(|_| !lab.strike(&at).is_nothing()).collect()
}

fn struck(faults: &str) -> Vec<u64> {
    strikes(&lab(faults), 10)
}

#[test]
fn patterns_hold_in_any_case() {
    for (pattern, text, holds) in [
        ("*", "", true),
        ("*@a.example", "Ann@A.example", true),
        ("ann@*", "ann@b.example", true),
        ("a*n@*.example", "annn@b.example", true),
        ("a*n@*.example", "ann@b.test", false),
        ("ann", "anna", false),
        ("*ab", "ab", true),
        ("ab*ab", "ab", false),
        ("", "x", false),
    ] {
        assert_eq!(is_like(pattern, text), holds, "{pattern} {text}");
    }
}

#[test]
fn turns_are_counted() {
    assert_eq!(struck(r#"{"at": "mail", "drop": true, "nth": 3}"#), [3]);
    assert_eq!(struck(r#"{"at": "mail", "drop": true, "every": 4}"#), [4, 8]);
    assert_eq!(struck(r#"{"at": "mail", "drop": true, "first": 2}"#), [1, 2]);
    assert_eq!(struck(r#"{"at": "rcpt", "drop": true}"#), [0_u64; 0]);
    let rate = r#"{"at": "mail", "reply": "421 busy", "rate": {"count": 3, "per": "1m"}}"#;
    assert_eq!(struck(rate), [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(lab(r#"{"at": "mail", "drop": true, "nth": 2}"#).struck(), [0]);
}

#[test]
fn a_rate_lets_through_again_after_its_time() {
    let lab = lab(r#"{"at": "mail", "drop": true, "rate": {"count": 2, "per": "10s"}}"#);
    assert_eq!(strikes(&lab, 3).len(), 1);
    let now = NOW.plus(Duration::from_secs(5));
    let later = Moment { now, ..moment(Phase::Mail, "a@a.example", &[]) };
    assert!(lab.strike(&later).is_nothing());
    assert!(lab.strike(&later).drops);
}

#[test]
fn chance_is_the_same_each_time_and_near_its_share() {
    let fault =
        |seed| format!(r#"{{"at": "mail", "drop": true, "probability": 0.3, "seed": {seed}}}"#);
    let hits = |seed: u64| {
        let lab = lab(&fault(seed));
        let at = moment(Phase::Mail, "a@a.example", &[]);
        (0..1000).filter(|_| lab.strike(&at).drops).collect::<Vec<u32>>()
    };
    assert_eq!(hits(7), hits(7));
    assert_ne!(hits(7), hits(8));
    assert!((250..350).contains(&hits(7).len()), "{}", hits(7).len());
    assert_eq!(struck(r#"{"at": "mail", "drop": true, "probability": 0.0}"#).len(), 0);
    assert_eq!(struck(r#"{"at": "mail", "drop": true, "probability": 1.0}"#).len(), 10);
}

#[test]
fn a_rule_is_about_whom_it_names() {
    let to = ["ann@a.example".to_owned()];
    for (fault, fits) in [
        (r#"{"at": "rcpt", "drop": true, "recipient": "ann@*"}"#, true),
        (r#"{"at": "rcpt", "drop": true, "recipient": "bob@*"}"#, false),
        (r#"{"at": "rcpt", "drop": true, "sender": "app@*"}"#, true),
        (r#"{"at": "rcpt", "drop": true, "client": "192.0.2.0/24"}"#, true),
        (r#"{"at": "rcpt", "drop": true, "client": "198.51.100.0/24"}"#, false),
        (r#"{"at": "rcpt", "drop": true, "hello": "*.example"}"#, true),
        (r#"{"at": "rcpt", "drop": true, "hello": "other"}"#, false),
    ] {
        let at = moment(Phase::Rcpt, "app@shop.example", &to);
        assert_eq!(lab(fault).strike(&at).drops, fits, "{fault}");
    }
    let large = lab(r#"{"at": "message", "drop": true, "largerThan": 100}"#);
    for (size, fits) in [(100, false), (101, true)] {
        let at = Moment { size: Some(size), ..moment(Phase::Message, "a", &to) };
        assert_eq!(large.strike(&at).drops, fits, "{size}");
    }
}

#[test]
fn waits_add_up_until_a_reply() {
    let lab = lab(
        r#"{"at": "mail", "delay": "1s"}, {"at": "mail", "delay": "2s", "reply": "451 4.3.0 no"},
           {"at": "mail", "delay": "4s"}, {"at": "tls", "breakTls": "alert"},
           {"at": "body", "throttle": 1000, "largerThan": 5}"#,
    );
    let at = |phase| lab.strike(&moment(phase, "a", &[]));
    let strike = at(Phase::Mail);
    assert_eq!(strike.delay, Duration::from_secs(3));
    assert_eq!(strike.reply.unwrap().to_string(), "451 4.3.0 no");
    assert_eq!(at(Phase::Tls).breaks, Some(BreakTls::Alert));
    assert_eq!((at(Phase::Body).throttle, at(Phase::Body).beyond), (Some(1000), 5));
    assert_eq!(lab.struck(), [1, 1, 0, 1, 2]);
}

#[test]
fn a_greylisted_pair_comes_through_in_time() {
    let lab = lab(r#"{"at": "rcpt", "greylist": "1m"}"#);
    let to = ["ann@a.example".to_owned()];
    let at = |seconds, sender| {
        let now = NOW.plus(Duration::from_secs(seconds));
        let strike = lab.strike(&Moment { now, ..moment(Phase::Rcpt, sender, &to) });
        strike.reply.map(|reply| reply.code)
    };
    assert_eq!(at(0, "a@a.example"), Some(450));
    assert_eq!(at(59, "a@a.example"), Some(450));
    assert_eq!(at(60, "b@a.example"), Some(450));
    assert_eq!(at(60, "A@a.example"), None);
    assert_eq!(at(61, "a@a.example"), None);
}

#[test]
fn a_pair_is_put_off_as_often_as_its_name_says() {
    let lab = lab("");
    let tries = |key: &str| (0..6).map(|_| lab.defers(key, 2)).collect::<Vec<_>>();
    assert_eq!(tries("a"), [true, true, false, true, true, false]);
    assert!(lab.defers("b", 1) && !lab.defers("b", 1));
    assert!(!lab.defers("c", 0));
}

#[test]
fn replies_are_read_with_their_status_or_without() {
    for text in ["550 5.1.1 No such user", "421 Bye", "250 2.0.0 ok"] {
        assert_eq!(reply(text).to_string(), text);
    }
    assert_eq!(reply("550").code, 550);
    assert_eq!(reply("452 4.2.2 one\ntwo").lines, ["one", "two"]);
}
