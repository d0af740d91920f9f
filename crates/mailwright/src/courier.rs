//! The last step of the queue: what it claims goes into a mailbox, or to another server.

use std::sync::Arc;

use mailwright_config::{Live, OverQuota};
use mailwright_deliver::{
    self as deliver, Deliverer, Job, Reason, RecipientOutcome, Signing, Stored, capture,
    mailbox::{self, Arrival},
};
use mailwright_directory::Resolved;
use mailwright_queue::{
    Attempted, Delivery, End, Outcome, Site,
    ready::{Batch, Contact},
};
use mailwright_store::{
    Lane, StoreError,
    mailbox::JUNK,
    queue::{Claimed, Message},
    spool::Class,
};
use mailwright_words::{
    Address, DeliverBy, Domain, Envelope, Id, Recipient, Reply, ReversePath, Timestamp,
};

use crate::office::Office;

/// Octets of a message in which its header fields are looked for.
const HEADER_MAX: u64 = 256 * 1024;
/// Most aliases that are followed on the way of a report.
const ALIASES_MAX: usize = 10;
/// How long to wait for a store that does not answer.
const STORE_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Delivers for the queue.
pub(crate) struct Courier {
    office: Office,
    deliverer: Live<Deliverer>,
}

impl Courier {
    pub(crate) const fn new(office: Office, deliverer: Live<Deliverer>) -> Self {
        Self { office, deliverer }
    }

    async fn mailboxes(&self, message: Arc<Message>, batch: &Batch) -> Attempted {
        let outcomes = match self.copy(message).await {
            Ok(copy) => self.copies(Arc::new(copy), &batch.recipients).await,
            Err(error) => batch.recipients.iter().map(|_| broken(&error)).collect(),
        };
        Attempted { contact: Contact::Made, outcomes }
    }

