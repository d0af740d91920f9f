//! Macro strings of SPF: parsed once, expanded where their domain or text is needed.
//!
//! Source: RFC 7208 section 7.

use std::net::IpAddr;

use mailwright_words::percent::escaped;

/// A macro string that is right in form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Macros(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Expand(Expand),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expand {
    letter: u8,
    /// Whether what comes out is escaped as in a URL.
    escape: bool,
    /// How many parts from the right; all of them when it is zero.
    parts: usize,
    reverse: bool,
    delimiters: String,
}

/// Where a macro string stands, which says what letters it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a record.
    Record,
    /// In the text that an `exp` leads to.
    Explanation,
}

/// What the letters stand for. `p` is looked up by whoever expands.
#[derive(Debug, Clone)]
pub(super) struct Values<'a> {
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) ip: IpAddr,
    pub(super) helo: &'a str,
    pub(super) host: &'a str,
    pub(super) seconds: i64,
    pub(super) validated: Option<&'a str>,
}

/// Why a macro string is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Macros {
    /// Reads a macro string.
    pub(super) fn parse(text: &str, place: Place) -> Result<Self, Malformed> {
        let visible = |one: u8| one.is_ascii_graphic() || place == Place::Explanation;
        if !text.bytes().all(visible) {
            return Err(Malformed);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (before, from) = rest.split_at_checked(at).ok_or(Malformed)?;
            push_text(&mut pieces, before);
            let tail = from.strip_prefix('%').ok_or(Malformed)?;
            let kind = tail.chars().next().ok_or(Malformed)?;
            let after = tail.strip_prefix(kind).ok_or(Malformed)?;
            rest = match kind {
                '%' => text_and(&mut pieces, "%", after),
                '_' => text_and(&mut pieces, " ", after),
                '-' => text_and(&mut pieces, "%20", after),
                '{' => {
                    let (inner, after) = after.split_once('}').ok_or(Malformed)?;
                    pieces.push(Piece::Expand(Expand::parse(inner, place)?));
                    after
                }
                _ => return Err(Malformed),
            };
        }
        push_text(&mut pieces, rest);
        Ok(Self(pieces))
    }

    /// Reads a domain-spec: it ends in a top label or in a macro.
    pub(super) fn parse_domain(text: &str) -> Result<Self, Malformed> {
        let macros = Self::parse(text, Place::Record)?;
        match macros.0.last() {
            Some(Piece::Expand(_)) => Ok(macros),
            Some(Piece::Text(_)) if ends_in_macro(text) || ends_in_top_label(text) => Ok(macros),
            _ => Err(Malformed),
        }
    }

    /// The text it stands for whoever the client is; none where it depends on that.
    pub(super) fn plain(&self) -> Option<String> {
        let text = self.0.iter().map(|piece| match piece {
            Piece::Text(literal) => Some(literal.as_str()),
            Piece::Expand(_) => None,
        });
        let text: String = text.collect::<Option<_>>()?;
        Some(text.trim_end_matches('.').to_ascii_lowercase())
    }

    /// Whether it needs the name that the address proved.
    pub(super) fn needs_validated(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Expand(of) if of.letter == b'p'))
    }

    /// The text it stands for.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        self.0.iter().fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Expand(of) => text.push_str(&of.expand(values)),
            }
            text
        })
    }

    /// The domain name it stands for, shortened from the left until a name has room for it.
    pub(super) fn expand_domain(&self, values: &Values<'_>) -> String {
        let whole = self.expand(values);
        let mut name = whole.trim_end_matches('.');
        while name.len() > 253 {
            name = name.split_once('.').map_or("", |(_, rest)| rest);
        }
        name.to_owned()
    }
}

impl Expand {
    fn parse(inner: &str, place: Place) -> Result<Self, Malformed> {
        let letter = *inner.as_bytes().first().ok_or(Malformed)?;
        let lower = letter.to_ascii_lowercase();
        let known = match place {
            Place::Record => b"slodiphv".contains(&lower),
            Place::Explanation => b"slodiphvcrt".contains(&lower),
        };
        let rest = inner.get(1..).filter(|_| known).ok_or(Malformed)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at_checked(digits).ok_or(Malformed)?;
        let parts = match number {
            "" => 0,
            // A number too large for us asks for more parts than there are.
            _ => number.parse().unwrap_or(usize::MAX),
        };
        if parts == 0 && !number.is_empty() {
            return Err(Malformed);
        }
        let reversed = rest.strip_prefix(['r', 'R']);
        let delimiters = reversed.unwrap_or(rest);
        if !delimiters.bytes().all(|one| b".-+,/_=".contains(&one)) {
            return Err(Malformed);
        }
        Ok(Self {
            letter: lower,
            escape: letter.is_ascii_uppercase(),
            parts,
            reverse: reversed.is_some(),
            delimiters: if delimiters.is_empty() { "." } else { delimiters }.to_owned(),
        })
    }

