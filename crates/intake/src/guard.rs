//! Limits that keep attackers out, and thieves of passwords from our users' name.
//!
//! Rates of strangers and greylisting are for MTA listeners, the limit of an account for what it
//! submits. What an account sent is counted in the store, so that a restart forgets nothing.
//! Source: RFC 6647 (greylisting), RFC 6409 section 7.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use mailwright_config::{Role, Submission};
use mailwright_directory::Identity;
use mailwright_store::{Lane, StoreError, Tx, guard as row};
use mailwright_words::trace::Protocol;
use mailwright_words::{Address, Domain, Envelope, Id, LocalPart, ReversePath, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::bucket::Buckets;
use crate::refusal::Refusal;
use crate::{Client, Intake, Taken, Transaction};

const HOUR_MS: i64 = 3_600_000;
/// Accounts past a limit that are remembered.
const OVER_MAX: usize = 10_000;

/// What the limits remember.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    rates: Buckets,
    /// Accounts past a limit, and the hour in which that was told.
    over: Mutex<HashMap<Id, i64>>,
}

impl Intake {
    /// Whether a client may send another message now: a stranger by its rate, an account by what
    /// it sent.
    ///
    /// Errors: [`Refusal::Rate`], [`Refusal::OverLimit`].
    pub async fn check_sender_rate(
        &self,
        client: &Client,
        from: &ReversePath,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(identity) = submitter(client) {
            return self.check_account(identity, 0, now).await;
        }
        let door = &self.0.settings.now().door;
        let Some(peer) = client.peer.filter(|_| client.role == Role::Mta) else { return Ok(()) };
        let (site, wide) = networks(peer.ip());
        let sender = from.address().map(Address::key);
        let rates = [
            (Some(site), "a", door.address_per_hour),
            (Some(wide), "n", door.network_per_hour),
            (sender, "s", door.sender_per_hour),
        ];
        for (key, kind, per_hour) in rates {
            let Some(key) = key else { continue };
            self.take((kind, key), per_hour, now)?;
        }
        Ok(())
    }

    /// Whether a client may write to another recipient now; `taken` recipients are in the
    /// transaction already, and `is_trusted` says that a list vouches for the client.
    ///
    /// Errors: [`Refusal::Rate`], [`Refusal::OverLimit`], [`Refusal::Greylisted`].
    pub async fn check_recipient_rate(
        &self,
        (client, is_trusted): (&Client, bool),
        (from, to, taken): (&ReversePath, &str, usize),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(identity) = submitter(client) {
            return self.check_account(identity, taken.saturating_add(1), now).await;
        }
        let settings = self.0.settings.now();
        let Some(peer) = client.peer.filter(|_| client.role == Role::Mta) else { return Ok(()) };
        let to = to.to_lowercase();
        self.take(("r", to.clone()), settings.door.recipient_per_hour, now)?;
        if !settings.door.greylist || is_trusted {
            return Ok(());
        }
        let (site, _) = networks(peer.ip());
        let sender = from.address().map(Address::key).unwrap_or_default();
        let triple = Sha256::digest(format!("{site}\0{sender}\0{to}").as_bytes()).to_vec();
        self.greylist(triple, now).await
    }

    fn take(
        &self,
        (kind, key): (&str, String),
        per_hour: u32,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self.0.guard.rates.take(format!("{kind} {key}"), per_hour, now) {
            None => Ok(()),
            Some(wait) => Err(Refusal::Rate { about: key, seconds: wait.as_secs().max(1) }),
        }
    }

