//! `SEARCH`, `SORT` and `THREAD` by looking at every message.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use mailwright_imap::{
    Algorithm, Answer, Criterion, Day, Key, Node, Program, Question, Refusal, SortKey,
};
use mailwright_mime::{
    Rendered, Structure, contains, first_display, first_mailbox, fold_case, folded_fields,
    header_fields, render, searchable,
};
use mailwright_view::{Row, Snapshot};

use super::{Account, NOW};

pub(super) fn answer(question: Question, account: &Account) -> Result<Answer, Refusal> {
    match question {
        Question::Search { snapshot, program } => {
            let rows = matching(&snapshot, &program, account);
            Ok(Answer::Found(rows.iter().map(|row| row.uid).collect()))
        }
        Question::Sort { snapshot, program, keys } => {
            let mut rows = matching(&snapshot, &program, account);
            rows.sort_by(|a, b| ordered(a, b, &keys, account));
            Ok(Answer::Sorted(rows.iter().map(|row| row.uid).collect()))
        }
        Question::Thread { snapshot, program, algorithm } => {
            let rows = matching(&snapshot, &program, account);
            Ok(Answer::Threads(threaded(&rows, algorithm, account)))
        }
        _ => Err(Refusal::ServerBug),
    }
}

fn matching(snapshot: &Snapshot, program: &Program, account: &Account) -> Vec<Row> {
    let all = |row: &&Row| program.keys.iter().all(|key| holds(key, row, snapshot, account));
    snapshot.rows().filter(all).copied().collect()
}

fn holds(key: &Key, row: &Row, snapshot: &Snapshot, account: &Account) -> bool {
    let deeper = |key: &Key| holds(key, row, snapshot, account);
    let day = Day::of(row.internal_date);
    let saved = Day::of(row.save_date);
    match key {
        Key::And(keys) => keys.iter().all(deeper),
        Key::Or(pair) => deeper(&pair.0) || deeper(&pair.1),
        Key::Not(key) => !deeper(key),
        Key::Uids(uids) => uids.contains(row.uid),
        Key::Has(flags) => row.flags.has(*flags),
        Key::Keyword(name) => (0..)
            .zip(snapshot.keywords())
            .any(|(bit, known)| known.eq_ignore_ascii_case(name) && row.flags.has_keyword(bit)),
        Key::Larger(size) => row.size > *size,
        Key::Smaller(size) => row.size < *size,
        Key::Before(other) => day < *other,
        Key::On(other) => day == *other,
        Key::Since(other) => day >= *other,
        Key::SavedBefore(other) => saved < *other,
        Key::SavedOn(other) => saved == *other,
        Key::SavedSince(other) => saved >= *other,
        Key::Older(seconds) => {
            row.internal_date <= NOW.minus(Duration::from_secs(u64::from(*seconds)))
        }
        Key::Younger(seconds) => {
            row.internal_date >= NOW.minus(Duration::from_secs(u64::from(*seconds)))
        }
        Key::ModSeq(modseq) => row.modseq >= *modseq,
        Key::EmailId(id) => *id == Some(row.message),
        other => in_content(other, row, account),
    }
}

fn in_content(key: &Key, row: &Row, account: &Account) -> bool {
    let Some(message) = account.content(row) else { return false };
    let structure = Structure::parse(&message);
    let rendered = render(&message);
    let sent = || rendered.sent.map(|sent| sent.day);
    let later = |day: &Day, wanted: &[Ordering]| {
        sent().is_some_and(|sent| wanted.contains(&sent.cmp(&i64::from(day.0))))
    };
    match key {
        Key::SentBefore(day) => later(day, &[Ordering::Less]),
        Key::SentOn(day) => later(day, &[Ordering::Equal]),
        Key::SentSince(day) => later(day, &[Ordering::Equal, Ordering::Greater]),
        Key::Header { name, text } => {
            let header = structure.root().map_or(&[][..], |root| root.header_bytes());
            let text = fold_case(text);
            folded_fields(header).any(|(field, value)| {
                field.eq_ignore_ascii_case(name.as_bytes()) && contains(&value, &text)
            })
        }
        Key::Body(text) => searchable(&structure).has_body(&fold_case(text)),
        Key::Text(text) => searchable(&structure).has_text(&fold_case(text)),
        Key::ThreadId(id) => {
            let first = rendered.references.first().copied().or(rendered.message_id_hash);
            id.is_some_and(|id| Some(id.get()) == first.map(|first| first & i64::MAX))
        }
        _ => false,
    }
}

