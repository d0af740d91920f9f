//! Finds what a message points to: in its HTML, its styles and its text.

use crate::css::{self, Fact};
use crate::html::{Item, OpenElements, Page, Tag};

/// The most links that are looked at.
pub const LINKS_MAX: usize = 2_000;
/// The longest link that is looked at.
const URL_MAX: usize = 8 << 10;
/// How many closing brackets are taken off its end.
const PUNCTUATION_MAX: usize = 8;
/// The most characters of a link's text that are kept.
const TEXT_MAX: usize = 400;

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `<a href>`.
    Anchor,
    /// `<area href>`.
    Area,
    /// `<img>`, and other images of the HTML.
    Image,
    /// `<link href>`.
    Link,
    /// `<form action>`.
    Form,
    /// `url()` of a style.
    Style,
    /// The plain text.
    Text,
}

impl Source {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anchor => "a",
            Self::Area => "area",
            Self::Image => "img",
            Self::Link => "link",
            Self::Form => "form",
            Self::Style => "style",
            Self::Text => "text",
        }
    }

    /// Whether a reader follows it, rather than a program that shows the message.
    pub const fn is_followed(self) -> bool {
        matches!(self, Self::Anchor | Self::Area | Self::Form | Self::Text)
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The target as it stands, blanks at its ends taken off.
    pub url: String,
    /// Where it stands.
    pub source: Source,
    /// The octet of the HTML or of the text.
    pub at: usize,
    /// What a reader sees of it: its text, or the alternative text of its images.
    pub text: String,
    /// Whether it holds an image.
    pub has_image: bool,
}

/// The links of a message, those of its HTML first, in their order.
pub fn extract(page: Option<&Page<'_>>, text: Option<&str>) -> Vec<Link> {
    let mut gather = Gather::default();
    if let Some(page) = page {
        gather.page(page);
    }
    if let Some(text) = text {
        gather.text(text);
    }
    gather.links
}

#[derive(Default)]
struct Gather {
    links: Vec<Link>,
    /// The link that is open, and the index of its tag.
    open: Option<(usize, usize)>,
}

impl Gather {
    fn page(&mut self, page: &Page<'_>) {
        let mut elements = OpenElements::default();
        for (index, node) in page.nodes.iter().enumerate() {
            elements.take(index, node);
            if let Some((_, start)) = self.open
                && elements.nearest("a") != Some(start)
            {
                self.open = None;
            }
            match &node.item {
                Item::Start(tag) => self.tag(index, tag),
                Item::Text(text) => self.shown(text),
                _ => {}
            }
        }
        for (at, style) in page.styles() {
            self.style(at, style, true);
        }
        self.open = None;
    }

    fn tag(&mut self, index: usize, tag: &Tag) {
        let (name, source) = match tag.name.as_str() {
            "a" => ("href", Source::Anchor),
            "area" => ("href", Source::Area),
            "img" | "input" | "video" | "audio" | "source" => ("src", Source::Image),
            "link" => ("href", Source::Link),
            "form" => ("action", Source::Form),
            _ => ("", Source::Image),
        };
        if let Some(attribute) = tag.attribute(name) {
            let place = self.push(&attribute.value, source, attribute.at);
            if source == Source::Anchor {
                self.open = place.map(|place| (place, index));
            }
        }
        for name in ["background", "poster"] {
            if let Some(attribute) = tag.attribute(name) {
                self.push(&attribute.value, Source::Image, attribute.at);
            }
        }
        if let Some(attribute) = tag.attribute("style") {
            self.style(attribute.at, &attribute.value, false);
        }
        if tag.name == "img" {
            if let Some(link) = self.open.and_then(|(place, _)| self.links.get_mut(place)) {
                link.has_image = true;
            }
            self.shown(tag.value("alt").unwrap_or_default());
        } else if self.open.is_some_and(|(_, start)| start == index) {
            self.shown(tag.value("aria-label").unwrap_or_default());
        }
    }

    /// Text inside the link that is open.
    fn shown(&mut self, text: &str) {
        let Some(link) = self.open.and_then(|(place, _)| self.links.get_mut(place)) else { return };
        for word in text.split_whitespace() {
            if link.text.chars().count() + word.chars().count() >= TEXT_MAX {
                return;
            }
            if !link.text.is_empty() {
                link.text.push(' ');
            }
            link.text.push_str(word);
        }
    }

