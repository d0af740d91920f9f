//! Recipients here get their copy in the commit that makes the message durable.
//!
//! What has to be told to the sender, held back or looked at again goes the way of the queue, and
//! so does whoever cannot be delivered to now: a full mailbox is the queue's to report.

use mailwright_store::Tx;
use mailwright_store::mailbox;
use mailwright_store::spool::{self, Accepted, Class, Delivery, Durable};
use mailwright_words::{Envelope, Recipient, metric};

use crate::accept::{delivered_to, refused};
use crate::capture::{Keepsake, is_capture};
use crate::direct::{captured, copy};
use crate::incoming::Collected;
use crate::refusal::Refusal;
use crate::{Client, Intake};

/// Recipients that one commit delivers to, so that it stays short; a message with more is queued.
const RECIPIENTS_MAX: usize = 50;

/// Who of a message's recipients may have a copy at once.
#[derive(Debug)]
pub(crate) struct Straight {
    may: Vec<bool>,
    fields: Vec<u8>,
    keepsake: Option<Keepsake>,
}

impl Straight {
    /// `None` when it is nobody.
    pub(crate) fn of(
        collected: &Collected,
        (envelope, classes): (&Envelope, &[Class]),
        client: &Client,
    ) -> Option<Self> {
        let recipients = &envelope.recipients;
        // Those of one inbox share one copy, so that a thousand of them are little work.
        let is_captured = classes.iter().all(is_capture);
        let is_much = recipients.len() > RECIPIENTS_MAX || envelope.hold_until.is_some();
        if is_much && !is_captured {
            return None;
        }
        let before = delivered_to(&collected.block());
        let may = |(recipient, class): (&Recipient, &Class)| match class {
            Class::Capture { .. } => true,
            Class::Relay { .. } => false,
            Class::Local { .. } => {
                !recipient.notify.success && !before.contains(&recipient.address.key())
            }
        };
        let may: Vec<bool> = recipients.iter().zip(classes).map(may).collect();
        may.contains(&true).then(|| Self {
            may,
            fields: mailbox::shown(&collected.block()),
            keepsake: Keepsake::of((envelope, classes), client, collected.body.in_memory()),
        })
    }
}

impl Intake {
    /// Makes a message durable, with the copies that `straight` allows.
    pub(crate) async fn commit_straight(
        &self,
        (accepted, others): (Accepted, Vec<Accepted>),
        straight: Straight,
    ) -> Result<Durable, Refusal> {
        let Straight { may, fields, keepsake } = straight;
        let folders = self.0.settings.now().subaddress_folders;
        let recipients: Vec<_> =
            accepted.envelope.recipients.iter().map(|one| one.address.clone()).collect();
        let into = move |tx: &mut Tx<'_>, of: &Delivery<'_>, gives: bool| {
            let new = copy(of, (&fields, keepsake.as_ref()), folders)?;
            let now = of.terms.arrived;
            let into = if gives { mailbox::deliver_over } else { mailbox::deliver };
            let delivered = into(tx, &new, now)?;
            captured(tx, of, (&new, &delivered), keepsake.as_ref())?;
            Ok(delivered)
        };
        let (durable, copies) =
            spool::commit_straight(&self.0.store, (accepted, others), may, into)
                .await
                .map_err(refused)?;
        for (recipient, _) in recipients.iter().zip(copies).filter(|(_, copied)| *copied) {
            tracing::info!(spool = %durable.id(), %recipient, "Message delivered.");
            metrics::counter!(metric::ATTEMPTS, "outcome" => "delivered").increment(1);
        }
        Ok(durable)
    }
}
