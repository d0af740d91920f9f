//! `SEARCH`, `SORT` and `THREAD`.
//!
//! Source: RFC 9051 section 6.4.4, RFC 3501 section 6.4.4, RFC 4731 (ESEARCH), RFC 5032 (WITHIN),
//! RFC 5182 (`$`), RFC 5256 (SORT and THREAD), RFC 7162, RFC 8474, RFC 8514.

use mailwright_view::Flags;
use mailwright_words::Id;

use super::{Cursor, Lookup, Malformed, Read, Set, date};
use crate::{Algorithm, Criterion, Day, Key, Program, Settings, SortKey};

/// `SEARCH`, `SORT` and `THREAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Whether UIDs are told.
    pub uid: bool,
    /// What is looked for.
    pub program: Program,
    /// In which order.
    pub order: Order,
    /// What is told of it.
    pub results: Option<Results>,
    /// Whether it asks for mod-sequences. Source: RFC 7162 section 3.1.5.
    pub modseq: bool,
    /// Whether it names a charset.
    pub charset: bool,
}

/// In which order messages are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// `SEARCH`: as they stand in the mailbox.
    Mailbox,
    /// `SORT`.
    Sort(Vec<SortKey>),
    /// `THREAD`.
    Thread(Algorithm),
}

/// What `RETURN` asks for. Source: RFC 4731 section 3.1, RFC 5182 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Results {
    /// `MIN`.
    pub min: bool,
    /// `MAX`.
    pub max: bool,
    /// `ALL`.
    pub all: bool,
    /// `COUNT`.
    pub count: bool,
    /// `SAVE`.
    pub save: bool,
}

pub(super) fn parse(
    verb: &str,
    cursor: &mut Cursor<'_>,
    settings: &Settings,
    lookup: &dyn Lookup,
) -> Read<Search> {
    cursor.space()?;
    let mut results = None;
    let mut charset = true;
    let order = match verb {
        "SORT" => Order::Sort(sort_keys(cursor)?),
        "THREAD" => Order::Thread(algorithm(cursor)?),
        _ => {
            if cursor.eat_word("RETURN") {
                cursor.space()?;
                results = Some(returns(cursor)?);
                cursor.space()?;
            }
            charset = cursor.eat_word("CHARSET");
            Order::Mailbox
        }
    };
    if charset {
        cursor.space()?;
        known_charset(cursor)?;
        cursor.space()?;
    }
    let mut reader = Reader { lookup, left: settings.search_keys_max, modseq: false };
    let mut keys = Vec::new();
    loop {
        keys.push(reader.key(cursor)?);
        if !cursor.eat(b' ') {
            break;
        }
    }
    let modseq = reader.modseq;
    Ok(Search { uid: false, program: Program { keys }, order, results, modseq, charset })
}

fn returns(cursor: &mut Cursor<'_>) -> Read<Results> {
    let mut results = Results::default();
    let mut told = false;
    cursor.list(0, |cursor| {
        let word = cursor.word("a result option")?;
        told |= word != "SAVE";
        match word.as_str() {
            "MIN" => results.min = true,
            "MAX" => results.max = true,
            "ALL" => results.all = true,
            "COUNT" => results.count = true,
            "SAVE" => results.save = true,
            _ => return Err(Malformed::Expected("MIN, MAX, ALL, COUNT or SAVE")),
        }
        Ok(())
    })?;
    results.all |= !told && !results.save;
    Ok(results)
}

fn known_charset(cursor: &mut Cursor<'_>) -> Read<()> {
    let name = cursor.astring("a charset")?;
    let known = name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"US-ASCII");
    if known { Ok(()) } else { Err(Malformed::Charset) }
}

fn sort_keys(cursor: &mut Cursor<'_>) -> Read<Vec<SortKey>> {
    const KEYS_MAX: usize = 20;
    let mut keys = Vec::new();
    let mut reverse = false;
    cursor.list(1, |cursor| {
        let by = match cursor.word("a sort key")?.as_str() {
            "REVERSE" if !reverse => {
                reverse = true;
                return Ok(());
            }
            "ARRIVAL" => Criterion::Arrival,
            "CC" => Criterion::Cc,
            "DATE" => Criterion::Date,
            "FROM" => Criterion::From,
            "SIZE" => Criterion::Size,
            "SUBJECT" => Criterion::Subject,
            "TO" => Criterion::To,
            "DISPLAYFROM" => Criterion::DisplayFrom,
            "DISPLAYTO" => Criterion::DisplayTo,
            _ => return Err(Malformed::Expected("a known sort key")),
        };
        keys.push(SortKey { reverse: std::mem::take(&mut reverse), by });
        if keys.len() > KEYS_MAX { Err(Malformed::Many("sort keys")) } else { Ok(()) }
    })?;
    if reverse { Err(Malformed::Expected("a sort key behind REVERSE")) } else { Ok(keys) }
}

