//! Rules about the HTML: how much of it is pictures, what is hidden, what does not belong in mail.

use std::collections::BTreeMap;

use super::{Rule, rule};
use crate::colour::{Colour, contrast};
use crate::css::declarations;
use crate::facts::Facts;
use crate::html::{Item, Page, Tag, is_void};

pub(super) const RULES: &[Rule] = &[
    rule(
        "HTML_MESSAGE",
        0.0,
        |f| f.page.is_some(),
        "The message has HTML; by itself that is fine.",
    ),
    rule(
        "HTML_IMAGE_ONLY_04",
        1.7,
        |f| is_image_only(f, 0, 400),
        "There are images and hardly any text.",
    ),
    rule(
        "HTML_IMAGE_ONLY_08",
        1.9,
        |f| is_image_only(f, 400, 800),
        "There are images and very little text.",
    ),
    rule(
        "HTML_IMAGE_ONLY_12",
        1.6,
        |f| is_image_only(f, 800, 1200),
        "There are images and little text.",
    ),
    rule(
        "HTML_IMAGE_ONLY_16",
        1.1,
        |f| is_image_only(f, 1200, 1600),
        "There are images, and some text; say more in text.",
    ),
    rule(
        "HTML_SHORT_LINK_IMG_1",
        0.5,
        |f| is_linked_image(f, 0, 1024),
        "The message is little more than a picture with a link.",
    ),
    rule(
        "HTML_SHORT_LINK_IMG_2",
        0.3,
        |f| is_linked_image(f, 1024, 1536),
        "A picture with a link is most of a short message.",
    ),
    rule(
        "HTML_FONT_LOW_CONTRAST",
        0.7,
        |f| styles(f).any(|style| is_low(&style)),
        "A text has nearly the colour of its ground; it cannot be read, or is hidden.",
    ),
    rule(
        "HTML_FONT_SIZE_HUGE",
        0.6,
        |f| {
            let is_huge = |tag: &Tag| {
                let size = tag.value("size").filter(|_| tag.name == "font").unwrap_or_default();
                matches!(size.trim(), "7" | "+4" | "+5" | "+6" | "+7")
            };
            styles(f).any(|style| size(&style).is_some_and(|px| px >= 60.0)) || has_tag(f, is_huge)
        },
        "A text is set in huge letters.",
    ),
    rule(
        "HTML_FONT_TINY",
        0.6,
        |f| {
            let tiny = |style: String| size(&style).is_some_and(|px| px > 0.0 && px < 6.0);
            styles(f).any(tiny)
        },
        "A text is too small to be read.",
    ),
    rule(
        "HTML_HIDDEN_TEXT",
        1.2,
        |f| hidden(f) > 600,
        "Much text is hidden; a preheader of one or two lines is enough.",
    ),
    rule(
        "HTML_TITLE_NOT_SUBJECT",
        0.4,
        |f| {
            let title = title(f).to_lowercase();
            let subject = f.value("subject").to_lowercase();
            let word = |text: &str| {
                text.split(|c: char| !c.is_alphanumeric())
                    .filter(|word| word.len() > 3)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let (title, subject) = (word(&title), word(&subject));
            !title.is_empty() && !subject.is_empty() && !title.iter().any(|w| subject.contains(w))
        },
        "Title and subject have no word in common.",
    ),
    rule(
        "HTML_TAG_BALANCE_BODY",
        1.1,
        |f| count(f, "body", true) != count(f, "body", false),
        "The body is opened and closed a different number of times.",
    ),
    rule(
        "HTML_TAG_BALANCE_HEAD",
        0.8,
        |f| count(f, "head", true) != count(f, "head", false),
        "The head is opened and closed a different number of times.",
    ),
    rule(
        "HTML_UNBALANCED",
        0.5,
        |f| {
            ["table", "tr", "td", "div", "a", "span"]
                .iter()
                .any(|name| count(f, name, true).abs_diff(count(f, name, false)) > 3)
        },
        "Many elements are opened and never closed, or the other way round.",
    ),
    rule(
        "HTML_OBFUSCATED",
        1.6,
        |f| {
            let Some(page) = &f.page else { return false };
            page.nodes
                .windows(3)
                .filter(|three| {
                    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
                    match three {
                        [a, b, c] => match (&a.item, &b.item, &c.item) {
                            (Item::Text(before), Item::Comment(_), Item::Text(after)) => {
                                is_letter(before.chars().next_back())
                                    && is_letter(after.chars().next())
                            }
                            _ => false,
                        },
                        _ => false,
                    }
                })
                .count()
                > 2
        },
        "Words are cut by comments, so that filters do not read them.",
    ),
    rule(
        "HTML_ENTITIES_FOR_LETTERS",
        1.2,
        |f| {
            let Some(page) = &f.page else { return false };
            page.source
                .match_indices("&#")
                .take(2_000)
                .filter(|(at, _)| {
                    let rest = page.source.get(at + 2..).unwrap_or_default();
                    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    number.parse::<u32>().is_ok_and(|code| (65..=122).contains(&code))
                })
                .count()
                > 20
        },
        "Plain letters are written as numbers, so that filters do not read them.",
    ),
    rule(
        "HTML_SCRIPT",
        1.5,
        |f| has_tag(f, |tag| tag.name == "script"),
        "There is a script; clients take it out, and filters mind.",
    ),
    rule(
        "HTML_EVENT",
        1.0,
        |f| {
            has_tag(f, |tag| {
                tag.attributes.iter().any(|a| a.name.starts_with("on") && a.name.len() > 4)
            })
        },
        "An element has a script in an attribute such as onclick.",
    ),
    rule(
        "HTML_FORM",
        0.8,
        |f| has_tag(f, |tag| tag.name == "form"),
        "There is a form; many clients warn of it. Link to a page.",
    ),
    rule(
        "HTML_PASSWORD_FIELD",
        2.5,
        |f| {
            has_tag(f, |tag| {
                tag.name == "input"
                    && tag.value("type").is_some_and(|t| t.eq_ignore_ascii_case("password"))
            })
        },
        "The message asks for a password, as phishing does.",
    ),
    rule(
        "HTML_IFRAME",
        1.2,
        |f| has_tag(f, |tag| matches!(tag.name.as_str(), "iframe" | "frame")),
        "There is a frame; clients do not show it, and filters mind.",
    ),
    rule(
        "HTML_EMBEDS",
        0.8,
        |f| has_tag(f, |tag| matches!(tag.name.as_str(), "embed" | "object" | "applet")),
        "A plug-in is embedded; clients do not show it.",
    ),
    rule(
        "HTML_META_REFRESH",
        1.8,
        |f| {
            has_tag(f, |tag| {
                tag.name == "meta"
                    && tag.value("http-equiv").is_some_and(|v| v.eq_ignore_ascii_case("refresh"))
            })
        },
        "The message leads on by itself; clients do not allow that.",
    ),
    rule(
        "HTML_BASE",
        0.5,
        |f| has_tag(f, |tag| tag.name == "base"),
        "A base address is set; links then lead elsewhere than they seem to.",
    ),
    rule(
        "HTML_EXTRA_CLOSE",
        0.2,
        |f| {
            let (extra, tags) = closed_extra(f);
            extra * 100 > tags * 9
        },
        "Many elements are closed that were not open.",
    ),
    rule(
        "HTML_HUGE",
        0.5,
        |f| f.page.as_ref().is_some_and(|page| page.source.len() > 300_000),
        "The HTML is larger than 300 kB; clients cut it off.",
    ),
    rule(
        "HTML_TRACKING_PIXELS",
        0.4,
        |f| f.images.iter().filter(|image| image.is_pixel()).count() > 2,
        "There are more than two tracking pixels.",
    ),
];

/// Images, and so many octets of text.
fn is_image_only(facts: &Facts<'_>, from: usize, to: usize) -> bool {
    let len = facts.visible.len();
    facts.images.iter().any(|image| !image.is_pixel()) && len >= from && len < to
}

/// A picture in a link, and so many octets of HTML.
fn is_linked_image(facts: &Facts<'_>, from: usize, to: usize) -> bool {
    let len = facts.page.as_ref().map_or(0, |page| page.source.len());
    facts.images.iter().any(|image| image.is_linked && !image.is_pixel()) && len > from && len <= to
}

/// How many tags close what is not open, and how many tags there are.
fn closed_extra(facts: &Facts<'_>) -> (usize, usize) {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut extra, mut tags) = (0, 0);
    for node in facts.page.iter().flat_map(|page| &page.nodes) {
        match &node.item {
            Item::Start(tag) => *open.entry(tag.name.as_str()).or_default() += 1,
            Item::End(name) => match open.get_mut(name.as_str()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => extra += 1,
            },
            _ => continue,
        }
        tags += 1;
    }
    (extra, tags)
}

fn has_tag(facts: &Facts<'_>, is_it: impl Fn(&Tag) -> bool) -> bool {
    facts.page.iter().flat_map(Page::tags).any(|(_, tag)| is_it(tag))
}

/// The `style` attributes, hidden ones left out.
fn styles(facts: &Facts<'_>) -> impl Iterator<Item = String> {
    let tags = facts.page.iter().flat_map(Page::tags).take(20_000);
    tags.filter_map(|(_, tag)| tag.value("style").map(str::to_owned)).filter(|s| !is_hidden(s))
}

fn is_hidden(style: &str) -> bool {
    declarations(style).iter().any(|d| match d.property.as_str() {
        "display" => d.value.starts_with("none"),
        "visibility" => d.value.starts_with("hidden"),
        "mso-hide" => d.value.starts_with("all"),
        "opacity" | "max-height" => matches!(d.value.as_str(), "0" | "0px"),
        "font-size" => matches!(d.value.as_str(), "0" | "0px" | "1px"),
        _ => false,
    })
}

/// Whether a style sets a colour and a ground that is nearly the same.
fn is_low(style: &str) -> bool {
    let all = declarations(style);
    let of = |names: &[&str]| {
        let found = all.iter().rfind(|d| names.contains(&d.property.as_str()))?;
        found.value.split(' ').find_map(Colour::parse)
    };
    match (of(&["color"]), of(&["background", "background-color"])) {
        (Some(front), Some(ground)) => contrast(front, ground) < 1.2,
        _ => false,
    }
}

/// The size of a font in pixels.
fn size(style: &str) -> Option<f32> {
    let all = declarations(style);
    let value = &all.iter().rfind(|d| d.property == "font-size")?.value;
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = value.get(number.len()..)?;
    let number: f32 = number.parse().ok()?;
    match unit {
        "px" => Some(number),
        "pt" => Some(number * 4.0 / 3.0),
        _ => None,
    }
}

/// How many characters stand in elements that are hidden.
fn hidden(facts: &Facts<'_>) -> usize {
    let Some(page) = &facts.page else { return 0 };
    let mut depth = 0_usize;
    let mut count = 0;
    for node in &page.nodes {
        match &node.item {
            Item::Start(tag) if is_void(&tag.name) => {}
            Item::Start(_) if depth > 0 => depth += 1,
            Item::Start(tag) => {
                let style = tag.value("style").unwrap_or_default();
                depth = usize::from(!style.is_empty() && is_hidden(style));
            }
            Item::End(_) => depth = depth.saturating_sub(1),
            Item::Text(text) if depth > 0 => {
                count += text.chars().filter(|c| c.is_alphanumeric()).count();
            }
            _ => {}
        }
    }
    count
}

fn title<'f>(facts: &'f Facts<'_>) -> &'f str {
    let Some(page) = &facts.page else { return "" };
    let mut pairs = page.nodes.iter().zip(page.nodes.iter().skip(1));
    pairs
        .find_map(|(tag, text)| match (&tag.item, &text.item) {
            (Item::Start(tag), Item::Text(text)) if tag.name == "title" => Some(text.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

/// How often an element starts, or ends.
fn count(facts: &Facts<'_>, name: &str, starts: bool) -> usize {
    let nodes = facts.page.iter().flat_map(|page| &page.nodes);
    nodes
        .filter(|node| match &node.item {
            Item::Start(tag) => starts && tag.name == name,
            Item::End(end) => !starts && end == name,
            _ => false,
        })
        .count()
}
