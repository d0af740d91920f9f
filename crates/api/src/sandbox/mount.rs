//! The APIs of other programs below a prefix that names an inbox: `/mailpit/{inbox}/api/v1/..`.
//!
//! What stands behind the prefix is what the program itself would serve, so that a client needs
//! another address alone. The inbox goes on as a field of the request.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Uri, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use tower::ServiceExt as _;

use super::{ApiError, choose::INBOX};

/// The routes of `inner`, below an inbox.
pub(super) fn below(inner: Router) -> Router {
    Router::new().fallback(move |request: Request| pass(inner.clone(), request))
}

async fn pass(inner: Router, mut request: Request<Body>) -> Response {
    let Some((inbox, uri)) = split(request.uri()) else {
        return ApiError::NoPath.into_response();
    };
    request.headers_mut().insert(INBOX, inbox);
    *request.uri_mut() = uri;
    match inner.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The first part of a path, and what stands behind it.
fn split(uri: &Uri) -> Option<(HeaderValue, Uri)> {
    let (inbox, rest) = uri.path().strip_prefix('/')?.split_once('/')?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let place: PathAndQuery = format!("/{rest}{query}").parse().ok()?;
    Some((HeaderValue::from_str(inbox).ok().filter(|_| !inbox.is_empty())?, place.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_is_the_first_part_of_a_path() {
        let parts = |text: &str| {
            let (inbox, uri) = split(&text.parse().unwrap())?;
            Some((inbox.to_str().unwrap().to_owned(), uri.to_string()))
        };
        let wanted = Some(("run%201".to_owned(), "/api/v1/messages?start=2".to_owned()));
        assert_eq!(parts("/run%201/api/v1/messages?start=2"), wanted);
        assert_eq!(parts("/run"), None);
        assert_eq!(parts("//api"), None);
    }
}
