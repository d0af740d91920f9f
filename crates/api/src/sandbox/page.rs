//! The pages: an inbox as a list beside its message, made here and kept live by one module.
//!
//! They work without it, and without the net. Nothing in them comes from a message but as text;
//! its HTML is shown in a frame that is a stranger to them.

mod access;
mod checks;
mod form;
mod hooks;
mod inbox;
mod inboxes;
pub(super) mod login;
mod message;
mod settings;
mod source;
mod tokens;
mod verdicts;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use mailwright_directory::{DEFAULT_INBOX, Inbox};
use maud::{DOCTYPE, Markup, html};

pub(super) use self::inbox::link;
use super::{ApiError, Sandbox};

const STYLE: &str = include_str!("../../assets/sandbox.css");
const MODULE: &str = include_str!("../../assets/sandbox.js");
const LIST: &str = include_str!("../../assets/list.js");
const PALETTE: &str = include_str!("../../assets/palette.js");

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/", get(home))
        .route("/inbox/{inbox}", get(inbox::page))
        .route("/inbox/{inbox}/rows", get(inbox::rows))
        .route("/inbox/{inbox}/message/{id}", get(message::pane))
        .route("/inbox/{inbox}/settings", get(settings::page).post(settings::change))
        .route("/inbox/{inbox}/webhooks", post(hooks::change))
        .route("/inbox/{inbox}/access", post(access::change))
        .route("/inbox/{inbox}/tokens", post(tokens::change))
        .route("/inboxes", get(inboxes::page).post(inboxes::add))
        .route("/refusals", get(inbox::refusals))
        .route("/inbox/{inbox}/message/{id}/checks", get(checks::plain).post(checks::asked))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/assets/sandbox.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route(
            "/assets/sandbox.js",
            get(|| async { asset("text/javascript; charset=utf-8", MODULE) }),
        )
        .route("/assets/list.js", get(|| async { asset("text/javascript; charset=utf-8", LIST) }))
        .route(
            "/assets/palette.js",
            get(|| async { asset("text/javascript; charset=utf-8", PALETTE) }),
        )
}

/// To the inbox of those who name none, where there is one.
async fn home(State(sandbox): State<Sandbox>) -> Result<Redirect, Broken> {
    let all = names(&sandbox).await?;
    let has_default = all.iter().any(|inbox| inbox.name == DEFAULT_INBOX);
    Ok(Redirect::to(if has_default { "/inbox/default" } else { "/inboxes" }))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// A page that could not be made.
pub(super) struct Broken(ApiError);

impl<E: Into<ApiError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        let body = whole(
            "Not here",
            &html! { main class="alone" { h1 { "Not here" } p { (self.0.to_string()) "." }
            p { a href="/inboxes" { "To the inboxes" } } } },
        );
        (self.0.code(), body).into_response()
    }
}

/// Markup as an answer.
pub(super) struct Page(Markup);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::OK, self.0.into_string()).into_response();
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// A whole document around `body`.
fn whole(title: &str, body: &Markup) -> Page {
    Page(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/sandbox.css";
                script type="module" src="/assets/sandbox.js" {}
            }
            body { (body) }
        }
    })
}

/// What every page has above it: where one is, and where else one can be.
fn bar(inbox: Option<&Inbox>) -> Markup {
    html! {
        header class="bar" {
            a class="brand" href="/" { "Mailwright" }
            @if let Some(inbox) = inbox {
                a href={ "/inbox/" (link(&inbox.name)) } { "Inbox " bdi { (inbox.name) } }
            }
            span class="gap" {}
            (places(inbox))
        }
    }
}

/// The other pages, and the light.
fn places(inbox: Option<&Inbox>) -> Markup {
    html! {
        nav class="places" aria-label="Pages" {
            a href="/inboxes" { "Inboxes" }
            @if let Some(inbox) = inbox { a href=(settings::place(inbox)) { "Settings" } }
            a href="/refusals" { "Refusals" }
            button type="button" id="theme" aria-label="Light or dark" title="Light or dark" {
                span aria-hidden="true" { "\u{25d0}" }
            }
        }
    }
}

/// A moment that the module shows as the reader's clock would.
fn moment(ms: i64) -> Markup {
    let iso = super::message::moment(ms);
    let short = iso.get(..16).unwrap_or(&iso).replace('T', " ");
    html! { time datetime=(iso) { (short) } }
}

/// Octets, as people say them.
fn size(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{} kB", octets / 1024),
        _ => format!("{} MB", octets / 1_048_576),
    }
}

async fn names(sandbox: &Sandbox) -> Result<Vec<Inbox>, ApiError> {
    sandbox.inboxes().await
}
