//! Which messages of an inbox a query finds, newest first.

use mailwright_directory::Inbox;
use mailwright_mime::{Structure, contains, fold_case, searchable};
use mailwright_store::{
    Store, StoreError,
    capture::{self, Entry, Scanned},
};
use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};

use super::{
    ApiError, Inner,
    query::{Query, Test},
    summary::{self, Contact, Summary, Words},
    whole::has_header,
};

/// Messages that one answer tells of.
pub(crate) const PAGE_MAX: usize = 1000;

/// A message that was found.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) summary: Summary,
}

impl Item {
    /// Whether somebody has read it.
    pub(crate) const fn is_read(&self) -> bool {
        self.entry.flags & Flags::SEEN != 0
    }
}

/// What a query found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The page that was asked for.
    pub(crate) items: Vec<Item>,
    /// Messages that match, in all.
    pub(crate) total: u64,
    /// Those of them that nobody read.
    pub(crate) unread: u64,
}

/// Which part of what is found is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Numbers above this.
    pub(crate) after: u32,
    /// Numbers below this.
    pub(crate) before: u32,
    /// Matches left out.
    pub(crate) skip: usize,
    /// Matches wanted.
    pub(crate) limit: usize,
    /// Whether all matches are counted, and not those of the page alone.
    pub(crate) counts: bool,
}

impl Page {
    /// The newest `limit`.
    pub(crate) const fn newest(limit: usize) -> Self {
        Self { after: 0, before: u32::MAX, skip: 0, limit, counts: false }
    }
}

impl Inner {
    /// Finds messages.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn find(
        &self,
        inbox: &Inbox,
        query: Query,
        page: Page,
    ) -> Result<Found, ApiError> {
        let inbox = inbox.clone();
        let found = self.store().off_thread(move |store| find(store, &inbox, &query, page)).await;
        Ok(found?)
    }

    /// A message with its summary.
    pub(crate) async fn item(&self, entry: Entry) -> Result<Item, ApiError> {
        Ok(self.store().off_thread(move |store| item(store, entry)).await?)
    }
}

/// The messages of an inbox that a query finds, oldest first; when there are more than `most`, one
/// more than that. It waits for the disk.
///
/// Errors: those of the store.
pub fn matching(
    store: &Store,
    inbox: &Inbox,
    query: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Id>, StoreError> {
    let query = Query::parse(query, now, 0);
    let (mut all, mut before) = (Vec::new(), u32::MAX);
    while all.len() <= most {
        let limit = most.saturating_sub(all.len()).saturating_add(1).min(PAGE_MAX);
        let page = Page { before, ..Page::newest(limit) };
        let found = find(store, inbox, &query, page)?.items;
        let Some(last) = found.last() else { break };
        before = last.entry.uid;
        all.extend(found.iter().map(|item| item.entry.message));
    }
    all.reverse();
    Ok(all)
}

fn find(store: &Store, inbox: &Inbox, query: &Query, page: Page) -> Result<Found, StoreError> {
    let limit = page.limit.min(PAGE_MAX);
    let (mut entries, mut total, mut unread) = (Vec::new(), 0_u64, 0_u64);
    if query.is_all() && page.after == 0 {
        let place = (page.before, page.skip, limit);
        entries = store.read_blocking(|tx| capture::list(tx, inbox.mailbox, place))?;
        (total, unread) = (inbox.total, inbox.unseen);
    } else {
        store.read_blocking(|tx| {
            capture::scan(tx, inbox.mailbox, (page.after, page.before), |scanned| {
                if !matches(store, query, &scanned)? {
                    return Ok(true);
                }
                let place = usize::try_from(total).unwrap_or(usize::MAX);
                total += 1;
                unread += u64::from(scanned.entry.flags & Flags::SEEN == 0);
                if place >= page.skip && entries.len() < limit {
                    entries.push(scanned.entry);
                }
                Ok(page.counts || entries.len() < limit)
            })
        })?;
    }
    let items = entries.into_iter().map(|entry| item(store, entry));
    Ok(Found { items: items.collect::<Result<_, _>>()?, total, unread })
}

/// A message with its summary, made now if it was not made before.
pub(crate) fn item(store: &Store, entry: Entry) -> Result<Item, StoreError> {
    let kept = entry.summary.as_deref().and_then(Summary::from_json);
    let summary = match kept {
        Some(kept) => kept,
        None => summary::of_stored(store, entry.message)?.summary,
    };
    Ok(Item { entry, summary })
}

/// What is known of a message while a query looks at it; the costly parts come when asked for.
struct Looked<'a> {
    store: &'a Store,
    entry: &'a Entry,
    words: Option<String>,
    summary: Option<Summary>,
    /// Text that did not fit into what is kept.
    rest: Option<String>,
    error: Option<StoreError>,
}

fn matches(store: &Store, query: &Query, scanned: &Scanned) -> Result<bool, StoreError> {
    let mut looked = Looked {
        store,
        entry: &scanned.entry,
        words: scanned.words.clone(),
        summary: None,
        rest: None,
        error: None,
    };
    let holds = query.holds(&mut |test| looked.is(test));
    looked.error.map_or(Ok(holds), Err)
}

