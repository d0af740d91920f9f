//! What a delivery needs of the network: a connection, and TLS on it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use mailwright_net::tls::{PeerCertificate, Trust};
use mailwright_sasl::ChannelBinding;

use crate::outcome::Later;

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections.
pub trait Network: Send + Sync {
    /// Connects to the first of `addresses` that answers; each of the two families gets its turn
    /// soon.
    fn dial<'a>(
        &'a self,
        addresses: &'a [SocketAddr],
        timeout: Duration,
    ) -> Later<'a, io::Result<(Box<dyn Stream>, SocketAddr)>>;

    /// Shakes hands with who is believed.
    fn secure<'a>(
        &'a self,
        stream: Box<dyn Stream>,
        name: &'a str,
        trust: &'a Trust,
    ) -> Later<'a, io::Result<Secured>>;
}

/// A connection after its handshake.
pub struct Secured {
    /// The encrypted stream.
    pub stream: Box<dyn Stream>,
    /// Version and cipher, for people.
    pub summary: String,
    /// What SASL may bind to.
    pub binding: ChannelBinding,
    /// The certificate that the host showed.
    pub peer: Option<PeerCertificate>,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").field("summary", &self.summary).finish_non_exhaustive()
    }
}
