//! The messages of an import, taken from standard input into an account.
//!
//! For each message one line is printed, in their order: `new`, `before`, or `refused` and why.
//! Some are on their way at a time, and share their syncs. What a message is known by is what its
//! source says, else its bytes and how many of the same came before it: so the same source brings
//! nothing twice. A source may ask which messages are known before it reads them.

use std::{collections::HashMap, future::poll_fn, pin::Pin, task::Poll};

use mailwright_store::{
    StoreError,
    mailbox::{self, Append, Expunged, Limits, Origin},
};
use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};
use sha2::{Digest, Sha256};

use super::address;
use crate::{
    Failure,
    console::Console,
    inout::{HEAD_MAX, Head, KNOWN},
    office::Office,
};

/// Messages on their way at a time, at most.
const MESSAGES_MAX: usize = 64;
/// Octets of them, at most.
const OCTETS_MAX: u64 = 4 << 20;

/// A message that waits for its write.
struct Waiting {
    mailbox: Id,
    message: Append,
    origin: Origin,
}

struct Taking<'a> {
    office: &'a Office,
    console: &'a mut Console,
    account: Id,
    expunged: Expunged,
    /// What was read and not used yet, and how much of it is used.
    input: (Vec<u8>, usize),
    folders: HashMap<String, Id>,
    /// How often these bytes came in a folder.
    seen: HashMap<(Id, u64), u64>,
    waiting: Vec<Waiting>,
    octets: u64,
}

pub(super) async fn run(
    (name, again): (&str, bool),
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    let missing = || Failure::new(format!("there is no account {name}"));
    let account = office.directory.account(&address(name)?).await?.ok_or_else(missing)?.principal;
    let mut taking = Taking {
        office,
        console,
        account,
        expunged: if again { Expunged::ComesBack } else { Expunged::StaysAway },
        input: (Vec::new(), 0),
        folders: HashMap::new(),
        seen: HashMap::new(),
        waiting: Vec::new(),
        octets: 0,
    };
    while let Some(mut head) = taking.head().await? {
        match head.asks.take() {
            Some(origins) => taking.tell(&head, origins).await?,
            None => taking.take(head).await?,
        }
    }
    taking.flush().await
}

