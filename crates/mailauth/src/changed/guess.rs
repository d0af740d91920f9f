//! What servers on the way do to fields, and how each was before.
//!
//! Ordered by how often it is met: the first ones are tried together, too.

use mailwright_mime::decode_words;

use super::form::{Field, Form, canonical};
use super::header::{Signed, shortened};

/// Words at either end of a subject that may have been added.
const WORDS_MAX: usize = 8;
/// Longest value that is worked with.
const VALUE_MAX: usize = 4096;
/// Guesses of one signature.
const GUESSES_MAX: usize = 600;

/// How one field may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) name: String,
    /// The field it takes the place of; none for one that is missing.
    pub(super) place: Option<usize>,
    /// The field as it may have been, with its CRLF; empty for one that was not there.
    pub(super) raw: Vec<u8>,
    /// What was done, in words that follow the name.
    pub(super) what: String,
}

impl Guess {
    /// Whether both are about the same field.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Some(one), Some(another)) => one == another,
            _ => self.place == other.place && self.name.eq_ignore_ascii_case(&other.name),
        }
    }
}

/// All guesses about a header, the likely ones first.
pub(super) fn guesses(signed: &Signed<'_>) -> Vec<Guess> {
    let mut found = Vec::new();
    let covers = |name: &str| signed.covered.iter().any(|one| one.eq_ignore_ascii_case(name));
    let fields = || {
        let fields = signed.form.fields.iter().enumerate();
        fields.filter(|(place, field)| *place != signed.own && covers(field.name))
    };
    let fit = || fields().filter(|(_, field)| field.value.len() <= VALUE_MAX);
    for (place, field) in fit() {
        let mut put = Put { place, field: *field, found: &mut found };
        likely(&mut put, signed.form);
    }
    for (place, field) in fields() {
        let what = "was added, or stands more often than it was signed".to_owned();
        let name = field.name.to_owned();
        found.push(Guess { name, place: Some(place), raw: Vec::new(), what });
    }
    for (place, field) in fit() {
        let mut put = Put { place, field: *field, found: &mut found };
        rare(&mut put, signed.is_relaxed);
    }
    missing(signed, &mut found);
    let base = |guess: &Guess| {
        let field = signed.form.fields.get(guess.place?)?;
        Some(canonical(field.raw, signed.is_relaxed) == canonical(&guess.raw, signed.is_relaxed))
    };
    found.retain(|guess| base(guess) != Some(true));
    found.truncate(GUESSES_MAX);
    found
}

/// Collects what one field may have been.
struct Put<'a, 'f> {
    place: usize,
    field: Field<'a>,
    found: &'f mut Vec<Guess>,
}

impl Put<'_, '_> {
    /// Its value, on one line.
    fn value(&self) -> String {
        String::from_utf8_lossy(self.field.value.trim_ascii()).replace("\r\n", "")
    }

    fn was(&mut self, value: &str, what: impl Into<String>) {
        self.raw([self.field.name, ": ", value, "\r\n"].concat().into_bytes(), what);
    }

    fn raw(&mut self, raw: Vec<u8>, what: impl Into<String>) {
        let (name, place) = (self.field.name.to_owned(), Some(self.place));
        self.found.push(Guess { name, place, raw, what: what.into() });
    }

    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.field.name.eq_ignore_ascii_case(name))
    }
}

fn likely(put: &mut Put<'_, '_>, form: &Form<'_>) {
    let value = put.value();
    if put.is(&["Subject"]) {
        subject(put, &value);
    }
    // Who changes a field often keeps what it was under another name.
    for prefix in ["X-Original-", "Original-", "X-Old-", "Old-", "X-MailFrom-", "X-"] {
        let kept = format!("{prefix}{}", put.field.name);
        let found = form.fields.iter().find(|field| field.name.eq_ignore_ascii_case(&kept));
        if let Some(field) = found {
            let was = String::from_utf8_lossy(field.value.trim_ascii()).replace("\r\n", "");
            put.was(&was, format!("was {was:?}, as {kept} says"));
        }
    }
    if put.is(&["From"]) {
        for name in ["Reply-To", "Cc", "X-Original-Sender", "Sender"] {
            let fields = form.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            for field in fields.filter(|field| field.value.len() <= VALUE_MAX).take(2) {
                author(put, &value, field);
            }
        }
    }
}

