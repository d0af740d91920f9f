//! Feeds html5ever's tokenizer, and keeps where each token stands.
//!
//! The tokenizer tells lines, not columns. It hands a token out the moment it has read its last
//! character, so what is left of the input at that moment says where the token ends. The page is
//! fed in pieces, and given up where one tag holds so many attributes that looking for doubles
//! among them, which the tokenizer does one by one, would take long.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::{Attribute, Item, Node, Page, Tag};

/// The most octets of a page that are looked at.
pub const HTML_MAX: usize = 2 << 20;
/// The most tokens of a page that are looked at.
pub const NODES_MAX: usize = 200_000;
/// How much is fed at once.
const PIECE: usize = 16 << 10;
/// The most comparisons that looking for double attributes may take, over the page.
const COMPARED_MAX: u64 = 300_000_000;

/// Takes a page apart.
pub fn scan(source: &str) -> Page<'_> {
    let all = cut(source, HTML_MAX);
    let queue = BufferQueue::default();
    let sink = Sink::new(all, &queue);
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let mut rest = all;
    let mut waiting = 0_u64;
    let mut compared = 0_u64;
    let mut is_cut = all.len() < source.len();
    while !rest.is_empty() {
        let piece = cut(rest, PIECE);
        rest = rest.get(piece.len()..).unwrap_or_default();
        queue.push_back(StrTendril::from_slice(piece));
        let sink = &tokenizer.sink;
        sink.fed.set(sink.fed.get() + piece.len());
        let before = sink.ended.get();
        // It comes back early only for scripts that run, and here none does.
        while !queue.is_empty() {
            drop(tokenizer.feed(&queue));
        }
        waiting = if sink.ended.get() == before { waiting } else { 0 };
        waiting += separators(piece);
        compared = compared.saturating_add(waiting.saturating_mul(waiting) / 2);
        if compared > COMPARED_MAX || sink.nodes.borrow().len() > NODES_MAX {
            is_cut = true;
            break;
        }
    }
    if !is_cut {
        tokenizer.end();
    }
    let mut nodes = tokenizer.sink.nodes.take();
    nodes.truncate(NODES_MAX);
    Page { source: all, nodes, is_cut }
}

/// The start of a text, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Octets without one of which no new attribute can start.
fn separators(piece: &str) -> u64 {
    let is_one = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'');
    u64::try_from(piece.bytes().filter(|byte| is_one(byte)).count()).unwrap_or(u64::MAX)
}

struct Sink<'a> {
    source: &'a str,
    queue: &'a BufferQueue,
    fed: Cell<usize>,
    /// Where the last token ended.
    ended: Cell<usize>,
    /// Levels of `<svg>` and `<math>`, in which nothing is raw text.
    foreign: Cell<usize>,
    nodes: RefCell<Vec<Node>>,
}

impl<'a> Sink<'a> {
    fn new(source: &'a str, queue: &'a BufferQueue) -> Self {
        let nodes = RefCell::default();
        Self { source, queue, fed: Cell::new(0), ended: Cell::new(0), foreign: Cell::new(0), nodes }
    }

    /// How many octets the tokenizer has taken.
    fn taken(&self) -> usize {
        let mut left = Vec::new();
        while let Some(buffer) = self.queue.pop_front() {
            left.push(buffer);
        }
        let len: usize = left.iter().map(|buffer| buffer.len()).sum();
        for buffer in left.into_iter().rev() {
            self.queue.push_front(buffer);
        }
        self.fed.get().saturating_sub(len)
    }

    fn push(&self, item: Item) {
        let end = self.taken();
        let mut start = self.ended.get();
        if matches!(item, Item::Start(_) | Item::End(_) | Item::Comment(_) | Item::Doctype { .. }) {
            start = self.opening(start, end);
        }
        self.ended.set(end);
        let mut nodes = self.nodes.borrow_mut();
        if let (Item::Text(more), Some(Node { span, item: Item::Text(text) })) =
            (&item, nodes.last_mut())
        {
            text.push_str(more);
            span.end = end;
            return;
        }
        nodes.push(Node { span: start..end.max(start), item });
    }

    /// The `<` of markup that was read from about `start` on: a `<` that turned out to be text was
    /// told only when the character behind it was read.
    fn opening(&self, start: usize, end: usize) -> usize {
        let bytes = self.source.as_bytes();
        if bytes.get(start) == Some(&b'<') {
            return start;
        }
        if start > 0 && bytes.get(start - 1) == Some(&b'<') {
            return start - 1;
        }
        let read = bytes.get(start..end).unwrap_or_default();
        read.iter().position(|byte| *byte == b'<').map_or(start, |at| start + at)
    }

    fn tag(&self, tag: &html5ever::tokenizer::Tag) -> TokenSinkResult<()> {
        let name = tag.name.to_string();
        let is_foreign = matches!(name.as_str(), "svg" | "math");
        if tag.kind == TagKind::EndTag {
            if is_foreign {
                self.foreign.set(self.foreign.get().saturating_sub(1));
            }
            self.push(Item::End(name));
            return TokenSinkResult::Continue;
        }
        let is_raw = self.foreign.get() == 0;
        if is_foreign && !tag.self_closing {
            self.foreign.set(self.foreign.get() + 1);
        }
        let kind = raw(&name);
        let start = self.opening(self.ended.get(), self.taken());
        let text = self.source.get(start..self.taken()).unwrap_or_default();
        // They come in the order they were written in, doubles left out.
        let mut places = places(text).into_iter();
        let attributes = tag.attrs.iter().map(|attribute| {
            let name = attribute.name.local.to_string();
            let at = places.by_ref().find(|(written, _)| written.eq_ignore_ascii_case(&name));
            let at = start + at.map_or(0, |(_, at)| at);
            Attribute { name, value: attribute.value.to_string(), at }
        });
        let attributes = attributes.collect();
        self.push(Item::Start(Tag { name, attributes, is_closed: tag.self_closing }));
        if is_raw { kind } else { TokenSinkResult::Continue }
    }
}

