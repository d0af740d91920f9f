//! `FETCH`: messages are told in bounded pieces, whatever their number and size.
//!
//! Rows come from the picture; what needs contents is asked for in batches, and large contents
//! flow through in chunks behind the length that was said. Source: RFC 9051 sections 6.4.5 and
//! 7.5.2, RFC 7162 sections 3.1.4 and 3.2.6.

use std::sync::Arc;

use mailwright_view::{Expunges, Flags, NumberSet, Picture, Row};

use super::messages::without;
use super::{Asked, Job, PIECE_OCTETS, Reply, Selected, Session, State};
use crate::command::{Fetch, Item, Kind};
use crate::{Answer, Change, Fetched, Need, Part, Piece, Question, Refusal, write};

/// Most rows of one batch whose contents are asked for.
const BATCH_ROWS: usize = 256;
/// Octets that a batch is expected to have at most, unless one message has more.
const BATCH_OCTETS: u64 = 1 << 20;
/// Rows that are looked at before what was written is handed out.
const SCAN_ROWS: usize = 4096;
/// Octets asked for at once of a large content.
const CHUNK_OCTETS: u64 = 256 << 10;

/// Messages that are being told.
#[derive(Debug)]
pub(super) struct Fetching {
    rows: Rows,
    items: Vec<Item>,
    needs: Arc<[Need]>,
    /// Only rows changed after it.
    pub(super) changed_since: Option<u64>,
    /// Whether expunges may be told at the end.
    pub(super) expunges: Expunges,
    /// What is said at the end.
    reply: Reply,
    /// Rows whose needs are asked for or met, and not yet written.
    batch: Vec<(u32, Row)>,
    fetched: Fetched,
    /// The row of the batch that is written next.
    place: usize,
    /// Its item that is written next, and whether one was written.
    item: usize,
    begun: bool,
    /// Octets of that item still to come, and where they begin.
    large: Option<(u64, u64)>,
    /// Rows that this very command made seen.
    seen: NumberSet,
    flags: FlagTexts,
}

/// The rows of a set of UIDs, a run at a time.
#[derive(Debug)]
struct Rows {
    ranges: std::vec::IntoIter<(u32, u32)>,
    now: Option<(u32, u32)>,
}

impl Rows {
    fn new(set: &NumberSet) -> Self {
        let ranges: Vec<(u32, u32)> =
            set.ranges().map(std::ops::RangeInclusive::into_inner).collect();
        let mut ranges = ranges.into_iter();
        let now = ranges.next();
        Self { ranges, now }
    }

    /// Gives rows to `take` until it wants no more, or `most` were looked at; false at the end.
    fn each(
        &mut self,
        picture: &Picture,
        most: usize,
        mut take: impl FnMut(u32, Row) -> bool,
    ) -> bool {
        let mut left = most;
        while let Some((first, last)) = self.now {
            for (seq, row) in picture.rows_from(first).take_while(|(_, row)| row.uid <= last) {
                if left == 0 {
                    self.now = Some((row.uid, last));
                    return true;
                }
                left -= 1;
                if !take(seq, row) {
                    let next = row.uid.checked_add(1).filter(|next| *next <= last);
                    self.now = next.map(|next| (next, last)).or_else(|| self.ranges.next());
                    return self.now.is_some();
                }
            }
            self.now = self.ranges.next();
            left = left.saturating_sub(1);
            if left == 0 {
                return self.now.is_some();
            }
        }
        false
    }
}

/// Flags as they were written lately.
#[derive(Debug, Default)]
struct FlagTexts(Vec<(Flags, bool, Vec<u8>)>);

impl FlagTexts {
    const KEPT: usize = 8;

    fn write(&mut self, out: &mut Vec<u8>, flags: Flags, recent: bool, keywords: &[Box<str>]) {
        let Self(kept) = self;
        let known = kept.iter().find(|(f, r, _)| *f == flags && *r == recent);
        if let Some((_, _, text)) = known {
            out.extend_from_slice(text);
            return;
        }
        let start = out.len();
        write::flags(out, flags, keywords, recent);
        if kept.len() >= Self::KEPT {
            kept.remove(0);
        }
        kept.push((flags, recent, out.get(start..).unwrap_or_default().to_vec()));
    }
}

