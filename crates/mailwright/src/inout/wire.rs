//! How messages go between the process that has the files and the one that has the store: each as
//! a line of JSON, then its bytes.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

/// Most octets of a head.
pub(crate) const HEAD_MAX: usize = 64 * 1024;

/// What is said of a message before its bytes, or of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The name of its folder.
    pub(crate) folder: String,
    /// Its UID, where it has one.
    #[serde(default)]
    pub(crate) uid: u32,
    /// Flags such as `\Seen`, and keywords.
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    /// When it was received, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) date: Option<i64>,
    /// Octets that follow.
    #[serde(default)]
    pub(crate) length: u64,
    /// What it is known by at its source, where that is better than its bytes.
    #[serde(default)]
    pub(crate) origin: Option<u64>,
    /// What its folder is for, such as `\Sent`: the account's own such folder gets it.
    #[serde(default)]
    pub(crate) special_use: Option<String>,
    /// No message follows: the folder is made, and the answer is [`KNOWN`] with a letter for each
    /// of these origins, `1` for one that came before.
    #[serde(default)]
    pub(crate) asks: Option<Vec<u64>>,
}

/// What the answer to a question begins with.
pub(crate) const KNOWN: &str = "known:";

impl Head {
    /// The line.
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the next one; `None` at the end.
    pub(crate) fn next(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}
