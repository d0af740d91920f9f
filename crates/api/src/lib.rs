//! The HTTP door: health, metrics, and settings for mail clients.
//!
//! It answers from what others measured, and decides nothing. The caller brings the bound listener.

mod door;
mod examine;
mod health;
mod metric;
mod sandbox;
mod setup;
mod web;

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
pub use examine::{Examination, Unexamined};
pub use health::{Health, Problem};
use mailwright_config::{Config, Live};
pub use metric::Metrics;
#[cfg(any(test, fuzzing))]
pub use sandbox::fuzz;
pub use sandbox::{Backing, CALLS_MAX, call_hooks, matching, sum_up};
pub use setup::{Checked, IsOurs, Offer, Setup};
use tokio::net::TcpListener;
pub use web::{PolicyOf, Shown, Text, serve_challenges, serve_https};

/// A count under way.
pub type Refreshed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An examination under way: its report as JSON.
pub type Examined = Pin<Box<dyn Future<Output = Result<String, Unexamined>> + Send>>;

/// What the pages are answered from.
#[derive(Clone)]
pub struct Sources {
    /// The configuration in force, for the limits of clients.
    pub config: Live<Config>,
    /// The counters and gauges.
    pub metrics: Metrics,
    /// Counts what is only counted when asked for; awaited before metrics are told.
    pub refresh: Arc<dyn Fn() -> Refreshed + Send + Sync>,
    /// Asked at each request; must be quick.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// What mail clients are told; without it they find nothing here.
    pub setup: Option<Setup>,
    /// Examines; only asked from this machine.
    pub examine: Option<Arc<dyn Fn(Examination) -> Examined + Send + Sync>>,
    /// What the sandbox works on; without it there is none here.
    pub sandbox: Option<Backing>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// Serves until `stop` is done, then lets running requests finish.
pub async fn serve(
    listener: TcpListener,
    sources: Sources,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let config = sources.config.clone();
    door::serve(listener, router(sources), config, stop).await;
}

fn router(sources: Sources) -> Router {
    let setup = sources.setup.clone().map(setup::router);
    let sandbox = sources.sandbox.clone().map(sandbox::router);
    let asked_max = DefaultBodyLimit::max(examine::ASKED_MAX);
    Router::new()
        .route("/health", get(health_page))
        .route("/metrics", get(metrics_page))
        .route("/doctor", get(examine::page).post(examine::asked).layer(asked_max))
        .with_state(sources)
        .merge(setup.unwrap_or_default())
        .merge(sandbox.unwrap_or_default())
}

async fn health_page(State(sources): State<Sources>) -> impl IntoResponse {
    let health = (sources.health)();
    (health.code(), axum::Json(health))
}

async fn metrics_page(State(sources): State<Sources>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (sources.refresh)().await;
    (kind, sources.metrics.render())
}

#[cfg(test)]
mod tests;
