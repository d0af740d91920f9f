//! SIGHUP: certificates and configuration are read again, without a restart.
//!
//! A configuration with an error changes nothing. Fields that need a restart keep their value and
//! are named, one line each.

use std::{path::PathBuf, sync::Arc};

use mailwright_config::{Config, Reload, Source};
use mailwright_net::tls::{Certificates, SelfSigned, Sources};

use crate::{
    Failure, certify,
    log::Filter,
    office::Office,
    outgoing::Outgoing,
    ports::{House, Served},
    verify,
};

/// Everything that a reload changes.
pub(crate) struct Reloader {
    pub(crate) source: Source,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) filter: Filter,
    pub(crate) house: House,
    pub(crate) served: Vec<Served>,
    pub(crate) outgoing: Outgoing,
}

impl Reloader {
    /// Reads the configuration again and puts it in force as far as that can be done.
    pub(crate) fn reload(&self) {
        let fresh = match mailwright_config::load(&self.source) {
            Ok(fresh) => fresh,
            Err(problem) => {
                tracing::error!(%problem, "Configuration not read again; the old one stays.");
                return;
            }
        };
        let old = self.house.office.config.now();
        let Reload { config, changed, waiting } = old.reload(&fresh);
        if let Err(failure) = self.apply(config, &old) {
            tracing::error!(%failure, "Configuration not put in force; the old one stays.");
            if let Err(failure) = self.apply((*old).clone(), &fresh) {
                tracing::error!(%failure, "The old configuration is not whole; please restart.");
            }
            return;
        }
        let changed = changed.join(" ");
        tracing::info!(changed, "Configuration read again.");
        for field in waiting {
            tracing::warn!(field, "A changed field needs a restart.");
        }
    }

    /// Lets go of everything but the office, which is closed last.
    pub(crate) fn close(self) -> Office {
        self.house.office
    }

    /// Certificates first: they fail most, and then nothing else has changed.
    fn apply(&self, config: Config, old: &Config) -> Result<(), Failure> {
        self.certificates
            .reload(Some(certificate_sources(&config)))
            .map_err(|error| Failure::of("certificates", &error))?;
        self.filter.set(config.log.level)?;
        let office = &self.house.office;
        office.reload(config)?;
        verify::reload(office, old)?;
        self.outgoing.reload(office, old)?;
        self.served.iter().try_for_each(|served| served.reload(&self.house))
    }
}

/// Where the certificates of a configuration come from.
pub(crate) fn certificate_sources(config: &Config) -> Sources {
    let files = config.tls.certificates.iter();
    let host = config.server.hostname.clone();
    let mut names = vec![host, "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.dedup();
    let mut files: Vec<_> = files
        .map(|(name, pair)| (name.clone(), pair.certificate.clone(), pair.key.clone()))
        .collect();
    files.extend(vouched(config));
    Sources {
        files,
        self_signed: config
            .tls
            .self_signed
            .then(|| SelfSigned { folder: config.server.data.clone(), names }),
    }
}

/// The certificates of an authority, for the names that no file is set for.
fn vouched(config: &Config) -> Vec<(String, PathBuf, PathBuf)> {
    let set = &config.tls.certificates;
    let keeper = certify::keeper(config);
    let mut files = Vec::new();
    for (name, path) in keeper.all() {
        let names = keeper.vouched(&name).map(|vouched| vouched.names).unwrap_or_default();
        let is_main =
            certify::main_name(config).is_some_and(|main| main.eq_ignore_ascii_case(&name));
        let all = names.into_iter().chain(is_main.then(|| "*".to_owned()));
        let free = all.filter(|name| !set.contains_key(name));
        files.extend(free.map(|name| (name, path.clone(), path.clone())));
    }
    files
}
