//! THREAD: the rows that match, as conversations.
//!
//! Messages are known by the hashes of their identifiers. All of it is done with numbers in flat
//! lists, so that a chain of any length takes no stack.
//! Source: RFC 5256 section 3.

use std::{collections::HashMap, sync::Arc};

use mailwright_imap::{Algorithm, Answer, Node, Program, Refusal};
use mailwright_store::mailbox::Wanted;
use mailwright_view::{Row, Snapshot};

use super::{
    conversation::{Conversation, refusal},
    sort::sent,
};

/// Messages that are read in one go.
const ROWS: usize = 4096;

/// What threads are made of.
#[derive(Debug, Clone, Default)]
struct Message {
    uid: u32,
    sent: i64,
    subject: String,
    is_reply: bool,
    id: Option<i64>,
    references: Vec<i64>,
}

impl Conversation {
    pub(super) async fn thread(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
        algorithm: Algorithm,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, program).await?;
        let mailbox = snapshot.identity().mailbox;
        let mut messages = Vec::with_capacity(rows.len());
        for some in rows.chunks(ROWS) {
            let some = some.to_vec();
            let read = self.door.store.off_thread(move |store| {
                let wanted = Wanted { order: true, ..Wanted::default() };
                let rendered = store.rendered(mailbox, &some, wanted)?;
                Ok(some.iter().zip(rendered).map(|(row, of)| message(row, of)).collect::<Vec<_>>())
            });
            messages.extend(read.await.map_err(|error| refusal(&error))?);
        }
        Ok(Answer::Threads(match algorithm {
            Algorithm::OrderedSubject => by_subject(messages),
            Algorithm::References => by_references(&messages),
        }))
    }
}

fn message(row: &Row, rendered: Option<mailwright_mime::Rendered>) -> Message {
    let sent = sent(row, rendered.as_ref());
    let Some(rendered) = rendered else { return Message { uid: row.uid, sent, ..<_>::default() } };
    Message {
        uid: row.uid,
        sent,
        subject: rendered.base_subject,
        is_reply: rendered.is_reply,
        id: rendered.message_id_hash,
        references: rendered.references,
    }
}

/// Source: RFC 5256 section 3 (`ORDEREDSUBJECT`).
fn by_subject(mut messages: Vec<Message>) -> Vec<Node> {
    messages.sort_by(|a, b| (&a.subject, a.sent, a.uid).cmp(&(&b.subject, b.sent, b.uid)));
    let mut threads: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        match threads.last_mut() {
            Some(thread)
                if thread.first().is_some_and(|first| first.subject == message.subject) =>
            {
                thread.push(message);
            }
            _ => threads.push(vec![message]),
        }
    }
    threads.sort_by_key(|thread| thread.first().map(|first| (first.sent, first.uid)));
    let node = |(place, message): (usize, Message)| Node {
        depth: u32::from(place > 0),
        uid: Some(message.uid),
    };
    threads.into_iter().flat_map(|thread| thread.into_iter().enumerate().map(node)).collect()
}

/// A message, or the place of one that is missing.
#[derive(Debug, Default)]
struct Container {
    /// Its place among the messages.
    message: Option<usize>,
    parent: Option<usize>,
    /// Whether it ever was a parent: only then can it stand above another.
    is_parent: bool,
    children: Vec<usize>,
}

struct Forest<'a> {
    messages: &'a [Message],
    containers: Vec<Container>,
}

/// Source: RFC 5256 section 3 (`REFERENCES`), by its steps.
fn by_references(messages: &[Message]) -> Vec<Node> {
    let mut forest = Forest { messages, containers: Vec::new() };
    forest.link();
    let roots = forest.prune();
    let roots = forest.gather(roots);
    forest.write(roots)
}

