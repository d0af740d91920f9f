//! Conversations: by the words of the standard, and against a slow way that keeps a tree.

use mailwright_mime::digest_of_message;
use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};
use proptest::prelude::*;

use super::*;

/// A message: minutes, subject, identifier, references.
type Given = (i64, String, Option<u8>, Vec<u8>);

fn given(at: i64, subject: &str, id: u8, references: &[u8]) -> Given {
    (at, subject.to_owned(), Some(id), references.to_vec())
}

fn bytes((_, subject, id, references): &Given) -> Vec<u8> {
    let id = id.map(|id| format!("Message-ID: <{id}@x>\r\n")).unwrap_or_default();
    let references: String = references
        .iter()
        .flat_map(|id| [" <", &id.to_string(), "@x>"].map(str::to_owned))
        .collect();
    format!("Subject: {subject}\r\n{id}References:{references}\r\n\r\n").into_bytes()
}

fn conversations(messages: &[Given]) -> Conversations {
    let mut all = Conversations::default();
    for (uid, message) in (1_u32..).zip(messages) {
        let row = Row {
            uid,
            flags: Flags::default(),
            message: Id::from_i64(i64::from(uid)),
            modseq: 1,
            size: 1,
            internal_date: Timestamp::new(message.0),
            save_date: Timestamp::new(0),
        };
        all.add(&row, Digest::from_bytes(&digest_of_message(&bytes(message))).as_ref());
    }
    all
}

/// `1(2(3)4)` for 2 and 4 below 1 and 3 below 2; `-` is one that is missing.
fn text(nodes: &[Node]) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for (place, node) in nodes.iter().enumerate() {
        if node.depth > depth {
            text.push('(');
        }
        (node.depth..depth).for_each(|_| text.push(')'));
        if place > 0 && node.depth <= depth {
            text.push(' ');
        }
        depth = node.depth;
        text += &node.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
    }
    (0..depth).for_each(|_| text.push(')'));
    text
}

fn references(messages: &[Given]) -> String {
    text(&conversations(messages).finish(Algorithm::References))
}

#[test]
fn replies_stand_below_what_they_answer() {
    for (messages, expected) in [
        // A chain, a second answer to its first message, and a stranger that is older.
        (
            vec![
                given(5, "a", 1, &[]),
                given(6, "Re: a", 2, &[1]),
                given(7, "Re: a", 3, &[1, 2]),
                given(8, "Re: a", 4, &[1]),
                given(1, "b", 5, &[]),
            ],
            "5 1(2(3) 4)",
        ),
        // Arrival in any order gives the same.
        (vec![given(7, "Re: a", 3, &[1, 2]), given(5, "a", 1, &[])], "2(1)"),
        // A missing message with one below it goes, also down a chain of them.
        (vec![given(1, "a", 9, &[1, 2, 3])], "1"),
        // With two below it, it holds them together.
        (vec![given(2, "a", 8, &[1]), given(1, "b", 9, &[1])], "-(2 1)"),
        // Inside of a conversation it never stays.
        (
            vec![given(1, "a", 1, &[]), given(2, "a", 8, &[1, 2]), given(3, "b", 9, &[1, 2])],
            "1(2 3)",
        ),
        // What a message says of its own parents counts more than what others say.
        (vec![given(1, "a", 1, &[]), given(2, "b", 3, &[1, 2]), given(3, "c", 2, &[])], "1 3(2)"),
        // A ring stays open.
        (vec![given(1, "a", 1, &[2]), given(2, "b", 2, &[1])], "2(1)"),
        (vec![given(1, "a", 1, &[1])], "1"),
        // An identifier that comes again is as good as none.
        (vec![given(1, "a", 1, &[]), given(2, "b", 1, &[]), given(3, "c", 2, &[1])], "1(3) 2"),
        (vec![], ""),
    ] {
        assert_eq!(references(&messages), expected, "{messages:?}");
    }
}

