//! Octets of messages over HTTP, so that a browser never runs what they hold.
//!
//! Pictures of safe kinds and plain text are shown, everything else is saved, each under a policy
//! that allows nothing. Source: RFC 6266 (names of files).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use mailwright_mime::{Part, Structure};
use mailwright_words::percent::escaped;

use super::whole::{Leaf, content_id, file_name, leaves, media};

/// Kinds that a browser may show.
const SHOWN: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"];
/// What shown octets may do: nothing.
pub(crate) const ACTS_IN_NOTHING: &str =
    "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'";

/// The octets of a message, shown as plain text, or saved under a name.
pub(crate) fn raw(bytes: Vec<u8>, name: Option<&str>) -> Response {
    octets(bytes, "text/plain; charset=utf-8", name)
}

/// The part with that number, or with that `Content-ID`.
pub(crate) fn part(bytes: &[u8], path: &str) -> Option<Response> {
    let structure = Structure::parse(bytes);
    let (leaf, part) = find(&structure, path)?;
    let kind = media(part);
    let name = file_name(part, &leaf);
    let body = part.decoded().into_owned();
    Some(match SHOWN.iter().find(|shown| **shown == kind) {
        Some(&"text/plain") => {
            let text = mailwright_mime::part_text(part).into_owned();
            octets(text.into_bytes(), "text/plain; charset=utf-8", None)
        }
        Some(shown) => octets(body, shown, None),
        None => octets(body, "application/octet-stream", Some(&name)),
    })
}

/// The part with that number, or with that `Content-ID`.
pub(crate) fn find<'s, 'm>(
    structure: &'s Structure<'m>,
    path: &str,
) -> Option<(Leaf, &'s Part<'m>)> {
    leaves(structure).into_iter().find_map(|leaf| {
        let part = structure.part(leaf.index)?;
        let id = path.strip_prefix("cid:");
        let is_it = leaf.path == path || id.is_some_and(|id| content_id(part) == id);
        is_it.then_some((leaf, part))
    })
}

/// The decoded octets of a part, with its type as the message says it.
pub(crate) fn saved(bytes: &[u8], path: &str) -> Option<Response> {
    let structure = Structure::parse(bytes);
    let (leaf, part) = find(&structure, path)?;
    let name = file_name(part, &leaf);
    let mut response = octets(part.decoded().into_owned(), "application/octet-stream", Some(&name));
    if let Ok(kind) = HeaderValue::from_str(&media(part)) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Some(response)
}

/// Octets as an answer; with a name they are saved, never shown.
pub(crate) fn octets(body: Vec<u8>, kind: &'static str, name: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(ACTS_IN_NOTHING));
    if let Some(name) = name
        && let Ok(value) = HeaderValue::from_str(&disposition(name))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Source: RFC 6266 section 4.3, RFC 8187 section 3.2.1.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    let encoded = escaped(name, b"");
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_break_out() {
        let text = disposition("a\"b\r\n\u{e4}.pdf");
        assert_eq!(
            text,
            "attachment; filename=\"a_b___.pdf\"; filename*=UTF-8''a%22b%0D%0A%C3%A4.pdf"
        );
    }

    #[test]
    fn only_safe_kinds_are_shown() {
        for (kind, shown) in [
            ("image/png", true),
            ("image/svg+xml", false),
            ("text/html", false),
            ("application/pdf", false),
            ("text/plain; charset=utf-8", true),
        ] {
            let message = format!("Content-Type: {kind}\r\n\r\n<script>x</script>");
            let response = part(message.as_bytes(), "1").unwrap();
            let headers = response.headers();
            assert_eq!(!headers.contains_key(header::CONTENT_DISPOSITION), shown, "{kind}");
            assert!(
                headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox")
            );
            assert_ne!(headers[header::CONTENT_TYPE], "text/html");
        }
        assert!(part(b"\r\nx", "2").is_none());
    }
}
