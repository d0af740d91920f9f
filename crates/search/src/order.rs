//! `SORT`: rows in an order that is made of what their messages say.
//!
//! Values stand in columns, one for each key, so that a comparison touches no more than it needs.
//! Source: RFC 5256 sections 2.2 and 3, RFC 5957.

use std::cmp::Ordering;

use mailwright_imap::{Criterion, SortKey};
use mailwright_mime::{Digest, SortText};
use mailwright_view::Row;

/// Rows that are being put in an order.
#[derive(Debug)]
pub struct Order {
    uids: Vec<u32>,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    reverse: bool,
    by: Criterion,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Numbers(Vec<i64>),
    /// Where each text ends, and all of them in one.
    Texts(Vec<usize>, Vec<u8>),
}

impl Order {
    /// An order by `keys`, the first weighing most.
    pub fn new(keys: &[SortKey]) -> Self {
        let column = |key: &SortKey| {
            let values = match text(key.by) {
                Some(_) => Values::Texts(Vec::new(), Vec::new()),
                None => Values::Numbers(Vec::new()),
            };
            Column { reverse: key.reverse, by: key.by, values }
        };
        Self { uids: Vec::new(), columns: keys.iter().map(column).collect() }
    }

    /// Whether rows alone give it.
    pub fn needs_only_rows(keys: &[SortKey]) -> bool {
        keys.iter().all(|key| matches!(key.by, Criterion::Arrival | Criterion::Size))
    }

    /// Adds a row; one whose message is gone has no digest.
    pub fn add(&mut self, row: &Row, digest: Option<&Digest<'_>>) {
        self.uids.push(row.uid);
        for column in &mut self.columns {
            match &mut column.values {
                Values::Numbers(numbers) => numbers.push(number(column.by, row, digest)),
                Values::Texts(ends, texts) => {
                    let value = digest.zip(text(column.by));
                    texts.extend_from_slice(value.map_or(&[], |(digest, by)| digest.sort_text(by)));
                    ends.push(texts.len());
                }
            }
        }
    }

    /// The UIDs of all rows in their order; equal ones stand by UID.
    pub fn finish(self) -> Vec<u32> {
        let Self { uids, columns } = self;
        if let [Column { reverse, values: Values::Numbers(numbers), by: _ }] = columns.as_slice() {
            return by_number(&uids, numbers, *reverse);
        }
        let mut places: Vec<usize> = (0..uids.len()).collect();
        let uid = |place: usize| uids.get(place).copied().unwrap_or_default();
        places.sort_unstable_by(|&ours, &theirs| {
            let mut each = columns.iter().map(|column| column.compare(ours, theirs));
            let decided = each.find(|order| order.is_ne());
            decided.unwrap_or(Ordering::Equal).then_with(|| uid(ours).cmp(&uid(theirs)))
        });
        places.into_iter().map(uid).collect()
    }
}

fn by_number(uids: &[u32], numbers: &[i64], reverse: bool) -> Vec<u32> {
    // The bits' complement turns the order of numbers around, and overflows never.
    let key = |number: i64| if reverse { !number } else { number };
    let mut pairs: Vec<(i64, u32)> =
        numbers.iter().zip(uids).map(|(&number, &uid)| (key(number), uid)).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, uid)| uid).collect()
}

impl Column {
    fn compare(&self, ours: usize, theirs: usize) -> Ordering {
        let order = match &self.values {
            Values::Numbers(numbers) => numbers.get(ours).cmp(&numbers.get(theirs)),
            Values::Texts(ends, texts) => piece(ends, texts, ours).cmp(piece(ends, texts, theirs)),
        };
        if self.reverse { order.reverse() } else { order }
    }
}

fn piece<'a>(ends: &[usize], texts: &'a [u8], place: usize) -> &'a [u8] {
    let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(place).copied().unwrap_or(start);
    texts.get(start..end).unwrap_or_default()
}

fn number(by: Criterion, row: &Row, digest: Option<&Digest<'_>>) -> i64 {
    match by {
        Criterion::Arrival => row.internal_date.ms(),
        Criterion::Size => i64::try_from(row.size).unwrap_or(i64::MAX),
        _ => sent_ms(row, digest),
    }
}

/// When a message was sent, in epoch milliseconds; when it came, if it does not say.
///
/// Source: RFC 5256 section 2.2.
pub(crate) fn sent_ms(row: &Row, digest: Option<&Digest<'_>>) -> i64 {
    digest.and_then(Digest::sent).map_or(row.internal_date, |sent| sent.at).ms()
}

const fn text(by: Criterion) -> Option<SortText> {
    match by {
        Criterion::Arrival | Criterion::Date | Criterion::Size => None,
        Criterion::Cc => Some(SortText::Cc),
        Criterion::From => Some(SortText::From),
        Criterion::Subject => Some(SortText::Subject),
        Criterion::To => Some(SortText::To),
        Criterion::DisplayFrom => Some(SortText::DisplayFrom),
        Criterion::DisplayTo => Some(SortText::DisplayTo),
    }
}

#[cfg(test)]
mod tests;
