//! What the driver needs of a protocol: bytes in, steps out, questions answered.
//!
//! The protocol itself is pure; only the answers to its questions may wait.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::tls::PeerCertificate;

/// One side of a protocol on one connection.
pub trait Conversation: Send + 'static {
    /// What the protocol cannot decide by itself.
    type Question: Send;

    /// Takes what the peer sent.
    fn feed(&mut self, bytes: &[u8]);

    /// What is to be done next; `None` when the peer has to speak.
    fn next(&mut self) -> Option<Step<Self::Question>>;

    /// What is told when the peer hangs up while this question is being answered, so that an answer
    /// that nobody waits for any more may end early; `None`: it goes on to its end.
    fn watch(&mut self, _question: &Self::Question) -> Option<Arc<Notify>> {
        None
    }

    /// Finds the answer and gives it to the protocol. It is never cancelled.
    fn answer(&mut self, question: Self::Question) -> impl Future<Output = ()> + Send;

    /// Asked before each handshake: `Some` breaks it, after these octets were sent in its place.
    fn breaks_tls(&mut self) -> impl Future<Output = Option<Vec<u8>>> + Send {
        std::future::ready(None)
    }

    /// A handshake is done; nothing said before it counts.
    fn tls(&mut self, facts: TlsFacts);

    /// How long the peer may say nothing.
    fn timeout(&self) -> Duration;

    /// Something befell the connection.
    fn event(&mut self, event: Event);

    /// Waits for news from elsewhere, of which [`Event::News`] then tells the protocol. It is
    /// dropped and called again as often as the peer speaks.
    fn notified(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// What a conversation wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<Q> {
    /// Send these bytes, together with others before the peer is waited for.
    Write(Vec<u8>),
    /// Answer this.
    Ask(Q),
    /// Send what was written, then shake hands.
    StartTls,
    /// Send what was written, then end.
    Close,
}

/// What befalls a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The peer spoke before it was greeted; told once, before anything else.
    Early,
    /// The peer sends no more, or the connection broke.
    Eof,
    /// The peer said nothing for too long, or the session has lasted too long.
    TimedOut,
    /// The server stops; what is under way may finish.
    Shutdown,
    /// There are news from elsewhere, see [`Conversation::notified`].
    News,
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite, by its registered name.
    pub cipher: String,
    /// The server name that the client asked for.
    pub sni: Option<String>,
    /// Channel binding `tls-exporter`; empty when the connection has none. Source: RFC 9266.
    pub exporter: Vec<u8>,
    /// Channel binding `tls-server-end-point`. Source: RFC 5929 section 4.
    pub server_end_point: Option<Vec<u8>>,
    /// The certificate that the other side showed, where we are the client.
    pub peer: Option<PeerCertificate>,
}
