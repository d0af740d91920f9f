//! `SEARCH`, `SORT` and `THREAD`, and the forms in which their results are told.
//!
//! Source: RFC 9051 sections 6.4.4 and 7.3.4, RFC 3501 section 7.2.5, RFC 4731, RFC 5182,
//! RFC 5256 section 4, RFC 7162 section 3.1.5.

use std::sync::Arc;

use mailwright_view::{Expunges, NumberSet};

use super::{Asked, Reply, Selected, Session, State};
use crate::command::{Order, Results, Search};
use crate::{Answer, Node, Question, Refusal, write};

impl Session {
    pub(super) fn search(&mut self, search: Box<Search>) {
        if search.charset && self.enabled.utf8 && search.order == Order::Mailbox {
            // All strings are UTF-8 now: RFC 6855 section 3.
            self.say(Reply::bad("No charset may be said after ENABLE UTF8=ACCEPT"));
            return;
        }
        if search.modseq {
            self.enable_condstore();
        }
        let State::Selected(selected) = &self.state else { return };
        let snapshot = selected.picture.snapshot().clone();
        let program = Arc::new(search.program.clone());
        let question = match &search.order {
            Order::Mailbox => Question::Search { snapshot, program },
            Order::Sort(keys) => Question::Sort { snapshot, program, keys: keys.clone() },
            Order::Thread(algorithm) => {
                Question::Thread { snapshot, program, algorithm: *algorithm }
            }
        };
        self.ask(question, Asked::Search(search));
    }

    /// A search failed; what it would have saved is nothing. Source: RFC 5182 section 2.1.
    pub(super) fn not_found(&mut self, search: &Search, refusal: Refusal) {
        if let (State::Selected(selected), Some(Results { save: true, .. })) =
            (&mut self.state, search.results)
        {
            selected.saved = NumberSet::new();
        }
        self.finish_with(Reply::refusal(refusal), expunges(search));
    }

    pub(super) fn found(&mut self, search: &Search, answer: Answer) {
        let State::Selected(selected) = &mut self.state else { return };
        match (&search.order, answer) {
            (Order::Mailbox, Answer::Found(uids)) => {
                let rows = selected.picture.by_uid(&uids);
                let uids: NumberSet = rows.iter().map(|(_, row)| row.uid).collect();
                let modseq = |uid: u32| {
                    let found = rows.binary_search_by_key(&uid, |(_, row)| row.uid).ok();
                    found.and_then(|place| rows.get(place)).map_or(0, |(_, row)| row.modseq)
                };
                let results = search.results.or_else(|| self.enabled.rev2.then_some(ALL));
                if let Some(results) = results {
                    let kept = kept(results, &uids);
                    if results.save {
                        selected.saved.clone_from(&kept);
                    }
                    let highest = kept.iter().map(modseq).max().filter(|_| search.modseq);
                    let told: NumberSet =
                        if search.uid { uids } else { rows.iter().map(|(seq, _)| *seq).collect() };
                    self.tell_extended(search.uid, results, &told, highest);
                } else {
                    let highest = rows.iter().map(|(_, row)| row.modseq).max();
                    let numbers =
                        rows.iter().map(|(seq, row)| if search.uid { row.uid } else { *seq });
                    list(&mut self.out, "SEARCH", numbers);
                    self.end_list(highest.filter(|_| search.modseq));
                }
            }
            (Order::Sort(_), Answer::Sorted(uids)) => {
                let known = uids.iter().filter_map(|&uid| number(selected, search.uid, uid));
                list(&mut self.out, "SORT", known);
                let row = |&uid: &u32| selected.picture.rows_from(uid).next();
                let highest = uids.iter().filter_map(row).map(|(_, row)| row.modseq).max();
                self.end_list(highest.filter(|_| search.modseq));
            }
            (Order::Thread(_), Answer::Threads(nodes)) => {
                let known = |node: Node| {
                    let uid = node.uid.and_then(|uid| number(selected, search.uid, uid));
                    Node { uid, ..node }
                };
                let nodes: Vec<Node> = nodes.into_iter().map(known).collect();
                threads(&mut self.out, &without_empty_ends(nodes));
            }
            _ => return self.not_found(search, Refusal::ServerBug),
        }
        self.finish_with(Reply::ok("Done"), expunges(search));
    }

