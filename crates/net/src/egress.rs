//! The one guarded client of the web: for every address that a message or a user names.
//!
//! It looks names up itself, judges every address, and dials one that it judged, so that a name
//! cannot lead elsewhere a moment later; each redirect is judged anew. No cookie, no password, no
//! proxy; size and time of all of it are bounded. Certificates have to be good, and are told.

pub mod address;
mod exchange;
mod gate;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, LOCATION, USER_AGENT},
};
use http_body_util::Full;
use mailwright_config::{Config, Egress as Settings, Live, Opened};
use tokio::{sync::Semaphore, time::timeout};

use self::{address::Closed, gate::Target};
use crate::{
    connect,
    dns::Resolver,
    tls::{CertificateFacts, Distrust, Inspector, Obstacle, obstacle},
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As whom it asks.
const AGENT: &str = concat!("Mailwright/", env!("CARGO_PKG_VERSION"));

/// A question.
#[derive(Debug, Clone)]
#[must_use]
pub struct Ask {
    /// How.
    pub method: Method,
    /// Where.
    pub url: String,
    /// Fields beside ours; another site that a redirect leads to gets none of them.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Bytes,
    /// Octets of the answer's body that are taken; none, and it is not read.
    pub size_max: Option<usize>,
    /// Redirects that are followed, at most as many as are configured. With 0, and with another
    /// method than `GET` and `HEAD`, none is, and a redirect is the answer.
    pub redirects_max: usize,
}

impl Ask {
    /// A question without a body, whose redirects are followed.
    pub fn new(method: Method, url: &str) -> Self {
        let (headers, body, size_max) = (HeaderMap::new(), Bytes::new(), None);
        Self { method, url: url.to_owned(), headers, body, size_max, redirects_max: usize::MAX }
    }

    /// The same, the answer's body being read.
    pub fn reading(self, size_max: usize) -> Self {
        Self { size_max: Some(size_max), ..self }
    }

    /// The same with a field more; one that cannot be written is left out.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What the server said.
    pub status: u16,
    /// Where it led.
    pub url: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What the server said; it may be no.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body, where it was read and the status is a good one.
    pub body: Bytes,
    /// What was followed to get it.
    pub hops: Vec<Hop>,
    /// The certificate of who answered, over TLS.
    pub certificate: Option<CertificateFacts>,
}

/// A question without an answer.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unanswered {
    /// Why.
    #[source]
    pub error: EgressError,
    /// What was followed before.
    pub hops: Vec<Hop>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// Not an address of the web.
    #[error("{0:?} cannot be asked: {1}")]
    Address(String, String),
    /// The address carries a name or a password.
    #[error("an address with a name or a password in it is not asked")]
    Credentials,
    /// Not a port of the web.
    #[error("port {0} is not asked")]
    Port(u16),
    /// Not a public address.
    #[error("{host} is {address}, {}", why.as_str())]
    Forbidden {
        /// The host.
        host: String,
        /// Its address.
        address: IpAddr,
        /// Why it is not asked.
        why: Closed,
    },
    /// No such host.
    #[error("{host} was not found: {why}")]
    Name {
        /// The host.
        host: String,
        /// What the DNS said.
        why: String,
    },
    /// The DNS did not answer.
    #[error("{host} could not be looked up: {why}")]
    NoDns {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
    /// No connection.
    #[error("no connection to {0}: {1}")]
    Connect(String, #[source] io::Error),
    /// The certificate is not good.
    #[error("the certificate of {host} is not good: {why}")]
    Certificate {
        /// The host.
        host: String,
        /// Why.
        why: Distrust,
    },
    /// No TLS that we speak.
    #[error("no TLS with {0}: {1}")]
    Tls(String, String),
    /// Not HTTP, or the connection broke.
    #[error("HTTP: {0}")]
    Http(String),
    /// The answer is too large.
    #[error("the answer is over {0} octets")]
    TooLarge(usize),
    /// Too many redirects.
    #[error("it redirects more than {0} times")]
    Redirects(usize),
    /// No answer in time.
    #[error("no answer within {} seconds", .0.as_secs())]
    Late(Duration),
}

impl EgressError {
    /// Whether it is we who do not ask.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::Port(_) | Self::Credentials)
    }

    /// Whether it may go well another time.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NoDns { .. } | Self::Connect(..) | Self::Tls(..) | Self::Http(_) | Self::Late(_)
        )
    }
}

/// Asks servers of the web that strangers name. Clones share limits and resolver.
#[derive(Clone)]
pub struct Egress {
    resolver: Arc<dyn Resolver>,
    inspector: Inspector,
    config: Live<Config>,
    /// Which limits of it count.
    pick: fn(&Config) -> Settings,
    places: Arc<Semaphore>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

impl Egress {
    /// Finds hosts through `resolver`, believes whom `inspector` believes, and takes its limits
    /// from `config`.
    pub fn new(resolver: Arc<dyn Resolver>, inspector: Inspector, config: Live<Config>) -> Self {
        let places = Arc::new(Semaphore::new(config.now().egress.at_once));
        Self { resolver, inspector, config, pick: |config| config.egress.clone(), places }
    }

    /// The same with limits that `pick` takes from the configuration, and `at_once` places of its
    /// own.
    #[must_use]
    pub fn picking(self, pick: fn(&Config) -> Settings, at_once: usize) -> Self {
        Self { pick, places: Arc::new(Semaphore::new(at_once)), ..self }
    }

    /// What looks names up.
    pub fn resolver(&self) -> Arc<dyn Resolver> {
        Arc::clone(&self.resolver)
    }

