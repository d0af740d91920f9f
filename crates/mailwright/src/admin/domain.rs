//! `mailwright domain`.

mod check;
mod keys;

use mailwright_config::{Config, StsMode, Subdomains};
use mailwright_directory::{DomainKind, Key, KeyState};
use mailwright_words::Domain;
use serde::Serialize;

use super::{
    address, json,
    records::{self, Facts, Record},
    table, time,
};
use crate::{Failure, cli::DomainCommand, console::Console, office::Office, policy, tlsa};

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    catch_all: Option<String>,
    created: String,
    keys: Vec<keys::Row>,
}

#[derive(Serialize)]
struct RecordRow {
    purpose: &'static str,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    data: String,
    needed: bool,
    why: &'static str,
}

pub(super) async fn run(
    command: DomainCommand,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    match command {
        DomainCommand::Add { name, backup, catch_all } => {
            let kind = if backup { DomainKind::Backup } else { DomainKind::Local };
            add((&name, kind, catch_all.as_deref()), office, console).await
        }
        DomainCommand::List { json } => list(office, console, json).await,
        DomainCommand::Records { name, zone, json } => {
            print_records(&name, (zone, json), office, console).await
        }
        DomainCommand::Check { name, json } => check::run(&name, json, office, console).await,
        DomainCommand::Keys { name, json } => keys::list(&name, json, office, console).await,
        DomainCommand::Rotate { name, activate } => {
            keys::rotate(&name, activate, office, console).await
        }
        DomainCommand::ImportKey { name, selector } => {
            keys::import(&name, &selector, office, console).await
        }
        DomainCommand::Remove { name } => {
            let name = domain(&name)?;
            office.directory.remove_domain(&name).await?;
            Ok(console.line(&format!("removed {name}")).await?)
        }
    }
}

async fn add(
    (name, kind, catch_all): (&str, DomainKind, Option<&str>),
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let name = domain(name)?;
    let catch_all = catch_all.map(address).transpose()?;
    office.directory.add_domain(&name, kind, office.now()).await?;
    if let Some(target) = catch_all {
        office.directory.set_catch_all(&name, Some(&target)).await?;
    }
    console.line(&format!("added {name}")).await?;
    // What cannot be published is not made.
    if kind != DomainKind::Local || !name.as_str().contains('.') {
        return Ok(());
    }
    office.directory.make_keys(&name, office.now()).await?;
    let unready = unready(&office.config.now());
    if !unready.is_empty() {
        for line in unready {
            console.line(&line).await?;
        }
        let then = format!("then `mailwright domain records {name}` prints what to set in the DNS");
        return Ok(console.line(&then).await?);
    }
    console.line("\nset these records in the DNS:").await?;
    let found = wanted(&name, office).await?;
    table(console, &lines(&found)).await
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let domains = office.directory.domains().await?;
    let keys = office.directory.keys().await?;
    let rows: Vec<Row> = domains
        .into_iter()
        .map(|domain| Row {
            keys: keys.iter().filter(|key| key.domain == domain.name).map(keys::row).collect(),
            name: domain.name,
            kind: domain.kind.as_str(),
            catch_all: domain.catch_all,
            created: time(domain.created),
        })
        .collect();
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.name, row.kind.to_owned(), row.catch_all.unwrap_or_default()])
        .collect();
    table(console, &lines).await
}

async fn print_records(
    name: &str,
    (zone, as_json): (bool, bool),
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let domain = ours(name, office).await?;
    let unready = unready(&office.config.now());
    if !unready.is_empty() {
        return Err(Failure::new(unready.join("\n")));
    }
    let found = wanted(&domain, office).await?;
    if zone {
        for record in found {
            // Those of our host may be of another zone, and no file may have both.
            let comment = if record.is_below(domain.as_str()) { "" } else { "; " };
            console.line(&format!("{comment}{}", record.zone())).await?;
        }
        return Ok(());
    }
    if as_json {
        let row = |Record { purpose, name, kind, data }| RecordRow {
            purpose: purpose.as_str(),
            name,
            kind,
            data,
            needed: purpose.is_needed(),
            why: purpose.why(),
        };
        return json(console, &found.into_iter().map(row).collect::<Vec<_>>()).await;
    }
    table(console, &lines(&found)).await
}