fn rendered(row: &Row, account: &Account) -> Rendered {
    render(account.content(row).as_deref().map_or(&[], Vec::as_slice))
}

fn field(row: &Row, name: &str, account: &Account) -> Vec<u8> {
    let content = account.content(row);
    let message = content.as_deref().map_or(&[][..], Vec::as_slice);
    let lines = header_fields(message, &[name.as_bytes()], false);
    let start = lines.iter().position(|&octet| octet == b':').map_or(0, |colon| colon + 1);
    lines.get(start..).unwrap_or_default().to_vec()
}

fn sent(row: &Row, account: &Account) -> i64 {
    rendered(row, account).sent.map_or_else(|| row.internal_date.ms(), |sent| sent.at.ms())
}

fn ordered(a: &Row, b: &Row, keys: &[SortKey], account: &Account) -> Ordering {
    let text = |row: &Row, by: Criterion| {
        let address = |name| first_mailbox(&field(row, name, account)).unwrap_or_default();
        let display = |name| first_display(&field(row, name, account)).unwrap_or_default();
        match by {
            Criterion::Cc => fold_case(&address("Cc")),
            Criterion::From => fold_case(&address("From")),
            Criterion::To => fold_case(&address("To")),
            Criterion::DisplayFrom => fold_case(&display("From")),
            Criterion::DisplayTo => fold_case(&display("To")),
            _ => rendered(row, account).base_subject,
        }
    };
    let one = |key: &SortKey| {
        let order = match key.by {
            Criterion::Arrival => a.internal_date.cmp(&b.internal_date),
            Criterion::Date => sent(a, account).cmp(&sent(b, account)),
            Criterion::Size => a.size.cmp(&b.size),
            by => text(a, by).cmp(&text(b, by)),
        };
        if key.reverse { order.reverse() } else { order }
    };
    keys.iter().map(one).fold(Ordering::Equal, Ordering::then).then(a.uid.cmp(&b.uid))
}

/// Conversations: by base subject, or by the last message that each refers to and that is there.
fn threaded(rows: &[Row], algorithm: Algorithm, account: &Account) -> Vec<Node> {
    let mut rows: Vec<Row> = rows.to_vec();
    rows.sort_by_key(|row| (sent(row, account), row.uid));
    if algorithm == Algorithm::OrderedSubject {
        let mut threads: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut order = Vec::new();
        for row in &rows {
            let subject = rendered(row, account).base_subject;
            let known = threads.entry(subject.clone()).or_default();
            if known.is_empty() {
                order.push(subject);
            }
            known.push(row.uid);
        }
        let threads = order.iter().filter_map(|subject| threads.get(subject));
        let node =
            |(place, &uid): (usize, &u32)| Node { depth: u32::from(place > 0), uid: Some(uid) };
        return threads.flat_map(|uids| uids.iter().enumerate().map(node)).collect();
    }
    let all: Vec<(Row, Rendered)> = rows.iter().map(|row| (*row, rendered(row, account))).collect();
    let parent = |one: &Rendered| {
        let refers = one.references.iter().rev();
        refers.copied().find(|id| all.iter().any(|(_, other)| other.message_id_hash == Some(*id)))
    };
    let mut nodes = Vec::new();
    for (row, one) in all.iter().filter(|(_, one)| parent(one).is_none()) {
        below(row, one, 0, &all, &mut nodes);
    }
    nodes
}

fn below(row: &Row, one: &Rendered, depth: u32, all: &[(Row, Rendered)], nodes: &mut Vec<Node>) {
    const DEPTH_MAX: u32 = 50;
    nodes.push(Node { depth, uid: Some(row.uid) });
    let Some(id) = one.message_id_hash.filter(|_| depth < DEPTH_MAX) else { return };
    for (child, other) in all.iter().filter(|(_, other)| {
        let known = other.references.iter().rev().copied().find(|reference| {
            all.iter().any(|(_, known)| known.message_id_hash == Some(*reference))
        });
        known == Some(id)
    }) {
        below(child, other, depth + 1, all, nodes);
    }
}
