//! Rules about readers who do not see the page as it was drawn. Source: WCAG 2.2.

use std::collections::HashMap;

use super::{Hit, Level, StructureRule, rule};
use crate::colour::{Colour, contrast};
use crate::css::{Declaration, declarations};
use crate::facts::Facts;
use crate::html::{Item, OpenElements, Page, Tag};
use crate::links::Source;

/// The least contrast of text. Source: WCAG 2.2 section 1.4.3.
const CONTRAST_MIN: f64 = 4.5;
/// The smallest type that is still read, in pixels.
const TYPE_MIN: f64 = 9.0;

pub(super) const RULES: &[StructureRule] = &[
    rule(
        "alt-missing",
        Level::Error,
        |f| {
            let images = f.images.iter().filter(|image| image.alt.is_none() && !image.is_pixel());
            Hit::all(images.map(|image| (image.at, image.src.clone())))
        },
        "An image has no alternative text: who does not see it is read its address. Add alt, empty \
         where the image only decorates. Source: WCAG 2.2 section 1.1.1.",
    ),
    rule(
        "alt-is-file",
        Level::Warning,
        |f| {
            let is_file = |alt: &str| {
                let alt = alt.trim().to_lowercase();
                let ends = [".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"];
                ends.iter().any(|end| alt.ends_with(end))
            };
            let images = f.images.iter().filter_map(|image| {
                let alt = image.alt.as_deref().filter(|alt| is_file(alt))?;
                Some((image.at, alt.to_owned()))
            });
            Hit::all(images)
        },
        "The alternative text of an image is a file's name; say what it shows.",
    ),
    rule(
        "link-without-text",
        Level::Error,
        |f| {
            let links = f.links.iter().filter(|link| {
                link.source == Source::Anchor && link.text.trim().is_empty() && !link.url.is_empty()
            });
            Hit::all(links.map(|link| (link.at, link.url.clone())))
        },
        "A link has neither text nor an image with one: nobody who listens knows where it leads.",
    ),
    rule(
        "link-text-vague",
        Level::Note,
        |f| {
            let vague = ["click here", "here", "hier", "this link", "read more", "more", "link"];
            let links = f.links.iter().filter(|link| {
                let text = link.text.trim().trim_end_matches(['.', '!', '>']).to_lowercase();
                link.source == Source::Anchor && vague.contains(&text.trim())
            });
            Hit::all(links.map(|link| (link.at, link.text.clone())))
        },
        "The text of a link does not say where it leads; screen readers list links without what \
         stands around them. Source: WCAG 2.2 section 2.4.4.",
    ),
    rule(
        "lang-missing",
        Level::Warning,
        |f| {
            let page = f.page.as_ref().filter(|_| f.visible.chars().any(char::is_alphabetic))?;
            Hit::when(!page.tags().any(|(_, tag)| tag.value("lang").is_some()), "")
        },
        "No element says the language; screen readers guess how to pronounce it. Write \
         <html lang=\"en\">. Source: WCAG 2.2 section 3.1.1.",
    ),
    rule(
        "lang-malformed",
        Level::Warning,
        |f| {
            let languages = f.page.as_ref()?.tags().filter_map(|(at, tag)| {
                let language = tag.value("lang")?.trim();
                (!language.is_empty() && !is_language(language)).then(|| (at, language.to_owned()))
            });
            Hit::all(languages)
        },
        "The language is not written as en, de or pt-BR are. Source: RFC 5646 section 2.1.",
    ),
    rule(
        "heading-skipped",
        Level::Warning,
        |f| {
            let mut last = 0;
            let skips = f.page.as_ref()?.tags().filter_map(move |(at, tag)| {
                let level = heading(&tag.name)?;
                let skipped = last > 0 && level > last + 1;
                let detail = format!("h{level} after h{last}");
                last = level;
                skipped.then_some((at, detail))
            });
            Hit::all(skips)
        },
        "Headings skip a level; those who jump from one to the next think they missed one.",
    ),
    rule(
        "table-role-missing",
        Level::Note,
        |f| {
            let page = f.page.as_ref()?;
            let with_heads = tables_with_heads(page);
            let tables = page.nodes.iter().enumerate().filter_map(|(index, node)| {
                let Item::Start(tag) = &node.item else { return None };
                let is_layout = tag.name == "table" && tag.value("role").is_none();
                (is_layout && !with_heads.contains(&index))
                    .then(|| (node.span.start, String::new()))
            });
            Hit::all(tables)
        },
        "A table that is there for the layout is read out as one; add role=\"presentation\".",
    ),
    rule(
        "contrast-low",
        Level::Warning,
        low_contrast,
        "Text is hard to tell from its background; the contrast should be 4.5 to 1 at least.",
    ),
    rule(
        "type-small",
        Level::Note,
        |f| {
            let tags = f.page.as_ref()?.tags();
            let small = tags.filter_map(|(at, tag)| {
                let pixels = pixels(tag.value("style")?)?;
                // Nothing at all is for preheaders and gaps.
                (pixels > 1.0 && pixels < TYPE_MIN).then(|| (at, format!("{pixels} pixels")))
            });
            Hit::all(small)
        },
        "Type is smaller than people can read on a phone.",
    ),
    rule(
        "viewport-missing",
        Level::Note,
        |f| Hit::when(has_markup(f) && !has_meta(f, "viewport"), ""),
        "Without <meta name=\"viewport\"> some phones show the page as on a desk, and tiny.",
    ),
    rule(
        "color-scheme-missing",
        Level::Note,
        |f| Hit::when(has_markup(f) && !has_meta(f, "color-scheme"), ""),
        "Without <meta name=\"color-scheme\"> clients in dark mode change colours as they like.",
    ),
];

