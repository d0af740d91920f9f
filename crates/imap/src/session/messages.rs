//! Flags are changed, messages copied, moved and removed.
//!
//! Source: RFC 9051 sections 6.4.3 and 6.4.6 to 6.4.9, RFC 7162 section 3.1.3, RFC 6851, RFC 4315.

use mailwright_view::{Expunges, FlagChange, Flags, NumberSet, Snapshot};

use super::fetching::Fetching;
use super::{Asked, Job, Reply, Session, State};
use crate::command::{Item, Kind, Set, Store};
use crate::{Change, Question, Refusal, name};

/// A `STORE` that is asked for.
#[derive(Debug)]
pub(super) struct Storing {
    uids: NumberSet,
    uid: bool,
    /// What changes, when the new flags need not be told.
    silent: Option<Change>,
    /// The last change before it.
    since: u64,
}

impl Session {
    /// The UIDs that a command names; a number that is none ends the command.
    pub(super) fn named(&mut self, set: &Set, uid: bool) -> Option<NumberSet> {
        let State::Selected(selected) = &self.state else { return None };
        let named = selected.named(set, uid);
        if named.is_none() {
            self.say(Reply::bad("There are not so many messages"));
        }
        named
    }

    /// The mailbox may be changed; else that ends the command.
    fn may_change(&mut self) -> bool {
        let State::Selected(selected) = &self.state else { return false };
        let read_only = selected.read_only;
        if read_only {
            self.say(Reply::no("The mailbox is open for reading only").with_code("READ-ONLY"));
        }
        !read_only
    }

    pub(super) fn store(&mut self, store: Store) {
        let Store { set, uid, unchanged_since, change, silent } = store;
        if !self.may_change() {
            return;
        }
        if unchanged_since.is_some() {
            self.enable_condstore();
        }
        let Some(uids) = self.named(&set, uid) else { return };
        let State::Selected(selected) = &self.state else { return };
        let since = selected.picture.snapshot().identity().highest_modseq;
        let silent = silent.then(|| change.clone());
        let storing = Storing { uids: uids.clone(), uid, silent, since };
        let question = Question::Store { uids, change, unchanged_since };
        self.ask(question, Asked::Store(Box::new(storing)));
    }

    pub(super) fn stored(&mut self, storing: Storing, snapshot: &Snapshot, modified: &NumberSet) {
        let Storing { uids, uid, silent, since } = storing;
        let expunges = if uid { Expunges::Tell } else { Expunges::Keep };
        let uids = without(&uids, modified);
        let quiet = silent.as_ref().map(|change| self.as_expected(&uids, change, snapshot));
        self.tell(snapshot, &NumberSet::new(), Expunges::Keep, quiet.as_ref().or(Some(&uids)));
        let silent = silent.is_some();
        let State::Selected(selected) = &self.state else { return };
        let reply = if modified.is_empty() {
            Reply::ok("Done")
        } else {
            let told: NumberSet = if uid {
                modified.clone()
            } else {
                modified.iter().filter_map(|uid| selected.picture.seq(uid)).collect()
            };
            Reply::ok("Some were changed by others").with_code(format!("MODIFIED {told}"))
        };
        let item = |kind, label: &str| Item { kind, label: label.into(), sees: false };
        let mut items = Vec::new();
        if uid || self.enabled.qresync {
            items.push(item(Kind::Uid, "UID"));
        }
        if !silent {
            items.push(item(Kind::Flags, "FLAGS"));
        }
        if self.enabled.condstore {
            items.push(item(Kind::ModSeq, "MODSEQ"));
        }
        if silent && !self.enabled.condstore {
            return self.finish_with(reply, expunges);
        }
        let mut fetching = Fetching::new(&uids, items, reply);
        // Who wants silence hears only of what changed.
        fetching.changed_since = silent.then_some(since);
        fetching.expunges = expunges;
        self.job = Some(Job::Fetch(Box::new(fetching)));
    }

