//! What sandbox listeners refused lately, for those who look for the fault of a client.
//!
//! It is in memory, and bounded: the oldest goes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mailwright_words::Timestamp;

/// A refusal, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Counts all of them, from 1.
    pub number: u64,
    /// When it was.
    pub at: Timestamp,
    /// Address and port of the client.
    pub peer: String,
    /// As whom the client authenticated.
    pub username: Option<String>,
    /// The command that was refused.
    pub command: String,
    /// The reply.
    pub reply: String,
    /// What both sides had said.
    pub conversation: String,
}

/// The refusals that are remembered. Clones share them.
#[derive(Debug, Clone)]
pub struct Refusals(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    all: VecDeque<Refused>,
    most: usize,
    number: u64,
}

impl Refusals {
    /// Remembers up to `most`.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { all: VecDeque::new(), most, number: 0 })))
    }

    /// Remembers one; its number is given here.
    pub fn push(&self, refused: Refused) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.number += 1;
        let number = kept.number;
        kept.all.push_back(Refused { number, ..refused });
        while kept.all.len() > kept.most {
            kept.all.pop_front();
        }
    }

    /// What is remembered, newest first, and how many there were in all.
    pub fn list(&self) -> (Vec<Refused>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.all.iter().rev().cloned().collect(), kept.number)
    }

    /// Those that are remembered with greater numbers than `number`, oldest first.
    pub fn since(&self, number: u64) -> Vec<Refused> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.number <= number {
            return Vec::new();
        }
        kept.all.iter().filter(|one| one.number > number).cloned().collect()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.clear();
    }
}
