//! Which servers are tried for a domain: those set by the operator, or those found through MX.
//!
//! Pure but for the lookups it lists. Source of MX: [`crate::mx`].

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use mailwright_config::{Host, Protocol, Relay, Route};
use mailwright_sasl::Secret;
use mailwright_sasl::client::Login;
use mailwright_words::address::Domain;

use crate::mx::Server;
use crate::tls::Demand;

/// A server to try, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its name, which its certificate has to have when that is looked at.
    pub(crate) name: String,
    /// Where it is; tried in this order.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) demand: Demand,
    pub(crate) implicit_tls: bool,
    pub(crate) lmtp: bool,
    pub(crate) login: Option<Login>,
    /// Messages after which a connection is closed.
    pub(crate) messages_max: usize,
    /// Found through MX, where our own name as its greeting means a loop. A server that was set
    /// may well share our name: an LMTP server beside us does.
    pub(crate) found: bool,
}

impl Target {
    /// A server found through MX.
    pub(crate) fn found(server: Server, relay: &Relay, demand: Demand) -> Self {
        Self {
            messages_max: relay
                .provider(&server.name)
                .and_then(|(_, provider)| provider.messages_per_connection_max)
                .unwrap_or(relay.messages_per_connection_max),
            addresses: with_port(&server.addresses, relay.port),
            name: server.name,
            demand,
            implicit_tls: false,
            lmtp: false,
            login: None,
            found: true,
        }
    }

    /// A server that was set.
    pub(crate) fn set(server: &Server, host: &Host, relay: &Relay, demand: Demand) -> Self {
        let login = host.user.as_ref().zip(host.password.as_ref()).map(|(user, password)| Login {
            name: user.clone(),
            password: Secret::new(password.expose()),
        });
        Self {
            name: server.name.clone(),
            addresses: with_port(&server.addresses, host.port()),
            messages_max: relay.messages_per_connection_max,
            demand,
            implicit_tls: host.implicit_tls,
            lmtp: host.protocol == Protocol::Lmtp,
            login,
            found: false,
        }
    }
}

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
}

/// The route of a domain: its own, the nearest `*.` above it, or `*`.
pub(crate) fn route<'a>(routes: &'a BTreeMap<String, Route>, domain: &Domain) -> Option<&'a Route> {
    let domain = domain.as_str();
    if let Some(route) = routes.get(domain) {
        return Some(route);
    }
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.') {
        if let Some(route) = routes.get(&format!("*.{parent}")) {
            return Some(route);
        }
        rest = parent;
    }
    routes.get("*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_route_wins() {
        let of = |name: &str| Route { connections_max: Some(name.len()), ..Route::default() };
        let names = ["x.example", "*.x.example", "*.a.x.example", "*"];
        let routes = names.iter().map(|name| ((*name).to_owned(), of(name))).collect();
        for (domain, name) in [
            ("x.example", "x.example"),
            ("b.x.example", "*.x.example"),
            ("c.a.x.example", "*.a.x.example"),
            ("a.x.example", "*.x.example"),
            ("y.example", "*"),
        ] {
            let found = route(&routes, &Domain::parse(domain).unwrap()).unwrap();
            assert_eq!(found.connections_max, Some(name.len()), "{domain}");
        }
        assert!(route(&BTreeMap::new(), &Domain::parse("x.example").unwrap()).is_none());
    }
}