impl Fetching {
    /// Tells `items` of the messages of `uids`, then `reply`.
    pub(super) fn new(uids: &NumberSet, items: Vec<Item>, reply: Reply) -> Self {
        let needs = items.iter().filter_map(|item| match &item.kind {
            Kind::Content(need) => Some(need.clone()),
            _ => None,
        });
        Self {
            rows: Rows::new(uids),
            needs: needs.collect(),
            items,
            changed_since: None,
            expunges: Expunges::Tell,
            reply,
            batch: Vec::new(),
            fetched: Fetched::default(),
            place: 0,
            item: 0,
            begun: false,
            large: None,
            seen: NumberSet::new(),
            flags: FlagTexts::default(),
        }
    }

    /// Gathers the next batch.
    fn gather(&mut self, picture: &Picture) {
        self.batch.clear();
        self.fetched = Fetched::default();
        (self.place, self.item) = (0, 0);
        let (batch, needs, since) = (&mut self.batch, &self.needs, self.changed_since);
        let mut octets = 0_u64;
        let mut more = true;
        while batch.is_empty() && more {
            more = self.rows.each(picture, SCAN_ROWS, |seq, row| {
                if since.is_none_or(|since| row.modseq > since) {
                    batch.push((seq, row));
                    octets = octets.saturating_add(expected(needs, row.size));
                }
                batch.len() < BATCH_ROWS && octets < BATCH_OCTETS
            });
        }
    }

    /// The piece that meets the need number `need` of the row that is written.
    fn piece(&self, need: usize) -> Piece {
        let at = self.place.saturating_mul(self.needs.len()).saturating_add(need);
        self.fetched.pieces.get(at).cloned().unwrap_or(Piece::Nil)
    }

    /// Why nothing is told of the row that comes: it is gone, or nothing of it can be decoded.
    fn whole_refusal(&self) -> Option<Refusal> {
        let mut pieces = (0..self.needs.len()).map(|need| self.piece(need));
        if pieces.clone().any(|piece| piece == Piece::Gone) {
            return Some(Refusal::ExpungeIssued);
        }
        let alone = self.items.len() == self.needs.len();
        let unknown = alone && pieces.all(|piece| piece == Piece::UnknownCte);
        unknown.then_some(Refusal::UnknownCte)
    }

    /// How many rows of the batch have their needs met.
    fn met(&self) -> usize {
        self.fetched.pieces.len().checked_div(self.needs.len()).unwrap_or(0)
    }
}

/// How many octets the needs of a message of this size may have.
fn expected(needs: &[Need], size: u64) -> u64 {
    let one = |need: &Need| match need {
        Need::Section { section, partial } => {
            let whole = match section.of {
                Part::All | Part::Text => size,
                _ => size.min(4096),
            };
            partial.map_or(whole, |partial| partial.octets.min(whole))
        }
        Need::Binary { partial, .. } => partial.map_or(size, |partial| partial.octets.min(size)),
        Need::BinarySize { .. } | Need::ThreadId => 16,
        _ => 1024,
    };
    needs.iter().map(one).fold(0, u64::saturating_add)
}

impl Session {
    pub(super) fn fetch(&mut self, fetch: Fetch) {
        let Fetch { set, uid, mut items, changed_since, vanished } = fetch;
        if vanished && !self.enabled.qresync {
            self.say(Reply::bad("Say ENABLE QRESYNC first"));
            return;
        }
        let asks = |items: &[Item], kind: &Kind| items.iter().any(|item| item.kind == *kind);
        if changed_since.is_some() || asks(&items, &Kind::ModSeq) {
            self.enable_condstore();
        }
        let Some(uids) = self.named(&set, uid) else { return };
        let item = |kind, label: &str| Item { kind, label: label.into(), sees: false };
        if uid && !asks(&items, &Kind::Uid) {
            items.insert(0, item(Kind::Uid, "UID"));
        }
        if changed_since.is_some() && !asks(&items, &Kind::ModSeq) {
            items.push(item(Kind::ModSeq, "MODSEQ"));
        }
        let mut fetching = Fetching::new(&uids, items, Reply::ok("Done"));
        fetching.changed_since = changed_since;
        fetching.expunges = if uid { Expunges::Tell } else { Expunges::Keep };
        if let (true, Some(since), State::Selected(selected)) =
            (vanished, changed_since, &self.state)
        {
            let next = selected.picture.snapshot().identity().uidnext;
            let uids = uids.intersection(&NumberSet::range(1..=next.saturating_sub(1)));
            let asked = Asked::Vanished { fetching: Box::new(fetching), opens: false };
            self.ask(Question::Vanished { since, uids }, asked);
        } else {
            self.job = Some(Job::Fetch(Box::new(fetching)));
        }
    }

