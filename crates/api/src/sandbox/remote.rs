//! Pictures that a message names on the web: fetched by us when its reader asks for them.
//!
//! The browser asks us, never the sender's server: by an address that is signed for one message and
//! one picture, so that nobody makes us fetch anything else. We ask through the one guarded client,
//! without cookie and referrer. Only what is a picture by its octets comes back; SVG, which is a
//! document, does not.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    extract::{Path, Query as Params, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::ImageFormat;
use mailwright_mime::Structure;
use mailwright_net::egress::Ask;
use mailwright_words::percent::escaped;
use scraper::Node;
use serde::Deserialize;

use super::{
    ApiError, Inner, Sandbox,
    document::document,
    part::ACTS_IN_NOTHING,
    stamp::Stamp,
    whole::{leaves, texts},
};

/// Octets of an address that is fetched.
const URL_MAX: usize = 4096;
/// Pictures of one message that are fetched.
const PICTURES_MAX: usize = 200;
/// Octets of a picture; the configuration may say less.
const SIZE_MAX: usize = 10 << 20;

/// The addresses under which a document's remote pictures are asked of us.
pub(crate) struct Remote<'a> {
    stamp: Stamp,
    id: &'a str,
    seen: BTreeSet<String>,
}

impl<'a> Remote<'a> {
    pub(crate) const fn new(stamp: Stamp, id: &'a str) -> Self {
        Self { stamp, id, seen: BTreeSet::new() }
    }

    /// Our address for a picture; nothing for what is none, and past as many as may be.
    pub(crate) fn address(&mut self, url: &str) -> Option<String> {
        let url = whole(url)?;
        if !self.seen.contains(&url) {
            if self.seen.len() >= PICTURES_MAX {
                return None;
            }
            self.seen.insert(url.clone());
        }
        let right = self.stamp.right(&signed(self.id, &url))?;
        Some(format!("/remote/{}?url={}&{right}", self.id, escaped(&url, b"~")))
    }
}

/// What is signed for a picture of a message.
fn signed(id: &str, url: &str) -> String {
    // Neither has a line end, so no two pairs are written alike.
    format!("{id}\n{url}")
}