    fn expand(&self, values: &Values<'_>) -> String {
        let value = self.value(values);
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reverse {
            parts.reverse();
        }
        let keep = if self.parts == 0 { parts.len() } else { self.parts };
        let skip = parts.len().saturating_sub(keep);
        let text = parts.get(skip..).unwrap_or_default().join(".");
        if self.escape { escaped(&text, b"~") } else { text }
    }

    fn value(&self, values: &Values<'_>) -> String {
        match self.letter {
            b's' => format!("{}@{}", values.local, values.sender_domain),
            b'l' => values.local.to_owned(),
            b'o' => values.sender_domain.to_owned(),
            b'd' => values.domain.to_owned(),
            b'i' => dotted(values.ip),
            b'p' => values.validated.unwrap_or("unknown").to_owned(),
            b'v' if values.ip.is_ipv4() => "in-addr".to_owned(),
            b'v' => "ip6".to_owned(),
            b'h' => values.helo.to_owned(),
            b'c' => values.ip.to_string(),
            b'r' => values.host.to_owned(),
            b't' => values.seconds.to_string(),
            _ => String::new(),
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn text_and<'a>(pieces: &mut Vec<Piece>, text: &str, after: &'a str) -> &'a str {
    push_text(pieces, text);
    after
}

/// `%%`, `%_` and `%-` are macros, too, and may end a domain-spec.
fn ends_in_macro(text: &str) -> bool {
    let Some(before) = text.strip_suffix(['%', '_', '-']) else { return false };
    let percents = before.bytes().rev().take_while(|&one| one == b'%').count();
    percents % 2 == 1
}

/// Whether a name has a dot and behind it a label that can be a top-level domain.
fn ends_in_top_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, top)) = text.rsplit_once('.') else { return false };
    let inner = |one: u8| one.is_ascii_alphanumeric() || one == b'-';
    top.bytes().all(inner)
        && top.bytes().any(|one| one.is_ascii_alphabetic() || one == b'-')
        && !top.starts_with('-')
        && !top.ends_with('-')
}

/// An address with a dot between its octets, or its nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(ip: &str) -> Values<'static> {
        Values {
            local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            ip: ip.parse().unwrap(),
            helo: "mx.example.org",
            host: "here.example",
            seconds: 7,
            validated: None,
        }
    }

    /// Source: RFC 7208 section 7.4.
    #[test]
    fn the_examples_of_the_rfc_expand_as_it_says() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{p}.trusted.%{d2}", "unknown.trusted.example.com"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("%%%_%-", "% %20"),
        ] {
            let macros = Macros::parse(text, Place::Record).unwrap();
            assert_eq!(macros.expand(&values("192.0.2.3")), expected, "{text}");
        }
        let six = Macros::parse("%{ir}.%{v}._spf.%{d2}", Place::Record).unwrap();
        assert_eq!(
            six.expand(&values("2001:db8::cb01")),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_no_macro_is_refused() {
        for text in ["%", "%x", "%{", "%{d", "%{}", "%{q}", "%{d0}", "%{d2q}", "%{t}", "%{dr-r}"] {
            assert_eq!(Macros::parse(text, Place::Record), Err(Malformed), "{text}");
        }
        assert!(Macros::parse("%{t} %{c} %{r}", Place::Explanation).is_ok());
    }

    #[test]
    fn a_domain_ends_in_a_top_label_or_a_macro() {
        for text in ["a.example", "a.example.", "%{d}", "a.%%", "x.xn--a-b", "_x.%{d1r}"] {
            assert!(Macros::parse_domain(text).is_ok(), "{text}");
        }
        for text in ["", "example", "a.123", "a.-b", "a.b-", "a.example/x", "a.b:c", "a. "] {
            assert_eq!(Macros::parse_domain(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_loses_labels_on_the_left() {
        let long = format!("{}.end.example", vec!["a".repeat(60); 5].join("."));
        let name = Macros::parse_domain(&long).unwrap().expand_domain(&values("192.0.2.3"));
        assert!(name.len() <= 253 && name.ends_with(".end.example") && name.starts_with("aaa"));
    }
}
