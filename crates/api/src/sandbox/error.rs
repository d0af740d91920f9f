//! Why a request is not answered as it hoped.

use axum::{
    Json,
    body::to_bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use mailwright_directory::DirectoryError;
use mailwright_intake::Refusal;
use mailwright_store::StoreError;
use serde_json::json;

/// Why a request is not answered as it hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("there is no inbox {0}")]
    NoInbox(String),
    #[error("there is no such message")]
    NoMessage,
    #[error("there is no such {0}")]
    Missing(&'static str),
    #[error("the message has no such part")]
    NoPart,
    #[error("there is nothing here")]
    NoPath,
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Exists(String),
    #[error("no message came in {0} s")]
    NoneCame(u64),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Unsafe(String),
    #[error("too many requests wait already")]
    Busy,
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("try again later")]
    Store(#[source] StoreError),
}

impl ApiError {
    /// The code it is answered with.
    pub(crate) fn code(&self) -> StatusCode {
        match self {
            Self::NoInbox(_)
            | Self::NoMessage
            | Self::NoPart
            | Self::NoPath
            | Self::Missing(_)
            | Self::NoneCame(_) => StatusCode::NOT_FOUND,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Exists(_) => StatusCode::CONFLICT,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(refusal) if !refusal.is_temporary() => StatusCode::BAD_REQUEST,
            Self::Refused(_) | Self::Store(_) | Self::Unsafe(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// An error of who asked, in a sentence.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::Bad(text.into())
    }
}

/// Octets of what the framework says of a request.
const SAID_MAX: usize = 16 << 10;

/// An answer with which the framework turned a request away, in the form of all others: a body
/// that is no JSON of the right kind, a parameter that is no number, a method that is not there.
pub(crate) async fn in_our_form(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_ours = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !status.is_client_error() || is_ours {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = to_bytes(body, SAID_MAX).await.unwrap_or_default();
    let (status, said) = match (status, String::from_utf8_lossy(&said)) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => (status, "this path has no such method".into()),
        (StatusCode::UNPROCESSABLE_ENTITY, said) => (StatusCode::BAD_REQUEST, said),
        (_, said) if said.trim().is_empty() => (status, status.to_string().into()),
        (_, said) => (status, said),
    };
    let mut answer = (status, Json(json!({ "error": said.trim() }))).into_response();
    if let Some(allowed) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    answer
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // An inbox is an account.
            StoreError::Exists("account") => Self::Exists("this inbox is there already".into()),
            StoreError::Exists(what) => Self::Exists(format!("this {what} is there already")),
            StoreError::Cannot(what) => Self::Bad(what.to_owned()),
            StoreError::Missing("message") => Self::NoMessage,
            StoreError::Missing(
                what @ ("webhook" | "delivery" | "token" | "inbox" | "template"),
            ) => Self::Missing(what),
            error => Self::Store(error),
        }
    }
}

impl From<DirectoryError> for ApiError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => error.into(),
            DirectoryError::Busy(_) => Self::Busy,
            error => Self::Bad(error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Store(error) = &self {
            tracing::error!(%error, "A request of the sandbox was not answered.");
        }
        (self.code(), Json(json!({ "error": self.to_string() }))).into_response()
    }
}
