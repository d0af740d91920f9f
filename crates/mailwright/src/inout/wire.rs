//! How messages go between the process that has the files and the one that has the store: each as
//! a line of JSON, then its bytes.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

/// Most octets of a head.
pub(crate) const HEAD_MAX: usize = 64 * 1024;

/// What is said of a message before its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) length: u64,
}

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
