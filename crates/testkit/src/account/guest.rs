//! One session's side of an account: what it has open, and what it is appending.

use std::sync::Arc;

use mailwright_imap::{Answer, Message, Need, Opened, Question, Refusal};
use mailwright_view::{NumberSet, Row};
use mailwright_words::Id;

use super::{Account, Incoming, NOW, content, finding};

/// What a session has open.
#[derive(Debug, Default)]
pub struct Guest {
    open: Option<Id>,
    read_only: bool,
    appending: Vec<(Message, Vec<u8>)>,
    dialogue: Vec<Vec<u8>>,
    /// Contents beyond this many octets are given in chunks.
    pub inline_max: usize,
    /// Most rows that one answer has.
    pub rows_max: usize,
    /// How often something begun was given up.
    pub given_up: usize,
    /// What clients said of themselves.
    pub said: Vec<(String, Option<String>)>,
}

type Answered = Result<Answer, Refusal>;

impl Guest {
    /// A guest to whom contents of up to 100 octets are given at once, three messages a time.
    pub fn new() -> Self {
        Self { inline_max: 100, rows_max: 3, ..Self::default() }
    }

    /// Answers a question.
    pub fn answer(&mut self, question: Question, account: &mut Account) -> Answer {
        self.answered(question, account).unwrap_or_else(Answer::Refused)
    }

    fn answered(&mut self, question: Question, account: &mut Account) -> Answered {
        match question {
            Question::Connect | Question::AuthCancel | Question::AppendAbort => {
                self.given_up += usize::from(!matches!(question, Question::Connect));
                self.appending.clear();
                Ok(Answer::Done)
            }
            Question::Login { name, password } => {
                verdict(name == "ann@mailwright.example" && password.0 == b"secret")
            }
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial),
            Question::AuthResponse(response) => self.response(response),
            Question::Id(fields) => {
                self.said = fields;
                Ok(Answer::Done)
            }
            Question::Folders => Ok(Answer::Folders(account.folders())),
            Question::Statuses(names) => {
                Ok(Answer::Statuses(names.iter().map(|name| account.status(name)).collect()))
            }
            Question::Create { name, special_use } => {
                account.create(&name, &special_use).map(|mailbox| Answer::Created { mailbox })
            }
            Question::Delete(name) => account.delete(&name).map(|()| Answer::Done),
            Question::Rename { from, to } => account.rename(&from, &to).map(|()| Answer::Done),
            Question::Subscribe { name, subscribed } => {
                if subscribed {
                    account.subscribed.insert(name);
                } else {
                    account.subscribed.remove(&name);
                }
                Ok(Answer::Done)
            }
            Question::Quota => Ok(Answer::Quota(account.quota())),
            Question::AppendBegin(message) => {
                account.find(&message.mailbox)?;
                self.appending.push((message, Vec::new()));
                Ok(Answer::Done)
            }
            Question::AppendChunk(octets) => {
                if let Some((_, message)) = self.appending.last_mut() {
                    message.extend(octets);
                }
                Ok(Answer::Done)
            }
            Question::AppendCommit => self.commit(account),
            other => self.of_mailbox(other, account),
        }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answered {
        self.dialogue.clear();
        match (mechanism, initial) {
            ("LOGIN", None) => Ok(Answer::Challenge(b"Username:".to_vec())),
            (_, Some(initial)) => self.response(initial),
            (_, None) => Ok(Answer::Challenge(Vec::new())),
        }
    }

    fn response(&mut self, response: Vec<u8>) -> Answered {
        self.dialogue.push(response);
        let all = self.dialogue.join(&b'|');
        if all == b"ann@mailwright.example" {
            return Ok(Answer::Challenge(b"Password:".to_vec()));
        }
        verdict(
            all == b"\0ann@mailwright.example\0secret" || all == b"ann@mailwright.example|secret",
        )
    }

    fn commit(&mut self, account: &mut Account) -> Answered {
        let all = std::mem::take(&mut self.appending);
        let mailbox = all.first().map(|(message, _)| message.mailbox.clone());
        let id = account.find(&mailbox.unwrap_or_default())?;
        let mut incoming = Vec::new();
        for (message, octets) in all {
            let whole = u64::try_from(octets.len()).is_ok_and(|count| count == message.size);
            if !whole {
                return Err(Refusal::ServerBug);
            }
            incoming.push(Incoming {
                content: account.keep(octets),
                system: message.system,
                keywords: message.keywords,
                internal_date: message.internal_date.unwrap_or(NOW),
            });
        }
        let (uidvalidity, uids) = account.take(id, &incoming)?;
        Ok(Answer::Appended { uidvalidity, uids })
    }

