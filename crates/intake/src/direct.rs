//! A message goes straight into mailboxes, with an answer for each recipient (LMTP).
//!
//! There is no queue and no report behind it: what cannot be delivered now is refused to the
//! client, which keeps it. Source: RFC 2033 section 4.2.

use mailwright_store::mailbox::{self, Delivered, NewMessage};
use mailwright_store::spool::{self, Accepted, Class, Content, Delivery, Durable};
use mailwright_store::{StoreError, Tx};
use mailwright_words::{Address, Envelope, Recipient};

use crate::accept::{Ready, delivered_to, refused};
use crate::capture::Keepsake;
use crate::incoming::Incoming;
use crate::refusal::Refusal;
use crate::{Intake, Transaction};

impl Intake {
    /// Delivers a message into the mailboxes of a transaction, one answer a target, in its order.
    ///
    /// Errors: what holds for all of its recipients; nothing is delivered then.
    pub async fn deliver(
        &self,
        incoming: Incoming,
        transaction: Transaction,
        now: mailwright_words::Timestamp,
    ) -> Result<(Durable, Vec<Result<(), Refusal>>), Refusal> {
        let collected = incoming.finish().await?;
        let before = delivered_to(&collected.block());
        let looped: Vec<_> = transaction
            .targets
            .iter()
            .map(|target| before.contains(&target.recipient.address.key()))
            .collect();
        let fields = mailbox::shown(&collected.block());
        let Ready { head, origin, terms, body } =
            self.prepare((collected, None), &transaction, now);
        let mut rows: Vec<(usize, Recipient, Class)> = Vec::new();
        for (at, target) in transaction.targets.iter().enumerate() {
            let is_looped = looped.get(at).copied().unwrap_or(false);
            let direct = target.direct.iter().filter(|_| !is_looped);
            rows.extend(direct.map(|(recipient, class)| (at, recipient.clone(), class.clone())));
        }
        let (mut places, mut groups): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for group in rows.chunk_by(|(one, ..), (next, ..)| one == next) {
            places.extend(group.first().map(|(at, ..)| *at));
            groups.push(group.len());
        }
        let (recipients, classes): (_, Vec<_>) = rows.into_iter().map(|(_, r, c)| (r, c)).unzip();
        let envelope = Envelope { recipients, ..transaction.envelope };
        let ends = (&envelope, classes.as_slice());
        let keepsake = Keepsake::of(ends, &transaction.client, body.in_memory());
        let accepted = Accepted {
            envelope,
            classes,
            head: head.bytes,
            head_skip: head.skip,
            content: Content::New(body),
            origin,
            terms,
        };
        if places.is_empty() {
            let first = transaction.targets.first().ok_or(Refusal::NoRecipients)?;
            return Err(Refusal::Loop { recipient: first.recipient.address.to_string() });
        }
        let folders = self.0.settings.now().subaddress_folders;
        let temporary = self.0.settings.now().over_quota_temporary;
        let into = move |tx: &mut Tx<'_>, group: &[Delivery<'_>]| {
            together(tx, group, temporary, |tx, of| {
                let new = copy(of, (&fields, keepsake.as_ref()), folders)?;
                let delivered = mailbox::deliver(tx, &new, of.terms.arrived)?;
                captured(tx, of, (&new, &delivered), keepsake.as_ref())?;
                Ok(delivered)
            })
        };
        let (durable, outcomes) =
            spool::deliver(&self.0.store, (accepted, groups), into).await.map_err(refused)?;
        let mut answers: Vec<Result<(), Refusal>> = Vec::new();
        for (target, is_looped) in transaction.targets.iter().zip(looped) {
            let recipient = target.recipient.address.to_string();
            answers.push(if is_looped { Err(Refusal::Loop { recipient }) } else { Ok(()) });
        }
        for (at, outcome) in places.into_iter().zip(outcomes) {
            let target = transaction.targets.get(at).map(|target| &target.recipient.address);
            if let (Some(address), Some(answer)) = (target, answers.get_mut(at))
                && answer.is_ok()
            {
                *answer = self.answer(address, outcome);
            }
        }
        Ok((durable, answers))
    }

    fn answer(
        &self,
        address: &Address,
        outcome: Result<Delivered, StoreError>,
    ) -> Result<(), Refusal> {
        match outcome {
            Ok(Delivered::New { .. } | Delivered::Before) => Ok(()),
            Ok(Delivered::OverQuota) | Err(StoreError::OverQuota) => Err(self.over_quota(address)),
            Err(error) => Err(error.into()),
            Ok(Delivered::NoAccount) => Err(Refusal::Unknown { recipient: address.to_string() }),
        }
    }
}

/// Delivers to all whom one recipient of the client leads to, and says what hinders it, if anything
/// does. A temporary answer makes the client send again: it is an error, so that nothing of the
/// group stays.
fn together(
    tx: &mut Tx<'_>,
    group: &[Delivery<'_>],
    over_quota_temporary: bool,
    deliver: impl Fn(&mut Tx<'_>, &Delivery<'_>) -> Result<Delivered, StoreError>,
) -> Result<Delivered, StoreError> {
    let mut said = Delivered::Before;
    for of in group {
        match deliver(tx, of)? {
            Delivered::OverQuota if over_quota_temporary => return Err(StoreError::OverQuota),
            refused @ (Delivered::OverQuota | Delivered::NoAccount) => said = refused,
            Delivered::New { .. } | Delivered::Before => {}
        }
    }
    Ok(said)
}

/// The copy of one recipient, with the fields that lists show, or what was drawn from it all.
pub(crate) fn copy(
    of: &Delivery<'_>,
    (fields, keepsake): (&[u8], Option<&Keepsake>),
    folders: bool,
) -> Result<NewMessage, StoreError> {
    let mut extract = None;
    let (account, folder, head, head_skip) = match of.class {
        Class::Local { principal, folder } => (*principal, folder.clone(), head(of), of.head_skip),
        Class::Capture { inbox } => {
            extract = keepsake.and_then(Keepsake::extract);
            // An inbox shows the bytes as they came.
            (*inbox, None, Vec::new(), 0)
        }
        Class::Relay { .. } => return Err(StoreError::Corrupt("class of a direct recipient")),
    };
    let octets = u64::try_from(head.len()).unwrap_or(u64::MAX);
    Ok(NewMessage {
        id: of.copy,
        account,
        folder: folder.filter(|folder| folders || folder == mailbox::JUNK),
        body: of.body,
        size: of.body_length.saturating_sub(head_skip).saturating_add(octets),
        head,
        head_skip,
        headers: fields.to_vec(),
        received: of.terms.arrived,
        origin: Some(of.spool),
        flags: 0,
        extract,
    })
}

/// What stands before the bytes in an account's folder.
fn head(of: &Delivery<'_>) -> Vec<u8> {
    let address = &of.recipient.address;
    let mut head =
        format!("Return-Path: {}\r\nDelivered-To: {address}\r\n", of.envelope.from).into_bytes();
    head.extend_from_slice(of.head);
    head
}

/// Keeps how a message came into an inbox, beside its new copy there.
pub(crate) fn captured(
    tx: &mut Tx<'_>,
    of: &Delivery<'_>,
    (new, delivered): (&NewMessage, &Delivered),
    keepsake: Option<&Keepsake>,
) -> Result<(), StoreError> {
    match (of.class, delivered, keepsake) {
        (Class::Capture { inbox }, Delivered::New { .. }, Some(kept)) => {
            kept.keep(tx, *inbox, new.id)
        }
        _ => Ok(()),
    }
}
