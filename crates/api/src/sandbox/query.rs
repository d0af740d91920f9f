//! The search language: what is asked for, as a tree.
//!
//! Words and phrases are looked for anywhere; `name:value` looks in one place; `-` or `!` before a
//! term negates it; terms side by side all have to hold; `OR`, `AND`, `NOT` and parentheses are as
//! one expects. It takes all that Mailpit's language takes, with the same meaning, and never fails:
//! what makes no sense is looked for as a word. docs/guide/sandbox.md lists the names.

use mailwright_mime::fold_case;
use mailwright_words::Timestamp;

use super::{ApiError, extract};

/// Terms of a query.
const TERMS_MAX: usize = 100;
/// Pieces of a query, with what joins and negates its terms.
const TOKENS_MAX: usize = 2 * TERMS_MAX;
/// Levels of parentheses.
const DEPTH_MAX: usize = 20;

/// Names before a colon.
const NAMES: [&str; 23] = [
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "addressed",
    "subject",
    "message-id",
    "tag",
    "envelope",
    "sender",
    "rcpt",
    "recipient",
    "user",
    "id",
    "header",
    "regex",
    "is",
    "has",
    "after",
    "before",
    "larger",
    "smaller",
];

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Query {
    /// Every message.
    All,
    /// Messages for which all of these hold.
    And(Vec<Self>),
    /// Messages for which one of these holds.
    Or(Vec<Self>),
    /// Messages for which this does not hold.
    Not(Box<Self>),
    /// Messages of which this is true.
    Is(Test),
}

/// A question about one message. Texts are folded.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// The text is somewhere in it.
    Text(String),
    From(String),
    To(String),
    Cc(String),
    Bcc(String),
    ReplyTo(String),
    /// An address that got it without being named in its header.
    Unnamed(String),
    Subject(String),
    MessageId(String),
    Tag(String),
    Read,
    Tagged,
    Attachment,
    Inline,
    After(Timestamp),
    Before(Timestamp),
    Larger(u64),
    Smaller(u64),
    /// A field of this name whose value holds that.
    Header(String, String),
    /// The reverse-path, or one of the forward-paths.
    Envelope(String),
    /// The reverse-path.
    Sender(String),
    /// One of the forward-paths.
    Recipient(String),
    /// Who authenticated.
    User(String),
    /// The id.
    Id(String),
    /// A pattern over its text.
    Regex(regex::Regex),
}

impl Query {
    /// Reads a query. Dates without a zone are in the zone that is `zone_minutes` east of UTC.
    pub(crate) fn parse(text: &str, now: Timestamp, zone_minutes: i32) -> Self {
        Reader::new(text, now, zone_minutes).any(0)
    }

    /// The same, for who would rather be told of what makes no sense than find nothing by it.
    ///
    /// Errors: the first term that makes no sense.
    pub(crate) fn sound(text: &str, now: Timestamp) -> Result<Self, ApiError> {
        let mut reader = Reader::new(text, now, 0);
        let query = reader.any(0);
        if reader.tokens.len() >= TOKENS_MAX {
            return Err(ApiError::bad(format!("a query has {TERMS_MAX} terms at most")));
        }
        match reader.odd {
            None => Ok(query),
            Some((name, value)) => Err(ApiError::bad(format!("{name}:{value} {}", why(&name)))),
        }
    }

    /// Whether every message is asked for.
    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Its tests, in the order of the text.
    pub(crate) fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All => Vec::new(),
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::tests).collect(),
            Self::Not(one) => one.tests(),
            Self::Is(test) => vec![test],
        }
    }

    /// What is known of it when this is known of its tests, in their order: true, false or open.
    pub(crate) fn known(&self, answers: &mut impl Iterator<Item = Option<bool>>) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::And(all) => joined(all, answers, false),
            Self::Or(all) => joined(all, answers, true),
            Self::Not(one) => one.known(answers).map(|holds| !holds),
            Self::Is(_) => answers.next().flatten(),
        }
    }

    /// Whether `test` makes it true.
    pub(crate) fn holds(&self, test: &mut dyn FnMut(&Test) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|one| one.holds(test)),
            Self::Or(all) => all.iter().any(|one| one.holds(test)),
            Self::Not(one) => !one.holds(test),
            Self::Is(asked) => test(asked),
        }
    }
}

