//! SEARCH by looking: each message is asked, rows first and contents only where they decide.
//!
//! The text that is looked at is decoded and folded, so that the answer is a substring's, whatever
//! the charset and the encoding. Source: RFC 9051 section 6.4.4.

use std::sync::Arc;

use mailwright_imap::{Answer, Day, Key, Program, Refusal};
use mailwright_mime::{
    CommonHeaders, Of, Parts, Rendered, SearchText, Structure, contains, fold_case, folded_fields,
    searchable,
};
use mailwright_store::{Store, StoreError, mailbox::Wanted};
use mailwright_view::{NumberSet, Row, Snapshot};
use mailwright_words::Timestamp;

use super::conversation::{Conversation, refusal};

/// Messages whose contents are looked at in one go.
const ROWS: usize = 200;

impl Conversation {
    pub(super) async fn search(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, program).await?;
        Ok(Answer::Found(rows.iter().map(|row| row.uid).collect::<NumberSet>()))
    }

    /// The rows that match.
    pub(super) async fn matching(
        &self,
        snapshot: &Snapshot,
        program: Arc<Program>,
    ) -> Result<Vec<Row>, Refusal> {
        let keys = Key::And(program.keys.clone());
        let now = self.door.clock.now();
        let search = Arc::new(Search { keys: folded(&keys), snapshot: snapshot.clone(), now });
        // What rows alone decide is decided first; the others are asked for their contents.
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for row in snapshot.rows() {
            match search.by_row(&search.keys, row) {
                Some(true) => found.push(*row),
                Some(false) => {}
                None => open.push(*row),
            }
        }
        for some in open.chunks(ROWS) {
            let (some, search) = (some.to_vec(), Arc::clone(&search));
            let matched = self.door.store.off_thread(move |store| search.among(store, &some));
            found.extend(matched.await.map_err(|error| refusal(&error))?);
        }
        found.sort_unstable_by_key(|row| row.uid);
        Ok(found)
    }
}

/// The keys with their texts folded as the text is that they are looked for in.
fn folded(key: &Key) -> Key {
    let text = |text: &str| fold_case(text).into_boxed_str();
    match key {
        Key::And(keys) => Key::And(keys.iter().map(folded).collect()),
        Key::Or(pair) => Key::Or(Box::new((folded(&pair.0), folded(&pair.1)))),
        Key::Not(key) => Key::Not(Box::new(folded(key))),
        Key::Header { name, text: value } => Key::Header { name: name.clone(), text: text(value) },
        Key::Body(value) => Key::Body(text(value)),
        Key::Text(value) => Key::Text(text(value)),
        other => other.clone(),
    }
}

struct Search {
    keys: Key,
    snapshot: Snapshot,
    now: Timestamp,
}

