//! What an examination looks at: the network, the DNS, the clock, and how long it may take.
//!
//! [`Wire`] is the real network; tests bring one whose hosts are broken in one thing.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use mailwright_net::{Clock, connect, datagram, dns::Resolver, tls::Inspector};

/// A future that a trait object gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection, encrypted or not.
pub type Stream = Box<dyn mailwright_net::Stream>;

/// Makes connections.
pub trait Network: fmt::Debug + Send + Sync {
    /// Connects to one address.
    fn dial(&self, address: SocketAddr, limit: Duration) -> Later<'_, io::Result<Stream>>;

    /// Asks one address over UDP; gives its answer.
    fn ask(
        &self,
        address: SocketAddr,
        question: Vec<u8>,
        limit: Duration,
    ) -> Later<'_, io::Result<Vec<u8>>>;
}

/// The real network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wire {
    /// Where connections come from, when that is set.
    pub source: Option<SocketAddr>,
}

/// Which addresses of a host are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Both,
    /// Those of IPv4.
    Four,
    /// Those of IPv6.
    Six,
}

impl Family {
    /// Whether an address is one of it.
    pub(crate) const fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Both => true,
            Self::Four => address.is_ipv4(),
            Self::Six => address.is_ipv6(),
        }
    }
}

impl Network for Wire {
    fn dial(&self, address: SocketAddr, limit: Duration) -> Later<'_, io::Result<Stream>> {
        Box::pin(async move {
            let stream: Stream = match self.source {
                None => Box::new(connect::dial(&[address], &[], limit).await?.0),
                Some(source) => Box::new(connect::dial_from(address, source, limit).await?),
            };
            Ok(stream)
        })
    }

    fn ask(
        &self,
        address: SocketAddr,
        question: Vec<u8>,
        limit: Duration,
    ) -> Later<'_, io::Result<Vec<u8>>> {
        Box::pin(async move { datagram::ask(address, &question, limit).await })
    }
}

/// All that is looked at, and our own name in it.
#[derive(Debug, Clone)]
pub struct World {
    /// Connections.
    pub network: Arc<dyn Network>,
    /// Which addresses of a host count.
    pub family: Family,
    /// Names.
    pub resolver: Arc<dyn Resolver>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// TLS.
    pub inspector: Inspector,
    /// How long a host may take to take a connection, and for each reply.
    pub timeout: Duration,
    /// Our name, as `EHLO` says it.
    pub hostname: String,
}
