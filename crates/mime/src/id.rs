//! Message identifiers: which a message has, which it answers, and their hashes.
//!
//! Source: RFC 5322 section 3.6.4, RFC 5256 section 3 (`REFERENCES`).

use crate::token::{Lexer, Spaced, Token, unquote};

/// The most references of a message that count: the first, and as many of the last.
pub const REFERENCES_MAX: usize = 100;

/// A message identifier without its angle brackets and quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Vec<u8>);

impl MessageId {
    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A number that stands for it in rows; it stays the same in every version.
    pub fn hash(&self) -> i64 {
        i64::from_be_bytes(fnv(&self.0).to_be_bytes())
    }
}

/// The identifiers of a field, in their order; words outside of angle brackets are not any.
///
/// A field that has a word with an `@` and no brackets at all gives that one.
pub fn message_ids(value: &[u8]) -> Vec<MessageId> {
    let mut ids = Vec::new();
    let mut inside: Option<Vec<u8>> = None;
    let mut bare = Vec::new();
    let mut has_brackets = false;
    for Spaced { token, .. } in Lexer::new(value) {
        match (token, &mut inside) {
            (Token::Special(b'<'), _) => {
                has_brackets = true;
                inside = Some(Vec::new());
            }
            (Token::Special(b'>'), _) => {
                let id = inside.take().filter(|id| !id.is_empty());
                ids.extend(id.map(MessageId));
            }
            (token, Some(id)) => push(id, token),
            (token, None) if !has_brackets => push(&mut bare, token),
            (_, None) => {}
        }
    }
    if !has_brackets && bare.contains(&b'@') {
        ids.push(MessageId(bare));
    }
    ids
}

/// The messages that a message answers, the first of the thread first: its `References`, else the
/// first one of `In-Reply-To`.
///
/// Source: RFC 5256 section 3 (`REFERENCES`, step 1).
pub fn references(references: Option<&[u8]>, in_reply_to: Option<&[u8]>) -> Vec<MessageId> {
    let mut ids = message_ids(references.unwrap_or_default());
    if ids.is_empty() {
        ids = message_ids(in_reply_to.unwrap_or_default());
        ids.truncate(1);
    }
    if ids.len() > REFERENCES_MAX {
        ids.drain(1..=ids.len() - REFERENCES_MAX);
    }
    ids
}

fn push(id: &mut Vec<u8>, token: Token<'_>) {
    match token {
        Token::Word(text) | Token::Literal(text) => id.extend_from_slice(text),
        Token::Quoted(text) => unquote(id, text),
        Token::Special(byte) => id.push(byte),
        Token::Comment(_) => {}
    }
}

/// FNV-1a of 64 bits.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: &str) -> Vec<String> {
        let text = |id: &MessageId| String::from_utf8_lossy(id.as_bytes()).into_owned();
        message_ids(value.as_bytes()).iter().map(text).collect()
    }

    #[test]
    fn identifiers_are_what_stands_in_brackets() {
        for (value, expected) in [
            ("<a@b>", &["a@b"][..]),
            ("<a@b> <c@d>\r\n <e@f>", &["a@b", "c@d", "e@f"]),
            ("<a@b><c@d>", &["a@b", "c@d"]),
            ("Your message of <x@y> on \"Tue\"", &["x@y"]),
            ("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", &["01KF8JCEOCBS0045PS@xxx.yyy.com"]),
            ("< a @ b >", &["a@b"]),
            ("a@b", &["a@b"]),
            ("a", &[]),
            ("<>", &[]),
            ("<a@b", &[]),
            ("ann@x (comment) <a>", &["a"]),
        ] {
            assert_eq!(ids(value), expected, "{value}");
        }
    }

    #[test]
    fn references_fall_back_and_are_bounded() {
        let many = (0..500).map(|n| format!("<{n}@x>")).collect::<Vec<_>>().join(" ");
        let found = references(Some(many.as_bytes()), None);
        assert_eq!(found.len(), REFERENCES_MAX);
        assert_eq!(found[0].as_bytes(), b"0@x");
        assert_eq!(found[1].as_bytes(), b"401@x");
        assert_eq!(found[99].as_bytes(), b"499@x");
        let fallback = references(Some(b"none"), Some(b"<a@b> <c@d>"));
        assert_eq!(fallback, [MessageId(b"a@b".to_vec())]);
        assert!(references(None, None).is_empty());
    }

    #[test]
    fn a_hash_never_changes() {
        // The published test value of FNV-1a for "a".
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(MessageId(b"a".to_vec()).hash(), -5_808_556_873_153_909_620);
    }
}
