//! Rules about parts, encodings and attachments.

use std::collections::BTreeSet;

use mailwright_mime::{Encoding, Part};

use super::{Rule, rule};
use crate::facts::Facts;
use crate::message::{Message, is_attachment};

/// Ends of names of files that run.
const RUNS: &[&str] = &[
    "exe", "scr", "bat", "cmd", "com", "pif", "js", "jse", "vbs", "vbe", "wsf", "msi", "jar",
    "ps1", "hta", "lnk", "cpl", "iso", "img",
];

pub(super) const RULES: &[Rule] = &[
    rule(
        "EMPTY_MESSAGE",
        2.3,
        |f| f.words().trim().is_empty() && f.images.is_empty() && f.message.leaves().count() <= 1,
        "The message says nothing.",
    ),
    rule(
        "MIME_HEADER_CTYPE_ONLY",
        0.7,
        |f| f.has("content-type") && !f.has("mime-version"),
        "There is a Content-Type, yet no MIME-Version.",
    ),
    rule(
        "MIME_MISSING_BOUNDARY",
        1.8,
        |f| {
            let kind = f
                .message
                .field("content-type")
                .map_or(String::new(), |field| field.text.to_lowercase());
            kind.starts_with("multipart/") && !kind.contains("boundary")
        },
        "A multipart message names no boundary; its parts cannot be told apart.",
    ),
    rule(
        "MIME_HTML_ONLY",
        0.7,
        |f| f.message.html.is_some() && f.message.text.is_none(),
        "There is HTML, yet no plain text beside it; send both.",
    ),
    rule(
        "MIME_HTML_MOSTLY",
        0.4,
        |f| {
            let Some(text) = &f.message.text else { return false };
            let Some(html) = &f.message.html else { return false };
            let is_alternative = f.message.structure.parts().iter().any(is_alternative);
            is_alternative && text.text.trim_end().len() * 100 < html.text.len()
        },
        "The plain text is not a hundredth of the HTML; let it say the same.",
    ),
    rule(
        "MPART_ALT_DIFF",
        0.7,
        |f| {
            let is_alternative = f.message.structure.parts().iter().any(is_alternative);
            is_alternative && says_other(f)
        },
        "Hardly a word of the HTML is in the plain text, or it has pictures alone.",
    ),
    rule(
        "MIME_BASE64_TEXT",
        1.2,
        |f| {
            let Some(text) = &f.message.text else { return false };
            let part = f.message.structure.part(text.part);
            text.text.is_ascii()
                && part.is_some_and(|part| {
                    part.encoding() == Encoding::Base64 && !text.text.is_empty()
                })
        },
        "Plain ASCII text is base64; filters take it for a disguise.",
    ),
    rule(
        "MIME_QP_LONG_LINE",
        0.5,
        |f| {
            f.message.leaves().any(|(_, part)| {
                part.encoding() == Encoding::QuotedPrintable
                    && part
                        .body_bytes()
                        .split(|b| *b == b'\n')
                        .any(|line| line.trim_ascii_end().len() > 78)
            })
        },
        "Lines of quoted-printable are longer than 78; RFC 2045 allows 76.",
    ),
    rule(
        "MIME_CHARSET_UNKNOWN",
        0.9,
        |f| {
            f.message.leaves().any(|(_, part)| {
                let label = part.media().raw_parameter("charset").unwrap_or_default();
                part.media().is_top("text")
                    && !label.is_empty()
                    && !mailwright_mime::charset::is_known(&label)
            })
        },
        "A text is in a charset that nobody knows; use UTF-8.",
    ),
    rule(
        "MIME_BOUND_DIGITS_15",
        0.6,
        |f| {
            let top = f.message.structure.root().map(Part::media);
            let boundary = top.and_then(|media| media.parameter("boundary")).unwrap_or_default();
            boundary.len() >= 15
                && boundary.chars().all(|c| c.is_ascii_digit() || c == '-')
                && boundary.chars().filter(char::is_ascii_digit).count() >= 15
        },
        "The boundary is all digits, as programs of spammers make it.",
    ),
    rule(
        "BODY_8BIT_UNDECLARED",
        0.6,
        |f| {
            let eight = |value: &str| value.trim().eq_ignore_ascii_case("8bit");
            f.message.leaves().any(|(place, part)| {
                let name = if place == 0 {
                    f.value("content-transfer-encoding").to_owned()
                } else {
                    let found = part.fields().find(|field| {
                        field.name.eq_ignore_ascii_case(b"content-transfer-encoding")
                    });
                    found.map_or(String::new(), |field| {
                        String::from_utf8_lossy(field.value).into_owned()
                    })
                };
                part.media().is_top("text")
                    && part.encoding() == Encoding::Identity
                    && !eight(&name)
                    && !name.trim().eq_ignore_ascii_case("binary")
                    && !part.body_bytes().is_ascii()
            })
        },
        "A text has characters past ASCII, and no encoding that says so.",
    ),
    rule(
        "ATTACHMENT_RUNS",
        3.0,
        |f| file_names(f).any(|name| RUNS.contains(&end(&name).as_str())),
        "A file that runs is attached; most servers refuse it. Link to it.",
    ),
    rule(
        "ATTACHMENT_TWO_ENDINGS",
        1.5,
        |f| {
            file_names(f).any(|name| {
                let inner = name.rsplit_once('.').map_or("", |(stem, _)| stem);
                let shown = ["pdf", "doc", "docx", "xls", "xlsx", "jpg", "png", "txt"];
                shown.contains(&end(inner).as_str())
                    && (RUNS.contains(&end(&name).as_str()) || end(&name) == "html")
            })
        },
        "An attachment has two endings, the last of which hides what it is.",
    ),
    rule(
        "ATTACHMENT_TYPE_LIES",
        0.8,
        |f| {
            f.message.leaves().any(|(_, part)| {
                let media = Message::media(part);
                let name = part.file_name().map(|name| end(&name)).unwrap_or_default();
                media.starts_with("image/")
                    && !name.is_empty()
                    && ![
                        "png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "ico", "avif", "tif",
                        "tiff", "heic", "apng",
                    ]
                    .contains(&name.as_str())
            })
        },
        "An attachment says it is an image, yet its name says otherwise.",
    ),
    rule(
        "ATTACHMENT_HTML",
        0.8,
        |f| {
            f.message
                .leaves()
                .any(|(_, part)| is_attachment(part) && part.media().is("text", "html"))
        },
        "An HTML file is attached, as phishing does; link to the page.",
    ),
    rule(
        "MANY_ATTACHMENTS",
        0.3,
        |f| f.message.leaves().filter(|(_, part)| is_attachment(part)).count() > 10,
        "There are more than ten attachments.",
    ),
];

fn is_alternative(part: &Part<'_>) -> bool {
    part.media().is("multipart", "alternative")
}

/// Whether of a hundred words of the HTML not one more than one is in the plain text.
fn says_other(facts: &Facts<'_>) -> bool {
    let Some(text) = facts.message.text.as_ref().filter(|_| facts.page.is_some()) else {
        return false;
    };
    let words = |text: &str| -> BTreeSet<String> {
        let all = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
        all.take(20_000).map(str::to_owned).collect()
    };
    let (plain, html) = (words(&text.text), words(&facts.visible));
    if html.is_empty() {
        return !facts.images.is_empty();
    }
    html.intersection(&plain).count() * 100 <= html.len()
}

fn file_names(facts: &Facts<'_>) -> impl Iterator<Item = String> {
    facts.message.leaves().filter_map(|(_, part)| part.file_name())
}

fn end(name: &str) -> String {
    name.trim().rsplit_once('.').map_or(String::new(), |(_, end)| end.to_ascii_lowercase())
}
