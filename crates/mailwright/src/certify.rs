//! Certificates from an authority: which are wanted, when each is asked for, and that they are put
//! in use.
//!
//! A certificate that cannot be had is asked for again, less and less often; what is in use stays.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use mailwright_config::{Config, StsMode};
use mailwright_directory::DomainKind;
use mailwright_net::{
    acme::{Authority, Challenges, Keeper, Way},
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

/// Asks the authority.
pub(crate) struct Certifier {
    office: Office,
    certificates: Arc<Certificates>,
    challenges: Challenges,
    /// Failures of a certificate, and when it may be asked for again.
    failed: HashMap<String, (u32, Timestamp)>,
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
        Self { office, certificates, challenges, failed: HashMap::new(), spread }
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
            let mut due = self.due(&keeper, &name, &names);
            if due <= self.office.now() {
                due = self.ask(config, &keeper, (&name, &names)).await;
            }
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

    fn due(&self, keeper: &Keeper, name: &str, names: &[String]) -> Timestamp {
        let now = self.office.now();
        let mut sorted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        sorted.sort();
        sorted.dedup();
        let due = match keeper.vouched(name) {
            Some(vouched) if vouched.names == sorted && !keeper.is_roll_asked(name) => {
                vouched.renew_at(self.spread)
            }
            _ => now,
        };
        self.failed.get(name).map_or(due, |(_, until)| due.max(*until))
    }

    /// Asks for one; says when it is due again.
    async fn ask(
        &mut self,
        config: &Config,
        keeper: &Keeper,
        (name, names): (&str, &[String]),
    ) -> Timestamp {
        let asked = self.order(config, keeper, (name, names)).await;
        let now = self.office.now();
        let failure = match asked.and_then(|()| good_for(self.due(keeper, name, names), now)) {
            Ok(due) => {
                tracing::info!(name, "Certificate renewed.");
                self.failed.remove(name);
                return due;
            }
            Err(failure) => failure,
        };
        let (failures, until) = self.failed.entry(name.to_owned()).or_insert((0, now));
        let wait = config.acme.retry_first.saturating_mul(1 << (*failures).min(16));
        *until = now.plus(wait.min(RETRY_LONGEST));
        *failures = failures.saturating_add(1);
        let again = until.rfc3339();
        tracing::warn!(name, %failure, again, "Certificate not renewed.");
        *until
    }

    async fn order(
        &self,
        config: &Config,
        keeper: &Keeper,
        (name, names): (&str, &[String]),
    ) -> Result<(), Failure> {
        let way = if config.acme.http_addresses.is_empty() { Way::Handshake } else { Way::Http };
        let authority = authority(config, &self.office)?;
        let roll = keeper.is_roll_asked(name);
        keeper
            .order(&authority, (name, names, roll), (&self.challenges, way))
            .await
            .map_err(|error| Failure::of("ACME", &error))?;
        self.certificates
            .reload(Some(certificate_sources(config)))
            .map_err(|error| Failure::of("certificates", &error))
    }
}

/// When a certificate that was just given is due again.
///
/// Errors: at once, since its names or its times are others than were asked for. Without a pause
/// the authority would be asked without end.
fn good_for(due: Timestamp, now: Timestamp) -> Result<Timestamp, Failure> {
    let at_once = "the certificate that the authority gave would have to be renewed at once";
    if due > now { Ok(due) } else { Err(Failure::new(at_once)) }
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
        assert_eq!(good_for(at(11), at(10)).unwrap(), at(11));
        assert!(good_for(at(10), at(10)).is_err() && good_for(at(9), at(10)).is_err());
    }
}
