//! Makes text of HTML, for previews and for search.
//!
//! It is no parser of HTML: it leaves tags, comments, scripts and styles out, decodes character
//! references, and breaks lines where blocks begin and end. It never fails, and looks at each octet
//! a bounded number of times. Source: the HTML standard, sections 13.2.5 and 13.5.

mod entity;
mod tag;

use memchr::memchr2;

use self::tag::Markup;

/// The text of an HTML document.
pub fn html_to_text(html: &str) -> String {
    html_to_text_up_to(html, usize::MAX)
}

/// The text of an HTML document, cut once it has `max` octets or a little more.
pub(crate) fn html_to_text_up_to(html: &str, max: usize) -> String {
    let mut text = Text { out: String::with_capacity(html.len().min(max) / 4), gap: Gap::None };
    let mut rest = html;
    while text.out.len() < max
        && let Some(at) = memchr2(b'<', b'&', rest.as_bytes())
        && let Some((before, found)) = rest.split_at_checked(at)
    {
        text.push(before);
        rest = if found.starts_with('&') { text.reference(found) } else { text.markup(found) };
    }
    if text.out.len() < max {
        text.push(rest);
    }
    text.out
}

/// What stands between the text so far and what follows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Blank,
    Line,
}

struct Text {
    out: String,
    gap: Gap,
}

impl Text {
    /// Adds text, with one blank for each run of blanks.
    fn push(&mut self, text: &str) {
        if text.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.gap = self.gap.max(Gap::Blank);
        }
        let mut words = text.split_ascii_whitespace().peekable();
        let ends_blank = text.ends_with(|c: char| c.is_ascii_whitespace());
        while let Some(word) = words.next() {
            self.fill();
            self.out.push_str(word);
            if words.peek().is_some() || ends_blank {
                self.gap = Gap::Blank;
            }
        }
    }

    fn fill(&mut self) {
        match std::mem::replace(&mut self.gap, Gap::None) {
            _ if self.out.is_empty() => {}
            Gap::None => {}
            Gap::Blank => self.out.push(' '),
            Gap::Line => self.out.push('\n'),
        }
    }

    /// Takes the `&` at the start of `rest`. Gives what follows.
    fn reference<'a>(&mut self, rest: &'a str) -> &'a str {
        if let Some((decoded, after)) = entity::decode(rest) {
            self.push(&decoded);
            return after;
        }
        self.fill();
        self.out.push('&');
        rest.strip_prefix('&').unwrap_or_default()
    }

    /// Takes the `<` at the start of `rest`. Gives what follows.
    fn markup<'a>(&mut self, rest: &'a str) -> &'a str {
        match tag::read(rest) {
            Markup::Text => {
                self.fill();
                self.out.push('<');
                rest.strip_prefix('<').unwrap_or_default()
            }
            Markup::Inline(after) => after,
            Markup::Cell(after) => {
                self.gap = self.gap.max(Gap::Blank);
                after
            }
            Markup::Block(after) => {
                self.gap = Gap::Line;
                after
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_a_reader_sees() {
        for (html, text) in [
            ("<p>Hello <b>wor</b>ld</p><p>bye", "Hello world\nbye"),
            ("a<br>b<BR/>c", "a\nb\nc"),
            ("<style>p { color: red }</style>a<script>if (a<b) x()</SCRIPT >b", "ab"),
            ("<title>t</title><!-- a > b -->c<!doctype html><?x y?>", "c"),
            (
                "a &lt; b &amp;&amp; c&nbsp;d &eacute;&#233;&#xe9;&#128; &notit; &",
                "a < b && c\u{a0}d \u{e9}\u{e9}\u{e9}\u{20ac} \u{ac}it; &",
            ),
            ("1 < 2 <a href='>'>x</a> <a title=it's>y</a>", "1 < 2 x y"),
            ("<td>a</td><td>b</td>", "a b"),
            ("  a \r\n\t b  ", "a b"),
            ("<p><p><div>a</div>", "a"),
            ("a<b", "a"),
            ("a<!-- b", "a"),
            ("<style>a", ""),
            ("a<img alt=\"x\" src=\"y>", "a"),
            ("&#0;&#xd800;&#99999999;", "\u{fffd}\u{fffd}\u{fffd}"),
            ("&&amp", "&&"),
        ] {
            assert_eq!(html_to_text(html), text, "{html}");
        }
    }

    #[test]
    fn hostile_markup_takes_no_time() {
        for piece in [
            "<",
            "<a",
            "<a \"",
            "<a =\"",
            "<!--",
            "<!-",
            "</",
            "<style>",
            "&",
            "&a",
            "&#",
            "<script></scrip",
            "<a = ' ",
            "<a     ",
        ] {
            html_to_text(&piece.repeat(100_000));
        }
    }
}
