//! A message's HTML as one client leaves it: what it does not know is taken out.
//!
//! It goes by the same table as the check: a use of a feature that the client's newest version does
//! not do. What it does in part is left, for the table does not say which part. So it is an
//! estimate, and shows what is lost, not how the client draws the rest.

use std::ops::Range;

use super::{
    matcher::{Matcher, Sign, matchers},
    table::{Client, Support, table},
};
use crate::css::{Fact, Kind, Token, facts, tokens};

/// A client that looks at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eye {
    client: usize,
}

impl Eye {
    /// The client of that name, such as `gmail.android`.
    pub fn named(name: &str) -> Option<Self> {
        let (family, platform) = name.split_once('.')?;
        let is_it = |one: &Client| one.family == family && one.platform == platform;
        Some(Self { client: table().clients.iter().position(is_it)? })
    }

    /// Whether nothing says that the client does not do it.
    pub fn sees(self, matcher: Matcher<'_>) -> bool {
        let features = matchers().get(&matcher).into_iter().flatten();
        let mut known = features.filter_map(|place| table().features.get(*place));
        known.all(|feature| {
            feature.newest(self.client).is_none_or(|tried| tried.support != Support::No)
        })
    }

    /// A style without what the client does not do; `is_sheet` tells a whole sheet from the
    /// declarations of an attribute.
    pub fn css(self, css: &str, is_sheet: bool) -> String {
        let tokens = tokens(css);
        let mut cuts: Vec<Range<usize>> = Vec::new();
        // The declaration or the rule that values and units are of.
        let mut own = None;
        facts(css, is_sheet, &mut |at, fact| {
            match fact {
                Fact::Property(_) | Fact::CustomProperty => own = Some((at, Piece::Declaration)),
                Fact::AtRule(_) | Fact::Nesting => own = Some((at, Piece::Rule)),
                Fact::Selector(_) | Fact::Pseudo(_) => own = Some((at, Piece::Selector)),
                _ => {}
            }
            if self.sees_fact(fact) {
                return;
            }
            let range = own.and_then(|(at, piece)| range((css, &tokens), at, piece));
            cuts.extend(range);
        });
        without(css, cuts)
    }

    fn sees_fact(self, fact: Fact<'_>) -> bool {
        match fact {
            Fact::AtRule(name) => self.sees(Matcher::AtRule(name)),
            Fact::MediaFeature(name) => self.sees(Matcher::MediaFeature(name)),
            Fact::Selector(kind) => self.sees(Matcher::Selects(kind)),
            Fact::Pseudo(name) => self.sees(Matcher::Pseudo(name)),
            Fact::Property(name) => self.sees(Matcher::Property(name)),
            Fact::Value(property, name) => {
                self.sees(Matcher::PropertyValue(property, name))
                    && self.sees(Matcher::Keyword(name))
            }
            Fact::Unit(name) => self.sees(Matcher::Unit(name)),
            Fact::Function(name) => self.sees(Matcher::Function(name)),
            Fact::Important => self.sees(Matcher::Uses(Sign::Important)),
            Fact::CustomProperty => self.sees(Matcher::Uses(Sign::CustomProperty)),
            Fact::Nesting => self.sees(Matcher::Uses(Sign::Nesting)),
            Fact::Url(_) | Fact::Comment => true,
        }
    }
}

/// What is taken out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// From its property to its semicolon.
    Declaration,
    /// From its name to the end of its block.
    Rule,
    /// A rule, from the first of its selectors.
    Selector,
}

/// Where a piece is that is, or begins, at `at`.
fn range((css, tokens): (&str, &[Token]), at: usize, piece: Piece) -> Option<Range<usize>> {
    let len = css.len();
    let place = tokens.iter().position(|token| token.at == at)?;
    let first = if piece == Piece::Selector { head(tokens, place) } else { place };
    let start = tokens.get(first)?.at;
    let rest = tokens.get(first..)?;
    let mut depth = 0_usize;
    let mut has_block = false;
    for (token, next) in rest.iter().zip(rest.iter().skip(1).map(Some).chain([None])) {
        let behind = next.map_or(len, |next| next.at);
        match token.kind {
            Kind::Delim(';') if depth == 0 && !has_block => return Some(start..behind),
            Kind::Open(open) => {
                has_block |= open == '{' && depth == 0 && piece != Piece::Declaration;
                depth += 1;
            }
            Kind::Function(_) => depth += 1,
            // It is told where the block is over, behind what closes it, if anything does.
            Kind::Close if depth == 0 => {
                let inside = css.get(..token.at)?;
                return Some(start..inside.strip_suffix('}').map_or(token.at, str::len));
            }
            Kind::Close => depth -= 1,
            _ => {}
        }
        if has_block && depth == 0 {
            return Some(start..behind);
        }
    }
    Some(start..len)
}

