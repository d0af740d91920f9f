//! Networks that may not connect: blocked by people, or after failed logins.
//!
//! An address (of IPv6 the /64 of its site) is blocked after a number of failures within an hour
//! of each other; when several of one wider network (/24, of IPv6 /48) are blocked within a day,
//! all of it is. Blocks are kept over restarts, and end after a time. Counting is bounded.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use mailwright_store::guard::{self as row, Block};
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::Timestamp;

use crate::throttle::Generations;
use crate::{Directory, DirectoryError};

/// A quiet time after which failures of an address are forgotten.
const QUIET: Duration = Duration::from_hours(1);
/// The same for blocked addresses of a wider network.
const QUIET_NETWORK: Duration = Duration::from_hours(24);
/// Blocks that the server makes by itself, at most.
const AUTOMATIC_MAX: usize = 100_000;

/// The networks that are blocked, by network; looked up by each length there is.
#[derive(Debug, Default)]
pub(crate) struct Table {
    networks: HashMap<IpNet, Option<Timestamp>>,
    lengths: BTreeSet<(bool, u8)>,
}

impl Table {
    /// The blocks of rows; one that makes no sense is left out.
    pub(crate) fn of(rows: &[Block]) -> Self {
        let mut table = Self::default();
        for row in rows {
            let Ok(network) = row.network.parse::<IpNet>() else { continue };
            table.lengths.insert((network.addr().is_ipv4(), network.prefix_len()));
            table.networks.insert(network.trunc(), row.until);
        }
        table
    }

    /// How many blocked networks are within one.
    fn within(&self, wide: &IpNet) -> u32 {
        let count = self.networks.keys().filter(|network| wide.contains(*network)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The blocked network that an address is in.
    fn find(&self, address: IpAddr, now: Timestamp) -> Option<IpNet> {
        let lengths = self.lengths.iter().filter(|(is_v4, _)| *is_v4 == address.is_ipv4());
        let networks = lengths.filter_map(|(_, length)| IpNet::new(address, *length).ok());
        let holds = |network: &IpNet| {
            let until = self.networks.get(network);
            until.is_some_and(|until| until.is_none_or(|until| until > now))
        };
        networks.map(|network| network.trunc()).find(holds)
    }
}

/// Failures, by address and by wider network.
#[derive(Debug, Default)]
pub(crate) struct Strikes(Mutex<Generations<IpNet, (u32, Timestamp)>>);

impl Strikes {
    /// Counts one more; how many there are since the last quiet time.
    fn count(&self, network: IpNet, quiet: Duration, now: Timestamp) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counts.find(&network).filter(|(_, last)| now.since(*last) < quiet);
        let count = before.map_or(0, |(count, _)| count).saturating_add(1);
        counts.put(network, (count, now));
        count
    }

    fn forget(&self, network: &IpNet) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(network);
    }
}

/// The network that counts as one client, and the wider one around it.
fn networks(address: IpAddr) -> Option<(IpNet, IpNet)> {
    let (site, wide) = if address.is_ipv4() { (32, 24) } else { (64, 48) };
    let of = |length| IpNet::new(address, length).ok().map(|network| network.trunc());
    Some((of(site)?, of(wide)?))
}

impl Directory {
    /// Whether clients at `address` may not connect.
    pub fn is_blocked(&self, address: IpAddr, now: Timestamp) -> bool {
        self.0.blocks.now().find(address.to_canonical(), now).is_some()
    }

    /// Every block, by network.
    ///
    /// Errors: the store's.
    pub async fn blocks(&self) -> Result<Vec<Block>, DirectoryError> {
        Ok(self.0.store.read(row::blocks).await?)
    }

    /// Blocks a network.
    ///
    /// Errors: the store's.
    pub async fn block(&self, block: Block) -> Result<(), DirectoryError> {
        let (network, reason) = (block.network.clone(), block.reason.clone());
        self.0.store.write(Lane::Quick, move |tx| row::block(tx, &block)).await?;
        self.load_blocks().await?;
        tracing::warn!(network, reason, "Network blocked.");
        Ok(())
    }

    /// Lets a network in again.
    ///
    /// Errors: it is not blocked.
    pub async fn unblock(&self, network: IpNet) -> Result<(), DirectoryError> {
        let text = network.to_string();
        self.0.store.write(Lane::Quick, move |tx| row::unblock(tx, &text)).await?;
        self.0.strikes.forget(&network);
        self.load_blocks().await?;
        tracing::info!(%network, "Network released.");
        Ok(())
    }

    /// Removes blocks whose time is over.
    ///
    /// Errors: the store's.
    pub async fn release_blocks(&self, now: Timestamp) -> Result<usize, DirectoryError> {
        let write = move |tx: &mut Tx<'_>| row::release_blocks(tx, now);
        let count = self.0.store.write(Lane::Bulk, write).await?;
        if count > 0 {
            self.load_blocks().await?;
        }
        Ok(count)
    }

