//! Flags of a message: the five of the standard, and keywords as bits of their mailbox.
//!
//! Which keyword a bit stands for is said by the snapshot's list of names.
//! Source: RFC 9051 section 2.3.2.

/// The flags of a message in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags {
    /// The sum of [`Flags::SEEN`] and the others.
    pub system: u8,
    /// Bit `n` is the keyword number `n` of the mailbox.
    pub keywords: u64,
}

impl Flags {
    /// `\Seen`.
    pub const SEEN: u8 = 1;
    /// `\Answered`.
    pub const ANSWERED: u8 = 2;
    /// `\Flagged`.
    pub const FLAGGED: u8 = 4;
    /// `\Deleted`.
    pub const DELETED: u8 = 8;
    /// `\Draft`.
    pub const DRAFT: u8 = 16;
    /// The five with their names, in the order in which they are written.
    pub const NAMES: [(u8, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// Only flags of the standard.
    pub const fn system(system: u8) -> Self {
        Self { system, keywords: 0 }
    }

    /// Whether all of these flags of the standard are set.
    pub const fn has(self, system: u8) -> bool {
        self.system & system == system
    }

    /// Whether the keyword of this number is set.
    pub const fn has_keyword(self, bit: u32) -> bool {
        bit < u64::BITS && self.keywords >> bit & 1 == 1
    }
}

/// What `STORE` does to flags.
///
/// Source: RFC 9051 section 6.4.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    /// `FLAGS`: these and no others.
    Set(Flags),
    /// `+FLAGS`.
    Add(Flags),
    /// `-FLAGS`.
    Remove(Flags),
}

impl FlagChange {
    /// The flags after the change.
    #[must_use]
    pub const fn applied_to(self, old: Flags) -> Flags {
        match self {
            Self::Set(new) => new,
            Self::Add(more) => {
                Flags { system: old.system | more.system, keywords: old.keywords | more.keywords }
            }
            Self::Remove(less) => {
                Flags { system: old.system & !less.system, keywords: old.keywords & !less.keywords }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_sets_adds_or_removes() {
        let old = Flags { system: Flags::SEEN | Flags::DRAFT, keywords: 0b101 };
        let other = Flags { system: Flags::SEEN | Flags::FLAGGED, keywords: 0b110 };
        assert_eq!(FlagChange::Set(other).applied_to(old), other);
        let added = FlagChange::Add(other).applied_to(old);
        assert_eq!((added.system, added.keywords), (1 | 4 | 16, 0b111));
        let removed = FlagChange::Remove(other).applied_to(old);
        assert_eq!((removed.system, removed.keywords), (16, 0b001));
    }

    #[test]
    fn a_keyword_past_the_last_bit_is_not_set() {
        let all = Flags { system: 0, keywords: u64::MAX };
        assert!(all.has_keyword(63) && !all.has_keyword(64));
    }
}
