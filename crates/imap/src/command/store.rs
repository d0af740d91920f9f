//! `STORE`, and lists of flags.
//!
//! Source: RFC 9051 section 6.4.6, RFC 7162 section 3.1.3.

use mailwright_view::Flags;

use super::{Cursor, Malformed, Read, Set};
use crate::Change;

/// `STORE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Of which messages.
    pub set: Set,
    /// Whether these are UIDs.
    pub uid: bool,
    /// Messages changed after this mod-sequence are left alone.
    pub unchanged_since: Option<u64>,
    /// What changes.
    pub change: Change,
    /// Whether the new flags need not be told.
    pub silent: bool,
}

pub(super) fn parse(cursor: &mut Cursor<'_>, uid: bool) -> Read<Store> {
    cursor.space()?;
    let set = Set::parse(cursor)?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list(1, |cursor| {
            if !cursor.eat_word("UNCHANGEDSINCE") {
                return Err(Malformed::Expected("UNCHANGEDSINCE"));
            }
            cursor.space()?;
            unchanged_since = Some(cursor.number64()?);
            Ok(())
        })?;
        cursor.space()?;
    }
    let (adds, removes) = (cursor.eat(b'+'), cursor.eat(b'-'));
    let silent = cursor.eat_word("FLAGS.SILENT");
    if (adds && removes) || (!silent && !cursor.eat_word("FLAGS")) {
        return Err(Malformed::Expected("FLAGS, +FLAGS or -FLAGS"));
    }
    cursor.space()?;
    let (system, keywords) = flags(cursor)?;
    let change = match (adds, removes) {
        (true, _) => Change::Add { system, keywords },
        (_, true) => Change::Remove { system, keywords },
        _ => Change::Set { system, keywords },
    };
    Ok(Store { set, uid, unchanged_since, change, silent })
}

/// Flags with or without parentheses. `\Recent` is read and means nothing.
pub(super) fn flags(cursor: &mut Cursor<'_>) -> Read<(u8, Vec<Box<str>>)> {
    let (mut system, mut keywords) = (0, Vec::new());
    if cursor.peek() == Some(b'(') {
        cursor.list(0, |cursor| flag(cursor, &mut system, &mut keywords))?;
        return Ok((system, keywords));
    }
    flag(cursor, &mut system, &mut keywords)?;
    while cursor.eat(b' ') {
        flag(cursor, &mut system, &mut keywords)?;
    }
    Ok((system, keywords))
}

/// Longest keyword.
const KEYWORD_MAX: usize = 100;
/// Most keywords of one command; a mailbox has room for fewer.
const KEYWORDS_MAX: usize = 128;

fn flag(cursor: &mut Cursor<'_>, system: &mut u8, keywords: &mut Vec<Box<str>>) -> Read<()> {
    if !cursor.eat(b'\\') {
        let keyword = cursor.atom("a flag")?;
        if keyword.len() > KEYWORD_MAX || keywords.len() >= KEYWORDS_MAX {
            return Err(Malformed::Many("letters or keywords"));
        }
        if !keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword)) {
            keywords.push(keyword.into());
        }
        return Ok(());
    }
    let name = cursor.atom("a flag")?;
    let named = |known: &str| known.get(1..).is_some_and(|known| known.eq_ignore_ascii_case(name));
    let bit = Flags::NAMES.iter().find(|(_, known)| named(known)).map(|(bit, _)| *bit);
    match bit {
        Some(bit) => *system |= bit,
        None if name.eq_ignore_ascii_case("Recent") => {}
        None => return Err(Malformed::Expected("a flag of the standard")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Read<Store> {
        let mut cursor = Cursor::new(text.as_bytes(), 4);
        let store = parse(&mut cursor, false)?;
        cursor.end()?;
        Ok(store)
    }

    #[test]
    fn changes_are_read_in_each_form() {
        let read = store(" 1:2 (UNCHANGEDSINCE 12) +flags.silent (\\seen $Junk \\DELETED $junk)");
        let read = read.unwrap();
        assert_eq!((read.unchanged_since, read.silent), (Some(12), true));
        let system = Flags::SEEN | Flags::DELETED;
        assert_eq!(read.change, Change::Add { system, keywords: vec!["$Junk".into()] });
        assert_eq!(
            store(" 1 FLAGS ()").unwrap().change,
            Change::Set { system: 0, keywords: vec![] }
        );
        let read = store(" 1 -FLAGS \\Draft a").unwrap();
        assert_eq!(
            read.change,
            Change::Remove { system: Flags::DRAFT, keywords: vec!["a".into()] }
        );
        for bad in [
            " 1 FLAGS",
            " 1 FLAGS (",
            " 1 +-FLAGS a",
            " 1 FLAGS \\Foo",
            " 1 FLAG a",
            " 1 FLAGS ((a))",
            " 1 (UNCHANGEDSINCE) FLAGS a",
            " 1 () FLAGS a",
            " FLAGS a",
            " 1 FLAGS \"a\"",
        ] {
            assert!(store(bad).is_err(), "{bad}");
        }
    }
}