    /// The same for a host that the operator named: it may be asked wherever it is, for as long as
    /// `limit`, and no redirect is followed.
    #[must_use]
    pub fn opened(&self, host: Opened, limit: Duration) -> Self {
        let mut config = (*self.config.now()).clone();
        config.egress.allow = vec![host];
        (config.egress.timeout, config.egress.redirects_max) = (limit, 0);
        Self { config: Live::new(config), ..self.clone() }
    }

    /// The limits in force.
    pub fn settings(&self) -> Settings {
        (self.pick)(&self.config.now())
    }

    /// Whether an address may be asked, as far as that is seen from itself.
    ///
    /// Errors: why not.
    pub fn judge(&self, url: &str) -> Result<(), EgressError> {
        gate::target(url, &self.settings()).map(drop)
    }

    /// Asks, and follows where it is led.
    ///
    /// Errors: [`Unanswered`]. A status that says no is an answer.
    pub async fn ask(&self, ask: Ask) -> Result<Answered, Unanswered> {
        let settings = self.settings();
        let mut hops = Vec::new();
        // Waiting for a place does not count: whoever has one gives it back in that time.
        let place = self.places.acquire().await;
        let asked = timeout(settings.timeout, self.follow(ask, &settings, &mut hops));
        let answered = asked.await.unwrap_or(Err(EgressError::Late(settings.timeout)));
        drop(place);
        answered
            .map(|answered| Answered { hops: hops.clone(), ..answered })
            .map_err(|error| Unanswered { error, hops })
    }

    async fn follow(
        &self,
        mut ask: Ask,
        settings: &Settings,
        hops: &mut Vec<Hop>,
    ) -> Result<Answered, EgressError> {
        let mut target = gate::target(&ask.url, settings)?;
        let may_follow = matches!(ask.method, Method::GET | Method::HEAD);
        let most = ask.redirects_max.min(settings.redirects_max);
        loop {
            let answered = self.once(&target, &ask, settings).await?;
            let location = answered.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let is_redirect = matches!(answered.status.as_u16(), 301..=303 | 307 | 308);
            let follows = is_redirect && may_follow && ask.redirects_max > 0;
            let Some(location) = location.filter(|_| follows) else {
                return Ok(answered);
            };
            if hops.len() >= most {
                return Err(EgressError::Redirects(most));
            }
            let next = target.follow(location, settings)?;
            if !next.same_origin(&target) {
                ask.headers.clear();
            }
            hops.push(Hop { status: answered.status.as_u16(), url: next.url.to_string() });
            target = next;
        }
    }

    async fn once(
        &self,
        target: &Target,
        ask: &Ask,
        settings: &Settings,
    ) -> Result<Answered, EgressError> {
        let addresses: Vec<SocketAddr> = target.addresses(&*self.resolver, settings).await?;
        let host = &target.host;
        let (stream, _) = connect::dial(&addresses, &[], CONNECT_TIMEOUT)
            .await
            .map_err(|error| EgressError::Connect(host.clone(), error))?;
        let request = request(target, ask)?;
        let cap = usize::try_from(settings.size_max).unwrap_or(usize::MAX);
        let size_max = ask.size_max.map(|most| most.min(cap));
        let (raw, certificate) = if target.is_secure {
            let shaken = self.inspector.shake(stream, host).await;
            let (stream, seen) =
                shaken.map_err(|error| EgressError::Tls(host.clone(), told(&error)))?;
            seen.trust.map_err(|why| EgressError::Certificate { host: host.clone(), why })?;
            let raw = exchange::exchange(stream, request, size_max).await?;
            (raw, seen.chain.into_iter().next())
        } else {
            (exchange::exchange(stream, request, size_max).await?, None)
        };
        let exchange::Raw { status, headers, body } = raw;
        Ok(Answered { status, headers, body, hops: Vec::new(), certificate })
    }
}

/// What is sent: only a path, the host in a field, and nothing that tells of us.
fn request(target: &Target, ask: &Ask) -> Result<Request<Full<Bytes>>, EgressError> {
    let broken = |error: &dyn fmt::Display| EgressError::Http(error.to_string());
    let url = &target.url;
    let mut path = url.path().to_owned();
    if let Some(query) = url.query() {
        path.extend(["?", query]);
    }
    let uri: Uri = path.parse().map_err(|error: http::uri::InvalidUri| broken(&error))?;
    let mut host = url.host_str().unwrap_or_default().to_owned();
    if let Some(port) = url.port() {
        host.extend([":", &port.to_string()]);
    }
    let host = HeaderValue::from_str(&host).map_err(|error| broken(&error))?;
    let mut request = Request::new(Full::new(ask.body.clone()));
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.extend(ask.headers.clone());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(HOST, host);
    Ok(request)
}

/// Why there is no TLS, in words.
fn told(error: &io::Error) -> String {
    match obstacle(error) {
        Obstacle::NotTls => "the server speaks none".to_owned(),
        Obstacle::Version => "the server speaks only old versions".to_owned(),
        Obstacle::Nothing => "nothing in common".to_owned(),
        Obstacle::Alert(alert) => format!("the server gave up: {alert}"),
        Obstacle::Closed => "the server hung up".to_owned(),
        Obstacle::Key => "its key is none that is taken today".to_owned(),
        Obstacle::Late => "it took too long".to_owned(),
        Obstacle::Name => "its name is no host name".to_owned(),
        Obstacle::Other(other) => other,
    }
}
