//! What others say of a message: SPF, DKIM, DMARC, lists and filters, as the checks take it.
//!
//! It is told, not found out here: `outside` asks, and `mailauth` judges.

use std::net::{IpAddr, Ipv4Addr};

pub use mailwright_mailauth::{Dkim, Dmarc, Policy, Spf, Word};
pub use mailwright_net::dns::list::ListKind;

/// How a message comes out when its origin is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// The address that was judged; none where it is not known.
    pub client: Option<IpAddr>,
    /// SPF of the reverse-path, or of the client's name where that is null; none without both.
    pub spf: Option<Spf>,
    /// Each signature.
    pub dkim: Vec<Dkim>,
    /// DMARC of the author's domain; none where the message names no author.
    pub dmarc: Option<Dmarc>,
}

/// What a list said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its zone.
    pub zone: String,
    /// What it has.
    pub kind: ListKind,
    /// Why nothing that it says can be relied on; nothing was asked of it then.
    pub unsound: Option<String>,
    /// What was looked up.
    pub entries: Vec<ListEntry>,
}

/// A name or address that was looked up in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// What was looked up.
    pub what: String,
    /// What the list said.
    pub found: Found,
}

/// What a list said of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has it.
    Listed {
        /// Its codes.
        codes: Vec<Ipv4Addr>,
        /// What it says for it.
        reason: Option<String>,
    },
    /// It does not have it.
    Free,
    /// It did not say, for this reason.
    Unknown(String),
}

impl Found {
    /// Whether the list has it.
    pub const fn is_listed(&self) -> bool {
        matches!(self, Self::Listed { .. })
    }
}

/// What a filter of spam makes of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// The filter: `spamd` or `rspamd`.
    pub filter: &'static str,
    /// What it says, or why it does not.
    pub rating: Result<Rating, String>,
}

/// A score, and what it is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rating {
    /// The score.
    pub score: f64,
    /// From which score on the filter acts.
    pub threshold: f64,
    /// Whether the filter takes it for spam.
    pub is_spam: bool,
    /// What it would do, where it says so.
    pub action: Option<String>,
    /// The rules that hold, the most points first.
    pub symbols: Vec<Symbol>,
}

/// A rule of a filter that holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// What it adds.
    pub points: f64,
    /// What it means, in the filter's words; may be empty.
    pub explanation: String,
}

/// All of it; what was not asked for is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts {
    /// Where it is from.
    pub auth: Option<Auth>,
    /// What lists said; nothing where none was asked.
    pub lists: Option<Vec<List>>,
    /// What filters said.
    pub filters: Vec<Opinion>,
}

impl Verdicts {
    /// Everything that is listed, with its list.
    pub fn listed(&self) -> impl Iterator<Item = (&List, &ListEntry)> {
        self.lists.iter().flatten().flat_map(|list| {
            let listed = list.entries.iter().filter(|entry| entry.found.is_listed());
            listed.map(move |entry| (list, entry))
        })
    }

    /// How many lists, or questions of them, have no answer.
    pub fn unanswered(&self) -> usize {
        let each = self.lists.iter().flatten().map(|list| {
            let silent = |entry: &&ListEntry| matches!(entry.found, Found::Unknown(_));
            usize::from(list.unsound.is_some()) + list.entries.iter().filter(silent).count()
        });
        each.sum()
    }

    /// What the filter of this name says, where it does.
    pub fn rating(&self, filter: &str) -> Option<&Rating> {
        let opinion = self.filters.iter().find(|opinion| opinion.filter == filter)?;
        opinion.rating.as_ref().ok()
    }
}
