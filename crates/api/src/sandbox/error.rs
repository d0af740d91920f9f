//! Why a request is not answered as it hoped.

use axum::{
    Json,
    http::StatusCode,
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

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists(what) => Self::Bad(format!("this {what} is there already")),
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
