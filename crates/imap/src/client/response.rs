//! What a server tells, as values.
//!
//! Source: RFC 9051 section 7, RFC 2342, RFC 6154.

use mailwright_words::Timestamp;

use super::{
    Fault,
    reader::{NString, Reader},
};
use crate::command::{Cursor, date};

/// What a server tells beside the ends of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The personal namespace: what stands before its names, and their separator.
    Namespace(Vec<u8>, Option<char>),
    /// A mailbox.
    Listed(Listed),
    /// How many messages a mailbox has.
    Status {
        /// As it came.
        name: Vec<u8>,
        /// Its messages.
        messages: u32,
    },
    /// How many messages the open mailbox has.
    Exists(u32),
    /// The message of this number is gone.
    Expunged(u32),
    /// The set of UIDs that the open mailbox gives out.
    UidValidity(u32),
    /// Something of a message.
    Message(Box<Message>),
    /// What the server can do; the session keeps it.
    Capabilities(Vec<String>),
    /// Something else.
    Other,
}

/// A mailbox in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Such as `\Noselect` and `\Sent`.
    pub attributes: Vec<String>,
    /// What parts the levels of its name; `None`: it has one level.
    pub separator: Option<char>,
    /// Its name, as it came.
    pub name: Vec<u8>,
}

impl Listed {
    /// Whether it has this attribute, in any case.
    pub fn is(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|one| one.eq_ignore_ascii_case(attribute))
    }
}

/// What is told of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Its sequence number.
    pub number: u32,
    /// Its UID.
    pub uid: Option<u32>,
    /// Its flags.
    pub flags: Option<Vec<String>>,
    /// When it was received.
    pub internal_date: Option<Timestamp>,
    /// Its octets, as the server counts them.
    pub size: Option<u64>,
    /// Its content, which a server may not have.
    pub content: Option<NString>,
}

/// `OK`, `NO` and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// The end of a command, or a word of the server.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) word: Word,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) uid_validity: Option<u32>,
    pub(super) text: String,
}

/// A status, if one comes; else the reader stays where it is.
pub(super) fn status(reader: &mut Reader) -> Option<Status> {
    let known = [
        ("OK", Word::Ok),
        ("NO", Word::No),
        ("BAD", Word::Bad),
        ("BYE", Word::Bye),
        ("PREAUTH", Word::PreAuth),
    ];
    let is_here = |name: &str| {
        let line = reader.line();
        let head = line.get(..name.len()).is_some_and(|w| w.eq_ignore_ascii_case(name.as_bytes()));
        head && line.get(name.len()).is_none_or(|octet| *octet == b' ')
    };
    let (name, word) = known.into_iter().find(|(name, _)| is_here(name))?;
    reader.skip(name.len());
    reader.eat(b' ');
    let mut status = Status { word, capabilities: None, uid_validity: None, text: String::new() };
    if reader.eat(b'[') {
        match reader.word().to_ascii_uppercase().as_str() {
            "CAPABILITY" => status.capabilities = Some(capabilities(reader)),
            "UIDVALIDITY" if reader.eat(b' ') => status.uid_validity = reader.number(),
            _ => {}
        }
        // What is left of the code. A text without a bracket is all code.
        while !reader.line().is_empty() && !reader.eat(b']') {
            reader.skip(1);
        }
        reader.eat(b' ');
    }
    status.text = reader.text();
    Some(status)
}

fn capabilities(reader: &mut Reader) -> Vec<String> {
    let mut known = Vec::new();
    while reader.eat(b' ') {
        let word = reader.word();
        if !word.is_empty() {
            known.push(word);
        }
    }
    known
}