    async fn greylist(&self, triple: Vec<u8>, now: Timestamp) -> Result<(), Refusal> {
        let door = self.0.settings.now().door.clone();
        let known = self.0.store.look(|tx| row::greylisted(tx, &triple)).await?;
        // One that did not come again in time begins anew, once it is forgotten.
        let waits = match known {
            Some((_, last, true)) if now.since(last) < door.greylist_kept => None,
            Some((first, _, _)) if now.since(first) >= door.greylist_wait => None,
            Some((first, _, _)) => Some(door.greylist_wait.saturating_sub(now.since(first))),
            None => Some(door.greylist_wait),
        };
        let (passes, most) = (waits.is_none(), door.greylist_max);
        let write = move |tx: &mut Tx<'_>| {
            row::greylist(tx, &triple, (passes, most), now)?;
            row::greylisted(tx, &triple)
        };
        let kept = self.0.store.write_relaxed(write).await?;
        match waits {
            // With no room for it, it would be told to wait for ever.
            Some(wait) if kept.is_some() => {
                Err(Refusal::Greylisted { seconds: wait.as_secs().max(1) })
            }
            _ => Ok(()),
        }
    }

    async fn check_account(
        &self,
        identity: &Identity,
        more: usize,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let limits = self.0.settings.now().submission.clone();
        let (account, hour) = (identity.principal, hour(now));
        let over = self.0.store.look(|tx| over(tx, &limits, (account, hour), wide(more))).await?;
        self.judged(identity, over, now).await
    }

    /// Counts a message that an account is about to send, if it still may: others of it may have
    /// been let in at the same time.
    ///
    /// Errors: [`Refusal::OverLimit`].
    pub(crate) async fn count_sent(
        &self,
        client: &Client,
        recipients: usize,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(identity) = submitter(client) else { return Ok(()) };
        let limits = self.0.settings.now().submission.clone();
        let (account, hour) = (identity.principal, hour(now));
        let count = u32::try_from(recipients).unwrap_or(u32::MAX);
        let write = move |tx: &mut Tx<'_>| {
            let over = over(tx, &limits, (account, hour), u64::from(count))?;
            if over.is_none() {
                row::count_sent(tx, account, hour, count)?;
            }
            Ok(over)
        };
        let over = self.0.store.write_relaxed(write).await?;
        self.judged(identity, over, now).await
    }

    /// Takes back what was counted of a message that was not sent after all.
    pub(crate) async fn uncount_sent(&self, client: &Client, recipients: usize, now: Timestamp) {
        let Some(identity) = submitter(client) else { return };
        let (account, hour) = (identity.principal, hour(now));
        let count = u32::try_from(recipients).unwrap_or(u32::MAX);
        let write = move |tx: &mut Tx<'_>| row::uncount_sent(tx, account, hour, count);
        if let Err(error) = self.0.store.write_relaxed(write).await {
            tracing::warn!(%error, "What an account did not send stays counted.");
        }
    }

    async fn judged(
        &self,
        identity: &Identity,
        over: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(limit) = over else { return Ok(()) };
        let hold = self.0.settings.now().submission.hold;
        // The postmaster is told by a message, which is taken as any other.
        Box::pin(self.over(identity, &limit, hold, now)).await;
        Err(Refusal::OverLimit { account: identity.name.clone(), limit })
    }

    /// Forgets who did not come again, and what was sent before yesterday.
    ///
    /// Errors: the store's.
    pub async fn sweep_guard(&self, now: Timestamp) -> Result<usize, StoreError> {
        let door = self.0.settings.now().door.clone();
        let before = (now.minus(door.greylist_retry), now.minus(door.greylist_kept));
        let hour = hour(now) - 48;
        let write = move |tx: &mut Tx<'_>| {
            let gone = row::prune_greylist(tx, before)?;
            Ok(gone + row::prune_sent(tx, hour)?)
        };
        self.0.store.write(Lane::Bulk, write).await
    }

    /// An account is past a limit: told once an hour, and what of it waits is held.
    async fn over(&self, identity: &Identity, limit: &str, hold: bool, now: Timestamp) {
        let hour = hour(now);
        {
            let mut over = self.0.guard.over.lock().unwrap_or_else(PoisonError::into_inner);
            if over.get(&identity.principal) == Some(&hour) {
                return;
            }
            if over.len() >= OVER_MAX {
                over.clear();
            }
            over.insert(identity.principal, hour);
        }
        let held = if hold { self.hold(identity.principal).await } else { 0 };
        let name = identity.name.as_str();
        tracing::warn!(account = name, limit, held, "An account is past its limit.");
        let detail = format!("past {limit}; {held} recipients in the queue were held");
        self.0.directory.audit(("over_limit", name, ""), detail, now).await;
        if let Err(refusal) = self.tell_postmaster(name, limit, held, now).await {
            tracing::warn!(%refusal, "The postmaster was not told.");
        }
    }

    /// Holds all that waits of an account.
    async fn hold(&self, account: Id) -> usize {
        let mut held = 0_usize;
        loop {
            let write = move |tx: &mut Tx<'_>| row::hold_account(tx, account);
            match self.0.store.write(Lane::Quick, write).await {
                Ok(0) => return held,
                Ok(more) => held = held.saturating_add(more),
                Err(error) => {
                    tracing::error!(%error, "What an account sends was not held.");
                    return held;
                }
            }
        }
    }

    async fn tell_postmaster(
        &self,
        name: &str,
        limit: &str,
        held: usize,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let settings = self.0.settings.now();
        let client = notifier(&settings.host);
        let target = self.postmaster(&client, Taken::default(), now).await?;
        let (host, to) = (&settings.host, &target.recipient.address);
        let text = format!(
            "From: Mailwright <postmaster@{host}>\r\nTo: <{to}>\r\n\
             Subject: {name} sends more than it may\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             The account {name} wants to send more than {limit}.\r\n\
             Its mail is refused for now, with a reply that lets it try again later.\r\n\
             {held} recipients of it that waited in the queue are held.\r\n\r\n\
             If this is not its owner, set another password:\r\n\r\n    \
             mailwright account password {name} --password-stdin\r\n\r\n\
             What was sent, and from where, is told by\r\n\r\n    \
             mailwright queue list\r\n    mailwright audit list\r\n"
        );
        let local = LocalPart::new("postmaster").or(Err(Refusal::Internal("postmaster")))?;
        let from = Address::new(local, host.clone());
        let from = from.or(Err(Refusal::Internal("the host's name is too long")))?;
        let envelope = Envelope::new(ReversePath::Sender(from), Vec::new());
        let mut incoming = self.begin(&client, now)?;
        incoming.push(text.as_bytes()).await;
        let transaction = Transaction::new(client, envelope, vec![target]);
        let notice = self.accept(incoming, transaction, now).await?;
        tracing::info!(spool = %notice.id(), account = name, "The postmaster was told.");
        Ok(())
    }
}

