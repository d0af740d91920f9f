//! Mailboxes are listed, made, renamed and removed; their status and quota are told.
//!
//! Source: RFC 9051 sections 6.3.4 to 6.3.11, RFC 5258, RFC 5819, RFC 6154, RFC 9208.

use super::{Asked, Job, PIECE_OCTETS, Reply, Session};
use crate::command::{List, StatusItem};
use crate::matching::{Listed, listed};
use crate::{Folder, Question, Quota, Refusal, SpecialUse, Status, Usage, name, write};

/// Statuses asked for at once.
const STATUSES: usize = 64;

/// Folders that are being told.
#[derive(Debug)]
pub(super) struct Listing {
    list: List,
    reference: String,
    patterns: Vec<String>,
    listed: Vec<Listed>,
    /// The one that is told next.
    at: usize,
    /// What was answered of the mailboxes from there on.
    statuses: std::vec::IntoIter<Option<Status>>,
    /// Up to which statuses were asked for.
    asked: usize,
    reply: Reply,
}

impl Session {
    fn name(&mut self, wire: &[u8]) -> Option<String> {
        let name = name::read(wire, self.tells_utf8());
        if name.is_none() {
            self.refused(Refusal::NonExistent);
        }
        name
    }

    fn new_name(&mut self, wire: &[u8]) -> Option<String> {
        let name = name::read(wire, self.tells_utf8());
        // A separator at the end says that more will come below: RFC 9051 section 6.3.4.
        let name =
            name.map(|name| name.strip_suffix('/').map_or_else(|| name.clone(), str::to_owned));
        let name = name.filter(|name| name::may_be_made(name));
        if name.is_none() {
            self.refused(Refusal::Cannot);
        }
        name
    }

    pub(super) fn create(&mut self, wire: &[u8], special_use: &[Option<SpecialUse>]) {
        let Some(name) = self.new_name(wire) else { return };
        if name == "INBOX" {
            return self.refused(Refusal::AlreadyExists);
        }
        let Some(special_use) = special_use.iter().copied().collect::<Option<Vec<_>>>() else {
            self.finish(Reply::no("Unknown special use").with_code("USEATTR"));
            return;
        };
        self.ask(Question::Create { name, special_use }, Asked::Created);
    }

