//! The conditions of a search, ready to be asked of many messages.
//!
//! An answer is yes, no or open, after Kleene: what is known may decide an `OR` or a `NOT` before
//! all of it is known, and never decides it wrongly. Texts are folded and cut into trigrams once.
//! Source: RFC 9051 section 6.4.4.

use mailwright_imap::{Day, Key, Program};
use mailwright_mime::{DigestField, Trigrams, fold_case, sent};
use mailwright_view::{Row, Snapshot};
use mailwright_words::Timestamp;
use memchr::memmem::Finder;

use crate::Facts;

/// What has to be known of messages, at most, so that nothing stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Digests.
    pub digest: bool,
    /// Contents; signatures spare most of them.
    pub content: bool,
}

/// The condition that messages have to meet.
#[derive(Debug)]
pub struct Condition {
    test: Test,
    needs: Needs,
}

#[derive(Debug)]
enum Test {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Never,
    /// A key that the row decides.
    Row(Key),
    Keyword(u32),
    /// The internal date is not after this moment, or not before it.
    Older(Timestamp),
    Younger(Timestamp),
    Sent(fn(i64, i64) -> bool, i64),
    Field(Box<Field>),
    Body(Box<Needle>),
    Text(Box<Needle>),
}

/// A text that is looked for.
#[derive(Debug)]
struct Needle {
    finder: Finder<'static>,
    trigrams: Trigrams,
}

impl Needle {
    fn new(text: &str) -> Self {
        let folded = fold_case(text);
        Self { trigrams: Trigrams::of(&folded), finder: Finder::new(&folded).into_owned() }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.finder.find(text).is_some()
    }
}

/// A field that is looked for, and a text in it.
#[derive(Debug)]
struct Field {
    name: Box<str>,
    known: Option<DigestField>,
    /// The name as the text of a header has it.
    line: Trigrams,
    needle: Needle,
}

impl Condition {
    /// The condition of a program, asked of the rows of `snapshot` at the moment `now`.
    pub fn new(program: &Program, snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut needs = Needs::default();
        let tests = program.keys.iter().map(|key| test(key, snapshot, now, &mut needs)).collect();
        Self { test: cheap_first(tests), needs }
    }

    /// What is needed at most.
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether a message meets it; nothing when what is known does not tell.
    pub fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        self.test.holds(facts)
    }
}

fn test(key: &Key, snapshot: &Snapshot, now: Timestamp, needs: &mut Needs) -> Test {
    let ago = |seconds: u32| now.ms().saturating_sub(i64::from(seconds).saturating_mul(1000));
    match key {
        Key::And(keys) => {
            cheap_first(keys.iter().map(|key| test(key, snapshot, now, needs)).collect())
        }
        Key::Or(pair) => {
            let mut tests =
                vec![test(&pair.0, snapshot, now, needs), test(&pair.1, snapshot, now, needs)];
            tests.sort_by_key(Test::cost);
            Test::Any(tests)
        }
        Key::Not(key) => Test::Not(Box::new(test(key, snapshot, now, needs))),
        Key::Keyword(name) => {
            let mut bits = (0_u32..).zip(snapshot.keywords());
            let known = bits.find(|(_, known)| known.eq_ignore_ascii_case(name));
            known.map_or(Test::Never, |(bit, _)| Test::Keyword(bit))
        }
        Key::Older(seconds) => Test::Older(Timestamp::new(ago(*seconds))),
        Key::Younger(seconds) => Test::Younger(Timestamp::new(ago(*seconds))),
        Key::SentBefore(day) => sent_test(|sent, day| sent < day, *day, needs),
        Key::SentOn(day) => sent_test(|sent, day| sent == day, *day, needs),
        Key::SentSince(day) => sent_test(|sent, day| sent >= day, *day, needs),
        Key::Header { name, text } => field_test(name, text, needs),
        Key::Body(text) => text_test(text, Test::Body, needs),
        Key::Text(text) => text_test(text, Test::Text, needs),
        // No conversation has an identifier of its own here.
        Key::ThreadId(_) | Key::EmailId(None) => Test::Never,
        key => Test::Row(key.clone()),
    }
}

fn text_test(text: &str, looked_for: fn(Box<Needle>) -> Test, needs: &mut Needs) -> Test {
    if fold_case(text).is_empty() {
        // What is empty is in every text.
        return Test::All(Vec::new());
    }
    needs.content = true;
    looked_for(Box::new(Needle::new(text)))
}

fn sent_test(holds: fn(i64, i64) -> bool, day: Day, needs: &mut Needs) -> Test {
    needs.digest = true;
    Test::Sent(holds, i64::from(day.0))
}

