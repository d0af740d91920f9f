//! Demands: numbers of a report that a test may not go past.

use super::Report;
use crate::auth::OneClick;
use crate::verdict::Word;

/// The numbers that can be demanded, with what each is.
pub const NUMBERS: [(&str, &str); 20] = [
    ("html", "how well clients show it, 0 to 100"),
    ("html.full", "the share of clients that support all it uses, 0 to 100"),
    ("spam", "the spam score"),
    ("links", "links in it"),
    ("links.broken", "links that do not work for a reader, by their look or when asked"),
    ("links.faults", "faults of links, of any kind"),
    ("structure", "faults of parts, header and accessibility, without notes"),
    ("structure.errors", "those among them that are errors"),
    ("auth", "faults of where it is from: errors and warnings about SPF, DKIM, DMARC, one click"),
    ("auth.spf", "1 where SPF passes, else 0"),
    ("auth.dkim", "good signatures"),
    ("auth.dmarc", "1 where DMARC passes, else 0"),
    ("auth.oneclick", "1 where unsubscribing with one click works, else 0; mailings alone"),
    ("auth.unknown", "what of that could not be found out"),
    ("lists", "addresses and domains of it that blocklists have"),
    ("lists.unknown", "blocklists, and questions of them, without an answer to rely on"),
    ("spamd", "the score of `spamd`"),
    ("rspamd", "the score of rspamd"),
    ("errors", "findings of any kind that are errors"),
    ("warnings", "findings of any kind that are warnings"),
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

    /// The sentence that says so when it fails; a number that is not known fails.
    pub fn failure(&self, report: &Report) -> Option<String> {
        let Some(number) = report.number(&self.name) else {
            return Some(format!("{} is not known: {}", self.name, report.why_unknown(&self.name)));
        };
        let fails = if self.below { number < self.bound } else { number > self.bound };
        let word = if self.below { "below" } else { "above" };
        fails.then(|| format!("{} is {number}, which is {word} {}", self.name, self.bound))
    }
}

impl Report {
    /// Why there is no such number.
    fn why_unknown(&self, name: &str) -> String {
        let unasked = "nobody was asked";
        let verdicts = &self.verdicts;
        let why = match (name, &verdicts.auth) {
            ("spamd" | "rspamd", _) => {
                let said = verdicts.filters.iter().find(|opinion| opinion.filter == name);
                said.and_then(|opinion| opinion.rating.as_ref().err()).map(String::as_str)
            }
            ("auth.spf", Some(auth)) => match &auth.spf {
                Some(spf) => Some(spf.reason.as_str()),
                None => Some("there is no sender"),
            },
            ("auth.dmarc", Some(auth)) => match &auth.dmarc {
                Some(dmarc) => Some(dmarc.reason.as_str()),
                None => Some("there is no author"),
            },
            ("auth.dkim", Some(auth)) => {
                let unknown = auth.dkim.iter().find(|one| one.word == Word::TempError);
                unknown.map(|one| one.reason.as_str())
            }
            ("auth.oneclick", Some(_)) => match &self.one_click {
                Some(OneClick::Unknown(why)) => Some(why.as_str()),
                _ => Some("there is no List-Unsubscribe"),
            },
            _ => None,
        };
        super::shown(why.unwrap_or(unasked))
    }
}

impl std::fmt::Display for Demand {
    /// As it was written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.name, if self.below { '<' } else { '>' }, self.bound)
    }
}
