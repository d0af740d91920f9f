//! The tree walk: which domains above a name have a record, and whose name it is.
//!
//! Source: RFC 9989 section 4.10.

use std::collections::HashMap;

use mailwright_net::dns::{Answer, Resolver};

use super::text::Text;
use crate::name::is_within;

/// Labels of the second name that is asked for, when the first has more: eight questions at most.
const LABELS_MAX: usize = 7;

/// The records found above a name, the longest name first.
pub(super) type Walk = Vec<(String, Text)>;

/// Walks, and remembers what it saw.
pub(super) struct Walker<'a> {
    resolver: &'a dyn Resolver,
    seen: HashMap<String, Option<Text>>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(resolver: &'a dyn Resolver) -> Self {
        Self { resolver, seen: HashMap::new() }
    }

    pub(super) fn resolver(&self) -> &'a dyn Resolver {
        self.resolver
    }

    /// All records from `start` up.
    ///
    /// Errors: a name could not be looked up, so that nothing can be said.
    pub(super) async fn walk(&mut self, start: &str) -> Result<Walk, String> {
        let mut walk = Vec::new();
        let mut name = start;
        loop {
            if let Some(record) = self.record(name).await? {
                let ends = record.suffix.is_some();
                walk.push((name.to_owned(), record));
                if ends {
                    return Ok(walk);
                }
            }
            match above(name) {
                Some(next) => name = next,
                None => return Ok(walk),
            }
        }
    }

    /// The one record at a name.
    async fn record(&mut self, name: &str) -> Result<Option<Text>, String> {
        if let Some(record) = self.seen.get(name) {
            return Ok(record.clone());
        }
        let place = format!("_dmarc.{name}");
        let texts = match self.resolver.txt(&place).await {
            Answer::Found(texts) => texts,
            Answer::Temporary(why) => return Err(format!("{place}: {why}")),
            Answer::NoSuchDomain | Answer::NoData => Vec::new(),
        };
        let mut records = texts.iter().filter_map(|text| Text::parse(text));
        let record = records.next().filter(|_| records.next().is_none());
        self.seen.insert(name.to_owned(), record.clone());
        Ok(record)
    }

    /// Whether an identifier is aligned with an author's domain.
    pub(super) async fn are_aligned(
        &mut self,
        identifier: &str,
        author: &str,
        organization: &str,
        is_strict: bool,
    ) -> Result<bool, String> {
        if identifier == author {
            return Ok(true);
        }
        if is_strict || !is_within(identifier, organization) {
            return Ok(false);
        }
        let walk = self.walk(identifier).await?;
        Ok(self::organization(&walk, identifier) == organization)
    }
}

/// The domain that a name belongs to. Source: RFC 9989 section 4.10.2.
pub(super) fn organization(walk: &Walk, start: &str) -> String {
    for (name, record) in walk {
        match record.suffix {
            Some(false) => return name.clone(),
            Some(true) if name != start => return one_below(name, start).to_owned(),
            Some(true) | None => {}
        }
    }
    walk.last().map_or(start, |(name, _)| name).to_owned()
}

/// The next name to ask for.
pub(super) fn above(name: &str) -> Option<&str> {
    let labels = name.split('.').count();
    let drop = if labels > LABELS_MAX { labels - LABELS_MAX } else { 1 };
    (0..drop).try_fold(name, |name, _| name.split_once('.').map(|(_, rest)| rest))
}

/// The name one label below `domain`, towards `start`.
fn one_below<'a>(domain: &str, start: &'a str) -> &'a str {
    let above = start.len().checked_sub(domain.len() + 1);
    let labels = above.and_then(|end| start.get(..end)).unwrap_or_default();
    let from = labels.rfind('.').map_or(0, |dot| dot + 1);
    start.get(from..).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_asks_eight_times_at_most() {
        let mut name = "a.b.c.d.e.f.g.h.i.j.mail.example";
        let mut asked = vec![name];
        while let Some(next) = above(name) {
            name = next;
            asked.push(next);
        }
        assert_eq!(asked.len(), 8);
        assert_eq!(asked[1], "f.g.h.i.j.mail.example");
        assert_eq!(asked[7], "example");
        assert_eq!(one_below("example", "a.b.example"), "b.example");
        assert_eq!(one_below("b.example", "a.b.example"), "a.b.example");
    }
}
