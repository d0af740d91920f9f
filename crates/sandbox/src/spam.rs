//! A spam score: named rules with points, added up. Nothing is asked of the network.
//!
//! A rule that has a name of `SpamAssassin` is the same rule in words of our own, with about its
//! points, so that people recognise it; the others are ours. It is an estimate: filters learn, and
//! know the sender. Every rule has a message in the tests that fires it, and one that nearly does.

mod body;
mod header;
mod html;
mod link;
mod mime;
mod trace;
mod trust;
mod word;

use crate::facts::Facts;

/// Above this, `SpamAssassin` takes a message for spam where nothing else is configured.
pub const THRESHOLD: f64 = 5.0;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it adds to the score; below 0 it speaks for the message.
    pub points: f64,
    /// What it means, and what to do.
    pub explanation: &'static str,
    fires: fn(&Facts<'_>) -> bool,
}

impl Rule {
    /// Whether it holds for a message.
    pub fn fires(&self, facts: &Facts<'_>) -> bool {
        (self.fires)(facts)
    }
}

const fn rule(
    name: &'static str,
    points: f64,
    fires: fn(&Facts<'_>) -> bool,
    explanation: &'static str,
) -> Rule {
    Rule { name, points, explanation, fires }
}

/// What the rules say of a message.
#[derive(Debug, Clone)]
pub struct SpamScore {
    /// The sum of the points, two digits behind the point.
    pub score: f64,
    /// The rules that hold, the most points first.
    pub hits: Vec<&'static Rule>,
}

impl SpamScore {
    /// Whether the score is that of spam.
    pub fn is_spam(&self) -> bool {
        self.score >= THRESHOLD
    }
}

/// All rules, in the order of reference and reports.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [header::RULES, trace::RULES, mime::RULES, html::RULES, link::RULES, body::RULES, trust::RULES]
        .into_iter()
        .flatten()
}

/// The score of a message.
pub fn spam(facts: &Facts<'_>) -> SpamScore {
    let mut hits: Vec<&'static Rule> = rules().filter(|rule| rule.fires(facts)).collect();
    hits.sort_by(|a, b| b.points.total_cmp(&a.points).then_with(|| a.name.cmp(b.name)));
    let sum: f64 = hits.iter().map(|rule| rule.points).sum();
    SpamScore { score: (sum * 100.0).round() / 100.0, hits }
}

#[cfg(test)]
mod tests;
