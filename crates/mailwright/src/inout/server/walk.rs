//! The walk over folders and messages of another server.
//!
//! A window of messages is described, the store says which of them it has, and the others are
//! fetched in some commands that are sent at once. A folder that grows meanwhile is read as far as
//! it went when it was opened.

use std::{collections::BTreeMap, io};

use mailwright_imap::client::{Command, Data, Event, Listed, Message, NString, Outcome, read_name};
use mailwright_view::NumberSet;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    super::{Head, MESSAGE_MAX, pen::Pen},
    link::Link,
    names,
    place::Place,
};
use crate::Failure;

/// Messages that are described at a time.
const WINDOW: u32 = 500;
/// Messages that one command fetches, at most.
const BATCH_MESSAGES: u64 = 100;
/// Octets that one command fetches, unless a message alone is larger.
const BATCH_OCTETS: u64 = 4 << 20;
/// Folders of an account.
const FOLDERS_MAX: usize = 10_000;
/// Questions about folders that are sent at once.
const FOLDERS_AT_ONCE: usize = 100;

/// A folder of the other server.
pub(super) struct Folder {
    /// Its name there, as it came.
    wire: Vec<u8>,
    /// Its name here.
    name: String,
    special_use: Option<String>,
    messages: u32,
}

/// What is to be read.
pub(super) struct Folders {
    pub(super) folders: Vec<Folder>,
    /// What the person should know.
    pub(super) notes: Vec<String>,
}

impl Folders {
    /// Messages in all of them.
    pub(super) fn messages(&self) -> u64 {
        self.folders.iter().map(|folder| u64::from(folder.messages)).sum()
    }
}

/// The folders of who is logged in, or the one that is wanted.
pub(super) async fn folders(link: &mut Link, only: Option<&str>) -> Result<Folders, Failure> {
    let (prefix, listed) = listed(link).await?;
    let (mut folders, mut notes) = (Vec::new(), Vec::new());
    for one in listed {
        let (name, special_use) = (names::ours(&one, &prefix), names::special_use(&one));
        let there = read_name(&one.name);
        let is_wanted = only.is_none_or(|only| only == there || only == name);
        if !is_wanted || one.is("\\Noselect") || one.is("\\NonExistent") {
            continue;
        }
        if only.is_none() && names::is_shown_elsewhere(&one) {
            let how = "name it behind the server to import it";
            notes.push(format!("left out: {there} shows messages of other folders; {how}"));
            continue;
        }
        folders.push(Folder { wire: one.name, name, special_use, messages: 0 });
    }
    if let Some(only) = only.filter(|_| folders.is_empty()) {
        return Err(Failure::new(format!("the other server has no folder {only}")));
    }
    for some in folders.chunks_mut(FOLDERS_AT_ONCE) {
        count(link, some).await?;
    }
    Ok(Folders { folders, notes })
}

/// What stands before personal names, and all of them.
async fn listed(link: &mut Link) -> Result<(Vec<u8>, Vec<Listed>), Failure> {
    let mut prefix = Vec::new();
    if link.can("NAMESPACE") {
        let each = |data| {
            if let Data::Namespace(found, _) = data {
                prefix = found;
            }
        };
        link.run(&Command::Namespace, each).await?;
    }
    let special_use = link.can("SPECIAL-USE") && link.can("LIST-EXTENDED");
    let all = [prefix.as_slice(), b"*"].concat();
    let mut found: Vec<Listed> = Vec::new();
    for pattern in [&b"INBOX"[..], &all] {
        let mut more = Vec::new();
        let each = |data| {
            if let Data::Listed(one) = data {
                more.push(one);
            }
        };
        if let Outcome::Refused(text) =
            link.run(&Command::List { pattern, special_use }, each).await?
        {
            return Err(Failure::new(format!("the other server does not list folders: {text}")));
        }
        let known: std::collections::HashSet<Vec<u8>> =
            found.iter().map(|one| one.name.clone()).collect();
        found.extend(more.into_iter().filter(|one| !known.contains(&one.name)));
        if found.len() > FOLDERS_MAX {
            return Err(Failure::new("the other server has too many folders"));
        }
    }
    Ok((prefix, found))
}

/// Asks how many messages folders have.
async fn count(link: &mut Link, folders: &mut [Folder]) -> Result<(), Failure> {
    let mut open = folders.len();
    for folder in folders.iter() {
        link.say(&Command::Status(&folder.wire))?;
    }
    while open > 0 {
        match link.event().await? {
            Event::Data(Data::Status { name, messages }) => {
                if let Some(folder) = folders.iter_mut().find(|folder| folder.wire == name) {
                    folder.messages = messages;
                }
            }
            Event::Done { .. } => open -= 1,
            _ => {}
        }
    }
    Ok(())
}

/// What a walk came to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Messages that were left out.
    pub(super) left_out: u64,
    /// Messages that the store had.
    pub(super) before: u64,
}

