//! What the checks know of one message, found out once: its page, its links, its words.

use std::collections::BTreeSet;

use mailwright_mime::{html_to_text, sent_date};
use mailwright_words::Timestamp;

use crate::html::{Item, OpenElements, Page, scan};
use crate::links::{Link, extract};
use crate::message::{Message, Person};
use crate::verdict::Verdicts;

/// The most images that are looked at.
const IMAGES_MAX: usize = 2_000;

/// How much of the text rules about words look at.
const LOWER_MAX: usize = 256 << 10;

/// What is known of a message beside its octets; all of it may be missing.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// When it came in.
    pub received: Option<Timestamp>,
    /// The reverse-path of its envelope.
    pub reverse_path: Option<String>,
    /// What authentication and lists say.
    pub verdicts: Verdicts,
}

/// An image of the HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where its tag stands.
    pub at: usize,
    /// Its address.
    pub src: String,
    /// Its alternative text; nothing where the attribute is missing.
    pub alt: Option<String>,
    /// Width and height in pixels, where its attributes tell them.
    pub size: Option<(u32, u32)>,
    /// Whether it stands in a link.
    pub is_linked: bool,
}

impl Image {
    /// Whether it is there to be fetched, not to be seen.
    pub fn is_pixel(&self) -> bool {
        self.size.is_some_and(|(width, height)| width <= 2 && height <= 2)
    }
}

/// What the checks know of a message.
#[derive(Debug)]
pub struct Facts<'m> {
    /// The message.
    pub message: &'m Message<'m>,
    /// What is known beside it.
    pub context: Context,
    /// Its HTML taken apart.
    pub page: Option<Page<'m>>,
    /// The text of the HTML as one reads it.
    pub visible: String,
    /// The first words that a reader reads, in lower case, one blank between two.
    pub lower: String,
    /// Its links.
    pub links: Vec<Link>,
    /// The images of its HTML.
    pub images: Vec<Image>,
    /// Ids and names of the HTML.
    pub anchors: BTreeSet<String>,
    /// Identifiers of its parts, without `<>`.
    pub part_ids: BTreeSet<String>,
    /// Its authors.
    pub from: Vec<Person>,
    /// `To`.
    pub to: Vec<Person>,
}

impl<'m> Facts<'m> {
    /// Finds out what there is to know.
    pub fn new(message: &'m Message<'m>, context: Context) -> Self {
        let page = message.html.as_ref().map(|html| scan(&html.text));
        let visible = page.as_ref().map(|page| html_to_text(page.source)).unwrap_or_default();
        let text = message.text.as_ref().map(|text| text.text.as_str());
        let read = text.filter(|text| !text.trim().is_empty()).unwrap_or(&visible);
        let lower = lower(read);
        let ids = message.structure.parts().iter().filter_map(mailwright_mime::Part::id);
        let bare = |id: &[u8]| {
            let id = String::from_utf8_lossy(id).into_owned();
            id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
        };
        Self {
            links: extract(page.as_ref(), text),
            images: page.as_ref().map(images).unwrap_or_default(),
            anchors: page.as_ref().map(anchors).unwrap_or_default(),
            part_ids: ids.map(|id| bare(&id)).collect(),
            from: message.people("from"),
            to: message.people("to"),
            message,
            context,
            page,
            visible,
            lower,
        }
    }

    /// The text of a field; empty where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.message.value(name)
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.message.field(name).is_some()
    }

    /// What a reader reads: the plain text, else that of the HTML.
    pub fn words(&self) -> &str {
        let text = self.message.text.as_ref().map(|text| text.text.as_str());
        text.filter(|text| !text.trim().is_empty()).unwrap_or(&self.visible)
    }

    /// When the message says it was sent.
    pub fn sent(&self) -> Option<Timestamp> {
        self.message.field("date").and_then(|field| sent_date(field.raw))
    }

    /// When it came in: as we know it, else as its newest trace field says.
    pub fn received(&self) -> Option<Timestamp> {
        self.context.received.or_else(|| {
            let trace = self.message.field("received")?;
            let date = trace.raw.rsplit(|byte| *byte == b';').next()?;
            (date.len() < trace.raw.len()).then(|| sent_date(date))?
        })
    }

    /// The domain of the first author.
    pub fn author_domain(&self) -> &str {
        self.from.first().map_or("", |person| person.domain.as_str())
    }

    /// Whether it looks like a mailing: it names a list, or says it is bulk.
    pub fn is_bulk(&self) -> bool {
        self.has("list-unsubscribe")
            || self.has("list-id")
            || self.value("precedence").eq_ignore_ascii_case("bulk")
    }

    /// The targets of `List-Unsubscribe`.
    pub fn unsubscribes(&self) -> Vec<String> {
        let value = self.value("list-unsubscribe");
        let targets = value.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
        targets.map(|(target, _)| target.trim().to_owned()).collect()
    }
}

fn lower(text: &str) -> String {
    let mut lower = String::new();
    for word in text.split_whitespace() {
        if lower.len() + word.len() > LOWER_MAX {
            break;
        }
        if !lower.is_empty() {
            lower.push(' ');
        }
        lower.push_str(&word.to_lowercase());
    }
    lower
}

fn images(page: &Page<'_>) -> Vec<Image> {
    let mut images = Vec::new();
    let mut open = OpenElements::default();
    for (index, node) in page.nodes.iter().enumerate() {
        open.take(index, node);
        let Item::Start(tag) = &node.item else { continue };
        if tag.name != "img" || images.len() >= IMAGES_MAX {
            continue;
        }
        let pixels = |name: &str| {
            let digits = tag.value(name)?.trim().trim_end_matches("px");
            digits.parse::<u32>().ok()
        };
        images.push(Image {
            at: node.span.start,
            src: tag.value("src").unwrap_or_default().trim().to_owned(),
            alt: tag.value("alt").map(str::to_owned),
            size: pixels("width").zip(pixels("height")),
            is_linked: open.is_in("a"),
        });
    }
    images
}

fn anchors(page: &Page<'_>) -> BTreeSet<String> {
    let named = page.tags().flat_map(|(_, tag)| {
        let name = if tag.name == "a" { tag.value("name") } else { None };
        [tag.value("id"), name]
    });
    named.flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_found_out() {
        let bytes =
            b"From: a@shop.eu\r\nReceived: from x by y; Tue, 24 Nov 2026 06:15:37 +0000\r\n\
            List-Unsubscribe: <mailto:a@b>,\r\n <https://c/d>\r\n\
            Content-Type: text/html\r\n\r\n<h1 id=top>Hi</h1><a name=x href=y><img src=i width=1 \
            height=1px></a><img src=j alt=''>";
        let message = Message::read(bytes);
        let facts = Facts::new(&message, Context::default());
        assert_eq!(facts.words(), "Hi");
        assert_eq!(facts.received().unwrap().ms(), 1_795_500_937_000);
        assert_eq!(facts.unsubscribes(), ["mailto:a@b", "https://c/d"]);
        assert!(facts.images[0].is_pixel() && facts.images[0].is_linked);
        assert_eq!(facts.images[1].alt.as_deref(), Some(""));
        assert_eq!(facts.anchors.iter().map(String::as_str).collect::<Vec<_>>(), ["top", "x"]);
        assert!(facts.is_bulk());
        assert_eq!(facts.author_domain(), "shop.eu");
    }
}
