//! Who may ask: this machine, or who knows the password; and never another site's page.
//!
//! A name under which we are not known may be that of another site which points to this machine
//! (DNS rebinding), so it is turned away whatever it asks; a request that a page of another site
//! makes is known by its `Origin`, and by `Sec-Fetch-Site` where it is one that brings no `Origin`,
//! as for a picture. Source: RFC 6454 section 7, W3C Fetch Metadata.

use std::net::{IpAddr, SocketAddr};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_config::Config;
use mailwright_directory::is_token;
use subtle::ConstantTimeEq as _;

use super::{
    ApiError, Sandbox,
    page::login,
    scope::{Reach, may_ask, within},
};
use crate::door::Ending;

/// What our own pages may do: nothing that is not from here.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types mailwright";

/// From where a browser asks, how, and what for. Source: W3C Fetch Metadata, section 2.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Fields by which a proxy tells for whom it asks, and whether they hold pairs.
const FORWARDED: [(&str, bool); 3] =
    [("forwarded", true), ("x-forwarded-for", false), ("x-real-ip", false)];

tokio::task_local! {
    /// The address of the client whose request is answered.
    static PEER: Option<IpAddr>;
    /// The token of an inbox that it shows.
    static TOKEN: Option<String>;
    /// What tells it that the server ends.
    static ENDING: Option<Ending>;
}

/// What tells the request which is answered that the server ends, where it came by a socket.
pub(crate) fn ending() -> Option<Ending> {
    ENDING.try_with(Option::clone).ok().flatten()
}

/// The token of an inbox that the request shows which is answered, where it shows one.
pub(crate) fn token() -> Option<String> {
    TOKEN.try_with(Option::clone).ok().flatten()
}

/// The address of the client whose request is answered, where one is.
pub(crate) fn peer() -> Option<IpAddr> {
    PEER.try_with(|peer| *peer).ok().flatten()
}

/// Lets a request through, or turns it away.
pub(crate) async fn check(
    State(sandbox): State<Sandbox>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_picture(&request) && is_signed(&sandbox, &request) {
        request.headers_mut().remove(header::ORIGIN);
        request.headers_mut().remove(FETCH_SITE);
    }
    // The address of a request counts for more than the field. Source: RFC 9112 section 3.2.2.
    let named = request.uri().authority().and_then(|one| HeaderValue::from_str(one.as_str()).ok());
    if let Some(host) = named {
        request.headers_mut().insert(header::HOST, host);
    }
    let config = sandbox.backing.config.now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let token = token_of(&config, request.headers());
    let judged = match &token {
        // Whoever shows a token has what it opens, were it nothing.
        Some(token) => {
            let (headers, path) = (request.headers(), request.uri().path());
            judge_token(&sandbox, &config, (headers, path), token).await
        }
        None => match judge(&config, peer, request.headers()) {
            Err(Turned::Unknown) if is_open(&sandbox, &request) => Ok(Reach::All),
            judged => judged.map(|()| Reach::All),
        },
    };
    if matches!(judged, Err(Turned::Unknown)) && !shown(request.headers()).is_empty() {
        login::slow_down(&sandbox).await;
    }
    let mut response = match judged {
        Ok(reach) => {
            let ending = request.extensions().get::<Ending>().cloned();
            let answered = TOKEN.scope(token, within(reach, next.run(request)));
            PEER.scope(peer, ENDING.scope(ending, answered)).await
        }
        Err(Turned::Broken(error)) => error.into_response(),
        Err(Turned::Unknown) if login::wants_page(request.headers()) => {
            login::form(StatusCode::UNAUTHORIZED, "")
        }
        Err(Turned::Unknown) => {
            let asks = [(header::WWW_AUTHENTICATE, "Basic realm=\"sandbox\"")];
            (StatusCode::UNAUTHORIZED, asks, "a password is needed\n").into_response()
        }
        Err(Turned::Away(why)) => ApiError::Forbidden(why).into_response(),
    };
    harden(&mut response);
    response
}