    /// What is asked of the open mailbox, and how it is opened.
    fn of_mailbox(&mut self, question: Question, account: &mut Account) -> Answered {
        if let Question::Select { name, read_only } = question {
            self.open = None;
            let id = account.find(&name)?;
            self.open = Some(id);
            self.read_only = read_only;
            let recent = self.recent(account);
            let more_keywords = account.keywords_max;
            let mailbox = account.by_id(id).ok_or(Refusal::NonExistent)?;
            let snapshot = mailbox.snapshot.clone();
            let more_keywords = snapshot.keywords().len() < more_keywords;
            return Ok(Answer::Opened(Opened { snapshot, recent, read_only, more_keywords }));
        }
        if matches!(question, Question::Deselect) {
            self.open = None;
            return Ok(Answer::Done);
        }
        let id = self.open.ok_or(Refusal::ServerBug)?;
        match question {
            Question::Latest => {
                let recent = self.recent(account);
                let mailbox = account.by_id(id).ok_or(Refusal::NonExistent)?;
                Ok(Answer::Latest { snapshot: mailbox.snapshot.clone(), recent })
            }
            Question::Vanished { since, uids } => {
                let mailbox = account.by_id(id).ok_or(Refusal::NonExistent)?;
                let gone = mailbox.expunged.iter();
                let gone = gone.filter(|(modseq, uid)| *modseq > since && uids.contains(*uid));
                let mut gone: Vec<u32> = gone.map(|&(_, uid)| uid).collect();
                gone.sort_unstable();
                Ok(Answer::Vanished(gone.into_iter().collect()))
            }
            Question::Store { uids, change, unchanged_since } => {
                let modified = account.store(id, &uids, &change, unchanged_since)?;
                let mailbox = account.by_id(id).ok_or(Refusal::NonExistent)?;
                Ok(Answer::Stored { snapshot: mailbox.snapshot.clone(), modified })
            }
            Question::Expunge(uids) => {
                account.expunge(id, uids.as_ref(), true).map(|()| Answer::Done)
            }
            Question::Copy { uids, to } => {
                let (uidvalidity, source, target) = account.copy(id, &uids, &to)?;
                Ok(Answer::Copied { uidvalidity, source, target, stopped: None })
            }
            Question::Move { uids, to } => {
                let (uidvalidity, source, target) = account.copy(id, &uids, &to)?;
                account.expunge(id, Some(&source), false)?;
                Ok(Answer::Copied { uidvalidity, source, target, stopped: None })
            }
            Question::Fetch { rows, needs } => Ok(self.fetch(&rows, &needs, account)),
            Question::More { row, need, offset, octets } => {
                let whole = account.content(&row).ok_or(Refusal::ExpungeIssued)?;
                content::chunk(&whole, &need, offset, octets).map(Answer::Chunk)
            }
            other => finding::answer(other, account),
        }
    }

    fn fetch(&self, rows: &[Row], needs: &[Need], account: &Account) -> Answer {
        let contents = rows.iter().take(self.rows_max).map(|row| account.content(row));
        let contents: Vec<Option<Arc<Vec<u8>>>> = contents.collect();
        Answer::Fetched(content::fetched(&contents, needs, self.inline_max))
    }

    /// What this session is the first to know of.
    fn recent(&self, account: &mut Account) -> NumberSet {
        let read_only = self.read_only;
        let Some(mailbox) = self.open.and_then(|id| account.by_id(id)) else {
            return NumberSet::new();
        };
        let rows = mailbox.snapshot.rows_from(mailbox.recent_from);
        let recent = rows.map(|row| row.uid).collect();
        if !read_only {
            mailbox.recent_from = mailbox.snapshot.identity().uidnext;
        }
        recent
    }
}

fn verdict(right: bool) -> Answered {
    if right {
        Ok(Answer::Authenticated { name: "ann@mailwright.example".to_owned() })
    } else {
        Err(Refusal::AuthenticationFailed)
    }
}
