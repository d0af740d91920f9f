//! The HTML of a message as a document of its own, in which nothing runs and nothing is fetched.
//!
//! Two walls stand around it: the policy of its answer, which makes it a stranger to us (an opaque
//! origin) even when it is opened by itself, and a copy made for display, which leaves out what
//! could act. The message itself is never changed. Pictures that came with it are shown; others
//! would tell its sender that it was opened, and are left out until the reader asks for them: then
//! they are asked of us.
//! Source: CSP Level 3, section 6.3.2 (sandbox); HTML standard, section 4.8.5.

use std::collections::HashSet;

use axum::{
    body::Body,
    extract::{Path, Query as Params, State},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use ego_tree::iter::Edge;
use mailwright_mime::Structure;
use mailwright_sandbox::support::{Eye, Matcher};
use mailwright_words::{Id, percent::escaped};
use scraper::{Node, node::Element};
use serde::Deserialize;

use super::{
    ApiError, Inner, Sandbox,
    dark::Dark,
    document, part,
    remote::{Remote, readdressed},
    stamp::Stamp,
    whole::{leaves, texts},
};

/// What a message may do as a document: open links elsewhere, and show what came with it.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
    img-src 'self' data:; style-src 'unsafe-inline'; font-src data:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'self'";
/// Elements that go with all that is in them.
const DROPPED: [&str; 13] = [
    "script", "iframe", "frame", "frameset", "object", "embed", "applet", "base", "meta", "link",
    "noscript", "template", "portal",
];
/// Elements that go, while what is in them stays.
///
/// Within the two kinds of foreign elements the text of a style is no raw text, so that one who
/// read the copy again would find elements in it.
const UNWRAPPED: [&str; 7] = ["form", "button", "input", "select", "textarea", "svg", "math"];
/// Elements without an end.
const VOID: [&str; 10] =
    ["area", "br", "col", "hr", "img", "source", "track", "wbr", "param", "basefont"];

/// The document of a message's HTML, under the policy that it is shown with.
pub(crate) async fn document(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, ApiError> {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let eye = asked.client.as_deref().filter(|name| !name.is_empty()).map(|name| {
        Eye::named(name).ok_or_else(|| ApiError::bad(format!("no client is called {name}")))
    });
    let (own, eye, stamp) = (entry.message.to_string(), eye.transpose()?, sandbox.stamp());
    let made = sandbox.apart(move || {
        let structure = Structure::parse(&bytes);
        let texts = texts(&structure, &leaves(&structure));
        if texts.html.is_empty() {
            return None;
        }
        let html = asked.dark.map_or_else(|| texts.html.clone(), |dark| dark.paint(&texts.html));
        let remote = stamp.filter(|_| asked.remote == 1).map(|stamp| Remote::new(stamp, &own));
        Some(Shown { id: &own, stamp, remote, eye }.copy(&html))
    });
    Ok(answer(made.await?.ok_or(ApiError::NoPart)?))
}

/// How a message is to be shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    dark: Option<Dark>,
    /// 1 for the pictures of the web.
    remote: u8,
    /// The client whose eyes see it, such as `gmail.android`.
    client: Option<String>,
}

/// A picture that came with a message, by its number or `cid:` and its `Content-ID`.
pub(crate) async fn picture(
    State(sandbox): State<Sandbox>,
    Path((id, path)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let mut response = part::part(&bytes, &path).ok_or(ApiError::NoPart)?;
    // The document that shows it is a stranger to us.
    let open = HeaderValue::from_static("cross-origin");
    response.headers_mut().insert(HeaderName::from_static("cross-origin-resource-policy"), open);
    Ok(response)
}

impl Inner {
    /// What opens pictures to the document that shows them.
    fn stamp(&self) -> Option<Stamp> {
        self.signer.map(|signer| signer.stamp(self.now()))
    }

    /// A document of a message's HTML, made for display.
    ///
    /// Errors: it could not be made.
    pub(crate) async fn page(&self, id: Id, html: String) -> Result<Response, ApiError> {
        let stamp = self.stamp();
        let made = self.apart(move || {
            Shown { id: &id.to_string(), stamp, remote: None, eye: None }.copy(&html)
        });
        Ok(answer(made.await?))
    }
}

fn answer(html: String) -> Response {
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// How a message is shown.
struct Shown<'a> {
    id: &'a str,
    /// Opens the pictures that came with it.
    stamp: Option<Stamp>,
    /// Pictures of the web are asked of us, or left out.
    remote: Option<Remote<'a>>,
    /// Through the eyes of a client.
    eye: Option<Eye>,
}

impl Shown<'_> {
    /// A copy of `html` without what could act.
    fn copy(mut self, html: &str) -> String {
        let document = document::document(html);
        let mut out = String::from("<!doctype html><meta charset=\"utf-8\">");
        let mut unwrapped = HashSet::new();
        let mut dropped = None;
        let mut is_style = false;
        for edge in document.tree.root().traverse() {
            match edge {
                Edge::Open(_) if dropped.is_some() => {}
                Edge::Open(node) => match node.value() {
                    Node::Element(element) if self.drops(element) => dropped = Some(node.id()),
                    Node::Element(element) if self.unwraps(element) => {
                        unwrapped.insert(node.id());
                    }
                    Node::Element(element) => {
                        is_style |= element.name() == "style";
                        self.open(&mut out, element);
                    }
                    Node::Text(text) if is_style => out.push_str(&self.style(text)),
                    Node::Text(text) => escape(&mut out, text),
                    _ => {}
                },
                Edge::Close(node) if dropped.is_some() => {
                    if dropped == Some(node.id()) {
                        dropped = None;
                    }
                }
                Edge::Close(node) => {
                    if let Node::Element(element) = node.value()
                        && !unwrapped.contains(&node.id())
                        && !VOID.contains(&element.name())
                    {
                        is_style &= element.name() != "style";
                        out.extend(["</", element.name(), ">"]);
                    }
                }
            }
        }
        out
    }

    /// Whether an element goes with all that is in it.
    fn drops(&self, element: &Element) -> bool {
        DROPPED.contains(&element.name()) || element.name() == "style" && self.lacks(element)
    }

    /// Whether an element goes, while what is in it stays.
    fn unwraps(&self, element: &Element) -> bool {
        UNWRAPPED.contains(&element.name()) || self.lacks(element)
    }

    fn lacks(&self, element: &Element) -> bool {
        self.eye.is_some_and(|eye| !eye.sees(Matcher::Element(element.name())))
    }

    /// What is in a style element, which only the end of one could leave.
    fn style(&mut self, css: &str) -> String {
        let css = self.eye.map_or_else(|| css.to_owned(), |eye| eye.css(css, true));
        self.css(&css).replace("</", "<\\/")
    }

    /// CSS whose pictures are asked of us, as far as they may be.
    fn css(&mut self, css: &str) -> String {
        readdressed(css, |url| self.own(url).or_else(|| self.remote.as_mut()?.address(url)))
    }

    /// Our address for a picture that came with the message. Source: RFC 2392 section 2.
    fn own(&self, url: &str) -> Option<String> {
        let content_id = url
            .trim()
            .split_at_checked(4)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("cid:"))?;
        let path = format!("/render/{}/cid:{}", self.id, escaped(content_id.1, b"@$+"));
        let right = self.stamp.and_then(|stamp| stamp.right(&path));
        Some(right.map_or_else(|| path.clone(), |right| format!("{path}?{right}")))
    }

    fn open(&mut self, out: &mut String, element: &Element) {
        if !element.name().bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            out.push_str("<span>");
            return;
        }
        out.extend(["<", element.name()]);
        for (name, value) in element.attrs() {
            let name = name.to_ascii_lowercase();
            let own = self.seen(&name, value).and_then(|value| {
                self.fetched(element, &name, &value)
                    .or_else(|| attribute(element.name(), &name, &value))
            });
            let Some(value) = own else { continue };
            out.extend([" ", &name, "=\""]);
            escape(out, &value);
            out.push('"');
        }
        if element.name() == "a" {
            out.push_str(" target=\"_blank\" rel=\"noopener noreferrer nofollow\"");
        }
        out.push('>');
    }

    /// An attribute as the client leaves it; nothing when it does not know it.
    fn seen(&self, name: &str, value: &str) -> Option<String> {
        let Some(eye) = self.eye else { return Some(value.to_owned()) };
        eye.sees(Matcher::Attribute(name)).then(|| match name {
            "style" => eye.css(value, false),
            _ => value.to_owned(),
        })
    }

    /// An attribute whose pictures are asked of us; nothing where there are none.
    fn fetched(&mut self, element: &Element, name: &str, value: &str) -> Option<String> {
        match name {
            "src" | "background" | "poster" => self.own(value).or_else(|| {
                let is_picture = name != "src" || element.name() == "img";
                self.remote.as_mut().filter(|_| is_picture)?.address(value)
            }),
            "style" => Some(self.css(value)),
            _ => None,
        }
    }
}