/// What may have been put in front of a subject, or behind it.
fn subject(put: &mut Put<'_, '_>, value: &str) {
    let starts = value.match_indices(' ').map(|(at, _)| at).take(WORDS_MAX);
    let starts: Vec<usize> = starts.collect();
    for at in starts {
        let (added, rest) = value.split_at_checked(at).unwrap_or_default();
        put.was(rest.trim_start(), format!("got {added:?} put in front of it"));
    }
    let ends: Vec<usize> = value.rmatch_indices(' ').map(|(at, _)| at).take(WORDS_MAX).collect();
    for at in ends {
        let (rest, added) = value.split_at_checked(at).unwrap_or_default();
        put.was(rest, format!("got {:?} put behind it", added.trim()));
    }
    // A tag that stands behind `Re:`, or right before the first word.
    let tag = value.find('[').zip(value.find(']')).filter(|(open, close)| open < close);
    if let Some((open, close)) = tag {
        let (before, rest) = value.split_at_checked(open).unwrap_or_default();
        let (tag, rest) = rest.split_at_checked(close + 1 - open).unwrap_or_default();
        let what = format!("got {tag:?} put into it");
        put.was(&format!("{before}{}", rest.trim_start()), what.clone());
        put.was(&format!("Re: {}", rest.trim_start()), what);
    }
    for mark in ["EXTERNAL:", "[EXTERNAL]", "[EXT]", "*****SPAM*****", "[SPAM]", "[Spam]"] {
        if let Some(rest) = value.strip_prefix(mark) {
            put.was(rest.trim_start(), format!("got {mark:?} put in front of it"));
        }
    }
}

/// The author, before a list wrote itself in its place.
fn author(put: &mut Put<'_, '_>, value: &str, other: &Field<'_>) {
    let was = String::from_utf8_lossy(other.value.trim_ascii()).replace("\r\n", "");
    let what = |was: &str| format!("was rewritten; it was {was:?}");
    put.was(&was, what(&was));
    let bare = was.rsplit_once('<').map_or(was.as_str(), |(_, rest)| rest.trim_end_matches('>'));
    let shown = value.rsplit_once('<').map_or("", |(name, _)| name.trim());
    let shown = shown.trim_matches('"');
    let name = shown.rsplit_once(" via ").map_or(shown, |(name, _)| name);
    let name = name.trim_matches(['\'', '"', ' ']);
    for one in [
        format!("{name} <{bare}>"),
        format!("\"{name}\" <{bare}>"),
        format!("<{bare}>"),
        bare.to_owned(),
    ] {
        put.was(&one, what(&one));
    }
}

fn rare(put: &mut Put<'_, '_>, is_relaxed: bool) {
    let value = put.value();
    if !is_relaxed {
        blanks(put, &value);
    }
    if put.is(&["From", "To", "Cc", "Reply-To", "Sender"]) {
        addresses(put, &value);
    }
    if put.is(&["Date"]) {
        date(put, &value);
    }
    if put.is(&["Content-Transfer-Encoding"]) {
        for was in ["8bit", "7bit", "quoted-printable", "base64", "binary"] {
            put.was(was, format!("was {was}: the body was encoded anew"));
        }
    }
    if put.is(&["Content-Type"]) {
        content_type(put, &value);
    }
    if value.contains("=?") {
        let was = decode_words(value.as_bytes());
        put.was(&was, "was in plain UTF-8, and was encoded");
    }
    if put.is(&["Message-ID", "In-Reply-To", "References"]) {
        let was = value.replace(['<', '>'], "");
        put.was(&was, "got angle brackets");
        put.was(&format!("<{was}>"), "lost its angle brackets");
    }
}

/// What the relaxed form would not have noticed.
fn blanks(put: &mut Put<'_, '_>, value: &str) {
    const WHAT: &str = "got other blanks, line folds or capitals in its name; a signature with \
                        c=relaxed would have lived through that";
    let name = put.field.name;
    let one = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let capital = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        format!("{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase())
    };
    let title: Vec<String> = name.split('-').map(capital).collect();
    let title = title.join("-");
    let other = match title.as_str() {
        "Message-Id" => "Message-ID",
        "Mime-Version" => "MIME-Version",
        "Content-Id" => "Content-ID",
        title => title,
    };
    for name in [name, title.as_str(), other, &name.to_ascii_lowercase()] {
        let tail = put.field.value;
        put.raw([name.as_bytes(), b":", tail, b"\r\n"].concat(), WHAT);
        for value in [value, one.as_str()] {
            for between in [" ", "", "  ", "\t", "\r\n ", "\r\n\t"] {
                put.raw([name, ":", between, value, "\r\n"].concat().into_bytes(), WHAT);
            }
        }
        for fold in ["\r\n ", "\r\n\t", "\r\n  ", "\r\n        "] {
            for at in [", ", "; ", " "] {
                let folded = one.replace(at, &format!("{}{fold}", at.trim_end()));
                put.raw([name, ": ", &folded, "\r\n"].concat().into_bytes(), WHAT);
            }
        }
    }
}

