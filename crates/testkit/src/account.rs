//! An account in memory: a stand-in for all that an IMAP session asks, by brute force.
//!
//! `ann@mailwright.example` has the password `secret`, an INBOX and the usual folders. Nothing is
//! kept but what a reader of the standard would expect, so that it is also the oracle of tests in
//! which many sessions share one account.

mod content;
mod finding;
mod guest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailwright_imap::{Change, Folder, Quota, Refusal, SpecialUse, Status, Usage};
use mailwright_view::{FlagChange, Flags, Identity, NumberSet, Row, Snapshot};
use mailwright_words::{Id, Timestamp};

pub use guest::Guest;

/// The moment that everything happens at: 2026-11-25 00:00:00 UTC.
pub const NOW: Timestamp = Timestamp::new(1_795_564_800_000);

/// An account and its mailboxes.
#[derive(Debug)]
pub struct Account {
    mailboxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
    contents: BTreeMap<i64, Arc<Vec<u8>>>,
    /// The last change.
    modseq: u64,
    /// The last identifier and UIDVALIDITY given out.
    last: i64,
    /// Keywords of a mailbox.
    pub keywords_max: usize,
    /// Octets of all messages.
    pub octets_max: Option<u64>,
}

/// A mailbox.
#[derive(Debug)]
struct Mailbox {
    special_use: Option<SpecialUse>,
    snapshot: Snapshot,
    /// From this UID on nobody was told.
    recent_from: u32,
    /// What was expunged, with the change.
    expunged: Vec<(u64, u32)>,
}

/// What a mailbox is told to take.
#[derive(Debug, Clone)]
struct Incoming {
    content: Id,
    system: u8,
    keywords: Vec<Box<str>>,
    internal_date: Timestamp,
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

impl Account {
    /// An account with empty folders.
    pub fn new() -> Self {
        let mut account = Self {
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            contents: BTreeMap::new(),
            modseq: 1,
            last: 0,
            keywords_max: 64,
            octets_max: None,
        };
        account.make("INBOX", None);
        for (name, special_use) in [
            ("Archive", SpecialUse::Archive),
            ("Drafts", SpecialUse::Drafts),
            ("Junk", SpecialUse::Junk),
            ("Sent", SpecialUse::Sent),
            ("Trash", SpecialUse::Trash),
        ] {
            account.make(name, Some(special_use));
        }
        account.subscribed = account.mailboxes.keys().cloned().collect();
        account
    }

    fn id(&mut self) -> Id {
        self.last += 1;
        Id::from_i64(self.last)
    }

    fn make(&mut self, name: &str, special_use: Option<SpecialUse>) -> Id {
        let mailbox = self.id();
        let identity = Identity {
            mailbox,
            uidvalidity: u32::try_from(self.last).unwrap_or(1),
            uidnext: 1,
            highest_modseq: self.modseq,
        };
        let snapshot = Snapshot::new(identity, Vec::new(), Vec::new());
        let made = Mailbox { special_use, snapshot, recent_from: 1, expunged: Vec::new() };
        self.mailboxes.insert(name.to_owned(), made);
        mailbox
    }

    fn by_id(&mut self, id: Id) -> Option<&mut Mailbox> {
        self.mailboxes.values_mut().find(|mailbox| mailbox.snapshot.identity().mailbox == id)
    }

    /// The mailbox of this name as it is now.
    pub fn snapshot(&self, name: &str) -> Option<&Snapshot> {
        self.mailboxes.get(name).map(|mailbox| &mailbox.snapshot)
    }

    /// The octets of a message.
    pub fn content(&self, row: &Row) -> Option<Arc<Vec<u8>>> {
        self.contents.get(&row.message.get()).map(Arc::clone)
    }

    /// A message comes into a mailbox, as mail does.
    pub fn deliver(&mut self, name: &str, octets: Vec<u8>) {
        let content = self.keep(octets);
        let incoming = Incoming { content, system: 0, keywords: Vec::new(), internal_date: NOW };
        if let Ok(id) = self.find(name) {
            // A delivery has no keywords, and cannot be refused for them.
            drop(self.take(id, &[incoming]));
        }
    }

    fn keep(&mut self, octets: Vec<u8>) -> Id {
        let id = self.id();
        self.contents.insert(id.get(), Arc::new(octets));
        id
    }

    /// All contents are lost, as of messages that were removed long ago.
    pub fn lose(&mut self) {
        self.contents.clear();
    }

    fn find(&self, name: &str) -> Result<Id, Refusal> {
        let mailbox = self.mailboxes.get(name).ok_or(Refusal::NonExistent)?;
        Ok(mailbox.snapshot.identity().mailbox)
    }

