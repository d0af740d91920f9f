//! Reports that are due as soon as a message is taken: an alias led to several addresses, a list
//! has the message, a recipient is in a loop.
//!
//! They are stored with the message, in its transaction. Such a report has no bytes of its own
//! beside its head: it shares the message's body, all of which its head stands for.
//! Source: RFC 3461 section 5.2.7.

use mailwright_store::spool::{Accepted, Class, Content, Origin, Terms};
use mailwright_words::dsn::{Action, Original, Outcome, Report};
use mailwright_words::{Address, Envelope, HeaderBlock, Id, Recipient, Reply, ReversePath, Status};
use mailwright_words::{Notify, Timestamp};

use crate::refusal::Refusal;
use crate::{Intake, Target, Transaction};

/// Octets of a message's header that a report brings back.
pub(crate) const HEADER_MAX: usize = 64 << 10;

/// A report that only lacks the message it comes with.
pub(crate) struct Notice {
    envelope: Envelope,
    classes: Vec<Class>,
    head: Vec<u8>,
    /// Whether it is about what an inbox caught, so that nothing of it leaves.
    confined: bool,
}

impl Notice {
    /// A report into an inbox.
    pub(crate) fn confined(envelope: Envelope, inbox: Id, head: Vec<u8>) -> Self {
        let classes = vec![Class::Capture { inbox }; envelope.recipients.len()];
        Self { envelope, classes, head, confined: true }
    }

    /// The report beside its message, of which `content` and `length` are the bytes.
    pub(crate) fn with(self, content: Content, length: u64, terms: Terms) -> Accepted {
        Accepted {
            envelope: self.envelope,
            classes: self.classes,
            head: self.head,
            head_skip: length,
            content,
            origin: Origin { listener: "report".to_owned(), ..Origin::default() },
            terms: Terms { confined: self.confined, ..terms },
        }
    }
}

impl Intake {
    /// The report on what became of a transaction's recipients at acceptance, if one is due.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn notice(
        &self,
        transaction: &Transaction,
        looped: &[Target],
        (id, header): (Id, &HeaderBlock<'_>),
        now: Timestamp,
    ) -> Result<Option<Notice>, Refusal> {
        let Some(sender) = transaction.envelope.from.address() else { return Ok(None) };
        let outcomes = outcomes(transaction, looped, now);
        if outcomes.is_empty() {
            return Ok(None);
        }
        let to = Recipient { notify: Notify::NEVER, ..Recipient::new(sender.clone()) };
        let resolved = self.0.directory.resolve(sender, now).await?;
        let target = self.follow(to, resolved, now).await?;
        let onward = target.onward.into_iter().flat_map(|onward| onward.recipients);
        let (recipients, classes): (Vec<_>, Vec<_>) =
            target.direct.into_iter().chain(onward).unzip();
        if recipients.is_empty() {
            tracing::warn!(%sender, "Nobody takes the report.");
            return Ok(None);
        }
        let header = header.as_bytes();
        let built = Report {
            id,
            at: now,
            host: &self.0.settings.now().host,
            sender,
            envid: transaction.envelope.envid.as_deref(),
            arrived: now,
            smtputf8: transaction.envelope.smtputf8,
            outcomes: &outcomes,
            original: Original::Header(header.get(..HEADER_MAX).unwrap_or(header)),
        }
        .build();
        let mut envelope = Envelope::new(ReversePath::Null, recipients);
        envelope.body = built.body;
        envelope.smtputf8 = built.smtputf8;
        envelope.tls = transaction.envelope.tls;
        Ok(Some(Notice { envelope, classes, head: built.bytes, confined: false }))
    }
}

fn outcomes(transaction: &Transaction, looped: &[Target], now: Timestamp) -> Vec<Outcome> {
    let outcome = |target: &Target, address: &Address, action, reply: Option<Reply>| Outcome {
        address: address.clone(),
        orcpt: target.recipient.orcpt.clone(),
        action,
        status: reply.as_ref().and_then(|reply| reply.status).unwrap_or(Status::new(2, 0, 0)),
        remote: None,
        reply: reply.as_ref().map(ToString::to_string),
        attempted: Some(now),
    };
    let told = transaction.targets.iter().flat_map(|target| {
        target.told.iter().map(move |(address, action)| outcome(target, address, *action, None))
    });
    let failed = looped.iter().filter(|target| target.recipient.notify.failure).map(|target| {
        let address = &target.recipient.address;
        let refusal = Refusal::Loop { recipient: address.to_string() };
        outcome(target, address, Action::Failed, Some(refusal.reply()))
    });
    told.chain(failed).collect()
}
