//! What is to be delivered, and what became of it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use mailwright_store::queue::Transport;
use mailwright_words::address::{Address, Domain};
use mailwright_words::envelope::Envelope;
use mailwright_words::reply::Reply;
use mailwright_words::status::Status;

use crate::sign::Signing;

/// A future that a trait object gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The bytes of a message, which can be read as often as it takes.
pub trait Content: Send + Sync + fmt::Debug {
    /// Octets of the whole.
    fn size(&self) -> u64;

    /// Opens it at its beginning.
    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>>;
}

/// A message being read.
pub trait Pieces: Send {
    /// The next piece, of bounded size; `None` at the end.
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>>;
}

/// A message for recipients that share their next hop.
#[derive(Debug, Clone)]
pub struct Job {
    /// The domain whose servers take the message.
    pub domain: Domain,
    /// Sender, parameters, and those recipients alone that are to be tried.
    pub envelope: Envelope,
    /// The bytes to send.
    pub content: Arc<dyn Content>,
    /// Who vouches for it, when it is ours to sign.
    pub signing: Option<Signing>,
}

/// What became of one recipient in one attempt.
#[derive(Debug, Clone)]
pub struct RecipientOutcome {
    /// Who.
    pub recipient: Address,
    /// What.
    pub outcome: Outcome,
    /// Whether the servers could be spoken with at all.
    pub contact: Contact,
    /// What was said, for the operator; shared by the recipients of an attempt.
    pub conversation: Arc<str>,
    /// How safe the road was to be, and was; none where it came to no host.
    pub transport: Option<Transport>,
}

/// The end of one attempt for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a mailbox of ours.
    Delivered,
    /// Another server has taken it.
    Relayed {
        /// What it said.
        reply: Reply,
        /// Its name and address.
        host: String,
        /// Version and cipher, when the connection was encrypted.
        tls: Option<String>,
        /// Whether that server promised to send the reports that were asked for.
        dsn: bool,
    },
    /// It is to be tried again.
    Deferred(Reason),
    /// A fault of ours that may pass: it is to be tried again, and this counts for nothing.
    Postponed(Reason),
    /// A fault of ours that will not pass by itself.
    Held(Reason),
    /// It will never work.
    Failed(Reason),
}

/// Why a recipient was not delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The reply of the host, or the one that we give in its stead.
    pub reply: Reply,
    /// The host that said it; none when it is our own word.
    pub host: Option<String>,
}

impl Reason {
    /// A reason of our own.
    pub(crate) fn ours(code: u16, status: Status, text: impl Into<String>) -> Self {
        Self { reply: Reply::new(code, Some(status), text), host: None }
    }
}

/// Whether a connection to the destination worked. The queue's window moves by this alone: one
/// recipient's 450 says nothing about a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// A server was ready for a transaction.
    Made,
    /// No server could be reached, or none wanted to talk.
    Failed,
    /// It was not tried: the decision fell before.
    None,
}
