//! A whole message is made durable.
//!
//! Invariant: only a `Durable` of the store leads to a 250, and all that follows from a message is
//! stored in its one transaction: the message itself, each list and forward on the same body, and
//! the reports that are due at once. Who gets no 250 sends again.

use std::collections::HashSet;

use mailwright_config::Role;
use mailwright_store::sent::Sent;
use mailwright_store::spool::{self, Accepted, Class, Content, Durable, Origin, SpoolError, Terms};
use mailwright_words::headers::HeaderBlock;
use mailwright_words::trace::{Trace, received};
use mailwright_words::{
    Address, ByMode, Envelope, Id, LocalPart, ReversePath, Timestamp, TlsWish, message_id,
};

use crate::capture::is_capture;
use crate::head::{Change, Head};
use crate::incoming::{Collected, Incoming};
use crate::judgement::Judged;
use crate::notice::Notice;
use crate::refusal::Refusal;
use crate::reports;
use crate::straight::Straight;
use crate::target::{Onward, OnwardKind, Target};
use crate::{Client, Intake, merge, priority};

/// A transaction up to its message.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Who hands it in.
    pub client: Client,
    /// Its envelope; the recipients are those of `targets`.
    pub envelope: Envelope,
    /// Where its recipients lead.
    pub targets: Vec<Target>,
    /// Which daily report of ours the message carries. It is not taken twice.
    pub sent: Option<Sent>,
}

impl Transaction {
    /// One of an ordinary message.
    pub fn new(client: Client, envelope: Envelope, targets: Vec<Target>) -> Self {
        Self { client, envelope, targets, sent: None }
    }
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
    envelope: Envelope,
    classes: Vec<Class>,
    /// The list or forward it went through.
    via: Option<Address>,
    /// Whether that is a list: nobody who writes to one makes all of its mail urgent.
    is_list: bool,
    /// Whether it is caught, so that nothing of it leaves.
    confined: bool,
}

impl Intake {
    /// Makes a message durable and wakes the queue.
    ///
    /// Errors: the limit the message is over, that it is in a loop, or a fault of ours; nothing of
    /// the message is stored then.
    pub async fn accept(
        &self,
        incoming: Incoming,
        mut transaction: Transaction,
        now: Timestamp,
    ) -> Result<Durable, Refusal> {
        let mut collected = incoming.finish().await?;
        envelope_by_content(&mut transaction.envelope, &collected);
        let looped = looped(&collected.block(), &mut transaction)?;
        let hash = collected.hash.take();
        let judged = self.judge(collected.block(), hash, &mut transaction, now).await?;
        let parts = self.parts(&transaction, now).await?;
        let about = (self.0.store.ids().next(now), &collected.block());
        let notices = self.notices(&transaction, &looped, about, now).await?;
        self.check_rooms(&transaction.targets, collected.body.length()).await?;
        let straight = parts.first().filter(|part| part.via.is_none()).and_then(|part| {
            let ends = (&part.envelope, part.classes.as_slice());
            Straight::of(&collected, ends, &transaction.client)
        });
        let author = self.author(&transaction.client, &collected.block()).await?;
        let leaves = parts.iter().any(Part::leaves);
        let mut ready = self.prepare((collected, judged), &transaction, now);
        ready.terms.sign_as = author.domain();
        let (id, length) = (ready.body.id(), ready.body.length());
        let shared = || Content::Stored { body: id, length };
        let parent = ready.terms.id;
        let mut body = Some(ready.body);
        let whole = |part: Part| Accepted {
            head: part.head(&ready.head.bytes),
            terms: Terms {
                id: parent.filter(|_| body.is_some()),
                parent: parent.filter(|_| body.is_none()),
                depth: u32::from(part.via.is_some()),
                expires: self.expires(&part.envelope, now),
                priority: ready.terms.priority.min(if part.is_list { 0 } else { i32::MAX }),
                confined: part.confined,
                ..ready.terms.clone()
            },
            content: body.take().map_or_else(shared, Content::New),
            envelope: part.envelope,
            classes: part.classes,
            head_skip: ready.head.skip,
            origin: ready.origin.clone(),
        };
        let mut messages = parts.into_iter().map(whole).collect::<Vec<_>>().into_iter();
        let first = messages.next().ok_or(Refusal::NoRecipients)?;
        let expires = now.plus(self.0.settings.now().report_lifetime);
        let sign_as = Some(self.0.settings.now().host.to_string());
        let terms = Terms { id: None, parent, depth: 1, expires, sign_as, ..ready.terms.clone() };
        let with = |notice: Notice| notice.with(shared(), length, terms.clone());
        let others = messages.chain(notices.into_iter().map(with)).collect();
        let durable = self.keep((first, others), straight, &transaction, now).await?;
        tracing::info!(
            spool = %durable.id(),
            sender = %transaction.envelope.from,
            recipients = transaction.targets.len(),
            size = length,
            listener = transaction.client.listener,
            "Message accepted."
        );
        if leaves {
            self.tell_unsigned(&author, durable.id(), now).await;
        }
        Ok(durable)
    }

