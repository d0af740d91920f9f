//! The network and the DNS of a running server, over `mailwright-net`.
//!
//! It decides nothing: addresses, names and what is verified come from the attempt.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailwright_config::Config;
use mailwright_net::tls::{CertificateError, Client, Trust};
use mailwright_net::{Clock, TlsFacts, connect, dns};
use mailwright_sasl::ChannelBinding;

use crate::mx::{Answer, Names};
use crate::network::{Network, Secured, Stream};
use crate::outcome::Later;

/// Connects, shakes hands and looks names up. Cheap to clone; clones share cache and sessions.
#[derive(Clone)]
pub struct Wire {
    sources: Vec<IpAddr>,
    client: Client,
    resolver: Arc<dyn dns::Resolver>,
}

/// Why there is no [`Wire`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The client's side of TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] CertificateError),
    /// The system's DNS configuration cannot be read.
    #[error("configuration of the DNS: {0}")]
    Dns(#[from] dns::SystemError),
}

impl Wire {
    /// Takes source addresses and DNS servers from `config`; `clock` says which certificates have
    /// expired. Mozilla's authorities are the known ones.
    ///
    /// Errors: [`WireError`].
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, WireError> {
        let relay = &config.relay;
        Ok(Self {
            sources: relay.source_ipv6.into_iter().chain(relay.source_ipv4).collect(),
            client: Client::new(&[], clock)?,
            resolver: Arc::new(dns::System::new(&config.dns)?),
        })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Network for Wire {
    fn dial<'a>(
        &'a self,
        addresses: &'a [SocketAddr],
        timeout: Duration,
    ) -> Later<'a, io::Result<(Box<dyn Stream>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = connect::dial(addresses, &self.sources, timeout).await?;
            let stream: Box<dyn Stream> = Box::new(stream);
            Ok((stream, peer))
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        name: &'a str,
        verify: bool,
    ) -> Later<'a, io::Result<Secured>> {
        let trust = if verify { Trust::Verified } else { Trust::Opportunistic };
        Box::pin(async move {
            let (stream, facts) = self.client.connect(stream, name, trust).await?;
            let summary = format!("{} {}", facts.version, facts.cipher);
            Ok(Secured { stream: Box::new(stream), summary, binding: binding(facts) })
        })
    }
}

impl Names for Wire {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Answer<Vec<(u16, String)>>> {
        Box::pin(async move { answer(self.resolver.mx(domain).await) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Answer<Vec<IpAddr>>> {
        Box::pin(async move { answer(self.resolver.addresses(host).await) })
    }
}

fn answer<T>(answer: dns::Answer<T>) -> Answer<T> {
    match answer {
        dns::Answer::Found(records) => Answer::Found(records),
        dns::Answer::NoData => Answer::NoData,
        dns::Answer::NoSuchDomain => Answer::NoSuchDomain,
        dns::Answer::Temporary(why) => Answer::Temporary(why),
    }
}

fn binding(facts: TlsFacts) -> ChannelBinding {
    let exporter = Some(facts.exporter).filter(|exporter| !exporter.is_empty());
    ChannelBinding { exporter, server_end_point: facts.server_end_point }
}

#[cfg(test)]
mod tests;
