//! The way a message came: its `Received` fields, oldest first, with the time between them.
//!
//! Source: RFC 5321 section 4.4.

use std::time::Duration;

use mailwright_mime::sent_date;
use mailwright_words::{HeaderBlock, Timestamp};

use crate::{Check, Section};

/// Hops that are told of.
const HOPS_MAX: usize = 50;
/// A delay that is told of.
const SLOW: Duration = Duration::from_mins(5);
/// How far clocks may differ before it is told of.
const SKEW: Duration = Duration::from_mins(1);

pub(super) fn examine(message: &[u8]) -> Section {
    let mut section = Section::new("hops");
    let block = HeaderBlock::new(message);
    let fields = block.fields().filter(|field| field.name.eq_ignore_ascii_case("Received"));
    let mut hops: Vec<String> =
        fields.take(HOPS_MAX).map(|field| field.text().into_owned()).collect();
    hops.reverse();
    let mut before: Option<Timestamp> = block.find("Date").and_then(|field| sent_date(field.value));
    for (number, text) in hops.iter().enumerate() {
        let at = text.rsplit_once(';').and_then(|(_, date)| sent_date(date.as_bytes()));
        section.push(hop(number + 1, text, before, at));
        before = at.or(before);
    }
    section
}

fn hop(number: usize, text: &str, before: Option<Timestamp>, at: Option<Timestamp>) -> Check {
    const ID: &str = "message.hop";
    let title = format!("Hop {number}");
    let way = format!(
        "from {} by {} with {}",
        word(text, "from").unwrap_or("nowhere"),
        word(text, "by").unwrap_or("somebody"),
        word(text, "with").unwrap_or("something"),
    );
    let (Some(before), Some(at)) = (before, at) else {
        return Check::right(ID, title, way).tried("its Received field");
    };
    let (later, earlier) = (at.since(before), before.since(at));
    let check = if later > SLOW {
        Check::warning(ID, title, format!("{way}, after {} s", later.as_secs()))
            .means("It waited there: in a queue, for greylisting, or for a host that was down.")
            .mend("The queue or the log of the host before this one says why.")
    } else if earlier > SKEW {
        let found = format!("{way}, {} s before it was there", earlier.as_secs());
        Check::unknown(ID, title, found)
            .means("The clock of this host or of the one before is wrong: delays are not known.")
            .mend("If one of them is yours, switch on time synchronization.")
    } else {
        Check::right(ID, title, format!("{way}, after {} s", later.as_secs()))
    };
    check.tried("its Received field")
}

/// The word behind a keyword.
fn word<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let mut words = text.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case(keyword))?;
    words.next().map(|word| word.trim_end_matches(';'))
}