    pub(crate) async fn load_blocks(&self) -> Result<(), StoreError> {
        self.0.blocks.set(Table::of(&self.0.store.read(row::blocks).await?));
        Ok(())
    }

    /// Counts a login that failed, and blocks who has too many.
    pub(crate) async fn strike(&self, name: &str, address: IpAddr, now: Timestamp) {
        let (settings, address) = (self.0.settings.now(), address.to_canonical());
        let Some((site, wide)) = networks(address) else { return };
        let count = self.0.strikes.count(site, QUIET, now);
        // The first of many are told, and then fewer and fewer.
        if count.is_power_of_two() {
            let detail = format!("failure {count} of {site}");
            self.audit(("login_failed", name, &address.to_string()), detail, now).await;
        }
        let is_exempt = settings.never_block.iter().any(|network| network.contains(&address));
        if settings.block_after == 0 || count < settings.block_after || is_exempt {
            return;
        }
        self.0.strikes.forget(&site);
        let reason = format!("{count} failed logins");
        self.block_for(site, settings.block_time, reason, now).await;
        // Those from before a restart count as long as they are blocked.
        let count = self.0.strikes.count(wide, QUIET_NETWORK, now);
        let count = count.max(self.0.blocks.now().within(&wide));
        if settings.block_sites > 0 && count >= settings.block_sites {
            self.0.strikes.forget(&wide);
            let reason = format!("{count} addresses of it were blocked");
            self.block_for(wide, settings.block_time, reason, now).await;
        }
    }

    async fn block_for(&self, network: IpNet, time: Duration, reason: String, now: Timestamp) {
        if self.0.blocks.now().networks.len() >= AUTOMATIC_MAX {
            tracing::warn!(%network, "Not blocked: too many networks are.");
            return;
        }
        let block = Block {
            network: network.to_string(),
            reason: reason.clone(),
            automatic: true,
            created: now,
            until: Some(now.plus(time)),
        };
        if let Err(error) = self.block(block).await {
            tracing::warn!(%error, %network, "Not blocked.");
        }
        self.audit(("blocked", "", &network.to_string()), reason, now).await;
    }
}

#[cfg(test)]
mod tests {
    use mailwright_store::{Options, Store};

    use super::*;
    use crate::Settings;

    const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

    async fn open(folder: &tempfile::TempDir) -> Directory {
        let store = Store::open(Options::new(folder.path()), NOW).unwrap();
        let mut settings = Settings::of(&mailwright_config::Config::default());
        settings.block_after = 3;
        settings.block_sites = 2;
        Directory::open(store, settings).await.unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn who_fails_too_often_is_blocked_for_a_time_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder).await;
        for address in ["203.0.113.7", "2001:db8::1", "127.0.0.1"] {
            for _ in 0..3 {
                assert!(!directory.is_blocked(ip(address), NOW));
                directory.strike("ann@mw.example", ip(address), NOW).await;
            }
        }
        drop(directory);
        let directory = open(&folder).await;
        for (address, is_blocked) in [
            ("203.0.113.7", true),
            ("::ffff:203.0.113.7", true),
            ("203.0.113.8", false),
            ("2001:db8::ffff", true),
            ("2001:db8:0:1::1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(directory.is_blocked(ip(address), NOW), is_blocked, "{address}");
        }
        let later = NOW.plus(Duration::from_hours(1));
        assert!(!directory.is_blocked(ip("203.0.113.7"), later));
        assert_eq!(directory.release_blocks(later).await.unwrap(), 2);
        assert_eq!(directory.blocks().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_network_with_several_blocked_addresses_is_blocked() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder).await;
        for host in [1, 2] {
            for _ in 0..3 {
                directory.strike("x", IpAddr::from([203, 0, 113, host]), NOW).await;
            }
        }
        assert!(directory.is_blocked(ip("203.0.113.99"), NOW));
        assert!(!directory.is_blocked(ip("203.0.114.1"), NOW));
        directory.unblock("203.0.113.0/24".parse().unwrap()).await.unwrap();
        assert!(!directory.is_blocked(ip("203.0.113.99"), NOW));
        assert!(directory.unblock("203.0.113.0/24".parse().unwrap()).await.is_err());
        let told = directory.audits(None, 100).await.unwrap();
        let kinds: Vec<&str> = told.iter().rev().map(|row| row.kind.as_str()).collect();
        let wanted = [
            "login_failed",
            "login_failed",
            "blocked",
            "login_failed",
            "login_failed",
            "blocked",
            "blocked",
        ];
        assert_eq!(kinds, wanted);
    }

    #[tokio::test]
    async fn failures_far_apart_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder).await;
        for hours in 0..6 {
            let now = NOW.plus(Duration::from_hours(2 * hours));
            directory.strike("x", ip("203.0.113.1"), now).await;
            assert!(!directory.is_blocked(ip("203.0.113.1"), now));
        }
    }
}
