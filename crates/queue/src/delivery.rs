//! What the queue asks of whoever delivers.

use std::{future::Future, sync::Arc};

use mailwright_store::{
    queue::{Child, Message, Transport},
    spool::Class,
};
use mailwright_words::{Address, Reply};

use crate::ready::{Batch, Contact};
use crate::site::Site;

/// Whoever delivers: tries once, and says what came of it.
pub trait Delivery: Send + Sync + 'static {
    /// Tries every recipient of `batch` once: one outcome each, in their order.
    fn attempt(
        &self,
        message: Arc<Message>,
        batch: Arc<Batch>,
    ) -> impl Future<Output = Attempted> + Send;

    /// The site of a destination. It may take long: nobody waits for it.
    fn site(&self, destination: &str) -> impl Future<Output = Site> + Send {
        let site = Site::alone(destination);
        async move { site }
    }

    /// Attempts that run are to end soon: the server stops. What a host may have taken is waited
    /// for, anything else is given up.
    fn stop(&self) {}

    /// Whom a report to `sender` goes to in the end, and what becomes of it; `None` when nobody
    /// would take it.
    fn classify(&self, sender: &Address) -> impl Future<Output = Option<(Address, Class)>> + Send;
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// Whether the destination could be spoken with.
    pub contact: Contact,
    /// One for each recipient, in their order; one that is missing counts as an error of ours.
    pub outcomes: Vec<Outcome>,
}

/// What came of one recipient.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What follows.
    pub end: End,
    /// What the host said, or we in its stead.
    pub reply: Option<Reply>,
    /// The host, none when it was our own word.
    pub host: Option<String>,
    /// The conversation.
    pub transcript: Option<Arc<str>>,
    /// How safe the road was to be, and was.
    pub transport: Option<Transport>,
}

/// How an attempt ended for a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is in a mailbox of ours.
    Delivered,
    /// Another server has it.
    Relayed {
        /// Whether that server promised the reports that were asked for.
        dsn: bool,
    },
    /// It became other recipients of the same message.
    Expanded(Vec<Child>),
    /// It is to be tried again.
    Deferred,
    /// Something of ours broke that may work another time; it counts for nothing.
    Postponed,
    /// It will never work.
    Failed,
    /// Something of ours broke; a human has to look.
    Held,
}