#[test]
fn conversations_of_the_same_subject_become_one() {
    for (messages, expected) in [
        // A reply without references goes below what is no reply.
        (vec![given(1, "a", 1, &[]), given(2, "Re: a", 2, &[])], "1(2)"),
        (vec![given(1, "Re: a", 1, &[]), given(2, "a", 2, &[])], "2(1)"),
        // Two that are alike get a missing one above them, and a third joins them.
        (vec![given(1, "a", 1, &[]), given(2, "A", 2, &[])], "-(1 2)"),
        (vec![given(1, "Re: a", 1, &[]), given(2, "re: a", 2, &[])], "-(1 2)"),
        (vec![given(1, "a", 1, &[]), given(2, "a", 2, &[]), given(3, "a", 3, &[])], "-(1 2 3)"),
        // One that is missing takes them in.
        (
            vec![given(1, "a", 1, &[9]), given(2, "b", 2, &[9]), given(0, "Re: a", 3, &[])],
            "-(3 1 2)",
        ),
        // Two that are missing become one.
        (
            vec![
                given(1, "a", 1, &[9]),
                given(2, "b", 2, &[9]),
                given(3, "Re: a", 3, &[8]),
                given(4, "c", 4, &[8]),
            ],
            "-(1 2 3 4)",
        ),
        // Messages without a subject stay alone.
        (vec![given(1, "", 1, &[]), given(2, "Re:", 2, &[])], "1 2"),
    ] {
        assert_eq!(references(&messages), expected, "{messages:?}");
    }
}

#[test]
fn subjects_alone_make_flat_conversations() {
    let messages = [
        given(3, "Re: b", 1, &[]),
        given(2, "a", 2, &[]),
        given(1, "B", 3, &[]),
        given(4, "[x] b", 4, &[2]),
        given(5, "", 5, &[]),
    ];
    let nodes = conversations(&messages).finish(Algorithm::OrderedSubject);
    assert_eq!(text(&nodes), "3(1 4) 2 5");
}

#[test]
fn long_chains_take_no_stack_and_little_time() {
    let letter = |n: usize, references: Range<usize>| Letter {
        uid: u32::try_from(n).unwrap(),
        sent: 0,
        is_reply: true,
        id: i64::try_from(n).ok(),
        subject: 0..0,
        references,
    };
    let mut all = Conversations::default();
    for n in 1..100_000 {
        // Each answers the one before it, or the one behind it.
        all.references.push(i64::try_from(if n < 50_000 { n - 1 } else { n + 1 }).unwrap());
        all.letters.push(letter(n, n - 1..n));
    }
    assert_eq!(all.finish(Algorithm::References).len(), 99_999);
}

/// The slow way: a tree of boxes, step by step as the standard tells it.
mod slow {
    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Tree {
        message: Option<usize>,
        children: Vec<Self>,
    }

    pub(super) fn references(all: &Conversations) -> Vec<Node> {
        // Step 1, with parents by name. Messages without an identifier of their own get one.
        let mut names: Vec<(i64, Option<usize>)> = Vec::new();
        let mut parents: HashMap<i64, i64> = HashMap::new();
        let is_above = |parents: &HashMap<i64, i64>, above: i64, below: i64| {
            let mut at = Some(below);
            std::iter::from_fn(|| {
                let now = at?;
                at = parents.get(&now).copied();
                Some(now)
            })
            .any(|id| id == above)
        };
        for (number, letter) in all.letters.iter().enumerate() {
            let taken = |id: i64| names.iter().any(|(name, m)| *name == id && m.is_some());
            let unique = -1 - i64::try_from(number).unwrap();
            let id = letter.id.filter(|id| !taken(*id)).unwrap_or(unique);
            match names.iter_mut().find(|(name, _)| *name == id) {
                Some(name) => name.1 = Some(number),
                None => names.push((id, Some(number))),
            }
            let ids = all.references(letter);
            for reference in ids {
                if !names.iter().any(|(name, _)| name == reference) {
                    names.push((*reference, None));
                }
            }
            for pair in ids.windows(2) {
                if !parents.contains_key(&pair[1]) && !is_above(&parents, pair[1], pair[0]) {
                    parents.insert(pair[1], pair[0]);
                }
            }
            if parents.get(&id) != ids.last() {
                parents.remove(&id);
                if let Some(last) = ids.last().filter(|last| !is_above(&parents, id, **last)) {
                    parents.insert(id, *last);
                }
            }
        }
        // Steps 2 and 3.
        let roots = names.iter().filter(|(name, _)| !parents.contains_key(name));
        let mut roots: Vec<Tree> =
            roots.flat_map(|name| pruned(name, &names, &parents, true)).collect();
        // Step 4.
        for root in &mut roots {
            sort(&mut root.children, all);
        }
        sort(&mut roots, all);
        let roots = merged(&roots, all);
        let mut nodes = Vec::new();
        write(roots, 0, all, &mut nodes);
        nodes
    }

