//! A whole message is made durable.
//!
//! Invariant: only a `Durable` of the store leads to a 250, and everything of a message is stored
//! before the answer: the message itself first, then each list and forward on the same body. Who
//! gets no 250 sends again.

use mailwright_config::Role;
use mailwright_store::spool::{self, Accepted, Class, Content, Durable, Origin, SpoolError, Terms};
use mailwright_words::headers::HeaderBlock;
use mailwright_words::trace::{Trace, received};
use mailwright_words::{
    Address, Envelope, Id, LocalPart, Recipient, ReversePath, Timestamp, message_id,
};

use crate::head::{Change, Head};
use crate::incoming::{Collected, Incoming};
use crate::refusal::Refusal;
use crate::target::{Onward, Target};
use crate::{Client, Intake};

/// A transaction up to its message.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Who hands it in.
    pub client: Client,
    /// Its envelope; the recipients are those of `targets`.
    pub envelope: Envelope,
    /// Where its recipients lead.
    pub targets: Vec<Target>,
}

/// A message that is ready to be stored, without its recipients.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) head: Head,
    pub(crate) origin: Origin,
    pub(crate) terms: Terms,
    pub(crate) body: mailwright_store::body::Body,
}

/// One of the messages that a transaction becomes.
struct Part {
    from: ReversePath,
    recipients: Vec<(Recipient, Class)>,
    depth: u32,
}

impl Intake {
    /// Makes a message durable and wakes the queue.
    ///
    /// Errors: the limit the message is over, that it is in a loop, or a fault of ours; nothing of
    /// the message itself is stored then.
    pub async fn accept(
        &self,
        incoming: Incoming,
        transaction: Transaction,
        now: Timestamp,
    ) -> Result<Durable, Refusal> {
        let collected = incoming.finish().await?;
        check_loop(&collected.block(), &transaction.targets)?;
        let mut parts = parts(&transaction).into_iter();
        let first = parts.next().ok_or(Refusal::NoRecipients)?;
        let Ready { head, origin, terms, body } = self.prepare(collected, &transaction, now);
        let (id, length) = (body.id(), body.length());
        let whole = |part: Part, parent: Option<Id>, content: Content| {
            let (recipients, classes) = part.recipients.into_iter().unzip();
            Accepted {
                envelope: Envelope { from: part.from, recipients, ..transaction.envelope.clone() },
                classes,
                head: head.bytes.clone(),
                head_skip: head.skip,
                content,
                origin: origin.clone(),
                terms: Terms { depth: part.depth, parent, ..terms.clone() },
            }
        };
        let durable = self.commit(whole(first, None, Content::New(body))).await?;
        for part in parts {
            let content = Content::Stored { body: id, length };
            let onward = self.commit(whole(part, Some(durable.id()), content)).await?;
            tracing::debug!(spool = %durable.id(), onward = %onward.id(), "Message goes onward.");
        }
        tracing::info!(
            spool = %durable.id(),
            sender = %transaction.envelope.from,
            recipients = transaction.targets.len(),
            size = length,
            listener = transaction.client.listener,
            "Message accepted."
        );
        Ok(durable)
    }

    async fn commit(&self, accepted: Accepted) -> Result<Durable, Refusal> {
        spool::commit(&self.0.store, accepted).await.map_err(refused)
    }

    /// Stamps the message.
    pub(crate) fn prepare(
        &self,
        collected: Collected,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Ready {
        let (client, settings) = (&transaction.client, &self.0.settings);
        let id = Id::from_i64(collected.body.id().get());
        let only = match transaction.targets.as_slice() {
            [target] => Some(&target.recipient.address),
            _ => None,
        };
        let trace = received(&Trace {
            hello: &client.hello,
            peer: client.peer.map(|peer| peer.ip()),
            peer_name: None,
            by: &settings.host,
            protocol: client.protocol,
            tls: client.tls.as_deref(),
            authenticated: client.identity.is_some(),
            smtputf8: transaction.envelope.smtputf8,
            id,
            recipient: only,
            at: now,
        });
        let is_submission = client.role == Role::Msa;
        let change = Change {
            trace,
            date: is_submission.then(|| now.rfc5322()),
            message_id: is_submission.then(|| message_id(&settings.host, id)),
            without_bcc: is_submission,
        };
        let head = Head::new(&collected.block(), &change);
        Ready {
            head,
            origin: origin(client),
            terms: terms(transaction, now, now.plus(settings.lifetime)),
            body: collected.body,
        }
    }
}

pub(crate) fn refused(error: SpoolError) -> Refusal {
    match error {
        SpoolError::Full => Refusal::Space,
        SpoolError::Store(error) => Refusal::Store(error),
        _ => Refusal::Internal("the envelope does not fit its classes"),
    }
}

fn origin(client: &Client) -> Origin {
    Origin {
        listener: client.listener.clone(),
        peer: client.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        helo: client.hello.clone(),
        account: client.identity.as_ref().map(|identity| identity.principal),
    }
}

/// The message belongs to who sent it, else to who gets it.
fn terms(transaction: &Transaction, arrived: Timestamp, expires: Timestamp) -> Terms {
    let ordinary = Terms::new(arrived, expires);
    let sender = transaction.client.identity.as_ref().map(|identity| identity.tenant);
    let owner = || transaction.targets.iter().find_map(|target| target.tenant);
    let tenant = sender.or_else(owner).map_or(ordinary.tenant, Id::from_i64);
    Terms { tenant, ..ordinary }
}

/// The message itself, where it has direct recipients, then its lists and forwards.
fn parts(transaction: &Transaction) -> Vec<Part> {
    let mut direct = Vec::new();
    let mut onward = Vec::new();
    for target in &transaction.targets {
        direct.extend(target.direct.iter().cloned());
        onward.extend(target.onward.iter().filter(|onward| !onward.recipients.is_empty()));
    }
    let own = Part { from: transaction.envelope.from.clone(), recipients: direct, depth: 0 };
    let onward = onward.into_iter().map(|onward| Part {
        from: onward_path(&transaction.envelope.from, onward),
        recipients: onward.recipients.clone(),
        depth: 1,
    });
    std::iter::once(own).chain(onward).filter(|part| !part.recipients.is_empty()).collect()
}

/// Failures of a list or forward go to the postmaster of its domain; a report stays one.
fn onward_path(from: &ReversePath, onward: &Onward) -> ReversePath {
    if from.is_null() {
        return ReversePath::Null;
    }
    let postmaster = LocalPart::new("postmaster")
        .and_then(|local| Address::new(local, onward.address.domain().clone()));
    postmaster.map_or(ReversePath::Null, ReversePath::Sender)
}

/// Whether every recipient had this message before.
///
/// Where some had it and some not, delivery tells them apart.
pub(crate) fn check_loop(block: &HeaderBlock<'_>, targets: &[Target]) -> Result<(), Refusal> {
    let had = |target: &Target| had_before(block, &target.recipient.address);
    match targets.first() {
        Some(first) if targets.iter().all(had) => {
            Err(Refusal::Loop { recipient: first.recipient.address.to_string() })
        }
        _ => Ok(()),
    }
}

pub(crate) fn had_before(block: &HeaderBlock<'_>, address: &Address) -> bool {
    let key = address.key();
    block
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case("Delivered-To"))
        .filter_map(|field| Address::parse(&field.text()).ok())
        .any(|before| before.key() == key)
}