impl Taking<'_> {
    /// The bytes that were read and not used; more are read when there are none.
    async fn chunk(&mut self) -> Result<&[u8], Failure> {
        if self.input.1 >= self.input.0.len() {
            self.input = (self.console.read().await?, 0);
        }
        Ok(self.input.0.get(self.input.1..).unwrap_or_default())
    }

    async fn head(&mut self) -> Result<Option<Head>, Failure> {
        let mut line = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                if line.is_empty() {
                    return Ok(None);
                }
                return Err(Failure::new("the messages end in the middle of one"));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(chunk.len(), |end| end + 1);
            line.extend_from_slice(chunk.get(..used).unwrap_or_default());
            self.input.1 += used;
            if line.len() > HEAD_MAX {
                return Err(Failure::new("too much is said of a message"));
            }
            if end.is_some() {
                let head = serde_json::from_slice(&line);
                return head.map(Some).map_err(|error| Failure::of("a message's head", &error));
            }
        }
    }

    /// Makes a folder, and tells which of these messages came into it before.
    async fn tell(&mut self, head: &Head, origins: Vec<u64>) -> Result<(), Failure> {
        self.flush().await?;
        let (mailbox, expunged) = (self.mailbox(head).await?, self.expunged);
        let known = self
            .office
            .store
            .read(move |tx| {
                let mut known = String::with_capacity(origins.len());
                for origin in origins {
                    let origin = Origin::new(origin);
                    let is_known = mailbox::was_imported(tx, (mailbox, origin), expunged)?;
                    known.push(if is_known { '1' } else { '0' });
                }
                Ok(known)
            })
            .await?;
        Ok(self.console.line(&format!("{KNOWN}{known}")).await?)
    }

    async fn take(&mut self, head: Head) -> Result<(), Failure> {
        let mailbox = self.mailbox(&head).await?;
        let now = self.office.now();
        let mut writer = self.office.store.body(now);
        let (mut sum, mut left) = (Sha256::new(), head.length);
        while left > 0 {
            let chunk = self.chunk().await?;
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let bytes = chunk.get(..most).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Failure::new("the messages end in the middle of one"));
            }
            sum.update(bytes);
            writer.push(bytes).await?;
            left = left.saturating_sub(u64::try_from(most).unwrap_or(u64::MAX));
            self.input.1 += most;
        }
        let body = writer.finish().await?;
        let origin = head.origin.map_or_else(|| self.origin(mailbox, sum), Origin::new);
        let (system, keywords) = flags(&head.flags);
        let internal_date = head.date.map_or(now, Timestamp::new);
        let is_large = body.in_memory().is_none();
        let message = Append { body, system, keywords, internal_date, rendered: None };
        if is_large {
            // It waits for a sync of its own, and would come behind those after it.
            self.flush().await?;
        }
        self.octets = self.octets.saturating_add(head.length);
        self.waiting.push(Waiting { mailbox, message, origin });
        if is_large || self.waiting.len() >= MESSAGES_MAX || self.octets >= OCTETS_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// What the bytes are known by, the first time and each time after it.
    fn origin(&mut self, mailbox: Id, sum: Sha256) -> Origin {
        let bits = |sum: Sha256| {
            let sum = sum.finalize();
            sum.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        let content = bits(sum.clone());
        let times = self.seen.entry((mailbox, content)).or_insert(0);
        *times += 1;
        let numbered = sum.chain_update(times.to_be_bytes());
        Origin::new(bits(numbered))
    }

    /// The folder of that use or name; it is made when it is not there.
    async fn mailbox(&mut self, head: &Head) -> Result<Id, Failure> {
        let (name, special_use) = (head.folder.as_str(), head.special_use.clone());
        if let Some(id) = self.folders.get(name) {
            return Ok(*id);
        }
        let folder = if name.eq_ignore_ascii_case("INBOX") { "INBOX" } else { name }.to_owned();
        let config = self.office.config.now();
        let limits = Limits {
            folders_max: config.mailboxes.folders_max,
            name_max: config.mailboxes.folder_name_max,
        };
        let (account, now, store) = (self.account, self.office.now(), self.office.store.clone());
        let made = move |tx: &mut mailwright_store::Tx<'_>| {
            if let Some(wanted) = &special_use {
                let folders = mailbox::named(tx, account)?.into_iter();
                let mut own = folders.filter(|named| named.special_use.as_ref() == Some(wanted));
                if let Some(id) = own.find_map(|named| named.mailbox) {
                    return Ok(id);
                }
            }
            if let Some(id) = mailbox::find(tx, account, &folder)? {
                return Ok(id);
            }
            let (use_, of) = (special_use.as_deref(), (store.ids(), limits));
            let id = mailbox::create(tx, (account, &folder), use_, of, now)?;
            mailbox::subscribe(tx, (account, &folder), true, limits)?;
            Ok(id)
        };
        let id = self.office.store.write(mailwright_store::Lane::Quick, made).await;
        let id = id.map_err(|error| Failure::of(&format!("folder {name}"), &error))?;
        self.folders.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Writes what waits, in its order, and tells what became of each.
    async fn flush(&mut self) -> Result<(), Failure> {
        self.octets = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let keys: Vec<_> = waiting.iter().map(|one| (one.mailbox, one.origin)).collect();
        let expunged = self.expunged;
        let before = self
            .office
            .store
            .read(move |tx| {
                let was = |place| mailbox::was_imported(tx, place, expunged);
                keys.into_iter().map(was).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let (store, now) = (&self.office.store, self.office.now());
        let writes = waiting.into_iter().zip(before).map(|(one, is_there)| async move {
            let Waiting { mailbox, message, origin } = one;
            if is_there {
                return Ok(None);
            }
            store.import_message(mailbox, message, (origin, expunged), now).await
        });
        for done in all(writes.collect()).await {
            match done {
                Ok(Some(_)) => self.console.line("new").await?,
                Ok(None) => self.console.line("before").await?,
                Err(error @ (StoreError::OverQuota | StoreError::Limit(_))) => {
                    self.console.line(&format!("refused {error}")).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The flags of the standard, and the keywords.
fn flags(names: &[String]) -> (u8, Vec<Box<str>>) {
    let (mut system, mut keywords) = (0, Vec::new());
    for name in names {
        let of = Flags::NAMES.iter().find(|(_, of)| of.eq_ignore_ascii_case(name));
        match of {
            Some((bit, _)) => system |= bit,
            None if is_keyword(name) => keywords.push(name.as_str().into()),
            None => {}
        }
    }
    (system, keywords)
}

/// Whether a client can say it: an atom, of a length that is finite.
fn is_keyword(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(fits)
}

/// A future, and what came of it.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

/// Waits for all, which begin in their order.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> =
        futures.into_iter().map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        let mut is_done = true;
        for (one, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match one.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => is_done = false,
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
