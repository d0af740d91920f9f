//! A command as a value: every verb of IMAP and of our extensions, read once.
//!
//! Whether a command may come now, and whether a mailbox of its name can be, is the session's
//! question. What depends on the mailbox, such as the numbers within a search, is looked up
//! through [`Lookup`] while reading. Source: RFC 9051 section 6, and what each module names.

mod append;
mod cursor;
pub(crate) mod date;
mod fetch;
mod list;
mod malformed;
mod search;
mod set;
mod store;

use std::borrow::Cow;

use mailwright_view::NumberSet;

pub(crate) use append::{Append, Prefix, is_append};
pub(crate) use cursor::{Announced, Cursor, is_atom};
pub use fetch::{Fetch, Item, Kind};
pub use list::{List, Return, Select as Selection, StatusItem};
pub use malformed::Malformed;
pub use search::{Order, Results, Search};
pub use set::Set;
pub use store::Store;

use crate::{Password, Settings, SpecialUse};

type Read<T> = Result<T, Malformed>;

/// A mailbox name as it came; in which encoding is the session's question.
pub type Name = Box<[u8]>;

/// A command, without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `CAPABILITY`.
    Capability,
    /// `NOOP`.
    Noop,
    /// `CHECK`.
    Check,
    /// `LOGOUT`.
    Logout,
    /// `ID`. Source: RFC 2971.
    Id(Vec<(String, Option<String>)>),
    /// `STARTTLS`.
    StartTls,
    /// `AUTHENTICATE`.
    Authenticate {
        /// In upper case.
        mechanism: String,
        /// The initial response in base64, or `=`. Source: RFC 4959.
        initial: Option<Box<str>>,
    },
    /// `LOGIN`.
    Login {
        /// Who.
        name: Box<[u8]>,
        /// With what.
        password: Password,
    },
    /// `ENABLE`, in upper case. Source: RFC 5161.
    Enable(Vec<String>),
    /// `SELECT` and `EXAMINE`.
    Select(Box<Select>),
    /// `CREATE`.
    Create {
        /// The mailbox.
        name: Name,
        /// What for; `None` is a use that nobody knows. Source: RFC 6154 section 3.
        special_use: Vec<Option<SpecialUse>>,
    },
    /// `DELETE`.
    Delete(Name),
    /// `RENAME`.
    Rename(Name, Name),
    /// `SUBSCRIBE`, and with `false` `UNSUBSCRIBE`.
    Subscribe(Name, bool),
    /// `LIST` and `LSUB`.
    List(Box<List>),
    /// `NAMESPACE`. Source: RFC 2342.
    Namespace,
    /// `STATUS`.
    Status(Name, Vec<StatusItem>),
    /// `IDLE`. Source: RFC 2177.
    Idle,
    /// `GETQUOTA`. Source: RFC 9208.
    GetQuota(Box<[u8]>),
    /// `GETQUOTAROOT`.
    GetQuotaRoot(Name),
    /// `SETQUOTA`.
    SetQuota,
    /// `CLOSE`.
    Close,
    /// `UNSELECT`. Source: RFC 3691.
    Unselect,
    /// `EXPUNGE`, and `UID EXPUNGE` with its set. Source: RFC 4315.
    Expunge(Option<Set>),
    /// `FETCH`.
    Fetch(Box<Fetch>),
    /// `STORE`.
    Store(Box<Store>),
    /// `COPY` and `MOVE`. Source: RFC 6851.
    Copy {
        /// Which messages.
        set: Set,
        /// Whether these are UIDs.
        uid: bool,
        /// Where to.
        to: Name,
        /// `MOVE`.
        moves: bool,
    },
    /// `SEARCH`, `SORT` and `THREAD`.
    Search(Box<Search>),
}

/// `SELECT` and `EXAMINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub name: Name,
    /// `EXAMINE`.
    pub read_only: bool,
    /// `CONDSTORE`. Source: RFC 7162 section 3.1.8.
    pub condstore: bool,
    /// `QRESYNC`. Source: RFC 7162 section 3.2.5.
    pub resync: Option<Resync>,
}