fn algorithm(cursor: &mut Cursor<'_>) -> Read<Algorithm> {
    match cursor.word("an algorithm")?.as_str() {
        "ORDEREDSUBJECT" => Ok(Algorithm::OrderedSubject),
        "REFERENCES" => Ok(Algorithm::References),
        _ => Err(Malformed::Expected("ORDEREDSUBJECT or REFERENCES")),
    }
}

/// Reads the keys of one program.
struct Reader<'a> {
    lookup: &'a dyn Lookup,
    /// How many more keys may come.
    left: usize,
    modseq: bool,
}

impl Reader<'_> {
    fn key(&mut self, cursor: &mut Cursor<'_>) -> Read<Key> {
        self.left = self.left.checked_sub(1).ok_or(Malformed::Many("search keys"))?;
        if cursor.peek() == Some(b'(') {
            let mut keys = Vec::new();
            cursor.list(1, |cursor| {
                keys.push(self.key(cursor)?);
                Ok(())
            })?;
            return Ok(Key::And(keys));
        }
        if Set::comes(cursor) {
            return Ok(Key::Uids(self.lookup.seqs(&Set::parse(cursor)?)));
        }
        let word = cursor.word("a search key")?;
        if let Some(key) = self.bare(&word) {
            return Ok(key);
        }
        cursor.space()?;
        match word.as_str() {
            "NOT" => self.deeper(cursor).map(|key| Key::Not(Box::new(key))),
            "OR" => {
                let first = self.deeper(cursor)?;
                cursor.space()?;
                Ok(Key::Or(Box::new((first, self.deeper(cursor)?))))
            }
            "UID" => Ok(Key::Uids(self.lookup.uids(&Set::parse(cursor)?))),
            "MODSEQ" => {
                self.modseq = true;
                modseq(cursor)
            }
            _ => with_argument(&word, cursor),
        }
    }

    fn deeper(&mut self, cursor: &mut Cursor<'_>) -> Read<Key> {
        cursor.enter()?;
        let key = self.key(cursor)?;
        cursor.leave();
        Ok(key)
    }

    /// A key that is one word.
    fn bare(&self, word: &str) -> Option<Key> {
        let not = |key| Key::Not(Box::new(key));
        let recent = || Key::Uids(self.lookup.recent());
        Some(match word {
            "ALL" | "SAVEDATESUPPORTED" => Key::And(Vec::new()),
            "ANSWERED" => Key::Has(Flags::ANSWERED),
            "DELETED" => Key::Has(Flags::DELETED),
            "DRAFT" => Key::Has(Flags::DRAFT),
            "FLAGGED" => Key::Has(Flags::FLAGGED),
            "SEEN" => Key::Has(Flags::SEEN),
            "UNANSWERED" => not(Key::Has(Flags::ANSWERED)),
            "UNDELETED" => not(Key::Has(Flags::DELETED)),
            "UNDRAFT" => not(Key::Has(Flags::DRAFT)),
            "UNFLAGGED" => not(Key::Has(Flags::FLAGGED)),
            "UNSEEN" => not(Key::Has(Flags::SEEN)),
            "NEW" => Key::And(vec![recent(), not(Key::Has(Flags::SEEN))]),
            "OLD" => not(recent()),
            "RECENT" => recent(),
            _ => return None,
        })
    }
}

/// A key with something behind it.
fn with_argument(word: &str, cursor: &mut Cursor<'_>) -> Read<Key> {
    let day: Option<fn(Day) -> Key> = match word {
        "BEFORE" => Some(Key::Before),
        "ON" => Some(Key::On),
        "SINCE" => Some(Key::Since),
        "SENTBEFORE" => Some(Key::SentBefore),
        "SENTON" => Some(Key::SentOn),
        "SENTSINCE" => Some(Key::SentSince),
        "SAVEDBEFORE" => Some(Key::SavedBefore),
        "SAVEDON" => Some(Key::SavedOn),
        "SAVEDSINCE" => Some(Key::SavedSince),
        _ => None,
    };
    if let Some(key) = day {
        return date::day(cursor).map(key);
    }
    match word {
        "BCC" => header("Bcc", cursor),
        "CC" => header("Cc", cursor),
        "FROM" => header("From", cursor),
        "SUBJECT" => header("Subject", cursor),
        "TO" => header("To", cursor),
        "BODY" => text(cursor).map(Key::Body),
        "TEXT" => text(cursor).map(Key::Text),
        "HEADER" => {
            let name = text(cursor)?;
            cursor.space()?;
            text(cursor).map(|text| Key::Header { name, text })
        }
        "KEYWORD" => Ok(Key::Keyword(cursor.atom("a keyword")?.into())),
        "UNKEYWORD" => Ok(Key::Not(Box::new(Key::Keyword(cursor.atom("a keyword")?.into())))),
        "LARGER" => cursor.number64().map(Key::Larger),
        "SMALLER" => cursor.number64().map(Key::Smaller),
        "OLDER" => cursor.positive().map(Key::Older),
        "YOUNGER" => cursor.positive().map(Key::Younger),
        "EMAILID" => identifier(cursor, "M").map(Key::EmailId),
        "THREADID" => identifier(cursor, "T").map(Key::ThreadId),
        _ => Err(Malformed::Expected("a known search key")),
    }
}

