//! What an examination looks at: the network, the DNS, the clock, and how long it may take.
//!
//! [`Wire`] is the real network; tests bring one whose hosts are broken in one thing.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

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
#[derive(Debug, Clone, Copy)]
pub struct Wire;

impl Network for Wire {
    fn dial(&self, address: SocketAddr, limit: Duration) -> Later<'_, io::Result<Stream>> {
        Box::pin(async move {
            let (stream, _) = connect::dial(&[address], &[], limit).await?;
            let stream: Stream = Box::new(stream);
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