/// The first token of the rule whose selector has the token at `place`.
fn head(tokens: &[Token], place: usize) -> usize {
    let mut depth = 0_usize;
    for at in (0..place).rev() {
        match tokens.get(at).map(|token| &token.kind) {
            Some(Kind::Delim(';') | Kind::Open('{')) if depth == 0 => return at + 1,
            Some(Kind::Open(_) | Kind::Function(_)) => depth = depth.saturating_sub(1),
            // The end of an attribute or a function in the selector, or of the rule before.
            Some(Kind::Close) => match opening(tokens, at) {
                Some('{') if depth == 0 => return at + 1,
                _ => depth += 1,
            },
            _ => {}
        }
    }
    0
}

/// What the close at `place` closes.
fn opening(tokens: &[Token], place: usize) -> Option<char> {
    let mut depth = 0_usize;
    for token in tokens.get(..place)?.iter().rev() {
        match token.kind {
            Kind::Close => depth += 1,
            Kind::Open(_) | Kind::Function(_) if depth > 0 => depth -= 1,
            Kind::Open(open) => return Some(open),
            Kind::Function(_) => return Some('('),
            _ => {}
        }
    }
    None
}

/// A text without some of its pieces.
fn without(text: &str, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_unstable_by_key(|cut| (cut.start, cut.end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for cut in cuts {
        if cut.start > at {
            out.push_str(text.get(at..cut.start).unwrap_or_default());
        }
        at = at.max(cut.end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook() -> Eye {
        Eye::named("outlook.windows").unwrap()
    }

    #[test]
    fn clients_are_known_by_family_and_platform() {
        assert!(Eye::named("gmail.android").is_some());
        assert_eq!(Eye::named("gmail.amiga").or_else(|| Eye::named("gmail")), None);
        for client in &table().clients {
            assert!(Eye::named(&format!("{}.{}", client.family, client.platform)).is_some());
        }
    }

    #[test]
    fn what_a_client_does_not_do_is_taken_out_of_declarations() {
        let eye = outlook();
        for (css, left) in [
            ("color:red;border-radius:3px;margin:0", "color:red;margin:0"),
            ("border-radius:3px", ""),
            ("display:grid;color:red", "color:red"),
            ("color:red; display: grid", "color:red; "),
            ("content:';border-radius:1px'; color:red", "content:';border-radius:1px'; color:red"),
            // A rule in a declaration's place.
            ("color:red}b{border-radius:1px", ""),
            ("", ""),
        ] {
            assert_eq!(eye.css(css, false), left, "{css}");
        }
    }

    #[test]
    fn rules_go_whole_and_others_stay() {
        let eye = outlook();
        let css = "p { color: red; border-radius: 3px }\
            @media (max-width: 9px) { p { color: blue } } \
            a:hover { color: green } a { margin: 0 }";
        let left = eye.css(css, true);
        assert!(left.contains("p { color: red; }"), "{left}");
        assert!(left.contains("a { margin: 0 }"), "{left}");
        assert!(left.contains("blue") && !left.contains("green"), "{left}");
        let gmail = Eye::named("gmail.android").unwrap();
        assert!(gmail.css("p{border-radius:3px}", true).contains("border-radius"));
        assert!(!gmail.sees(Matcher::Element("video")) || !eye.sees(Matcher::Element("video")));
    }

    #[test]
    fn broken_styles_are_no_danger() {
        for css in
            ["a{", "}", "a{b:c", "@media", "@media{{{", "a[b{c:d}", ":hover", "x;y;{", "\u{e9}{"]
        {
            outlook().css(css, true);
            outlook().css(css, false);
        }
        let deep = format!("{}p:hover{{display:grid}}", "@media print{".repeat(300));
        assert!(outlook().css(&deep, true).len() <= deep.len());
    }
}
