//! What the index knows of messages: it decides most tests of a query, and leaves the rest open.
//!
//! Rows come first, then briefs, signatures and digests, each read only where it can decide
//! something. What is decided is decided as looking at the message would.

use std::collections::HashSet;

use mailwright_mime::{Digest, DigestField, Signature, Trigrams, contains};
use mailwright_store::{
    Store, StoreError,
    capture::{self, Brief},
    index::Indexed,
};
use mailwright_view::{Flags, Row};
use mailwright_words::Id;
use memchr::memmem::Finder;

use super::super::query::{Query, Test};

/// Messages from which on two threads share the work.
const SHARED: usize = 4096;

/// The fields that digests keep.
const FIELDS: [DigestField; 5] =
    [DigestField::From, DigestField::To, DigestField::Cc, DigestField::Bcc, DigestField::Subject];

/// A test, with what it takes to ask the index.
struct Asked<'a> {
    test: &'a Test,
    /// The text that has to be in the message.
    finder: Option<Finder<'a>>,
    trigrams: Trigrams,
    /// For a tag: the messages that have it.
    tagged: HashSet<Id>,
}

/// The tests of a query, asked of many messages.
pub(crate) struct Narrow<'a> {
    store: &'a Store,
    account: Id,
    query: &'a Query,
    asked: Vec<Asked<'a>>,
    /// Whether all matches are counted, so that it pays to decide what looking would find soon.
    counts: bool,
}

impl<'a> Narrow<'a> {
    /// Prepares the tests of a query for the messages of an account.
    ///
    /// Errors: those of the database.
    pub(crate) fn new(
        store: &'a Store,
        (account, query): (Id, &'a Query),
        counts: bool,
    ) -> Result<Self, StoreError> {
        let asked = query.tests().into_iter().map(|test| {
            let text = text_of(test);
            Ok(Asked {
                test,
                finder: text.map(|text| Finder::new(text.as_bytes())),
                trigrams: text.map(Trigrams::of).unwrap_or_default(),
                tagged: tagged(store, test)?,
            })
        });
        Ok(Self { store, account, query, asked: asked.collect::<Result<_, StoreError>>()?, counts })
    }

    /// What is known of each message: that it matches, that it does not, or nothing.
    pub(crate) fn known(&self, rows: &[Row]) -> Vec<Option<bool>> {
        if rows.len() < SHARED {
            return self.part(rows);
        }
        let (first, second) = rows.split_at(rows.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| self.part(second));
            let mut known = self.part(first);
            // What a thread that broke knew is found by looking.
            known.extend(other.join().unwrap_or_else(|_| vec![None; second.len()]));
            known
        })
    }

    fn part(&self, rows: &[Row]) -> Vec<Option<bool>> {
        let mut answers = Answers::new(self, rows);
        answers.fill(|_| true, |row, asked| asked.of_row(row));
        for indexed in [Indexed::Brief, Indexed::Signature, Indexed::Digest] {
            answers.ask(indexed);
        }
        answers.verdicts
    }
}

/// What is known of some messages, test by test.
struct Answers<'a> {
    narrow: &'a Narrow<'a>,
    rows: &'a [Row],
    /// For each row as many as there are tests.
    known: Vec<Option<bool>>,
    verdicts: Vec<Option<bool>>,
}

impl<'a> Answers<'a> {
    fn new(narrow: &'a Narrow<'a>, rows: &'a [Row]) -> Self {
        let known = vec![None; rows.len().saturating_mul(narrow.asked.len())];
        Self { narrow, rows, known, verdicts: vec![None; rows.len()] }
    }