    /// Commits a message and what belongs to it; an account has to have room for it.
    async fn keep(
        &self,
        (first, others): (Accepted, Vec<Accepted>),
        straight: Option<Straight>,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<Durable, Refusal> {
        let (client, count) = (&transaction.client, transaction.targets.len());
        self.count_sent(client, count, now).await?;
        let durable = match straight {
            Some(straight) => self.commit_straight((first, others), straight).await,
            None => spool::commit_all(&self.0.store, first, others).await.map_err(refused),
        };
        if durable.is_err() {
            self.uncount_sent(client, count, now).await;
        }
        durable
    }

    /// What is told at once of a message: by an inbox, and of what became of its recipients.
    async fn notices(
        &self,
        transaction: &Transaction,
        looped: &[Target],
        about: (Id, &HeaderBlock<'_>),
        now: Timestamp,
    ) -> Result<Vec<Notice>, Refusal> {
        let mut all = self.echoes(transaction, about.1, now).await;
        all.extend(self.notice(transaction, looped, about, now).await?);
        Ok(all)
    }

    /// When delivery is given up. What is held begins to age when it is released, and what has
    /// to be there by a time is not tried longer.
    fn expires(&self, envelope: &Envelope, now: Timestamp) -> Timestamp {
        let end = envelope.hold_until.unwrap_or(now).plus(self.0.settings.now().lifetime);
        match envelope.deliver_by {
            Some(by) if by.mode == ByMode::Return => end.min(by.at),
            _ => end,
        }
    }

    /// What inboxes catch, the message itself where it has other direct recipients, then its lists
    /// and forwards.
    async fn parts(&self, transaction: &Transaction, now: Timestamp) -> Result<Vec<Part>, Refusal> {
        let envelope = &transaction.envelope;
        let is_captured = |(_, class): &(_, Class)| is_capture(class);
        let (captured, direct): (Vec<_>, Vec<_>) =
            merge::direct(&transaction.targets).into_iter().partition(is_captured);
        let mut parts: Vec<Part> = Vec::new();
        for (ends, confined) in [(captured, true), (direct, false)] {
            let (recipients, classes) = ends.into_iter().unzip();
            let envelope = Envelope { recipients, ..envelope.clone() };
            parts.push(Part { envelope, classes, via: None, is_list: false, confined });
        }
        for onward in merge::onward(&transaction.targets) {
            let is_caught = onward.recipients.iter().any(is_captured);
            let part = self.onward(&transaction.envelope, onward, now).await?;
            parts.extend(if is_caught { part.split() } else { vec![part] });
        }
        parts.retain(|part| !part.classes.is_empty());
        Ok(parts)
    }

    /// A message that goes on. Failures of a list go to the postmaster of its domain; those of a
    /// forward find back to the first sender, or the postmaster where its address has no room.
    async fn onward(
        &self,
        envelope: &Envelope,
        onward: Onward,
        now: Timestamp,
    ) -> Result<Part, Refusal> {
        let path = match (&envelope.from, onward.kind) {
            (ReversePath::Null, _) => Some(ReversePath::Null),
            (ReversePath::Sender(_), OnwardKind::List) => None,
            (ReversePath::Sender(from), OnwardKind::Forward) => {
                self.0.directory.forward_path(from, &onward.address, now).await?
            }
        };
        let (recipients, classes) = onward.recipients.into_iter().unzip();
        let mut envelope = Envelope { recipients, ..envelope.clone() };
        if path.is_none() {
            (envelope.envid, envelope.ret, envelope.deliver_by) = (None, None, None);
        }
        envelope.from = path.unwrap_or_else(|| postmaster(&onward.address));
        let is_list = onward.kind == OnwardKind::List;
        Ok(Part { envelope, classes, via: Some(onward.address), is_list, confined: false })
    }

    /// Stamps the message.
    pub(crate) fn prepare(
        &self,
        (collected, judged): (Collected, Option<Judged>),
        transaction: &Transaction,
        now: Timestamp,
    ) -> Ready {
        let (client, settings) = (&transaction.client, self.0.settings.now());
        let id = self.0.store.ids().next(now);
        let only = match transaction.targets.as_slice() {
            [target] => Some(&target.recipient.address),
            _ => None,
        };
        let block = collected.block();
        let priority = priority::of(client, transaction.envelope.priority, &block, &settings);
        let trace = received(&Trace {
            hello: &client.hello,
            peer: client.peer.map(|peer| peer.ip()),
            peer_name: None,
            by: &settings.host,
            protocol: client.protocol,
            tls: client.tls.as_deref(),
            authenticated: client.identity.is_some(),
            smtputf8: transaction.envelope.smtputf8,
            priority,
            id,
            recipient: only,
            at: now,
        });
        let is_submission = client.role == Role::Msa;
        let (results, found) = match judged {
            Some(Judged { field, found }) => (field, Some(found)),
            None => (String::new(), None),
        };
        let change = Change {
            results,
            without: self.forged(client, &block),
            trace: trace + &marks(client),
            date: is_submission.then(|| now.rfc5322()),
            message_id: is_submission.then(|| message_id(&settings.host, id)),
            without_bcc: is_submission,
            without_priority: is_submission,
        };
        let head = Head::new(&block, &change);
        let terms = Terms {
            id: Some(id),
            priority: i32::from(priority.unwrap_or(0)),
            stream: if priority::is_bulk(&block) { priority::BULK } else { "" }.to_owned(),
            ..terms(transaction, now, now.plus(settings.lifetime))
        };
        let may_report = reports::may_be(client, &block);
        let returned = |target: &Target| {
            self.0.directory.returned(&target.recipient.address, now).map(|(_, message)| message)
        };
        let about = transaction.targets.iter().find_map(returned);
        let sent = transaction.sent.clone();
        let origin = Origin { authentication: found, may_report, about, sent, ..origin(client) };
        Ready { head, origin, terms, body: collected.body }
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
        authentication: None,
        may_report: false,
        about: None,
        sent: None,
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

impl Part {
    /// Whether it goes to another server.
    fn leaves(&self) -> bool {
        self.classes.iter().any(|class| matches!(class, Class::Relay { .. }))
    }

    /// Itself as two: what inboxes catch of it, and the rest.
    fn split(self) -> Vec<Self> {
        let Self { envelope, classes, via, is_list, .. } = self;
        let ends = envelope.recipients.iter().cloned().zip(classes);
        let (captured, others): (Vec<_>, Vec<_>) = ends.partition(|(_, class)| is_capture(class));
        let part = |(ends, confined): (Vec<(_, Class)>, bool)| {
            let (recipients, classes) = ends.into_iter().unzip();
            let envelope = Envelope { recipients, ..envelope.clone() };
            Self { envelope, classes, via: via.clone(), is_list, confined }
        };
        [(captured, true), (others, false)].map(part).into()
    }

    /// What stands before its body; a list or forward that sees its own name again stops.
    fn head(&self, stamped: &[u8]) -> Vec<u8> {
        let via = self.via.as_ref().map(|address| format!("Delivered-To: {address}\r\n"));
        [via.unwrap_or_default().as_bytes(), stamped].concat()
    }
}

/// What lists in the DNS say of a client, as a field.
fn marks(client: &Client) -> String {
    let mark = |mark: &String| format!("X-Mailwright-Listed: {mark}\r\n");
    client.marks.iter().map(mark).collect()
}

fn postmaster(of: &Address) -> ReversePath {
    let postmaster =
        LocalPart::new("postmaster").and_then(|local| Address::new(local, of.domain().clone()));
    postmaster.map_or(ReversePath::Null, ReversePath::Sender)
}

/// What the message says about its envelope.
fn envelope_by_content(envelope: &mut Envelope, collected: &Collected) {
    if collected.has_long_lines {
        // Lines that `DATA` has no room for make it what `BINARYMIME` is for.
        envelope.body = mailwright_words::BodyType::BinaryMime;
    }
    if envelope.tls == TlsWish::None && waives_tls(&collected.block()) {
        envelope.tls = TlsWish::Optional;
    }
}

/// Takes out the recipients that had this message before; what is caught goes nowhere.
///
/// Errors: all of them had it.
fn looped(block: &HeaderBlock<'_>, transaction: &mut Transaction) -> Result<Vec<Target>, Refusal> {
    let is_caught = transaction.client.is_caught();
    if is_caught { Ok(Vec::new()) } else { take_looped(block, &mut transaction.targets) }
}

/// Takes out the recipients that had this message before.
///
/// Errors: all of them had it.
pub(crate) fn take_looped(
    block: &HeaderBlock<'_>,
    targets: &mut Vec<Target>,
) -> Result<Vec<Target>, Refusal> {
    let before = delivered_to(block);
    let had = |target: &mut Target| before.contains(&target.recipient.address.key());
    let looped: Vec<Target> = targets.extract_if(.., had).collect();
    match looped.first() {
        Some(first) if targets.is_empty() => {
            Err(Refusal::Loop { recipient: first.recipient.address.to_string() })
        }
        _ => Ok(looped),
    }
}

/// Whether the sender wants the message delivered rather than safe. Source: RFC 8689 section 3.
fn waives_tls(block: &HeaderBlock<'_>) -> bool {
    let mut said = block.fields().filter(|field| field.name.eq_ignore_ascii_case("TLS-Required"));
    let first = said.next().filter(|_| said.next().is_none());
    first.is_some_and(|field| field.text().trim().eq_ignore_ascii_case("no"))
}

/// The keys of the addresses that had a message before, each field read once.
pub(crate) fn delivered_to(block: &HeaderBlock<'_>) -> HashSet<String> {
    block
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case("Delivered-To"))
        .filter_map(|field| Address::parse(&field.text()).ok())
        .map(|before| before.key())
        .collect()
}