    /// All of them at once; where that does not work, each for itself, so that one that makes no
    /// sense is a matter of its own.
    async fn copies(&self, copy: Arc<Copy>, recipients: &[Claimed]) -> Vec<Outcome> {
        match self.write(Arc::clone(&copy), recipients.to_vec()).await {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| told(outcome, None)).collect(),
            Err(error) if recipients.len() < 2 => vec![broken(&error)],
            Err(_) => {
                let mut outcomes = Vec::with_capacity(recipients.len());
                for one in recipients {
                    let written = self.write(Arc::clone(&copy), vec![one.clone()]).await;
                    let first = written.map(|outcomes| outcomes.into_iter().next());
                    outcomes.push(match first {
                        Ok(Some(outcome)) => told(outcome, None),
                        Ok(None) => held("nothing was delivered"),
                        Err(error) => broken(&error),
                    });
                }
                outcomes
            }
        }
    }

    async fn copy(&self, message: Arc<Message>) -> Result<Copy, StoreError> {
        let head_length = u64::try_from(message.head.len()).unwrap_or(u64::MAX);
        let start = message.head_skip..message.head_skip.saturating_add(HEADER_MAX);
        let rest = self.office.store.bodies().range(message.body, start).await?;
        let header = [message.head.as_slice(), &rest].concat();
        let body_length =
            message.size.saturating_sub(head_length).saturating_add(message.head_skip);
        let config = self.office.config.now();
        let over_quota = config.intake.over_quota;
        let folders = config.intake.subaddress_folders;
        Ok(Copy { message, header, body_length, over_quota, folders })
    }

    async fn write(
        &self,
        copy: Arc<Copy>,
        recipients: Vec<Claimed>,
    ) -> Result<Vec<deliver::Outcome>, StoreError> {
        let (store, now) = (&self.office.store, self.office.now());
        let ids: Vec<Id> = recipients.iter().map(|_| store.ids().next(now)).collect();
        let write = move |tx: &mut mailwright_store::Tx<'_>| {
            let each = recipients.iter().zip(&ids);
            each.map(|(recipient, id)| copy.deliver(tx, recipient, *id, now)).collect()
        };
        store.write(Lane::Quick, write).await
    }

    async fn to_servers(&self, message: &Message, batch: &Batch, site: &str) -> Attempted {
        let usable: Vec<Option<Recipient>> =
            batch.recipients.iter().map(|claimed| recipient(claimed, site)).collect();
        let recipients: Vec<Recipient> = usable.iter().flatten().cloned().collect();
        let job =
            self.job(message, recipients, site).filter(|job| !job.envelope.recipients.is_empty());
        let Some(job) = job else {
            let outcomes = batch.recipients.iter().map(|_| held("an address makes no sense"));
            return Attempted { contact: Contact::None, outcomes: outcomes.collect() };
        };
        let results = self.deliverer.now().attempt(job).await;
        let contact = results.first().map_or(Contact::None, |result| match result.contact {
            deliver::Contact::Made => Contact::Made,
            deliver::Contact::Failed => Contact::Failed,
            deliver::Contact::None => Contact::None,
        });
        let mut told = results.into_iter().map(
            |RecipientOutcome { outcome, conversation, transport, .. }| Outcome {
                transport,
                ..told(outcome, Some(conversation))
            },
        );
        let outcomes = usable.iter().map(|usable| {
            let outcome = usable.as_ref().and_then(|_| told.next());
            outcome.unwrap_or_else(|| held("the address makes no sense"))
        });
        Attempted { contact, outcomes: outcomes.collect() }
    }

    fn job(&self, message: &Message, recipients: Vec<Recipient>, site: &str) -> Option<Job> {
        let head_length = u64::try_from(message.head.len()).unwrap_or(u64::MAX);
        let body_length =
            message.size.saturating_sub(head_length).saturating_add(message.head_skip);
        let content = Stored::new(
            self.office.store.clone(),
            message.head.clone(),
            message.head_skip,
            message.body,
            body_length,
        );
        let envelope = Envelope {
            envid: message.envid.clone(),
            ret: message.ret,
            body: message.body_type,
            smtputf8: message.smtputf8,
            priority: i8::try_from(message.priority).ok().filter(|priority| *priority != 0),
            deliver_by: message.deliver_by.map(|(at, mode, trace)| DeliverBy { at, mode, trace }),
            tls: message.tls,
            ..Envelope::new(self.return_path(message)?, recipients)
        };
        let domain = Domain::parse(site).ok()?;
        let signing = self.signing(message);
        Some(Job { domain, envelope, content: Arc::new(content), signing })
    }

    /// The reverse-path as other servers get it: that of a message which is ours to sign names it,
    /// where that is configured.
    fn return_path(&self, message: &Message) -> Option<ReversePath> {
        let path = sender(message)?;
        let directory = &self.office.directory;
        let signer = message.sign_as.as_deref().and_then(|domain| directory.signer(domain));
        let is_own = |from: &&Address| {
            let domain = from.domain().as_str();
            signer.as_ref().is_some_and(|signer| signer.domain.eq_ignore_ascii_case(domain))
        };
        let own = path.address().filter(is_own);
        let named = own.and_then(|from| directory.return_path(from, message.id));
        Some(named.map_or(path, ReversePath::Sender))
    }

    /// Who vouches for a message that is ours to sign.
    fn signing(&self, message: &Message) -> Option<Signing> {
        let config = self.office.config.now();
        let dkim = &config.dkim;
        let Some(domain) = message.sign_as.as_deref() else { return self.sealing(message) };
        let lifetime = Some(dkim.lifetime).filter(|lifetime| !lifetime.is_zero());
        let signer = self.office.directory.signer(domain).filter(|_| dkim.sign)?;
        Some(Signing { message: message.id, signer, lifetime, sealed_by: None })
    }

    /// Who vouches for what we saw of a message that only goes on here: the domain that answers
    /// for its failures, if it is ours, or this host's.
    fn sealing(&self, message: &Message) -> Option<Signing> {
        let config = self.office.config.now();
        if !config.dkim.seal || message.depth == 0 {
            return None;
        }
        let path = sender(message)?;
        let directory = &self.office.directory;
        let own = path.address().and_then(|address| directory.signer(address.domain().as_str()));
        let host = config.server.hostname.as_str();
        let signer = own.or_else(|| directory.signer(host))?;
        let sealed_by = Some(Arc::from(host));
        Some(Signing { message: message.id, signer, lifetime: None, sealed_by })
    }
}

impl Delivery for Courier {
    async fn attempt(&self, message: Arc<Message>, batch: Arc<Batch>) -> Attempted {
        // The destination decides; a recipient whose class does not belong to it is held.
        if batch.site == Class::LOCAL {
            self.mailboxes(message, &batch).await
        } else {
            let first = batch.recipients.first().map(|first| first.destination.clone());
            self.to_servers(&message, &batch, &first.unwrap_or_default()).await
        }
    }

    async fn site(&self, destination: &str) -> Site {
        let Ok(domain) = Domain::parse(destination) else { return Site::alone(destination) };
        let found = self.deliverer.now().site(&domain).await;
        let narrow = |most: usize| u32::try_from(most).unwrap_or(u32::MAX);
        Site {
            key: found.key,
            connections_max: found.connections_max.map(narrow),
            messages_per_minute: found.messages_per_minute,
        }
    }

    fn stop(&self) {
        self.deliverer.now().stop();
    }

