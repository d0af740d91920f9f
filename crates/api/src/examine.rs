//! The doctor over HTTP: `GET /doctor` examines this server, `POST /doctor` what its JSON names.
//!
//! It tells what an operator alone should know, and connects to hosts of his choice, so it is for
//! this machine: not for what comes through a proxy, nor for a page of another site in a browser
//! here. What a page could have asked without being seen through takes no parameter; JSON is
//! nothing that another site's page may send unasked. Source: RFC 6454 section 7, W3C CORS.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Json,
    extract::{ConnectInfo, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::Sources;

/// How long an examination of this server may take.
const LIMIT: Duration = Duration::from_mins(2);
/// How long one of others may take, which may be silent.
const LIMIT_ELSEWHERE: Duration = Duration::from_mins(5);
/// Requests that may wait for one examination.
static WAITING: Semaphore = Semaphore::const_new(8);
/// Examinations of others at one time.
static ELSEWHERE: Semaphore = Semaphore::const_new(2);
/// Octets of a question.
pub(crate) const ASKED_MAX: usize = 64 << 10;
/// Recipients, or names of keys, in one question.
const NAMES_MAX: usize = 50;

/// What is to be examined, as `mailwright doctor` has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "examine", rename_all = "lowercase", deny_unknown_fields)]
pub enum Examination {
    /// This server.
    Server,
    /// A host that takes mail.
    Smtp {
        /// The host, with or without a port.
        host: String,
        /// The envelope sender to try.
        from: Option<String>,
        /// The recipients to try.
        #[serde(default)]
        to: Vec<String>,
        /// Whether that is tried, too, which hosts may take for an attack.
        #[serde(default)]
        thorough: bool,
    },
    /// A host that mail is read from by IMAP.
    Imap {
        /// The host, with or without a port.
        host: String,
    },
    /// A host that mail is fetched from by POP3.
    Pop3 {
        /// The host, with or without a port.
        host: String,
    },
    /// What the world sees of a domain.
    Domain {
        /// The domain.
        name: String,
        /// Names of its DKIM keys.
        #[serde(default)]
        selectors: Vec<String>,
        /// Whether no host is visited.
        #[serde(default)]
        records_only: bool,
        /// Whether that is tried, too, which hosts may take for an attack.
        #[serde(default)]
        thorough: bool,
    },
    /// The road of a message to an address.
    Deliver {
        /// The recipient.
        address: String,
        /// The envelope sender.
        from: Option<String>,
    },
    /// A message of ours.
    Message {
        /// Its id, in a mailbox or in the queue.
        id: String,
    },
    /// What a reply means.
    Code {
        /// The reply.
        reply: String,
    },
}

impl Examination {
    fn names(&self) -> usize {
        match self {
            Self::Smtp { to: names, .. } | Self::Domain { selectors: names, .. } => names.len(),
            _ => 0,
        }
    }
}

/// Why nothing was examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexamined {
    /// What was asked for is none.
    Wrong(String),
    /// It cannot be done now.
    Failed,
}

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
    examined(&sources, Examination::Server, &WAITING, LIMIT).await
}

/// Examines what the body names.
pub(crate) async fn asked(
    State(sources): State<Sources>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Result<Json<Examination>, JsonRejection>,
) -> Response {
    if !may_ask(peer.ip(), &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match asked {
        Ok(Json(asked)) if asked.names() > NAMES_MAX => wrong(StatusCode::BAD_REQUEST, "too many"),
        Ok(Json(asked)) => examined(&sources, asked, &ELSEWHERE, LIMIT_ELSEWHERE).await,
        Err(error) => wrong(error.status(), &error.body_text()),
    }
}

fn wrong(code: StatusCode, why: &str) -> Response {
    (code, Json(json!({ "error": why }))).into_response()
}

async fn examined(
    sources: &Sources,
    asked: Examination,
    places: &Semaphore,
    limit: Duration,
) -> Response {
    let Some(examine) = &sources.examine else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(_place) = places.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match timeout(limit, examine(asked)).await {
        Ok(Ok(report)) => {
            let kind = (header::CONTENT_TYPE, "application/json");
            ([kind, (header::CACHE_CONTROL, "no-store")], report).into_response()
        }
        Ok(Err(Unexamined::Wrong(why))) => wrong(StatusCode::BAD_REQUEST, &why),
        Ok(Err(Unexamined::Failed)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
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
