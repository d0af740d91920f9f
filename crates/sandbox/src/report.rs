//! All checks of one message, summed up: a text to read, and the numbers that a test can demand.

use std::fmt::Write as _;

use mailwright_words::Timestamp;

use crate::facts::{Context, Facts};
use crate::links::{LinkFinding, lint};
use crate::message::Message;
use crate::spam::{SpamScore, THRESHOLD, spam};
use crate::support::{Audience, Score, Usage, check, score, table};

/// The most features, links or clients that one list of the text names.
const LISTED_MAX: usize = 20;

/// What the checks say of a message.
#[derive(Debug, Clone)]
pub struct Report {
    /// The features that it uses.
    pub usages: Vec<Usage>,
    /// How well clients show it.
    pub support: Score,
    /// What filters think of it.
    pub spam: SpamScore,
    /// The targets of its links, in their order.
    pub targets: Vec<String>,
    /// What is wrong with them.
    pub links: Vec<LinkFinding>,
}

impl Report {
    /// Checks a message whose lines end with CRLF. Nothing is fetched.
    ///
    /// `received` is when it came in, where that is known: dates are compared with it.
    pub fn new(bytes: &[u8], audience: &Audience, received: Option<Timestamp>) -> Self {
        let message = Message::read(bytes);
        let facts = Facts::new(&message, Context { received, ..Context::default() });
        let usages = check(facts.page.as_ref(), &message.names(), &message.medias());
        Self {
            support: score(&usages, audience),
            spam: spam(&facts),
            links: lint(&facts.links, &facts.anchors, &facts.part_ids),
            targets: facts.links.iter().map(|link| link.url.clone()).collect(),
            usages,
        }
    }

    /// The number of this name, as demands have it; see [`NUMBERS`].
    pub fn number(&self, name: &str) -> Option<f64> {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let broken = self.links.iter().filter(|finding| finding.fault.is_broken());
        match name {
            "html" => Some(self.support.total),
            "html.full" => Some(self.support.full),
            "spam" => Some(self.spam.score),
            "links" => Some(count(self.targets.len())),
            "links.broken" => Some(count(broken.count())),
            "links.faults" => Some(count(self.links.len())),
            _ => None,
        }
    }

    /// The report as a text of lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.tell(&mut text).map_or_else(|_| String::new(), |()| text)
    }

    fn tell(&self, text: &mut String) -> std::fmt::Result {
        let (total, full) = (self.support.total, self.support.full);
        writeln!(
            text,
            "HTML and CSS: {total} of 100; all of it works for {full} % of the clients"
        )?;
        for usage in self.troubled().into_iter().take(LISTED_MAX) {
            tell_usage(usage, text)?;
        }
        let word = if self.spam.is_spam() { "spam" } else { "no spam" };
        writeln!(text, "\nSpam score: {:.2}, {word} (spam from {THRESHOLD:.1})", self.spam.score)?;
        for rule in &self.spam.hits {
            writeln!(text, "  {:+.2} {}: {}", rule.points, rule.name, rule.explanation)?;
        }
        writeln!(text, "\nLinks: {}, with {} faults", self.targets.len(), self.links.len())?;
        for finding in self.links.iter().take(LISTED_MAX) {
            let target = self.targets.get(finding.link).map_or("", String::as_str);
            let (name, means) = (finding.fault.name(), finding.fault.explanation());
            writeln!(text, "  {name} {}: {means}", shown(target))?;
        }
        Ok(())
    }

    /// The features that some client does not support, those with the most such clients first.
    fn troubled(&self) -> Vec<&Usage> {
        let mut all: Vec<(usize, &Usage)> =
            self.usages.iter().map(|usage| (usage.findings().len(), usage)).collect();
        all.retain(|(clients, _)| *clients > 0);
        all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.feature.cmp(&b.1.feature)));
        all.into_iter().map(|(_, usage)| usage).collect()
    }
}

fn tell_usage(usage: &Usage, text: &mut String) -> std::fmt::Result {
    let Some(feature) = usage.feature() else { return Ok(()) };
    let place = usage.places.first().map(|place| format!(", line {}:{}", place.line, place.column));
    let names: Vec<String> = usage
        .findings()
        .iter()
        .filter_map(|finding| table().clients.get(finding.client))
        .map(|client| format!("{} {}", client.family_name, client.platform_name))
        .collect();
    let (first, more) = names.split_at(names.len().min(4));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let place = place.unwrap_or_default();
    writeln!(text, "  {}{place}: not whole in {}{more}", feature.title, first.join(", "))
}