    async fn classify(&self, sender: &Address) -> Option<(Address, Class)> {
        let mut address = sender.clone();
        for _ in 0..ALIASES_MAX {
            let resolved = loop {
                match self.office.directory.resolve(&address, self.office.now()).await {
                    Ok(resolved) => break resolved,
                    // A report is not dropped because the store was busy.
                    Err(error) => {
                        tracing::warn!(%error, "Report waits for the directory.");
                        self.office.clock.sleep(STORE_WAIT).await;
                    }
                }
            };
            match resolved {
                Resolved::Local { principal, detail, .. } => {
                    return Some((address, Class::Local { principal, folder: detail }));
                }
                Resolved::Capture { inbox, .. } => {
                    return Some((address, Class::Capture { inbox }));
                }
                Resolved::Sandbox { name } => {
                    let found = self.office.directory.find_inbox(&name).await.ok().flatten()?;
                    return Some((address, Class::Capture { inbox: found.principal }));
                }
                Resolved::Backup | Resolved::Relay => {
                    let site = address.domain().to_string();
                    return Some((address, Class::Relay { site }));
                }
                Resolved::Unknown => return None,
                Resolved::Alias { targets }
                | Resolved::List { targets, .. }
                | Resolved::Forward { targets, .. } => address = targets.into_iter().next()?,
            }
        }
        None
    }
}

/// What the copies of a message share.
struct Copy {
    message: Arc<Message>,
    header: Vec<u8>,
    body_length: u64,
    over_quota: OverQuota,
    folders: bool,
}

impl Copy {
    fn deliver(
        &self,
        tx: &mut mailwright_store::Tx<'_>,
        claimed: &Claimed,
        id: Id,
        now: Timestamp,
    ) -> Result<deliver::Outcome, StoreError> {
        let broken = || StoreError::Corrupt("recipient");
        let (account, folder) = match &claimed.class {
            Class::Local { principal, folder } => (*principal, folder.as_deref()),
            Class::Capture { inbox } => (*inbox, None),
            Class::Relay { .. } => return Err(broken()),
        };
        let recipient = Address::parse(&claimed.address).or(Err(broken()))?;
        let from = sender(&self.message).ok_or_else(broken)?;
        let arrival = Arrival {
            id,
            spool: self.message.id,
            account,
            folder: folder.filter(|folder| self.folders || *folder == JUNK),
            from: &from,
            recipient: &recipient,
            head: &self.message.head,
            head_skip: self.message.head_skip,
            body: self.message.body,
            body_length: self.body_length,
            header: &self.header,
            received: self.message.arrived,
        };
        match &claimed.class {
            Class::Capture { .. } => capture::deliver(tx, &arrival, now),
            _ => mailbox::deliver(tx, &arrival, self.over_quota, now),
        }
    }
}

/// A recipient as it goes to the servers of `site`; none when it makes no sense there.
fn recipient(claimed: &Claimed, site: &str) -> Option<Recipient> {
    let belongs = matches!(&claimed.class, Class::Relay { site: own } if own == site);
    let address = Address::parse(&claimed.address).ok().filter(|_| belongs)?;
    Some(Recipient { address, notify: claimed.notify, orcpt: claimed.orcpt.clone() })
}

/// The reverse-path of a message, which is kept as it is printed.
fn sender(message: &Message) -> Option<ReversePath> {
    let text = message.sender.strip_prefix('<')?.strip_suffix('>')?;
    ReversePath::parse(text).ok()
}

fn told(outcome: deliver::Outcome, transcript: Option<Arc<str>>) -> Outcome {
    let of = |end, reply, host| Outcome { end, reply, host, transcript, transport: None };
    match outcome {
        deliver::Outcome::Delivered => of(End::Delivered, None, None),
        deliver::Outcome::Relayed { reply, host, dsn, .. } => {
            of(End::Relayed { dsn }, Some(reply), Some(host))
        }
        deliver::Outcome::Deferred(Reason { reply, host }) => of(End::Deferred, Some(reply), host),
        deliver::Outcome::Postponed(Reason { reply, host }) => {
            of(End::Postponed, Some(reply), host)
        }
        deliver::Outcome::Held(Reason { reply, host }) => of(End::Held, Some(reply), host),
        deliver::Outcome::Failed(Reason { reply, host }) => of(End::Failed, Some(reply), host),
    }
}

/// A fault of ours: one that may pass, or what is stored makes no sense.
fn broken(error: &StoreError) -> Outcome {
    tracing::error!(%error, "Mailbox delivery broke.");
    match error {
        StoreError::Corrupt(_) | StoreError::Missing(_) => held("what is stored makes no sense"),
        _ => Outcome { end: End::Postponed, ..held("the mailbox store does not answer") },
    }
}

/// A fault of ours that will not pass by itself.
fn held(text: &str) -> Outcome {
    let reply = Reply::new(451, "4.3.0".parse().ok(), text);
    Outcome { end: End::Held, reply: Some(reply), host: None, transcript: None, transport: None }
}