/// What an untagged response says that is no status.
///
/// Errors: it is one of those we need, and makes no sense.
pub(super) fn data(reader: &mut Reader) -> Result<Data, Fault> {
    if reader.line().first().is_some_and(u8::is_ascii_digit) {
        return numbered(reader).ok_or_else(|| reader.fault());
    }
    let read = match reader.word().to_ascii_uppercase().as_str() {
        "CAPABILITY" => Some(Data::Capabilities(capabilities(reader))),
        "LIST" => listed(reader).map(Data::Listed),
        "STATUS" => mailbox_status(reader),
        "NAMESPACE" => namespace(reader),
        _ => Some(Data::Other),
    };
    read.ok_or_else(|| reader.fault())
}

fn numbered(reader: &mut Reader) -> Option<Data> {
    let number = reader.number()?;
    reader.eat(b' ');
    match reader.word().to_ascii_uppercase().as_str() {
        "EXISTS" => Some(Data::Exists(number)),
        "EXPUNGE" => Some(Data::Expunged(number)),
        "FETCH" if reader.eat(b' ') => {
            let message = Message { number, ..Message::default() };
            Some(Data::Message(Box::new(fetched(reader, message)?)))
        }
        _ => Some(Data::Other),
    }
}

fn fetched(reader: &mut Reader, mut message: Message) -> Option<Message> {
    if !reader.eat(b'(') {
        return None;
    }
    loop {
        if reader.eat(b')') {
            return Some(message);
        }
        if reader.eat(b' ') {
            continue;
        }
        let item = item(reader)?;
        match item.as_str() {
            "UID" => message.uid = Some(reader.number().filter(|uid| *uid > 0)?),
            "RFC822.SIZE" => message.size = Some(reader.number64()?),
            "FLAGS" => message.flags = Some(reader.words()?),
            "INTERNALDATE" => {
                message.internal_date = moment(&reader.nstring()?.octets().unwrap_or_default());
            }
            "BODY[]" => message.content = Some(reader.nstring()?),
            _ => reader.pass()?,
        }
    }
}

/// The name of an item with its section, such as `BODY[]`, and the space behind it.
fn item(reader: &mut Reader) -> Option<String> {
    let mut name = reader.word().to_ascii_uppercase();
    if reader.eat(b'[') {
        name.push('[');
        // A section may hold a list of field names.
        while !reader.eat(b']') {
            let octet = *reader.line().first()?;
            name.push(char::from(octet));
            reader.skip(1);
        }
        name.push(']');
        name.push_str(&reader.word());
    }
    (!name.is_empty() && reader.eat(b' ')).then_some(name)
}

fn moment(text: &[u8]) -> Option<Timestamp> {
    let quoted = [b"\"", text, b"\""].concat();
    date::moment(&mut Cursor::new(&quoted, 1)).ok()
}

fn listed(reader: &mut Reader) -> Option<Listed> {
    reader.eat(b' ').then_some(())?;
    let attributes = reader.words()?;
    reader.eat(b' ').then_some(())?;
    let separator = letter(reader.nstring()?);
    reader.eat(b' ').then_some(())?;
    Some(Listed { attributes, separator, name: reader.astring()? })
}

/// The letter that a string is.
fn letter(text: NString) -> Option<char> {
    let first = text.octets().and_then(|text| text.first().copied());
    first.filter(u8::is_ascii).map(char::from)
}

fn mailbox_status(reader: &mut Reader) -> Option<Data> {
    reader.eat(b' ').then_some(())?;
    let name = reader.astring()?;
    reader.eat(b' ').then_some(())?;
    let items = reader.words()?;
    let place = items.iter().position(|item| item.eq_ignore_ascii_case("MESSAGES"));
    let messages = place.and_then(|place| items.get(place + 1)?.parse().ok()).unwrap_or(0);
    Some(Data::Status { name, messages })
}

/// The first of the personal namespaces.
fn namespace(reader: &mut Reader) -> Option<Data> {
    reader.eat(b' ').then_some(())?;
    if !reader.starts_with(b"((") {
        return Some(Data::Namespace(Vec::new(), None));
    }
    reader.skip(2);
    let prefix = reader.string()?;
    reader.eat(b' ').then_some(())?;
    Some(Data::Namespace(prefix, letter(reader.nstring()?)))
}