/// The account that submits.
fn submitter(client: &Client) -> Option<&Identity> {
    client.identity.as_ref().filter(|_| client.role == Role::Msa)
}

/// Hours since 1970.
const fn hour(now: Timestamp) -> i64 {
    now.ms().div_euclid(HOUR_MS)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The limit that an account is past with another message to `more` recipients. Before a recipient
/// is named, a message is what is asked for.
fn over(
    tx: &mut Tx<'_>,
    limits: &Submission,
    (account, hour): (Id, i64),
    more: u64,
) -> Result<Option<String>, StoreError> {
    let periods = [
        (hour, limits.messages_per_hour, limits.recipients_per_hour, "an hour"),
        (hour - 23, limits.messages_per_day, limits.recipients_per_day, "a day"),
    ];
    for (since, messages_max, recipients_max, period) in periods {
        if messages_max == 0 && recipients_max == 0 {
            continue;
        }
        let (messages, recipients) = row::sent_since(tx, account, since)?;
        let is_over = |count: u64, most: u32| most > 0 && count > u64::from(most);
        if is_over(messages.saturating_add(1), messages_max) {
            return Ok(Some(format!("{messages_max} messages {period}")));
        }
        if is_over(recipients.saturating_add(more), recipients_max) {
            return Ok(Some(format!("{recipients_max} recipients {period}")));
        }
    }
    Ok(None)
}

/// Ourselves, as a client.
fn notifier(host: &Domain) -> Client {
    Client {
        listener: "notice".to_owned(),
        role: Role::Msa,
        peer: None,
        hello: host.to_string(),
        protocol: Protocol::Local,
        tls: None,
        identity: None,
        is_trusted: true,
        size_max: u64::MAX,
        recipients_max: 1,
        marks: Vec::new(),
        session: Box::default(),
    }
}

/// What counts as one client, and the wider network around it.
fn networks(address: IpAddr) -> (String, String) {
    let text = |address: IpAddr, length: u8| format!("{address}/{length}");
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let wide = std::net::Ipv4Addr::from_bits(four.to_bits() & (u32::MAX << 8));
            (text(IpAddr::V4(four), 32), text(IpAddr::V4(wide), 24))
        }
        IpAddr::V6(six) => {
            let cut = |length: u8| {
                let rest = 128 - u32::from(length);
                let bits = six.to_bits() & (u128::MAX << rest);
                text(IpAddr::V6(std::net::Ipv6Addr::from_bits(bits)), length)
            };
            (cut(64), cut(48))
        }
    }
}

#[cfg(test)]
mod tests;
