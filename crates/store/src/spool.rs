//! The spool: messages that were accepted, with one row a recipient.
//!
//! [`commit`] is the one way in for what comes from outside, and [`Durable`] the one value a 250
//! is made of. Bytes are synced before the rows commit, so a crash leaves bytes without rows at
//! worst, which opening the store removes.

mod release;
mod rows;
mod straight;

use mailwright_words::{Envelope, Id, Timestamp};

pub use self::{
    release::{Released, release},
    rows::{Rows, insert, remove},
    straight::commit_straight,
};
use crate::{
    authentication::Authentication,
    body::{Body, BodyId, hold},
    engine::Tx,
    error::StoreError,
    sent::Sent,
    store::Store,
};

/// A message that is to be made durable.
#[derive(Debug)]
pub struct Accepted {
    /// Who it is from and for.
    pub envelope: Envelope,
    /// What becomes of each recipient, in the envelope's order.
    pub classes: Vec<Class>,
    /// What we put before the body: trace fields, and fields that were rewritten.
    pub head: Vec<u8>,
    /// Octets of the body that `head` stands for.
    pub head_skip: u64,
    /// The bytes as they came.
    pub content: Content,
    /// Where it came from.
    pub origin: Origin,
    /// Whose it is, and how it is to be treated.
    pub terms: Terms,
}

/// Who owns a message, and how it is to be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The number it was given before it is stored; none gives it the next one.
    pub id: Option<Id>,
    /// Whose it is.
    pub tenant: Id,
    /// The message it is a child of: a report, a forward, an expansion.
    pub parent: Option<Id>,
    /// How many messages it is away from the one that came in.
    pub depth: u32,
    /// Whether it came into a sandbox; nothing of it leaves then.
    pub confined: bool,
    /// The sender's class of mail; empty for none.
    pub stream: String,
    /// The domain of its author, when the message is ours to sign.
    pub sign_as: Option<String>,
    /// More urgent ones first; 0 is ordinary.
    pub priority: i32,
    /// When it was taken.
    pub arrived: Timestamp,
    /// When delivery is given up.
    pub expires: Timestamp,
}

impl Terms {
    /// Ordinary mail of the first tenant.
    pub fn new(arrived: Timestamp, expires: Timestamp) -> Self {
        Self {
            id: None,
            tenant: Id::from_i64(1),
            parent: None,
            depth: 0,
            confined: false,
            stream: String::new(),
            sign_as: None,
            priority: 0,
            arrived,
            expires,
        }
    }
}

/// Where the bytes of a message are.
#[derive(Debug)]
pub enum Content {
    /// They came just now.
    New(Body),
    /// They are stored already and shared from now on.
    Stored {
        /// Which body.
        body: BodyId,
        /// Its octets.
        length: u64,
    },
}

impl Content {
    fn body(&self) -> (BodyId, u64) {
        match self {
            Self::New(body) => (body.id(), body.length()),
            Self::Stored { body, length } => (*body, *length),
        }
    }
}

/// Where a message came from, for the log and for questions asked later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The listener's name, or which part of the program made the message.
    pub listener: String,
    /// The client's address and port; empty for our own.
    pub peer: String,
    /// How the client named itself.
    pub helo: String,
    /// Who was logged in.
    pub account: Option<Id>,
    /// What was found out about where the message is from.
    pub authentication: Option<Box<Authentication>>,
    /// Whether it may hold reports about our domains, so that it is to be read.
    pub may_report: bool,
    /// The message of ours that it is proven to be about, by the address it came to.
    pub about: Option<Id>,
    /// Which daily report of ours it carries; nothing is stored when that went before.
    pub sent: Option<Sent>,
}

/// What becomes of a recipient; decided once, at acceptance, and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// A local account's folder.
    Local {
        /// Whose.
        principal: Id,
        /// The folder that a subaddress asked for.
        folder: Option<String>,
    },
    /// Another server.
    Relay {
        /// Under which key the queue gathers it.
        site: String,
    },
    /// A sandbox inbox; nothing of the message leaves.
    Capture {
        /// Whose mailbox it is.
        inbox: Id,
    },
}

impl Class {
    /// The destination that all local recipients share. No domain has an `@`, so that no message
    /// to another server, however it is called, comes to share it.
    pub const LOCAL: &'static str = "@local";

    /// Under which key the queue gathers it.
    pub fn destination(&self) -> &str {
        match self {
            Self::Local { .. } | Self::Capture { .. } => Self::LOCAL,
            Self::Relay { site } => site,
        }
    }

    /// The word, principal and folder that a row keeps of it.
    pub(crate) fn columns(&self) -> (&'static str, Option<Id>, Option<&str>) {
        match self {
            Self::Local { principal, folder } => ("local", Some(*principal), folder.as_deref()),
            Self::Relay { .. } => ("relay", None, None),
            Self::Capture { inbox } => ("capture", Some(*inbox), None),
        }
    }
}

/// A message that is on stable storage. Only [`commit`], [`commit_straight`] and [`deliver`] make
/// one.
///
/// It is the one value from which a 250 reply to `DATA` can be built: we never promise what a
/// power cut could take back. Source: RFC 5321 section 6.1.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a durable message has to be acknowledged, or the client will send it twice"]
pub struct Durable(Id);

impl Durable {
    /// The number of the message.
    pub fn id(&self) -> Id {
        self.0
    }
}

/// Why a message was not made durable. All of it is temporary.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// There is no room.
    #[error("the spool is full")]
    Full,
    /// A message without a recipient, or with another number of classes than recipients.
    #[error("{recipients} recipients with {classes} classes")]
    Envelope {
        /// Recipients of the envelope.
        recipients: usize,
        /// Classes beside it.
        classes: usize,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for SpoolError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            other => Self::Store(other),
        }
    }
}

