//! HTML as tokens with places: what stands where in the source.
//!
//! The tokenizer is html5ever's, so that text, comments, attributes and the raw text of styles and
//! scripts are told apart as browsers do. It never fails, and what it takes of a hostile page is
//! bounded: octets, tokens and attributes. Source: HTML Standard, section 13.2.5.

mod place;
mod scan;
mod tree;

use std::ops::Range;

pub use place::{Lines, Place};
pub use scan::{HTML_MAX, NODES_MAX, scan};
pub use tree::{OpenElements, is_void};

/// A page taken apart.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The HTML.
    pub source: &'a str,
    /// Its tokens, in their order.
    pub nodes: Vec<Node>,
    /// Whether the page went past a limit, and its rest was not looked at.
    pub is_cut: bool,
}

/// A token, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The octets of the source.
    pub span: Range<usize>,
    /// What it is.
    pub item: Item,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `<!DOCTYPE ..>`; whether it is that of HTML 5.
    Doctype {
        /// `html`, with no identifiers behind it.
        is_plain: bool,
    },
    /// `<name ..>`.
    Start(Tag),
    /// `</name>`.
    End(String),
    /// Text, references decoded; of a style or script as it stands.
    Text(String),
    /// What stands between `<!--` and `-->`.
    Comment(String),
}

/// A start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name in lower case.
    pub name: String,
    /// Its attributes; of two of one name the first.
    pub attributes: Vec<Attribute>,
    /// Whether it ends with `/>`.
    pub is_closed: bool,
}

impl Tag {
    /// The value of an attribute.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| attribute.value.as_str())
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// An attribute of a start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name in lower case.
    pub name: String,
    /// Its value, references decoded.
    pub value: String,
    /// Where its value starts in the source, or its name where it has none.
    pub at: usize,
}

impl Page<'_> {
    /// The start tags, each with its place.
    pub fn tags(&self) -> impl Iterator<Item = (usize, &Tag)> {
        self.nodes.iter().filter_map(|node| match &node.item {
            Item::Start(tag) => Some((node.span.start, tag)),
            _ => None,
        })
    }

    /// The text inside each `<style>`, with its place.
    pub fn styles(&self) -> impl Iterator<Item = (usize, &str)> {
        self.nodes.iter().zip(self.nodes.iter().skip(1)).filter_map(|(tag, inside)| {
            match (&tag.item, &inside.item) {
                (Item::Start(tag), Item::Text(text)) if tag.name == "style" => {
                    Some((inside.span.start, text.as_str()))
                }
                _ => None,
            }
        })
    }
}
