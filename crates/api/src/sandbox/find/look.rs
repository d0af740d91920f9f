//! One message, looked at: what is kept of it first, its content where that is not enough.

use mailwright_mime::{SearchText, Structure, contains, fold_case, searchable};
use mailwright_store::{
    Store, StoreError,
    capture::{Entry, Scanned},
};
use mailwright_view::Flags;

use super::super::{
    extract::searched,
    query::{Query, Test},
    summary::{self, Summary, Words},
    whole::{self, has_header},
};

/// What is known of a message while a query looks at it; the costly parts come when asked for.
struct Looked<'a> {
    store: &'a Store,
    entry: &'a Entry,
    words: Option<String>,
    summary: Option<Summary>,
    /// Text that did not fit into what is kept.
    whole: Option<SearchText>,
    error: Option<StoreError>,
}

/// Whether a query finds the message.
///
/// Errors: those of the store.
pub(super) fn matches(store: &Store, query: &Query, scanned: &Scanned) -> Result<bool, StoreError> {
    let mut looked = Looked {
        store,
        entry: &scanned.entry,
        words: scanned.words.clone(),
        summary: None,
        whole: None,
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
            Test::From(text) => self.has_field("from", text),
            Test::To(text) => self.has_field("to", text),
            Test::Cc(text) => self.has_field("cc", text),
            Test::Bcc(text) => self.has_field("bcc", text),
            Test::Unnamed(text) => self.unnamed(text),
            Test::ReplyTo(text) => self.has_field("reply-to", text),
            Test::Subject(text) => self.has_field("subject", text),
            Test::MessageId(text) => self.has_field("message-id", text),
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

    fn has_text(&mut self, text: &str) -> bool {
        self.sum_up();
        let words = Words::new(self.words.as_deref().unwrap_or_default());
        if contains(words.text(), text) || any(&self.entry.recipients, text) {
            return true;
        }
        !words.is_whole && self.whole().has_text(text)
    }

    fn has_field(&mut self, name: &str, value: &str) -> bool {
        self.sum_up();
        let words = Words::new(self.words.as_deref().unwrap_or_default());
        has_header(words.header(), name, value)
            || !words.has_header() && has_header(&self.whole().header, name, value)
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
                let texts = whole::texts(&structure, &whole::leaves(&structure));
                let subject = self.summary().subject.clone();
                regex.is_match(&subject)
                    || regex.is_match(searched(&texts.plain))
                    || regex.is_match(searched(&texts.html))
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }

    /// All text of a message of which only a part is kept.
    fn whole(&mut self) -> &SearchText {
        if self.whole.is_none() {
            let content = self.store.content(self.entry.message);
            let read = content.and_then(|content| content.map(|found| found.whole()).transpose());
            match read {
                Ok(bytes) => {
                    let bytes = bytes.unwrap_or_default();
                    self.whole = Some(searchable(&Structure::parse(&bytes)));
                }
                Err(error) => self.error = Some(error),
            }
        }
        self.whole.get_or_insert_with(SearchText::default)
    }
}

fn has(value: &str, folded: &str) -> bool {
    contains(&fold_case(value), folded)
}

fn any(values: &[String], folded: &str) -> bool {
    values.iter().any(|value| has(value, folded))
}