/// A walk that ended early.
pub(super) struct Broken {
    pub(super) failure: Failure,
    /// Messages that the store had.
    pub(super) before: u64,
}

/// A walk over folders.
pub(super) struct Walk {
    link: Link,
    pen: Pen,
    /// What the store answers.
    known: mpsc::Receiver<String>,
    /// What all that messages are known by begins with.
    source: Sha256,
    before: u64,
}

/// The folder that is open.
struct Opened<'a> {
    folder: &'a Folder,
    uid_validity: Option<u32>,
    /// The number of the first message that is not described.
    next: u32,
    /// The number of the last one that is read.
    last: u32,
}

impl Opened<'_> {
    fn hear(&mut self, data: &Data) {
        if let Data::Expunged(number) = data {
            self.last = self.last.saturating_sub(u32::from(*number <= self.last));
            self.next = self.next.saturating_sub(u32::from(*number < self.next));
        }
    }
}

impl Walk {
    pub(super) fn new(
        (link, pen, known): (Link, Pen, mpsc::Receiver<String>),
        place: &Place,
        user: &str,
    ) -> Self {
        let host = place.host.trim_end_matches('.').to_ascii_lowercase();
        let source = Sha256::new().chain_update(format!("imap\0{host}\0{user}\0"));
        Self { link, pen, known, source, before: 0 }
    }

    /// Hands on all messages of all folders. Whatever happens, what was handed on counts.
    pub(super) async fn all(mut self, folders: &[Folder]) -> Result<Walked, Broken> {
        for folder in folders {
            if let Err(failure) = self.folder(folder).await {
                return Err(Broken { failure, before: self.before });
            }
        }
        let before = self.before;
        // Only for good manners; all that was wanted is here.
        drop(self.link.run(&Command::Logout, |_| {}).await);
        match self.pen.end().await {
            Ok(left_out) => Ok(Walked { left_out, before }),
            Err(error) => Err(Broken { failure: error.into(), before }),
        }
    }

    async fn folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.ask(folder, Vec::new()).await?;
        let (mut last, mut uid_validity) = (0, None);
        let each = |data| match data {
            Data::Exists(count) => last = count,
            Data::UidValidity(value) => uid_validity = Some(value),
            _ => {}
        };
        if let Outcome::Refused(text) = self.link.run(&Command::Examine(&folder.wire), each).await?
        {
            self.pen.read(u64::from(folder.messages));
            return Ok(self.pen.leave_out(&format!("the folder {}: {text}", folder.name))?);
        }
        let mut opened = Opened { folder, uid_validity, next: 1, last };
        while opened.next <= opened.last {
            self.window(&mut opened).await?;
        }
        Ok(())
    }

    /// Asks the store which messages it has; the folder is made.
    async fn ask(&mut self, folder: &Folder, origins: Vec<u64>) -> Result<Vec<bool>, Failure> {
        let count = origins.len();
        let head = Head { asks: Some(origins), ..head(folder) };
        self.pen.say(head).await?;
        let stopped = || Failure::new("the import stopped");
        let known = self.known.recv().await.ok_or_else(stopped)?;
        let known: Vec<bool> = known.bytes().map(|letter| letter == b'1').collect();
        if known.len() == count { Ok(known) } else { Err(stopped()) }
    }

    async fn window(&mut self, opened: &mut Opened<'_>) -> Result<(), Failure> {
        let first = opened.next;
        let last = first.saturating_add(WINDOW - 1).min(opened.last);
        opened.next = last.saturating_add(1);
        let mut wanted: BTreeMap<u32, Message> = BTreeMap::new();
        let each = |data| match data {
            Data::Message(message) if (first..=last).contains(&message.number) => {
                if let Some(uid) = message.uid {
                    wanted.entry(uid).or_insert(*message);
                }
            }
            data => opened.hear(&data),
        };
        let done = self.link.run(&Command::Describe { first, last }, each).await?;
        if let Outcome::Refused(text) = done {
            self.pen.read(u64::from(last - first) + 1);
            let what = format!("messages {first} to {last} of {}: {text}", opened.folder.name);
            return Ok(self.pen.leave_out(&what)?);
        }
        let count = u64::try_from(wanted.len()).unwrap_or(0);
        if opened.uid_validity.is_some() {
            let origins = wanted.keys().filter_map(|uid| self.origin(opened, *uid)).collect();
            let known = self.ask(opened.folder, origins).await?;
            let mut known = known.into_iter();
            wanted.retain(|_, _| !known.next().unwrap_or(false));
        }
        let left = u64::try_from(wanted.len()).unwrap_or(0);
        self.before += count - left;
        // Messages that are no longer there count as read.
        self.pen.read((u64::from(last - first) + 1).saturating_sub(left));
        self.fetch(opened, wanted).await
    }

    /// Fetches these messages and hands them on.
    async fn fetch(
        &mut self,
        opened: &mut Opened<'_>,
        mut wanted: BTreeMap<u32, Message>,
    ) -> Result<(), Failure> {
        let folder = opened.folder;
        let large = |message: &Message| message.size.is_some_and(|size| size > MESSAGE_MAX);
        for (uid, _) in wanted.extract_if(.., |_, message| large(message)) {
            self.pen.read(1);
            self.pen.leave_out(&format!("UID {uid} of {} is too large", folder.name))?;
        }
        let mut open = 0_usize;
        for batch in batches(&wanted) {
            self.link.say(&Command::Messages(&batch))?;
            open += 1;
        }
        let mut why = "the other server did not send it".to_owned();
        while open > 0 {
            match self.link.event().await? {
                Event::Data(Data::Message(message)) => {
                    let described = message.uid.filter(|_| message.content.is_some());
                    let described = described.and_then(|uid| wanted.remove(&uid));
                    if let Some(described) = described {
                        self.hand_on(opened, &described, message.content.and_then(NString::octets))
                            .await?;
                    }
                }
                Event::Data(data) => opened.hear(&data),
                Event::Done { outcome, .. } => {
                    open -= 1;
                    if let Outcome::Refused(text) = outcome {
                        why = text;
                    }
                }
                Event::Greeted { .. } | Event::Challenge(_) => {}
            }
        }
        for uid in wanted.keys() {
            self.pen.read(1);
            self.pen.leave_out(&format!("UID {uid} of {}: {why}", folder.name))?;
        }
        Ok(())
    }

    async fn hand_on(
        &mut self,
        opened: &Opened<'_>,
        message: &Message,
        content: Option<Vec<u8>>,
    ) -> io::Result<()> {
        self.pen.read(1);
        let (folder, uid) = (opened.folder, message.uid.unwrap_or(0));
        let Some(content) = content else {
            let what = format!("UID {uid} of {}: the other server has no content", folder.name);
            return self.pen.leave_out(&what);
        };
        let head = Head {
            flags: message.flags.clone().unwrap_or_default(),
            date: message.internal_date.map(mailwright_words::Timestamp::ms),
            origin: self.origin(opened, uid),
            ..head(folder)
        };
        self.pen.send(head, &content).await
    }

    /// What a message is known by; `None` where its UID means nothing the next time.
    fn origin(&self, opened: &Opened<'_>, uid: u32) -> Option<u64> {
        let sum = self
            .source
            .clone()
            .chain_update(&opened.folder.wire)
            .chain_update([0])
            .chain_update(opened.uid_validity?.to_be_bytes())
            .chain_update(uid.to_be_bytes())
            .finalize();
        sum.first_chunk::<8>().map(|octets| u64::from_be_bytes(*octets))
    }
}