    fn style(&mut self, base: usize, css: &str, is_sheet: bool) {
        css::facts(css, is_sheet, &mut |at, fact| {
            if let Fact::Url(url) = fact {
                self.push(url, Source::Style, base + at);
            }
        });
    }

    fn push(&mut self, url: &str, source: Source, at: usize) -> Option<usize> {
        let url = url.trim();
        if self.links.len() >= LINKS_MAX {
            return None;
        }
        // An image in the address itself points nowhere.
        let is_data = url.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("data:"));
        if is_data && !source.is_followed() {
            return None;
        }
        let url = cut(url).to_owned();
        self.links.push(Link { url, source, at, text: String::new(), has_image: false });
        Some(self.links.len() - 1)
    }

    /// Addresses that stand in plain text.
    fn text(&mut self, text: &str) {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find("://")) {
            let colon = from + found;
            from = colon + 3;
            let head = text.get(..colon).unwrap_or_default();
            let scheme = ["https", "http", "ftp"].into_iter().find(|scheme| {
                let start = head.len().checked_sub(scheme.len());
                start
                    .and_then(|start| head.get(start..))
                    .is_some_and(|word| word.eq_ignore_ascii_case(scheme))
            });
            let Some(scheme) = scheme else { continue };
            let start = colon - scheme.len();
            let rest = text.get(start..).unwrap_or_default();
            let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`');
            let url = rest.split(ends).next().unwrap_or_default();
            let url = unpunctuated(cut(url));
            if url.len() > scheme.len() + 3 {
                self.push(url, Source::Text, start);
            }
            from = from.max(start + url.len());
        }
    }
}

/// The start of an address that is too long.
fn cut(url: &str) -> &str {
    let mut end = URL_MAX.min(url.len());
    while !url.is_char_boundary(end) {
        end -= 1;
    }
    url.get(..end).unwrap_or_default()
}

/// An address without the punctuation of the sentence around it.
fn unpunctuated(url: &str) -> &str {
    let mut url = url;
    for _ in 0..PUNCTUATION_MAX {
        let shorter = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_']);
        let unopened = |close: char, open: char| {
            shorter.ends_with(close)
                && shorter.matches(close).count() > shorter.matches(open).count()
        };
        let is_closed = unopened(')', '(') || unopened(']', '[') || unopened('}', '{');
        let shorter =
            if is_closed { shorter.get(..shorter.len() - 1).unwrap_or_default() } else { shorter };
        if shorter.len() == url.len() {
            break;
        }
        url = shorter;
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::scan;

    fn of(html: &str, text: &str) -> Vec<String> {
        let page = scan(html);
        let links = extract(Some(&page), Some(text));
        links.iter().map(|l| format!("{} {} {}", l.source.as_str(), l.url, l.text)).collect()
    }

    #[test]
    fn links_are_found_wherever_they_stand() {
        let html = "<link href=a.css><a href=' /b '>go <b>there</b><img src=i.png alt=now></a> no \
            <area href=c><form action=d><td background=e style=\"background:url('f')\">\
            <style>@import 'g';p{x:url(h)}</style><a name=i>j</a><!-- <a href=k> -->";
        assert_eq!(
            of(html, ""),
            [
                "link a.css ",
                "a /b go there now",
                "img i.png ",
                "area c ",
                "form d ",
                "img e ",
                "style f ",
                "style g ",
                "style h ",
            ]
        );
    }

    #[test]
    fn text_gives_its_addresses_without_the_punctuation_around_them() {
        assert_eq!(
            of(
                "",
                "See https://a.example/b(c), (http://d.example/). <HTTPS://e.example> x://y http://"
            ),
            ["text https://a.example/b(c) ", "text http://d.example/ ", "text HTTPS://e.example ",]
        );
    }

    #[test]
    fn there_are_only_so_many() {
        assert_eq!(of(&"<a href=x>".repeat(LINKS_MAX + 50), "").len(), LINKS_MAX);
        of("", &"http://".repeat(100_000));
        of("", &"http://a.example/)".repeat(20_000));
    }
}
