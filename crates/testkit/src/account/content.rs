//! What messages contain, rendered anew at each question.

use std::sync::Arc;

use mailwright_imap::{Fetched, Need, Part, Partial, Piece, Refusal, Section};
use mailwright_mime::{Encoding, Of, Parts, Structure, decode_transfer, header_fields, render};
use mailwright_words::Id;

/// What of a message meets a need.
enum Met {
    Octets(Vec<u8>),
    Piece(Piece),
}

/// The needs of each message, met.
pub(super) fn fetched(
    messages: &[Option<Arc<Vec<u8>>>],
    needs: &[Need],
    inline_max: usize,
) -> Fetched {
    let mut fetched = Fetched::default();
    for message in messages {
        for need in needs {
            let Some(message) = message else {
                fetched.pieces.push(Piece::Gone);
                continue;
            };
            match met(message, need) {
                Met::Piece(piece) => fetched.pieces.push(piece),
                Met::Octets(octets) if octets.len() > inline_max && may_be_large(need) => {
                    let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
                    fetched.pieces.push(Piece::Large(size));
                }
                Met::Octets(octets) => fetched.push(&octets),
            }
        }
    }
    fetched
}

/// Octets of a large piece.
pub(super) fn chunk(
    message: &[u8],
    need: &Need,
    offset: u64,
    octets: usize,
) -> Result<Vec<u8>, Refusal> {
    let Met::Octets(all) = met(message, need) else { return Err(Refusal::ServerBug) };
    let start = usize::try_from(offset).map_err(|_far| Refusal::ServerBug)?;
    let chunk = all.get(start..start.saturating_add(octets)).ok_or(Refusal::ServerBug)?;
    Ok(chunk.to_vec())
}

const fn may_be_large(need: &Need) -> bool {
    matches!(need, Need::Section { .. } | Need::Binary { .. })
}

fn met(message: &[u8], need: &Need) -> Met {
    match need {
        Need::Envelope => Met::Octets(render(message).envelope),
        Need::Body => Met::Octets(render(message).body),
        Need::BodyStructure => Met::Octets(render(message).body_structure),
        Need::Preview { lazy: _ } => Met::Octets(render(message).preview.into_bytes()),
        Need::ThreadId => {
            let rendered = render(message);
            let first = rendered.references.first().copied().or(rendered.message_id_hash);
            Met::Piece(Piece::Id(Id::from_i64(first.unwrap_or_default())))
        }
        Need::Section { section, partial } => match of_section(message, section) {
            Some(octets) => Met::Octets(cut(octets, *partial)),
            None => Met::Piece(Piece::Nil),
        },
        Need::Binary { part, partial } => match binary(message, part) {
            Ok(octets) => Met::Octets(cut(octets, *partial)),
            Err(piece) => Met::Piece(piece),
        },
        Need::BinarySize { part } => Met::Piece(match binary(message, part) {
            Ok(octets) => Piece::Number(u64::try_from(octets.len()).unwrap_or(u64::MAX)),
            Err(piece) => piece,
        }),
    }
}

fn cut(octets: Vec<u8>, partial: Option<Partial>) -> Vec<u8> {
    let Some(Partial { offset, octets: count }) = partial else { return octets };
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    octets.into_iter().skip(place(offset)).take(place(count)).collect()
}

fn of_section(message: &[u8], section: &Section) -> Option<Vec<u8>> {
    let of = match section.of {
        Part::All => Of::All,
        Part::Text => Of::Text,
        Part::Mime => Of::Mime,
        Part::Header | Part::HeaderFields(_) | Part::HeaderFieldsNot(_) => Of::Header,
    };
    let range = Parts::new(&Structure::parse(message)).range(&section.part, of)?;
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    let octets = message.get(start..end)?;
    let named = |names: &[Box<str>], not: bool| {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        header_fields(octets, &names, not)
    };
    Some(match &section.of {
        Part::HeaderFields(names) => named(names, false),
        Part::HeaderFieldsNot(names) => named(names, true),
        _ => octets.to_vec(),
    })
}

fn binary(message: &[u8], part: &[u32]) -> Result<Vec<u8>, Piece> {
    let found = Parts::new(&Structure::parse(message)).find(part, Of::All).ok_or(Piece::Nil)?;
    if found.encoding == Encoding::Unknown {
        return Err(Piece::UnknownCte);
    }
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let range = place(found.range.start)..place(found.range.end);
    let octets = message.get(range).unwrap_or_default();
    Ok(decode_transfer(found.encoding, octets).into_owned())
}
