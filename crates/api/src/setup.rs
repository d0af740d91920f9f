//! How a mail client sets itself up: what Thunderbird, Outlook and Apple's programs ask for.
//!
//! The answers depend on the domain being ours and on nothing else: they are the same whether an
//! account exists or not, and tell no more than the ports do.

mod autoconfig;
mod autodiscover;
mod mobileconfig;
#[cfg(test)]
mod tests;
mod xml;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use mailwright_config::{Service, ServiceKind};
use mailwright_words::{Address, Domain};
use serde::Deserialize;

/// Longest question of a client; real ones have some 400 octets.
const QUESTION_MAX: usize = 16 << 10;

/// Whether a domain is ours; `None` when that cannot be told now.
pub type Checked = Pin<Box<dyn Future<Output = Option<bool>> + Send>>;

/// Says whether a domain is ours.
pub type IsOurs = Arc<dyn Fn(Domain) -> Checked + Send + Sync>;

/// What the answers are made of; asked at each request.
#[derive(Clone)]
pub struct Setup {
    /// What clients find here now.
    pub offer: Arc<dyn Fn() -> Offer + Send + Sync>,
    /// Which domains are ours.
    pub is_ours: IsOurs,
}

/// What clients find here.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The name that they connect to.
    pub hostname: String,
    /// What they find there, the best of each kind first.
    pub services: Vec<Service>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

impl Offer {
    /// The best service of a kind.
    fn best(&self, kind: ServiceKind) -> Option<Service> {
        self.services.iter().find(|service| service.kind == kind).copied()
    }
}

/// The pages.
pub(crate) fn router(setup: Setup) -> Router {
    Router::new()
        .route("/mail/config-v1.1.xml", get(thunderbird))
        .route("/.well-known/autoconfig/mail/config-v1.1.xml", get(thunderbird))
        .route("/.well-known/mail/mobileconfig", get(apple))
        // Outlook writes the path in more than one way.
        .route("/{folder}/{file}", any(outlook))
        .with_state(setup)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("this is no mail address")]
    Address,
    #[error("nothing here is for this domain")]
    Domain,
    #[error("nothing here")]
    Path,
    #[error("ask with POST")]
    Method,
    #[error("the question is too long")]
    TooLong,
    #[error("try again later")]
    NotNow,
}

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let code = match self {
            Self::Address => StatusCode::BAD_REQUEST,
            Self::Domain | Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        };
        (code, format!("{self}\n")).into_response()
    }
}

/// The query of a page; each client has its own word for the address.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "email", alias = "emailaddress", alias = "emailAddress")]
    address: Option<String>,
}

/// A page with its fields.
type Page = ([(HeaderName, &'static str); 2], String);

fn page(kind: &'static str, text: String) -> Page {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text)
}

async fn thunderbird(
    State(setup): State<Setup>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Page, NoAnswer> {
    let domain = match &asked.address {
        Some(text) => address(text)?.domain().clone(),
        None => host(&headers)?,
    };
    ours(&setup, &domain).await?;
    Ok(page("text/xml; charset=utf-8", autoconfig::render(&(setup.offer)(), &domain)))
}

async fn apple(State(setup): State<Setup>, Query(asked): Query<Asked>) -> Result<Page, NoAnswer> {
    let address = address(asked.address.as_deref().unwrap_or_default())?;
    ours(&setup, address.domain()).await?;
    let text = mobileconfig::render(&(setup.offer)(), &address).ok_or(NoAnswer::Path)?;
    Ok(page("application/x-apple-aspen-config; charset=utf-8", text))
}

async fn outlook(
    State(setup): State<Setup>,
    Path((folder, file)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Page, NoAnswer> {
    let known = folder.eq_ignore_ascii_case("autodiscover")
        && file.eq_ignore_ascii_case("autodiscover.xml");
    if !known {
        return Err(NoAnswer::Path);
    }
    if request.method() != Method::POST {
        return Err(NoAnswer::Method);
    }
    let body = to_bytes(request.into_body(), QUESTION_MAX).await;
    let body = body.map_err(|_too_long| NoAnswer::TooLong)?;
    let text = str::from_utf8(&body).map_err(|_invalid| NoAnswer::Address)?;
    let address = address(&autodiscover::asked(text).ok_or(NoAnswer::Address)?)?;
    ours(&setup, address.domain()).await?;
    Ok(page("text/xml; charset=utf-8", autodiscover::render(&(setup.offer)(), &address)))
}

fn address(text: &str) -> Result<Address, NoAnswer> {
    Address::parse(text.trim()).map_err(|_invalid| NoAnswer::Address)
}

/// The domain whose settings are asked for by the name of the server alone.
fn host(headers: &HeaderMap) -> Result<Domain, NoAnswer> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_prefix("autoconfig.").unwrap_or(&lower);
    Domain::parse(name).map_err(|_invalid| NoAnswer::Domain)
}

async fn ours(setup: &Setup, domain: &Domain) -> Result<(), NoAnswer> {
    match (setup.is_ours)(domain.clone()).await {
        Some(true) => Ok(()),
        Some(false) => Err(NoAnswer::Domain),
        None => Err(NoAnswer::NotNow),
    }
}