fn field_test(name: &str, text: &str, needs: &mut Needs) -> Test {
    let known = DigestField::named(name.as_bytes());
    needs.digest |= known.is_some();
    // The values of a known field can be too long for its digest.
    needs.content = true;
    let line = Trigrams::of(&fold_case(&format!("{name}: ")));
    Test::Field(Box::new(Field { name: name.into(), known, line, needle: Needle::new(text) }))
}

fn cheap_first(mut tests: Vec<Test>) -> Test {
    tests.sort_by_key(Test::cost);
    Test::All(tests)
}

impl Test {
    /// What it needs to be decided, as a number that grows with its price.
    fn cost(&self) -> u8 {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
            Self::Not(test) => test.cost(),
            Self::Never | Self::Row(_) | Self::Keyword(_) | Self::Older(_) | Self::Younger(_) => 0,
            Self::Sent(..) => 1,
            Self::Field(field) => {
                if field.known.is_some() {
                    2
                } else {
                    3
                }
            }
            Self::Body(_) => 4,
            Self::Text(_) => 5,
        }
    }

    fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        let row = facts.row;
        match self {
            Self::All(tests) => all(tests.iter().map(|test| test.holds(facts))),
            Self::Any(tests) => {
                let none = all(tests.iter().map(|test| test.holds(facts).map(|holds| !holds)));
                none.map(|none| !none)
            }
            Self::Not(test) => test.holds(facts).map(|holds| !holds),
            Self::Never => Some(false),
            Self::Row(key) => Some(row_has(key, row)),
            Self::Keyword(bit) => Some(row.flags.has_keyword(*bit)),
            Self::Older(moment) => Some(row.internal_date <= *moment),
            Self::Younger(moment) => Some(row.internal_date >= *moment),
            Self::Sent(holds, day) => {
                let sent = match (&facts.digest, facts.content) {
                    (Some(digest), _) => digest.sent(),
                    (None, Some(content)) => content.raw(b"Date").and_then(sent),
                    (None, None) => return None,
                };
                Some(sent.is_some_and(|sent| holds(sent.day, *day)))
            }
            Self::Field(field) => field.is_in(facts),
            Self::Body(needle) => match (facts.content, &facts.signature) {
                (Some(content), _) => Some(needle.is_in(content.text().body.as_bytes())),
                (None, Some(signature)) => no_unless(signature.body_may_hold(&needle.trigrams)),
                (None, None) => None,
            },
            Self::Text(needle) => needle.is_in_text(facts),
        }
    }
}

/// Whether all hold: one that does not decides.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for answer in answers {
        match answer {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// Open when it may be, else no.
fn no_unless(may_be: bool) -> Option<bool> {
    if may_be { None } else { Some(false) }
}

impl Needle {
    fn is_in_text(&self, facts: &Facts<'_>) -> Option<bool> {
        if let Some(content) = facts.content {
            let text = content.text();
            let mut pieces = [&text.header, &text.parts, &text.body].into_iter();
            return Some(pieces.any(|piece| self.is_in(piece.as_bytes())));
        }
        let signature = facts.signature.as_ref()?;
        let header = signature.header_may_hold(&self.trigrams);
        no_unless(header || signature.body_may_hold(&self.trigrams))
    }
}

impl Field {
    fn is_in(&self, facts: &Facts<'_>) -> Option<bool> {
        let kept = self.known.zip(facts.digest.as_ref()).and_then(|(field, digest)| {
            digest.field_holds(field, |value| self.needle.is_in(value))
        });
        if kept.is_some() {
            return kept;
        }
        if let Some(content) = facts.content {
            let name = self.name.as_bytes();
            let mut fields = content.fields().iter();
            return Some(fields.any(|(other, value)| {
                other.eq_ignore_ascii_case(name) && self.needle.is_in(value.as_bytes())
            }));
        }
        let signature = facts.signature.as_ref()?;
        let name = signature.header_may_hold(&self.line);
        no_unless(name && signature.header_may_hold(&self.needle.trigrams))
    }
}

fn row_has(key: &Key, row: &Row) -> bool {
    let (internal, saved) = (row.internal_date, row.save_date);
    match key {
        Key::Uids(uids) => uids.contains(row.uid),
        Key::Has(flags) => row.flags.has(*flags),
        Key::Larger(size) => row.size > *size,
        Key::Smaller(size) => row.size < *size,
        Key::Before(day) => Day::of(internal) < *day,
        Key::On(day) => Day::of(internal) == *day,
        Key::Since(day) => Day::of(internal) >= *day,
        Key::SavedBefore(day) => Day::of(saved) < *day,
        Key::SavedOn(day) => Day::of(saved) == *day,
        Key::SavedSince(day) => Day::of(saved) >= *day,
        Key::ModSeq(modseq) => row.modseq >= *modseq,
        Key::EmailId(id) => *id == Some(row.message),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