/// What has to be set in the configuration before there are records that lead here.
fn unready(config: &Config) -> Vec<String> {
    let host = &config.server.hostname;
    let mut found = Vec::new();
    let last = host.rsplit('.').next().unwrap_or_default();
    if !host.contains('.') || last.eq_ignore_ascii_case("localhost") {
        found.push(format!(
            "first write `server.hostname` into the configuration file: it is \"{host}\", and has \
             to be the name that this server has in the DNS, such as \"mail.example.com\""
        ));
    }
    if config.listeners == Config::default().listeners {
        found.push(
            "first write `[listeners]` into the configuration file: they are those of the first \
             run, on ports that nobody else reaches"
                .to_owned(),
        );
    }
    found
}

fn lines(records: &[Record]) -> Vec<Vec<String>> {
    let line =
        |record: &Record| vec![record.name.clone(), record.kind.to_owned(), record.data.clone()];
    records.iter().map(line).collect()
}

/// What the records of a domain of ours are made of.
struct Known {
    domain: Domain,
    hostname: String,
    services: Vec<mailwright_config::Service>,
    keys: Vec<Key>,
    sources: Vec<std::net::IpAddr>,
    tlsa: Vec<String>,
    policy_id: Option<String>,
    subdomains: Subdomains,
    validates: bool,
}

impl Known {
    async fn of(domain: &Domain, office: &Office) -> Result<Self, Failure> {
        let config = office.config.now();
        let mut keys = office.directory.keys().await?;
        keys.retain(|key| key.domain == domain.as_str() && key.state != KeyState::Retired);
        let hostname = config.server.hostname.clone();
        let tlsa = match tlsa::records(&config) {
            Ok((_, data)) => data,
            Err(failure) => {
                tracing::warn!(%failure, "No certificate for a TLSA record.");
                Vec::new()
            }
        };
        let policy_id = (config.mta_sts.mode != StsMode::None).then(|| policy::id(&config));
        let sources = config.relay.source_ipv4.into_iter().chain(config.relay.source_ipv6);
        Ok(Self {
            domain: domain.clone(),
            services: config.services(),
            sources: sources.collect(),
            hostname,
            keys,
            tlsa,
            policy_id,
            subdomains: config.subdomains.clone(),
            validates: config.dns.dnssec,
        })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            domain: self.domain.as_str(),
            hostname: &self.hostname,
            services: &self.services,
            keys: &self.keys,
            sources: &self.sources,
            tlsa: &self.tlsa,
            policy_id: self.policy_id.as_deref(),
            subdomains: &self.subdomains,
            validates: self.validates,
        }
    }
}

async fn wanted(domain: &Domain, office: &Office) -> Result<Vec<Record>, Failure> {
    Ok(records::all(&Known::of(domain, office).await?.facts()))
}

/// A domain of ours that a person named.
async fn ours(name: &str, office: &Office) -> Result<Domain, Failure> {
    let name = domain(name)?;
    if office.is_ours(&name).await? {
        return Ok(name);
    }
    Err(Failure::new(format!("{name} is no domain of ours")))
}

fn domain(text: &str) -> Result<Domain, Failure> {
    Domain::parse(text).map_err(|error| Failure::of(&format!("{text:?} is no domain"), &error))
}

#[cfg(test)]
mod tests {
    use mailwright_config::{Listener, Role};

    use super::*;

    #[test]
    fn a_first_run_is_told_what_to_set_before_any_record() {
        let mut config = Config::default();
        let told = unready(&config);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("server.hostname") && told[1].contains("[listeners]"), "{told:?}");
        config.server.hostname = "mail.example.com".to_owned();
        assert_eq!(unready(&config).len(), 1);
        let listener = Listener::new(Role::Mta, vec!["[::]:25".parse().unwrap()]);
        config.listeners = [("mta".to_owned(), listener)].into();
        assert_eq!(unready(&config), Vec::<String>::new());
        for name in ["mail", "mail.localhost"] {
            config.server.hostname = name.to_owned();
            assert_eq!(unready(&config).len(), 1, "{name}");
        }
    }
}
