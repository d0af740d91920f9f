//! The queue: what waits for long, and what it was told last.

use std::collections::BTreeMap;

use super::{Backlog, Subject, Waiting, local::span};
use crate::{Check, Section, code};

/// Destinations that are told of by name.
const TOLD_MAX: usize = 5;

pub(super) fn examine(subject: &Subject) -> Section {
    let mut section = Section::new("queue");
    let Some(backlog) = &subject.backlog else {
        section.push(
            Check::unknown("queue.age", "Queue", "it cannot be read")
                .means("Another process has the data folder.")
                .mend("Run it as the user that the server runs as."),
        );
        return section;
    };
    section.push(age(backlog, subject));
    let limit = subject.settings.queue_age;
    let late = backlog.oldest.iter().filter(|one| one.age > limit && !one.is_held);
    let mut groups: BTreeMap<&str, Vec<&Waiting>> = BTreeMap::new();
    for one in late {
        groups.entry(&one.destination).or_default().push(one);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, waiting)| std::cmp::Reverse(waiting.len()));
    section.checks.extend(groups.iter().take(TOLD_MAX).map(|(name, all)| stuck(name, all)));
    section.checks.extend(held(&backlog.oldest));
    section
}

fn age(backlog: &Backlog, subject: &Subject) -> Check {
    const ID: &str = "queue.age";
    const TITLE: &str = "Queue";
    let waits = match backlog.recipients {
        1 => "one recipient waits".to_owned(),
        count => format!("{count} recipients wait"),
    };
    let oldest = backlog.oldest.iter().filter(|one| !one.is_held).map(|one| one.age).max();
    let check = match oldest {
        None => Check::right(ID, TITLE, waits),
        Some(age) => {
            let found = format!("{waits}, the oldest for {}", span(age));
            if age > subject.settings.queue_age {
                Check::warning(ID, TITLE, found)
                    .means("Some mail does not get through; below is what was said to it.")
                    .mend("`mailwright queue list`, and `queue show ID` for every attempt.")
            } else {
                Check::right(ID, TITLE, found)
            }
        }
    };
    check.tried("what waits, and since when")
}

fn stuck(destination: &str, waiting: &[&Waiting]) -> Check {
    let oldest = waiting.iter().max_by_key(|one| one.age);
    let reply = oldest.and_then(|one| one.reply.clone());
    let attempts = oldest.map_or(0, |one| one.attempts);
    let count = waiting.len();
    let who = if count == 1 { "one recipient".to_owned() } else { format!("{count} recipients") };
    let said = reply.clone().unwrap_or_else(|| "nothing yet".to_owned());
    let found = format!("{who}, {attempts} attempts, last: {said}");
    let first = code::explain(&said).meanings.into_iter().next();
    let (means, mend) = match first {
        Some(meaning) => (meaning.means, meaning.mend),
        None => (
            "No server said a word about it yet.".to_owned(),
            "`mailwright doctor deliver ADDRESS` goes the road and says where it ends.".to_owned(),
        ),
    };
    Check::warning("queue.stuck", format!("Waiting for {destination}"), found)
        .tried("the last reply to the oldest")
        .means(means)
        .mend(mend)
}

fn held(all: &[Waiting]) -> Option<Check> {
    let held: Vec<&Waiting> = all.iter().filter(|one| one.is_held).collect();
    let first = held.first()?;
    let reason = first.reply.clone().unwrap_or_else(|| "no reason was given".to_owned());
    let found = format!("{} recipients; the first: {reason}", held.len());
    Some(
        Check::warning("queue.held", "Held", found)
            .tried("what waits for an operator")
            .means("It stays until somebody lets it go: by hand, or for a fault of ours.")
            .mend("`mailwright queue release ID`, or `queue delete ID`."),
    )
}
