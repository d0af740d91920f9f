//! Reads address lists of header fields, with groups, routes and what old writers do.
//!
//! It never fails: what is no address is shown as one without a domain. Source: RFC 5322 sections
//! 3.4 and 4.4, RFC 9051 section 7.5.2.

use crate::token::{Lexer, Spaced, Token, unquote};
use crate::word::decode_words;

/// A member of an address list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// An address.
    Mailbox(Mailbox<'a>),
    /// A group of this name starts.
    Group(&'a [u8]),
    /// The group ends.
    GroupEnd,
}

/// An address of a header field, quotes and comments taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The name shown, encoded words not decoded; a comment where there is no other.
    pub name: Option<&'a [u8]>,
    /// The obsolete source route.
    pub route: Option<&'a [u8]>,
    /// What stands before the last `@`.
    pub local: &'a [u8],
    /// What stands behind it; empty where there is none.
    pub domain: &'a [u8],
}

/// Calls `member` for each member of an address list. A group that starts also ends.
pub fn each(value: &[u8], member: impl FnMut(Entry<'_>)) {
    let mut reader = Reader {
        member,
        words: Vec::new(),
        inner: Vec::new(),
        has_inner: false,
        comment: None,
        in_group: false,
        name: Vec::new(),
        route: Vec::new(),
        local: Vec::new(),
        domain: Vec::new(),
    };
    let mut is_inside = false;
    for spaced in Lexer::new(value) {
        is_inside = if is_inside { reader.inside(spaced) } else { reader.outside(spaced) };
    }
    reader.end_address();
    reader.end_group();
}

/// The first address of a list as `SORT` wants it: what stands before its `@`.
///
/// Source: RFC 5256 section 3 (`FROM`, `TO`, `CC`).
pub fn first_mailbox(value: &[u8]) -> Option<String> {
    first(value, |mailbox| lossy(mailbox.local))
}

/// The first address of a list as one would show it: its name, else the address.
///
/// Source: RFC 5957 section 3 (`DISPLAYFROM`, `DISPLAYTO`).
pub fn first_display(value: &[u8]) -> Option<String> {
    first(value, |mailbox| {
        let name = mailbox.name.map(decode_words).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| match mailbox.domain {
            b"" => lossy(mailbox.local),
            domain => format!("{}@{}", lossy(mailbox.local), lossy(domain)),
        })
    })
}

/// What `choose` makes of the first entry; the name of a group counts as its local part.
fn first<T>(value: &[u8], choose: impl Fn(Mailbox<'_>) -> T) -> Option<T> {
    let mut found = None;
    each(value, |entry| {
        let mailbox = match entry {
            Entry::Mailbox(mailbox) => mailbox,
            Entry::Group(local) => Mailbox { name: None, route: None, local, domain: b"" },
            Entry::GroupEnd => return,
        };
        if found.is_none() {
            found = Some(choose(mailbox));
        }
    });
    found
}

fn lossy(bytes: &[u8]) -> String {
    crate::charset::lossless(bytes).into_owned()
}

struct Reader<'a, F> {
    member: F,
    /// Tokens since the last separator, or since the last `>`.
    words: Vec<Spaced<'a>>,
    /// Tokens between `<` and `>`.
    inner: Vec<Spaced<'a>>,
    has_inner: bool,
    comment: Option<&'a [u8]>,
    in_group: bool,
    name: Vec<u8>,
    route: Vec<u8>,
    local: Vec<u8>,
    domain: Vec<u8>,
}

impl<'a, F: FnMut(Entry<'_>)> Reader<'a, F> {
    /// Takes a token outside of `<>`. Tells whether the next one is inside.
    fn outside(&mut self, spaced: Spaced<'a>) -> bool {
        match spaced.token {
            Token::Comment(comment) => self.comment = self.comment.or(Some(comment)),
            Token::Special(b',') => self.end_address(),
            Token::Special(b';') => {
                self.end_address();
                self.end_group();
            }
            Token::Special(b':') if !self.in_group && !self.has_inner => self.start_group(),
            Token::Special(b'<') => {
                // Two addresses with no comma between them.
                if self.has_inner {
                    let next = std::mem::take(&mut self.words);
                    self.end_address();
                    self.words = next;
                }
                self.name.clear();
                join(&self.words, true, &mut self.name);
                self.words.clear();
                self.has_inner = true;
                return true;
            }
            Token::Special(b'>') => {}
            _ => self.words.push(spaced),
        }
        false
    }

    /// Takes a token inside of `<>`. Tells whether the next one is, too.
    fn inside(&mut self, spaced: Spaced<'a>) -> bool {
        let is_route = self.inner.first().is_some_and(|first| first.token == Token::Special(b'@'));
        match spaced.token {
            Token::Special(b'>') => return false,
            // Nothing closed it.
            Token::Special(b',') if !is_route => {
                self.end_address();
                return false;
            }
            Token::Comment(_) | Token::Special(b'<') => {}
            _ => self.inner.push(spaced),
        }
        true
    }

    fn start_group(&mut self) {
        self.name.clear();
        join(&self.words, true, &mut self.name);
        self.words.clear();
        self.comment = None;
        self.in_group = true;
        (self.member)(Entry::Group(&self.name));
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            (self.member)(Entry::GroupEnd);
        }
    }

    fn end_address(&mut self) {
        let comment = self.comment.take();
        if !self.has_inner {
            self.name.clear();
            std::mem::swap(&mut self.inner, &mut self.words);
        }
        if self.has_inner || !self.inner.is_empty() {
            self.split();
            if self.name.is_empty() {
                unquote(&mut self.name, comment.unwrap_or_default().trim_ascii());
            }
            let some = |bytes: &'_ [u8]| !bytes.is_empty();
            (self.member)(Entry::Mailbox(Mailbox {
                name: Some(&*self.name).filter(|name| some(name)),
                route: Some(&*self.route).filter(|route| some(route)),
                local: &self.local,
                domain: &self.domain,
            }));
        }
        self.has_inner = false;
        self.inner.clear();
        self.words.clear();
    }

    /// Splits the tokens of an address into route, local part and domain.
    fn split(&mut self) {
        for part in [&mut self.route, &mut self.local, &mut self.domain] {
            part.clear();
        }
        let is = |special: u8| move |spaced: &Spaced<'_>| spaced.token == Token::Special(special);
        let mut tokens = &*self.inner;
        if tokens.first().is_some_and(is(b'@'))
            && let Some(colon) = tokens.iter().position(is(b':'))
            && let Some((route, rest)) = tokens.split_at_checked(colon)
        {
            join(route, false, &mut self.route);
            tokens = rest.get(1..).unwrap_or_default();
        }
        let at = tokens.iter().rposition(is(b'@')).unwrap_or(tokens.len());
        let (local, domain) = tokens.split_at_checked(at).unwrap_or((tokens, &[]));
        join(local, false, &mut self.local);
        join(domain.get(1..).unwrap_or_default(), false, &mut self.domain);
    }
}