/// What a client knows of a mailbox that it opens again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// Its UIDVALIDITY.
    pub uidvalidity: u32,
    /// The last change it knows.
    pub since: u64,
    /// The UIDs it knows; `None` for all there were.
    pub known: Option<NumberSet>,
}

/// What only the session knows of a search's words.
pub trait Lookup {
    /// The UIDs of these sequence numbers.
    fn seqs(&self, set: &Set) -> NumberSet;
    /// These UIDs.
    fn uids(&self, set: &Set) -> NumberSet;
    /// The UIDs of the recent messages.
    fn recent(&self) -> NumberSet;
}

/// The look-up of nobody's mailbox.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Lookup for Nothing {
    fn seqs(&self, _set: &Set) -> NumberSet {
        NumberSet::new()
    }

    fn uids(&self, _set: &Set) -> NumberSet {
        NumberSet::new()
    }

    fn recent(&self) -> NumberSet {
        NumberSet::new()
    }
}

/// The tag of a command, and the rest of it.
///
/// Errors: [`Malformed::Tag`].
pub(crate) fn tag(octets: &[u8]) -> Read<(&str, &[u8])> {
    let end = octets.iter().position(|&octet| octet == b' ').unwrap_or(octets.len());
    let (tag, rest) = octets.split_at(end);
    let known = |&octet: &u8| (is_atom(octet) && octet != b'+') || octet == b']';
    let sound = !tag.is_empty() && tag.len() <= TAG_MAX && tag.iter().all(known);
    let tag = str::from_utf8(tag).ok().filter(|_| sound).ok_or(Malformed::Tag)?;
    Ok((tag, rest.get(1..).unwrap_or_default()))
}

/// Whether it is a request for the web: a browser was led here, and what it says next is not its
/// own.
pub(crate) fn is_web(octets: &[u8]) -> bool {
    const VERBS: [&[u8]; 7] = [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH"];
    VERBS.iter().any(|verb| octets.strip_prefix(*verb).is_some_and(|rest| rest.starts_with(b" /")))
}

/// Whether the command, given without its tag, may hold literals; `early`: before login.
///
/// Errors: its verb is unknown, or it takes none.
pub(crate) fn takes_literals(octets: &[u8], early: bool) -> Read<()> {
    const EARLY: [&str; 2] = ["LOGIN", "ID"];
    const LATE: [&str; 24] = [
        "LOGIN",
        "ID",
        "SELECT",
        "EXAMINE",
        "CREATE",
        "DELETE",
        "RENAME",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST",
        "LSUB",
        "STATUS",
        "APPEND",
        "GETQUOTA",
        "GETQUOTAROOT",
        "SETQUOTA",
        "FETCH",
        "SEARCH",
        "SORT",
        "THREAD",
        "COPY",
        "MOVE",
        "STORE",
        "UID",
    ];
    let verb = Cursor::new(octets, 1).word("a command")?;
    let known = if early { EARLY.as_slice() } else { LATE.as_slice() };
    if known.contains(&verb.as_str()) {
        return Ok(());
    }
    let known =
        LATE.contains(&verb.as_str()) || general(&verb, &mut Cursor::new(&[], 1)) != Ok(None);
    Err(if known { Malformed::Literal } else { Malformed::Verb })
}

/// Longest tag we answer to.
const TAG_MAX: usize = 200;

impl Command {
    /// Reads what stands behind the tag, without the CRLF at the end.
    ///
    /// Errors: what is wrong with it.
    pub fn parse(octets: &[u8], settings: &Settings, lookup: &dyn Lookup) -> Read<Self> {
        let mut cursor = Cursor::new(octets, settings.nesting_max);
        let verb = cursor.word("a command")?;
        let command = match verb.as_str() {
            "UID" => {
                cursor.space()?;
                let verb = cursor.word("a command")?;
                message(&verb, true, &mut cursor, settings, lookup)?
            }
            verb => general(verb, &mut cursor)?
                .map_or_else(|| message(verb, false, &mut cursor, settings, lookup), Ok)?,
        };
        cursor.end()?;
        Ok(command)
    }
}

/// Commands that are not of messages.
fn general(verb: &str, cursor: &mut Cursor<'_>) -> Read<Option<Command>> {
    Ok(Some(match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "CHECK" => Command::Check,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(None),
        "ID" => id(cursor)?,
        "AUTHENTICATE" => authenticate(cursor)?,
        "LOGIN" => login(cursor)?,
        "ENABLE" => enable(cursor)?,
        "SELECT" => select(cursor, false)?,
        "EXAMINE" => select(cursor, true)?,
        "CREATE" => create(cursor)?,
        "DELETE" => Command::Delete(mailbox(cursor)?),
        "RENAME" => Command::Rename(mailbox(cursor)?, mailbox(cursor)?),
        "SUBSCRIBE" => Command::Subscribe(mailbox(cursor)?, true),
        "UNSUBSCRIBE" => Command::Subscribe(mailbox(cursor)?, false),
        "LIST" => Command::List(Box::new(list::parse(cursor)?)),
        "LSUB" => Command::List(Box::new(list::parse_lsub(cursor)?)),
        "STATUS" => {
            let name = mailbox(cursor)?;
            cursor.space()?;
            Command::Status(name, list::status_items(cursor)?)
        }
        "GETQUOTA" => Command::GetQuota(argument(cursor, "a quota root")?.into()),
        "GETQUOTAROOT" => Command::GetQuotaRoot(mailbox(cursor)?),
        "SETQUOTA" => set_quota(cursor)?,
        // With a message it is read elsewhere.
        "APPEND" => return Err(Malformed::Expected("a mailbox and a message")),
        _ => return Ok(None),
    }))
}