/// What is known of several side by side, of which one that is `decides` decides.
fn joined(
    all: &[Query],
    answers: &mut impl Iterator<Item = Option<bool>>,
    decides: bool,
) -> Option<bool> {
    let mut sum = Some(!decides);
    // Each takes its answers, also behind one that decided.
    for one in all {
        let known = one.known(answers);
        if known == Some(decides) {
            sum = Some(decides);
        } else if known.is_none() && sum != Some(decides) {
            sum = None;
        }
    }
    sum
}

/// A piece of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Not,
    Or,
    /// A name before a colon, if there is one, and a text.
    Term(Option<String>, String),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if found.len() >= TOKENS_MAX {
            break;
        }
        let tail = rest.get(first.len_utf8()..).unwrap_or_default();
        let next_is_text = tail.chars().next().is_some_and(|c| !c.is_whitespace());
        rest = match first {
            '(' => push(&mut found, Token::Open, tail),
            ')' => push(&mut found, Token::Close, tail),
            '-' | '!' if next_is_text => push(&mut found, Token::Not, tail),
            _ => term(&mut found, rest),
        }
        .trim_start();
    }
    found
}

fn push<'a>(found: &mut Vec<Token>, token: Token, rest: &'a str) -> &'a str {
    found.push(token);
    rest
}

/// Reads a word, a phrase in quotes, or either of them behind a name and a colon.
fn term<'a>(found: &mut Vec<Token>, text: &'a str) -> &'a str {
    let (mut name, mut rest) = (None, text);
    let end = text.find(|c: char| c.is_whitespace() || c == '"' || c == ')').unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    if let Some((before, _)) = word.split_once(':')
        && !before.is_empty()
        && before.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        name = Some(before.to_ascii_lowercase());
        rest = text.get(before.len() + 1..).unwrap_or_default();
    }
    let (value, rest) = value(rest);
    // All of a term in quotes, as in `"subject:two words"`.
    if name.is_none()
        && text.starts_with('"')
        && let Some((before, value)) = value.split_once(':')
        && NAMES.contains(&before.to_ascii_lowercase().as_str())
    {
        let (name, value) = (before.to_ascii_lowercase(), value.trim().to_owned());
        return push(found, Token::Term(Some(name), value), rest);
    }
    if name.is_none() && !text.starts_with('"') {
        match value.as_str() {
            "OR" => return push(found, Token::Or, rest),
            "NOT" => return push(found, Token::Not, rest),
            // What stands side by side has to hold anyway.
            "AND" => return rest,
            _ => {}
        }
    }
    push(found, Token::Term(name, value), rest)
}

fn value(text: &str) -> (String, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').unwrap_or(quoted.len());
        let rest = quoted.get(end + 1..).unwrap_or_default();
        return (quoted.get(..end).unwrap_or_default().to_owned(), rest);
    }
    let end = text.find(|c: char| c.is_whitespace() || c == ')').unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    // A quote inside a word, as in `header:Name="two words"`, goes on to its end.
    if let Some((start, quoted)) = word.find('"').and_then(|at| text.split_at_checked(at)) {
        let inner = quoted.get(1..).unwrap_or_default();
        let close = inner.find('"').unwrap_or(inner.len());
        let rest = inner.get(close + 1..).unwrap_or_default();
        return (format!("{start}{}", inner.get(..close).unwrap_or_default()), rest);
    }
    (word.to_owned(), text.get(end..).unwrap_or_default())
}

/// What is wrong with a term of that name.
fn why(name: &str) -> &'static str {
    match name {
        "regex" => "is no pattern",
        "after" | "before" => "is no date, and no time ago such as 5m",
        "larger" | "smaller" => "is no size such as 10k",
        "is" => "is none of read, unread, tagged",
        _ => "is none of attachment, inline",
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    now: Timestamp,
    zone_minutes: i32,
    /// The first term whose value makes no sense, by its name.
    odd: Option<(String, String)>,
}

