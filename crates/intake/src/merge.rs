//! Whoever several recipients of a transaction lead to has one message, not one for each of them.

use std::collections::HashMap;

use mailwright_store::spool::Class;
use mailwright_words::{Address, Notify, Recipient};

use crate::target::{Onward, OnwardKind, Target};

/// Recipients of one message, each once.
#[derive(Debug, Default)]
struct Ends {
    all: Vec<(Recipient, Class)>,
    at: HashMap<Address, usize>,
}

impl Ends {
    /// Takes one that is there already as what else its sender wants to be told.
    fn add(&mut self, (recipient, class): &(Recipient, Class)) {
        match self.at.get(&recipient.address).and_then(|at| self.all.get_mut(*at)) {
            Some((known, same)) if same == class => {
                known.notify = both(known.notify, recipient.notify);
            }
            _ => {
                self.at.insert(recipient.address.clone(), self.all.len());
                self.all.push((recipient.clone(), class.clone()));
            }
        }
    }
}

/// Whom the message itself goes to.
pub(crate) fn direct(targets: &[Target]) -> Vec<(Recipient, Class)> {
    let mut ends = Ends::default();
    targets.iter().flat_map(|target| &target.direct).for_each(|end| ends.add(end));
    ends.all
}

/// The lists and forwards that it goes to, in the order they were met.
pub(crate) fn onward(targets: &[Target]) -> Vec<Onward> {
    let mut merged: Vec<(&Onward, Ends)> = Vec::new();
    let mut at: HashMap<(String, bool), usize> = HashMap::new();
    for onward in targets.iter().flat_map(|target| &target.onward) {
        let name = (onward.address.key(), onward.kind == OnwardKind::List);
        let place = *at.entry(name).or_insert(merged.len());
        if place == merged.len() {
            merged.push((onward, Ends::default()));
        }
        if let Some((_, ends)) = merged.get_mut(place) {
            onward.recipients.iter().for_each(|end| ends.add(end));
        }
    }
    let whole = |(onward, ends): (&Onward, Ends)| Onward {
        address: onward.address.clone(),
        kind: onward.kind,
        recipients: ends.all,
    };
    merged.into_iter().map(whole).collect()
}

/// What is told to whoever asked for `one` and for `other`.
fn both(one: Notify, other: Notify) -> Notify {
    Notify {
        never: one.never && other.never,
        success: one.success || other.success,
        failure: one.failure || other.failure,
        delay: one.delay || other.delay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_twice_is_told_what_either_asked_for() {
        let success = Notify { success: true, failure: false, delay: false, never: false };
        assert_eq!(both(Notify::NEVER, Notify::NEVER), Notify::NEVER);
        assert_eq!(both(Notify::NEVER, Notify::DEFAULT), Notify::DEFAULT);
        let all = Notify { success: true, ..Notify::DEFAULT };
        assert_eq!(both(Notify::DEFAULT, success), all);
    }
}