/// Whether the document of a message asks for one of its pictures. It is a stranger to us, which
/// browsers say; that it is no other stranger says the signature in the address.
fn is_picture(request: &Request) -> bool {
    let is = |name: &str, wanted: &str| {
        request.headers().get(name).is_some_and(|value| value.as_bytes() == wanted.as_bytes())
    };
    let path = request.uri().path();
    request.method() == axum::http::Method::GET
        && (path.starts_with("/render/") || path.starts_with("/remote/"))
        && (is("origin", "null") || !request.headers().contains_key(header::ORIGIN))
        && is("sec-fetch-dest", "image")
        && is("sec-fetch-mode", "no-cors")
}

/// Whether a request needs no password: it brings a login, wants to log in, or how that looks, or
/// a picture whose address was given to somebody who may see it.
fn is_open(sandbox: &Sandbox, request: &Request) -> bool {
    let path = request.uri().path();
    path == "/login"
        || path.starts_with("/assets/")
        || is_signed(sandbox, request)
        || sandbox.is_logged_in(request.headers())
}

/// Whether the address of a picture was given to somebody who may see it. That of one of the web is
/// signed with what it leads to, and turned away there when it is not.
fn is_signed(sandbox: &Sandbox, request: &Request) -> bool {
    let (signer, path) = (sandbox.signer.as_ref(), request.uri().path());
    let knows = || signer.is_some_and(|one| one.knows_path(request.uri(), sandbox.now()));
    path.starts_with("/remote/") || path.starts_with("/render/") && knows()
}

/// Why a request is turned away.
enum Turned {
    /// It lacks the password.
    Unknown,
    /// It may not be here at all.
    Away(String),
    /// It is not known who it is.
    Broken(ApiError),
}

/// The token of an inbox that a request shows.
fn token_of(config: &Config, headers: &HeaderMap) -> Option<String> {
    let is_password =
        |text: &str| {
            config.sandbox.token.as_ref().is_some_and(|password| {
                bool::from(password.expose().as_bytes().ct_eq(text.as_bytes()))
            })
        };
    shown(headers).into_iter().find(|text| is_token(text) && !is_password(text))
}

/// How far a token reaches, and whether it is for this.
async fn judge_token(
    sandbox: &Sandbox,
    config: &Config,
    (headers, path): (&HeaderMap, &str),
    token: &str,
) -> Result<Reach, Turned> {
    judge_site(config, headers)?;
    let opened = sandbox.backing.directory.inbox_of_token(token, sandbox.now()).await;
    let inbox = opened.map_err(|error| Turned::Broken(error.into()))?.ok_or(Turned::Unknown)?;
    if !may_ask(path) {
        let why = "a token of an inbox is for its API alone";
        return Err(Turned::Away(why.to_owned()));
    }
    Ok(Reach::Inbox(inbox))
}

