//! The examination of this server, as JSON: `GET /doctor`.
//!
//! It tells what an operator alone should know, so it is for this machine: not for what comes
//! through a proxy, nor for a page of another site in a browser here. It takes no parameter, so
//! that nobody can have it look at anything but this server. Source: RFC 6454 section 7.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::Sources;

/// How long an examination may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Requests that may wait for one examination.
static WAITING: Semaphore = Semaphore::const_new(8);

/// Fields by which a proxy tells for whom it asks.
const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

pub(crate) async fn page(
    State(sources): State<Sources>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !may_ask(peer.ip(), &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(examine) = &sources.examine else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(_place) = WAITING.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match timeout(LIMIT, examine()).await {
        Ok(Some(report)) => {
            let kind = (header::CONTENT_TYPE, "application/json");
            ([kind, (header::CACHE_CONTROL, "no-store")], report).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Whether a request comes from this machine, by a name that only this machine has, and from no
/// other site's page.
fn may_ask(peer: IpAddr, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(header::HOST).map(str::to_ascii_lowercase) else { return false };
    let is_same = |origin: &str| {
        let origin = origin.to_ascii_lowercase();
        origin.split_once("://").is_some_and(|(_, authority)| authority == host)
    };
    peer.to_canonical().is_loopback()
        && is_ours(&host)
        && !PROXIED.iter().any(|name| headers.contains_key(*name))
        && headers.get(header::ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(is_same))
        && text(header::HeaderName::from_static("sec-fetch-site"))
            .is_none_or(|site| ["same-origin", "none"].contains(&site))
}

/// Whether a name leads to this machine and no other: another would be that of a page which had its
/// name lead here.
fn is_ours(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().to_canonical().is_loopback();
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn it_is_for_this_machine_alone() {
        let here = "127.0.0.1";
        for (peer, fields, may) in [
            (here, vec![("host", "localhost:10080")], true),
            (here, vec![("host", "127.0.0.1:10080")], true),
            ("::1", vec![("host", "[::1]:10080")], true),
            ("::1", vec![("host", "[::1]")], true),
            ("::ffff:127.0.0.1", vec![("host", "doctor.localhost")], true),
            (here, vec![("host", "localhost"), ("origin", "http://localhost")], true),
            (here, vec![("host", "localhost"), ("sec-fetch-site", "none")], true),
            (here, vec![], false),
            ("192.0.2.1", vec![("host", "localhost")], false),
            (here, vec![("host", "mx.home.example")], false),
            (here, vec![("host", "192.0.2.1")], false),
            (here, vec![("host", "localhost.evil.example")], false),
            (here, vec![("host", "127.0.0.1.evil.example")], false),
            (here, vec![("host", "localhost"), ("origin", "http://evil.example")], false),
            (here, vec![("host", "localhost"), ("origin", "null")], false),
            (here, vec![("host", "localhost"), ("sec-fetch-site", "cross-site")], false),
            (here, vec![("host", "localhost"), ("x-forwarded-for", "192.0.2.1")], false),
            (here, vec![("host", "localhost"), ("forwarded", "for=192.0.2.1")], false),
        ] {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            let headers: HeaderMap = fields.clone().collect();
            assert_eq!(may_ask(peer.parse().unwrap(), &headers), may, "{peer} {headers:?}");
        }
    }
}