impl Search {
    /// Whether the row matches, where it alone tells.
    fn by_row(&self, key: &Key, row: &Row) -> Option<bool> {
        match key {
            Key::And(keys) => {
                let mut all = Some(true);
                for key in keys {
                    match self.by_row(key, row) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Key::Or(pair) => match (self.by_row(&pair.0, row), self.by_row(&pair.1, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Key::Not(key) => self.by_row(key, row).map(|holds| !holds),
            key if key.needs_only_rows() => Some(self.row_has(key, row)),
            Key::ThreadId(_) => Some(false),
            _ => None,
        }
    }

    fn row_has(&self, key: &Key, row: &Row) -> bool {
        let age = |seconds: u32| self.now.ms().saturating_sub(i64::from(seconds) * 1000);
        let (internal, saved) = (row.internal_date, row.save_date);
        match key {
            Key::Uids(uids) => uids.contains(row.uid),
            Key::Has(flags) => row.flags.has(*flags),
            Key::Keyword(name) => self.has_keyword(name, row),
            Key::Larger(size) => row.size > *size,
            Key::Smaller(size) => row.size < *size,
            Key::Before(day) => Day::of(internal) < *day,
            Key::On(day) => Day::of(internal) == *day,
            Key::Since(day) => Day::of(internal) >= *day,
            Key::SavedBefore(day) => Day::of(saved) < *day,
            Key::SavedOn(day) => Day::of(saved) == *day,
            Key::SavedSince(day) => Day::of(saved) >= *day,
            Key::Older(seconds) => internal.ms() <= age(*seconds),
            Key::Younger(seconds) => internal.ms() >= age(*seconds),
            Key::ModSeq(modseq) => row.modseq >= *modseq,
            Key::EmailId(id) => *id == Some(row.message),
            _ => false,
        }
    }

    fn has_keyword(&self, name: &str, row: &Row) -> bool {
        let names = self.snapshot.keywords().iter();
        let mut bits = (0_u32..).zip(names);
        bits.any(|(bit, known)| known.eq_ignore_ascii_case(name) && row.flags.has_keyword(bit))
    }

    /// Those of some rows that match, by their contents.
    fn among(&self, store: &Store, rows: &[Row]) -> Result<Vec<Row>, StoreError> {
        let wanted = Wanted { headers: true, parts: true, order: true, ..Wanted::default() };
        let mailbox = self.snapshot.identity().mailbox;
        let rendered = store.rendered(mailbox, rows, wanted)?;
        let mut found = Vec::new();
        for (row, rendered) in rows.iter().zip(rendered) {
            // A message that is gone matches nothing.
            let Some(rendered) = rendered else { continue };
            let mut message = Message { store, row, rendered, text: None };
            if self.holds(&self.keys, &mut message)? {
                found.push(*row);
            }
        }
        Ok(found)
    }

    fn holds(&self, key: &Key, message: &mut Message<'_>) -> Result<bool, StoreError> {
        if let Some(known) = self.by_row(key, message.row) {
            return Ok(known);
        }
        let day = |of: fn(i64, i64) -> bool, day: &Day, message: &Message<'_>| {
            let sent = message.rendered.sent.as_ref();
            Ok(sent.is_some_and(|sent| of(sent.day, i64::from(day.0))))
        };
        match key {
            Key::And(keys) => {
                for key in keys {
                    if !self.holds(key, message)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Key::Or(pair) => Ok(self.holds(&pair.0, message)? || self.holds(&pair.1, message)?),
            Key::Not(key) => self.holds(key, message).map(|holds| !holds),
            Key::SentBefore(of) => day(|sent, day| sent < day, of, message),
            Key::SentOn(of) => day(|sent, day| sent == day, of, message),
            Key::SentSince(of) => day(|sent, day| sent >= day, of, message),
            Key::Header { name, text } => message.has_field(name, text),
            Key::Body(text) => Ok(message.text()?.has_body(text)),
            Key::Text(text) => Ok(message.text()?.has_text(text)),
            key => Ok(self.row_has(key, message.row)),
        }
    }
}

/// A message that is looked at.
struct Message<'a> {
    store: &'a Store,
    row: &'a Row,
    rendered: Rendered,
    text: Option<SearchText>,
}

impl Message<'_> {
    fn text(&mut self) -> Result<&SearchText, StoreError> {
        let text = match self.text.take() {
            Some(text) => text,
            None => match self.store.content(self.row.message)? {
                Some(content) => searchable(&Structure::parse(&content.whole()?)),
                None => SearchText::default(),
            },
        };
        Ok(self.text.insert(text))
    }

    fn has_field(&self, name: &str, text: &str) -> Result<bool, StoreError> {
        let has = |header: &[u8]| {
            folded_fields(header).any(|(field, value)| {
                field.eq_ignore_ascii_case(name.as_bytes()) && contains(&value, text)
            })
        };
        if let Some(common) = CommonHeaders::from_bytes(&self.rendered.headers)
            && common.has(&[name.as_bytes()])
        {
            return Ok(has(common.lines()));
        }
        let parts = Parts::from_bytes(&self.rendered.parts);
        let parts = parts.ok().ok_or(StoreError::Corrupt("parts"))?;
        let Some(content) = self.store.content(self.row.message)? else { return Ok(false) };
        let range = parts.range(&[], Of::Header).unwrap_or(0..0);
        Ok(has(&content.range(range)?))
    }
}
