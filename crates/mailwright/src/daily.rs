//! Reports to other domains, once a day: how what they sent, or were sent, looked from here.
//!
//! What is to be told is counted in the store by day and domain. It is forgotten when it is told,
//! when nobody wants to know, and when it could not be told for days. Here is when; how a report
//! is written and leaves is in [`compose`] and [`handover`], and each kind has a module that says
//! whom it is for and what is in it.

mod compose;
mod dmarc;
mod handover;
mod record;
mod tls;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mailwright_config::{Config, Reports};
use mailwright_net::{
    dns::{Resolver, System},
    egress::Egress,
};
use mailwright_store::{Lane, StoreError, Tx, seen, sent, transport};
use mailwright_words::{Address, Domain, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch, task::JoinSet};

use self::handover::{Outcome, Place, Report};
use crate::{Failure, office::Office, upkeep::repeat};

/// How often it is looked whether something is due.
const ROUND: Duration = Duration::from_mins(10);
/// How long after the end of a day nobody is told of it: what is under way is still counted.
const MARGIN: Duration = Duration::from_mins(15);
/// Over how much of the next day the reports of a day are spread after that: not all servers of
/// the world report in the same second. Source: RFC 8460 section 4.1.
const SPREAD: Duration = Duration::from_hours(4);
/// How long one that did not go waits.
const RETRY: Duration = Duration::from_hours(1);
/// Days after which what could not be told is given up.
const DAYS_MAX: i64 = 3;
/// Domains that are looked for at a time.
const AT_ONCE: usize = 500;

/// No report can be made just now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name cannot be looked up.
    #[error("{0}")]
    Dns(String),
    /// It cannot be done as configured.
    #[error(transparent)]
    Setup(#[from] Failure),
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// What came in a domain's name, and what was made of it.
    Dmarc,
    /// How safely mail reached a domain.
    Tls,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Dmarc, Self::Tls];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Dmarc => "dmarc",
            Self::Tls => "tls",
        }
    }

    const fn is_told(self, reports: &Reports) -> bool {
        match self {
            Self::Dmarc => reports.dmarc,
            Self::Tls => reports.tls,
        }
    }

    /// Days before `before` and domains, behind `after`, that there is something to tell of.
    fn days(
        self,
        tx: &mut Tx<'_>,
        before: i64,
        after: &(i64, String),
    ) -> Result<Vec<(i64, String)>, StoreError> {
        match self {
            Self::Dmarc => seen::to_report(tx, before, after, AT_ONCE),
            Self::Tls => transport::to_report(tx, before, after, AT_ONCE),
        }
    }

    fn forget(self, tx: &mut Tx<'_>, of: (i64, &str)) -> Result<(), StoreError> {
        match self {
            Self::Dmarc => seen::forget(tx, of),
            Self::Tls => transport::forget_sessions(tx, of),
        }
    }
}

/// A domain's day, of which there is something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Due {
    kind: Kind,
    /// Counted from 1970.
    day: i64,
    domain: String,
}

impl Due {
    /// Its moment on the day after, each domain's its own and the same each day.
    fn moment(&self, host: &str) -> Timestamp {
        let digest = Sha256::digest(format!("{} {host}", self.domain));
        let number =
            digest.iter().take(4).fold(0_u64, |number, octet| (number << 8) | u64::from(*octet));
        let wait = Duration::from_secs(number % SPREAD.as_secs().max(1));
        transport::day_begins(self.day.saturating_add(1)).plus(MARGIN).plus(wait)
    }

    /// The name of a report with these contents, the same however often it is made, so that who
    /// gets it again can tell. Source: RFC 8460 section 5.4.
    fn id(&self, host: &str, contents: &str) -> String {
        let digest = Sha256::digest(format!("{host} {} {} {contents}", self.day, self.domain));
        let digits =
            digest.iter().take(8).fold(String::new(), |id, octet| format!("{id}{octet:02x}"));
        format!("{}.{digits}@{host}", self.day)
    }

    /// The first and the last second of the day, since 1970; of one that is not over, up to `now`.
    fn span(&self, now: Timestamp) -> (u64, u64) {
        let seconds = |at: Timestamp| u64::try_from(at.ms().div_euclid(1000)).unwrap_or(0);
        let begin = seconds(transport::day_begins(self.day));
        let end = seconds(transport::day_begins(self.day.saturating_add(1))).saturating_sub(1);
        (begin, end.min(seconds(now)).max(begin))
    }
}

/// What a round works with.
struct Desk<'a> {
    office: &'a Office,
    config: Arc<Config>,
    /// The address that reports come from.
    from: Address,
    dns: Arc<dyn Resolver>,
    web: Egress,
    now: Timestamp,
}

impl<'a> Desk<'a> {
    /// As configured; none when nothing is reported.
    ///
    /// Errors: it cannot be done so.
    fn open(office: &'a Office) -> Result<Option<Self>, Failure> {
        let config = office.config.now();
        let Some(from) = &config.reports.from else { return Ok(None) };
        let from = Address::parse(from).map_err(|error| Failure::of("reports.from", &error))?;
        let dns = System::new(&config.dns).map_err(|error| Failure::of("the DNS", &error))?;
        let dns: Arc<dyn Resolver> = Arc::new(dns);
        let web = handover::web(office, Arc::clone(&dns))?;
        Ok(Some(Self { office, config, from, dns, web, now: office.now() }))
    }

    /// Our name.
    fn host(&self) -> &str {
        &self.config.server.hostname
    }

    /// Who reports, as people know them.
    fn organisation(&self) -> &str {
        self.config.reports.organisation.as_deref().unwrap_or_else(|| self.host())
    }

