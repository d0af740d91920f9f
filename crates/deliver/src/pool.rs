//! Connections that wait for more work to the same host.
//!
//! Bounded: in messages a connection, in age, in idle time, in number. What is over a bound is
//! closed, never kept.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use mailwright_config::Relay;

use crate::connection::Connection;
use crate::route::Target;
use crate::tls::Level;

/// Idle connections of one host that are kept.
const IDLE_MAX: usize = 20;

/// What two jobs have to share for one connection. The demand is part of it: a connection that was
/// made under a weaker one, or for other TLSA records, is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    name: String,
    addresses: Vec<SocketAddr>,
    tls: (u8, Vec<String>),
    lmtp: bool,
    login: Option<String>,
}

impl Key {
    pub(crate) fn of(target: &Target) -> Self {
        let tls = match &target.demand.level {
            Level::Plain => (0, Vec::new()),
            Level::Optional => (1, Vec::new()),
            Level::Encrypted => (2, Vec::new()),
            Level::Verified => (3, Vec::new()),
            Level::Pinned(pins) => {
                let mut records: Vec<String> =
                    pins.records().iter().map(ToString::to_string).collect();
                records.sort();
                records.extend(pins.names().iter().cloned());
                (4, records)
            }
        };
        let mut addresses = target.addresses.clone();
        addresses.sort();
        Self {
            name: target.name.clone(),
            addresses,
            tls,
            lmtp: target.lmtp,
            login: target.login.as_ref().map(|login| login.name.clone()),
        }
    }
}

/// The idle connections.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Key, Vec<Connection>>>,
}

impl Pool {
    /// The connection that was used last, if one is fit for work.
    pub(crate) async fn take(&self, key: &Key, relay: &Relay) -> Option<Connection> {
        loop {
            let mut connection = self.pop(key)?;
            if is_fit(&connection, relay) && !connection.is_stale().await {
                return Some(connection);
            }
            tokio::spawn(connection.quit());
        }
    }

    /// Keeps a connection for more work, or closes it.
    pub(crate) fn put(&self, key: Key, connection: Connection, relay: &Relay) {
        if !connection.is_ready() {
            return;
        }
        if let Some(surplus) = self.push(key, connection, relay) {
            tokio::spawn(surplus.quit());
        }
    }

    /// Closes what has been idle too long. To be called now and then.
    pub(crate) fn sweep(&self, relay: &Relay) {
        let mut surplus = Vec::new();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, connections| {
            let (fit, unfit) =
                std::mem::take(connections).into_iter().partition(|one| is_fit(one, relay));
            *connections = fit;
            surplus.extend::<Vec<Connection>>(unfit);
            !connections.is_empty()
        });
        drop(idle);
        for connection in surplus {
            tokio::spawn(connection.quit());
        }
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *idle);
        drop(idle);
        for connection in all.into_values().flatten() {
            tokio::spawn(connection.quit());
        }
    }

    fn pop(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(key)?;
        let connection = connections.pop();
        if connections.is_empty() {
            idle.remove(key);
        }
        connection
    }

    fn push(&self, key: Key, connection: Connection, relay: &Relay) -> Option<Connection> {
        if !is_fit(&connection, relay) {
            return Some(connection);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(key).or_default();
        if connections.len() >= IDLE_MAX {
            return Some(connection);
        }
        connections.push(connection);
        None
    }
}

fn is_fit(connection: &Connection, relay: &Relay) -> bool {
    let now = Instant::now();
    connection.used < connection.used_max
        && now.saturating_duration_since(connection.made) < relay.connection_age_max
        && now.saturating_duration_since(connection.idle) < relay.idle_timeout
}