/// Commands of messages.
fn message(
    verb: &str,
    uid: bool,
    cursor: &mut Cursor<'_>,
    settings: &Settings,
    lookup: &dyn Lookup,
) -> Read<Command> {
    match verb {
        "FETCH" => fetch::parse(cursor, uid, settings).map(|fetch| Command::Fetch(Box::new(fetch))),
        "STORE" => store::parse(cursor, uid).map(|store| Command::Store(Box::new(store))),
        "COPY" | "MOVE" => {
            cursor.space()?;
            let set = Set::parse(cursor)?;
            let to = mailbox(cursor)?;
            Ok(Command::Copy { set, uid, to, moves: verb == "MOVE" })
        }
        "SEARCH" | "SORT" | "THREAD" => {
            let search = search::parse(verb, cursor, settings, lookup)?;
            Ok(Command::Search(Box::new(Search { uid, ..search })))
        }
        "EXPUNGE" if uid => {
            cursor.space()?;
            Ok(Command::Expunge(Some(Set::parse(cursor)?)))
        }
        _ => Err(Malformed::Verb),
    }
}

fn argument<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Read<Cow<'a, [u8]>> {
    cursor.space()?;
    cursor.astring(what)
}

/// A space and a mailbox name.
pub(crate) fn mailbox(cursor: &mut Cursor<'_>) -> Read<Name> {
    Ok(argument(cursor, "a mailbox name")?.into())
}

fn utf8(octets: &[u8]) -> Read<&str> {
    str::from_utf8(octets).map_err(|_invalid| Malformed::Utf8)
}

/// Source: RFC 2971 section 3.
fn id(cursor: &mut Cursor<'_>) -> Read<Command> {
    const FIELDS_MAX: usize = 30;
    cursor.space()?;
    if cursor.eat_word("NIL") {
        return Ok(Command::Id(Vec::new()));
    }
    let mut fields = Vec::new();
    let mut name: Option<String> = None;
    cursor.list(0, |cursor| {
        if let Some(name) = name.take() {
            let value = cursor.nstring("a string or NIL")?;
            let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            fields.push((name, value));
        } else {
            let field = cursor.string("a string")?;
            name = Some(String::from_utf8_lossy(&field).into_owned());
        }
        if fields.len() > FIELDS_MAX { Err(Malformed::Many("fields")) } else { Ok(()) }
    })?;
    match name {
        Some(_) => Err(Malformed::Expected("a value for each field")),
        None => Ok(Command::Id(fields)),
    }
}

