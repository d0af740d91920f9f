//! What the tokens of a style mean: rules, selectors, declarations.

use super::token::{Kind, Token, tokens};

/// Something that a style uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<'a> {
    /// `@name`.
    AtRule(&'a str),
    /// A name between the parentheses of `@media`.
    MediaFeature(&'a str),
    /// A kind of selector.
    Selector(Selector),
    /// `:name` or `::name`.
    Pseudo(&'a str),
    /// A declaration of a property.
    Property(&'a str),
    /// A name in the value of a property.
    Value(&'a str, &'a str),
    /// A unit in a value.
    Unit(&'a str),
    /// A function in a value.
    Function(&'a str),
    /// A URL in a value.
    Url(&'a str),
    /// `!important`.
    Important,
    /// `--name: ..`.
    CustomProperty,
    /// A rule in a rule.
    Nesting,
    /// A comment.
    Comment,
}

/// A kind of selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selector {
    /// `a`.
    Type,
    /// `.a`.
    Class,
    /// `#a`.
    Id,
    /// `*`.
    Universal,
    /// `[a]`.
    Attribute,
    /// `a b`.
    Descendant,
    /// `a > b`.
    Child,
    /// `a + b`.
    Adjacent,
    /// `a ~ b`.
    Sibling,
    /// `a, b`.
    Group,
    /// `.a.b`.
    Chain,
}

/// A property with the text of its value, as a `style` attribute has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its name in lower case.
    pub property: String,
    /// Its value: names in lower case, one blank between them.
    pub value: String,
    /// Where it starts.
    pub at: usize,
}

/// Calls `found` for each thing that a style uses, with its place.
///
/// `is_sheet` tells a whole style sheet from the declarations of a `style` attribute.
pub fn facts(css: &str, is_sheet: bool, found: &mut dyn FnMut(usize, Fact<'_>)) {
    let tokens = tokens(css);
    for token in &tokens {
        if token.kind == Kind::Comment {
            found(token.at, Fact::Comment);
        }
    }
    let mut reader = Reader { found };
    reader.block(&tokens, if is_sheet { Inside::Sheet } else { Inside::Rule(0) });
}

/// The declarations of a `style` attribute.
pub fn declarations(css: &str) -> Vec<Declaration> {
    let tokens = tokens(css);
    let mut rest = tokens.as_slice();
    let mut all = Vec::new();
    while let Some((item, after)) = next_item(rest) {
        rest = after;
        let Some((property, value)) = split_declaration(item.tokens) else { continue };
        let at = item.tokens.first().map_or(0, |token| token.at);
        all.push(Declaration { property: property.to_owned(), value: text(value), at });
    }
    all
}

/// Where items stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// At the top, or in a rule such as `@media`: rules.
    Sheet,
    /// In a style rule at this depth: declarations, and nested rules.
    Rule(u8),
    /// In `@keyframes`: steps.
    Steps,
}

/// A piece of a block: a declaration, or a rule with its block.
struct Item<'a> {
    tokens: &'a [Token],
    block: Option<&'a [Token]>,
}

/// Cuts the first item off.
fn next_item(tokens: &[Token]) -> Option<(Item<'_>, &[Token])> {
    let skipped = tokens
        .iter()
        .position(|token| !matches!(token.kind, Kind::Blank | Kind::Comment | Kind::Delim(';')))?;
    let tokens = tokens.get(skipped..)?;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Delim(';') => {
                let (item, rest) = tokens.split_at_checked(at)?;
                return Some((Item { tokens: item, block: None }, rest));
            }
            Kind::Open('{') if !is_custom(tokens) => {
                let end = close(tokens, at);
                let (item, _) = tokens.split_at_checked(at)?;
                let block = tokens.get(at + 1..end);
                return Some((Item { tokens: item, block }, tokens.get(end + 1..).unwrap_or(&[])));
            }
            Kind::Open(_) | Kind::Function(_) => at = close(tokens, at),
            _ => {}
        }
        at += 1;
    }
    Some((Item { tokens, block: None }, &[]))
}

/// The place of what closes the block that opens at `open`.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Open(_) | Kind::Function(_) => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// Whether an item is `--name: ..`, whose value may hold a block.
fn is_custom(tokens: &[Token]) -> bool {
    matches!(tokens.first(), Some(Token { kind: Kind::Ident(name), .. }) if name.starts_with("--"))
}

/// The property and the tokens of its value.
fn split_declaration(tokens: &[Token]) -> Option<(&str, &[Token])> {
    let (first, rest) = tokens.split_first()?;
    let Kind::Ident(name) = &first.kind else { return None };
    let colon = rest.iter().position(|token| !matches!(token.kind, Kind::Blank | Kind::Comment))?;
    let is_colon = rest.get(colon).is_some_and(|token| token.kind == Kind::Delim(':'));
    is_colon.then(|| (name.as_str(), rest.get(colon + 1..).unwrap_or_default()))
}

struct Reader<'f> {
    found: &'f mut dyn FnMut(usize, Fact<'_>),
}