/// How a list of addresses may have been written.
fn addresses(put: &mut Put<'_, '_>, value: &str) {
    const WHAT: &str = "was written anew, with other quotes, brackets or blanks";
    put.was(&value.replace('"', ""), WHAT);
    put.was(&value.replace(", ", ","), WHAT);
    put.was(&value.replace(',', ", "), WHAT);
    put.was(&value.replace("\" <", "\"<"), WHAT);
    match value.rsplit_once('<') {
        Some((name, address)) => {
            let (name, address) = (name.trim().trim_matches('"'), address.trim_end_matches('>'));
            put.was(&format!("\"{name}\" <{address}>"), WHAT);
            put.was(&format!("{address} ({name})"), WHAT);
            put.was(address, WHAT);
            put.was(&format!("<{address}>"), WHAT);
            put.was(&format!("\"{address}\" <{address}>"), WHAT);
        }
        None => put.was(&format!("<{value}>"), WHAT),
    }
    if let Some((rest, last)) = value.rsplit_once(',') {
        put.was(rest.trim_end(), format!("got {:?} added", last.trim()));
    }
}

fn date(put: &mut Put<'_, '_>, value: &str) {
    const WHAT: &str = "was written anew: the same time in other words";
    let bare = value.split('(').next().unwrap_or_default().trim_end().to_owned();
    put.was(&bare, WHAT);
    for (now, was) in [("+0000", "GMT"), ("GMT", "+0000"), ("+0000", "-0000"), ("UTC", "+0000")] {
        put.was(&bare.replace(now, was), WHAT);
    }
    put.was(&format!("{bare} (UTC)"), WHAT);
    put.was(&format!("{bare} (GMT)"), WHAT);
    let (day, rest) = bare.split_once(", ").unwrap_or(("", &bare));
    put.was(rest, WHAT);
    let rest = match rest.strip_prefix('0') {
        Some(short) => short.to_owned(),
        None => format!("0{rest}"),
    };
    put.was(&format!("{day}, {rest}"), WHAT);
}

fn content_type(put: &mut Put<'_, '_>, value: &str) {
    const WHAT: &str = "was written anew";
    put.was(&value.replace('"', ""), WHAT);
    put.was(&value.replace("; ", ";"), WHAT);
    put.was(&value.replace(';', "; ").replace(";  ", "; "), WHAT);
    put.was(&value.to_ascii_lowercase(), WHAT);
    if let Some((head, last)) = value.rsplit_once('=')
        && !last.starts_with('"')
    {
        put.was(&format!("{head}=\"{last}\""), WHAT);
        put.was(&format!("{head}={}", last.to_ascii_uppercase()), WHAT);
        put.was(&format!("{head}=\"{}\"", last.to_ascii_uppercase()), WHAT);
    }
    let mut rest = value;
    while let Some((head, last)) = rest.rsplit_once(';') {
        put.was(head, format!("got {:?} added", shortened(last.as_bytes())));
        rest = head;
    }
}

/// Fields that were signed and are gone, where it can be told what they said.
fn missing(signed: &Signed<'_>, found: &mut Vec<Guess>) {
    let fields = &signed.form.fields;
    let is_there = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let value = |name: &str| {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(field.value.trim_ascii()).replace("\r\n", ""))
    };
    let mut seen: Vec<&str> = Vec::new();
    for name in &signed.covered.iter().map(String::as_str).collect::<Vec<_>>() {
        if is_there(name) || seen.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            continue;
        }
        seen.push(name);
        let mut was: Vec<String> = match name.to_ascii_lowercase().as_str() {
            "mime-version" => vec!["1.0".to_owned()],
            "content-transfer-encoding" => {
                ["7bit", "8bit", "quoted-printable", "base64"].map(str::to_owned).to_vec()
            }
            "content-type" => [
                "text/plain",
                "text/plain; charset=us-ascii",
                "text/plain; charset=utf-8",
                "text/plain; charset=UTF-8",
                "text/plain; charset=\"utf-8\"",
                "text/plain; charset=\"UTF-8\"",
                "text/plain; charset=\"us-ascii\"",
            ]
            .map(str::to_owned)
            .to_vec(),
            "reply-to" | "sender" | "return-path" => value("From").into_iter().collect(),
            "to" => vec!["undisclosed-recipients:;".to_owned()],
            _ => Vec::new(),
        };
        was.extend(value(&format!("X-Original-{name}")));
        was.push(String::new());
        for was in was {
            let raw = [name, ": ", &was, "\r\n"].concat().into_bytes();
            let what = format!("was taken out; it was {was:?}");
            found.push(Guess { name: (*name).to_owned(), place: None, raw, what });
        }
    }
}
