//! Which signed field was changed, and how.
//!
//! Changes are undone one by one, then two and three at a time, until the signature fits.

use super::Lock;
use super::form::{self, Form};
use super::guess::{Guess, guesses};

/// Characters of a value that are told.
const TOLD_MAX: usize = 100;
/// Names in `h=` that are worked with.
const COVERED_MAX: usize = 200;
/// Looks at a field in search of a change.
const WORK_MAX: usize = 60_000_000;
/// Guesses that are tried together with others.
const TOGETHER_MAX: usize = 60;

/// One field that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name.
    pub name: String,
    /// What was done to it, in words that follow the name.
    pub what: String,
}

/// What became of the signed fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    /// They are as they were signed.
    Kept,
    /// These were changed, and nothing else: with that undone the signature fits.
    Changed(Vec<FieldChange>),
    /// These differ from the copies that the signature carries.
    Copied(Vec<FieldChange>),
    /// One or more of these were changed; which one cannot be known.
    Unknown {
        /// Signed fields that are there.
        there: Vec<String>,
        /// Signed names of which there is no field: taken out, or never there.
        missing: Vec<String>,
    },
    /// The signature was made with another key, or was damaged.
    OtherKey,
    /// Without its key nothing can be found out.
    NoKey,
}

/// What a signature covers.
pub(super) struct Signed<'a> {
    pub(super) form: &'a Form<'a>,
    /// The names in `h=`.
    pub(super) covered: &'a [String],
    /// The copies in `z=`.
    pub(super) copies: Vec<(String, Vec<u8>)>,
    /// The place of the signature's own field.
    pub(super) own: usize,
    pub(super) is_relaxed: bool,
}

pub(super) fn find(signed: &Signed<'_>, lock: &Lock<'_>) -> HeaderChange {
    let base = Base::new(signed);
    if base.fits(&[], lock) {
        return HeaderChange::Kept;
    }
    let copied = copied(signed);
    let copied_guesses: Vec<&Guess> = copied.iter().collect();
    if !copied.is_empty() {
        let told = told(&copied_guesses);
        return if base.fits(&copied_guesses, lock) {
            HeaderChange::Changed(told)
        } else {
            HeaderChange::Copied(told)
        };
    }
    if signed.covered.len() > COVERED_MAX {
        return base.unknown();
    }
    let guesses = guesses(signed);
    match base.search(&guesses, lock) {
        Some(found) => HeaderChange::Changed(told(&found)),
        None => base.unknown(),
    }
}

fn told(guesses: &[&Guess]) -> Vec<FieldChange> {
    let each = guesses
        .iter()
        .map(|guess| FieldChange { name: guess.name.clone(), what: guess.what.clone() });
    each.collect()
}

/// Where the fields differ from the copies in the signature.
fn copied(signed: &Signed<'_>) -> Vec<Guess> {
    let mut found = Vec::new();
    for (name, value) in &signed.copies {
        let named = |name: &str| {
            let fields = signed.form.fields.iter().enumerate();
            let name = name.to_owned();
            fields.filter(move |(_, field)| field.name.eq_ignore_ascii_case(&name))
        };
        let words = |text: &[u8]| -> Vec<Vec<u8>> {
            let words = text.split(u8::is_ascii_whitespace);
            words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
        };
        let is_kept = named(name).any(|(_, field)| words(field.value) == words(value));
        let copies = signed.copies.iter().filter(|(other, _)| other == name).count();
        if is_kept || copies > 1 {
            continue;
        }
        let last = named(name).next_back();
        let shown = last.map_or(name.as_str(), |(_, field)| field.name);
        let raw = [shown.as_bytes(), b":", value, b"\r\n"].concat();
        found.push(Guess {
            name: shown.to_owned(),
            place: last.map(|(place, _)| place),
            raw,
            what: match last {
                Some(_) => format!("was {:?} when it was signed", shortened(value)),
                None => format!("was taken out; it was {:?}", shortened(value)),
            },
        });
    }
    found
}