    /// The bits of these keywords, which the mailbox knows afterwards.
    fn bits(&mut self, id: Id, keywords: &[Box<str>]) -> Result<u64, Refusal> {
        let most = self.keywords_max;
        let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
        let mut names = mailbox.snapshot.keywords().to_vec();
        let mut bits = 0;
        for keyword in keywords {
            let known = names.iter().position(|name| name.eq_ignore_ascii_case(keyword));
            let place = match known {
                Some(place) => place,
                None if names.len() >= most => return Err(Refusal::Limit),
                None => {
                    names.push(keyword.clone());
                    names.len() - 1
                }
            };
            bits |= 1 << place;
        }
        if names.len() > mailbox.snapshot.keywords().len() {
            let mut editor = mailbox.snapshot.edit();
            editor.name_keywords(names);
            mailbox.snapshot = editor.finish();
        }
        Ok(bits)
    }

    /// Messages come into a mailbox; gives its UIDVALIDITY and their UIDs.
    fn take(&mut self, id: Id, incoming: &[Incoming]) -> Result<(u32, NumberSet), Refusal> {
        let size = |content: Id, contents: &BTreeMap<i64, Arc<Vec<u8>>>| {
            contents.get(&content.get()).map_or(0, |octets| octets.len())
        };
        let more: usize = incoming.iter().map(|one| size(one.content, &self.contents)).sum();
        let used = self.quota().storage.used;
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.octets_max.is_some_and(|most| used.saturating_add(more) > most) {
            return Err(Refusal::OverQuota);
        }
        let mut uids = NumberSet::new();
        self.modseq += 1;
        for one in incoming {
            let keywords = self.bits(id, &one.keywords)?;
            let size = u64::try_from(size(one.content, &self.contents)).unwrap_or(0);
            let modseq = self.modseq;
            let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
            let uid = mailbox.snapshot.identity().uidnext;
            let mut editor = mailbox.snapshot.edit();
            editor.append(Row {
                uid,
                flags: Flags { system: one.system, keywords },
                message: one.content,
                modseq,
                size,
                internal_date: one.internal_date,
                save_date: NOW,
            });
            mailbox.snapshot = editor.finish();
            uids.insert(uid..=uid);
        }
        let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
        Ok((mailbox.snapshot.identity().uidvalidity, uids))
    }

    /// Flags change; gives the UIDs that were changed after `unchanged_since` and left alone.
    fn store(
        &mut self,
        id: Id,
        uids: &NumberSet,
        change: &Change,
        unchanged_since: Option<u64>,
    ) -> Result<NumberSet, Refusal> {
        let change = match change {
            Change::Set { system, keywords } => {
                FlagChange::Set(Flags { system: *system, keywords: self.bits(id, keywords)? })
            }
            Change::Add { system, keywords } => {
                FlagChange::Add(Flags { system: *system, keywords: self.bits(id, keywords)? })
            }
            Change::Remove { system, keywords } => {
                let names = self.by_id(id).map(|m| m.snapshot.keywords().to_vec());
                let known = names.unwrap_or_default();
                let bits = (0..64_u32).zip(&known).filter(|(_, name)| {
                    keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(name))
                });
                let keywords = bits.fold(0, |bits, (bit, _)| bits | 1 << bit);
                FlagChange::Remove(Flags { system: *system, keywords })
            }
        };
        let modseq = self.modseq + 1;
        let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
        let late = |row: &&Row| unchanged_since.is_some_and(|since| row.modseq > since);
        let left: NumberSet =
            mailbox.snapshot.select(uids).filter(late).map(|row| row.uid).collect();
        let taken: NumberSet = mailbox
            .snapshot
            .select(uids)
            .map(|row| row.uid)
            .filter(|uid| !left.contains(*uid))
            .collect();
        let mut editor = mailbox.snapshot.edit();
        let changed = editor.change_flags(&taken, change, modseq);
        if !changed.is_empty() {
            mailbox.snapshot = editor.finish();
            self.modseq = modseq;
        }
        Ok(left)
    }

    /// Messages go; only those with `\Deleted`, when `deleted`.
    fn expunge(&mut self, id: Id, uids: Option<&NumberSet>, deleted: bool) -> Result<(), Refusal> {
        let modseq = self.modseq + 1;
        let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
        let goes = |row: &&Row| {
            uids.is_none_or(|uids| uids.contains(row.uid))
                && (!deleted || row.flags.has(Flags::DELETED))
        };
        let gone: NumberSet = mailbox.snapshot.rows().filter(goes).map(|row| row.uid).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut editor = mailbox.snapshot.edit();
        editor.expunge(&gone, modseq);
        mailbox.snapshot = editor.finish();
        mailbox.expunged.extend(gone.iter().map(|uid| (modseq, uid)));
        self.modseq = modseq;
        Ok(())
    }