fn header(name: &str, cursor: &mut Cursor<'_>) -> Read<Key> {
    Ok(Key::Header { name: name.into(), text: text(cursor)? })
}

fn text(cursor: &mut Cursor<'_>) -> Read<Box<str>> {
    let octets = cursor.astring("a string")?;
    str::from_utf8(&octets).map(Into::into).map_err(|_invalid| Malformed::Utf8)
}

/// Source: RFC 7162 section 3.1.5.
fn modseq(cursor: &mut Cursor<'_>) -> Read<Key> {
    if cursor.peek() == Some(b'"') {
        cursor.string("an entry")?;
        cursor.space()?;
        if !["ALL", "SHARED", "PRIV"].iter().any(|word| cursor.eat_word(word)) {
            return Err(Malformed::Expected("all, shared or priv"));
        }
        cursor.space()?;
    }
    cursor.number64().map(Key::ModSeq)
}

/// An identifier as we tell it; `None` for any other. Source: RFC 8474 section 7.
fn identifier(cursor: &mut Cursor<'_>, prefix: &str) -> Read<Option<Id>> {
    const WHAT: Malformed = Malformed::Expected("an object identifier");
    let text = text(cursor)?;
    let known = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    if text.is_empty() || text.len() > 255 || !text.bytes().all(known) {
        return Err(WHAT);
    }
    let id = text.strip_prefix(prefix).and_then(|id| id.parse::<Id>().ok());
    // Only the form that we tell is the identifier.
    Ok(id.filter(|id| text.strip_prefix(prefix) == Some(id.to_string().as_str())))
}

#[cfg(test)]
mod tests {
    use super::super::Nothing;
    use super::*;

    fn search(verb: &str, text: &str) -> Read<Search> {
        let mut cursor = Cursor::new(text.as_bytes(), 8);
        let search = parse(verb, &mut cursor, &Settings::new("mx"), &Nothing)?;
        cursor.end()?;
        Ok(search)
    }

    #[test]
    fn keys_become_a_program() {
        let read = search(
            "SEARCH",
            " RETURN (MIN COUNT) CHARSET UTF-8 1:* OR SEEN NOT (FROM a BODY \"b\")",
        );
        let read = read.unwrap();
        assert!(read.results.is_some_and(|results| results.min && results.count && !results.all));
        let from = Key::Header { name: "From".into(), text: "a".into() };
        let inner = Key::And(vec![from, Key::Body("b".into())]);
        let or = Key::Or(Box::new((Key::Has(Flags::SEEN), Key::Not(Box::new(inner)))));
        assert_eq!(read.program.keys, [Key::Uids(mailwright_view::NumberSet::new()), or]);
        let read = search("SORT", " (REVERSE DATE SUBJECT) UTF-8 ALL").unwrap();
        assert!(matches!(read.order, Order::Sort(keys) if keys.len() == 2 && keys[0].reverse));
        let read =
            search("THREAD", " REFERENCES US-ASCII SINCE 1-Feb-2000 MODSEQ \"/flags/x\" all 5");
        assert!(read.is_ok_and(|read| read.modseq));
        assert!(search("SEARCH", " RETURN () ALL").unwrap().results.unwrap().all);
        assert!(!search("SEARCH", " RETURN (SAVE) ALL").unwrap().results.unwrap().all);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert_eq!(search("SEARCH", " CHARSET X-FOO ALL"), Err(Malformed::Charset));
        assert_eq!(search("SORT", " (DATE) X-FOO ALL"), Err(Malformed::Charset));
        let deep = format!(" {}SEEN", "NOT ".repeat(9));
        assert_eq!(search("SEARCH", &deep), Err(Malformed::Nesting));
        let many = format!(" ALL{}", " ALL".repeat(1000));
        assert_eq!(search("SEARCH", &many), Err(Malformed::Many("search keys")));
        for text in [
            "",
            " ",
            " FOO",
            " OR SEEN",
            " NOT",
            " (",
            " ()",
            " SEEN ",
            " SINCE 31-Feb-2000",
            " LARGER -1",
            " YOUNGER 0",
            " HEADER a",
            " RETURN (FOO) ALL",
            " FROM",
            " KEYWORD \"a\"",
            " EMAILID \"\"",
            " MODSEQ \"x\" 5",
            " RETURN (ALL)",
        ] {
            assert!(search("SEARCH", text).is_err(), "{text}");
        }
        for text in [
            " DATE UTF-8 ALL",
            " () UTF-8 ALL",
            " (REVERSE) UTF-8 ALL",
            " (DATE) ALL",
            " (FOO) UTF-8 ALL",
        ] {
            assert!(search("SORT", text).is_err(), "{text}");
        }
        assert!(search("THREAD", " FOO UTF-8 ALL").is_err());
    }
}