/// How the tokenizer goes on behind the start of an element. Scripts do not run in mail, so that
/// what is in `<noscript>` is markup.
fn raw(name: &str) -> TokenSinkResult<()> {
    match name {
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

/// The names of a tag's attributes as written, and where their values start in it.
fn places(tag: &str) -> Vec<(&str, usize)> {
    let bytes = tag.as_bytes();
    let is_blank = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_whitespace);
    let until = |from: usize, is_end: &dyn Fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().position(|byte| is_end(*byte)).map_or(bytes.len(), |len| from + len)
    };
    let ends_name = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=');
    let mut found = Vec::new();
    let mut at = until(1, &ends_name);
    while at < bytes.len() {
        if is_blank(at) || matches!(bytes.get(at), Some(b'/' | b'>')) {
            at += 1;
            continue;
        }
        let start = at;
        at = until(at + 1, &ends_name);
        let name = tag.get(start..at).unwrap_or_default();
        let value = until(at, &|byte| !byte.is_ascii_whitespace());
        if bytes.get(value) != Some(&b'=') {
            found.push((name, start));
            continue;
        }
        let value = until(value + 1, &|byte| !byte.is_ascii_whitespace());
        let quote = bytes.get(value).copied().filter(|byte| matches!(byte, b'"' | b'\''));
        if let Some(quote) = quote {
            found.push((name, value + 1));
            at = until(value + 1, &|byte| byte == quote) + 1;
        } else {
            found.push((name, value));
            at = until(value, &|byte| byte.is_ascii_whitespace() || byte == b'>');
        }
    }
    found
}

impl TokenSink for Sink<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if self.nodes.borrow().len() > NODES_MAX {
            return TokenSinkResult::Continue;
        }
        match token {
            Token::TagToken(tag) => return self.tag(&tag),
            Token::CharacterTokens(text) => self.push(Item::Text(text.to_string())),
            Token::CommentToken(text) => self.push(Item::Comment(text.to_string())),
            Token::DoctypeToken(doctype) => {
                let is_plain = doctype.name.as_deref() == Some("html")
                    && doctype.public_id.is_none()
                    && matches!(doctype.system_id.as_deref(), None | Some("about:legacy-compat"));
                self.push(Item::Doctype { is_plain });
            }
            Token::NullCharacterToken | Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.foreign.get() > 0
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn shown(html: &str) -> Vec<String> {
        let page = scan(html);
        let show = |node: &Node| {
            let source = html.get(node.span.clone()).unwrap();
            match &node.item {
                Item::Start(tag) => format!("<{}> {source}", tag.name),
                Item::End(name) => format!("</{name}> {source}"),
                Item::Text(text) => format!("text {text}"),
                Item::Comment(text) => format!("comment {text} {source}"),
                Item::Doctype { is_plain } => format!("doctype {is_plain} {source}"),
            }
        };
        page.nodes.iter().map(show).collect()
    }

    #[test]
    fn tokens_know_where_they_stand() {
        assert_eq!(
            shown("<!doctype html>\r\n<P Title='a>b'>1 < 2 &amp; <<b>x</b><!-- <i> --></p >"),
            [
                "doctype true <!doctype html>",
                "text \n",
                "<p> <P Title='a>b'>",
                "text 1 < 2 & <",
                "<b> <b>",
                "text x",
                "</b> </b>",
                "comment  <i>  <!-- <i> -->",
                "</p> </p >",
            ]
        );
    }

    #[test]
    fn raw_text_is_no_markup_but_in_foreign_content() {
        assert_eq!(shown("<style>a<b></style>")[1], "text a<b>");
        assert_eq!(shown("<title>&lt;<b></title>")[1], "text <<b>");
        assert_eq!(shown("<noscript><b>")[1], "<b> <b>");
        assert_eq!(shown("<svg><style><b></style></svg>")[2], "<b> <b>");
    }

    #[test]
    fn attributes_know_where_their_values_start() {
        let html = "<a\n href = \"x\" b=y hidden TITLE='&lt;' href=z>";
        let page = scan(html);
        let (_, tag) = page.tags().next().unwrap();
        let seen: Vec<(&str, &str, &str)> = tag
            .attributes
            .iter()
            .map(|a| (a.name.as_str(), a.value.as_str(), html.get(a.at..=a.at).unwrap()))
            .collect();
        let expected =
            [("href", "x", "x"), ("b", "y", "y"), ("hidden", "", "h"), ("title", "<", "&")];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_page_is_the_same_however_long_it_is() {
        let long = "<p class=x>\u{e9} text</p>\r\n".repeat(5_000);
        let page = scan(&long);
        assert_eq!(page.tags().count(), 5_000);
        assert!(page.tags().all(|(at, _)| long.get(at..).unwrap().starts_with("<p")));
        assert!(!page.is_cut);
    }

    #[test]
    fn hostile_pages_are_cut() {
        let mut many = String::from("<a ");
        for number in 0..150_000 {
            write!(many, "a{number} ").unwrap();
        }
        assert!(scan(&many).is_cut);
        assert!(scan(&"<b>".repeat(NODES_MAX + 1)).is_cut);
        assert!(scan(&"x".repeat(HTML_MAX + 1)).is_cut);
        for piece in
            ["<", "<a", "<a =", "<!--", "<!-", "</", "&", "&#x", "<style>", "<svg><![CDATA["]
        {
            scan(&piece.repeat(20_000));
        }
    }
}
