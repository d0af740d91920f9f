//! The lexer of structured header fields: words, quoted strings, comments, literals, specials.
//!
//! Each octet is looked at a bounded number of times, whatever the field holds: an opening quote or
//! bracket that nothing closes is told once, and from then on is an ordinary character.
//! Source: RFC 5322 section 3.2, with the obsolete forms of section 4.

use memchr::{memchr, memmem};

/// A token of a structured field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Characters with no meaning of their own, or a whole encoded word.
    Word(&'a [u8]),
    /// What stands between quotes, with its backslashes.
    Quoted(&'a [u8]),
    /// A domain literal with its brackets.
    Literal(&'a [u8]),
    /// What stands between parentheses, with its backslashes.
    Comment(&'a [u8]),
    /// One of `<>@,;:.`.
    Special(u8),
}

/// A token, and whether blanks or a comment stand before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spaced<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) spaced: bool,
}

/// The longest encoded word that is taken for one; the standard says 75.
const ENCODED_WORD_MAX: usize = 300;

/// Reads tokens off a field's value.
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    quotes_open: bool,
    literals_open: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, quotes_open: false, literals_open: false }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Takes the next `len` octets.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let taken = self.rest().get(..len).unwrap_or_else(|| self.rest());
        self.at += taken.len();
        taken
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        match *rest.first()? {
            b'(' => {
                let comment = self.take(comment_len(rest));
                let inner = comment.get(1..).unwrap_or_default();
                Some(Token::Comment(inner.strip_suffix(b")").unwrap_or(inner)))
            }
            b'"' if !self.quotes_open => {
                let Some(len) = quoted_len(rest) else {
                    self.quotes_open = true;
                    return Some(self.word());
                };
                self.take(len).get(1..len - 1).map(Token::Quoted)
            }
            b'[' if !self.literals_open => {
                let Some(end) = memchr(b']', rest) else {
                    self.literals_open = true;
                    return Some(self.word());
                };
                Some(Token::Literal(self.take(end + 1)))
            }
            special if is_special(special) => {
                self.at += 1;
                Some(Token::Special(special))
            }
            _ => Some(self.word()),
        }
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        if let Some(len) = encoded_word_len(rest) {
            return Token::Word(self.take(len));
        }
        let more = rest.get(1..).unwrap_or_default();
        let ends = |&b: &u8| match b {
            b' ' | b'\t' | b'\r' | b'\n' | b'(' => true,
            b'"' => !self.quotes_open,
            b'[' => !self.literals_open,
            b => is_special(b),
        };
        let len = more.iter().position(ends).unwrap_or(more.len());
        Token::Word(self.take(len + 1))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Spaced<'a>;

    fn next(&mut self) -> Option<Spaced<'a>> {
        let rest = self.rest();
        let blanks = rest.iter().take_while(|&&b| is_blank(b)).count();
        self.at += blanks;
        let token = self.token()?;
        Some(Spaced { token, spaced: blanks > 0 })
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.')
}

pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The octets of the comment at the start of `bytes`; all of them when nothing closes it.
pub(crate) fn comment_len(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    let close = bytes.iter().position(|&byte| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match byte {
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    close.map_or(bytes.len(), |at| at + 1)
}

/// The octets of the quoted string at the start of `bytes`, unless nothing closes it.
pub(crate) fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The octets of the encoded word at the start of `bytes`, when there is one.
///
/// Its text may hold the specials that a careless writer left in.
fn encoded_word_len(bytes: &[u8]) -> Option<usize> {
    let start = bytes.strip_prefix(b"=?")?;
    let start = start.get(..ENCODED_WORD_MAX).unwrap_or(start);
    let charset = memchr(b'?', start)?;
    let [b'b' | b'B' | b'q' | b'Q', b'?', text @ ..] = start.get(charset + 1..)? else {
        return None;
    };
    let end = memmem::find(text, b"?=")?;
    let inner = start.get(..charset + 3 + end)?;
    (!inner.iter().any(|&b| is_blank(b))).then_some(2 + inner.len() + 2)
}

/// Adds `text` without the backslashes that quote, and without what can be in no value.
pub(crate) fn unquote(out: &mut Vec<u8>, text: &[u8]) {
    let mut escaped = false;
    for &byte in text {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            if !matches!(byte, b'\r' | b'\n' | 0) {
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Token::{Comment, Literal, Quoted, Special, Word};
    use super::*;

    fn tokens(value: &[u8]) -> Vec<Token<'_>> {
        Lexer::new(value).map(|spaced| spaced.token).collect()
    }

    #[test]
    fn tokens_are_as_the_standard_has_them() {
        assert_eq!(
            tokens(b"\"a \\\" b\" (c (d) \\) e) <f.g@[h]>"),
            [
                Quoted(b"a \\\" b"),
                Comment(b"c (d) \\) e"),
                Special(b'<'),
                Word(b"f"),
                Special(b'.'),
                Word(b"g"),
                Special(b'@'),
                Literal(b"[h]"),
                Special(b'>')
            ]
        );
        assert_eq!(tokens(b"=?utf-8?Q?a,b?= <"), [Word(b"=?utf-8?Q?a,b?="), Special(b'<')]);
    }

    #[test]
    fn what_nothing_closes_is_ordinary() {
        assert_eq!(tokens(b"\"a b"), [Word(b"\"a"), Word(b"b")]);
        assert_eq!(tokens(b"[a \"b\""), [Word(b"[a"), Quoted(b"b")]);
        assert_eq!(tokens(b"(a (b) c"), [Comment(b"a (b) c")]);
        assert_eq!(tokens(b"\"\\\"a"), [Word(b"\"\\\"a")]);
        assert_eq!(tokens(b"=?a?b?c"), [Word(b"=?a?b?c")]);
    }
}