    pub(super) fn delete(&mut self, wire: &[u8]) {
        let Some(name) = self.name(wire) else { return };
        if name == "INBOX" {
            return self.refused(Refusal::Cannot);
        }
        self.ask(Question::Delete(name), Asked::Done(Reply::ok("Removed")));
    }

    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) {
        let Some(from) = self.name(from) else { return };
        let Some(to) = self.new_name(to) else { return };
        if to == "INBOX" {
            return self.refused(Refusal::AlreadyExists);
        }
        if to.strip_prefix(from.as_str()).is_some_and(|rest| rest.starts_with('/'))
            && from != "INBOX"
        {
            return self.refused(Refusal::Cannot);
        }
        self.ask(Question::Rename { from, to }, Asked::Done(Reply::ok("Renamed")));
    }

    pub(super) fn subscribe(&mut self, wire: &[u8], subscribed: bool) {
        let Some(name) = self.name(wire) else { return };
        self.ask(Question::Subscribe { name, subscribed }, Asked::Done(Reply::ok("Done")));
    }

    pub(super) fn list(&mut self, list: List) {
        let utf8 = self.tells_utf8();
        let patterns: Vec<String> =
            list.patterns.iter().filter_map(|pattern| name::read_pattern(pattern, utf8)).collect();
        let reference = name::read_pattern(&list.reference, utf8);
        if !list.extended && patterns.iter().all(String::is_empty) && !patterns.is_empty() {
            // The separator is asked for: RFC 9051 section 6.3.9.
            let verb = if list.lsub { "LSUB" } else { "LIST" };
            self.untagged(&[verb, " (\\Noselect) \"/\" \"\""]);
            return self.finish(Reply::ok("Done"));
        }
        let Some(reference) = reference.filter(|_| !patterns.is_empty()) else {
            return self.finish(Reply::ok("There is no such name"));
        };
        if list.returns.status.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore();
        }
        let listing = Listing {
            list,
            reference,
            patterns,
            listed: Vec::new(),
            at: 0,
            statuses: Vec::new().into_iter(),
            asked: 0,
            reply: Reply::ok("Done"),
        };
        self.ask(Question::Folders, Asked::Folders(Box::new(listing)));
    }

    pub(super) fn folders(&mut self, mut listing: Box<Listing>, folders: &[Folder]) {
        listing.listed = listed(&listing.list, &listing.reference, &listing.patterns, folders);
        if listing.listed.len() > self.settings.folders_max {
            listing.listed.truncate(self.settings.folders_max);
            listing.reply = Reply::refusal(Refusal::Limit);
        }
        self.job = Some(Job::List(listing));
    }

    /// Goes on with telling folders.
    pub(super) fn listing(&mut self, mut listing: Box<Listing>) -> bool {
        let wants_status = !listing.list.returns.status.is_empty();
        while let Some(entry) = listing.listed.get(listing.at) {
            if self.out.len() >= PIECE_OCTETS {
                self.job = Some(Job::List(listing));
                return true;
            }
            if wants_status && listing.at >= listing.asked {
                let ahead = listing.listed.get(listing.at..).unwrap_or_default();
                let ahead = ahead.iter().take(STATUSES);
                listing.asked = listing.at + ahead.len();
                let names: Vec<String> =
                    ahead.filter(|entry| entry.exists).map(|entry| entry.name.clone()).collect();
                self.ask(Question::Statuses(names), Asked::ListStatuses(listing));
                return true;
            }
            let status = if wants_status && entry.exists { listing.statuses.next() } else { None };
            self.tell_folder(&listing.list, entry);
            if let Some(status) = status.flatten() {
                self.tell_status(&entry.name, &listing.list.returns.status, &status);
            }
            listing.at += 1;
        }
        self.finish(listing.reply);
        true
    }

    pub(super) fn list_statuses(
        &mut self,
        mut listing: Box<Listing>,
        statuses: Vec<Option<Status>>,
    ) {
        listing.statuses = statuses.into_iter();
        self.job = Some(Job::List(listing));
    }

    fn tell_folder(&mut self, list: &List, entry: &Listed) {
        let mut words = Vec::new();
        if !entry.exists {
            words.push(if list.extended { "\\NonExistent" } else { "\\Noselect" });
        }
        if !list.lsub {
            words.push(if entry.children { "\\HasChildren" } else { "\\HasNoChildren" });
            words.extend(entry.special_use.map(SpecialUse::name));
        }
        if list.returns.subscribed && entry.subscribed {
            words.push("\\Subscribed");
        }
        let verb = if list.lsub { "* LSUB (" } else { "* LIST (" };
        self.out.extend_from_slice(verb.as_bytes());
        self.out.extend_from_slice(words.join(" ").as_bytes());
        self.out.extend_from_slice(b") \"/\" ");
        let utf8 = self.tells_utf8();
        write::mailbox(&mut self.out, &entry.name, utf8);
        if entry.child_info && list.select.recursive {
            let what = if list.select.subscribed { "SUBSCRIBED" } else { "SPECIAL-USE" };
            self.out.extend_from_slice(format!(" (CHILDINFO (\"{what}\"))").as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    pub(super) fn status(&mut self, wire: &[u8], items: Vec<StatusItem>) {
        let Some(name) = self.name(wire) else { return };
        if items.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore();
        }
        self.ask(Question::Statuses(vec![name.clone()]), Asked::Status { name, items });
    }

    pub(super) fn status_told(&mut self, name: &str, items: &[StatusItem], status: Option<Status>) {
        let Some(status) = status else { return self.refused(Refusal::NonExistent) };
        self.tell_status(name, items, &status);
        self.finish(Reply::ok("Done"));
    }

    fn tell_status(&mut self, name: &str, items: &[StatusItem], status: &Status) {
        let utf8 = self.tells_utf8();
        let append_limit = self.settings.append_size_max;
        let out = &mut self.out;
        out.extend_from_slice(b"* STATUS ");
        write::mailbox(out, name, utf8);
        out.extend_from_slice(b" (");
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(item.name().as_bytes());
            out.push(b' ');
            match item {
                StatusItem::Messages => write::number(out, status.messages),
                StatusItem::Recent => write::number(out, status.recent),
                StatusItem::UidNext => write::number(out, status.uidnext),
                StatusItem::UidValidity => write::number(out, status.uidvalidity),
                StatusItem::Unseen => write::number(out, status.unseen),
                StatusItem::Deleted => write::number(out, status.deleted),
                StatusItem::Size => write::number(out, status.bytes),
                StatusItem::HighestModSeq => write::number(out, status.highest_modseq),
                StatusItem::AppendLimit => write::number(out, append_limit),
                StatusItem::DeletedStorage => write::number(out, status.deleted_bytes),
                StatusItem::MailboxId => {
                    out.extend_from_slice(format!("(F{})", status.mailbox).as_bytes());
                }
            }
        }
        out.extend_from_slice(b")\r\n");
    }

    pub(super) fn quota(&mut self, root: &[u8]) {
        // One root, the account, whose name is empty.
        if root.is_empty() {
            self.ask(Question::Quota, Asked::Quota { root_of: None });
        } else {
            self.refused(Refusal::NonExistent);
        }
    }

    pub(super) fn quota_root(&mut self, wire: &[u8]) {
        let Some(name) = self.name(wire) else { return };
        self.ask(Question::Quota, Asked::Quota { root_of: Some(name) });
    }

    pub(super) fn quota_told(&mut self, root_of: Option<String>, quota: Quota) {
        if let Some(name) = root_of {
            let utf8 = self.tells_utf8();
            self.out.extend_from_slice(b"* QUOTAROOT ");
            write::mailbox(&mut self.out, &name, utf8);
            self.out.extend_from_slice(b" \"\"\r\n");
        }
        let mut told = Vec::new();
        let mut tell = |name: &str, usage: Usage, unit: u64| {
            if let Some(limit) = usage.limit {
                // What is begun of a unit counts as one.
                told.push(format!("{name} {} {}", usage.used.div_ceil(unit), limit / unit));
            }
        };
        tell("STORAGE", quota.storage, 1024);
        tell("MESSAGE", quota.messages, 1);
        self.untagged(&["QUOTA \"\" (", &told.join(" "), ")"]);
        self.finish(Reply::ok("Done"));
    }
}
