//! Writes `ENVELOPE`. Source: RFC 9051 section 7.5.2, RFC 5256 section 2.1.

use super::{nstring, string};
use crate::address::{self, Entry};
use crate::header::{Known, unfold};
use crate::structure::Part;

/// The most addresses of a field that an envelope shows.
pub const ADDRESSES_MAX: usize = 5000;

/// The `ENVELOPE` of a message: of the whole one, or of an attached one's own part.
pub fn envelope(message: &Part<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(&mut out, &message.known);
    out
}

pub(super) fn write(out: &mut Vec<u8>, known: &Known<'_>) {
    out.push(b'(');
    text(out, known.date);
    out.push(b' ');
    text(out, known.subject);
    out.push(b' ');
    let start = out.len();
    addresses(out, known.from);
    let from = start..out.len();
    for field in [known.sender, known.reply_to] {
        out.push(b' ');
        let start = out.len();
        addresses(out, field);
        // An absent or empty field is what `From` is.
        if out.get(start..) == Some(b"NIL") {
            out.truncate(start);
            out.extend_from_within(from.clone());
        }
    }
    for field in [known.to, known.cc, known.bcc] {
        out.push(b' ');
        addresses(out, field);
    }
    out.push(b' ');
    text(out, known.in_reply_to);
    out.push(b' ');
    text(out, known.message_id);
    out.push(b')');
}

fn text(out: &mut Vec<u8>, value: Option<&[u8]>) {
    nstring(out, value.map(unfold).as_deref());
}

/// Writes a list of addresses; an empty one is `NIL`.
fn addresses(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let start = out.len();
    out.push(b'(');
    let mut left = ADDRESSES_MAX;
    let mut in_group = false;
    address::each(value.unwrap_or_default(), |entry| {
        match entry {
            // The end of a group that was shown is shown, too.
            Entry::GroupEnd if !in_group => return,
            Entry::GroupEnd => in_group = false,
            _ if left == 0 => return,
            Entry::Group(_) => in_group = true,
            Entry::Mailbox(_) => {}
        }
        left = left.saturating_sub(1);
        one(out, &entry);
    });
    if out.len() == start + 1 {
        out.truncate(start);
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b')');
    }
}

fn one(out: &mut Vec<u8>, entry: &Entry<'_>) {
    match entry {
        Entry::Group(name) => {
            out.extend_from_slice(b"(NIL NIL ");
            string(out, name);
            out.extend_from_slice(b" NIL)");
        }
        Entry::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        Entry::Mailbox(mailbox) => {
            out.push(b'(');
            nstring(out, mailbox.name);
            out.push(b' ');
            nstring(out, mailbox.route);
            out.push(b' ');
            // `NIL` in one of these would make it a group.
            string(out, mailbox.local);
            out.push(b' ');
            string(out, mailbox.domain);
            out.push(b')');
        }
    }
}
