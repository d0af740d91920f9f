//! Findings: all that the checks have to say, in one form, as programs read it.

use super::{Report, shown};
use crate::html::Lines;
use crate::links::{LinkStatus, Verdict};
use crate::structure::Level;
use crate::support::{Usage, table};
use crate::verdict::Found;

/// The areas that findings are from, each with its checks.
pub const fn areas() -> [&'static str; 7] {
    ["html", "spam", "links", "structure", "auth", "lists", "filters"]
}

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The area, one of [`areas`].
    pub area: &'static str,
    /// The rule's name.
    pub rule: String,
    /// What the rule means.
    pub means: String,
    /// How much it matters.
    pub level: Level,
    /// What was found, as a sentence.
    pub message: String,
    /// The line of the message, or that at which the part begins where it stands.
    pub line: usize,
}

impl Report {
    /// All findings, area by area.
    pub fn findings(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> =
            self.usages.iter().filter_map(|usage| self.of_usage(usage)).collect();
        all.extend(self.of_spam());
        all.extend(self.of_links());
        all.extend(self.statuses.iter().flatten().filter_map(|status| self.of_status(status)));
        all.extend(self.of_structure());
        all.extend(self.of_auth());
        all.extend(self.of_lists());
        all.extend(self.of_filters());
        all
    }

    fn of_auth(&self) -> impl Iterator<Item = Finding> {
        let auth = self.verdicts.auth.iter();
        let all = auth.flat_map(|auth| crate::auth::findings(auth, self.one_click.as_ref()));
        all.map(|finding| {
            let means = finding.rule.explanation;
            let message = match finding.detail.as_str() {
                "" => means.to_owned(),
                detail => format!("{}: {means}", shown(detail)),
            };
            let (rule, level) = (finding.rule.name, finding.rule.level);
            of_header("auth", rule, level, means, message)
        })
    }

    fn of_lists(&self) -> impl Iterator<Item = Finding> {
        let listed = self.verdicts.listed().map(|(list, entry)| {
            let reason = match &entry.found {
                Found::Listed { reason: Some(reason), .. } => format!(": {}", shown(reason)),
                _ => String::new(),
            };
            let message = format!("{} is on {}{reason}", shown(&entry.what), list.zone);
            let means = "Servers that use the list refuse the message, or take it for spam.";
            of_header("lists", "listed", Level::Error, means, message)
        });
        let unsure = self.verdicts.lists.iter().flatten().filter_map(|list| {
            let means = "Nothing the list says can be relied on now, good or bad.";
            let why = match &list.unsound {
                Some(why) => why,
                None => list.entries.iter().find_map(|entry| match &entry.found {
                    Found::Unknown(why) => Some(why),
                    _ => None,
                })?,
            };
            let message = format!("{}: {}", list.zone, shown(why));
            Some(of_header("lists", "list-unknown", Level::Note, means, message))
        });
        listed.chain(unsure)
    }

    fn of_filters(&self) -> impl Iterator<Item = Finding> {
        self.verdicts.filters.iter().filter_map(|opinion| {
            let filter = opinion.filter;
            match &opinion.rating {
                Ok(rating) if rating.is_spam => {
                    let (score, threshold) = (rating.score, rating.threshold);
                    let message = format!("{filter} says {score:.2}, spam from {threshold:.1}");
                    let means = "The filter takes the message for spam.";
                    Some(of_header("filters", "filter-spam", Level::Warning, means, message))
                }
                Ok(_) => None,
                Err(why) => {
                    let message = format!("{filter}: {}", shown(why));
                    let means = "The filter does not say what it makes of the message.";
                    Some(of_header("filters", "filter-unknown", Level::Note, means, message))
                }
            }
        })
    }

    fn of_usage(&self, usage: &Usage) -> Option<Finding> {
        let feature = usage.feature()?;
        let clients = usage.findings();
        if clients.is_empty() {
            return None;
        }
        let place = usage
            .places
            .first()
            .map(|place| format!(" at line {} of the HTML, column {}", place.line, place.column));
        let (without, all) = (clients.len(), table().clients.len());
        Some(Finding {
            area: "html",
            rule: feature.slug.to_owned(),
            means: format!("{} does not work everywhere.", feature.title),
            level: Level::Note,
            message: format!(
                "{}{} is not whole in {without} of {all} clients",
                feature.title,
                place.unwrap_or_default()
            ),
            line: self.html_line,
        })
    }

    fn of_spam(&self) -> impl Iterator<Item = Finding> {
        let bad = self.spam.hits.iter().filter(|rule| rule.points > 0.0);
        bad.map(|rule| Finding {
            area: "spam",
            rule: rule.name.to_owned(),
            means: rule.explanation.to_owned(),
            level: if rule.points < 1.0 { Level::Note } else { Level::Warning },
            message: format!("{:+.2} points: {}", rule.points, rule.explanation),
            line: 1,
        })
    }

    fn of_links(&self) -> impl Iterator<Item = Finding> {
        self.links.iter().map(|finding| {
            let (target, fault) = (self.targets.get(finding.link), finding.fault);
            let url = shown(target.map_or("", |link| link.url.as_str()));
            Finding {
                area: "links",
                rule: fault.name().to_owned(),
                means: fault.explanation().to_owned(),
                level: if fault.is_broken() { Level::Error } else { Level::Warning },
                message: format!("{url}: {}", fault.explanation()),
                line: self.html_line,
            }
        })
    }

    fn of_status(&self, status: &LinkStatus) -> Option<Finding> {
        let (rule, level, means) = match status.verdict {
            Verdict::Works | Verdict::Unsubscribes => return None,
            Verdict::Broken => ("link-dead", Level::Error, "The link does not work."),
            Verdict::Certificate => {
                ("link-certificate", Level::Error, "Browsers warn of the link's certificate.")
            }
            Verdict::Refused => {
                ("link-refused", Level::Note, "The server does not answer programs; try it.")
            }
            Verdict::Forbidden => {
                ("link-not-public", Level::Warning, "The link leads to no public address.")
            }
        };
        let error = status.error.as_deref().unwrap_or_default();
        Some(Finding {
            area: "links",
            rule: rule.to_owned(),
            means: means.to_owned(),
            level,
            message: format!("{}: {}", shown(&status.url), shown(error)),
            line: self.html_line,
        })
    }

    fn of_structure(&self) -> impl Iterator<Item = Finding> {
        let lines = Lines::new(&self.html);
        self.structure.iter().map(move |finding| {
            let (rule, hit) = (finding.rule, &finding.hit);
            let mut message = rule.explanation.to_owned();
            if !hit.detail.is_empty() {
                message = format!("{}: {message}", shown(&hit.detail));
            }
            if let Some(at) = hit.at {
                let place = lines.place(at);
                let times =
                    if hit.count > 1 { format!(", {} times", hit.count) } else { String::new() };
                message = format!(
                    "line {} of the HTML, column {}{times}: {message}",
                    place.line, place.column
                );
            }
            Finding {
                area: "structure",
                rule: rule.name.to_owned(),
                means: rule.explanation.to_owned(),
                level: rule.level,
                message,
                line: if hit.at.is_some() { self.html_line } else { 1 },
            }
        })
    }
}

/// What is about the message as a whole.
fn of_header(
    area: &'static str,
    rule: &str,
    level: Level,
    means: &str,
    message: String,
) -> Finding {
    Finding { area, rule: rule.to_owned(), means: means.to_owned(), level, message, line: 1 }
}
