//! All checks of one message, summed up: findings, and the numbers that a test can demand.

mod demand;
mod finding;
mod json;
mod junit;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

pub use demand::{Demand, DemandError, NUMBERS};
pub use finding::{Finding, areas};
pub use json::json;
pub use junit::junit;
pub use sarif::sarif;

use crate::auth::{OneClick, findings, one_click};
use crate::facts::{Context, Facts};
use crate::links::{Fetch, Link, LinkFinding, LinkStatus, lint, statuses};
use crate::message::Message;
use crate::spam::{SpamScore, spam};
use crate::structure::{Level, StructureFinding, structure};
use crate::support::{Audience, Score, Usage, check, score};
use crate::verdict::{Verdicts, Word};

/// What the checks say of a message.
#[derive(Debug, Clone)]
pub struct Report {
    /// The features that it uses.
    pub usages: Vec<Usage>,
    /// How well clients show it.
    pub support: Score,
    /// What filters think of it.
    pub spam: SpamScore,
    /// Its links, in their order.
    pub targets: Vec<Link>,
    /// What is wrong with them by their look.
    pub links: Vec<LinkFinding>,
    /// Whether they work; nothing where nobody was asked.
    pub statuses: Option<Vec<LinkStatus>>,
    /// How it is built.
    pub structure: Vec<StructureFinding>,
    /// What others say of it.
    pub verdicts: Verdicts,
    /// How unsubscribing with one click stands, where its origin was checked.
    pub one_click: Option<OneClick>,
    /// The HTML, for places in it.
    html: String,
    /// The line of the message where the HTML begins.
    html_line: usize,
    /// The targets of `List-Unsubscribe`.
    unsubscribes: Vec<String>,
}

impl Report {
    /// Checks a message, of whose journey and of what others say `context` tells. Nothing is
    /// fetched.
    pub fn new(bytes: &[u8], audience: &Audience, context: Context) -> Self {
        let message = Message::read(bytes);
        let facts = Facts::new(&message, context);
        let usages = check(facts.page.as_ref(), &message.names(), &message.medias());
        let part = message.html.as_ref().and_then(|html| message.structure.part(html.part));
        let auth = facts.context.verdicts.auth.as_ref();
        Self {
            one_click: auth.and_then(|auth| one_click(&facts, auth)),
            support: score(&usages, audience),
            spam: spam(&facts),
            links: lint(&facts.links, &facts.anchors, &facts.part_ids),
            structure: structure(&facts),
            statuses: None,
            html: message.html.as_ref().map(|html| html.text.clone()).unwrap_or_default(),
            html_line: part.map_or(1, |part| message.line(part.body().start)),
            unsubscribes: facts.unsubscribes(),
            targets: facts.links,
            verdicts: facts.context.verdicts,
            usages,
        }
    }

    /// Asks whether its links work: at most so many, so many at a time.
    pub async fn ask_links(&mut self, fetch: &dyn Fetch, limits: (usize, usize)) {
        let all = statuses(fetch, &self.targets, &self.unsubscribes, limits).await;
        self.statuses = Some(all);
    }

    /// The number of this name, as demands have it; see [`NUMBERS`].
    pub fn number(&self, name: &str) -> Option<f64> {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let levels =
            |level: Level| self.findings().iter().filter(|finding| finding.level == level).count();
        let structure = |most: Level| {
            self.structure.iter().filter(|finding| finding.rule.level <= most).count()
        };
        Some(match name {
            "html" => self.support.total,
            "html.full" => self.support.full,
            "spam" => self.spam.score,
            "links" => count(self.targets.len()),
            "links.broken" => count(self.broken()),
            "links.faults" => count(self.links.len() + self.dead().count()),
            "structure" => count(structure(Level::Warning)),
            "structure.errors" => count(structure(Level::Error)),
            "errors" => count(levels(Level::Error)),
            "warnings" => count(levels(Level::Warning)),
            "lists" => {
                self.verdicts.lists.as_ref()?;
                count(self.verdicts.listed().count())
            }
            "lists.unknown" => {
                self.verdicts.lists.as_ref()?;
                count(self.verdicts.unanswered())
            }
            "spamd" | "rspamd" => self.verdicts.rating(name)?.score,
            _ => return self.auth_number(name),
        })
    }

    /// The numbers about where it is from; what is not known has none.
    fn auth_number(&self, name: &str) -> Option<f64> {
        let auth = self.verdicts.auth.as_ref()?;
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let passed = |word: Word| match word {
            Word::TempError => None,
            Word::Pass => Some(1.0),
            _ => Some(0.0),
        };
        let findings = findings(auth, self.one_click.as_ref());
        let of = |is_meant: fn(Level) -> bool| {
            count(findings.iter().filter(|finding| is_meant(finding.rule.level)).count())
        };
        match name {
            "auth" => Some(of(|level| level < Level::Note)),
            "auth.unknown" => Some(of(|level| level == Level::Note)),
            "auth.spf" => passed(auth.spf.as_ref()?.word),
            "auth.dmarc" => passed(auth.dmarc.as_ref()?.word),
            "auth.dkim" => {
                let good = auth.dkim.iter().filter(|one| one.word == Word::Pass).count();
                let is_sure = good > 0 || auth.dkim.iter().all(|one| one.word != Word::TempError);
                is_sure.then(|| count(good))
            }
            "auth.oneclick" => match self.one_click.as_ref()? {
                OneClick::Unknown(_) => None,
                one_click => Some(if *one_click == OneClick::Works { 1.0 } else { 0.0 }),
            },
            _ => None,
        }
    }

    /// Links that do not work for a reader, each counted once however that was found out.
    fn broken(&self) -> usize {
        let by_look = self.links.iter().filter(|finding| finding.fault.is_broken());
        let seen: Vec<&str> = by_look
            .clone()
            .filter_map(|finding| self.targets.get(finding.link))
            .map(|link| link.url.as_str())
            .collect();
        let asked = self.dead().filter(|status| !seen.contains(&status.url.as_str()));
        by_look.count() + asked.count()
    }

    /// Targets that did not answer as they should.
    fn dead(&self) -> impl Iterator<Item = &LinkStatus> {
        self.statuses.iter().flatten().filter(|status| status.verdict.is_broken())
    }
}

/// A target as it is printed: one line, no controls, not endless.
fn shown(target: &str) -> String {
    target.chars().filter(|c| !c.is_control()).take(120).collect()
}
