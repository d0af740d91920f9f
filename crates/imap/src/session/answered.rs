//! What follows each answer of the driver.
//!
//! An answer that does not fit its question is a fault of ours, and told as one.

use super::{Asked, Reply, Session, State};
use crate::{Answer, Refusal};

impl Session {
    /// Answers the question that [`next`](Self::next) handed out.
    pub fn answer(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.waiting, false) {
            debug_assert!(false, "an answer needs a question");
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        match asked {
            Asked::Nothing => {}
            Asked::Connect => self.connected(&answer),
            Asked::Login => self.login_answered(answer),
            Asked::Auth { rounds } => self.auth_answered(rounds, answer),
            Asked::Look { reply, expunges } => self.looked(answer, reply, expunges),
            other => self.answered(other, answer),
        }
    }

    /// What can be refused, and then only ends its command.
    fn answered(&mut self, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Fetch(fetching), answer) => self.fetched(fetching, answer),
            (Asked::Seen(fetching), answer) => self.seen(fetching, answer),
            (Asked::More(fetching), answer) => self.more(fetching, answer),
            (Asked::AppendBegin(appending, literal), answer) => {
                self.append_begun(appending, literal, &answer);
            }
            (Asked::AppendChunk(appending), answer) => self.append_taken(appending, &answer),
            (Asked::AppendCommit, answer) => self.appended(&answer),
            (Asked::Vanished { fetching, opens }, answer) => {
                self.vanished(fetching, opens, answer);
            }
            (Asked::Search(search), Answer::Refused(refusal)) => {
                self.not_found(&search, refusal);
            }
            (Asked::Copy { .. }, Answer::Refused(refusal)) => {
                self.finish(Reply::refusal_to_file(refusal));
            }
            (_, Answer::Refused(refusal)) => self.refused(refusal),
            (asked, answer) => self.granted(asked, answer),
        }
    }

    fn granted(&mut self, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Done(reply), Answer::Done) => self.finish(reply),
            (Asked::Created, Answer::Created { mailbox }) => {
                let code = format!("MAILBOXID (F{mailbox})");
                self.finish(Reply::ok("Made").with_code(code));
            }
            (Asked::Folders(listing), Answer::Folders(folders)) => {
                self.folders(listing, &folders);
            }
            (Asked::ListStatuses(listing), Answer::Statuses(statuses)) => {
                self.list_statuses(listing, statuses);
            }
            (Asked::Status { name, items }, Answer::Statuses(statuses)) => {
                self.status_told(&name, &items, statuses.first().copied().flatten());
            }
            (Asked::Select { read_only, select }, Answer::Opened(opened)) => {
                self.opened(read_only, &select, opened);
            }
            (Asked::Store(storing), Answer::Stored { snapshot, modified }) => {
                self.stored(*storing, &snapshot, &modified);
            }
            (Asked::Expunge, Answer::Done) => self.expunged(),
            (Asked::Close, Answer::Done) => self.leave(Reply::ok("Closed")),
            (Asked::Copy { moves }, Answer::Copied { uidvalidity, source, target, stopped }) => {
                let reply = stopped.map_or(Reply::ok("Done"), Reply::refusal);
                self.copied((moves, reply), uidvalidity, (&source, &target));
            }
            (Asked::Search(search), answer) => self.found(&search, answer),
            (Asked::Quota { root_of }, Answer::Quota(quota)) => self.quota_told(root_of, quota),
            _ => self.refused(Refusal::ServerBug),
        }
    }

    /// The mailbox as it is now.
    fn looked(
        &mut self,
        answer: Answer,
        reply: Option<Reply>,
        expunges: mailwright_view::Expunges,
    ) {
        // Without it the client's numbers mean nothing any more: RFC 9051 section 7.1.5.
        let (snapshot, recent) = match answer {
            Answer::Latest { snapshot, recent } => (snapshot, recent),
            Answer::Refused(Refusal::NonExistent) => return self.end(Some("The mailbox is gone")),
            Answer::Refused(refusal) => return self.end(Some(&refusal.to_string())),
            _ => return self.end(Some(&Refusal::ServerBug.to_string())),
        };
        self.tell(&snapshot, &recent, expunges, None);
        let Some(mut reply) = reply else { return };
        if reply.tells_modseq
            && let State::Selected(selected) = &self.state
        {
            let highest = selected.picture.snapshot().identity().highest_modseq;
            reply = reply.with_code(format!("HIGHESTMODSEQ {highest}"));
        }
        self.say(reply);
    }
}
