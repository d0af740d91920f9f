//! The only crate with sockets: listeners, TLS, ACME, DNS, the PROXY protocol, the clock.
//!
//! It knows no mail protocol: a [`Conversation`] says what is written, and [`drive`] moves the
//! bytes. Limits and timeouts come from the caller, which has them from the configuration.

pub mod acme;
pub mod clock;
pub mod connect;
pub mod control;
pub mod conversation;
pub mod datagram;
pub mod disk;
pub mod dns;
mod drive;
pub mod egress;
pub mod listen;
pub mod notify;
pub mod pipe;
pub mod proxy;
pub mod tls;
pub mod web;

pub use clock::{Clock, System};
pub use conversation::{Conversation, Event, Step, TlsFacts};
pub use drive::{Terms, drive};
pub use listen::{Arrival, Listener};

/// A connection: TCP, or what stands in for it.
pub trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}