fn judge(config: &Config, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Turned> {
    judge_site(config, headers)?;
    match &config.sandbox.token {
        Some(token) if !knows(headers, token.expose()) => Err(Turned::Unknown),
        None if !peer.is_some_and(is_here) || !is_asked_here(headers) => Err(Turned::Away(
            "without sandbox.token this answers to addresses of this machine alone".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a proxy that asks for somebody asks for this machine. One that does not say so cannot be
/// told from a client of its own. Source: RFC 7239 section 4.
fn is_asked_here(headers: &HeaderMap) -> bool {
    let all = FORWARDED.iter().flat_map(|(name, is_pairs)| {
        headers.get_all(*name).iter().map(move |value| (value.to_str().ok(), *is_pairs))
    });
    all.into_iter().all(|(text, is_pairs)| {
        let each = text.map(|text| text.split([',', ';']));
        each.is_some_and(|mut each| each.all(|piece| names_us(piece.trim(), is_pairs)))
    })
}

/// Whether a piece of such a field names this machine, or nobody.
fn names_us(piece: &str, is_pairs: bool) -> bool {
    let address = if is_pairs {
        match piece.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("for") => value.trim(),
            _ => return true,
        }
    } else {
        piece
    };
    let address = address.trim_matches('"');
    let bare = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let bare = bare.map_or(address, |(bare, _)| bare);
    let found = bare.parse::<IpAddr>().ok();
    found.or_else(|| Some(bare.parse::<SocketAddr>().ok()?.ip())).is_some_and(is_here)
}

/// Whether a request comes under a name of ours, and not from another site's page.
fn judge_site(config: &Config, headers: &HeaderMap) -> Result<(), Turned> {
    let away = |why: &str| Err(Turned::Away(why.to_owned()));
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // Source: RFC 9112 section 3.2.
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return away("a request has one host");
    }
    let host = text(header::HOST).unwrap_or_default().to_ascii_lowercase();
    if !is_known(config, name_of(&host)) {
        return away("this server is not known under that name; see sandbox.hosts");
    }
    if let Some(origin) = text(header::ORIGIN) {
        let origin = origin.to_ascii_lowercase();
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority != Some(host.as_str()) {
            return away("another site's page may not ask");
        }
    }
    // A link to us may be followed; whatever else another site's page asks for may not.
    let is_foreign = matches!(text(FETCH_SITE), Some("cross-site" | "same-site"));
    let is_followed = text(FETCH_MODE) == Some("navigate") && text(FETCH_DEST) == Some("document");
    if is_foreign && !is_followed {
        return away("another site's page may not ask");
    }
    Ok(())
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// Whether no other site can have that name.
fn is_known(config: &Config, name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || name == config.server.hostname
        || config.sandbox.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn knows(headers: &HeaderMap, token: &str) -> bool {
    let same = |given: &String| bool::from(given.as_bytes().ct_eq(token.as_bytes()));
    shown(headers).iter().any(same)
}

/// The passwords and tokens that a request shows, in each of the ways that there are.
fn shown(headers: &HeaderMap) -> Vec<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let password = basic(headers).map(|(_, password)| password);
    let given = text("api-token").into_iter().chain(bearer.map(|(_, given)| given.trim()));
    given.map(str::to_owned).chain(password).collect()
}

/// Name and password of HTTP Basic. Source: RFC 7617 section 2.
pub(crate) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = value.split_once(' ')?;
    let plain =
        STANDARD.decode(given.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Says to browsers what no answer of ours is for.
fn harden(response: &mut Response<Body>) {
    let mut add = |name: HeaderName, value: &'static str| {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "no-referrer");
    add(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    add(header::CACHE_CONTROL, "no-store");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(host: &str, origin: Option<&str>, peer: &str, config: &Config) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        judge(config, Some(peer.parse().unwrap()), &headers).is_ok()
    }

    #[test]
    fn a_document_of_a_message_may_ask_for_pictures_alone() {
        let asked = |path: &str, dest: &str| {
            let request = Request::get(path)
                .header(header::ORIGIN, "null")
                .header("sec-fetch-mode", "no-cors")
                .header("sec-fetch-dest", dest);
            is_picture(&request.body(Body::empty()).unwrap())
        };
        assert!(asked("/render/1/cid:x", "image") && asked("/remote/1?url=x", "image"));
        for (path, dest) in [("/render/1", "iframe"), ("/api/inboxes", "image"), ("/remote/1", "")]
        {
            assert!(!asked(path, dest), "{path} {dest}");
        }
    }

    #[test]
    fn another_sites_page_may_link_here_and_nothing_else() {
        for (site, mode, dest, may) in [
            ("same-origin", "cors", "empty", true),
            ("none", "navigate", "document", true),
            ("cross-site", "navigate", "document", true),
            ("cross-site", "navigate", "iframe", false),
            ("cross-site", "no-cors", "image", false),
            ("same-site", "no-cors", "image", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8025".parse().unwrap());
            for (name, value) in [(FETCH_SITE, site), (FETCH_MODE, mode), (FETCH_DEST, dest)] {
                headers.insert(name, value.parse().unwrap());
            }
            let peer = Some("127.0.0.1".parse().unwrap());
            let judged = judge(&Config::default(), peer, &headers);
            assert_eq!(judged.is_ok(), may, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn only_this_machine_under_its_own_names_may_ask() {
        let config = Config::default();
        for (host, origin, peer, may) in [
            ("127.0.0.1:8025", None, "127.0.0.1", true),
            ("[::1]:8025", None, "::1", true),
            ("localhost:8025", Some("http://localhost:8025"), "::ffff:127.0.0.1", true),
            ("one.localhost", None, "127.0.0.1", true),
            ("rebound.example:8025", None, "127.0.0.1", false),
            ("localhost.rebound.example", None, "127.0.0.1", false),
            ("", None, "127.0.0.1", false),
            ("localhost:8025", Some("http://evil.example"), "127.0.0.1", false),
            ("localhost:8025", Some("http://localhost:8026"), "127.0.0.1", false),
            ("localhost:8025", Some("null"), "127.0.0.1", false),
            ("192.0.2.1:8025", None, "192.0.2.7", false),
        ] {
            assert_eq!(judged(host, origin, peer, &config), may, "{host} {origin:?} {peer}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "rebound.example".parse().unwrap());
        assert!(judge(&config, Some("127.0.0.1".parse().unwrap()), &twice).is_err());
        let mut named = config;
        named.sandbox.hosts = vec!["Mail.Test".to_owned()];
        assert!(judged("mail.test:8025", None, "127.0.0.1", &named));
    }

    #[test]
    fn a_proxy_here_is_not_taken_for_those_whom_it_asks_for() {
        for (name, value, may) in [
            ("x-forwarded-for", "127.0.0.1", true),
            ("x-forwarded-for", "::1, 127.0.0.1", true),
            ("x-forwarded-for", "192.0.2.7", false),
            ("x-forwarded-for", "127.0.0.1, 192.0.2.7", false),
            ("x-forwarded-for", "unknown", false),
            ("x-forwarded-for", "", false),
            ("x-real-ip", "::ffff:127.0.0.1", true),
            ("x-real-ip", "192.0.2.7", false),
            ("forwarded", "for=127.0.0.1;proto=http, For=\"[::1]:4711\"", true),
            ("forwarded", "proto=http;for=192.0.2.7", false),
            ("forwarded", "for=\"[2001:db8::1]:80\"", false),
            ("forwarded", "for=_hidden", false),
            ("forwarded", "for=\"127.0.0.1:80\"", true),
            ("x-forwarded-proto", "https", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8025".parse().unwrap());
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            let (mut config, peer) = (Config::default(), Some("127.0.0.1".parse().unwrap()));
            assert_eq!(judge(&config, peer, &headers).is_ok(), may, "{name} {value}");
            // With a password it is no matter.
            config.sandbox.token = Some("open sesame".into());
            headers.insert("api-token", "open sesame".parse().unwrap());
            assert!(judge(&config, peer, &headers).is_ok(), "{name} {value}");
        }
    }

    #[test]
    fn with_a_password_it_is_asked_for_wherever_one_comes_from() {
        let mut config = Config::default();
        config.sandbox.token = Some("open sesame".into());
        assert!(!judged("127.0.0.1", None, "127.0.0.1", &config));
        for (name, value, may) in [
            ("authorization", "Bearer open sesame", true),
            ("authorization", "Basic eDpvcGVuIHNlc2FtZQ==", true),
            ("api-token", "open sesame", true),
            ("authorization", "Bearer open", false),
            ("authorization", "Basic eDpvcGVu", false),
            ("authorization", "Digest x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "192.0.2.1".parse().unwrap());
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            let peer = Some("192.0.2.7".parse().unwrap());
            assert_eq!(judge(&config, peer, &headers).is_ok(), may, "{value}");
        }
    }
}
