//! What FETCH tells of messages' contents: rendered pieces, and ranges of the bytes.
//!
//! A batch is read in one go on a thread that may wait, and ends when it has enough octets. A part
//! that is larger than a piece is sent in ranges, so that memory does not grow with messages.

use std::{ops::Range, sync::Arc};

use mailwright_imap::{Answer, Fetched, Need, Part, Partial, Piece, Refusal, Section};
use mailwright_mime::{
    CommonHeaders, Decoder, Encoding, Of, Parts, Rendered, Section as Place, decode_transfer,
    header_fields,
};
use mailwright_store::{
    Store, StoreError,
    mailbox::{Content, Wanted},
};
use mailwright_view::Row;
use mailwright_words::Id;

use super::conversation::{Conversation, refusal};

/// Messages of one batch.
const ROWS: usize = 2048;
/// Octets after which a batch ends.
const OCTETS: usize = 1 << 20;
/// A longer piece is sent in ranges.
const INLINE: u64 = 256 << 10;
/// Octets that are read at once while a part is decoded.
const STEP: u64 = 64 << 10;

impl Conversation {
    pub(super) async fn fetch(
        &mut self,
        mut rows: Vec<Row>,
        needs: Arc<[Need]>,
    ) -> Result<Answer, Refusal> {
        self.large = None;
        let id = self.mailbox()?;
        rows.truncate(ROWS);
        let fetched =
            self.door.store.off_thread(move |store| batch(store, id, &rows, &needs)).await;
        Ok(Answer::Fetched(fetched.map_err(|error| refusal(&error))?))
    }
}

/// Which columns the needs are met from.
fn wanted(needs: &[Need]) -> Wanted {
    let mut wanted = Wanted::default();
    for need in needs {
        match need {
            Need::Envelope => wanted.envelope = true,
            Need::Body => wanted.body = true,
            Need::BodyStructure => wanted.body_structure = true,
            Need::Preview { .. } => wanted.preview = true,
            Need::ThreadId => {}
            Need::Section { section: Section { part, of: Part::HeaderFields(_) }, .. }
                if part.is_empty() =>
            {
                wanted.headers = true;
                wanted.parts = true;
            }
            Need::Section { section: Section { part, of: Part::All }, .. } if part.is_empty() => {}
            Need::Section { .. } | Need::Binary { .. } | Need::BinarySize { .. } => {
                wanted.parts = true;
            }
        }
    }
    wanted
}

fn batch(store: &Store, mailbox: Id, rows: &[Row], needs: &[Need]) -> Result<Fetched, StoreError> {
    let wanted = wanted(needs);
    let mut fetched = Fetched::default();
    let mut rendered = Vec::new().into_iter();
    // Contents are long: what is kept of messages is read for few of them at a time then.
    let ahead = if needs.iter().all(is_kept) { rows.len() } else { 128 };
    for (place, row) in rows.iter().enumerate() {
        if place > 0 && fetched.octets.len() >= OCTETS {
            break;
        }
        if place % ahead.max(1) == 0 && !wanted.is_empty() {
            let some = rows.iter().skip(place).take(ahead).copied().collect::<Vec<_>>();
            rendered = store.rendered(mailbox, &some, wanted)?.into_iter();
        }
        let kept = if wanted.is_empty() { Some(None) } else { rendered.next().map(Some) };
        let message = match kept {
            Some(Some(Some(rendered))) => Message::new(store, row, rendered)?,
            Some(None) => Message { store, row, rendered: None, parts: None, content: None },
            Some(Some(None)) | None => {
                fetched.pieces.extend(needs.iter().map(|_| Piece::Gone));
                continue;
            }
        };
        message.meet(needs, &mut fetched)?;
    }
    Ok(fetched)
}

/// Whether a need is met without the message's bytes, mostly.
fn is_kept(need: &Need) -> bool {
    match need {
        Need::Section { section, .. } => {
            section.part.is_empty() && matches!(section.of, Part::HeaderFields(_))
        }
        Need::Binary { .. } => false,
        _ => true,
    }
}

/// A message whose needs are met; its bytes are opened when they are needed.
pub(super) struct Message<'a> {
    store: &'a Store,
    row: &'a Row,
    rendered: Option<Rendered>,
    parts: Option<Parts>,
    content: Option<Content>,
}

/// The octets that a need stands for.
pub(super) enum Octets {
    /// They are at hand.
    Here(Vec<u8>),
    /// A range of the message.
    Stored(Range<u64>),
    /// A range of the message that is to be decoded, and so many octets of it from an offset on.
    Encoded { range: Range<u64>, encoding: Encoding, window: Range<u64> },
    /// There are none.
    Piece(Piece),
}

