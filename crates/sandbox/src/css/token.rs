//! CSS as one flat list of tokens, blocks opened and closed by tokens of their own.

use cssparser::{ParseError, Parser, Token as Css};

/// The most tokens of one style that are looked at.
pub const CSS_TOKENS_MAX: usize = 200_000;
/// Levels of blocks that are taken apart; deeper ones are skipped.
const DEPTH_MAX: usize = 32;

/// A token, and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The octet of the style.
    pub at: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a token is; names are in lower case.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A name.
    Ident(String),
    /// `@name`.
    AtKeyword(String),
    /// `#name`, in the case it was written in.
    Hash(String),
    /// A string.
    String(String),
    /// `url(..)` without quotes.
    Url(String),
    /// A number with nothing behind it.
    Number(f32),
    /// A number and its unit; `%` is one.
    Dimension(f32, String),
    /// `name(`.
    Function(String),
    /// `(`, `[` or `{`.
    Open(char),
    /// What closes a block or a function.
    Close,
    /// Any other character.
    Delim(char),
    /// `~=` and its like, of an attribute selector.
    Match,
    /// Blanks.
    Blank,
    /// A comment.
    Comment,
}

/// The tokens of a style.
pub fn tokens(css: &str) -> Vec<Token> {
    let mut parser = Parser::new(css);
    let mut out = Vec::new();
    gather(&mut parser, 0, &mut out);
    out
}

fn gather(parser: &mut Parser<'_>, depth: usize, out: &mut Vec<Token>) {
    while out.len() < CSS_TOKENS_MAX {
        let at = parser.position().byte_index();
        let Ok(token) = parser.next_including_whitespace_and_comments() else { return };
        let kind = kind(token);
        let opens = matches!(kind, Kind::Function(_) | Kind::Open(_));
        out.push(Token { at, kind });
        if !opens {
            continue;
        }
        if depth < DEPTH_MAX {
            let inside = parser.parse_nested_block(|inner| {
                gather(inner, depth + 1, out);
                Ok::<(), ParseError<()>>(())
            });
            // What is left in the block past a limit makes it an error, and is skipped.
            drop(inside);
        }
        out.push(Token { at: parser.position().byte_index(), kind: Kind::Close });
    }
}

fn kind(token: &Css<'_>) -> Kind {
    let lower = |text: &str| text.to_ascii_lowercase();
    match token {
        Css::Ident(name) => Kind::Ident(lower(name)),
        Css::AtKeyword(name) => Kind::AtKeyword(lower(name)),
        Css::Hash(name) | Css::IDHash(name) => Kind::Hash(name.to_string()),
        Css::QuotedString(text) => Kind::String(text.to_string()),
        Css::UnquotedUrl(url) => Kind::Url(url.to_string()),
        Css::Number { value, .. } => Kind::Number(*value),
        Css::Percentage { unit_value, .. } => Kind::Dimension(unit_value * 100.0, "%".to_owned()),
        Css::Dimension { value, unit, .. } => Kind::Dimension(*value, lower(unit)),
        Css::Function(name) => Kind::Function(lower(name)),
        Css::ParenthesisBlock => Kind::Open('('),
        Css::SquareBracketBlock => Kind::Open('['),
        Css::CurlyBracketBlock => Kind::Open('{'),
        Css::WhiteSpace(_) | Css::CDO | Css::CDC => Kind::Blank,
        Css::Comment(_) => Kind::Comment,
        Css::Colon => Kind::Delim(':'),
        Css::Semicolon => Kind::Delim(';'),
        Css::Comma => Kind::Delim(','),
        Css::Delim(c) => Kind::Delim(*c),
        Css::IncludeMatch
        | Css::DashMatch
        | Css::PrefixMatch
        | Css::SuffixMatch
        | Css::SubstringMatch => Kind::Match,
        // Strings and URLs that do not end, and what closes nothing.
        _ => Kind::Delim('?'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_no_names() {
        let kinds: Vec<Kind> =
            tokens("a{B:\"c\"/*d*/url(e)calc(1PX)}").into_iter().map(|t| t.kind).collect();
        let name = |text: &str| text.to_owned();
        assert_eq!(
            kinds,
            [
                Kind::Ident(name("a")),
                Kind::Open('{'),
                Kind::Ident(name("b")),
                Kind::Delim(':'),
                Kind::String(name("c")),
                Kind::Comment,
                Kind::Url(name("e")),
                Kind::Function(name("calc")),
                Kind::Dimension(1.0, name("px")),
                Kind::Close,
                Kind::Close,
            ]
        );
    }

    #[test]
    fn hostile_styles_end() {
        for piece in ["{", "(", "a{", "}", "/*", "\"", "url(", "@a{", "a:b;", ":not("] {
            assert!(tokens(&piece.repeat(100_000)).len() <= CSS_TOKENS_MAX + 64, "{piece}");
        }
    }
}