impl Looked<'_> {
    fn is(&mut self, test: &Test) -> bool {
        let entry = self.entry;
        match test {
            Test::Text(text) => self.has_text(text),
            Test::From(text) => self.lists(text, |summary| vec![&summary.from]),
            Test::To(text) => self.lists(text, |summary| vec![&summary.to]),
            Test::Cc(text) => self.lists(text, |summary| vec![&summary.cc]),
            Test::Bcc(text) => self.unnamed(text) || self.lists(text, |summary| vec![&summary.bcc]),
            Test::ReplyTo(text) => self.lists(text, |summary| vec![&summary.reply_to]),
            Test::Addressed(text) => {
                self.unnamed(text)
                    || self.lists(text, |summary| {
                        let Summary { from, to, cc, bcc, reply_to, .. } = summary;
                        vec![from, to, cc, bcc, reply_to]
                    })
            }
            Test::Subject(text) => {
                self.may_have(text) && contains(&fold_case(&self.summary().subject), text)
            }
            Test::MessageId(text) => {
                self.may_have(text) && contains(&fold_case(&self.summary().message_id), text)
            }
            Test::Tag(tag) => entry.tags.iter().any(|one| one.to_lowercase() == *tag),
            Test::Read => entry.flags & Flags::SEEN != 0,
            Test::Tagged => !entry.tags.is_empty(),
            Test::Attachment => self.summary().attachments > 0,
            Test::Inline => self.summary().inline > 0,
            Test::After(at) => entry.received >= *at,
            Test::Before(at) => entry.received <= *at,
            Test::Larger(octets) => entry.size > *octets,
            Test::Smaller(octets) => entry.size < *octets,
            Test::Header(name, value) => self.has_field(name, value),
            Test::Envelope(text) => has(&entry.sender, text) || any(&entry.recipients, text),
            Test::Sender(text) => has(&entry.sender, text),
            Test::Recipient(text) => any(&entry.recipients, text),
            Test::User(text) => entry.username.as_deref().is_some_and(|user| has(user, text)),
            Test::Id(text) => entry.message.to_string() == *text,
            Test::Regex(regex) => self.fits(regex),
        }
    }

    /// Sums the message up, unless that was done.
    fn sum_up(&mut self) {
        if self.words.is_some() && (self.summary.is_some() || self.entry.summary.is_some()) {
            return;
        }
        match summary::of_stored(self.store, self.entry.message) {
            Ok(summed) => {
                self.words = Some(summed.words);
                self.summary = Some(summed.summary);
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn summary(&mut self) -> &Summary {
        if self.summary.is_none() {
            self.summary = self.entry.summary.as_deref().and_then(Summary::from_json);
        }
        if self.summary.is_none() {
            self.words = None;
            self.sum_up();
        }
        self.summary.get_or_insert_with(Summary::default)
    }

    /// Whether a text is in an address that got the message without being named in it.
    fn unnamed(&mut self, text: &str) -> bool {
        let entry = self.entry;
        let found: Vec<&String> = entry.recipients.iter().filter(|one| has(one, text)).collect();
        if found.is_empty() {
            return false;
        }
        let Summary { to, cc, bcc, .. } = self.summary();
        let is_named = |address: &str| {
            let mut all = to.iter().chain(cc.iter()).chain(bcc.iter());
            all.any(|one| one.address.eq_ignore_ascii_case(address))
        };
        found.into_iter().any(|address| !is_named(address))
    }

    /// Whether a text can be in a field at all.
    fn may_have(&mut self, text: &str) -> bool {
        self.sum_up();
        let words = Words::new(self.words.as_deref().unwrap_or_default());
        !words.is_whole || contains(words.text(), text)
    }

    fn has_text(&mut self, text: &str) -> bool {
        self.sum_up();
        let words = Words::new(self.words.as_deref().unwrap_or_default());
        if contains(words.text(), text) || any(&self.entry.recipients, text) {
            return true;
        }
        !words.is_whole && contains(self.rest(), text)
    }

    fn has_field(&mut self, name: &str, value: &str) -> bool {
        self.sum_up();
        let words = Words::new(self.words.as_deref().unwrap_or_default());
        has_header(words.header(), name, value)
    }

    fn fits(&mut self, regex: &regex::Regex) -> bool {
        let read = self
            .store
            .content(self.entry.message)
            .and_then(|content| content.map(|content| content.whole()).transpose());
        match read {
            Ok(bytes) => {
                let bytes = bytes.unwrap_or_default();
                let structure = Structure::parse(&bytes);
                let texts = super::whole::texts(&structure, &super::whole::leaves(&structure));
                let subject = self.summary().subject.clone();
                regex.is_match(&subject)
                    || regex.is_match(&texts.plain)
                    || regex.is_match(&texts.html)
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }

    /// All text of a message of which only a part is kept.
    fn rest(&mut self) -> &str {
        if self.rest.is_none() {
            let content = self.store.content(self.entry.message);
            let read = content.and_then(|content| content.map(|found| found.whole()).transpose());
            self.rest = match read {
                Ok(bytes) => {
                    let bytes = bytes.unwrap_or_default();
                    let text = searchable(&Structure::parse(&bytes));
                    Some([text.header, text.parts, text.body].join("\n"))
                }
                Err(error) => {
                    self.error = Some(error);
                    None
                }
            };
        }
        self.rest.as_deref().unwrap_or_default()
    }

    fn lists(&mut self, text: &str, choose: fn(&Summary) -> Vec<&Vec<Contact>>) -> bool {
        self.may_have(text)
            && choose(self.summary()).into_iter().flatten().any(|contact| {
                has(&contact.address, text)
                    || has(&contact.name, text)
                    || has(&format!("{} <{}>", contact.name, contact.address), text)
            })
    }
}

fn has(value: &str, folded: &str) -> bool {
    contains(&fold_case(value), folded)
}

fn any(values: &[String], folded: &str) -> bool {
    values.iter().any(|value| has(value, folded))
}