/// An attribute as it is shown; nothing when it goes.
fn attribute(element: &str, name: &str, value: &str) -> Option<String> {
    let is_name =
        name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_:".contains(&octet));
    if !is_name || name.starts_with("on") {
        return None;
    }
    let value = value.trim();
    let scheme = scheme(value);
    match name {
        "src" | "background" | "poster" => {
            let is_picture = value.to_ascii_lowercase().starts_with("data:image/");
            (scheme == "data" && is_picture).then(|| value.to_owned())
        }
        "href" if element == "a" || element == "area" => {
            ["http", "https", "mailto", "tel"].contains(&scheme.as_str()).then(|| value.to_owned())
        }
        "href" | "srcset" | "action" | "formaction" | "target" | "rel" | "ping" | "http-equiv"
        | "manifest" | "download" | "xlink:href" | "srcdoc" | "autofocus" | "is" | "nonce" => None,
        _ => Some(value.to_owned()),
    }
}

/// What stands before the first colon, without what browsers leave out of it.
fn scheme(value: &str) -> String {
    let clean: String = value.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    clean.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use scraper::Html;

    use super::*;
    use crate::sandbox::stamp::Signer;

    fn displayed(id: &str, html: &str) -> String {
        Shown { id, stamp: None, remote: None, eye: None }.copy(html)
    }

    #[test]
    fn nothing_that_acts_is_left() {
        for html in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)><script>alert(1)</script></svg>",
            "<a href=' java\nscript:alert(1)'>x</a>",
            "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
            "<form action=//evil.example><input name=x><button>go</button></form>",
            "<meta http-equiv=refresh content='0;url=//evil.example'>",
            "<base href=//evil.example><link rel=stylesheet href=//evil.example>",
            "<object data=x.swf></object><embed src=x>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
            "<math><mtext><table><mglyph><style><!--</style>\
                <img title=\"--&gt;&lt;img src=x onerror=alert(1)&gt;\">",
            "<style></style ><script>alert(1)</script>",
            "<math><style>&lt;img src=x onerror=alert(1)&gt;</style></math>",
            "<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>",
            "<math><style><style>&lt;/style&gt;</style>&lt;img src=x onerror=alert(1)&gt;</style>",
            "<template><script>alert(1)</script></template>",
            "<img src='http://evil.example/pixel' srcset='//evil.example/2x 2x'>",
            "<table background=https://evil.example/bg.png><tr><td>x</table>",
            "<a href=x ping=//evil.example>x</a>",
            "<body onload=alert(1)><p onclick=alert(1)>x",
            "<img src=data:text/html,x><video poster=//evil.example/p></video>",
        ] {
            let shown = displayed("id", html).to_ascii_lowercase();
            let again = Html::parse_document(&shown);
            for edge in again.tree.root().traverse() {
                let Edge::Open(node) = edge else { continue };
                let Node::Element(element) = node.value() else { continue };
                assert!(
                    !DROPPED.contains(&element.name()) || element.name() == "meta",
                    "{html}: {shown}"
                );
                for (name, value) in element.attrs() {
                    assert!(!name.starts_with("on"), "{html}: {shown}");
                    let may = name == "title" || !value.contains("evil.example");
                    assert!(may && !value.contains("javascript"), "{html}: {shown}");
                }
            }
            assert_eq!(shown.matches("<meta").count(), 1, "{html}: {shown}");
        }
    }

    #[test]
    fn what_is_to_be_seen_is_left() {
        let html = "<style>p { color: red }</style><p style='margin: 0' class=a>1 &lt; 2 <br>\
            <a href='https://a.example/?a=1&amp;b=2'>x</a><img alt=p src='cid:p 1@x'>\
            <img src='data:image/png;base64,AA=='>";
        let shown = displayed("id", html);
        for piece in [
            "<style>p { color: red }</style>",
            "<p class=\"a\" style=\"margin: 0\">1 &lt; 2 <br>",
            "href=\"https://a.example/?a=1&amp;b=2\"",
            "src=\"/render/id/cid:p%201@x\"",
            "src=\"data:image/png;base64,AA==\"",
        ] {
            assert!(shown.contains(piece), "{piece}: {shown}");
        }
    }

    #[test]
    fn pictures_of_the_web_are_asked_of_us_when_the_reader_says_so() {
        let signer = Signer::new().unwrap();
        let stamp = signer.stamp(mailwright_words::Timestamp::new(0));
        let html = "<style>p{background:url(https://a.example/1)}</style>\
            <img src=https://a.example/2 srcset='https://a.example/3 2x' onerror=x>\
            <table background='//a.example/4'><td style='background:url(https://a.example/5)'>\
            <iframe src=https://a.example/6></iframe><video src=https://a.example/7></video>\
            <input type=image src=https://a.example/8><a href=https://a.example/9>x</a>";
        let remote = Some(Remote::new(stamp, "7"));
        let shown = Shown { id: "7", stamp: None, remote, eye: None }.copy(html);
        assert_eq!(shown.matches("/remote/7?url=").count(), 4, "{shown}");
        // What is left of the sender's own addresses is the link.
        assert_eq!(shown.matches("https://a.example").count(), 1, "{shown}");
        assert!(!displayed("7", html).contains("/remote/"));
    }

    #[test]
    fn pictures_that_came_along_have_an_address_that_opens_them() {
        let (signer, now) = (Signer::new().unwrap(), mailwright_words::Timestamp::new(0));
        let stamp = Some(signer.stamp(now));
        let html = "<style>p{background:url(cid:a@x)}</style><img src='CID:b@x'>\
            <table><td style='background:url(\"cid:c@x\")' background='cid:d@x'><img src='cid:'>";
        let shown = Shown { id: "7", stamp, remote: None, eye: None }.copy(html);
        let plain = shown.replace("&quot;", "\"").replace("&amp;", "&");
        let addresses: Vec<&str> = plain.split('"').filter(|text| text.starts_with('/')).collect();
        assert_eq!(addresses.len(), 5, "{shown}");
        for address in addresses {
            assert!(signer.knows_path(&address.parse().unwrap(), now), "{address}");
        }
    }

    #[test]
    fn a_client_sees_what_it_knows() {
        let html = "<style>p{border-radius:3px;color:red}</style>\
            <p style='display:grid;margin:0'>x</p><video src=x>y</video>";
        let eye = Eye::named("outlook.windows");
        let shown = Shown { id: "7", stamp: None, remote: None, eye }.copy(html);
        assert!(shown.contains("p{color:red}") && shown.contains("style=\"margin:0\""), "{shown}");
        assert!(!shown.contains("<video") && shown.contains('y'), "{shown}");
        assert!(displayed("7", html).contains("border-radius"));
    }

    #[test]
    fn deep_nesting_and_odd_octets_are_no_danger() {
        let deep = format!("{}x{}", "<div>".repeat(10_000), "</div>".repeat(10));
        assert!(displayed("id", &deep).contains('x'));
        displayed("id", "\0<\0p\0>\u{fffd}<a\"b='c'>");
    }
}
