//! Reads the dates of messages, with the obsolete forms and what writers get wrong.
//!
//! Source: RFC 5322 sections 3.3 and 4.3; RFC 5256 section 2.2 for what an invalid time means.

use mailwright_words::Timestamp;

use crate::token::{Lexer, Token};

/// The most tokens of a date that are looked at.
const TOKENS_MAX: usize = 40;
const DAY_SECONDS: i64 = 86_400;

/// When a message says it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The moment.
    pub at: Timestamp,
    /// The day as it was written, in days since 1970-01-01, time and zone left out: `SENTON` and
    /// its like compare it. Source: RFC 9051 section 6.4.4.
    pub day: i64,
}

/// The moment of a `Date` field; nothing when it names no day.
pub fn sent_date(value: &[u8]) -> Option<Timestamp> {
    sent(value).map(|sent| sent.at)
}

/// The moment and the day of a `Date` field.
pub fn sent(value: &[u8]) -> Option<Sent> {
    let words = words(value);
    let (day, rest) = written_day(&words)?;
    // `Nov 24 06:15:37 2026` has its year behind the time.
    let time_at = rest.iter().position(|word| word.contains(':'));
    let time = time_at.and_then(|at| time(rest.get(at)?)).unwrap_or(0);
    let zone = time_at.and_then(|at| rest.get(at + 1..)).unwrap_or_default();
    let offset = zone.iter().find_map(|word| zone_seconds(word)).unwrap_or(0);
    let seconds = day * DAY_SECONDS + time - offset;
    Some(Sent { at: Timestamp::new(seconds * 1000), day })
}

/// The words of a date: comments go, and so do commas.
fn words(value: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut glue = false;
    for spaced in Lexer::new(value).take(TOKENS_MAX) {
        let text = match spaced.token {
            Token::Word(word) | Token::Quoted(word) | Token::Literal(word) => word,
            Token::Special(b':') => b":",
            Token::Special(b'.') => b".",
            Token::Special(_) | Token::Comment(_) => {
                glue = false;
                continue;
            }
        };
        let text = String::from_utf8_lossy(text);
        // A time is one word, also when it was written with blanks.
        let is_colon = &*text == ":" || &*text == ".";
        match words.last_mut() {
            Some(last) if is_colon || glue => last.push_str(&text),
            _ => words.push(text.into_owned()),
        }
        glue = is_colon;
    }
    words
}

/// The day that is written, and the words in which its time and zone are.
fn written_day(words: &[String]) -> Option<(i64, &[String])> {
    let is_month = |word: &String| month(word).is_some();
    if let Some(at) = words.iter().position(is_month) {
        let month = month(words.get(at)?)?;
        let before = at.checked_sub(1).and_then(|at| number(words.get(at)?));
        // Day and month, or month and day as `ctime` has them.
        let (day, mut next) = match before {
            Some(day) => (day, at + 1),
            None => (number(words.get(at + 1)?)?, at + 2),
        };
        let rest = words.get(at + 1..)?;
        let year = match words.get(next).and_then(number) {
            Some(year) => {
                next += 1;
                year
            }
            None => rest.iter().rev().filter_map(number).find(|&n| n >= 1900)?,
        };
        return Some((day_number(year_of(year), month, day)?, words.get(next..)?));
    }
    iso(words)
}

/// `2026-11-24 06:15:37`, or with a `T`.
fn iso(words: &[String]) -> Option<(i64, &[String])> {
    let first = words.iter().position(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let word = words.get(first)?;
    let date = word.get(..10)?;
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_timed = word.as_bytes().get(10) == Some(&b'T');
    let from = if is_timed { first } else { first + 1 };
    Some((day_number(year, month, day)?, words.get(from..)?))
}

/// `24-Nov-2026` does not come in messages; a word is a month by its first three letters.
fn month(word: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?;
    let place = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(month))?;
    i64::try_from(place + 1).ok()
}

fn number(word: impl AsRef<str>) -> Option<i64> {
    let word = word.as_ref();
    (word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok())?
}

