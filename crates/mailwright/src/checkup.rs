//! `mailwright doctor`: what this server knows of itself, for the examination.

mod asked;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use mailwright_api::{Examination, Examined, Unexamined};
use mailwright_config::{Config, Role};
use mailwright_directory::DomainKind;
use mailwright_doctor::{
    Report,
    host::Service,
    send::Place,
    server::{self, Backlog, Certificate, Disk, Door, Folder, Subject, Waiting},
};
use mailwright_net::tls::chain_of;
use mailwright_store::{
    StoreError,
    queue::{self, Entry, EntryState},
};
use mailwright_words::Timestamp;
use nix::unistd::{Uid, User};
use tokio::sync::Mutex;

use crate::{Failure, office::Office, world};

/// The file in the data folder that tells when the last backup was whole.
pub(crate) const LAST_BACKUP: &str = "last-backup";
/// How long a host may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an examination stands for those who ask over HTTP.
const FRESH: Duration = Duration::from_mins(1);
/// The oldest rows of the queue that are looked at.
const OLDEST_MAX: usize = 1000;

/// Examines this server.
///
/// Errors: the store cannot be read, or the system's DNS configuration.
pub(crate) async fn examine(office: &Office) -> Result<Report, Failure> {
    let config = office.config.now();
    let subject = subject(office, &config).await?;
    let world = world::plain(&config, PATIENCE)?;
    Ok(server::examine(&world, &subject).await)
}

/// The last examination of this server, and when it was made.
type Last = Mutex<Option<(Duration, String)>>;

/// What answers over HTTP. This server is examined once at a time, and the report kept for a
/// minute.
pub(crate) fn for_http(office: &Office) -> Arc<dyn Fn(Examination) -> Examined + Send + Sync> {
    let office = office.clone();
    let last: Arc<Last> = Arc::default();
    Arc::new(move |asked| {
        let (office, last) = (office.clone(), Arc::clone(&last));
        Box::pin(async move {
            match asked {
                Examination::Server => kept(&office, &last).await,
                other => asked::examine(&office, other).await,
            }
        })
    })
}

async fn kept(office: &Office, last: &Last) -> Result<String, Unexamined> {
    let mut last = last.lock().await;
    let now = office.clock.elapsed();
    if let Some((at, report)) = &*last
        && now.saturating_sub(*at) < FRESH
    {
        return Ok(report.clone());
    }
    let report = match examine(office).await {
        Ok(report) => report.json().to_string(),
        Err(failure) => {
            tracing::warn!(%failure, "Server was not examined.");
            return Err(Unexamined::Failed);
        }
    };
    *last = Some((office.clock.elapsed(), report.clone()));
    Ok(report)
}

/// Writes down that a backup is whole now.
pub(crate) fn note_backup(office: &Office) {
    let path = office.store.path().join(LAST_BACKUP);
    if let Err(error) = fs::write(path, office.now().ms().to_string()) {
        tracing::warn!(%error, "The time of the backup was not kept.");
    }
}

async fn subject(office: &Office, config: &Config) -> Result<Subject, Failure> {
    let domains = office.directory.domains().await?;
    let domains = domains.into_iter().filter(|domain| domain.kind == DomainKind::Local);
    let data = office.store.path();
    Ok(Subject {
        hostname: config.server.hostname.clone(),
        is_running: office.is_serving,
        folder: folder(data, config, office.is_serving),
        newest: newest(data),
        certificates: certificates(config),
        doors: doors(config),
        sources: config.relay.source_ipv6.into_iter().chain(config.relay.source_ipv4).collect(),
        smarthost: smarthost(config),
        checks_dnssec: config.dns.dnssec,
        domains: domains.map(|domain| domain.name).collect(),
        backlog: backlog(office).await.ok(),
        backup: last_backup(data),
        settings: config.doctor.clone(),
    })
}

fn folder(data: &Path, config: &Config, is_serving: bool) -> Option<Folder> {
    let found = fs::metadata(data).ok()?;
    let named = || User::from_name(config.server.user.as_deref()?).ok().flatten();
    let user = if is_serving { Some(Uid::effective()) } else { named().map(|user| user.uid) };
    let disk = rustix::fs::statvfs(data).ok().map(|stat| Disk {
        octets: stat.f_blocks.saturating_mul(stat.f_frsize),
        octets_free: stat.f_bavail.saturating_mul(stat.f_frsize),
        inodes: stat.f_files,
        inodes_free: stat.f_favail,
    });
    Some(Folder {
        path: data.to_owned(),
        mode: found.mode(),
        owner: found.uid(),
        user: user.map(Uid::as_raw),
        disk,
        free_min: config.intake.free_space_min,
    })
}

/// When the database was written last: the clock was there already.
fn newest(data: &Path) -> Option<Timestamp> {
    let written = |name: &str| {
        let at = fs::metadata(data.join(name)).ok()?.modified().ok()?;
        let since = at.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp::new(i64::try_from(since.as_millis()).ok()?))
    };
    ["mailwright.db", "mailwright.db-wal"].into_iter().filter_map(written).max()
}

fn certificates(config: &Config) -> Vec<Certificate> {
    let set = config.tls.certificates.iter();
    set.map(|(name, pair)| Certificate {
        name: name.clone(),
        file: pair.certificate.clone(),
        chain: chain_of(&pair.certificate).map_err(|error| error.to_string()),
    })
    .collect()
}

fn doors(config: &Config) -> Vec<Door> {
    let mail = config.listeners.iter().flat_map(|(name, listener)| {
        listener.addresses.iter().map(move |address| Door {
            name: name.clone(),
            address: *address,
            service: Some(match listener.role {
                Role::Mta | Role::Msa | Role::Lmtp | Role::Sandbox => Service::Smtp,
                Role::Imap => Service::Imap,
                Role::Pop3 => Service::Pop3,
            }),
            implicit_tls: listener.implicit_tls,
            behind_proxy: !listener.proxy_protocol_from.is_empty(),
        })
    });
    let web = config.http.addresses.iter().map(|address| Door {
        name: "http".to_owned(),
        address: *address,
        service: None,
        implicit_tls: false,
        behind_proxy: false,
    });
    mail.chain(web).collect()
}

/// Where all mail goes that has no way of its own.
fn smarthost(config: &Config) -> Option<Place> {
    let host = config.routes.get("*")?.hosts.first()?;
    Some(Place { host: host.host.clone(), port: Some(host.port()) })
}

async fn backlog(office: &Office) -> Result<Backlog, StoreError> {
    let now = office.now();
    let read = move |tx: &mut mailwright_store::Tx<'_>| {
        let counts = queue::gauges(tx, now)?;
        Ok((counts, queue::blocked(tx, now)?, queue::list(tx, None, OLDEST_MAX)?))
    };
    let (counts, blocked, entries) = office.store.read(read).await?;
    let recipients = counts.iter().filter_map(|gauge| u64::try_from(gauge.count).ok()).sum();
    let waiting = |entry: Entry| Waiting {
        age: now.since(entry.id.time()),
        destination: entry.destination,
        attempts: entry.attempts,
        reply: entry.last_reply,
        is_held: entry.state == EntryState::Held,
    };
    Ok(Backlog {
        recipients,
        blocked: u64::try_from(blocked).unwrap_or(0),
        oldest: entries.into_iter().map(waiting).collect(),
    })
}

fn last_backup(data: &Path) -> Option<Timestamp> {
    let text = fs::read_to_string(data.join(LAST_BACKUP)).ok()?;
    Some(Timestamp::new(text.trim().parse().ok()?))
}