/// A value for people.
pub(super) fn shortened(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value.trim_ascii()).replace("\r\n", "");
    match text.char_indices().nth(TOLD_MAX) {
        Some((end, _)) => format!("{}..", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The header as it is, in the form that is signed.
struct Base<'a> {
    signed: &'a Signed<'a>,
    names: Vec<String>,
    forms: Vec<Vec<u8>>,
    wanted: Vec<String>,
    own: Vec<u8>,
}

impl<'a> Base<'a> {
    fn new(signed: &'a Signed<'a>) -> Self {
        let fields = &signed.form.fields;
        let own = fields.get(signed.own).map(|field| form::own(field.raw, signed.is_relaxed));
        let forms = fields.iter().enumerate().map(|(place, field)| {
            // A signature does not cover itself as one of the fields.
            if place == signed.own {
                return Vec::new();
            }
            form::canonical(field.raw, signed.is_relaxed)
        });
        Self {
            signed,
            names: fields.iter().map(|field| field.name.to_ascii_lowercase()).collect(),
            forms: forms.collect(),
            wanted: signed.covered.iter().map(|name| name.to_ascii_lowercase()).collect(),
            own: own.unwrap_or_default(),
        }
    }

    /// Whether the signature fits with these changes undone.
    fn fits(&self, undone: &[&Guess], lock: &Lock<'_>) -> bool {
        let made: Vec<Vec<u8>> = undone
            .iter()
            .map(|guess| form::canonical(&guess.raw, self.signed.is_relaxed))
            .collect();
        let undone: Vec<(&Guess, &[u8])> =
            undone.iter().copied().zip(made.iter().map(Vec::as_slice)).collect();
        lock.opens(&self.text(&undone))
    }

    fn text(&self, undone: &[(&Guess, &[u8])]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        let mut used = vec![false; self.forms.len()];
        let mut is_new = vec![true; undone.len()];
        let made: Vec<(usize, &[u8])> = undone
            .iter()
            .filter_map(|(guess, made)| guess.place.map(|place| (place, *made)))
            .collect();
        for wanted in &self.wanted {
            let there = self.names.iter().zip(&self.forms).zip(&mut used).enumerate().rev();
            let mut there = there.filter_map(|(place, ((name, form), used))| {
                if *used || name != wanted {
                    return None;
                }
                let other = made.iter().find(|(changed, _)| *changed == place);
                let form = other.map_or(form.as_slice(), |(_, made)| *made);
                (!form.is_empty()).then_some((form, used))
            });
            let mut added = undone.iter().zip(&mut is_new).filter_map(|((guess, made), is_new)| {
                let is_it = guess.place.is_none() && guess.name.eq_ignore_ascii_case(wanted);
                (is_it && *is_new).then_some((*made, is_new))
            });
            if let Some((form, used)) = there.next() {
                *used = true;
                out.extend_from_slice(form);
            } else if let Some((form, is_new)) = added.next() {
                *is_new = false;
                out.extend_from_slice(form);
            }
        }
        out.extend_from_slice(&self.own);
        out
    }

    /// Undoes one change, then two and three of different fields.
    fn search<'g>(&self, guesses: &'g [Guess], lock: &Lock<'_>) -> Option<Vec<&'g Guess>> {
        let work = self.wanted.len().saturating_mul(self.forms.len()).max(1);
        let mut tries = lock.tries_max().min(WORK_MAX / work);
        let made: Vec<Vec<u8>> = guesses
            .iter()
            .map(|guess| form::canonical(&guess.raw, self.signed.is_relaxed))
            .collect();
        let all: Vec<(&Guess, &[u8])> =
            guesses.iter().zip(made.iter().map(Vec::as_slice)).collect();
        for count in 1..=3 {
            let some = if count == 1 { all.len() } else { all.len().min(TOGETHER_MAX) };
            let some = all.get(..some).unwrap_or_default();
            let found = self.combine(some, count, &mut Vec::new(), (lock, &mut tries));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn combine<'g>(
        &self,
        from: &[(&'g Guess, &[u8])],
        count: usize,
        chosen: &mut Vec<(&'g Guess, Vec<u8>)>,
        (lock, tries): (&Lock<'_>, &mut usize),
    ) -> Option<Vec<&'g Guess>> {
        if count == 0 {
            *tries = tries.checked_sub(1)?;
            let undone: Vec<(&Guess, &[u8])> =
                chosen.iter().map(|(guess, made)| (*guess, made.as_slice())).collect();
            return lock
                .opens(&self.text(&undone))
                .then(|| chosen.iter().map(|(guess, _)| *guess).collect());
        }
        for (number, (guess, made)) in from.iter().enumerate() {
            if *tries == 0 {
                return None;
            }
            if chosen.iter().any(|(other, _)| other.is_of(guess)) {
                continue;
            }
            chosen.push((guess, made.to_vec()));
            let rest = from.get(number + 1..).unwrap_or_default();
            let found = self.combine(rest, count - 1, chosen, (lock, &mut *tries));
            if found.is_some() {
                return found;
            }
            chosen.pop();
        }
        None
    }

    fn unknown(&self) -> HeaderChange {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for name in self.signed.covered {
            let fields = &self.signed.form.fields;
            let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            let list = if found.is_some() { &mut there } else { &mut missing };
            let name = found.map_or(name.as_str(), |field| field.name).to_owned();
            if !list.iter().any(|known: &String| known.eq_ignore_ascii_case(&name)) {
                list.push(name);
            }
        }
        HeaderChange::Unknown { there, missing }
    }
}