fn authenticate(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let mechanism = cursor.word("a mechanism")?;
    let mut initial = None;
    if cursor.eat(b' ') {
        let octets = cursor.rest();
        let known = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
        let text = utf8(octets)?;
        if text.is_empty() || !octets.iter().all(known) {
            return Err(Malformed::Expected("base64 or ="));
        }
        initial = Some(text.into());
        *cursor = Cursor::new(&[], 0);
    }
    Ok(Command::Authenticate { mechanism, initial })
}

fn login(cursor: &mut Cursor<'_>) -> Read<Command> {
    let name = argument(cursor, "a user name")?.into();
    let password = Password(argument(cursor, "a password")?.into_owned());
    Ok(Command::Login { name, password })
}

fn enable(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mut names = Vec::new();
    while names.is_empty() || !cursor.is_end() {
        cursor.space()?;
        names.push(cursor.word("a capability")?);
    }
    Ok(Command::Enable(names))
}

/// Source: RFC 7162 section 3.2.5.
fn select(cursor: &mut Cursor<'_>, read_only: bool) -> Read<Command> {
    let mut select = Select { name: mailbox(cursor)?, read_only, condstore: false, resync: None };
    if cursor.eat(b' ') {
        cursor.list(1, |cursor| {
            if cursor.eat_word("CONDSTORE") {
                select.condstore = true;
            } else if cursor.eat_word("QRESYNC") {
                cursor.space()?;
                select.resync = Some(resync(cursor)?);
            } else {
                return Err(Malformed::Expected("CONDSTORE or QRESYNC"));
            }
            Ok(())
        })?;
    }
    Ok(Command::Select(Box::new(select)))
}

/// `(uidvalidity modseq [known [(seqs uids)]])`.
fn resync(cursor: &mut Cursor<'_>) -> Read<Resync> {
    cursor.expect(b'(', "an opening parenthesis")?;
    let uidvalidity = cursor.positive()?;
    cursor.space()?;
    let since = cursor.number64()?;
    let mut known = None;
    if cursor.eat(b' ') {
        if cursor.peek() != Some(b'(') {
            known = Some(Set::known(cursor)?);
        }
        if known.is_none() || cursor.eat(b' ') {
            // What the client matched of numbers and UIDs only saves telling what it knows.
            cursor.expect(b'(', "an opening parenthesis")?;
            Set::known(cursor)?;
            cursor.space()?;
            Set::known(cursor)?;
            cursor.expect(b')', "a closing parenthesis")?;
        }
    }
    cursor.expect(b')', "a closing parenthesis")?;
    Ok(Resync { uidvalidity, since, known })
}

/// Source: RFC 6154 section 3.
fn create(cursor: &mut Cursor<'_>) -> Read<Command> {
    let name = mailbox(cursor)?;
    let mut special_use = Vec::new();
    if cursor.eat(b' ') {
        cursor.list(1, |cursor| {
            if !cursor.eat_word("USE") {
                return Err(Malformed::Expected("USE"));
            }
            cursor.space()?;
            cursor.list(0, |cursor| {
                cursor.expect(b'\\', "a special use")?;
                let name = cursor.atom("a special use")?;
                special_use.push(SpecialUse::named(&format!("\\{name}")));
                Ok(())
            })
        })?;
    }
    Ok(Command::Create { name, special_use })
}

fn set_quota(cursor: &mut Cursor<'_>) -> Read<Command> {
    argument(cursor, "a quota root")?;
    cursor.space()?;
    let mut is_name = false;
    cursor.list(0, |cursor| {
        is_name = !is_name;
        if is_name { cursor.atom("a resource").map(|_| ()) } else { cursor.number64().map(|_| ()) }
    })?;
    if is_name { Err(Malformed::Expected("a limit")) } else { Ok(Command::SetQuota) }
}