    /// Those that are gone and that the client does not count any more.
    pub(super) fn told_gone(&self, gone: &NumberSet) -> NumberSet {
        match &self.state {
            State::Selected(selected) => without(gone, &selected.picture.untold()),
            _ => NumberSet::new(),
        }
    }

    /// Goes on with telling messages.
    pub(super) fn fetching(&mut self, mut fetching: Box<Fetching>) -> bool {
        let State::Selected(selected) = &mut self.state else { return true };
        self.out.reserve(PIECE_OCTETS);
        let rev1 = !self.enabled.rev2;
        let mut teller =
            Teller { selected, out: &mut self.out, rev1, modseq: self.enabled.condstore };
        if fetching.needs.is_empty() {
            if teller.tell_rows(&mut fetching) {
                self.job = Some(Job::Fetch(fetching));
            } else {
                self.finish_with(fetching.reply, fetching.expunges);
            }
            return true;
        }
        if fetching.place < fetching.met() {
            if teller.tell_batch(&mut fetching) {
                self.job = Some(Job::Fetch(fetching));
            } else {
                self.ask_more(fetching);
            }
            return true;
        }
        // What an answer left out is asked for again.
        let met = fetching.met().min(fetching.batch.len());
        fetching.batch.drain(..met);
        if fetching.batch.is_empty() {
            fetching.gather(&teller.selected.picture);
        }
        (fetching.place, fetching.item) = (0, 0);
        fetching.fetched = Fetched::default();
        if fetching.batch.is_empty() {
            self.finish_with(fetching.reply, fetching.expunges);
        } else {
            self.ask_batch(fetching);
        }
        true
    }

    /// Asks for what a batch needs; before it, its messages become seen where that is due.
    fn ask_batch(&mut self, fetching: Box<Fetching>) {
        let State::Selected(selected) = &self.state else { return };
        let sees = !selected.read_only && fetching.items.iter().any(|item| item.sees);
        let fresh = |row: &Row| !row.flags.has(Flags::SEEN) && !fetching.seen.contains(row.uid);
        let rows = fetching.batch.iter().filter(|_| sees);
        let uids: NumberSet = rows.filter(|(_, row)| fresh(row)).map(|(_, row)| row.uid).collect();
        if uids.is_empty() {
            self.ask_contents(fetching);
            return;
        }
        let mut fetching = fetching;
        for range in uids.ranges() {
            fetching.seen.insert(range);
        }
        let change = Change::Add { system: Flags::SEEN, keywords: Vec::new() };
        let question = Question::Store { uids, change, unchanged_since: None };
        self.ask(question, Asked::Seen(fetching));
    }

    fn ask_contents(&mut self, fetching: Box<Fetching>) {
        let rows = fetching.batch.iter().map(|(_, row)| *row).collect();
        let question = Question::Fetch { rows, needs: Arc::clone(&fetching.needs) };
        self.ask(question, Asked::Fetch(fetching));
    }

    /// Messages became seen. When they did not, they are told all the same.
    pub(super) fn seen(&mut self, mut fetching: Box<Fetching>, answer: Answer) {
        if let Answer::Stored { snapshot, modified: _ } = answer {
            self.tell(&snapshot, &NumberSet::new(), Expunges::Keep, Some(&fetching.seen));
            let State::Selected(selected) = &self.state else { return };
            for (_, row) in &mut fetching.batch {
                let now = selected.picture.rows_from(row.uid).next();
                if let Some((_, now)) = now.filter(|(_, now)| now.uid == row.uid) {
                    *row = now;
                }
            }
        } else {
            let unseen: NumberSet = fetching.batch.iter().map(|(_, row)| row.uid).collect();
            fetching.seen = without(&fetching.seen, &unseen);
        }
        fetching.flags = FlagTexts::default();
        self.ask_contents(fetching);
    }