impl Reader<'_> {
    fn block(&mut self, mut tokens: &[Token], inside: Inside) {
        while let Some((item, rest)) = next_item(tokens) {
            tokens = rest;
            self.item(&item, inside);
        }
    }

    fn item(&mut self, item: &Item<'_>, inside: Inside) {
        let Some(first) = item.tokens.first() else {
            if let Some(block) = item.block {
                self.block(block, inside);
            }
            return;
        };
        if let Kind::AtKeyword(name) = &first.kind {
            self.at_rule(name, item, inside);
            return;
        }
        match (item.block, inside) {
            (Some(block), Inside::Steps) => self.block(block, Inside::Rule(u8::MAX)),
            (Some(block), Inside::Sheet) => {
                self.selectors(item.tokens);
                self.block(block, Inside::Rule(1));
            }
            (Some(block), Inside::Rule(depth)) => {
                (self.found)(first.at, Fact::Nesting);
                self.selectors(item.tokens);
                // As deep as the tokens are, which is bounded.
                self.block(block, Inside::Rule(depth.saturating_add(1)));
            }
            (None, Inside::Rule(_)) => self.declaration(item.tokens),
            (None, Inside::Sheet | Inside::Steps) => {}
        }
    }

    fn at_rule(&mut self, name: &str, item: &Item<'_>, inside: Inside) {
        let at = item.tokens.first().map_or(0, |token| token.at);
        (self.found)(at, Fact::AtRule(name));
        let prelude = item.tokens.get(1..).unwrap_or_default();
        if name == "media" || name == "import" {
            self.media(prelude);
        }
        for token in prelude {
            if let Kind::Url(url) | Kind::String(url) = &token.kind
                && name == "import"
            {
                (self.found)(token.at, Fact::Url(url));
            }
        }
        let Some(block) = item.block else { return };
        let is_declarations = matches!(name, "font-face" | "page" | "viewport" | "-ms-viewport");
        let within = match inside {
            _ if name.ends_with("keyframes") => Inside::Steps,
            _ if is_declarations => Inside::Rule(0),
            Inside::Rule(depth) => {
                (self.found)(at, Fact::Nesting);
                Inside::Rule(depth)
            }
            other => other,
        };
        self.block(block, within);
    }

    /// The features that a media query asks for: `(name: ..)`, and `(1px < name < 2px)`.
    fn media(&mut self, tokens: &[Token]) {
        let mut depth = 0_usize;
        let mut is_value = false;
        for token in tokens {
            match &token.kind {
                Kind::Open('(') | Kind::Function(_) => {
                    depth += 1;
                    is_value = false;
                }
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Delim(':') => is_value = true,
                Kind::Ident(name) if depth > 0 && !is_value => {
                    (self.found)(token.at, Fact::MediaFeature(name));
                }
                Kind::Dimension(_, unit) => (self.found)(token.at, Fact::Unit(unit)),
                _ => {}
            }
        }
    }

    fn declaration(&mut self, tokens: &[Token]) {
        let Some((property, value)) = split_declaration(tokens) else { return };
        let at = tokens.first().map_or(0, |token| token.at);
        if property.starts_with("--") {
            (self.found)(at, Fact::CustomProperty);
        } else {
            (self.found)(at, Fact::Property(property));
        }
        let mut is_bang = false;
        let mut in_url = false;
        for token in value {
            match &token.kind {
                Kind::Ident(name) if is_bang && name == "important" => {
                    (self.found)(token.at, Fact::Important);
                }
                Kind::Ident(name) => (self.found)(token.at, Fact::Value(property, name)),
                Kind::Dimension(_, unit) => (self.found)(token.at, Fact::Unit(unit)),
                Kind::Function(name) => {
                    in_url = matches!(name.as_str(), "url" | "src" | "image-set");
                    (self.found)(token.at, Fact::Function(name));
                }
                Kind::Url(url) => (self.found)(token.at, Fact::Url(url)),
                Kind::String(url) if in_url => (self.found)(token.at, Fact::Url(url)),
                _ => {}
            }
            if !matches!(token.kind, Kind::Blank | Kind::Comment) {
                is_bang = token.kind == Kind::Delim('!');
            }
        }
    }

    fn selectors(&mut self, tokens: &[Token]) {
        let mut before = Before::Nothing;
        let mut classes = 0_usize;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let kind = &token.kind;
            let is_simple = matches!(
                kind,
                Kind::Ident(_)
                    | Kind::Hash(_)
                    | Kind::Open('[')
                    | Kind::Delim('.' | ':' | '*' | '&')
            );
            if is_simple && before == Before::Blank {
                (self.found)(token.at, Fact::Selector(Selector::Descendant));
            }
            if is_simple && before != Before::Simple {
                classes = 0;
            }
            match kind {
                Kind::Blank | Kind::Comment => {
                    if before == Before::Simple && *kind == Kind::Blank {
                        before = Before::Blank;
                    }
                    at += 1;
                    continue;
                }
                Kind::Ident(_) => (self.found)(token.at, Fact::Selector(Selector::Type)),
                Kind::Hash(_) => (self.found)(token.at, Fact::Selector(Selector::Id)),
                Kind::Delim('*') => (self.found)(token.at, Fact::Selector(Selector::Universal)),
                Kind::Open('[') => {
                    (self.found)(token.at, Fact::Selector(Selector::Attribute));
                    at = close(tokens, at);
                }
                Kind::Delim('.') => {
                    (self.found)(token.at, Fact::Selector(Selector::Class));
                    classes += 1;
                    if classes == 2 {
                        (self.found)(token.at, Fact::Selector(Selector::Chain));
                    }
                    at += 1;
                }
                Kind::Delim(':') => at = self.pseudo(tokens, at),
                _ => self.combinator(token),
            }
            before = if is_simple { Before::Simple } else { Before::Nothing };
            at += 1;
        }
    }

    /// Takes what follows a colon. Gives the place of its last token.
    fn pseudo(&mut self, tokens: &[Token], colon: usize) -> usize {
        let double = tokens.get(colon + 1).is_some_and(|next| next.kind == Kind::Delim(':'));
        let at = colon + if double { 2 } else { 1 };
        match tokens.get(at) {
            Some(Token { at: place, kind: Kind::Ident(name) }) => {
                (self.found)(*place, Fact::Pseudo(name));
                at
            }
            Some(Token { at: place, kind: Kind::Function(name) }) => {
                (self.found)(*place, Fact::Pseudo(name));
                let end = close(tokens, at);
                if matches!(name.as_str(), "not" | "has" | "is" | "where") {
                    self.selectors(tokens.get(at + 1..end).unwrap_or_default());
                }
                end
            }
            _ => colon,
        }
    }

    fn combinator(&mut self, token: &Token) {
        let kind = match token.kind {
            Kind::Delim('>') => Selector::Child,
            Kind::Delim('+') => Selector::Adjacent,
            Kind::Delim('~') => Selector::Sibling,
            Kind::Delim(',') => Selector::Group,
            _ => return,
        };
        (self.found)(token.at, Fact::Selector(kind));
    }
}

