//! The HTML of a message, line by line, with what the checks found beside the lines.

use std::collections::BTreeMap;

use mailwright_sandbox::{
    facts::{Context, Facts},
    html::Lines,
    links::lint,
    message::Message,
    support::check,
};
use maud::{Markup, html};

/// Lines that are shown.
const LINES_MAX: usize = 5_000;
/// Octets of a line that are shown.
const LINE_MAX: usize = 4_000;
/// Marks of a line.
const MARKS_MAX: usize = 6;

/// The marks of lines, counted from 1.
fn marks(bytes: &[u8], source: &str) -> BTreeMap<usize, Vec<String>> {
    let mut marks: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut mark = |line: usize, text: String| {
        let all = marks.entry(line).or_default();
        if all.len() < MARKS_MAX && !all.contains(&text) {
            all.push(text);
        }
    };
    let message = Message::read(bytes);
    // Lines are told of the part that is checked; where several were joined, they do not fit.
    if message.html.as_ref().is_none_or(|html| html.text.trim_end() != source.trim_end()) {
        return marks;
    }
    let facts = Facts::new(&message, Context::default());
    for usage in check(facts.page.as_ref(), &message.names(), &message.medias()) {
        let Some(feature) = usage.feature() else { continue };
        let clients = usage.findings().len();
        if clients == 0 {
            continue;
        }
        for place in &usage.places {
            mark(place.line, format!("{}: not whole in {clients} clients", feature.title));
        }
    }
    let lines = facts.page.as_ref().map(|page| Lines::new(page.source));
    for finding in lint(&facts.links, &facts.anchors, &facts.part_ids) {
        let Some((link, lines)) = facts.links.get(finding.link).zip(lines.as_ref()) else {
            continue;
        };
        mark(lines.place(link.at).line, finding.fault.explanation().to_owned());
    }
    marks
}

/// The source with its marks.
pub(super) fn marked(bytes: &[u8], source: &str) -> Markup {
    let marks = marks(bytes, source);
    let lines = source.lines().take(LINES_MAX).zip(1_usize..);
    let is_cut = source.lines().nth(LINES_MAX).is_some();
    html! {
        table class="source" {
            tbody {
                @for (line, number) in lines {
                    @let found = marks.get(&number);
                    tr class=[found.map(|_| "marked")] {
                        th scope="row" { (number) }
                        td {
                            (line.get(..line.floor_char_boundary(LINE_MAX.min(line.len())))
                                .unwrap_or_default())
                            @for mark in found.into_iter().flatten() {
                                span class="marker" { (mark) }
                            }
                        }
                    }
                }
            }
        }
        @if is_cut { p class="note" { "It goes on; download the message for the rest." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_marks_of_what_is_on_them() {
        let html = "<p>one</p>\r\n<p style='display:grid'>two</p>\r\n<a href=''>three</a>\r\n";
        let bytes = format!("Subject: x\r\nContent-Type: text/html\r\n\r\n{html}");
        let found = marks(bytes.as_bytes(), html);
        assert!(found[&2].iter().any(|mark| mark.contains("grid")), "{found:?}");
        assert!(found.contains_key(&3) && !found.contains_key(&1), "{found:?}");
        let shown = marked(bytes.as_bytes(), html).into_string();
        assert!(shown.contains("class=\"marked\"") && shown.contains("&lt;p&gt;one&lt;/p&gt;"));
    }
}
