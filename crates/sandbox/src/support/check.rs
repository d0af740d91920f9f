//! Finds the features that a message uses, with their places.

use std::collections::BTreeMap;

use super::matcher::{Matcher, Sign, matchers};
use super::table::{Feature, Support, Tried, table};
use crate::css::{self, Fact};
use crate::html::{Item, Lines, Page, Place, Tag};

/// The most places of one feature that are told; all are counted.
pub const PLACES_MAX: usize = 25;

/// A feature that a message uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its place in the table.
    pub feature: usize,
    /// How often.
    pub count: usize,
    /// Where in the HTML, in its order; none for what is not in the HTML.
    pub places: Vec<Place>,
}

/// What a feature's use means for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding<'a> {
    /// The client's place in the table.
    pub client: usize,
    /// What its newest version does.
    pub tried: &'a Tried,
}

impl Usage {
    /// The feature.
    pub fn feature(&self) -> Option<&'static Feature> {
        table().features.get(self.feature)
    }

    /// The clients whose newest version does not do all of it, in the order of the table.
    pub fn findings(&self) -> Vec<Finding<'static>> {
        let all = self.feature().into_iter().flat_map(|feature| &feature.tried);
        all.filter_map(|(client, versions)| {
            let tried = versions.last()?;
            let is_less = matches!(tried.support, Support::No | Support::Partly);
            is_less.then_some(Finding { client: *client, tried })
        })
        .collect()
    }
}

/// The features that a message uses, in the order of their slugs.
///
/// `headers` are the names of its fields, `parts` the media types of its parts, both in lower case.
pub fn check(page: Option<&Page<'_>>, headers: &[String], parts: &[String]) -> Vec<Usage> {
    let mut gather = Gather { found: BTreeMap::new() };
    for name in headers {
        gather.take(None, Matcher::Header(name));
    }
    for media in parts {
        gather.take(None, Matcher::Part(media));
        if let Some(format) = media.strip_prefix("image/").or_else(|| media.strip_prefix("video/"))
        {
            gather.take(None, Matcher::ImageFormat(media_format(format)));
        }
    }
    if let Some(page) = page {
        gather.page(page);
    }
    let lines = page.map(|page| Lines::new(page.source));
    let usage = |(feature, (count, mut at)): (usize, (usize, Vec<usize>))| {
        at.sort_unstable();
        at.truncate(PLACES_MAX);
        let places = lines.as_ref().map(|lines| at.iter().map(|at| lines.place(*at)).collect());
        Usage { feature, count, places: places.unwrap_or_default() }
    };
    gather.found.into_iter().map(usage).collect()
}

/// The subtype of a media type as the end of a file's name.
fn media_format(subtype: &str) -> &str {
    match subtype {
        "svg+xml" => "svg",
        "x-icon" | "vnd.microsoft.icon" => "ico",
        "x-ms-bmp" => "bmp",
        "vnd.mozilla.apng" => "apng",
        other => other,
    }
}

struct Gather {
    /// How often each feature was found, and the first places.
    found: BTreeMap<usize, (usize, Vec<usize>)>,
}

impl Gather {
    fn take(&mut self, at: Option<usize>, matcher: Matcher<'_>) {
        for feature in matchers().get(&matcher).into_iter().flatten() {
            let (count, places) = self.found.entry(*feature).or_default();
            *count += 1;
            // Twice as many: styles come before elements, and are sorted later.
            if let Some(at) = at
                && places.len() < 2 * PLACES_MAX
            {
                places.push(at);
            }
        }
    }

    fn page(&mut self, page: &Page<'_>) {
        for node in &page.nodes {
            let at = Some(node.span.start);
            match &node.item {
                Item::Doctype { is_plain: true } => {
                    self.take(at, Matcher::Uses(Sign::Html5Doctype));
                }
                Item::Comment(text) if !is_conditional(text) => {
                    self.take(at, Matcher::Uses(Sign::HtmlComment));
                }
                Item::Start(tag) => self.tag(node.span.start, tag),
                _ => {}
            }
        }
        for (at, style) in page.styles() {
            self.css(at, style, true);
        }
    }

