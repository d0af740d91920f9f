//! How a message is built: its parts, its header, and whether everybody can read it.
//!
//! Every rule has a message in the tests that fails it, and one that passes.

mod access;
mod form;
#[cfg(test)]
mod tests;

use crate::facts::Facts;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Some readers cannot read it, or it may be refused.
    Error,
    /// It should be mended.
    Warning,
    /// Good to know.
    Note,
}

impl Level {
    /// The word for it, as SARIF has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a rule found: what of the message is meant, and the octet of the HTML where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What is meant; may be empty.
    pub detail: String,
    /// The first place in the HTML, for what stands there.
    pub at: Option<usize>,
    /// How often.
    pub count: usize,
}

/// A rule about how a message is built.
#[derive(Debug, Clone, Copy)]
pub struct StructureRule {
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is wrong, and what to do.
    pub explanation: &'static str,
    look: fn(&Facts<'_>) -> Option<Hit>,
}

/// A rule that a message does not keep.
#[derive(Debug, Clone)]
pub struct StructureFinding {
    /// The rule.
    pub rule: &'static StructureRule,
    /// Where and how.
    pub hit: Hit,
}

const fn rule(
    name: &'static str,
    level: Level,
    look: fn(&Facts<'_>) -> Option<Hit>,
    explanation: &'static str,
) -> StructureRule {
    StructureRule { name, level, explanation, look }
}

impl Hit {
    fn of(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), at: None, count: 1 }
    }

    /// A hit where `is_so`.
    fn when(is_so: bool, detail: impl Into<String>) -> Option<Self> {
        is_so.then(|| Self::of(detail))
    }

    /// All places as one hit.
    fn all(places: impl Iterator<Item = (usize, String)>) -> Option<Self> {
        let mut places = places;
        let (at, detail) = places.next()?;
        Some(Self { detail, at: Some(at), count: 1 + places.count() })
    }
}

/// All rules, in the order of reference and reports.
pub fn rules() -> impl Iterator<Item = &'static StructureRule> {
    [form::RULES, access::RULES].into_iter().flatten()
}

/// The rules that a message does not keep.
pub fn structure(facts: &Facts<'_>) -> Vec<StructureFinding> {
    let finding =
        |rule: &'static StructureRule| (rule.look)(facts).map(|hit| StructureFinding { rule, hit });
    rules().filter_map(finding).collect()
}