    /// Source: RFC 7162 section 7, `search-sort-mod-seq`.
    fn end_list(&mut self, modseq: Option<u64>) {
        if let Some(modseq) = modseq {
            self.out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// `ESEARCH`. Source: RFC 4731 section 3.1.
    fn tell_extended(
        &mut self,
        uid: bool,
        results: Results,
        found: &NumberSet,
        modseq: Option<u64>,
    ) {
        let Results { min, max, all, count, save } = results;
        if save && !(min || max || all || count) {
            return;
        }
        let mut text = format!("* ESEARCH (TAG \"{}\")", self.tag.replace('\\', "\\\\"));
        if uid {
            text.push_str(" UID");
        }
        let mut item = |name: &str, value: String| {
            text.push(' ');
            text.push_str(name);
            text.push(' ');
            text.push_str(&value);
        };
        if let Some(first) = found.first().filter(|_| min) {
            item("MIN", first.to_string());
        }
        if let Some(last) = found.last().filter(|_| max) {
            item("MAX", last.to_string());
        }
        if all && !found.is_empty() {
            item("ALL", found.to_string());
        }
        if count {
            item("COUNT", found.len().to_string());
        }
        if let Some(modseq) = modseq {
            item("MODSEQ", modseq.to_string());
        }
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

/// What a `SEARCH` without `RETURN` tells in the newer revision.
const ALL: Results = Results { min: false, max: false, all: true, count: false, save: false };

/// What is saved, and whose mod-sequences count. Source: RFC 5182 section 2.1, RFC 7162 section
/// 3.1.5.
fn kept(results: Results, found: &NumberSet) -> NumberSet {
    let Results { min, max, all, count, save: _ } = results;
    if all || count || !(min || max) {
        return found.clone();
    }
    let first = found.first().filter(|_| min);
    let last = found.last().filter(|_| max);
    first.into_iter().chain(last).collect()
}

const fn expunges(search: &Search) -> Expunges {
    if search.uid { Expunges::Tell } else { Expunges::Keep }
}

fn number(selected: &Selected, uid: bool, of: u32) -> Option<u32> {
    let seq = selected.picture.seq(of)?;
    Some(if uid { of } else { seq })
}

fn list(out: &mut Vec<u8>, verb: &str, numbers: impl Iterator<Item = u32>) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(verb.as_bytes());
    for number in numbers {
        out.push(b' ');
        write::number(out, number);
    }
}

/// `* THREAD (2)(3 6 (4 23)(44 7 96))`.
///
/// A node with one node below it stands beside it; with several, each opens a parenthesis. A
/// message that is missing is only its parentheses. Source: RFC 5256 section 4.
fn threads(out: &mut Vec<u8>, nodes: &[Node]) {
    out.extend_from_slice(b"* THREAD");
    if !nodes.is_empty() {
        out.push(b' ');
    }
    let siblings = have_siblings(nodes);
    // For each open level the depth of the node that opened it.
    let mut open: Vec<u32> = Vec::new();
    for (node, siblings) in nodes.iter().zip(siblings) {
        while open.last().is_some_and(|depth| *depth >= node.depth) {
            open.pop();
            out.push(b')');
        }
        let opens = node.depth == 0 || siblings;
        if opens {
            if out.last() != Some(&b'(') && out.last() != Some(&b')') && node.depth > 0 {
                out.push(b' ');
            }
            open.push(node.depth);
            out.push(b'(');
        } else if out.last() != Some(&b'(') {
            out.push(b' ');
        }
        if let Some(number) = node.uid {
            write::number(out, number);
        }
    }
    out.extend(open.iter().map(|_| b')'));
    out.extend_from_slice(b"\r\n");
}

/// Nodes without those that hold no message, nor one below them.
fn without_empty_ends(mut nodes: Vec<Node>) -> Vec<Node> {
    // From the end: how deep the node behind is that stays.
    let mut behind = 0;
    let mut stays = vec![true; nodes.len()];
    for (node, stays) in nodes.iter().zip(&mut stays).rev() {
        *stays = node.uid.is_some() || behind > node.depth;
        if *stays {
            behind = node.depth;
        }
    }
    let mut stays = stays.into_iter();
    nodes.retain(|_| stays.next().unwrap_or(false));
    nodes
}

/// For each node whether others hang below the same one.
fn have_siblings(nodes: &[Node]) -> Vec<bool> {
    let mut siblings = vec![false; nodes.len()];
    // At each depth the last node.
    let mut path: Vec<usize> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let depth = usize::try_from(node.depth).unwrap_or(usize::MAX).min(path.len());
        let before = path.get(depth).copied().filter(|_| depth > 0);
        for place in before.into_iter().flat_map(|sibling| [sibling, place]) {
            if let Some(has) = siblings.get_mut(place) {
                *has = true;
            }
        }
        path.truncate(depth);
        path.push(place);
    }
    siblings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_written_as_the_standard_does() {
        let told = |nodes: &[(u32, u32)]| {
            let nodes: Vec<Node> = nodes
                .iter()
                .map(|&(depth, uid)| Node { depth, uid: (uid > 0).then_some(uid) })
                .collect();
            let mut out = Vec::new();
            threads(&mut out, &without_empty_ends(nodes));
            String::from_utf8(out).unwrap()
        };
        let example = [(0, 2), (0, 3), (1, 6), (2, 4), (3, 23), (2, 44), (3, 7), (4, 96)];
        assert_eq!(told(&example), "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n");
        assert_eq!(told(&[(0, 0), (1, 3), (1, 5)]), "* THREAD ((3)(5))\r\n");
        assert_eq!(told(&[]), "* THREAD\r\n");
        assert_eq!(
            told(&[(0, 1), (1, 2), (2, 3), (2, 4), (1, 5), (0, 6)]),
            "* THREAD (1 (2 (3)(4))(5))(6)\r\n"
        );
    }
}
