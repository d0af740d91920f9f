//! The network and the DNS of a running server, over `mailwright-net`.
//!
//! It decides nothing: addresses, names and what is verified come from the attempt.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};

use mailwright_config::Config;
use mailwright_net::dns::Tlsa;
use mailwright_net::tls::{CertificateError, Client, Trust};
use mailwright_net::web::{Browser, HttpError};
use mailwright_net::{Clock, TlsFacts, connect, dns};
use mailwright_sasl::ChannelBinding;

use crate::mx::{Answer, Names, SignedAnswer};
use crate::network::{Network, Secured, Stream};
use crate::outcome::Later;
use crate::sts::{Web, WebError};

/// Octets of a policy. Source: RFC 8461 section 3.2.
const POLICY_MAX: usize = 64 * 1024;

/// Connects, shakes hands and looks names up. Cheap to clone; clones share cache and sessions.
#[derive(Clone)]
pub struct Wire {
    sources: Vec<IpAddr>,
    client: Client,
    resolver: Arc<dyn dns::Resolver>,
    browser: Browser,
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
    /// expired. Mozilla's authorities are the known ones, with those of the configuration.
    ///
    /// Errors: [`WireError`].
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, WireError> {
        let relay = &config.relay;
        let sources: Vec<IpAddr> = relay.source_ipv6.into_iter().chain(relay.source_ipv4).collect();
        let client = Client::new(&relay.authorities, clock)?;
        let resolver: Arc<dyn dns::Resolver> = Arc::new(dns::System::new(&config.dns)?);
        let browser = Browser::new(Arc::clone(&resolver), client.clone(), sources.clone());
        Ok(Self { sources, client, resolver, browser })
    }
}

impl Wire {
    /// Asks servers of the web, over the same DNS and from the same addresses.
    pub fn browser(&self) -> &Browser {
        &self.browser
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
        trust: &'a Trust,
    ) -> Later<'a, io::Result<Secured>> {
        Box::pin(async move {
            let (stream, facts) = self.client.connect(stream, name, trust).await?;
            let summary = format!("{} {}", facts.version, facts.cipher);
            let peer = facts.peer.clone();
            Ok(Secured { stream: Box::new(stream), summary, binding: binding(facts), peer })
        })
    }
}

impl Names for Wire {
    fn mx<'a>(&'a self, domain: &'a str) -> SignedAnswer<'a, (u16, String)> {
        Box::pin(async move { answer(self.resolver.signed_mx(domain).await) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> SignedAnswer<'a, IpAddr> {
        Box::pin(async move { answer(self.resolver.signed_addresses(host).await) })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> SignedAnswer<'a, Tlsa> {
        Box::pin(async move { answer(self.resolver.tlsa(name).await) })
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Answer<Vec<Vec<u8>>>> {
        Box::pin(async move { answer(self.resolver.txt(name).await) })
    }
}

impl Web for Wire {
    fn policy<'a>(&'a self, domain: &'a str) -> Later<'a, Result<String, WebError>> {
        Box::pin(async move {
            let other = |error: &dyn fmt::Display| WebError::Other(error.to_string());
            let url = format!("https://mta-sts.{domain}/.well-known/mta-sts.txt");
            let request = Request::get(url).body(Bytes::new()).map_err(|error| other(&error))?;
            let sent = self.browser.send(request, POLICY_MAX).await;
            let response = sent.map_err(|error| match error {
                HttpError::Tls(error) => WebError::Certificate(error.to_string()),
                error => other(&error),
            })?;
            policy_text(response)
        })
    }
}

/// What an answer says, where it is a policy. Source: RFC 8461 section 3.2 and 3.3.
fn policy_text(response: Response<Bytes>) -> Result<String, WebError> {
    let other = |text: String| Err(WebError::Other(text));
    if response.status() != StatusCode::OK {
        return other(format!("the policy's server says {}", response.status()));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let media = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("text/plain") {
        return other(format!("the policy is of type {media:?}"));
    }
    String::from_utf8(response.into_body().to_vec())
        .or_else(|_| other("the policy is no text".to_owned()))
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