/// The year that one of two or three digits means. Source: RFC 5322 section 4.3.
const fn year_of(year: i64) -> i64 {
    match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        _ => year,
    }
}

/// Seconds of a day of `hh:mm`, with seconds or without; nothing when it is no time.
fn time(word: &str) -> Option<i64> {
    let word = word.split_once('T').map_or(word, |(_, time)| time);
    let word = word.split(['.', '+', '-', 'Z', 'z']).next()?;
    let mut parts = word.split(':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    let is_time = hour < 24 && minute < 60 && second <= 60;
    is_time.then_some(hour * 3600 + minute * 60 + second)
}

/// The seconds that a zone is ahead of UTC; nothing when the word is no zone.
///
/// Source: RFC 5322 section 4.3. A letter of the military zones says nothing, and is UTC.
fn zone_seconds(word: &str) -> Option<i64> {
    let upper = word.to_ascii_uppercase();
    let hours = match upper.as_str() {
        "UT" | "UTC" | "GMT" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" => 1,
        "CEST" | "EET" => 2,
        _ => return numeric_zone(&upper),
    };
    Some(hours * 3600)
}

fn numeric_zone(word: &str) -> Option<i64> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|&c| c != ':').collect();
    let value = number(&digits).filter(|_| digits.len() == 4)?;
    let (hours, minutes) = (value / 100, value % 100);
    (minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; nothing when there is no such day.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || !(1..=9999).contains(&year) {
        return None;
    }
    // Years start in March here, so that the day that may be missing is the last one.
    let year = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_every_form_are_read() {
        for (value, expected) in [
            ("Tue, 24 Nov 2026 06:15:37 +0000", Some(1_795_500_937)),
            ("24 Nov 2026 06:15:37 +0000", Some(1_795_500_937)),
            ("Tue, 24 Nov 2026 06:15 +0000", Some(1_795_500_900)),
            ("Tue, 24 Nov 2026 08:15:37 +0200 (EET)", Some(1_795_500_937)),
            ("Tue, 24 Nov 2026 01:15:37 EST", Some(1_795_500_937)),
            ("Tue,24 Nov 2026 06:15:37 GMT", Some(1_795_500_937)),
            // RFC 5322 appendix A.1.1, A.5 and A.6.2.
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some(880_127_706)),
            (
                "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n            \
              -0330 (Newfoundland Time)",
                Some(-27_723_480),
            ),
            ("21 Nov 97 09:55:06 GMT", Some(880_106_106)),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Some(880_127_706)),
            ("Tue Nov 24 06:15:37 2026", Some(1_795_500_937)),
            ("Tue Nov 24 06:15:37 2026 +0000", Some(1_795_500_937)),
            ("2026-11-24T06:15:37Z", Some(1_795_500_937)),
            ("2026-11-24 06:15:37 +0100", Some(1_795_497_337)),
            ("24 Nov 126 06:15:37 GMT", Some(1_795_500_937)),
            ("24 November 2026 06:15:37", Some(1_795_500_937)),
            ("Tue, 24 Nov 2026 99:99:99 +0000", Some(1_795_478_400)),
            ("Tue, 24 Nov 2026", Some(1_795_478_400)),
            ("Tue, 24 Nov 2026 06:15:37 Q", Some(1_795_500_937)),
            ("Thu, 29 Feb 2024 00:00:00 +0000", Some(1_709_164_800)),
            ("Thu, 29 Feb 2023 00:00:00 +0000", None),
            ("Tue, 31 Foo 2026", None),
            ("yesterday", None),
            ("", None),
        ] {
            let seconds = sent_date(value.as_bytes()).map(|at| at.ms() / 1000);
            assert_eq!(seconds, expected, "{value}");
        }
    }

    #[test]
    fn the_written_day_knows_no_zone() {
        let day = |value: &[u8]| sent(value).unwrap().day;
        assert_eq!(day(b"1 Jan 1970 23:00:00 -0800"), 0);
        assert_eq!(day(b"2 Jan 1970 00:00:00 +1200"), 1);
    }
}
