//! Reports about TLS: how safely mail reached a domain on a day, to whom the domain names.
//!
//! Each domain has its own moment in the first hours of the next day. What cannot be sent is tried
//! again for a day; then, or when nobody wants to know, the counts are forgotten.
//! Source: RFC 8460.

mod compose;
mod record;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mailwright_config::Config;
use mailwright_net::{
    dns::{Answer, Resolver as _, System},
    web::Browser,
};
use mailwright_store::{
    Lane, StoreError, Tx,
    transport::{self, SessionRow},
};
use mailwright_words::{Address, Recipient, Timestamp};
use sha2::{Digest as _, Sha256};

use super::handover;
use crate::{Failure, office::Office};
use compose::About;
use record::Place;

/// Over how much of the next day the reports of a day are spread. Source: RFC 8460 section 4.1.
const SPREAD: Duration = Duration::from_hours(4);
/// How long one that was not sent waits.
const RETRY: Duration = Duration::from_hours(1);
/// Days after which one that was not sent is given up.
const DAYS_MAX: i64 = 2;
/// Reports that are looked for at a time.
const AT_ONCE: usize = 500;
/// Rows of one report.
const ROWS_MAX: usize = 1000;

/// Reports.
pub(super) struct Reporter {
    office: Office,
    /// Those that could not be sent, and when they are tried again.
    later: Mutex<HashMap<(i64, String), Timestamp>>,
}

/// With what a round works.
struct Tools {
    config: Arc<Config>,
    from: Address,
    dns: Arc<System>,
    browser: Browser,
}

impl Reporter {
    pub(super) fn new(office: Office) -> Self {
        Self { office, later: Mutex::default() }
    }

    /// Sends what is due, and forgets what is over.
    ///
    /// Errors: those of the store, and of the configuration.
    pub(super) async fn round(&self) -> Result<(), Failure> {
        let now = self.office.now();
        let forget = move |tx: &mut Tx<'_>| transport::forget_policies(tx, now);
        while self.office.store.write(Lane::Bulk, forget).await? > 0 {}
        let today = transport::day(now);
        let tools = self.tools()?;
        let mut after = (i64::MIN, String::new());
        loop {
            let place = after.clone();
            let days = move |tx: &mut Tx<'_>| transport::to_report(tx, today, &place, AT_ONCE);
            let found = self.office.store.read(days).await?;
            let Some(last) = found.last() else { break };
            after = last.clone();
            for (day, domain) in found {
                if self.is_over(tools.as_ref(), (day, &domain), now).await? {
                    self.forget(day, domain).await?;
                }
            }
        }
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.retain(|(day, _), _| day.saturating_add(DAYS_MAX) >= today);
        Ok(())
    }

    /// None when nothing is reported.
    fn tools(&self) -> Result<Option<Tools>, Failure> {
        let config = self.office.config.now();
        let Some(from) = config.reports.from.as_ref().filter(|_| config.reports.tls) else {
            return Ok(None);
        };
        let from = Address::parse(from).map_err(|error| Failure::of("reports.from", &error))?;
        let dns = System::new(&config.dns).map_err(|error| Failure::of("the DNS", &error))?;
        let dns = Arc::new(dns);
        let browser = handover::browser(&config, &self.office, Arc::clone(&dns))?;
        Ok(Some(Tools { config, from, dns, browser }))
    }

    /// Whether a domain's day is told of, or nobody wants to know of it any more.
    async fn is_over(
        &self,
        tools: Option<&Tools>,
        (day, domain): (i64, &str),
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(tools) = tools else { return Ok(true) };
        let key = (day, domain.to_owned());
        let until = {
            let later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
            later.get(&key).copied()
        };
        if now < until.unwrap_or_else(|| due(day, domain, &tools.config.server.hostname)) {
            return Ok(false);
        }
        if self.tell(tools, (day, domain), now).await? {
            return Ok(true);
        }
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.insert(key, now.plus(RETRY));
        Ok(day.saturating_add(DAYS_MAX) < transport::day(now))
    }

    /// Whether nothing is left to be told.
    async fn tell(
        &self,
        tools: &Tools,
        (day, domain): (i64, &str),
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let places = match tools.dns.txt(&format!("_smtp._tls.{domain}")).await {
            Answer::Found(records) => record::places(&records),
            Answer::NoData | Answer::NoSuchDomain => Vec::new(),
            Answer::Temporary(why) => {
                tracing::debug!(domain, why, "Whether a domain wants reports is not known.");
                return Ok(false);
            }
        };
        if places.is_empty() {
            return Ok(true);
        }
        let config = &tools.config;
        let host = config.server.hostname.as_str();
        let organisation = config.reports.organisation.as_deref().unwrap_or(host);
        let about = About { domain, day, host, organisation, from: &tools.from };
        let rows = self.rows(day, domain.to_owned()).await?;
        let file = compose::packed(&compose::report(&about, &rows))?;
        let mut told = false;
        for place in places {
            let sent = match &place {
                Place::Mail(to) => {
                    let message = compose::message(&about, to, &file, now);
                    let to = Recipient::new(to.clone());
                    handover::mail((&self.office, "reports"), (&tools.from, to), message.as_bytes())
                        .await
                        .map_err(|refusal| Failure::new(refusal.reply().to_string()))
                }
                Place::Web(to) => {
                    handover::post(&tools.browser, (to, compose::KIND), file.clone()).await
                }
            };
            match sent {
                Ok(()) => tracing::info!(domain, day, ?place, "Report about TLS sent."),
                Err(ref failure) => {
                    tracing::info!(domain, day, ?place, %failure, "Report about TLS not sent.");
                }
            }
            told |= sent.is_ok();
        }
        Ok(told)
    }

    async fn rows(&self, day: i64, domain: String) -> Result<Vec<SessionRow>, StoreError> {
        let read = move |tx: &mut Tx<'_>| transport::sessions(tx, (day, &domain), ROWS_MAX);
        self.office.store.read(read).await
    }

    async fn forget(&self, day: i64, domain: String) -> Result<(), StoreError> {
        let forget = move |tx: &mut Tx<'_>| transport::forget_sessions(tx, (day, &domain));
        self.office.store.write(Lane::Bulk, forget).await
    }
}

/// The moment of a domain on the day after.
fn due(day: i64, domain: &str, host: &str) -> Timestamp {
    let digest = Sha256::digest(format!("{domain} {host}"));
    let number =
        digest.iter().take(4).fold(0_u64, |number, octet| (number << 8) | u64::from(*octet));
    let wait = Duration::from_secs(number % SPREAD.as_secs().max(1));
    transport::day_begins(day.saturating_add(1)).plus(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_domain_has_its_moment_in_the_first_hours_of_the_next_day() {
        let next = transport::day_begins(20_001);
        let moments: Vec<Timestamp> =
            (0..50).map(|n| due(20_000, &format!("d{n}.example"), "mx.example")).collect();
        assert!(moments.iter().all(|at| *at >= next && *at < next.plus(SPREAD)));
        assert!(moments.iter().any(|at| *at > next.plus(SPREAD / 2)));
        assert_eq!(moments[0], due(20_000, "d0.example", "mx.example"));
    }
}