fn head(folder: &Folder) -> Head {
    let (name, special_use) = (folder.name.clone(), folder.special_use.clone());
    Head { folder: name, special_use, ..Head::default() }
}

/// The UIDs of the messages, in sets that one command may fetch.
fn batches(wanted: &BTreeMap<u32, Message>) -> Vec<NumberSet> {
    let mut batches: Vec<NumberSet> = Vec::new();
    let (mut count, mut octets) = (0, 0_u64);
    for (uid, message) in wanted {
        let size = message.size.unwrap_or(0);
        let fits = count < BATCH_MESSAGES && octets.saturating_add(size) <= BATCH_OCTETS;
        if let Some(batch) = batches.last_mut().filter(|_| fits) {
            batch.extend([*uid]);
        } else {
            (count, octets) = (0, 0);
            batches.push(NumberSet::range(*uid..=*uid));
        }
        count += 1;
        octets = octets.saturating_add(size);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_messages_and_octets() {
        let sized = |sizes: &[u64]| -> BTreeMap<u32, Message> {
            let message = |size: &u64| Message { size: Some(*size), ..Message::default() };
            (1..).zip(sizes.iter().map(message)).collect()
        };
        let told = |sizes: &[u64]| -> Vec<String> {
            batches(&sized(sizes)).iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&[1; 250]), ["1:100", "101:200", "201:250"]);
        assert_eq!(told(&[BATCH_OCTETS + 1, 1, BATCH_OCTETS - 1, 1]), ["1", "2:3", "4"]);
        assert_eq!(told(&[]), Vec::<String>::new());
    }

    #[test]
    fn an_expunge_moves_what_is_still_to_come() {
        let folder =
            Folder { wire: Vec::new(), name: String::new(), special_use: None, messages: 0 };
        let mut opened = Opened { folder: &folder, uid_validity: None, next: 501, last: 1000 };
        for (number, want) in
            [(7, (500, 999)), (500, (500, 998)), (998, (500, 997)), (2000, (500, 997))]
        {
            opened.hear(&Data::Expunged(number));
            assert_eq!((opened.next, opened.last), want, "{number}");
        }
    }
}
