//! `THREAD=REFERENCES`, by its steps.
//!
//! A place is a message or stands for one that is missing. First places have only parents; the
//! lists of children are made when the parents are final.
//! Source: RFC 5256 section 3 (`REFERENCES`).

use std::collections::{HashMap, hash_map::Entry};

use mailwright_imap::Node;

use super::{Conversations, Letter};

/// How many places are passed, in all, on the ways up that look for rings. Hostile references could
/// make that the square of their number; past it a link counts as one that closes a ring.
const STEPS_MAX: u32 = 20_000_000;

/// Messages and missing ones, each with its parent.
pub(super) struct Forest<'a> {
    all: &'a Conversations,
    places: Vec<Place>,
    steps: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The message's number among the letters.
    letter: Option<usize>,
    parent: Option<usize>,
    /// Whether it ever was a parent: only then can it stand above another.
    is_parent: bool,
    /// It was merged into another, or stands for nothing.
    is_gone: bool,
}

impl<'a> Forest<'a> {
    pub(super) fn new(all: &'a Conversations) -> Self {
        Self { all, places: Vec::with_capacity(all.letters.len()), steps: 0 }
    }

    /// The conversations.
    pub(super) fn nodes(mut self) -> Vec<Node> {
        self.link();
        self.prune();
        self.gather();
        self.write()
    }

    /// Step 1: a message's parent is the last one that it answers.
    fn link(&mut self) {
        let all = self.all;
        let mut by_id: HashMap<i64, usize> = HashMap::with_capacity(all.letters.len());
        for (number, letter) in all.letters.iter().enumerate() {
            let own = self.own(letter, &mut by_id);
            if let Some(place) = self.places.get_mut(own) {
                place.letter = Some(number);
            }
            let mut before = None;
            for id in all.references(letter) {
                let at = *by_id.entry(*id).or_insert_with(|| self.add());
                // A link that is there stays.
                if let Some(parent) = before.filter(|_| self.parent(at).is_none()) {
                    self.adopt(parent, at);
                }
                before = Some(at);
            }
            // What the message says itself counts more than what others said of it.
            if self.parent(own) != before {
                if let Some(place) = self.places.get_mut(own) {
                    place.parent = None;
                }
                if let Some(parent) = before {
                    self.adopt(parent, own);
                }
            }
        }
    }

    /// The place of a message. A second one of the same identifier counts as one without.
    fn own(&mut self, letter: &Letter, by_id: &mut HashMap<i64, usize>) -> usize {
        let Some(id) = letter.id else { return self.add() };
        match by_id.entry(id) {
            Entry::Occupied(known) if self.letter(*known.get()).is_none() => *known.get(),
            Entry::Occupied(_) => self.add(),
            Entry::Vacant(free) => *free.insert(self.add()),
        }
    }

    fn add(&mut self) -> usize {
        self.places.push(Place::default());
        self.places.len() - 1
    }