    async fn places(&self, due: &Due) -> Result<Vec<Place>, ReportError> {
        match due.kind {
            Kind::Dmarc => dmarc::places(self, due).await,
            Kind::Tls => tls::places(self, due).await,
        }
    }

    async fn reports(&self, due: &Due) -> Result<Vec<Report>, ReportError> {
        match due.kind {
            Kind::Dmarc => dmarc::reports(self, due).await,
            Kind::Tls => tls::reports(self, due).await,
        }
    }
}

/// What came of telling a domain of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    /// Reports that went.
    sent: usize,
    /// Whether something is left that may go later.
    waits: bool,
}

/// Tells domains, and knows who is tried again.
struct Reporter {
    office: Office,
    /// Those that could not be told, and when they are tried again.
    later: Mutex<HashMap<Due, Timestamp>>,
}

/// Starts it.
pub(crate) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let reporter = Arc::new(Reporter::new(office.clone()));
    repeat(tasks, stopping, move || {
        let reporter = Arc::clone(&reporter);
        async move {
            let clock = Arc::clone(&reporter.office.clock);
            if let Err(error) = reporter.round(transport::day(clock.now()), false).await {
                tracing::warn!(%error, "Reports to other domains wait.");
            }
            clock.sleep(ROUND).await;
        }
    });
}

/// Sends every report about days before `before`, without waiting for their moments; says how many.
///
/// Errors: nothing, or not all, can be told just now.
pub(crate) async fn send(office: &Office, before: i64) -> Result<usize, ReportError> {
    Reporter::new(office.clone()).round(before, true).await
}

impl Reporter {
    fn new(office: Office) -> Self {
        Self { office, later: Mutex::default() }
    }

    /// Tells what is due, or all there is when it is asked `now`; says how many reports went.
    async fn round(&self, before: i64, now: bool) -> Result<usize, ReportError> {
        let desk = Desk::open(&self.office)?;
        self.with(desk.as_ref(), (before, now)).await
    }

    async fn with(
        &self,
        desk: Option<&Desk<'_>>,
        (before, now): (i64, bool),
    ) -> Result<usize, ReportError> {
        let mut sent = 0;
        for kind in Kind::ALL {
            let desk = desk.filter(|desk| kind.is_told(&desk.config.reports));
            sent += self.all(desk, kind, (before, now)).await?;
        }
        let today = transport::day(self.office.now());
        let oldest = today.saturating_sub(DAYS_MAX);
        let forget = move |tx: &mut Tx<'_>| sent::forget_before(tx, oldest);
        while self.office.store.write(Lane::Bulk, forget).await? > 0 {}
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.retain(|due, _| due.day.saturating_add(DAYS_MAX) >= today);
        Ok(sent)
    }

    /// One kind; where nobody is told, what was counted is forgotten.
    async fn all(
        &self,
        desk: Option<&Desk<'_>>,
        kind: Kind,
        (before, now): (i64, bool),
    ) -> Result<usize, ReportError> {
        let (mut after, mut sent) = ((i64::MIN, String::new()), 0);
        loop {
            let place = after.clone();
            let days = move |tx: &mut Tx<'_>| kind.days(tx, before, &place);
            let found = self.office.store.read(days).await?;
            let Some(last) = found.last() else { return Ok(sent) };
            after = last.clone();
            for (day, domain) in found {
                let due = Due { kind, day, domain };
                let told = match desk {
                    Some(desk) => self.look(desk, &due, now).await?,
                    None => Told::default(),
                };
                sent += told.sent;
                if !told.waits {
                    self.forget(due).await?;
                }
            }
        }
    }

    /// Tells a domain, if it is time.
    async fn look(&self, desk: &Desk<'_>, due: &Due, now: bool) -> Result<Told, ReportError> {
        let until = {
            let later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
            later.get(due).copied()
        };
        if !now && desk.now < until.unwrap_or_else(|| due.moment(desk.host())) {
            return Ok(Told { sent: 0, waits: true });
        }
        let told = match tell(desk, due).await {
            Err(error @ ReportError::Store(_)) => return Err(error),
            // The others need not wait for this one.
            Err(error) => {
                tracing::info!(domain = due.domain, %error, "A report waits.");
                Told { sent: 0, waits: true }
            }
            Ok(told) => told,
        };
        if !told.waits {
            return Ok(told);
        }
        let is_old = due.day.saturating_add(DAYS_MAX) < transport::day(desk.now);
        if is_old {
            tracing::warn!(domain = due.domain, day = due.day, "A report is given up.");
        }
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.insert(due.clone(), desk.now.plus(RETRY));
        Ok(Told { waits: !is_old, ..told })
    }

    async fn forget(&self, due: Due) -> Result<(), StoreError> {
        let forget = move |tx: &mut Tx<'_>| due.kind.forget(tx, (due.day, &due.domain));
        self.office.store.write(Lane::Bulk, forget).await
    }
}

/// Tells all who want to know of a domain's day.
///
/// Errors: nobody can be told just now.
async fn tell(desk: &Desk<'_>, due: &Due) -> Result<Told, ReportError> {
    let mut told = Told::default();
    // Its name stands in fields and in the name of a file.
    if Domain::parse(&due.domain).is_err() {
        return Ok(told);
    }
    let places = desk.places(due).await?;
    if places.is_empty() {
        return Ok(told);
    }
    for report in desk.reports(due).await? {
        for place in &places {
            match handover::hand_over(desk, due, &report, place).await? {
                Outcome::Sent => told.sent += 1,
                Outcome::Later => told.waits = true,
                Outcome::Before | Outcome::Never => {}
            }
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