impl Reader {
    fn new(text: &str, now: Timestamp, zone_minutes: i32) -> Self {
        Self { tokens: tokens(text), at: 0, now, zone_minutes, odd: None }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Alternatives, up to a closing parenthesis or the end.
    fn any(&mut self, depth: usize) -> Query {
        let mut all = vec![self.all(depth)];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            all.push(self.all(depth));
        }
        match all.len() {
            1 => all.pop().unwrap_or(Query::All),
            _ => Query::Or(all),
        }
    }

    /// Terms side by side.
    fn all(&mut self, depth: usize) -> Query {
        let mut all = Vec::new();
        while let Some(token) = self.peek() {
            match token {
                Token::Or => break,
                Token::Close if depth > 0 => break,
                _ => all.extend(self.one(depth)),
            }
        }
        match all.len() {
            0 => Query::All,
            1 => all.pop().unwrap_or(Query::All),
            _ => Query::And(all),
        }
    }

    fn one(&mut self, depth: usize) -> Option<Query> {
        let token = self.peek().cloned()?;
        self.at += 1;
        match token {
            Token::Not => self.one(depth).map(|one| Query::Not(Box::new(one))),
            Token::Open if depth < DEPTH_MAX => {
                let inner = self.any(depth + 1);
                if self.peek() == Some(&Token::Close) {
                    self.at += 1;
                }
                Some(inner)
            }
            Token::Open | Token::Close | Token::Or => None,
            Token::Term(name, value) => Some(self.named(name.as_deref(), &value)),
        }
    }

    fn named(&mut self, name: Option<&str>, value: &str) -> Query {
        let folded = || fold_case(value);
        let test = match name {
            // Signs alone are nothing to look for, and a name without a text asks for nothing.
            None if value.bytes().all(|octet| octet.is_ascii_punctuation()) => return Query::All,
            Some(name) if value.is_empty() && NAMES.contains(&name) => return Query::All,
            None => Some(Test::Text(folded())),
            Some("from") => Some(Test::From(folded())),
            Some("to") => Some(Test::To(folded())),
            Some("cc") => Some(Test::Cc(folded())),
            Some("bcc") => return either([Test::Unnamed(folded()), Test::Bcc(folded())]),
            Some("reply-to") => Some(Test::ReplyTo(folded())),
            Some("addressed") => {
                return either([
                    Test::From(folded()),
                    Test::To(folded()),
                    Test::Cc(folded()),
                    Test::Unnamed(folded()),
                    Test::Bcc(folded()),
                    Test::ReplyTo(folded()),
                ]);
            }
            Some("subject") => Some(Test::Subject(folded())),
            Some("message-id") => Some(Test::MessageId(folded())),
            Some("tag") => Some(Test::Tag(value.to_lowercase())),
            Some("envelope") => Some(Test::Envelope(folded())),
            Some("sender") => Some(Test::Sender(folded())),
            Some("rcpt" | "recipient") => Some(Test::Recipient(folded())),
            Some("user") => Some(Test::User(folded())),
            Some("id") => Some(Test::Id(value.to_lowercase())),
            Some("header") => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                Some(Test::Header(fold_case(name), fold_case(value)))
            }
            Some("regex") => extract::pattern_of(value).ok().map(Test::Regex),
            Some("is") => match is(value) {
                Some(query) => return query,
                None => None,
            },
            Some("has") => has(value),
            Some("after") => self.moment(value).map(Test::After),
            Some("before") => self.moment(value).map(Test::Before),
            Some("larger") => size(value).map(Test::Larger),
            Some("smaller") => size(value).map(Test::Smaller),
            Some(_) => None,
        };
        if test.is_none()
            && let Some(name) = name.filter(|name| NAMES.contains(name))
        {
            self.odd.get_or_insert_with(|| (name.to_owned(), value.to_owned()));
        }
        let whole = || Test::Text(fold_case(&format!("{}:{value}", name.unwrap_or_default())));
        Query::Is(test.unwrap_or_else(whole))
    }

    /// A moment: a date, with or without a time, seconds since 1970, or a time ago such as `5m`.
    fn moment(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<i64>()
            && text.len() >= 9
        {
            return Some(Timestamp::new(seconds.saturating_mul(1000)));
        }
        if let Some(age) = ago(text) {
            return Some(self.now.minus(age));
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp::new(at.as_millisecond()));
        }
        let at = civil(text)?;
        let seconds = self.zone_minutes.saturating_mul(60);
        let zone = jiff::tz::Offset::from_seconds(seconds).unwrap_or(jiff::tz::Offset::UTC);
        let at = zone.to_timestamp(at).ok()?;
        Some(Timestamp::new(at.as_millisecond()))
    }
}

