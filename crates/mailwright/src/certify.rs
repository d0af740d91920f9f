//! Certificates from an authority: which are wanted, when each is asked for, and that they are put
//! in use.
//!
//! A certificate that cannot be had is asked for again, less and less often; what is in use stays.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use mailwright_config::{Config, StsMode};
use mailwright_directory::DomainKind;
use mailwright_net::{
    acme::{AcmeError, Advice, Authority, Challenges, Keeper, Way, Wish},
    dns,
    tls::{Certificates, Client},
    web::Browser,
};
use mailwright_words::Timestamp;

use crate::{Failure, office::Office, reload::certificate_sources};

/// Longest time between two tries.
const RETRY_LONGEST: Duration = Duration::from_hours(24);
/// How long one answer of an authority may take, and a whole order.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(15));
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(30);
/// The shortest such time, for certificates of a very short life.
const LOOK_SHORTEST: Duration = Duration::from_secs(1);
/// How often the authority is asked at most, and at least, when a certificate is to be renewed.
/// Source: RFC 9773 section 4.3.2.
const ADVICE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24));
/// How often in a certificate's life the authority can have it renewed, whatever it says.
const PACE: u32 = 200;
/// How long to wait when it did not say. Source: RFC 9773 section 4.3.3.
const ADVICE_RETRY: Duration = Duration::from_hours(6);

/// Asks the authority.
pub(crate) struct Certifier {
    office: Office,
    certificates: Arc<Certificates>,
    challenges: Challenges,
    /// Failures of a certificate, and when it may be asked for again.
    failed: HashMap<String, (u32, Timestamp)>,
    /// When the authority wants a certificate to be renewed, and until when that holds.
    advised: HashMap<String, (Option<Advice>, Timestamp)>,
    /// When one was given last.
    ordered: HashMap<String, Timestamp>,
    /// Where in its last third each is renewed.
    spread: u16,
}

/// Where the certificates of an authority are kept.
pub(crate) fn keeper(config: &Config) -> Keeper {
    Keeper::new(folder(config))
}

fn folder(config: &Config) -> PathBuf {
    config.server.data.join("acme")
}

/// What the certificate of the server's own name is called, where an authority vouches for it.
pub(crate) fn main_name(config: &Config) -> Option<&str> {
    config.acme.names.first().map(String::as_str)
}

impl Certifier {
    pub(crate) fn new(
        office: Office,
        certificates: Arc<Certificates>,
        challenges: Challenges,
    ) -> Self {
        let spread = getrandom::u32().map_or(0, |random| u16::try_from(random % 1000).unwrap_or(0));
        Self {
            office,
            certificates,
            challenges,
            failed: HashMap::new(),
            advised: HashMap::new(),
            ordered: HashMap::new(),
            spread,
        }
    }