/// What stands before a part of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Simple,
    Blank,
}

/// Tokens as text again, in one form.
fn text(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match &token.kind {
            Kind::Ident(name) => text.push_str(name),
            Kind::AtKeyword(name) => text.extend(["@", name]),
            Kind::Hash(name) => text.extend(["#", name]),
            Kind::String(inside) => text.extend(["\"", inside, "\""]),
            Kind::Url(url) => text.extend(["url(", url, ")"]),
            Kind::Number(number) => text.push_str(&number.to_string()),
            Kind::Dimension(number, unit) => text.extend([&number.to_string(), unit.as_str()]),
            Kind::Function(name) => text.extend([name, "("]),
            Kind::Open(open) => text.push(*open),
            Kind::Close => text.push(')'),
            Kind::Delim(c) => text.push(*c),
            Kind::Match => text.push_str("~="),
            Kind::Blank | Kind::Comment => {
                if !text.is_empty() && !text.ends_with(' ') {
                    text.push(' ');
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(css: &str, is_sheet: bool) -> Vec<String> {
        let mut all = Vec::new();
        facts(css, is_sheet, &mut |at, fact| all.push(format!("{at} {fact:?}")));
        all
    }

    #[test]
    fn declarations_tell_properties_and_values() {
        assert_eq!(
            shown(
                "Color:RED!important;width:calc(1em + 5%);--x:{a:b};background:url('i.png')",
                false
            ),
            [
                "0 Property(\"color\")",
                "6 Value(\"color\", \"red\")",
                "10 Important",
                "20 Property(\"width\")",
                "26 Function(\"calc\")",
                "31 Unit(\"em\")",
                "37 Unit(\"%\")",
                "41 CustomProperty",
                "46 Value(\"--x\", \"a\")",
                "48 Value(\"--x\", \"b\")",
                "51 Property(\"background\")",
                "62 Function(\"url\")",
                "66 Url(\"i.png\")",
            ]
        );
    }

    #[test]
    fn comments_and_strings_are_no_facts() {
        assert_eq!(
            shown("/* color:red */content:\"display:flex; }\"", false),
            ["0 Comment", "15 Property(\"content\")"]
        );
    }

    #[test]
    fn selectors_are_told_apart() {
        let of = |selector: &str| {
            let all = shown(&format!("{selector}{{}}"), true);
            let names = all.iter().map(|fact| fact.split_once(' ').unwrap().1.to_owned());
            names
                .map(|name| name.replace("Selector(", "").replace("Pseudo(", "").replace(')', ""))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of("a"), "Type");
        assert_eq!(of("a b"), "Type Descendant Type");
        assert_eq!(of("a > b"), "Type Child Type");
        assert_eq!(of("a+b~c , d"), "Type Adjacent Type Sibling Type Group Type");
        assert_eq!(of(".a.b .c"), "Class Class Chain Descendant Class");
        assert_eq!(of("#a[b~=c]*"), "Id Attribute Universal");
        assert_eq!(
            of("a:not(.b):nth-child(2n + 1)::after"),
            "Type \"not\" Class \"nth-child\" \"after\""
        );
    }

    #[test]
    fn rules_hold_rules() {
        assert_eq!(
            shown("@media screen and (min-width:600px){a{b:c}}", true),
            [
                "0 AtRule(\"media\")",
                "19 MediaFeature(\"min-width\")",
                "29 Unit(\"px\")",
                "36 Selector(Type)",
                "38 Property(\"b\")",
                "40 Value(\"b\", \"c\")",
            ]
        );
        assert_eq!(
            shown("@keyframes x{from{a:b}}a{&:hover{c:d}}", true),
            [
                "0 AtRule(\"keyframes\")",
                "18 Property(\"a\")",
                "20 Value(\"a\", \"b\")",
                "23 Selector(Type)",
                "25 Nesting",
                "27 Pseudo(\"hover\")",
                "33 Property(\"c\")",
                "35 Value(\"c\", \"d\")",
            ]
        );
    }

    #[test]
    fn a_style_attribute_is_read_as_text_too() {
        let all = declarations("COLOR: #FFF ;font : 12px  Arial; x");
        let shown: Vec<(&str, &str)> =
            all.iter().map(|d| (d.property.as_str(), d.value.as_str())).collect();
        assert_eq!(shown, [("color", "#FFF"), ("font", "12px arial")]);
    }

    #[test]
    fn hostile_styles_end() {
        for piece in ["{", "(", "a{", "}", "/*", "\"", "url(", "@a{", "a:b;", ":not(", "a,", "a{}"]
        {
            facts(&piece.repeat(50_000), true, &mut |_, _| {});
        }
    }
}
