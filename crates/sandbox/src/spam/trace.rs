//! Rules about time and way: dates against the clock, and what servers wrote.

use super::{Rule, rule};
use crate::facts::Facts;

pub(super) const RULES: &[Rule] = &[
    rule("DATE_IN_PAST_03_06", 1.6, |f| is_past(f, 3, 6), "Date is three to six hours ago."),
    rule("DATE_IN_PAST_06_12", 1.5, |f| is_past(f, 6, 12), "Date is six to twelve hours ago."),
    rule("DATE_IN_PAST_12_24", 0.8, |f| is_past(f, 12, 24), "Date is half a day to a day ago."),
    rule("DATE_IN_PAST_24_48", 1.3, |f| is_past(f, 24, 48), "Date is one to two days ago."),
    rule("DATE_IN_PAST_48_96", 1.5, |f| is_past(f, 48, 96), "Date is two to four days ago."),
    rule(
        "DATE_IN_PAST_96_XX",
        2.1,
        |f| is_past(f, 96, i64::MAX),
        "Date is more than four days ago.",
    ),
    rule("DATE_IN_FUTURE_03_06", 2.4, |f| is_future(f, 3, 6), "Date is three to six hours ahead."),
    rule(
        "DATE_IN_FUTURE_06_12",
        1.9,
        |f| is_future(f, 6, 12),
        "Date is six to twelve hours ahead.",
    ),
    rule(
        "DATE_IN_FUTURE_12_24",
        2.6,
        |f| is_future(f, 12, 24),
        "Date is half a day to a day ahead.",
    ),
    rule("DATE_IN_FUTURE_24_48", 2.6, |f| is_future(f, 24, 48), "Date is one to two days ahead."),
    rule("DATE_IN_FUTURE_48_96", 2.4, |f| is_future(f, 48, 96), "Date is two to four days ahead."),
    rule(
        "DATE_IN_FUTURE_96_XX",
        2.5,
        |f| is_future(f, 96, i64::MAX),
        "Date is more than four days ahead; look at the clock and its zone.",
    ),
    rule(
        "RDNS_NONE",
        0.8,
        |f| {
            let trace = f.value("received").to_ascii_lowercase();
            trace.contains("(unknown [")
                || trace.contains("([unknown]")
                || trace.contains("(may be forged)")
        },
        "The address that sent it has no name in the DNS; set its reverse name.",
    ),
    rule(
        "HELO_LOCALHOST",
        0.6,
        |f| {
            let trace = f.value("received").to_ascii_lowercase();
            let helo = trace.strip_prefix("from ").and_then(|rest| rest.split(' ').next());
            helo.is_some_and(|helo| {
                helo.starts_with("localhost") || helo.rsplit('.').next() == Some("local")
            }) && !trace.contains("[127.0.0.1]")
        },
        "The sending server calls itself localhost; set its host name.",
    ),
];

/// How many hours before its arrival the message says it was sent, in milliseconds.
fn late(facts: &Facts<'_>) -> Option<i64> {
    Some(facts.received()?.ms().saturating_sub(facts.sent()?.ms()))
}

const HOUR: i64 = 3_600_000;

fn is_past(facts: &Facts<'_>, from: i64, to: i64) -> bool {
    late(facts).is_some_and(|ms| ms >= from * HOUR && ms < to.saturating_mul(HOUR))
}

fn is_future(facts: &Facts<'_>, from: i64, to: i64) -> bool {
    late(facts).is_some_and(|ms| ms <= -from * HOUR && ms > to.saturating_mul(-HOUR))
}