    /// Those of `uids` whose flags are now what the client makes of those it knows. Flags that
    /// others changed too are told in any case. Source: RFC 9051 section 6.4.6.
    fn as_expected(&self, uids: &NumberSet, change: &Change, snapshot: &Snapshot) -> NumberSet {
        let State::Selected(selected) = &self.state else { return NumberSet::new() };
        let change = in_bits(change, snapshot.keywords());
        let (Some(first), Some(last)) = (uids.first(), uids.last()) else {
            return NumberSet::new();
        };
        // Both ascend, so each is gone through once.
        let (mut wanted, mut now) = (uids.ascending(), snapshot.rows_from(first).peekable());
        let known = selected.picture.rows_from(first).map(|(_, row)| row);
        let expected = known.take_while(|row| row.uid <= last).filter(|row| {
            while now.next_if(|now| now.uid < row.uid).is_some() {}
            let now = now.peek().filter(|now| now.uid == row.uid);
            wanted.contains(row.uid)
                && now.is_some_and(|now| now.flags == change.applied_to(row.flags))
        });
        expected.map(|row| row.uid).collect()
    }

    pub(super) fn expunge(&mut self, set: Option<&Set>) {
        if !self.may_change() {
            return;
        }
        let uids = match set {
            None => None,
            Some(set) => match self.named(set, true) {
                Some(uids) => Some(uids),
                None => return,
            },
        };
        self.ask(Question::Expunge(uids), Asked::Expunge);
    }

    pub(super) fn expunged(&mut self) {
        let mut reply = Reply::ok("Done");
        reply.tells_modseq = self.enabled.condstore;
        self.finish(reply);
    }

    pub(super) fn copy(&mut self, (set, uid): (&Set, bool), to: &[u8], moves: bool) {
        if moves && !self.may_change() {
            return;
        }
        let Some(uids) = self.named(set, uid) else { return };
        let Some(to) = name::read(to, self.tells_utf8()) else {
            return self.refused(Refusal::NonExistent);
        };
        let expunges = if uid || moves { Expunges::Tell } else { Expunges::Keep };
        if uids.is_empty() {
            return self.finish_with(Reply::ok("There was nothing to do"), expunges);
        }
        let question =
            if moves { Question::Move { uids, to } } else { Question::Copy { uids, to } };
        self.ask(question, Asked::Copy { moves });
    }

    pub(super) fn copied(
        &mut self,
        (moves, mut reply): (bool, Reply),
        uidvalidity: u32,
        (source, target): (&NumberSet, &NumberSet),
    ) {
        let code = (!source.is_empty()).then(|| format!("COPYUID {uidvalidity} {source} {target}"));
        if moves {
            // Before the messages go, so that the client can follow them: RFC 6851 section 4.3.
            if let Some(code) = code {
                self.untagged(&["OK [", &code, "] They are there now"]);
            }
            reply.tells_modseq = self.enabled.qresync && reply.is_ok();
        } else if let Some(code) = code {
            reply = reply.with_code(code);
        }
        self.finish(reply);
    }
}

/// The change with its keywords as bits; those without a bit are not in the mailbox.
fn in_bits(change: &Change, names: &[Box<str>]) -> FlagChange {
    let flags = |system: u8, keywords: &[Box<str>]| {
        let named = |name: &str| keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(name));
        let bits = (0..u64::BITS).zip(names).filter(|(_, name)| named(name));
        Flags { system, keywords: bits.fold(0, |bits, (bit, _)| bits | 1 << bit) }
    };
    match change {
        Change::Set { system, keywords } => FlagChange::Set(flags(*system, keywords)),
        Change::Add { system, keywords } => FlagChange::Add(flags(*system, keywords)),
        Change::Remove { system, keywords } => FlagChange::Remove(flags(*system, keywords)),
    }
}

/// What is in `all` and not in `less`.
pub(super) fn without(all: &NumberSet, less: &NumberSet) -> NumberSet {
    if less.is_empty() {
        return all.clone();
    }
    let mut rest = NumberSet::new();
    for range in all.ranges() {
        let (first, last) = range.into_inner();
        let mut next = Some(first);
        for hole in less.ranges().filter(|hole| *hole.end() >= first && *hole.start() <= last) {
            let Some(from) = next else { break };
            if let Some(before) = hole.start().checked_sub(1) {
                rest.insert(from..=before.min(last));
            }
            next = hole.end().checked_add(1);
        }
        if let Some(from) = next {
            rest.insert(from..=last);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_cut_out() {
        let set = |text: &str| {
            let mut cursor = crate::command::Cursor::new(text.as_bytes(), 1);
            Set::known(&mut cursor).unwrap()
        };
        for (all, less, want) in [
            ("1:10", "3:4,7", "1:2,5:6,8:10"),
            ("5:6,8", "1:5,8:9", "6"),
            ("1:4294967295", "4294967295", "1:4294967294"),
            ("2:3", "1:9", ""),
        ] {
            assert_eq!(without(&set(all), &set(less)).to_string(), want);
        }
    }
}