/// Ways in which people write days, and times of days, besides that of ISO 8601.
const WRITTEN: [&str; 16] = [
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%Y%m%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d %b %Y %H:%M",
    "%d %b %Y",
    "%b %d, %Y %H:%M",
    "%b %d, %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%d %B %Y",
];

/// A day, with or without a time, in no zone.
fn civil(text: &str) -> Option<jiff::civil::DateTime> {
    let day = |text: &str| text.parse::<jiff::civil::Date>().map(|day| day.at(0, 0, 0, 0));
    let iso = text.parse::<jiff::civil::DateTime>().or_else(|_| day(text)).ok();
    iso.or_else(|| {
        WRITTEN.iter().find_map(|form| {
            let parsed = jiff::fmt::strtime::parse(form, text).ok()?;
            parsed.to_datetime().or_else(|_| parsed.to_date().map(|day| day.at(0, 0, 0, 0))).ok()
        })
    })
}

fn either<const N: usize>(tests: [Test; N]) -> Query {
    Query::Or(tests.into_iter().map(Query::Is).collect())
}

fn is(value: &str) -> Option<Query> {
    match value.to_ascii_lowercase().as_str() {
        "read" => Some(Query::Is(Test::Read)),
        "unread" => Some(Query::Not(Box::new(Query::Is(Test::Read)))),
        "tagged" => Some(Query::Is(Test::Tagged)),
        _ => None,
    }
}

fn has(value: &str) -> Option<Test> {
    match value.to_ascii_lowercase().as_str() {
        "attachment" | "attachments" => Some(Test::Attachment),
        "inline" | "inlines" => Some(Test::Inline),
        _ => None,
    }
}

/// Octets: a number, maybe with a part behind a point, with `k` or `m` behind it.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, unit) = match text.strip_suffix(['k', 'm']) {
        Some(digits) if text.ends_with('k') => (digits, 1_u64 << 10),
        Some(digits) => (digits, 1 << 20),
        None => (text, 1),
    };
    let digits = digits.trim();
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = part.get(..part.len().min(6))?;
    let tenths = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let small = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(small.checked_mul(unit)? / tenths)
}

