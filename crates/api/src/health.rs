//! Whether the server can do its work now.

use axum::http::StatusCode;
use serde::Serialize;

/// Whether the server can do its work now, and what keeps it from it.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The version that runs.
    pub version: &'static str,
    /// Whether new mail is taken.
    pub accepting: bool,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Something an operator should mend.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// A short constant name, such as `disk_full`.
    pub name: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Health {
    /// 200 while mail is taken, 503 while it is not: what a load balancer asks for.
    pub(crate) fn code(&self) -> StatusCode {
        if self.accepting { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}
