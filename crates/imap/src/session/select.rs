//! Mailboxes are opened and closed.
//!
//! Source: RFC 9051 sections 6.3.2, 6.3.3, 6.4.1 and 6.4.2, RFC 7162 sections 3.1.2 and 3.2.5.

use mailwright_view::{Flags, NumberSet, Picture, Snapshot};

use super::fetching::Fetching;
use super::{Asked, Job, Reply, Selected, Session, State};
use crate::command::{Item, Kind, Select};
use crate::{Answer, Opened, Question, name, write};

impl Session {
    pub(super) fn select(&mut self, select: Box<Select>) {
        if select.resync.is_some() && !self.enabled.qresync {
            self.say(Reply::bad("Say ENABLE QRESYNC first"));
            return;
        }
        let Some(name) = name::read(&select.name, self.tells_utf8()) else {
            return self.refused(crate::Refusal::NonExistent);
        };
        let read_only = select.read_only;
        if matches!(self.state, State::Selected(_)) {
            self.state = State::Authenticated;
            self.untagged(&["OK [CLOSED] The mailbox before is closed"]);
        }
        self.ask(Question::Select { name, read_only }, Asked::Select { read_only, select });
    }

    pub(super) fn opened(&mut self, read_only: bool, select: &Select, opened: Opened) {
        let Opened { snapshot, recent, read_only: forced, more_keywords } = opened;
        if select.condstore {
            self.enable_condstore();
        }
        let read_only = read_only || forced;
        let picture = Picture::new(snapshot.clone());
        let saved = NumberSet::new();
        let selected = Selected { picture, recent, read_only, more_keywords, saved };
        self.state = State::Selected(Box::new(selected));
        self.news = false;
        self.tell_opened(&snapshot, &select.name);
        let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        let reply = Reply::ok("Opened").with_code(code);
        let resync = select.resync.as_ref();
        let resync = resync.filter(|r| r.uidvalidity == snapshot.identity().uidvalidity);
        let Some(resync) = resync else { return self.say(reply) };
        let given_out = NumberSet::range(1..=snapshot.identity().uidnext.saturating_sub(1));
        let known = resync.known.as_ref();
        let uids = known.map_or_else(|| given_out.clone(), |known| known.intersection(&given_out));
        let mut fetching = Fetching::new(&uids, told_again(), reply);
        fetching.changed_since = Some(resync.since);
        let question = Question::Vanished { since: resync.since, uids };
        let asked = Asked::Vanished { fetching: Box::new(fetching), opens: true };
        self.ask(question, asked);
    }

    fn tell_opened(&mut self, snapshot: &Snapshot, wire_name: &[u8]) {
        let identity = snapshot.identity();
        self.tell_keywords(true);
        self.untagged(&[&snapshot.len().to_string(), " EXISTS"]);
        if self.enabled.rev2 {
            self.out.extend_from_slice(b"* LIST () \"/\" ");
            let name = name::read(wire_name, self.tells_utf8()).unwrap_or_default();
            write::mailbox(&mut self.out, &name, true);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.tell_recent();
            let unseen = snapshot.rows().position(|row| !row.flags.has(Flags::SEEN));
            if let Some(first) = unseen.filter(|_| snapshot.counts().unseen > 0) {
                let first = first.saturating_add(1).to_string();
                self.untagged(&["OK [UNSEEN ", &first, "] The first unseen message"]);
            }
        }
        let validity = identity.uidvalidity.to_string();
        self.untagged(&["OK [UIDVALIDITY ", &validity, "] UIDs are valid"]);
        self.untagged(&["OK [UIDNEXT ", &identity.uidnext.to_string(), "] The next UID"]);
        let highest = identity.highest_modseq.to_string();
        self.untagged(&["OK [HIGHESTMODSEQ ", &highest, "] The last change"]);
        let id = identity.mailbox.to_string();
        self.untagged(&["OK [MAILBOXID (F", &id, ")] The mailbox's identifier"]);
    }

    /// What is gone is known; what changed follows from the picture.
    pub(super) fn vanished(&mut self, fetching: Box<Fetching>, opens: bool, answer: Answer) {
        let refusal = match answer {
            Answer::Vanished(_) => None,
            Answer::Refused(refusal) => Some(refusal),
            _ => Some(crate::Refusal::ServerBug),
        };
        match refusal {
            Some(refusal) if opens => return self.leave(Reply::refusal(refusal)),
            Some(refusal) => return self.refused(refusal),
            None => {}
        }
        let Answer::Vanished(gone) = answer else { return };
        let gone = self.told_gone(&gone);
        if !gone.is_empty() {
            self.untagged(&["VANISHED (EARLIER) ", &gone.to_string()]);
        }
        self.job = Some(Job::Fetch(fetching));
    }

    pub(super) fn close(&mut self) {
        let State::Selected(selected) = &self.state else { return };
        if selected.read_only {
            self.leave(Reply::ok("Closed"));
        } else {
            self.ask(Question::Expunge(None), Asked::Close);
        }
    }

    pub(super) fn unselect(&mut self) {
        self.leave(Reply::ok("Closed"));
    }

    /// Leaves the mailbox without a word of what changed in it.
    pub(super) fn leave(&mut self, reply: Reply) {
        self.state = State::Authenticated;
        self.ask(Question::Deselect, Asked::Done(reply));
    }
}

/// What a client that comes again is told of what changed.
fn told_again() -> Vec<Item> {
    let item = |kind, label: &str| Item { kind, label: label.into(), sees: false };
    vec![item(Kind::Uid, "UID"), item(Kind::Flags, "FLAGS"), item(Kind::ModSeq, "MODSEQ")]
}
