//! The little XML that is needed: escaped text, and the text of one element.

/// `text` as it may stand in an element; what XML has no place for is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// The text of the first element of this name, whatever its prefix.
///
/// Nothing is looked up and nothing expanded but the entities that XML itself has. Markup within
/// the element gives `None`.
pub(super) fn text_of(document: &str, name: &str) -> Option<String> {
    let mut rest = document;
    while let Some((_, tag)) = rest.split_once('<') {
        rest = skipped(tag);
        let (tag, text) = tag.split_once('>')?;
        let full = tag.split(|c: char| c.is_ascii_whitespace()).next()?;
        let local = full.rsplit_once(':').map_or(full, |(_, local)| local);
        if local == name && !full.starts_with('/') && !tag.ends_with('/') {
            let (text, end) = text.split_once('<')?;
            let closes = end.strip_prefix('/')?.strip_prefix(full)?.trim_ascii_start();
            return closes.starts_with('>').then(|| unescaped(text.trim()))?;
        }
    }
    None
}

/// What follows a tag, a comment, a section or an instruction whose `<` was taken.
fn skipped(tag: &str) -> &str {
    let end = match tag {
        tag if tag.starts_with("!--") => "-->",
        tag if tag.starts_with("![CDATA[") => "]]>",
        tag if tag.starts_with('?') => "?>",
        _ => ">",
    };
    tag.split_once(end).map_or("", |(_, rest)| rest)
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('&') {
        out.push_str(plain);
        let (entity, tail) = tail.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            entity => {
                let number = entity.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(number)?
            }
        });
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_read_back() {
        let text = "a&b<c>\"d'\u{e9}";
        let document = format!("<x>{}</x>", escaped(text));
        assert_eq!(text_of(&document, "x").as_deref(), Some(text));
        assert_eq!(escaped("a\0b\u{7}\u{ffff}"), "ab");
    }

    #[test]
    fn an_element_is_found_by_its_local_name() {
        for (document, want) in [
            ("<?xml version=\"1.0\"?><a:r xmlns:a='u'>\n<a:E> v </a:E></a:r>", Some("v")),
            ("<r><!-- <E>no</E> --><E\n id='1'>v</E></r>", Some("v")),
            ("<r><![CDATA[<E>no</E>]]><E>v&#x40;&#46;</E >", Some("v@.")),
            ("<r><E/><E>v</E></r>", Some("v")),
            ("<r><E>v<b/></E></r>", None),
            ("<r><E>&xxe;</E></r>", None),
            ("<r><E>&#xd800;</E></r>", None),
            ("<r><EE>v</EE></r>", None),
            ("<E>", None),
            ("<", None),
            ("", None),
        ] {
            assert_eq!(text_of(document, "E").as_deref(), want, "{document}");
        }
    }
}