    pub(super) fn fetched(&mut self, mut fetching: Box<Fetching>, answer: Answer) {
        match answer {
            Answer::Fetched(fetched) => {
                fetching.fetched = fetched;
                if fetching.met() == 0 {
                    return self.refused(Refusal::ServerBug);
                }
                self.job = Some(Job::Fetch(fetching));
            }
            Answer::Refused(refusal) => {
                self.finish_with(Reply::refusal(refusal), fetching.expunges);
            }
            _ => self.refused(Refusal::ServerBug),
        }
    }

    /// Asks for more of the item that is written.
    fn ask_more(&mut self, fetching: Box<Fetching>) {
        let item = fetching.items.get(fetching.item).map(|item| &item.kind);
        let row = fetching.batch.get(fetching.place);
        let (Some(Kind::Content(need)), Some((_, row)), Some((left, offset))) =
            (item, row, fetching.large)
        else {
            return self.end(None);
        };
        let octets = usize::try_from(left.min(CHUNK_OCTETS)).unwrap_or(0);
        let question = Question::More { row: *row, need: need.clone(), offset, octets };
        self.ask(question, Asked::More(fetching));
    }

    /// Octets came. Without them what was begun cannot be ended, and the connection is.
    pub(super) fn more(&mut self, mut fetching: Box<Fetching>, answer: Answer) {
        let (Answer::Chunk(octets), Some((left, offset))) = (answer, fetching.large) else {
            return self.end(None);
        };
        let count = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if count != left.min(CHUNK_OCTETS) {
            return self.end(None);
        }
        self.out.extend_from_slice(&octets);
        if count == left {
            fetching.large = None;
            fetching.item += 1;
            self.job = Some(Job::Fetch(fetching));
        } else {
            fetching.large = Some((left - count, offset.saturating_add(count)));
            self.ask_more(fetching);
        }
    }
}

/// Writes messages.
struct Teller<'a> {
    selected: &'a Selected,
    out: &'a mut Vec<u8>,
    /// Whether `\Recent` is told.
    rev1: bool,
    /// Whether mod-sequences are told with flags.
    modseq: bool,
}