impl Forest<'_> {
    /// Step 1: everyone's parent is the last message it answers.
    fn link(&mut self) {
        let mut by_id: HashMap<i64, usize> = HashMap::new();
        for (place, message) in self.messages.iter().enumerate() {
            let known = message.id.and_then(|id| by_id.get(&id).copied());
            // A second message of the same identifier is one without.
            let own = if let Some(at) = known.filter(|&at| self.message_of(at).is_none()) {
                at
            } else {
                let at = self.add();
                if let Some(id) = message.id.filter(|_| known.is_none()) {
                    by_id.insert(id, at);
                }
                at
            };
            if let Some(container) = self.containers.get_mut(own) {
                container.message = Some(place);
            }
            let mut before = None;
            for id in &message.references {
                let known = by_id.get(id).copied();
                let at = known.unwrap_or_else(|| self.add());
                by_id.insert(*id, at);
                // A link that is there stays, and none may close a ring.
                if let Some(parent) = before
                    && self.parent_of(at).is_none()
                {
                    self.adopt(parent, at);
                }
                before = Some(at);
            }
            if let Some(parent) = before {
                self.orphan(own);
                self.adopt(parent, own);
            }
        }
        let parents: Vec<Option<usize>> = self.containers.iter().map(|c| c.parent).collect();
        for (child, parent) in parents.into_iter().enumerate() {
            if let Some(parent) = parent.and_then(|at| self.containers.get_mut(at)) {
                parent.children.push(child);
            }
        }
    }

    fn add(&mut self) -> usize {
        self.containers.push(Container::default());
        self.containers.len() - 1
    }

    fn message_of(&self, at: usize) -> Option<&Message> {
        self.messages.get(self.containers.get(at)?.message?)
    }

    fn parent_of(&self, at: usize) -> Option<usize> {
        self.containers.get(at)?.parent
    }

    fn orphan(&mut self, child: usize) {
        if let Some(container) = self.containers.get_mut(child) {
            container.parent = None;
        }
    }

    /// Makes `child` a child of `parent`, unless it is above it.
    fn adopt(&mut self, parent: usize, child: usize) {
        let mut above = self.containers.get(child).filter(|own| own.is_parent).map(|_| parent);
        if child == parent {
            return;
        }
        while let Some(at) = above {
            if at == child {
                return;
            }
            above = self.parent_of(at);
        }
        if let Some(container) = self.containers.get_mut(child) {
            container.parent = Some(parent);
        }
        if let Some(container) = self.containers.get_mut(parent) {
            container.is_parent = true;
        }
    }

    fn children(&self, at: usize) -> &[usize] {
        self.containers.get(at).map_or(&[], |container| &container.children)
    }

    /// Steps 2 and 3: the roots, without empty places that are of no use.
    fn prune(&mut self) -> Vec<usize> {
        let roots: Vec<usize> =
            (0..self.containers.len()).filter(|&at| self.parent_of(at).is_none()).collect();
        // Children stand behind their parents here, so backwards they come first.
        let mut order = roots.clone();
        let mut next = 0;
        while let Some(&at) = order.get(next) {
            order.extend_from_slice(self.children(at));
            next += 1;
        }
        for &at in order.iter().rev() {
            let mut kept = Vec::new();
            for &child in self.children(at) {
                self.lift(child, &mut kept, false);
            }
            if let Some(container) = self.containers.get_mut(at) {
                container.children = kept;
            }
        }
        let mut kept = Vec::new();
        for root in roots {
            self.lift(root, &mut kept, true);
        }
        kept
    }

    /// Puts a pruned place, or what it stands for, among `kept`.
    fn lift(&self, at: usize, kept: &mut Vec<usize>, is_root: bool) {
        let children = self.children(at);
        let is_empty = self.message_of(at).is_none();
        // An empty place holds together what has no other parent.
        match (is_empty, children.len()) {
            (true, 0) => {}
            (true, count) if !is_root || count == 1 => kept.extend_from_slice(children),
            _ => kept.push(at),
        }
    }

    /// The first message of a place.
    fn first(&self, at: usize) -> Option<&Message> {
        let below = || self.children(at).iter().filter_map(|&child| self.message_of(child));
        self.message_of(at).or_else(|| below().min_by_key(|message| (message.sent, message.uid)))
    }

    fn key(&self, at: usize) -> (i64, u32) {
        self.first(at).map_or((i64::MAX, u32::MAX), |message| (message.sent, message.uid))
    }

    /// Steps 4 and 5: roots of the same subject become one conversation.
    fn gather(&mut self, mut roots: Vec<usize>) -> Vec<usize> {
        roots.sort_by_key(|&root| self.key(root));
        let mut by_subject: HashMap<String, usize> = HashMap::new();
        for &root in &roots {
            let Some(first) = self.first(root).filter(|first| !first.subject.is_empty()) else {
                continue;
            };
            let (subject, is_reply) = (first.subject.clone(), first.is_reply);
            let is_empty = self.message_of(root).is_none();
            match by_subject.get(&subject).copied() {
                None => {
                    by_subject.insert(subject, root);
                }
                Some(other) => {
                    let other_is_empty = self.message_of(other).is_none();
                    let other_is_reply = self.first(other).is_some_and(|first| first.is_reply);
                    if (is_empty && !other_is_empty)
                        || (!other_is_empty && other_is_reply && !is_reply)
                    {
                        by_subject.insert(subject, root);
                    }
                }
            }
        }
        // Where a root went that was merged into another.
        let mut moved: Vec<usize> = Vec::new();
        let mut merged: HashMap<usize, usize> = HashMap::new();
        for &root in &roots {
            let subject = self.first(root).map(|first| first.subject.clone()).unwrap_or_default();
            let Some(&known) = by_subject.get(&subject) else { continue };
            let other = merged.get(&known).copied().unwrap_or(known);
            if known == root || subject.is_empty() {
                continue;
            }
            moved.push(root);
            let (is_empty, other_is_empty) =
                (self.message_of(root).is_none(), self.message_of(other).is_none());
            let is_reply = self.first(root).is_some_and(|first| first.is_reply);
            let other_is_reply = self.first(other).is_some_and(|first| first.is_reply);
            let mut below = vec![root];
            if is_empty {
                below = self.children(root).to_vec();
            }
            if other_is_empty || is_empty || (is_reply && !other_is_reply) {
                if let Some(container) = self.containers.get_mut(other) {
                    container.children.extend(below);
                }
            } else {
                let both = self.add();
                if let Some(container) = self.containers.get_mut(both) {
                    container.children = vec![other, root];
                }
                merged.insert(known, both);
            }
        }
        roots.retain(|root| !moved.contains(root));
        roots.into_iter().map(|root| merged.get(&root).copied().unwrap_or(root)).collect()
    }

    /// Step 6: everything by date, in preorder.
    fn write(&self, mut roots: Vec<usize>) -> Vec<Node> {
        let mut nodes = Vec::new();
        roots.sort_by_key(|&root| std::cmp::Reverse(self.key(root)));
        let mut open: Vec<(usize, u32)> = roots.into_iter().map(|root| (root, 0)).collect();
        while let Some((at, depth)) = open.pop() {
            nodes.push(Node { depth, uid: self.message_of(at).map(|message| message.uid) });
            let mut children = self.children(at).to_vec();
            children.sort_by_key(|&child| std::cmp::Reverse(self.key(child)));
            open.extend(children.into_iter().map(|child| (child, depth.saturating_add(1))));
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(uid: u32, subject: &str, is_reply: bool, references: &[i64]) -> Message {
        Message {
            uid,
            sent: i64::from(uid),
            subject: subject.to_owned(),
            is_reply,
            id: Some(i64::from(uid)),
            references: references.to_vec(),
        }
    }

    fn text(nodes: &[Node]) -> String {
        let node = |node: &Node| {
            format!(
                "{}:{}",
                node.depth,
                node.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string())
            )
        };
        nodes.iter().map(node).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn answers_stand_below_what_they_answer() {
        let all = [
            message(1, "a", false, &[]),
            message(2, "a", true, &[1]),
            message(3, "a", true, &[1, 2]),
            message(4, "b", false, &[]),
            message(5, "a", true, &[1]),
        ];
        assert_eq!(text(&by_references(&all)), "0:1 1:2 2:3 1:5 0:4");
        assert_eq!(text(&by_subject(all.to_vec())), "0:1 1:2 1:3 1:5 0:4");
    }

    #[test]
    fn a_missing_message_holds_its_answers_together() {
        let all = [message(2, "a", true, &[1]), message(3, "b", true, &[1])];
        assert_eq!(text(&by_references(&all)), "0:- 1:2 1:3");
        assert_eq!(text(&by_references(&all[..1])), "0:2");
    }

    #[test]
    fn roots_of_one_subject_are_one_conversation() {
        let all =
            [message(1, "a", false, &[]), message(2, "a", true, &[]), message(3, "", false, &[])];
        assert_eq!(text(&by_references(&all)), "0:1 1:2 0:3");
        let both = [message(1, "a", false, &[]), message(2, "a", false, &[])];
        assert_eq!(text(&by_references(&both)), "0:- 1:1 1:2");
    }

    #[test]
    fn rings_and_long_chains_end() {
        let ring = [message(1, "a", false, &[2]), message(2, "b", false, &[1])];
        assert_eq!(by_references(&ring).iter().filter(|node| node.uid.is_some()).count(), 2);
        let chain: Vec<Message> =
            (1..3000).map(|uid| message(uid, "a", true, &[i64::from(uid) - 1])).collect();
        assert_eq!(by_references(&chain).len(), 2999);
    }
}
