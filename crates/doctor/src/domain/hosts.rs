//! A visit to each host of a domain, on port 25.
//!
//! A network that lets nobody out to port 25 is no fault of the hosts.

use super::{
    Exchange, Question,
    dane::{self, Pinned},
};
use crate::{
    Check, Section, Verdict,
    handshake::certificates,
    host::{self, Service, Visited},
    reach::Place,
    world::World,
};

/// Hosts that are visited.
const HOSTS_MAX: usize = 5;

pub(super) async fn visit(
    world: &World,
    question: &Question,
    hosts: &[Exchange],
    pinned: &[Pinned],
) -> Vec<Section> {
    let mut visits = tokio::task::JoinSet::new();
    for (index, exchange) in hosts.iter().take(HOSTS_MAX).cloned().enumerate() {
        let (world, asked) = (world.clone(), asked(question, &exchange.name));
        visits.spawn(async move { (index, host::at(&world, &asked, &exchange.addresses).await) });
    }
    let mut seen = Vec::new();
    while let Some(one) = visits.join_next().await {
        seen.extend(one.ok());
    }
    seen.sort_by_key(|(index, _)| *index);
    let mut seen: Vec<Visited> = seen.into_iter().map(|(_, visited)| visited).collect();
    let any_open = seen.iter().any(|visited| visited.is_open);
    let all_silent = seen.iter().all(|visited| visited.is_silent);
    let mut sections = Vec::new();
    for (visited, exchange) in seen.iter_mut().zip(hosts) {
        let section = &mut visited.section;
        section.title = format!("{}, port 25", exchange.name);
        for check in section.checks.iter_mut().filter(|check| check.id == "port.open") {
            soften(check, any_open, all_silent);
        }
        let chain = certificates(&visited.pem);
        let own = pinned.iter().find(|one| one.host == exchange.name);
        section.checks.extend(own.and_then(|pinned| dane::matched(pinned, &chain)));
        sections.push(std::mem::take(section));
    }
    sections
}

fn asked(question: &Question, name: &str) -> host::Question {
    host::Question {
        place: Place { host: name.to_owned(), port: Some(25) },
        service: Service::Smtp,
        credentials: None,
        envelope: None,
        tls_name: None,
        thorough: question.thorough,
    }
}

/// A host that cannot be reached is a fault where no other takes the mail, and where it is not this
/// network that lets nobody out.
fn soften(check: &mut Check, any_open: bool, all_silent: bool) {
    if check.verdict != Verdict::Wrong {
        return;
    }
    if any_open {
        check.verdict = Verdict::Warning;
    } else if all_silent {
        check.verdict = Verdict::CannotKnow;
        "No host answers at all, as where a provider drops port 25 of its customers."
            .clone_into(&mut check.means);
        "Try from a server, or `mailwright doctor`, which tells whether port 25 is open from here."
            .clone_into(&mut check.mend);
    }
}