fn ago(text: &str) -> Option<std::time::Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(std::time::Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

    fn shape(query: &Query) -> String {
        let of = |all: &[Query]| all.iter().map(shape).collect::<Vec<_>>().join(" ");
        match query {
            Query::All => "*".to_owned(),
            Query::And(all) => format!("({})", of(all)),
            Query::Or(all) => format!("[{}]", of(all)),
            Query::Not(one) => format!("-{}", shape(one)),
            Query::Is(Test::Text(text)) => text.clone(),
            Query::Is(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn terms_join_negate_and_nest() {
        for (text, wanted) in [
            ("", "*"),
            ("  ", "*"),
            ("one", "one"),
            ("One two", "(one two)"),
            ("\"One two\" three", "(one two three)"),
            ("one OR two three", "[one (two three)]"),
            ("one AND NOT two", "(one -two)"),
            ("\"AND\" \"NOT\" and not", "(and not and not)"),
            ("NOT", "*"),
            ("NOT (one OR two)", "-[one two]"),
            ("-one !two", "(-one -two)"),
            ("(one OR two) -(three four)", "([one two] -(three four))"),
            ("\"OR\" or", "(or or)"),
            ("from:Ann", "From(\"ann\")"),
            ("from:\"Ann B\" x", "(From(\"ann b\") x)"),
            ("is:unread", "-Read"),
            ("bcc:Bob", "[Unnamed(\"bob\") Bcc(\"bob\")]"),
            ("is:odd", "is:odd"),
            ("has:attachments", "Attachment"),
            ("larger:2k", "Larger(2048)"),
            ("larger:1.5m", "Larger(1572864)"),
            ("\"subject:two words\"", "Subject(\"two words\")"),
            ("-\"from:ann\"", "-From(\"ann\")"),
            ("from: x", "(* x)"),
            ("smaller:3mb", "Smaller(3145728)"),
            ("larger:x", "larger:x"),
            ("header:X-Test=\"a b\"", "Header(\"x-test\", \"a b\")"),
            ("http://x", "http://x"),
            ("12:30", "12:30"),
            ("(", "*"),
            (")", "*"),
            ("- -", "(* *)"),
            ("OR", "[* *]"),
            ("((((one", "one"),
            ("\"open", "open"),
        ] {
            assert_eq!(shape(&Query::parse(text, NOW, 0)), wanted, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_to_who_wants_to_know() {
        for (text, why) in [
            ("one regex:[", "regex:[ is no pattern"),
            ("after:never", "after:never is no date"),
            ("-(larger:big)", "larger:big is no size"),
            ("is:gone", "is:gone is none of"),
            ("has:cheese", "has:cheese is none of"),
            (&"x ".repeat(300), "100 terms at most"),
        ] {
            let said = Query::sound(text, NOW).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
        for text in ["", "from: odd:thing http://x is:", "after:5m larger:1k regex:x+"] {
            assert!(Query::sound(text, NOW).is_ok(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_the_zone_of_who_asks() {
        let moment = |text: &str, zone| match Query::parse(&format!("after:\"{text}\""), NOW, zone)
        {
            Query::Is(Test::After(at)) => at.rfc3339(),
            other => format!("{other:?}"),
        };
        let iso = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        for (text, zone, wanted) in [
            ("2026-11-25", 0, "2026-11-25T00:00:00Z"),
            ("2026/11/25", 60, "2026-11-24T23:00:00Z"),
            ("11/25/2026", 0, "2026-11-25T00:00:00Z"),
            ("25 Nov 2026 10:30", 0, "2026-11-25T10:30:00Z"),
            ("Nov 25, 2026", 0, "2026-11-25T00:00:00Z"),
            ("November 25, 2026", 0, "2026-11-25T00:00:00Z"),
            ("2026-11-25 10:30", -120, "2026-11-25T12:30:00Z"),
            ("2026-11-25T10:30:00Z", 60, "2026-11-25T10:30:00Z"),
        ] {
            assert_eq!(moment(text, zone), Timestamp::new(iso(wanted)).rfc3339(), "{text}");
        }
        assert_eq!(moment("2m", 0), NOW.minus(std::time::Duration::from_mins(2)).rfc3339());
    }

    #[test]
    fn what_is_open_stays_open_only_where_it_matters() {
        for (text, known, wanted) in [
            ("a b", [Some(true), None], None),
            ("a b", [Some(false), None], Some(false)),
            ("a b", [None, Some(false)], Some(false)),
            ("a OR b", [None, Some(true)], Some(true)),
            ("a OR b", [None, Some(false)], None),
            ("-a OR -b", [Some(false), None], Some(true)),
            ("-(a b)", [None, Some(false)], Some(true)),
            ("-(a b)", [None, None], None),
        ] {
            let query = Query::parse(text, NOW, 0);
            assert_eq!(query.tests().len(), 2);
            assert_eq!(query.known(&mut known.into_iter()), wanted, "{text} {known:?}");
        }
    }

    #[test]
    fn no_query_is_too_long_or_too_deep() {
        for text in
            ["(".repeat(10_000), "a ".repeat(10_000), "-".repeat(9999) + "a", "\"a:".repeat(99)]
        {
            Query::parse(&text, NOW, 0).holds(&mut |_| true);
        }
    }
}