fn heading(name: &str) -> Option<u32> {
    name.strip_prefix('h')?.parse().ok().filter(|level| (1..=6).contains(level))
}

fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: &str| {
        (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(is_word)
}

/// Whether it is a page that somebody laid out, not a few words in bold.
fn has_markup(facts: &Facts<'_>) -> bool {
    let page = facts.page.as_ref();
    page.is_some_and(|page| page.tags().any(|(_, tag)| matches!(&*tag.name, "head" | "table")))
}

fn has_meta(facts: &Facts<'_>, name: &str) -> bool {
    let is_it = |tag: &Tag| {
        tag.name == "meta" && tag.value("name").is_some_and(|own| own.eq_ignore_ascii_case(name))
    };
    let page = facts.page.as_ref();
    page.is_some_and(|page| page.tags().any(|(_, tag)| is_it(tag)))
}

/// The start tags of tables that have heads of columns or rows, or a caption: those hold data.
fn tables_with_heads(page: &Page<'_>) -> Vec<usize> {
    let mut open = OpenElements::default();
    let mut found = Vec::new();
    for (index, node) in page.nodes.iter().enumerate() {
        open.take(index, node);
        if let Item::Start(tag) = &node.item
            && matches!(&*tag.name, "th" | "caption")
        {
            found.extend(open.nearest("table"));
        }
    }
    found
}

/// Text whose colour and background are both known, from the styles of the elements around it.
fn low_contrast(facts: &Facts<'_>) -> Option<Hit> {
    let page = facts.page.as_ref()?;
    let mut open = OpenElements::default();
    let mut found = Vec::new();
    // Each element is read once, however much text stands in it.
    let mut read: HashMap<usize, [Option<Said>; 2]> = HashMap::new();
    for (index, node) in page.nodes.iter().enumerate() {
        open.take(index, node);
        let Item::Text(text) = &node.item else { continue };
        if !text.chars().any(char::is_alphanumeric) || open.is_in("style") || open.is_in("script") {
            continue;
        }
        let (mut front, mut ground) = (None, None);
        for at in open.starts().rev() {
            let [own_front, own_ground] = *read.entry(at).or_insert_with(|| said(page, at));
            (front, ground) = (front.or(own_front), ground.or(own_ground));
            if front.is_some() && ground.is_some() {
                break;
            }
        }
        if let (Some(Said::Known(front)), Some(Said::Known(ground))) = (front, ground) {
            let ratio = contrast(front, ground);
            if ratio < CONTRAST_MIN {
                found.push((node.span.start, format!("{ratio:.1} to 1")));
            }
        }
    }
    Hit::all(found.into_iter())
}

fn tag<'p>(page: &'p Page<'_>, index: usize) -> Option<&'p Tag> {
    match &page.nodes.get(index)?.item {
        Item::Start(tag) => Some(tag),
        _ => None,
    }
}

/// What the element of that start tag says of its colour and that of its ground.
fn said(page: &Page<'_>, at: usize) -> [Option<Said>; 2] {
    let Some(tag) = tag(page, at) else { return [None, None] };
    let all = declarations(tag.value("style").unwrap_or_default());
    let ground = ["background-color", "background"];
    [colour((tag, &all), &["color"], "color"), colour((tag, &all), &ground, "bgcolor")]
}

/// What an element says of a colour.
#[derive(Debug, Clone, Copy)]
enum Said {
    Known(Colour),
    /// It sets one that is not understood, such as a picture.
    Unknown,
}

fn colour(
    (tag, all): (&Tag, &[Declaration]),
    properties: &[&str],
    attribute: &str,
) -> Option<Said> {
    let known = |colour: Option<Colour>| colour.map_or(Said::Unknown, Said::Known);
    let set = all.iter().rfind(|one| properties.contains(&one.property.as_str()));
    if let Some(set) = set {
        return Some(known(Colour::parse(&set.value)));
    }
    let is_font = attribute != "color" || tag.name == "font";
    tag.value(attribute).filter(|_| is_font).map(|value| known(Colour::parse(value)))
}

fn pixels(style: &str) -> Option<f64> {
    let all = declarations(style);
    let value = &all.iter().rfind(|one| one.property == "font-size")?.value;
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let size: f64 = number.parse().ok()?;
    match value.get(number.len()..)? {
        "px" => Some(size),
        "pt" => Some(size * 4.0 / 3.0),
        _ => None,
    }
}
