//! The words in which a check of authentication ends.
//!
//! Source: RFC 8601 section 2.7.

use std::fmt;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// There was nothing to check, or the domain says nothing.
    None,
    /// What was checked is right, and its domain answers for it.
    Pass,
    /// What was checked is wrong.
    Fail,
    /// Its domain thinks it wrong, and does not insist.
    SoftFail,
    /// Nothing follows from it.
    Neutral,
    /// It is right, and something that we do not accept: a key too small, an algorithm of old.
    Policy,
    /// It could not be found out now.
    TempError,
    /// It cannot be found out: what the domain publishes, or the message has, is malformed.
    PermError,
}

impl Word {
    /// As it is written in a header field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
