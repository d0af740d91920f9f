//! A report as a text of lines, for people.

use std::fmt::{Result, Write as _};

use super::{Report, shown};
use crate::auth::told;
use crate::spam::THRESHOLD;
use crate::support::{Usage, table};
use crate::verdict::Opinion;

/// The most features, links or clients that one list of the text names.
const LISTED_MAX: usize = 20;

impl Report {
    /// The report as a text of lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.tell(&mut text).map_or_else(|_| String::new(), |()| text)
    }

    fn tell(&self, text: &mut String) -> Result {
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
        self.tell_links(text)?;
        writeln!(text, "\nStructure: {} findings", self.structure.len())?;
        self.tell_area("structure", text)?;
        self.tell_auth(text)?;
        if let Some(lists) = &self.verdicts.lists {
            let asked: usize = lists.iter().map(|list| list.entries.len()).sum();
            let (lists, listed) = (lists.len(), self.verdicts.listed().count());
            writeln!(text, "\nBlocklists: {lists}, asked {asked} times; {listed} entries")?;
            self.tell_area("lists", text)?;
        }
        self.verdicts.filters.iter().try_for_each(|opinion| tell_opinion(opinion, text))
    }

    /// The findings of an area.
    fn tell_area(&self, area: &str, text: &mut String) -> Result {
        for finding in self.findings().iter().filter(|finding| finding.area == area) {
            writeln!(text, "  {} {}: {}", finding.level.as_str(), finding.rule, finding.message)?;
        }
        Ok(())
    }

    fn tell_auth(&self, text: &mut String) -> Result {
        let Some(auth) = &self.verdicts.auth else { return Ok(()) };
        match auth.client {
            Some(ip) => writeln!(text, "\nOrigin, sent from {ip}:")?,
            None => writeln!(text, "\nOrigin, sent from an address that is not known:")?,
        }
        if let Some(spf) = &auth.spf {
            let line = told("SPF", &spf.domain, spf.word, &spf.reason);
            writeln!(text, "  {}", shown(&line))?;
        }
        for one in &auth.dkim {
            let line = told("DKIM", &one.domain, one.word, &one.reason);
            writeln!(text, "  {}", shown(&line))?;
        }
        if let Some(dmarc) = &auth.dmarc {
            let line = told("DMARC", &dmarc.domain, dmarc.word, &dmarc.reason);
            writeln!(text, "  {}", shown(&line))?;
        }
        if let Some(one_click) = &self.one_click {
            writeln!(text, "  unsubscribing with one click: {}", one_click.as_str())?;
        }
        self.tell_area("auth", text)
    }

    fn tell_links(&self, text: &mut String) -> Result {
        writeln!(text, "\nLinks: {}, with {} faults", self.targets.len(), self.links.len())?;
        for finding in self.links.iter().take(LISTED_MAX) {
            let target = self.targets.get(finding.link).map_or("", |link| link.url.as_str());
            let (name, means) = (finding.fault.name(), finding.fault.explanation());
            writeln!(text, "  {name} {}: {means}", shown(target))?;
        }
        let Some(statuses) = &self.statuses else { return Ok(()) };
        writeln!(text, "\nAsked for: {}", statuses.len())?;
        for status in statuses {
            let (word, url) = (status.verdict.as_str(), shown(&status.url));
            write!(text, "  {word} {url}")?;
            if let Some(last) = status.redirects.last() {
                write!(text, " (led to {})", shown(last))?;
            }
            if let Some(error) = &status.error {
                write!(text, ": {}", shown(error))?;
            }
            writeln!(text)?;
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

fn tell_usage(usage: &Usage, text: &mut String) -> Result {
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

fn tell_opinion(opinion: &Opinion, text: &mut String) -> Result {
    let rating = match &opinion.rating {
        Ok(rating) => rating,
        Err(why) => return writeln!(text, "\n{}: not known, {}", opinion.filter, shown(why)),
    };
    let word = if rating.is_spam { "spam" } else { "no spam" };
    let action = rating.action.as_ref().map(|action| format!(", {action}")).unwrap_or_default();
    let (score, threshold) = (rating.score, rating.threshold);
    writeln!(text, "\n{}: {score:.2} of {threshold:.1}, {word}{action}", opinion.filter)?;
    for one in rating.symbols.iter().take(LISTED_MAX) {
        writeln!(text, "  {:+.2} {}: {}", one.points, one.name, shown(&one.explanation))?;
    }
    Ok(())
}
