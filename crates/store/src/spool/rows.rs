//! The rows of a spooled message, made ready outside of the writer's thread.

use std::collections::BTreeSet;

use mailwright_words::{BodyType, ByMode, Id, IdSource, Ret, Timestamp};

use crate::{
    authentication,
    body::{BodyId, release},
    engine::Tx,
    error::StoreError,
    event::Event,
    feedback, params,
    queue::{self, Verdict},
    report::{self, ReportMail},
    sent,
    spool::{Accepted, Class, Origin, SpoolError, Terms},
};

/// The rows of one message, ready to be written by [`insert`].
#[derive(Debug)]
pub struct Rows {
    id: Id,
    body: BodyId,
    size: u64,
    head: Vec<u8>,
    head_skip: u64,
    sender: String,
    envid: Option<String>,
    ret: Option<&'static str>,
    body_type: &'static str,
    smtputf8: bool,
    deliver_by: Option<Timestamp>,
    by_mode: Option<&'static str>,
    by_trace: bool,
    tls_wish: Option<&'static str>,
    told: u8,
    origin: Origin,
    terms: Terms,
    due: Timestamp,
    recipients: Vec<Recipient>,
}

#[derive(Debug)]
struct Recipient {
    id: Id,
    address: String,
    orcpt: Option<String>,
    notify: u8,
    class: Class,
}

/// That there is a class for each recipient, and a recipient at all.
pub(super) fn check(accepted: &Accepted) -> Result<(), SpoolError> {
    let (recipients, classes) = (accepted.envelope.recipients.len(), accepted.classes.len());
    if recipients == 0 || recipients != classes {
        return Err(SpoolError::Envelope { recipients, classes });
    }
    Ok(())
}

impl Rows {
    /// The rows of `accepted`, with new ids.
    ///
    /// Errors: [`SpoolError::Envelope`].
    pub fn new(ids: &IdSource, accepted: &Accepted) -> Result<Self, SpoolError> {
        check(accepted)?;
        let Accepted { envelope, classes, head, head_skip, content, origin, terms } = accepted;
        let (body, length) = content.body();
        let recipients =
            envelope.recipients.iter().zip(classes).map(|(recipient, class)| Recipient {
                id: ids.next(terms.arrived),
                address: recipient.address.to_string(),
                orcpt: recipient.orcpt.clone(),
                notify: recipient.notify.as_bits(),
                class: class.clone(),
            });
        let head_octets = u64::try_from(head.len()).unwrap_or(u64::MAX);
        Ok(Self {
            id: terms.id.unwrap_or_else(|| ids.next(terms.arrived)),
            body,
            size: length.saturating_sub(*head_skip).saturating_add(head_octets),
            head: head.clone(),
            head_skip: *head_skip,
            sender: envelope.from.to_string(),
            envid: envelope.envid.clone(),
            ret: envelope.ret.map(|ret| match ret {
                Ret::Full => "full",
                Ret::Hdrs => "hdrs",
            }),
            body_type: match envelope.body {
                BodyType::SevenBit => "7bit",
                BodyType::EightBitMime => "8bitmime",
                BodyType::BinaryMime => "binarymime",
            },
            smtputf8: envelope.smtputf8,
            deliver_by: envelope.deliver_by.map(|by| by.at),
            by_mode: envelope.deliver_by.map(|by| match by.mode {
                ByMode::Return => "return",
                ByMode::Notify => "notify",
            }),
            by_trace: envelope.deliver_by.is_some_and(|by| by.trace),
            tls_wish: envelope.tls.as_str(),
            told: envelope.deliver_by.map_or(0, |by| match by.mode {
                ByMode::Return => 0,
                ByMode::Notify => queue::BY_TIME_DUE,
            }),
            origin: origin.clone(),
            terms: terms.clone(),
            due: envelope.hold_until.unwrap_or(terms.arrived),
            recipients: recipients.collect(),
        })
    }

    /// The number the message will have.
    pub fn id(&self) -> Id {
        self.id
    }

    pub(super) fn body(&self) -> BodyId {
        self.body
    }

    /// Lets go of the reference that the body's row began with.
    pub(super) fn release(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        release(tx, self.body, self.terms.arrived)
    }

    /// Writes down what was found out about where the message is from, and that it is to be read.
    ///
    /// Errors: [`StoreError::Exists`] for a daily report that went before; those of the database.
    pub(super) fn tell(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if let Some(sent) = &self.origin.sent {
            sent::note(tx, sent)?;
        }
        if self.origin.may_report {
            report::note(tx, &self.report_mail())?;
        }
        let Some(found) = &self.origin.authentication else { return Ok(()) };
        let about = (self.terms.tenant.get(), self.terms.arrived, Some(self.id));
        authentication::append(tx, found, about)
    }

    fn report_mail(&self) -> ReportMail {
        let found = self.origin.authentication.as_ref();
        let dmarc = found.and_then(|found| found.dmarc.as_ref());
        ReportMail {
            body: self.body,
            arrived: self.terms.arrived,
            author: dmarc.map(|dmarc| dmarc.domain.clone()).unwrap_or_default(),
            proven: dmarc.is_some_and(|dmarc| dmarc.result == "pass"),
            about: self.origin.about,
        }
    }