impl Octets {
    fn len(&self) -> u64 {
        match self {
            Self::Here(octets) => u64::try_from(octets.len()).unwrap_or(u64::MAX),
            Self::Stored(range) | Self::Encoded { window: range, .. } => {
                range.end.saturating_sub(range.start)
            }
            Self::Piece(_) => 0,
        }
    }
}

impl<'a> Message<'a> {
    pub(super) fn new(
        store: &'a Store,
        row: &'a Row,
        rendered: Rendered,
    ) -> Result<Self, StoreError> {
        let parts = match rendered.parts.as_slice() {
            [] => None,
            bytes => Some(Parts::from_bytes(bytes).ok().ok_or(StoreError::Corrupt("parts"))?),
        };
        Ok(Self { store, row, rendered: Some(rendered), parts, content: None })
    }

    fn meet(mut self, needs: &[Need], fetched: &mut Fetched) -> Result<(), StoreError> {
        let first = fetched.pieces.len();
        for need in needs {
            if !self.one(need, fetched)? {
                fetched.pieces.truncate(first);
                fetched.pieces.extend(needs.iter().map(|_| Piece::Gone));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Meets one need; false when the message is gone.
    fn one(&mut self, need: &Need, fetched: &mut Fetched) -> Result<bool, StoreError> {
        if let Some(rendered) = &self.rendered {
            match need {
                Need::Envelope => fetched.push(&rendered.envelope),
                Need::Body => fetched.push(&rendered.body),
                Need::BodyStructure => fetched.push(&rendered.body_structure),
                Need::Preview { .. } => fetched.push(rendered.preview.as_bytes()),
                _ => return self.octets_of(need, fetched),
            }
            return Ok(true);
        }
        self.octets_of(need, fetched)
    }

    fn octets_of(&mut self, need: &Need, fetched: &mut Fetched) -> Result<bool, StoreError> {
        let Some(octets) = self.octets(need)? else { return Ok(false) };
        let length = octets.len();
        match octets {
            Octets::Piece(piece) => fetched.pieces.push(piece),
            Octets::Here(octets) if length <= INLINE => fetched.push(&octets),
            _ if length > INLINE => fetched.pieces.push(Piece::Large(length)),
            Octets::Stored(range) => {
                let Some(content) = self.open()? else { return Ok(false) };
                let bytes = content.range(range)?;
                fetched.push(&bytes);
            }
            Octets::Encoded { range, encoding, window } => {
                let Some(content) = self.open()? else { return Ok(false) };
                let mut decoding = Decoding::new(range, encoding);
                let bytes = decoding.window(content, window)?;
                fetched.push(&bytes);
            }
            Octets::Here(_) => fetched.pieces.push(Piece::Large(length)),
        }
        Ok(true)
    }

    /// The message's bytes; `None` when it is gone.
    pub(super) fn open(&mut self) -> Result<Option<&Content>, StoreError> {
        if self.content.is_none() {
            self.content = self.store.content(self.row.message)?;
        }
        Ok(self.content.as_ref())
    }

    /// Where the octets of a need are; `None` when the message is gone.
    pub(super) fn octets(&mut self, need: &Need) -> Result<Option<Octets>, StoreError> {
        Ok(Some(match need {
            Need::Section { section, partial } => match self.section(section)? {
                None => return Ok(None),
                Some(octets) => cut(octets, *partial),
            },
            Need::Binary { part, partial } => match self.place(part, Of::All) {
                None => Octets::Piece(Piece::Nil),
                Some(Place { encoding: Encoding::Unknown, .. }) => Octets::Piece(Piece::UnknownCte),
                Some(Place { range, encoding: Encoding::Identity, .. }) => {
                    cut(Octets::Stored(range), *partial)
                }
                Some(Place { range, encoding, decoded_size }) => {
                    let window = 0..decoded_size;
                    cut(Octets::Encoded { range, encoding, window }, *partial)
                }
            },
            Need::BinarySize { part } => Octets::Piece(match self.place(part, Of::All) {
                None => Piece::Nil,
                Some(Place { encoding: Encoding::Unknown, .. }) => Piece::UnknownCte,
                Some(Place { decoded_size, .. }) => Piece::Number(decoded_size),
            }),
            _ => Octets::Piece(Piece::Nil),
        }))
    }

    fn place(&self, part: &[u32], of: Of) -> Option<Place> {
        self.parts.as_ref()?.find(part, of)
    }

    fn section(&mut self, section: &Section) -> Result<Option<Octets>, StoreError> {
        let Section { part, of } = section;
        let place = match of {
            Part::All if part.is_empty() => {
                return Ok(Some(Octets::Stored(0..self.row.size)));
            }
            Part::All => self.place(part, Of::All),
            Part::Header => self.place(part, Of::Header),
            Part::Text => self.place(part, Of::Text),
            Part::Mime => self.place(part, Of::Mime),
            Part::HeaderFields(names) => return self.fields(part, names, false),
            Part::HeaderFieldsNot(names) => return self.fields(part, names, true),
        };
        let none = || Octets::Piece(Piece::Nil);
        Ok(Some(place.map_or_else(none, |place| Octets::Stored(place.range))))
    }

    fn fields(
        &mut self,
        part: &[u32],
        names: &[Box<str>],
        not: bool,
    ) -> Result<Option<Octets>, StoreError> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        if part.is_empty()
            && !not
            && let Some(rendered) = &self.rendered
            && let Some(common) = CommonHeaders::from_bytes(&rendered.headers)
            && let Some(lines) = common.fields(&names)
        {
            return Ok(Some(Octets::Here(lines)));
        }
        let Some(place) = self.place(part, Of::Header) else {
            return Ok(Some(Octets::Piece(Piece::Nil)));
        };
        let Some(content) = self.open()? else { return Ok(None) };
        let header = content.range(place.range)?;
        Ok(Some(Octets::Here(header_fields(&header, &names, not))))
    }
}

/// What of the octets was asked for.
fn cut(octets: Octets, partial: Option<Partial>) -> Octets {
    let Some(Partial { offset, octets: count }) = partial else { return octets };
    let within = |range: Range<u64>| {
        let start = range.start.saturating_add(offset).min(range.end);
        start..start.saturating_add(count).min(range.end)
    };
    match octets {
        Octets::Here(bytes) => {
            let range = within(0..u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let bytes = bytes.get(place(range.start)..place(range.end)).unwrap_or_default();
            Octets::Here(bytes.to_vec())
        }
        Octets::Stored(range) => Octets::Stored(within(range)),
        Octets::Encoded { range, encoding, window } => {
            Octets::Encoded { range, encoding, window: within(window) }
        }
        Octets::Piece(piece) => Octets::Piece(piece),
    }
}

/// A part that is decoded from its beginning on, step by step.
pub(super) struct Decoding {
    range: Range<u64>,
    encoding: Encoding,
    decoder: Decoder,
    /// Decoded octets that were not asked for yet, and where they stand.
    ready: Vec<u8>,
    at: u64,
}

impl Decoding {
    pub(super) fn new(range: Range<u64>, encoding: Encoding) -> Self {
        let decoder = Decoder::new(encoding);
        Self { range, encoding, decoder, ready: Vec::new(), at: 0 }
    }

    /// Where the next octets stand that can be given without beginning anew.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The decoded octets of a window that is not before [`Decoding::at`].
    pub(super) fn window(
        &mut self,
        content: &Content,
        window: Range<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let whole = self.range.end.saturating_sub(self.range.start) <= INLINE && self.at == 0;
        if whole && self.ready.is_empty() {
            let bytes = content.range(self.range.clone())?;
            self.ready = decode_transfer(self.encoding, &bytes).into_owned();
            self.range.start = self.range.end;
        }
        let mut found = Vec::new();
        loop {
            let skip = usize::try_from(window.start.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let skip = skip.min(self.ready.len());
            self.drop_front(skip);
            if self.at >= window.start {
                let left =
                    usize::try_from(window.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
                let left = left.min(self.ready.len());
                found.extend(self.ready.get(..left).unwrap_or_default());
                self.drop_front(left);
            }
            if self.at >= window.end || !self.step(content)? {
                return Ok(found);
            }
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.ready.drain(..count);
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(0));
    }

    /// Decodes the next piece; false at the end.
    fn step(&mut self, content: &Content) -> Result<bool, StoreError> {
        if self.range.start >= self.range.end {
            return Ok(!self.ready.is_empty());
        }
        let end = self.range.start.saturating_add(STEP).min(self.range.end);
        let bytes = content.range(self.range.start..end)?;
        self.decoder.push(&bytes, &mut self.ready);
        self.range.start = end;
        if end == self.range.end {
            self.decoder.finish(&mut self.ready);
        }
        Ok(true)
    }
}