    fn pruned(
        (name, message): &(i64, Option<usize>),
        names: &[(i64, Option<usize>)],
        parents: &HashMap<i64, i64>,
        is_root: bool,
    ) -> Vec<Tree> {
        let below = names.iter().filter(|(child, _)| parents.get(child) == Some(name));
        let children: Vec<Tree> =
            below.flat_map(|child| pruned(child, names, parents, false)).collect();
        match message {
            None if children.is_empty() => Vec::new(),
            None if !is_root || children.len() == 1 => children,
            message => vec![Tree { message: *message, children }],
        }
    }

    fn key(tree: &Tree, all: &Conversations) -> (i64, u32) {
        let letter = |number: usize| (all.letters[number].sent, all.letters[number].uid);
        match tree.message {
            Some(number) => letter(number),
            None => tree.children.iter().map(|child| key(child, all)).min().unwrap(),
        }
    }

    fn sort(trees: &mut [Tree], all: &Conversations) {
        trees.sort_by_key(|tree| key(tree, all));
    }

    /// The message that tells a root's subject.
    fn first<'a>(tree: &Tree, all: &'a Conversations) -> &'a Letter {
        &all.letters[tree.message.or_else(|| tree.children.first()?.message).unwrap()]
    }

    /// Step 5: which root is in the table, then what becomes of the others.
    fn merged(roots: &[Tree], all: &Conversations) -> Vec<Tree> {
        let mut table: Vec<(&[u8], usize)> = Vec::new();
        for (at, root) in roots.iter().enumerate() {
            let subject = all.subject(first(root, all));
            if subject.is_empty() {
                continue;
            }
            let Some(known) = table.iter_mut().find(|(known, _)| *known == subject) else {
                table.push((subject, at));
                continue;
            };
            let other = &roots[known.1];
            let is_better = first(other, all).is_reply && !first(root, all).is_reply;
            if other.message.is_some() && (root.message.is_none() || is_better) {
                known.1 = at;
            }
        }
        let mut merged: Vec<Option<Tree>> = roots.iter().cloned().map(Some).collect();
        for (at, root) in roots.iter().enumerate() {
            let subject = all.subject(first(root, all));
            let Some((_, place)) = table.iter().find(|(known, _)| *known == subject) else {
                continue;
            };
            if *place == at || subject.is_empty() {
                continue;
            }
            let current = merged[at].take().unwrap();
            let other = merged[*place].as_mut().unwrap();
            let is_reply = first(root, all).is_reply;
            match (current.message, other.message) {
                (None, None) => other.children.extend(current.children),
                (Some(_), None) => other.children.push(current),
                (_, Some(number)) if is_reply && !all.letters[number].is_reply => {
                    other.children.push(current);
                }
                _ => {
                    let both = vec![current, std::mem::take(other)];
                    *other = Tree { message: None, children: both };
                }
            }
        }
        merged.into_iter().flatten().collect()
    }

    /// Step 6.
    fn write(mut trees: Vec<Tree>, depth: u32, all: &Conversations, nodes: &mut Vec<Node>) {
        sort(&mut trees, all);
        for tree in trees {
            let uid = tree.message.map(|number| all.letters[number].uid);
            nodes.push(Node { depth, uid });
            write(tree.children, depth + 1, all, nodes);
        }
    }
}

fn message() -> impl Strategy<Value = Given> {
    let subject = "(Re: )?(a|b|c|)";
    let id = prop::option::weighted(0.9, 0_u8..12);
    (0_i64..6, subject, id, prop::collection::vec(0_u8..14, 0..5))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn conversations_are_those_of_the_slow_way(
        messages in prop::collection::vec(message(), 0..16),
    ) {
        let all = conversations(&messages);
        let slow = text(&slow::references(&all));
        prop_assert_eq!(text(&all.finish(Algorithm::References)), slow);
    }
}
