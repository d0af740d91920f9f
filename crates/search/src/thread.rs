//! `THREAD`: rows as conversations.
//!
//! Messages are known by the hashes of their identifiers. All of it is numbers in flat lists, so
//! that a chain of any length takes no stack. Source: RFC 5256 section 3.

mod forest;

use std::{collections::HashMap, ops::Range};

use mailwright_imap::{Algorithm, Node};
use mailwright_mime::{Digest, SortText};
use mailwright_view::Row;

use self::forest::Forest;
use crate::order::sent_ms;

/// Messages that are being put into conversations.
#[derive(Debug, Default)]
pub struct Conversations {
    letters: Vec<Letter>,
    subjects: Vec<u8>,
    references: Vec<i64>,
}

/// What a message is in a conversation.
#[derive(Debug)]
struct Letter {
    uid: u32,
    sent: i64,
    is_reply: bool,
    id: Option<i64>,
    subject: Range<usize>,
    references: Range<usize>,
}

impl Conversations {
    /// Adds a row; one whose message is gone has no digest. Rows come in any order.
    pub fn add(&mut self, row: &Row, digest: Option<&Digest<'_>>) {
        let (subject, references) = (self.subjects.len(), self.references.len());
        if let Some(digest) = digest {
            self.subjects.extend_from_slice(digest.sort_text(SortText::Subject));
            self.references.extend(digest.references());
        }
        self.letters.push(Letter {
            uid: row.uid,
            sent: sent_ms(row, digest),
            is_reply: digest.is_some_and(Digest::is_reply),
            id: digest.and_then(Digest::id),
            subject: subject..self.subjects.len(),
            references: references..self.references.len(),
        });
    }

    /// The conversations.
    pub fn finish(mut self, algorithm: Algorithm) -> Vec<Node> {
        self.letters.sort_by_key(|letter| letter.uid);
        match algorithm {
            Algorithm::OrderedSubject => self.by_subject(),
            Algorithm::References => Forest::new(&self).nodes(),
        }
    }

    fn subject(&self, letter: &Letter) -> &[u8] {
        self.subjects.get(letter.subject.clone()).unwrap_or_default()
    }

    fn references(&self, letter: &Letter) -> &[i64] {
        self.references.get(letter.references.clone()).unwrap_or_default()
    }

    /// Source: RFC 5256 section 3 (`ORDEREDSUBJECT`).
    fn by_subject(&self) -> Vec<Node> {
        let mut letters: Vec<&Letter> = self.letters.iter().collect();
        letters.sort_unstable_by_key(|letter| (letter.sent, letter.uid));
        // Conversations stand by their first messages, so they are met in their order.
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut threads: Vec<Vec<u32>> = Vec::new();
        for letter in letters {
            let place = *places.entry(self.subject(letter)).or_insert(threads.len());
            match threads.get_mut(place) {
                Some(thread) => thread.push(letter.uid),
                None => threads.push(vec![letter.uid]),
            }
        }
        let node =
            |(place, uid): (usize, u32)| Node { depth: u32::from(place > 0), uid: Some(uid) };
        threads.into_iter().flat_map(|uids| uids.into_iter().enumerate().map(node)).collect()
    }
}

#[cfg(test)]
mod tests;