    /// Answers what is open of the rows for which `is_meant` is true.
    fn fill(
        &mut self,
        is_meant: impl Fn(usize) -> bool,
        mut answer: impl FnMut(&Row, &Asked<'_>) -> Option<bool>,
    ) {
        for place in (0..self.rows.len()).filter(|place| is_meant(*place)) {
            self.fill_one(place, &mut answer);
        }
    }

    fn fill_one(
        &mut self,
        place: usize,
        answer: &mut impl FnMut(&Row, &Asked<'_>) -> Option<bool>,
    ) {
        let tests = self.narrow.asked.len();
        let start = place.saturating_mul(tests);
        let Some(row) = self.rows.get(place) else { return };
        let Some(own) = self.known.get_mut(start..start.saturating_add(tests)) else { return };
        for (known, asked) in own.iter_mut().zip(&self.narrow.asked) {
            if known.is_none() {
                *known = answer(row, asked);
            }
        }
        if let Some(verdict) = self.verdicts.get_mut(place) {
            *verdict = self.narrow.query.known(&mut own.iter().copied());
        }
    }

    /// Whether a row has an open test that this could decide.
    fn is_open(&self, place: usize, indexed: Indexed) -> bool {
        let tests = self.narrow.asked.len();
        let start = place.saturating_mul(tests);
        let own = self.known.get(start..start.saturating_add(tests)).unwrap_or_default();
        self.verdicts.get(place) == Some(&None)
            && own
                .iter()
                .zip(&self.narrow.asked)
                .any(|(known, asked)| known.is_none() && asked.asks(indexed, self.narrow.counts))
    }

    /// Asks one column of the index about the rows that are open.
    fn ask(&mut self, indexed: Indexed) {
        let is_any = |asked: &Asked<'_>| asked.asks(indexed, self.narrow.counts);
        if !self.narrow.asked.iter().any(is_any) {
            return;
        }
        let mut open: Vec<(Id, usize)> = (0..self.rows.len())
            .filter(|place| self.is_open(*place, indexed))
            .filter_map(|place| Some((self.rows.get(place)?.message, place)))
            .collect();
        open.sort_unstable();
        let messages: Vec<Id> = open.iter().map(|(message, _)| *message).collect();
        let mut is_known = vec![false; open.len()];
        let (store, account) = (self.narrow.store, self.narrow.account);
        let looked = store.indexed(account, &messages, indexed, &mut |at, bytes| {
            if let (Some((_, place)), Some(is_known)) = (open.get(at), is_known.get_mut(at)) {
                *is_known = true;
                self.take(*place, indexed, bytes);
            }
            true
        });
        if let Err(error) = looked {
            tracing::warn!(%error, "The index cannot be read.");
        }
        let missing = messages.iter().zip(is_known).filter(|(_, known)| !known);
        store.index_soon(missing.map(|(message, _)| *message));
    }

    fn take(&mut self, place: usize, indexed: Indexed, bytes: &[u8]) {
        match indexed {
            Indexed::Brief => {
                let Some(brief) = Brief::from_bytes(bytes) else { return };
                self.fill_one(place, &mut |_, asked| asked.of_brief(&brief));
            }
            Indexed::Signature => {
                let Some(signature) = Signature::from_bytes(bytes) else { return };
                self.fill_one(place, &mut |_, asked| asked.of_signature(&signature));
            }
            Indexed::Digest => {
                let Some(digest) = Digest::from_bytes(bytes) else { return };
                self.fill_one(place, &mut |_, asked| asked.of_digest(&digest));
            }
        }
    }
}

/// The text that a test looks for.
fn text_of(test: &Test) -> Option<&str> {
    match test {
        Test::Text(text)
        | Test::From(text)
        | Test::To(text)
        | Test::Cc(text)
        | Test::Bcc(text)
        | Test::ReplyTo(text)
        | Test::Unnamed(text)
        | Test::Subject(text)
        | Test::MessageId(text)
        | Test::Header(_, text)
        | Test::Envelope(text)
        | Test::Sender(text)
        | Test::Recipient(text)
        | Test::User(text) => Some(text),
        _ => None,
    }
}

fn tagged(store: &Store, test: &Test) -> Result<HashSet<Id>, StoreError> {
    let found = match test {
        Test::Tag(tag) => {
            store.read_blocking(|tx| capture::tagged(tx, |name| name.to_lowercase() == *tag))?
        }
        Test::Tagged => store.read_blocking(|tx| capture::tagged(tx, |_| true))?,
        _ => Vec::new(),
    };
    Ok(found.into_iter().collect())
}

impl Asked<'_> {
    /// Whether a column of the index may decide it.
    const fn asks(&self, indexed: Indexed, counts: bool) -> bool {
        match indexed {
            Indexed::Brief => matches!(
                self.test,
                Test::Envelope(_)
                    | Test::Sender(_)
                    | Test::Recipient(_)
                    | Test::User(_)
                    | Test::Attachment
                    | Test::Inline
                    | Test::Unnamed(_)
            ),
            Indexed::Signature => matches!(
                self.test,
                Test::Text(_) | Test::Header(..) | Test::ReplyTo(_) | Test::MessageId(_)
            ),
            Indexed::Digest => match self.test {
                // Looking finds it soon where it is in many, unless all are counted.
                Test::Text(_) => counts,
                Test::From(_) | Test::To(_) | Test::Cc(_) | Test::Bcc(_) | Test::Subject(_) => true,
                _ => false,
            },
        }
    }

    fn of_row(&self, row: &Row) -> Option<bool> {
        Some(match self.test {
            Test::Read => row.flags.has(Flags::SEEN),
            Test::After(at) => row.internal_date >= *at,
            Test::Before(at) => row.internal_date <= *at,
            Test::Larger(octets) => row.size > *octets,
            Test::Smaller(octets) => row.size < *octets,
            Test::Id(id) => row.message.to_string() == *id,
            Test::Tag(_) | Test::Tagged => self.tagged.contains(&row.message),
            _ => return None,
        })
    }

    fn of_brief(&self, brief: &Brief<'_>) -> Option<bool> {
        Some(match self.test {
            Test::Sender(text) => contains(brief.sender, text),
            Test::Recipient(text) => any(brief.recipients, text),
            Test::Envelope(text) => contains(brief.sender, text) || any(brief.recipients, text),
            Test::User(text) => contains(brief.user, text),
            Test::Attachment => brief.attachments > 0,
            Test::Inline => brief.inline > 0,
            // Whether the header names it is not told.
            Test::Unnamed(text) if !any(brief.recipients, text) => false,
            _ => return None,
        })
    }

    /// A signature says where a text is not.
    fn of_signature(&self, signature: &Signature<'_>) -> Option<bool> {
        let may = match self.test {
            Test::Text(_) => {
                signature.header_may_hold(&self.trigrams) || signature.body_may_hold(&self.trigrams)
            }
            Test::Header(..) | Test::ReplyTo(_) | Test::MessageId(_) => {
                signature.header_may_hold(&self.trigrams)
            }
            _ => true,
        };
        (!may).then_some(false)
    }

    fn of_digest(&self, digest: &Digest<'_>) -> Option<bool> {
        let finder = self.finder.as_ref()?;
        let holds = |field| digest.field_holds(field, |value| finder.find(value).is_some());
        match self.test {
            Test::From(_) => holds(DigestField::From),
            Test::To(_) => holds(DigestField::To),
            Test::Cc(_) => holds(DigestField::Cc),
            Test::Bcc(_) => holds(DigestField::Bcc),
            Test::Subject(_) => holds(DigestField::Subject),
            Test::Text(_) => {
                FIELDS.into_iter().any(|field| holds(field) == Some(true)).then_some(true)
            }
            _ => None,
        }
    }
}

/// Whether a text is in one of the lines.
fn any(lines: &str, text: &str) -> bool {
    lines.lines().any(|line| contains(line, text))
}