    /// What the event of a recipient's delivery says.
    pub(super) fn delivered(&self, place: usize) -> Option<Event> {
        let recipient = self.recipients.get(place)?;
        Some(Event {
            tenant: self.terms.tenant.get(),
            at: self.terms.arrived,
            kind: Verdict::Delivered.as_str().to_owned(),
            spool: Some(self.id),
            recipient: Some(recipient.id),
            address: Some(recipient.address.clone()),
            detail: None,
        })
    }
}

/// Writes the rows of a message. Its body has a row already, with a reference for this message.
///
/// A recipient named twice gets one row.
///
/// Errors: those of the database.
pub fn insert(tx: &mut Tx<'_>, rows: &Rows) -> Result<(), StoreError> {
    insert_for(tx, rows, |_| true)
}

/// As [`insert`], for the recipients alone whose place in the envelope `waits`.
pub(super) fn insert_for(
    tx: &mut Tx<'_>,
    rows: &Rows,
    waits: impl Fn(usize) -> bool,
) -> Result<(), StoreError> {
    let Rows { origin, terms, .. } = rows;
    tx.execute(
        "INSERT INTO spool (id, tenant, parent, body, size, head, head_skip, sender, envid, ret,
             body_type, smtputf8, confined, stream, priority, arrived, expires, deliver_by,
             by_mode, by_trace, tls_wish, depth, listener, peer, helo, account, sign_as)
         VALUES (:id, :tenant, :parent, :body, :size, :head, :head_skip, :sender, :envid, :ret,
             :body_type, :smtputf8, :confined, :stream, :priority, :arrived, :expires, :deliver_by,
             :by_mode, :by_trace, :tls_wish, :depth, :listener, :peer, :helo, :account, :sign_as)",
        params! {
            id: rows.id, tenant: terms.tenant, parent: terms.parent, body: rows.body,
            size: rows.size, head: &rows.head, head_skip: rows.head_skip, sender: &rows.sender,
            envid: rows.envid.as_deref(), ret: rows.ret, body_type: rows.body_type,
            smtputf8: rows.smtputf8, confined: terms.confined, stream: &terms.stream,
            priority: terms.priority, arrived: terms.arrived, expires: terms.expires,
            deliver_by: rows.deliver_by, by_mode: rows.by_mode, by_trace: rows.by_trace,
            tls_wish: rows.tls_wish, depth: terms.depth, listener: &origin.listener,
            peer: &origin.peer, helo: &origin.helo, account: origin.account,
            sign_as: terms.sign_as.as_deref(),
        },
    )?;
    let mut sites: BTreeSet<&str> = BTreeSet::new();
    for (_, recipient) in rows.recipients.iter().enumerate().filter(|(place, _)| waits(*place)) {
        insert_recipient(tx, rows, recipient)?;
        sites.insert(recipient.class.destination());
    }
    for site in sites {
        queue::wake(tx, site, rows.due)?;
    }
    if let Some(envid) = &rows.envid {
        feedback::remember(tx, rows.id, envid)?;
    }
    Ok(())
}

fn insert_recipient(tx: &mut Tx<'_>, rows: &Rows, recipient: &Recipient) -> Result<(), StoreError> {
    let terms = &rows.terms;
    let (class, principal, folder) = recipient.class.columns();
    tx.execute(
        "INSERT INTO recipient (id, spool, tenant, address, original, orcpt, notify, class,
             principal, folder, destination, confined, stream, priority, state, due, delay_told,
             expires)
         VALUES (:id, :spool, :tenant, :address, :address, :orcpt, :notify, :class,
             :principal, :folder, :destination, :confined, :stream, :priority, 'queued', :due,
             :told, :expires)
         ON CONFLICT (spool, address) DO NOTHING",
        params! {
            id: recipient.id, spool: rows.id, tenant: terms.tenant, address: &recipient.address,
            orcpt: recipient.orcpt.as_deref(), notify: recipient.notify, class: class,
            principal: principal, folder: folder, destination: recipient.class.destination(),
            confined: terms.confined, stream: &terms.stream, priority: terms.priority,
            due: rows.due, told: rows.told, expires: terms.expires,
        },
    )?;
    Ok(())
}

/// Removes a message whose last recipient is gone, and lets go of its body.
///
/// A message that still has recipients stays. Says whether it went.
///
/// Errors: those of the database.
pub fn remove(tx: &mut Tx<'_>, spool: Id, now: Timestamp) -> Result<bool, StoreError> {
    let body: Option<BodyId> = tx.query_opt(
        "DELETE FROM spool WHERE id = :spool
             AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.spool = :spool)
         RETURNING body",
        params! { spool },
        |row| row.get(0),
    )?;
    match body {
        Some(body) => release(tx, body, now).map(|()| true),
        None => Ok(false),
    }
}
