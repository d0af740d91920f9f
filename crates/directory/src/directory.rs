//! The directory itself: what its questions share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use mailwright_config::{CatchAll, Config, Live};
use mailwright_sasl::DecoyKey;
use mailwright_store::{Lane, Store, StoreError, directory as row, guard};
use mailwright_words::{Domain, Timestamp};

use crate::block::{Strikes, Table};
use crate::check::Checker;
use crate::error::DirectoryError;
use crate::inbox::Known;
use crate::keys::{self, Signers};
use crate::password;
use crate::srs::Srs;
use crate::throttle::Throttle;

/// What of the configuration the directory goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between an account's name and the detail behind it; none turns subaddresses off.
    pub separator: Option<char>,
    /// Whether catch-alls are in use.
    pub catch_all: bool,
    /// Domains we keep mail for while their own servers are away.
    pub backup: Vec<Domain>,
    /// Failures after which further logins wait.
    pub throttle_after: u32,
    /// How long they wait at first.
    pub throttle_wait: Duration,
    /// Failed logins after which an address is blocked; 0 blocks none.
    pub block_after: u32,
    /// Blocked addresses after which the network around them is; 0 blocks none.
    pub block_sites: u32,
    /// How long a block lasts.
    pub block_time: Duration,
    /// Networks that are never blocked by themselves.
    pub never_block: Vec<IpNet>,
    /// How long a password that was right is remembered.
    pub cache: Duration,
    /// Passwords checked at once.
    pub checks_max: usize,
    /// How long the reverse-path of a forwarded message takes reports.
    pub srs_lifetime: Duration,
    /// The label below each domain that reverse-paths of its messages are at; none leaves them
    /// as they are.
    pub return_path: Option<String>,
    /// Most inboxes.
    pub inboxes_max: usize,
    /// Whether every password opens an inbox.
    pub open_inboxes: bool,
}

impl Settings {
    /// Those of a configuration, which has been checked: a backup domain that is none is left out.
    pub fn of(config: &Config) -> Self {
        let backup = &config.intake.backup_domains;
        Self {
            separator: config.intake.subaddress_separator.chars().next(),
            catch_all: config.intake.catch_all == CatchAll::Deliver,
            backup: backup.iter().filter_map(|name| Domain::parse(name).ok()).collect(),
            throttle_after: config.auth.throttle_after,
            throttle_wait: config.auth.throttle_wait,
            block_after: config.auth.block_after,
            block_sites: config.auth.block_sites,
            block_time: config.auth.block_time,
            never_block: config.auth.never_block.clone(),
            cache: config.auth.cache,
            checks_max: config.auth.checks_max,
            srs_lifetime: config.intake.srs_lifetime,
            return_path: config.subdomains.return_path.clone(),
            inboxes_max: config.sandbox.inboxes_max,
            open_inboxes: config.sandbox.is_open,
        }
    }
}

/// Who is who on this server. Clones share everything.
#[derive(Clone, Debug)]
pub struct Directory(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) settings: Live<Settings>,
    pub(crate) checker: Checker,
    pub(crate) inboxes: Known,
    pub(crate) throttle: Throttle,
    pub(crate) decoy: DecoyKey,
    pub(crate) srs: Srs,
    /// Networks that may not connect.
    pub(crate) blocks: Live<Table>,
    pub(crate) strikes: Strikes,
    /// Who signs for which domain.
    pub(crate) signers: Live<Signers>,
    /// Whether any app password can be used with CRAM-MD5; asked at each `EHLO`.
    pub(crate) has_cram_md5: AtomicBool,
}

impl Directory {
    /// Opens the directory of a store. The first time, it makes the server's secrets.
    ///
    /// Errors: the store refuses, or the system gives no random numbers.
    pub async fn open(store: Store, settings: Settings) -> Result<Self, DirectoryError> {
        let key = secret(&store, "scram.decoy").await?;
        let srs = Srs::new(secret(&store, "srs.key").await?);
        let blocks = Live::new(Table::of(&store.read(guard::blocks).await?));
        let signers = Live::new(keys::signers(store.read(row::keys).await?));
        let has_cram_md5 = AtomicBool::new(store.read(row::has_cram_md5).await?);
        Ok(Self(Arc::new(Inner {
            checker: Checker::new(settings.checks_max, settings.cache, settings.open_inboxes)?,
            inboxes: Known::default(),
            throttle: Throttle::new(settings.throttle_after, settings.throttle_wait),
            decoy: DecoyKey::new(key),
            srs,
            blocks,
            strikes: Strikes::default(),
            signers,
            has_cram_md5,
            store,
            settings: Live::new(settings),
        })))
    }

    /// Goes by other settings from the next question on; `checks_max` stays as it is.
    pub fn reload(&self, settings: Settings) {
        self.0.checker.remember_for(settings.cache);
        self.0.throttle.set(settings.throttle_after, settings.throttle_wait);
        self.0.settings.set(settings);
    }

    /// Looks again whether CRAM-MD5 is of use, after app passwords have changed.
    pub(crate) async fn recount(&self) -> Result<(), StoreError> {
        let has = self.0.store.read(row::has_cram_md5).await?;
        self.0.has_cram_md5.store(has, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn id(&self, now: Timestamp) -> mailwright_words::Id {
        self.0.store.ids().next(now)
    }
}

/// A key of this server, kept in the store under `name` from its first use on.
async fn secret(store: &Store, name: &'static str) -> Result<[u8; 32], DirectoryError> {
    let fresh = password::random::<32>()?;
    let key = store.write(Lane::Quick, move |tx| row::constant(tx, name, &fresh)).await?;
    Ok(key.try_into().map_err(|_bytes| StoreError::Corrupt(name))?)
}
