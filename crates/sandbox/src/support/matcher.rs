//! What in a message is the use of a feature: one table, from slugs to matchers.
//!
//! Every feature of the table of clients has a row here, or a reason in [`UNTESTABLE`]; a test says
//! so, and another one has a message that uses each feature and one that only looks like it.

mod layout;
mod markup;
mod style;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::table::table;
use crate::css::Selector;

/// A use of a feature; names are in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matcher<'a> {
    /// An element of this name.
    Element(&'a str),
    /// An attribute of any element.
    Attribute(&'a str),
    /// An element with an attribute of this value.
    AttributeValue(&'a str, &'a str, &'a str),
    /// A declaration of a property.
    Property(&'a str),
    /// A property with this name in its value.
    PropertyValue(&'a str, &'a str),
    /// This name in the value of any property.
    Keyword(&'a str),
    /// A number with this unit.
    Unit(&'a str),
    /// A function in a value.
    Function(&'a str),
    /// `@name`.
    AtRule(&'a str),
    /// A feature that `@media` asks for.
    MediaFeature(&'a str),
    /// A kind of selector.
    Selects(Selector),
    /// A pseudo-class or a pseudo-element.
    Pseudo(&'a str),
    /// An image of this format, by the end of its address or by the type of its part.
    ImageFormat(&'a str),
    /// A link to an address of this scheme.
    UrlScheme(&'a str),
    /// What no name tells.
    Uses(Sign),
    /// A part of this media type.
    Part(&'a str),
    /// A header field.
    Header(&'a str),
}

/// A use that has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `<!DOCTYPE html>`.
    Html5Doctype,
    /// A comment in HTML that is no conditional one.
    HtmlComment,
    /// A comment in CSS.
    CssComment,
    /// `!important`.
    Important,
    /// A rule in a rule.
    Nesting,
    /// `--name: ..`.
    CustomProperty,
    /// A link to `#name`.
    LocalAnchor,
    /// An image in a `data:` address.
    DataImage,
}

/// A feature's slug, and its matchers.
type Row = (&'static str, &'static [Matcher<'static>]);

/// Features whose use a message does not show, and why.
pub const UNTESTABLE: &[(&str, &str)] = &[(
    "image-hdr",
    "whether a picture has a high dynamic range is in its pixels, not in its address or type",
)];

/// The features that a matcher stands for, by their place in the table.
pub fn matchers() -> &'static HashMap<Matcher<'static>, Vec<usize>> {
    static MATCHERS: OnceLock<HashMap<Matcher<'static>, Vec<usize>>> = OnceLock::new();
    MATCHERS.get_or_init(|| {
        let mut map: HashMap<Matcher<'static>, Vec<usize>> = HashMap::new();
        for (slug, uses) in rows() {
            let Some(place) = table().find(slug) else { continue };
            for matcher in *uses {
                map.entry(*matcher).or_default().push(place);
            }
        }
        map
    })
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [layout::ROWS, style::ROWS, markup::ROWS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_matcher_or_a_reason() {
        let all = &table().features;
        for (slug, uses) in rows() {
            assert!(table().find(slug).is_some() && !uses.is_empty(), "{slug}");
        }
        for feature in all {
            let tested = rows().filter(|(slug, _)| *slug == feature.slug).count();
            let reasons = UNTESTABLE.iter().filter(|(slug, _)| *slug == feature.slug).count();
            assert_eq!(tested + reasons, 1, "{}", feature.slug);
        }
        assert!(UNTESTABLE.len() <= all.len() / 10);
        assert!(UNTESTABLE.iter().all(|(_, reason)| reason.len() > 20));
    }
}
