//! The resolver of a running server, over hickory, with its cache.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::TrustAnchors,
        rr::{Name, RData, RecordType},
    },
};
use mailwright_config::Dns;

use super::{Answer, Later, Resolver, Signed, Srv, Tlsa, proof};

/// Asks the system's servers, or those of the configuration.
pub struct System {
    inner: TokioResolver,
    /// Whether signatures are checked.
    validates: bool,
}

impl System {
    /// Takes servers, timeouts, cache and DNSSEC from `dns`.
    ///
    /// Errors: the system's configuration cannot be read.
    pub fn new(dns: &Dns) -> Result<Self, NetError> {
        let mut builder = if dns.servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = dns.servers.iter().map(|server| {
                let connection = |mut connection: ConnectionConfig| {
                    connection.port = server.port();
                    connection
                };
                let connections =
                    vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
                NameServerConfig::new(server.ip(), true, connections)
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        set(builder.options_mut(), dns);
        if let Some(path) = &dns.trust_anchors {
            let anchors = TrustAnchors::from_file(path)
                .map_err(|error| NetError::from(format!("{}: {error}", path.display())))?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        Ok(Self { inner: builder.build()?, validates: dns.dnssec })
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<Vec<T>> {
        self.ask_signed(name, kind, pick).await.map(|signed| signed.records)
    }

    async fn ask_signed<T>(
        &self,
        name: &str,
        kind: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Answer<Signed<Vec<T>>> {
        // Absolute: a search list would find other people's names. What can be no name has no
        // records, today and on any other day: as a passing trouble, whoever makes such a name up
        // could keep us from what would be known without it.
        let Ok(name) = Name::from_utf8(format!("{}.", name.trim_end_matches('.'))) else {
            return Answer::NoSuchDomain;
        };
        let lookup = match self.inner.lookup(name, kind).await {
            Ok(lookup) => lookup,
            Err(error) => return proof::negative(&error, self.validates),
        };
        let asked = lookup.query().name();
        proof::judged(lookup.answers(), (asked, kind), self.validates, pick)
    }

    async fn both(&self, host: &str) -> Answer<Signed<Vec<IpAddr>>> {
        let (six, four) = tokio::join!(
            self.ask_signed(host, RecordType::AAAA, |data| v6(data).map(IpAddr::V6)),
            self.ask_signed(host, RecordType::A, |data| v4(data).map(IpAddr::V4)),
        );
        match (six, four) {
            (Answer::Found(six), Answer::Found(four)) => Answer::Found(Signed {
                records: [six.records, four.records].concat(),
                secure: six.secure && four.secure,
                canonical: six.canonical.or(four.canonical),
                alias_secure: six.alias_secure && four.alias_secure,
            }),
            (Answer::Found(found), _) | (_, Answer::Found(found)) => Answer::Found(found),
            (Answer::Temporary(why), _) | (_, Answer::Temporary(why)) => Answer::Temporary(why),
            (Answer::NoSuchDomain, Answer::NoSuchDomain) => Answer::NoSuchDomain,
            _ => Answer::NoData,
        }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").finish_non_exhaustive()
    }
}

fn set(options: &mut ResolverOpts, dns: &Dns) {
    options.timeout = dns.timeout;
    options.attempts = dns.attempts;
    options.cache_size = u64::try_from(dns.cache_size).unwrap_or(u64::MAX);
    options.validate = dns.dnssec;
    options.edns0 = true;
    options.try_tcp_on_error = true;
    options.use_hosts_file = ResolveHosts::Always;
}

fn v4(data: &RData) -> Option<Ipv4Addr> {
    if let RData::A(address) = data { Some(address.0) } else { None }
}

fn v6(data: &RData) -> Option<Ipv6Addr> {
    if let RData::AAAA(address) = data { Some(address.0) } else { None }
}

impl Resolver for System {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>> {
        Box::pin(self.ask(domain, RecordType::MX, exchange))
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>> {
        Box::pin(async move { self.both(host).await.map(|signed| signed.records) })
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        Box::pin(self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        }))
    }

    fn ipv4<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv4Addr>> {
        Box::pin(self.ask(host, RecordType::A, v4))
    }

    fn ipv6<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv6Addr>> {
        Box::pin(self.ask(host, RecordType::AAAA, v6))
    }

    fn srv<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Srv>> {
        Box::pin(self.ask(name, RecordType::SRV, |data| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: host(&srv.target.to_ascii()),
            }),
            _ => None,
        }))
    }

    fn ptr(&self, address: IpAddr) -> Later<'_, Vec<String>> {
        let name = Name::from(address).to_ascii();
        Box::pin(async move {
            self.ask(&name, RecordType::PTR, |data| match data {
                RData::PTR(name) => Some(host(&name.0.to_ascii())),
                _ => None,
            })
            .await
        })
    }

    fn signed_mx<'a>(&'a self, domain: &'a str) -> Later<'a, Signed<Vec<(u16, String)>>> {
        Box::pin(self.ask_signed(domain, RecordType::MX, exchange))
    }

    fn signed_addresses<'a>(&'a self, host: &'a str) -> Later<'a, Signed<Vec<IpAddr>>> {
        Box::pin(self.both(host))
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Later<'a, Signed<Vec<Tlsa>>> {
        Box::pin(self.ask_signed(name, RecordType::TLSA, |data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        }))
    }
}

fn exchange(data: &RData) -> Option<(u16, String)> {
    match data {
        RData::MX(mx) => Some((mx.preference, host(&mx.exchange.to_ascii()))),
        _ => None,
    }
}

/// Without the last dot, unless it is all there is.
pub(super) fn host(name: &str) -> String {
    name.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_can_be_no_name_does_not_exist_whoever_is_asked() {
        // Nobody answers here, so that each question that is asked is a passing trouble.
        let dns = Dns {
            servers: vec!["127.0.0.1:9".parse().unwrap()],
            timeout: Duration::from_millis(100),
            attempts: 1,
            ..Dns::default()
        };
        let system = System::new(&dns).unwrap();
        let label = format!("{}._domainkey.bank.example", "a".repeat(64));
        let long = format!("{}bank.example", "abc.".repeat(62));
        for name in [&label, &long, "a..example", ".example", "a.example.x\u{fffd}"] {
            assert_eq!(system.txt(name).await, Answer::NoSuchDomain, "{name}");
        }
        let answer = system.txt("s1._domainkey.bank.example").await;
        assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    }
}
