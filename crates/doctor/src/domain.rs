//! `doctor domain`: what the world sees of a domain: where its mail goes, who may send for it, and
//! what protects the way there.
//!
//! Records are looked up as any receiver or sender does; each host of the MX records is then
//! visited on port 25, where that is asked for. Nothing is sent. What only a log of the domain
//! knows, such as which selectors it signs with, is asked for or told to be unknown.
//! Source: RFC 5321, RFC 7208, RFC 6376, RFC 9989, RFC 8461, RFC 8460, RFC 7672.

mod dane;
mod dkim;
mod dmarc;
mod hosts;
mod mx;
mod spf;
mod transport;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{Report, Section, server, world::World};

/// What is to be found out.
#[derive(Debug, Clone)]
pub struct Question {
    /// The domain, in A-labels.
    pub domain: String,
    /// Names of DKIM keys.
    pub selectors: Vec<String>,
    /// Whether its hosts are visited.
    pub visits: bool,
    /// Whether what a host may take for an attack is tried, too.
    pub thorough: bool,
    /// Blocklists of addresses, and of domains.
    pub lists: (Vec<String>, Vec<String>),
    /// What came of fetching its MTA-STS policy.
    pub policy: Announced,
}

/// What came of fetching an MTA-STS policy.
#[derive(Debug, Clone)]
pub enum Announced {
    /// The domain announces none.
    Nothing,
    /// The one it shows.
    Policy(Policy),
    /// It announces one that cannot be had, or makes no sense.
    Trouble(String),
    /// It could not be found out.
    Unknown,
}

/// What a policy says.
#[derive(Clone)]
pub struct Policy {
    /// `enforce`, `testing` or `none`.
    pub mode: &'static str,
    /// How long it holds.
    pub max_age: Duration,
    /// Whether it lists a host.
    pub lists: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, max_age, .. } = self;
        f.debug_struct("Policy")
            .field("mode", mode)
            .field("max_age", max_age)
            .finish_non_exhaustive()
    }
}

/// A host of the MX records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exchange {
    name: String,
    addresses: Vec<IpAddr>,
    /// Whether the records that lead to it are signed.
    secure: bool,
}

/// Examines a domain.
pub async fn examine(world: &World, question: &Question) -> Report {
    let subject = format!("the domain {}", question.domain);
    let road = mx::examine(world, &question.domain).await;
    if !road.exists {
        return Report::new(subject, vec![road.section], road.is_known);
    }
    let (spf, dmarc, dkim) = tokio::join!(
        spf::examine(world, question, road.takes_mail),
        dmarc::examine(world, question),
        dkim::examine(world, question)
    );
    let (transport, dane) = tokio::join!(
        transport::examine(world, question, &road.hosts),
        dane::examine(world, &road.hosts)
    );
    let mut proofs = Section::new("who may send for it");
    proofs.checks.extend(spf.into_iter().chain(dkim).chain(dmarc));
    let mut way = Section::new("protection of the way");
    way.checks.extend(transport);
    way.checks.extend(dane.iter().flat_map(|one| one.checks.iter().cloned()));
    let mut sections = vec![road.section, proofs, way];
    if question.visits {
        sections.extend(hosts::visit(world, question, &road.hosts, &dane).await);
    }
    let addresses: Vec<IpAddr> =
        road.hosts.iter().flat_map(|host| host.addresses.iter().copied()).collect();
    let domains = [question.domain.as_str()];
    sections.push(
        server::listed(world, (&question.lists.0, &question.lists.1), &addresses, &domains).await,
    );
    sections.retain(|section| !section.checks.is_empty() || !section.sections.is_empty());
    Report::new(subject, sections, road.is_known)
}

#[cfg(test)]
pub(crate) mod tests;