    fn tag(&mut self, at: usize, tag: &Tag) {
        let name = tag.name.as_str();
        self.take(Some(at), Matcher::Element(name));
        for attribute in &tag.attributes {
            let key = attribute.name.as_str();
            self.take(Some(at), Matcher::Attribute(key));
            let value = attribute.value.trim();
            match key {
                "style" => self.css(attribute.at, &attribute.value, false),
                "type" | "name" => {
                    let value = value.to_ascii_lowercase();
                    self.take(Some(at), Matcher::AttributeValue(name, key, &value));
                }
                "href" if matches!(name, "a" | "area") => self.link(attribute.at, value),
                "src" if matches!(name, "img" | "input") => self.image(attribute.at, value),
                "background" => self.image(attribute.at, value),
                "srcset" => {
                    for candidate in value.split(',').take(PLACES_MAX) {
                        let url = candidate.split_whitespace().next().unwrap_or_default();
                        self.image(attribute.at, url);
                    }
                }
                _ => {}
            }
        }
        // What stands where no type is written. Source: HTML Standard, 4.10.5 and 4.10.6.
        match (name, tag.value("type")) {
            ("button", None) => {
                self.take(Some(at), Matcher::AttributeValue("button", "type", "submit"));
            }
            ("input", None) => {
                self.take(Some(at), Matcher::AttributeValue("input", "type", "text"));
            }
            _ => {}
        }
    }

    fn link(&mut self, at: usize, url: &str) {
        if url.starts_with('#') && url.len() > 1 {
            self.take(Some(at), Matcher::Uses(Sign::LocalAnchor));
        } else if let Some((scheme, _)) = url.split_once(':') {
            self.take(Some(at), Matcher::UrlScheme(&scheme.to_ascii_lowercase()));
        }
    }

    fn image(&mut self, at: usize, url: &str) {
        if let Some(data) = strip_prefix(url, "data:") {
            let media = data.split([',', ';']).next().unwrap_or_default().to_ascii_lowercase();
            if let Some(format) = media.strip_prefix("image/") {
                let head = data.split(',').next().unwrap_or_default();
                if head.to_ascii_lowercase().ends_with(";base64") {
                    self.take(Some(at), Matcher::Uses(Sign::DataImage));
                }
                self.take(Some(at), Matcher::ImageFormat(media_format(format)));
            }
            return;
        }
        if strip_prefix(url, "cid:").is_some() {
            // Its part tells the format.
            return;
        }
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        if let Some((_, end)) = file.rsplit_once('.')
            && end.len() <= 5
        {
            self.take(Some(at), Matcher::ImageFormat(&end.to_ascii_lowercase()));
        }
    }

    fn css(&mut self, base: usize, css: &str, is_sheet: bool) {
        css::facts(css, is_sheet, &mut |at, fact| self.fact(base + at, fact));
    }

    fn fact(&mut self, at: usize, fact: Fact<'_>) {
        let place = Some(at);
        match fact {
            Fact::AtRule(name) => self.take(place, Matcher::AtRule(name)),
            Fact::MediaFeature(name) => self.take(place, Matcher::MediaFeature(name)),
            Fact::Selector(kind) => self.take(place, Matcher::Selects(kind)),
            Fact::Pseudo(name) => self.take(place, Matcher::Pseudo(name)),
            Fact::Property(name) => self.take(place, Matcher::Property(name)),
            Fact::Value(property, name) => {
                self.take(place, Matcher::PropertyValue(property, name));
                self.take(place, Matcher::Keyword(name));
            }
            Fact::Unit(name) => self.take(place, Matcher::Unit(name)),
            Fact::Function(name) => self.take(place, Matcher::Function(name)),
            Fact::Url(url) => self.image(at, url),
            Fact::Important => self.take(place, Matcher::Uses(Sign::Important)),
            Fact::CustomProperty => self.take(place, Matcher::Uses(Sign::CustomProperty)),
            Fact::Nesting => self.take(place, Matcher::Uses(Sign::Nesting)),
            Fact::Comment => self.take(place, Matcher::Uses(Sign::CssComment)),
        }
    }
}

/// Whether a comment is one of Outlook's: `<!--[if mso]>`.
fn is_conditional(comment: &str) -> bool {
    let text = comment.trim_start();
    strip_prefix(text, "[if ").is_some() || strip_prefix(text, "<![endif]").is_some()
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests;