    fn letter(&self, at: usize) -> Option<&'a Letter> {
        self.all.letters.get(self.places.get(at)?.letter?)
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.places.get(at)?.parent
    }

    /// Makes `child`, which has no parent, a child of `parent`, unless it is above it.
    fn adopt(&mut self, parent: usize, child: usize) {
        if parent == child {
            return;
        }
        if self.places.get(child).is_some_and(|place| place.is_parent) {
            let mut above = Some(parent);
            while let Some(at) = above {
                if at == child || self.steps >= STEPS_MAX {
                    return;
                }
                self.steps += 1;
                above = self.parent(at);
            }
        }
        self.put(parent, child);
    }

    fn put(&mut self, parent: usize, child: usize) {
        if let Some(place) = self.places.get_mut(child) {
            place.parent = Some(parent);
        }
        if let Some(place) = self.places.get_mut(parent) {
            place.is_parent = true;
        }
    }

    /// Steps 2 and 3: missing messages go, but for those that hold a conversation together.
    fn prune(&mut self) {
        // Parents first, so that a missing parent has its own by the time it is asked.
        for at in self.downwards() {
            let Some(parent) = self.parent(at) else { continue };
            if self.letter(parent).is_none()
                && let Some(grandparent) = self.parent(parent)
            {
                self.put(grandparent, at);
            }
        }
        let children = self.children();
        for at in 0..self.places.len() {
            if self.letter(at).is_some() {
                continue;
            }
            // All that is below is a message now, or is gone itself.
            let mut messages =
                children.of(at).iter().filter(|&&child| self.letter(child).is_some());
            let (first, more) = (messages.next().copied(), messages.next().is_some());
            if more && self.parent(at).is_none() {
                continue;
            }
            if let Some(place) = self.places.get_mut(at) {
                place.is_gone = true;
            }
            if let Some(only) = first.and_then(|only| self.places.get_mut(only)) {
                only.parent = None;
            }
        }
    }

    /// All places, parents before their children.
    fn downwards(&self) -> Vec<usize> {
        let children = self.children();
        let mut order: Vec<usize> =
            (0..self.places.len()).filter(|&at| self.parent(at).is_none()).collect();
        let mut next = 0;
        while let Some(&at) = order.get(next) {
            order.extend_from_slice(children.of(at));
            next += 1;
        }
        order
    }

    fn children(&self) -> Children {
        Children::new(&self.places)
    }

    /// Where a place stands among its siblings; a missing one stands by its first child.
    fn key(&self, at: usize, children: &Children) -> (i64, u32) {
        let key = |letter: &Letter| (letter.sent, letter.uid);
        let below = || children.of(at).iter().filter_map(|&child| self.letter(child).map(key));
        self.letter(at).map(key).or_else(|| below().min()).unwrap_or((i64::MAX, u32::MAX))
    }

    /// The message that tells a root's subject.
    fn first(&self, at: usize, children: &Children) -> Option<&'a Letter> {
        let below = || children.of(at).iter().filter_map(|&child| self.letter(child));
        self.letter(at).or_else(|| below().min_by_key(|letter| (letter.sent, letter.uid)))
    }

    /// Steps 4 and 5: conversations of the same subject become one.
    fn gather(&mut self) {
        let children = self.children();
        let mut roots: Vec<((i64, u32), usize)> =
            self.roots().map(|at| (self.key(at, &children), at)).collect();
        roots.sort_unstable();
        let subjects: Vec<(usize, &[u8], bool)> = roots
            .iter()
            .filter_map(|&(_, at)| self.first(at, &children).map(|first| (at, first)))
            .map(|(at, first)| (at, self.all.subject(first), first.is_reply))
            .filter(|(_, subject, _)| !subject.is_empty())
            .collect();
        let mut table: HashMap<&[u8], (usize, bool)> = HashMap::with_capacity(subjects.len());
        for &(at, subject, is_reply) in &subjects {
            let is_missing = self.letter(at).is_none();
            let known = table.entry(subject).or_insert((at, is_reply));
            let (other, other_is_reply) = *known;
            let may_go = self.letter(other).is_some();
            if may_go && (is_missing || (other_is_reply && !is_reply)) {
                *known = (at, is_reply);
            }
        }
        for (at, subject, is_reply) in subjects {
            let Some(known) = table.get_mut(subject).filter(|(other, _)| *other != at) else {
                continue;
            };
            *known = self.merge(at, is_reply, *known, &children);
        }
    }

    /// Step 5.C: brings a root to the one of its subject, and says which that is now.
    fn merge(
        &mut self,
        at: usize,
        is_reply: bool,
        (other, other_is_reply): (usize, bool),
        children: &Children,
    ) -> (usize, bool) {
        let (is_missing, other_is_missing) =
            (self.letter(at).is_none(), self.letter(other).is_none());
        if is_missing {
            // Its place in the table was taken by another that is missing.
            for &child in children.of(at) {
                self.put(other, child);
            }
            if let Some(place) = self.places.get_mut(at) {
                place.is_gone = true;
            }
        } else if other_is_missing || (is_reply && !other_is_reply) {
            self.put(other, at);
        } else {
            let both = self.add();
            self.put(both, at);
            self.put(both, other);
            return (both, false);
        }
        (other, other_is_reply)
    }

    fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        let places = self.places.iter().enumerate();
        places.filter(|(_, place)| place.parent.is_none() && !place.is_gone).map(|(at, _)| at)
    }

    /// Step 6: siblings by their dates, and all as the answer has it.
    fn write(&self) -> Vec<Node> {
        let children = self.children();
        let sorted = |places: &mut dyn Iterator<Item = usize>| {
            let mut keyed: Vec<((i64, u32), usize)> =
                places.map(|at| (self.key(at, &children), at)).collect();
            // Backwards, as they are taken from the end.
            keyed.sort_unstable_by(|ours, theirs| theirs.cmp(ours));
            keyed
        };
        let mut stack: Vec<(u32, usize)> =
            sorted(&mut self.roots()).into_iter().map(|(_, at)| (0, at)).collect();
        let mut nodes = Vec::with_capacity(self.places.len());
        while let Some((depth, at)) = stack.pop() {
            nodes.push(Node { depth, uid: self.letter(at).map(|letter| letter.uid) });
            let below = children.of(at).iter().copied();
            let mut below =
                below.filter(|&child| self.places.get(child).is_some_and(|p| !p.is_gone));
            stack.extend(sorted(&mut below).into_iter().map(|(_, at)| (depth + 1, at)));
        }
        nodes
    }
}

/// The children of all places, side by side.
struct Children {
    /// Where the children of each place begin, and at last where all end.
    starts: Vec<usize>,
    children: Vec<usize>,
}

impl Children {
    fn new(places: &[Place]) -> Self {
        let mut starts = vec![0; places.len() + 2];
        let parents = || places.iter().enumerate().filter_map(|(at, p)| Some((at, p.parent?)));
        for (_, parent) in parents() {
            if let Some(count) = starts.get_mut(parent + 2) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // The start of each place's successor moves to its end while they are filled in.
        let mut children = vec![0; sum];
        for (at, parent) in parents() {
            let Some(next) = starts.get_mut(parent + 1) else { continue };
            if let Some(child) = children.get_mut(*next) {
                *child = at;
            }
            *next += 1;
        }
        Self { starts, children }
    }

    fn of(&self, at: usize) -> &[usize] {
        let start = self.starts.get(at).copied().unwrap_or_default();
        let end = self.starts.get(at + 1).copied().unwrap_or_default();
        self.children.get(start..end).unwrap_or_default()
    }
}