    /// Asks for what is due, for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let config = self.office.config.now();
            let next = if config.acme.agree_to_terms { self.round(&config).await } else { None };
            let now = self.office.now();
            let until = next.map_or(LOOK, |next| {
                Duration::from_millis(u64::try_from(next.ms() - now.ms()).unwrap_or(0))
            });
            self.office.clock.sleep(until.clamp(LOOK_SHORTEST, LOOK)).await;
        }
    }

    /// Asks for each certificate that is due; says when the next one is.
    async fn round(&mut self, config: &Config) -> Option<Timestamp> {
        let wanted = match self.wanted(config).await {
            Ok(wanted) => wanted,
            Err(failure) => {
                tracing::warn!(%failure, "Certificates not looked through.");
                return None;
            }
        };
        let keeper = keeper(config);
        let mut next: Option<Timestamp> = None;
        for (name, names) in wanted {
            let mut again = self.advise(config, &keeper, &name).await;
            if self.due(&keeper, &name, &names) <= self.office.now() {
                self.ask(config, &keeper, (&name, &names)).await;
                again = self.advise(config, &keeper, &name).await;
            }
            let due = self.due(&keeper, &name, &names);
            let due = again.map_or(due, |again| due.min(again));
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        next
    }

    /// The certificates that there ought to be: what each is called, and its names.
    async fn wanted(&self, config: &Config) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let mut wanted = Vec::new();
        if let Some(name) = main_name(config) {
            wanted.push((name.to_ascii_lowercase(), config.acme.names.clone()));
        }
        if config.acme.mta_sts && config.mta_sts.mode != StsMode::None {
            let domains = self.office.directory.domains().await?;
            let local = domains.into_iter().filter(|domain| domain.kind == DomainKind::Local);
            let names = local.filter(|domain| domain.name.contains('.'));
            wanted.extend(names.map(|domain| {
                let name = format!("mta-sts.{}", domain.name.to_ascii_lowercase());
                (name.clone(), vec![name])
            }));
        }
        Ok(wanted)
    }

    /// Asks the authority when a certificate is to be renewed, if it is time; says when that is to
    /// be asked again.
    async fn advise(&mut self, config: &Config, keeper: &Keeper, name: &str) -> Option<Timestamp> {
        let life = keeper.vouched(name)?.life();
        let (now, known) = (self.office.now(), self.advised.get(name).copied());
        if let Some((_, again)) = known.filter(|(_, again)| *again > now) {
            return Some(again);
        }
        let asked = match authority(config, &self.office) {
            Ok(authority) => keeper.advice(&authority, name).await.map_err(|error| told(&error)),
            Err(failure) => Err(failure),
        };
        let (advice, wait) = match asked {
            // Often enough for one that lives a few hours, too.
            Ok(Some(advice)) => {
                let least = ADVICE.0.min(life / 1000).max(LOOK_SHORTEST);
                (Some(advice), advice.holds.clamp(least, ADVICE.1))
            }
            Ok(None) => (None, ADVICE.1),
            Err(failure) => {
                tracing::debug!(name, %failure, "When to renew a certificate is not known.");
                (known.and_then(|(advice, _)| advice), ADVICE_RETRY.min(life / 10))
            }
        };
        if let Some(advice) =
            advice.filter(|advice| known.and_then(|(old, _)| old) != Some(*advice))
        {
            let (from, until) = (advice.from.rfc3339(), advice.until.rfc3339());
            tracing::info!(name, from, until, "The authority says when to renew a certificate.");
        }
        let again = now.plus(wait);
        self.advised.insert(name.to_owned(), (advice, again));
        Some(again)
    }

    fn advice(&self, name: &str) -> Option<Advice> {
        self.advised.get(name).and_then(|(advice, _)| *advice)
    }

    fn due(&self, keeper: &Keeper, name: &str, names: &[String]) -> Timestamp {
        let now = self.office.now();
        let mut sorted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        sorted.sort();
        sorted.dedup();
        let due = match keeper.vouched(name) {
            Some(vouched) if vouched.names == sorted && !keeper.is_roll_asked(name) => {
                match self.advice(name) {
                    Some(advice) => {
                        let wanted = advice.renew_at(self.spread).min(vouched.renew_by());
                        let last = self.ordered.get(name);
                        last.map_or(wanted, |last| wanted.max(last.plus(vouched.life() / PACE)))
                    }
                    None => vouched.renew_at(self.spread),
                }
            }
            _ => now,
        };
        self.failed.get(name).map_or(due, |(_, until)| due.max(*until))
    }

    /// Asks for one.
    async fn ask(&mut self, config: &Config, keeper: &Keeper, (name, names): (&str, &[String])) {
        let asked = self.order(config, keeper, (name, names)).await;
        let now = self.office.now();
        if asked.is_ok() {
            // What was advised is about the one before.
            self.advised.remove(name);
            self.ordered.insert(name.to_owned(), now);
        }
        let failure = match asked.and_then(|()| good_for(self.due(keeper, name, names), now)) {
            Ok(()) => {
                tracing::info!(name, "Certificate renewed.");
                self.failed.remove(name);
                return;
            }
            Err(failure) => failure,
        };
        let (failures, until) = self.failed.entry(name.to_owned()).or_insert((0, now));
        let wait = config.acme.retry_first.saturating_mul(1 << (*failures).min(16));
        *until = now.plus(wait.min(RETRY_LONGEST));
        *failures = failures.saturating_add(1);
        let again = until.rfc3339();
        tracing::warn!(name, %failure, again, "Certificate not renewed.");
    }

    async fn order(
        &self,
        config: &Config,
        keeper: &Keeper,
        (name, names): (&str, &[String]),
    ) -> Result<(), Failure> {
        let way = if config.acme.http_addresses.is_empty() { Way::Handshake } else { Way::Http };
        let authority = authority(config, &self.office)?;
        // An authority that cannot make sense of it is asked without it the next time.
        let replaces = self.advice(name).is_some() && !self.failed.contains_key(name);
        let wish = Wish { name, names, roll: keeper.is_roll_asked(name), replaces };
        keeper
            .order(&authority, wish, (&self.challenges, way))
            .await
            .map_err(|error| told(&error))?;
        self.certificates
            .reload(Some(certificate_sources(config)))
            .map_err(|error| Failure::of("certificates", &error))
    }
}

/// That a certificate that was just given is due again at a later time.
///
/// Errors: at once, since its names or its times are others than were asked for. Without a pause
/// the authority would be asked without end.
fn good_for(due: Timestamp, now: Timestamp) -> Result<(), Failure> {
    let at_once = "the certificate that the authority gave would have to be renewed at once";
    if due > now { Ok(()) } else { Err(Failure::new(at_once)) }
}

fn told(error: &AcmeError) -> Failure {
    Failure::of("ACME", error)
}

fn authority(config: &Config, office: &Office) -> Result<Authority, Failure> {
    let client = Client::new(&config.acme.authorities, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("acme.authorities", &error))?;
    let resolver = dns::System::new(&config.dns).map_err(|error| Failure::of("the DNS", &error))?;
    let sources = config.relay.source_ipv6.into_iter().chain(config.relay.source_ipv4).collect();
    Ok(Authority {
        directory: config.acme.directory.clone(),
        contact: config.acme.contact.clone(),
        browser: Browser::new(Arc::new(resolver), client, sources),
        patience: PATIENCE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_due_at_once_is_none() {
        let at = Timestamp::new;
        assert!(good_for(at(11), at(10)).is_ok());
        assert!(good_for(at(10), at(10)).is_err() && good_for(at(9), at(10)).is_err());
    }
}
