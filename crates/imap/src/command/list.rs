//! `LIST`, `LSUB` and the items of `STATUS`.
//!
//! Source: RFC 9051 sections 6.3.9 and 6.3.11, RFC 5258, RFC 5819, RFC 6154, RFC 8438, RFC 3501
//! section 6.3.9.

use super::{Cursor, Malformed, Read};

/// `LIST` and `LSUB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What stands before each pattern.
    pub reference: Box<[u8]>,
    /// The patterns.
    pub patterns: Vec<Box<[u8]>>,
    /// Which names are wanted.
    pub select: Select,
    /// What is to be told of them.
    pub returns: Return,
    /// Whether it is `LSUB`.
    pub lsub: bool,
    /// Whether it is written in a way of RFC 5258.
    pub extended: bool,
}

/// Which names are wanted. Source: RFC 5258 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Select {
    /// Those subscribed to.
    pub subscribed: bool,
    /// Also those above such, with `CHILDINFO`.
    pub recursive: bool,
    /// Those with a special use.
    pub special_use: bool,
}

/// What is to be told of names. Source: RFC 5258 section 3.2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Return {
    /// Whether they are subscribed to.
    pub subscribed: bool,
    /// Whether there are others below.
    pub children: bool,
    /// What they are for.
    pub special_use: bool,
    /// How full they are.
    pub status: Vec<StatusItem>,
}

/// One thing that `STATUS` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// `MESSAGES`.
    Messages,
    /// `RECENT`. Source: RFC 3501 section 6.3.10.
    Recent,
    /// `UIDNEXT`.
    UidNext,
    /// `UIDVALIDITY`.
    UidValidity,
    /// `UNSEEN`.
    Unseen,
    /// `DELETED`.
    Deleted,
    /// `SIZE`.
    Size,
    /// `HIGHESTMODSEQ`. Source: RFC 7162 section 3.1.7.
    HighestModSeq,
    /// `MAILBOXID`. Source: RFC 8474 section 4.3.
    MailboxId,
    /// `APPENDLIMIT`. Source: RFC 7889 section 4.
    AppendLimit,
    /// `DELETED-STORAGE`. Source: RFC 9208 section 4.1.4.
    DeletedStorage,
}

impl StatusItem {
    const NAMES: [(Self, &'static str); 11] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::MailboxId, "MAILBOXID"),
        (Self::AppendLimit, "APPENDLIMIT"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}

/// Most patterns of one command.
const PATTERNS_MAX: usize = 32;

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<List> {
    cursor.space()?;
    let mut list = List {
        reference: Box::default(),
        patterns: Vec::new(),
        select: Select::default(),
        returns: Return::default(),
        lsub: false,
        extended: false,
    };
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        selection(cursor, &mut list.select)?;
        cursor.space()?;
    }
    list.reference = cursor.astring("a reference name")?.into();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        cursor.list(1, |cursor| {
            list.patterns.push(cursor.pattern()?.into());
            let many = list.patterns.len() > PATTERNS_MAX;
            if many { Err(Malformed::Many("patterns")) } else { Ok(()) }
        })?;
    } else {
        list.patterns.push(cursor.pattern()?.into());
    }
    if cursor.eat(b' ') {
        list.extended = true;
        if !cursor.eat_word("RETURN") {
            return Err(Malformed::Expected("RETURN"));
        }
        cursor.space()?;
        returns(cursor, &mut list.returns)?;
    }
    list.returns.subscribed |= list.select.subscribed;
    list.returns.special_use |= list.select.special_use;
    Ok(list)
}

pub(super) fn parse_lsub(cursor: &mut Cursor<'_>) -> Read<List> {
    cursor.space()?;
    let reference = cursor.astring("a reference name")?.into();
    cursor.space()?;
    let patterns = vec![cursor.pattern()?.into()];
    let select = Select { subscribed: true, ..Select::default() };
    Ok(List {
        reference,
        patterns,
        select,
        returns: Return::default(),
        lsub: true,
        extended: false,
    })
}

fn selection(cursor: &mut Cursor<'_>, select: &mut Select) -> Read<()> {
    cursor.list(0, |cursor| {
        match cursor.word("a selection option")?.as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "RECURSIVEMATCH" => select.recursive = true,
            "SPECIAL-USE" => select.special_use = true,
            // There are none on other servers.
            "REMOTE" => {}
            _ => return Err(Malformed::Expected("a known selection option")),
        }
        Ok(())
    })?;
    // Alone it selects nothing: RFC 5258 section 3.1.
    if select.recursive && !select.subscribed && !select.special_use {
        return Err(Malformed::Expected("SUBSCRIBED beside RECURSIVEMATCH"));
    }
    Ok(())
}

fn returns(cursor: &mut Cursor<'_>, returns: &mut Return) -> Read<()> {
    cursor.list(0, |cursor| {
        match cursor.word("a return option")?.as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                cursor.space()?;
                returns.status = status_items(cursor)?;
            }
            _ => return Err(Malformed::Expected("a known return option")),
        }
        Ok(())
    })
}

/// `(MESSAGES UIDNEXT)`, each once.
pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Read<Vec<StatusItem>> {
    const WHAT: Malformed = Malformed::Expected("a known status item");
    let mut items = Vec::new();
    cursor.list(1, |cursor| {
        let word = cursor.word("a status item")?;
        let found = StatusItem::NAMES.iter().find(|(_, name)| *name == word).ok_or(WHAT)?;
        if !items.contains(&found.0) {
            items.push(found.0);
        }
        Ok(())
    })?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Read<List> {
        let mut cursor = Cursor::new(text.as_bytes(), 4);
        let list = parse(&mut cursor)?;
        cursor.end()?;
        Ok(list)
    }

    #[test]
    fn lists_are_read_in_each_form() {
        let plain = list(" \"\" *").unwrap();
        assert!(!plain.extended && &*plain.patterns[0] == b"*");
        let text = " (SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" a/%) \
                    RETURN (CHILDREN STATUS (MESSAGES SIZE MESSAGES))";
        let extended = list(text).unwrap();
        assert!(extended.select.recursive && extended.returns.subscribed);
        assert_eq!(extended.patterns.len(), 2);
        assert_eq!(extended.returns.status, [StatusItem::Messages, StatusItem::Size]);
        for bad in [
            " \"\"",
            " (RECURSIVEMATCH) \"\" *",
            " (FOO) \"\" *",
            " \"\" ()",
            " \"\" * RETURN",
            " \"\" * RETURN (FOO)",
            " \"\" * RETURN (STATUS ())",
            " \"\" * FOO (CHILDREN)",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }
}
