//! The hash of a body in its relaxed form, as the body comes, in pieces of any size.
//!
//! Blanks at the ends of lines and empty lines at the end of the body do not count, and other runs
//! of blanks count as one space. Source: RFC 6376 section 3.4.4.

use aws_lc_rs::digest::{Context, SHA256};

/// Octets that are gathered before they are hashed.
const GATHER: usize = 4096;

/// Hashes a body. Only CRLF ends a line; a CR or LF that stands alone is an octet like others.
#[derive(Clone)]
pub struct BodyHasher {
    context: Context,
    gathered: Vec<u8>,
    /// Ends of lines that count once something follows.
    ends: u64,
    /// Blanks that count once something follows in their line.
    has_blank: bool,
    /// Whether the last octet was a CR.
    has_cr: bool,
    /// Whether anything counted so far.
    has_text: bool,
}

impl Default for BodyHasher {
    fn default() -> Self {
        Self {
            context: Context::new(&SHA256),
            gathered: Vec::with_capacity(GATHER),
            ends: 0,
            has_blank: false,
            has_cr: false,
            has_text: false,
        }
    }
}

impl std::fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyHasher").finish_non_exhaustive()
    }
}

impl BodyHasher {
    /// Takes the next octets of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, tail)) = rest.split_first() {
            if std::mem::take(&mut self.has_cr) {
                if *first == b'\n' {
                    self.has_blank = false;
                    self.ends += 1;
                    rest = tail;
                    continue;
                }
                self.text(b"\r");
            }
            match first {
                b'\r' => self.has_cr = true,
                b' ' | b'\t' => self.has_blank = true,
                _ => {
                    let special = |byte: &u8| matches!(byte, b'\r' | b' ' | b'\t');
                    let end = rest.iter().position(special).unwrap_or(rest.len());
                    let (run, further) = rest.split_at(end);
                    self.text(run);
                    rest = further;
                    continue;
                }
            }
            rest = tail;
        }
    }

    /// The hash of all that was pushed.
    pub fn finish(mut self) -> [u8; 32] {
        if std::mem::take(&mut self.has_cr) {
            self.text(b"\r");
        }
        if self.has_text {
            self.gathered.extend_from_slice(b"\r\n");
        }
        self.context.update(&self.gathered);
        let mut hash = [0; 32];
        let digest = self.context.finish();
        hash.iter_mut().zip(digest.as_ref()).for_each(|(slot, byte)| *slot = *byte);
        hash
    }

    /// Octets that count, behind the ends of lines and blanks that count with them.
    fn text(&mut self, bytes: &[u8]) {
        while self.ends > 0 {
            self.gathered.extend_from_slice(b"\r\n");
            self.ends -= 1;
            self.spill();
        }
        if std::mem::take(&mut self.has_blank) {
            self.gathered.push(b' ');
        }
        self.has_text = true;
        self.gathered.extend_from_slice(bytes);
        self.spill();
    }

    fn spill(&mut self) {
        if self.gathered.len() >= GATHER {
            self.context.update(&self.gathered);
            self.gathered.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    use super::*;

    fn hash(body: &[u8]) -> [u8; 32] {
        let mut hasher = BodyHasher::default();
        hasher.push(body);
        hasher.finish()
    }

    #[test]
    fn a_body_counts_as_its_relaxed_form() {
        for (body, form) in [
            ("", ""),
            ("\r\n", ""),
            (" \t\r\n\r\n \r\n", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a\r\n\r\n\r\n", "a\r\n"),
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("a \t", "a\r\n"),
            ("a\r\n\r\nb", "a\r\n\r\nb\r\n"),
            ("a\rb\nc\r\r\n", "a\rb\nc\r\r\n"),
            ("a \r", "a \r\r\n"),
            ("\r\n\r\na\r\n", "\r\n\r\na\r\n"),
            ("a\0 \u{fc}\r\n", "a\0 \u{fc}\r\n"),
        ] {
            let wanted = digest(&SHA256, form.as_bytes());
            assert_eq!(hash(body.as_bytes()), wanted.as_ref(), "{body:?}");
        }
    }

    #[test]
    fn many_empty_lines_count_when_something_follows() {
        let body = [b"\r\n".repeat(10_000), b"x".to_vec()].concat();
        let form = [&body[..], b"\r\n"].concat();
        assert_eq!(hash(&body), digest(&SHA256, &form).as_ref());
    }

    proptest! {
        #[test]
        fn where_a_body_is_cut_does_not_matter(
            body in prop::collection::vec(prop::sample::select(b"a \t\r\n".to_vec()), 0..80),
            cut in 0_usize..80,
        ) {
            let mut hasher = BodyHasher::default();
            let (head, tail) = body.split_at(cut.min(body.len()));
            hasher.push(head);
            hasher.push(tail);
            prop_assert_eq!(hasher.finish(), hash(&body));
            let mut hasher = BodyHasher::default();
            for byte in &body {
                hasher.push(&[*byte]);
            }
            prop_assert_eq!(hasher.finish(), hash(&body));
        }
    }
}