    /// Messages are copied; gives UIDVALIDITY, their UIDs here and there.
    fn copy(
        &mut self,
        id: Id,
        uids: &NumberSet,
        to: &str,
    ) -> Result<(u32, NumberSet, NumberSet), Refusal> {
        let target = self.find(to)?;
        let mailbox = self.by_id(id).ok_or(Refusal::NonExistent)?;
        let names = mailbox.snapshot.keywords().to_vec();
        let rows: Vec<Row> = mailbox.snapshot.select(uids).copied().collect();
        let incoming = rows.iter().map(|row| {
            let set = (0..64_u32).zip(&names).filter(|(bit, _)| row.flags.has_keyword(*bit));
            Incoming {
                content: row.message,
                system: row.flags.system,
                keywords: set.map(|(_, name)| name.clone()).collect(),
                internal_date: row.internal_date,
            }
        });
        let incoming: Vec<Incoming> = incoming.collect();
        let (uidvalidity, there) = self.take(target, &incoming)?;
        Ok((uidvalidity, rows.iter().map(|row| row.uid).collect(), there))
    }

    fn folders(&self) -> Arc<[Folder]> {
        let names: BTreeSet<&String> = self.mailboxes.keys().chain(&self.subscribed).collect();
        let folder = |name: &String| {
            let mailbox = self.mailboxes.get(name);
            Folder {
                name: name.clone(),
                mailbox: mailbox.map(|mailbox| mailbox.snapshot.identity().mailbox),
                special_use: mailbox.and_then(|mailbox| mailbox.special_use),
                subscribed: self.subscribed.contains(name),
            }
        };
        names.into_iter().map(folder).collect()
    }

    fn status(&self, name: &str) -> Option<Status> {
        let mailbox = self.mailboxes.get(name)?;
        let (identity, counts) = (mailbox.snapshot.identity(), mailbox.snapshot.counts());
        let recent = mailbox.snapshot.rows_from(mailbox.recent_from).count();
        let deleted = mailbox.snapshot.rows().filter(|row| row.flags.has(Flags::DELETED));
        Some(Status {
            mailbox: identity.mailbox,
            messages: mailbox.snapshot.len(),
            recent: u32::try_from(recent).unwrap_or(u32::MAX),
            unseen: counts.unseen,
            deleted: counts.deleted,
            uidnext: identity.uidnext,
            uidvalidity: identity.uidvalidity,
            highest_modseq: identity.highest_modseq,
            bytes: counts.bytes,
            deleted_bytes: deleted.map(|row| row.size).sum(),
        })
    }

    fn quota(&self) -> Quota {
        let snapshots = || self.mailboxes.values().map(|mailbox| &mailbox.snapshot);
        let used = snapshots().map(|snapshot| snapshot.counts().bytes).sum();
        let messages = snapshots().map(|snapshot| u64::from(snapshot.len())).sum();
        Quota {
            storage: Usage { used, limit: self.octets_max },
            messages: Usage { used: messages, limit: self.octets_max.map(|_| 1000) },
        }
    }

    fn create(&mut self, name: &str, special_use: &[SpecialUse]) -> Result<Id, Refusal> {
        if self.mailboxes.contains_key(name) {
            return Err(Refusal::AlreadyExists);
        }
        for (end, _) in name.match_indices('/') {
            let parent = name.get(..end).unwrap_or_default();
            if !self.mailboxes.contains_key(parent) {
                self.make(parent, None);
            }
        }
        Ok(self.make(name, special_use.first().copied()))
    }

    fn delete(&mut self, name: &str) -> Result<(), Refusal> {
        let below = format!("{name}/");
        if self.mailboxes.keys().any(|other| other.starts_with(&below)) {
            return Err(Refusal::HasChildren);
        }
        self.mailboxes.remove(name).map(drop).ok_or(Refusal::NonExistent)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        if self.mailboxes.contains_key(to) {
            return Err(Refusal::AlreadyExists);
        }
        let id = self.find(from)?;
        if from == "INBOX" {
            // Its messages move, and it stays: RFC 9051 section 6.3.6.
            self.create(to, &[])?;
            let all = NumberSet::range(1..=u32::MAX);
            self.copy(id, &all, to)?;
            return self.expunge(id, None, false);
        }
        let below = format!("{from}/");
        let names: Vec<String> = self.mailboxes.keys().cloned().collect();
        for name in names {
            let Some(rest) = name.strip_prefix(&below).or_else(|| (name == from).then_some(""))
            else {
                continue;
            };
            let new = if rest.is_empty() { to.to_owned() } else { format!("{to}/{rest}") };
            if let Some(mailbox) = self.mailboxes.remove(&name) {
                self.mailboxes.insert(new, mailbox);
            }
        }
        Ok(())
    }
}