impl Teller<'_> {
    /// Tells rows without contents; false when it was the last.
    fn tell_rows(&mut self, fetching: &mut Fetching) -> bool {
        let Fetching { rows, items, changed_since, flags, .. } = fetching;
        let picture = &self.selected.picture;
        let since = *changed_since;
        rows.each(picture, SCAN_ROWS, |seq, row| {
            if since.is_none_or(|since| row.modseq > since) {
                self.tell_whole_row(seq, &row, items, flags);
            }
            self.out.len() < PIECE_OCTETS
        })
    }

    fn tell_whole_row(&mut self, seq: u32, row: &Row, items: &[Item], flags: &mut FlagTexts) {
        begin(self.out, seq);
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(b' ');
            }
            self.row_item(item, row, flags);
        }
        self.out.extend_from_slice(b")\r\n");
    }

    /// Tells rows whose needs are met; false when octets of a large content come next.
    fn tell_batch(&mut self, fetching: &mut Fetching) -> bool {
        while fetching.place < fetching.met() && self.out.len() < PIECE_OCTETS {
            let Some(&(seq, row)) = fetching.batch.get(fetching.place) else { break };
            if fetching.item == 0 {
                fetching.begun = false;
                if let Some(refusal) = fetching.whole_refusal() {
                    fetching.reply = Reply::refusal(refusal);
                    fetching.place += 1;
                    continue;
                }
                begin(self.out, seq);
            }
            if !self.tell_row(fetching, &row) {
                return false;
            }
            if fetching.seen.contains(row.uid)
                && !fetching.items.iter().any(|item| item.kind == Kind::Flags)
            {
                self.label(fetching, "FLAGS");
                self.flags(&row, &mut fetching.flags);
                if self.modseq {
                    self.label(fetching, "MODSEQ");
                    self.modseq(&row);
                }
            }
            self.out.extend_from_slice(b")\r\n");
            fetching.place += 1;
            fetching.item = 0;
        }
        true
    }

    /// A space where one is due, the name of an item, and a space.
    fn label(&mut self, fetching: &mut Fetching, label: &str) {
        if std::mem::replace(&mut fetching.begun, true) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(label.as_bytes());
        self.out.push(b' ');
    }

    /// Tells what is left of a row; false when a large content comes next.
    fn tell_row(&mut self, fetching: &mut Fetching, row: &Row) -> bool {
        while let Some(item) = fetching.items.get(fetching.item).cloned() {
            let Kind::Content(need) = &item.kind else {
                if std::mem::replace(&mut fetching.begun, true) {
                    self.out.push(b' ');
                }
                self.row_item(&item, row, &mut fetching.flags);
                fetching.item += 1;
                continue;
            };
            let before = fetching.items.iter().take(fetching.item);
            let number = before.filter(|item| matches!(item.kind, Kind::Content(_))).count();
            let piece = fetching.piece(number);
            if piece == Piece::UnknownCte {
                fetching.reply = Reply::refusal(Refusal::UnknownCte);
                fetching.item += 1;
                continue;
            }
            self.label(fetching, &item.label);
            if let Piece::Large(octets) = piece {
                if matches!(need, Need::Binary { .. }) {
                    self.out.push(b'~');
                }
                write::literal_head(self.out, octets);
                if octets > 0 {
                    fetching.large = Some((octets, 0));
                    return false;
                }
            } else {
                self.piece(need, &piece, &fetching.fetched.octets);
            }
            fetching.item += 1;
        }
        true
    }

    /// A piece that is at hand.
    fn piece(&mut self, need: &Need, piece: &Piece, octets: &[u8]) {
        let out = &mut *self.out;
        match piece {
            Piece::Nil if matches!(need, Need::BinarySize { .. }) => out.push(b'0'),
            Piece::Nil | Piece::Gone | Piece::UnknownCte | Piece::Large(_) => {
                out.extend_from_slice(b"NIL");
            }
            Piece::Number(number) => write::number(out, *number),
            Piece::Id(id) => out.extend_from_slice(format!("(T{id})").as_bytes()),
            Piece::Inline(range) => {
                let octets = octets.get(range.clone()).unwrap_or_default();
                match need {
                    Need::Envelope | Need::Body | Need::BodyStructure => {
                        out.extend_from_slice(octets);
                    }
                    Need::Preview { .. } => write::text(out, octets, !self.rev1),
                    Need::Binary { .. } if octets.contains(&0) => {
                        out.push(b'~');
                        write::literal(out, octets);
                    }
                    _ => write::literal(out, octets),
                }
            }
        }
    }

    /// An item that stands in the row.
    fn row_item(&mut self, item: &Item, row: &Row, flags: &mut FlagTexts) {
        self.out.extend_from_slice(item.label.as_bytes());
        self.out.push(b' ');
        match item.kind {
            Kind::Uid => write::number(self.out, row.uid),
            Kind::Flags => self.flags(row, flags),
            Kind::Size => write::number(self.out, row.size),
            Kind::InternalDate => write::date_time(self.out, row.internal_date),
            Kind::SaveDate => write::date_time(self.out, row.save_date),
            Kind::ModSeq => self.modseq(row),
            Kind::EmailId => self.out.extend_from_slice(format!("(M{})", row.message).as_bytes()),
            Kind::Content(_) => {}
        }
    }

    fn flags(&mut self, row: &Row, texts: &mut FlagTexts) {
        let recent = self.rev1 && self.selected.recent.contains(row.uid);
        let keywords = self.selected.picture.snapshot().keywords();
        texts.write(self.out, row.flags, recent, keywords);
    }

    fn modseq(&mut self, row: &Row) {
        self.out.push(b'(');
        write::number(self.out, row.modseq);
        self.out.push(b')');
    }
}

fn begin(out: &mut Vec<u8>, seq: u32) {
    out.extend_from_slice(b"* ");
    write::number(out, seq);
    out.extend_from_slice(b" FETCH (");
}