/// A target as it is printed: one line, no controls, not endless.
fn shown(target: &str) -> String {
    target.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The numbers that can be demanded, with what each is.
pub const NUMBERS: [(&str, &str); 6] = [
    ("html", "how well clients show it, 0 to 100"),
    ("html.full", "the share of clients that support all it uses, 0 to 100"),
    ("spam", "the spam score"),
    ("links", "links in it"),
    ("links.broken", "links that do not work for a reader"),
    ("links.faults", "faults of links, of any kind"),
];

/// A condition under which a check fails, such as `html<90`.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The name of the number.
    pub name: String,
    /// Whether it fails below the bound, rather than above.
    pub below: bool,
    /// The bound; reaching it does not fail.
    pub bound: f64,
}

/// Why text is no demand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DemandError {
    /// It has another form.
    #[error("{0:?} is no condition such as html<90 or spam>3")]
    Form(String),
    /// It is no number of a report.
    #[error("{0:?} is not counted; what is: {1}")]
    Name(String, String),
}

impl Demand {
    /// Reads conditions such as `html<90,spam>3,links.broken>0`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, DemandError> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, DemandError> {
        let bad = || DemandError::Form(text.to_owned());
        let below = text.contains('<');
        let (name, bound) = text.split_once(['<', '>']).ok_or_else(bad)?;
        let name = name.trim().to_owned();
        if !NUMBERS.iter().any(|(known, _)| *known == name) {
            let known: Vec<&str> = NUMBERS.iter().map(|(known, _)| *known).collect();
            return Err(DemandError::Name(name, known.join(", ")));
        }
        let bound: f64 =
            bound.trim().parse().ok().filter(|b: &f64| b.is_finite()).ok_or_else(bad)?;
        Ok(Self { name, below, bound })
    }

    /// The sentence that says so when it fails.
    pub fn failure(&self, report: &Report) -> Option<String> {
        let number = report.number(&self.name)?;
        let fails = if self.below { number < self.bound } else { number > self.bound };
        let word = if self.below { "below" } else { "above" };
        fails.then(|| format!("{} is {number}, which is {word} {}", self.name, self.bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"From: Ann <ann@mail.test>\r\nTo: bob@mail.test\r\nSubject: Hello\r\n\
        Date: Wed, 25 Nov 2026 06:00:00 +0000\r\nMessage-ID: <1@mail.test>\r\n\r\nHello Bob\r\n";
    const BAD: &[u8] = b"Subject: WIN BIG MONEY NOW\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/html; charset=utf-8\r\n\r\n\
        <style>p{display:grid;gap:1px}</style><p><a href='http://localhost/'>x</a>\
        <a href='#nowhere'>y</a>\r\n";

    fn of(bytes: &[u8]) -> Report {
        Report::new(bytes, &Audience::Current, None)
    }

    #[test]
    fn a_good_message_meets_what_a_bad_one_fails() {
        let (good, bad) = (of(GOOD), of(BAD));
        let demands = Demand::parse_all("html<98, spam>1, links.broken>0").unwrap();
        let failures = |report| demands.iter().filter_map(|one| one.failure(report)).count();
        assert_eq!(failures(&good), 0, "{}", good.text());
        assert_eq!(failures(&bad), 3, "{}", bad.text());
    }

    #[test]
    fn the_text_names_features_rules_and_links() {
        let text = of(BAD).text();
        for word in ["display", "line 1:", "MISSING_", "link-local", "link-no-anchor"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(of(GOOD).text().contains("100 of 100"));
    }

    #[test]
    fn every_number_can_be_asked_for_and_nothing_else() {
        let report = of(BAD);
        for (name, _) in NUMBERS {
            assert!(report.number(name).is_some(), "{name}");
        }
        for bad in ["html", "html<", "html<x", "nothing>1", "spam>inf", "<3"] {
            assert!(Demand::parse_all(bad).is_err(), "{bad}");
        }
        assert_eq!(Demand::parse_all(""), Ok(Vec::new()));
    }
}