/// Joins tokens; blanks stay in a phrase, and between two words that nothing else parts.
fn join(tokens: &[Spaced<'_>], is_phrase: bool, out: &mut Vec<u8>) {
    let mut after_word = false;
    for (place, spaced) in tokens.iter().enumerate() {
        let is_word = !matches!(spaced.token, Token::Special(_));
        if spaced.spaced && place > 0 && (is_phrase || (after_word && is_word)) {
            out.push(b' ');
        }
        after_word = is_word;
        match spaced.token {
            Token::Word(text) | Token::Literal(text) => out.extend_from_slice(text),
            Token::Quoted(text) | Token::Comment(text) => unquote(out, text),
            Token::Special(byte) => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> String {
        let mut all = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        each(value.as_bytes(), |entry| {
            all.push(match entry {
                Entry::Group(name) => format!("{}:", text(name)),
                Entry::GroupEnd => ";".to_owned(),
                Entry::Mailbox(m) => format!(
                    "{}{}<{}|{}>",
                    m.name.map(text).unwrap_or_default(),
                    m.route.map(|route| format!("[{}]", text(route))).unwrap_or_default(),
                    text(m.local),
                    text(m.domain)
                ),
            });
        });
        all.join(" ")
    }

    #[test]
    fn lists_are_read_as_the_standard_has_them() {
        for (value, expected) in [
            // RFC 5322 appendix A.
            ("John Doe <jdoe@machine.example>", "John Doe<jdoe|machine.example>"),
            (
                "\"Joe Q. Public\" <john.q.public@example.com>",
                "Joe Q. Public<john.q.public|example.com>",
            ),
            (
                "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
                "Mary Smith<mary|x.test> <jdoe|example.org> Who?<one|y.test>",
            ),
            (
                "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
                "<boss|nil.test> Giant; \"Big\" Box<sysservices|example.net>",
            ),
            (
                "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
                "A Group: Ed Jones<c|a.test> <joe|where.test> John<jdoe|one.test> ;",
            ),
            ("Undisclosed recipients:;", "Undisclosed recipients: ;"),
            (
                "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
                "Pete<pete|silly.test>",
            ),
            (
                "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n \
              joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
                "A Group: Chris Jones<c|public.example> <joe|example.org> John<jdoe|one.test> ;",
            ),
            (
                "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
                "Hidden recipients: ;",
            ),
            (
                "Joe Q. Public <john.q.public@example.com>",
                "Joe Q. Public<john.q.public|example.com>",
            ),
            (
                "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
                "Mary Smith[@node.test]<mary|example.net> <jdoe|test.example>",
            ),
            ("<@a,@b:c@d>", "[@a,@b]<c|d>"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn what_writers_get_wrong_is_shown_all_the_same() {
        for (value, expected) in [
            ("ann@a.example (Ann \\(A\\))", "Ann (A)<ann|a.example>"),
            ("ann", "<ann|>"),
            ("Ann A", "<Ann A|>"),
            ("<>", "<|>"),
            ("", ""),
            (" , ;", ""),
            ("\"a b\"@c", "<a b|c>"),
            ("a@b@c", "<a@b|c>"),
            ("ann@a <ann@a>", "ann@a<ann|a>"),
            ("A <a@b, c@d", "A<a|b> <c|d>"),
            ("A <a@b> B <c@d>", "A<a|b> B<c|d>"),
            ("\"A <a@b>", "\"A<a|b>"),
            ("a:b:c@d;", "a: <b:c|d> ;"),
            ("g:a@b", "g: <a|b> ;"),
            ("a@[1.2.3.4]", "<a|[1.2.3.4]>"),
            ("a@b; c@d", "<a|b> <c|d>"),
            ("=?utf-8?Q?A,_B?= <a@b>", "=?utf-8?Q?A,_B?=<a|b>"),
            ("<<a@b>>", "<a|b>"),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn the_first_address_sorts_and_shows() {
        for (value, mailbox, display) in [
            ("=?utf-8?q?=C3=89va?= <eva@b>, c@d", "eva", "\u{c9}va"),
            ("eva@b", "eva", "eva@b"),
            ("friends: a@b;", "friends", "friends"),
            ("eva", "eva", "eva"),
        ] {
            assert_eq!(first_mailbox(value.as_bytes()).as_deref(), Some(mailbox));
            assert_eq!(first_display(value.as_bytes()).as_deref(), Some(display));
        }
        assert_eq!(first_mailbox(b" "), None);
    }
}