/// Makes a message durable, together with all that wait at this moment, and wakes the queue.
///
/// The group's bytes are synced, then the group's rows commit; only then is the answer given. A
/// caller that stops waiting takes nothing back: the message may be stored all the same.
///
/// Errors: [`SpoolError`], all of them temporary; nothing of the message remains then.
pub async fn commit(store: &Store, accepted: Accepted) -> Result<Durable, SpoolError> {
    commit_all(store, accepted, Vec::new()).await
}

/// As [`commit`], with messages that follow from the first: forwards of it, reports about it. All
/// of them are stored in one transaction, or none.
///
/// Their content is stored already, or it is that of `first`.
///
/// Errors: [`SpoolError`], all of them temporary; nothing of any message remains then.
pub async fn commit_all(
    store: &Store,
    first: Accepted,
    others: Vec<Accepted>,
) -> Result<Durable, SpoolError> {
    let rows = Rows::new(store.ids(), &first)?;
    let id = rows.id();
    let further = further(store, others)?;
    let (new, shared) = match first.content {
        Content::New(body) => (Some(body), None),
        Content::Stored { body, .. } => (None, Some(body)),
    };
    let all = move |tx: &mut Tx<'_>| {
        if let Some(body) = shared {
            hold(tx, body)?;
        }
        rows.tell(tx)?;
        insert(tx, &rows)?;
        insert_further(tx, &further)
    };
    store.write_spool(new, |()| true, all).await?;
    Ok(Durable(id))
}

/// The rows of messages whose bytes are stored already, each with the body it shares.
fn further(store: &Store, others: Vec<Accepted>) -> Result<Vec<(BodyId, Rows)>, SpoolError> {
    let rows = |other: Accepted| match other.content {
        Content::Stored { body, .. } => Ok((body, Rows::new(store.ids(), &other)?)),
        Content::New(_) => Err(SpoolError::Store(StoreError::Missing("body"))),
    };
    others.into_iter().map(rows).collect()
}

fn insert_further(tx: &mut Tx<'_>, further: &[(BodyId, Rows)]) -> Result<(), StoreError> {
    for (body, rows) in further {
        hold(tx, *body)?;
        insert(tx, rows)?;
    }
    Ok(())
}

/// Delivers a message into mailboxes in the commit that makes it durable, without the queue.
///
/// The recipients come in groups of `groups` each, which are answered together. `into` is run for
/// each group in its order, inside the transaction; it takes references to the body for what it
/// makes. Its errors take back that group's rows only and become its answer.
///
/// Errors: [`SpoolError`] when nothing of the message was stored.
pub async fn deliver<T, F>(
    store: &Store,
    (accepted, groups): (Accepted, Vec<usize>),
    into: F,
) -> Result<(Durable, Vec<Result<T, StoreError>>), SpoolError>
where
    T: Send + 'static,
    F: Fn(&mut Tx<'_>, &[Delivery<'_>]) -> Result<T, StoreError> + Send + 'static,
{
    rows::check(&accepted)?;
    let Accepted { envelope, classes, head, head_skip, content, origin: _, terms } = accepted;
    let arrived = terms.arrived;
    let id = terms.id.unwrap_or_else(|| store.ids().next(arrived));
    let (body, length) = content.body();
    let new = matches!(content, Content::New(_));
    let ids = copy_ids(store, &envelope, arrived);
    let each = move |tx: &mut Tx<'_>| {
        let mut outcomes = Vec::with_capacity(groups.len());
        let one = |((recipient, class), copy): ((_, _), &Id)| Delivery {
            spool: id,
            copy: *copy,
            envelope: &envelope,
            recipient,
            class,
            classes: &classes,
            head: &head,
            head_skip,
            body,
            body_length: length,
            terms: &terms,
        };
        let mut all = envelope.recipients.iter().zip(&classes).zip(&ids).map(one);
        for size in &groups {
            let group: Vec<Delivery<'_>> = all.by_ref().take(*size).collect();
            outcomes.push(tx.nested(|tx| into(tx, &group))?);
        }
        if new {
            crate::body::release(tx, body, arrived)?;
        }
        Ok(outcomes)
    };
    let outcomes = match content {
        Content::New(body) => store.write_body(body, each).await?,
        Content::Stored { .. } => store.write(crate::engine::Lane::Quick, each).await?,
    };
    Ok((Durable(id), outcomes))
}

/// A number for the copy of each recipient. They are drawn before the write: what waits to be
/// written may outlive every other holder of the store, and must not be one.
fn copy_ids(store: &Store, envelope: &Envelope, arrived: Timestamp) -> Vec<Id> {
    envelope.recipients.iter().map(|_| store.ids().next(arrived)).collect()
}

/// One recipient of a message on its way into a mailbox.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The number the message is known by; there is no row of it in the spool.
    pub spool: Id,
    /// The number that its copy gets.
    pub copy: Id,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Which of its recipients.
    pub recipient: &'a mailwright_words::Recipient,
    /// What becomes of this one.
    pub class: &'a Class,
    /// What becomes of each recipient of the envelope.
    pub classes: &'a [Class],
    /// What we put before the body.
    pub head: &'a [u8],
    /// Octets of the body that `head` stands for.
    pub head_skip: u64,
    /// The body.
    pub body: BodyId,
    /// Its octets.
    pub body_length: u64,
    /// Whose it is.
    pub terms: &'a Terms,
}

#[cfg(test)]
mod tests;