/// CSS with other addresses for what it names; what `address` has none for stays, and is refused
/// by the policy of the document.
pub(crate) fn readdressed(css: &str, mut address: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, inner)) = split_url(rest) {
        out.push_str(before);
        let Some((named, behind)) = url_value(inner) else {
            out.push_str("url(");
            rest = inner;
            continue;
        };
        if let Some(own) = address(named) {
            out.extend(["url(\"", &own, "\")"]);
        } else {
            let taken = inner.len().saturating_sub(behind.len());
            out.extend(["url(", inner.get(..taken).unwrap_or_default()]);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What stands before the next `url(`, and what stands behind it.
fn split_url(css: &str) -> Option<(&str, &str)> {
    let at = css.as_bytes().windows(4).position(|four| four.eq_ignore_ascii_case(b"url("))?;
    Some((css.get(..at)?, css.get(at.saturating_add(4)..)?))
}

/// The address in `url( )`, and what stands behind it. Source: CSS Syntax Level 3, section 4.3.6.
fn url_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let (address, behind) = match text.chars().next()? {
        quote @ ('"' | '\'') => {
            let (address, behind) = text.get(1..)?.split_once(quote)?;
            (address, behind.trim_start().strip_prefix(')')?)
        }
        _ => text.split_once(')')?,
    };
    // An escape may mean anything.
    (!address.contains('\\')).then_some((address.trim(), behind))
}

/// An address of the web, written out; nothing for another one.
fn whole(url: &str) -> Option<String> {
    let url: String = url.trim().chars().filter(|c| !c.is_control()).collect();
    let url = if url.starts_with("//") { format!("https:{url}") } else { url };
    let scheme = url.split_once("://")?.0;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    (is_web && url.len() <= URL_MAX).then_some(url)
}

/// The pictures that some HTML names on the web, each once.
pub(crate) fn pictures(html: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let document = document(html);
    for node in document.tree.root().descendants() {
        let parent = node.parent().and_then(|parent| parent.value().as_element());
        match node.value() {
            Node::Element(element) => {
                for (name, value) in element.attrs() {
                    match name {
                        "src" if element.name() == "img" => found.extend(whole(value)),
                        "background" | "poster" => found.extend(whole(value)),
                        "style" => in_css(value, &mut found),
                        _ => {}
                    }
                }
            }
            Node::Text(text) if parent.is_some_and(|element| element.name() == "style") => {
                in_css(text, &mut found);
            }
            _ => {}
        }
        if found.len() >= PICTURES_MAX {
            break;
        }
    }
    found
}

fn in_css(css: &str, found: &mut BTreeSet<String>) {
    let mut rest = css;
    while let Some((_, inner)) = split_url(rest) {
        rest = inner;
        if let Some((address, behind)) = url_value(inner) {
            found.extend(whole(address));
            rest = behind;
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    url: String,
    until: i64,
    signature: String,
}

/// A picture that was signed for a message.
pub(crate) async fn picture(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, ApiError> {
    let is_signed = sandbox.signer.as_ref().is_some_and(|signer| {
        let right = (asked.until, asked.signature.as_str());
        signer.knows(&signed(&id, &asked.url), right, sandbox.now())
    });
    if !is_signed {
        return Err(ApiError::Forbidden("this picture was not asked for by a reader".to_owned()));
    }
    // It may be gone meanwhile.
    sandbox.any_entry(&id).await?;
    sandbox.fetched(&asked.url).await
}

#[derive(Debug, Deserialize)]
pub(crate) struct Proxied {
    data: String,
}

/// The same as Mailpit's pages ask for it: by a message's id and an address that is in it.
pub(crate) async fn proxied(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Proxied>,
) -> Result<Response, ApiError> {
    let bad = || ApiError::bad("data is base64 of a message's id, a colon and an address");
    let plain = STANDARD.decode(&asked.data).ok().ok_or_else(bad)?;
    let plain = String::from_utf8(plain).ok().ok_or_else(bad)?;
    let (id, url) = plain.split_once(':').ok_or_else(bad)?;
    let entry = sandbox.any_entry(id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let wanted = whole(url).ok_or_else(bad)?;
    let named = sandbox.apart(move || {
        let structure = Structure::parse(&bytes);
        pictures(&texts(&structure, &leaves(&structure)).html).contains(&wanted)
    });
    if !named.await? {
        return Err(ApiError::Forbidden("the message shows no such picture".to_owned()));
    }
    sandbox.fetched(url).await
}

impl Inner {
    /// A picture of the web.
    async fn fetched(&self, url: &str) -> Result<Response, ApiError> {
        let Some(egress) = &self.backing.egress else {
            return Err(ApiError::Forbidden("nothing is fetched from here".to_owned()));
        };
        let ask = Ask::new(Method::GET, url).with(header::ACCEPT, "image/*").reading(SIZE_MAX);
        let answered = match egress.ask(ask).await {
            Ok(answered) if answered.status.is_success() => answered,
            Ok(answered) => return Ok(failed(&format!("its server says {}", answered.status))),
            Err(unanswered) if unanswered.error.is_forbidden() => {
                return Err(ApiError::Forbidden(unanswered.error.to_string()));
            }
            Err(unanswered) => return Ok(failed(&unanswered.error.to_string())),
        };
        let Some(kind) = kind(&answered.body) else {
            return Ok(failed("what came is no picture that is shown"));
        };
        let mut response = Response::new(Body::from(answered.body));
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, ACTS_IN_NOTHING),
            // The document that shows it is a stranger to us.
            (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
            (header::CACHE_CONTROL, "private, max-age=300"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

fn failed(why: &str) -> Response {
    (StatusCode::BAD_GATEWAY, format!("{why}\n")).into_response()
}

/// The media type that the octets are of, where browsers show it as a picture and as nothing else.
fn kind(octets: &[u8]) -> Option<&'static str> {
    match image::guess_format(octets).ok()? {
        ImageFormat::Png => Some("image/png"),
        ImageFormat::Jpeg => Some("image/jpeg"),
        ImageFormat::Gif => Some("image/gif"),
        ImageFormat::WebP => Some("image/webp"),
        ImageFormat::Avif => Some("image/avif"),
        ImageFormat::Bmp => Some("image/bmp"),
        ImageFormat::Ico => Some("image/x-icon"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::stamp::Signer;

    #[test]
    fn pictures_are_what_a_message_shows_from_the_web() {
        let html = "<style>p{background:url( 'https://a.example/1.png' )} q{b:URL(//b.example/2)}\
            r{b:url(data:image/png;base64,AA)}</style>\
            <img src=http://c.example/3><table background=https://d.example/4><tr><td \
            style=\"background-image:url(&quot;https://e.example/5&quot;)\">\
            <a href=https://f.example/6>x</a><iframe src=https://g.example/7></iframe>\
            <img src=cid:x><img src=ftp://h.example/8><img src='https://c.example/9'><style>\
            s{b:url(https://i.example/10";
        let found: Vec<String> = pictures(html).into_iter().collect();
        assert_eq!(
            found,
            [
                "http://c.example/3",
                "https://a.example/1.png",
                "https://b.example/2",
                "https://c.example/9",
                "https://d.example/4",
                "https://e.example/5",
            ]
        );
    }

    #[test]
    fn css_asks_us_for_pictures_and_for_nothing_else() {
        let signer = Signer::new().unwrap();
        let now = mailwright_words::Timestamp::new(0);
        let mut remote = Remote::new(signer.stamp(now), "7");
        let mut own = |css: &str| readdressed(css, |url| remote.address(url));
        let css = own("a{b:url(https://a.example/x?y=1&z)}c{d:url('e.png')} f{url(\\68ttp:)}");
        assert!(
            css.contains("url(\"/remote/7?url=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z&"),
            "{css}"
        );
        assert!(css.contains("url('e.png')") && css.contains("url(\\68ttp:)"), "{css}");
        for odd in ["url(", "url('", "url('x'", "url(x", "url(\u{e9}", "url()url(\"\")"] {
            assert_eq!(own(odd), odd);
        }
        let all: String = (0..300)
            .flat_map(|n| ["url(https://a.example/".to_owned(), n.to_string(), ") ".to_owned()])
            .collect();
        let mut remote = Remote::new(signer.stamp(now), "7");
        let css = readdressed(&all, |url| remote.address(url));
        assert_eq!(css.matches("/remote/").count(), PICTURES_MAX);
    }

    #[test]
    fn only_pictures_are_passed_on() {
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n"), Some("image/png"));
        assert_eq!(kind(b"GIF89a"), Some("image/gif"));
        for odd in [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"<html>", b"", b"%PDF-1.4"]
        {
            assert_eq!(kind(odd), None);
        }
    }
}
