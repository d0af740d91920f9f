//! The whole table of transitions: which command may come in which state.
//!
//! Source: RFC 9051 section 6.

use mailwright_view::{NumberSet, Picture};

use super::{Job, Reply, Selected, Session, State};
use crate::command::{self, Command, Lookup, Nothing, Set};

impl Session {
    /// Does what a whole command says.
    pub(super) fn command(&mut self, text: &[u8]) {
        if self.is_web(text) || !self.count() {
            return;
        }
        let (tag, rest) = match command::tag(text) {
            Ok((tag, rest)) => (tag.to_owned(), rest),
            Err(malformed) => {
                "*".clone_into(&mut self.tag);
                self.say(Reply::malformed(malformed));
                return;
            }
        };
        self.tag = tag;
        let parsed = match &self.state {
            State::Selected(selected) => Command::parse(rest, &self.settings, &**selected),
            _ => Command::parse(rest, &self.settings, &Nothing),
        };
        match parsed {
            Ok(command) => self.take(command),
            Err(malformed) => self.say(Reply::malformed(malformed)),
        }
    }

    /// The table: one arm a command, in the states in which it may come.
    fn take(&mut self, command: Command) {
        match (&self.state, command) {
            (_, Command::Capability) => self.tell_capabilities(),
            (_, Command::Noop) => self.finish(Reply::ok("Done")),
            (_, Command::Logout) => {
                self.untagged(&["BYE Until next time"]);
                self.say(Reply::ok("Done"));
                self.end(None);
            }
            (_, Command::Id(fields)) => self.id(fields),
            (State::NotAuthenticated, command) => self.take_early(command),
            (State::Authenticated | State::Selected(_), command) => self.take_late(command),
            _ => self.say(Reply::bad("This may not come now")),
        }
    }

    fn take_early(&mut self, command: Command) {
        match command {
            Command::StartTls => self.start_tls(),
            Command::Login { name, password } => self.login(&name, password),
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(mechanism, initial.as_deref());
            }
            _ => self.say(Reply::bad("Log in first")),
        }
    }

    fn take_late(&mut self, command: Command) {
        match command {
            Command::Enable(names) => self.enable(&names),
            Command::Select(select) => self.select(select),
            Command::Create { name, special_use } => self.create(&name, &special_use),
            Command::Delete(name) => self.delete(&name),
            Command::Rename(from, to) => self.rename(&from, &to),
            Command::Subscribe(name, subscribed) => self.subscribe(&name, subscribed),
            Command::List(list) => self.list(*list),
            Command::Namespace => {
                self.untagged(&["NAMESPACE ((\"\" \"/\")) NIL NIL"]);
                self.finish(Reply::ok("Done"));
            }
            Command::Status(name, items) => self.status(&name, items),
            Command::Idle => {
                self.out.extend_from_slice(b"+ Waiting for news\r\n");
                self.news = true;
                self.job = Some(Job::Idle);
            }
            Command::GetQuota(root) => self.quota(&root),
            Command::GetQuotaRoot(name) => self.quota_root(&name),
            Command::SetQuota => self.refused(crate::Refusal::NoPerm),
            Command::StartTls | Command::Login { .. } | Command::Authenticate { .. } => {
                self.say(Reply::bad("You are logged in already"));
            }
            command if matches!(self.state, State::Selected(_)) => self.take_selected(command),
            _ => self.say(Reply::bad("Open a mailbox first")),
        }
    }

    fn take_selected(&mut self, command: Command) {
        match command {
            Command::Check => self.finish(Reply::ok("Done")),
            Command::Close => self.close(),
            Command::Unselect => self.unselect(),
            Command::Expunge(set) => self.expunge(set.as_ref()),
            Command::Fetch(fetch) => self.fetch(*fetch),
            Command::Store(store) => self.store(*store),
            Command::Copy { set, uid, to, moves } => self.copy((&set, uid), &to, moves),
            Command::Search(search) => self.search(search),
            _ => self.say(Reply::bad("This may not come now")),
        }
    }
}

impl Selected {
    /// The UIDs that a command names.
    ///
    /// `None`: a sequence number is beyond the last. Source: RFC 9051 section 9, `seq-number`.
    pub(super) fn named(&self, set: &Set, uid: bool) -> Option<NumberSet> {
        if uid || matches!(set, Set::Saved) {
            return Some(self.uids(set));
        }
        (set.largest() <= self.picture.len()).then(|| self.seqs(set))
    }
}

impl Lookup for Selected {
    fn seqs(&self, set: &Set) -> NumberSet {
        if matches!(set, Set::Saved) {
            return self.uids(set);
        }
        let count = self.picture.len();
        if count == 0 {
            return NumberSet::new();
        }
        let within = set.numbers(count, &NumberSet::new());
        let uid = |seq: u32| self.picture.row(seq).map(|row| row.uid);
        let mut uids = NumberSet::new();
        for range in within.intersection(&NumberSet::range(1..=count)).ranges() {
            if let (Some(first), Some(last)) = (uid(*range.start()), uid(*range.end())) {
                uids.insert(first..=last);
            }
        }
        uids
    }

    fn uids(&self, set: &Set) -> NumberSet {
        set.numbers(Picture::last_uid(&self.picture).max(1), &self.saved)
    }

    fn recent(&self) -> NumberSet {
        self.recent.clone()
    }
}
