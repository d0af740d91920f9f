//! The testing API of Mailtrap, in both its dialects: inboxes of accounts, and sandboxes.
//!
//! Its clients know inboxes, messages and attachments by numbers. Any account is ours; an inbox is
//! known by its number here, or has a number as its name, so that a test keeps the one it has.

mod inbox;
mod message;
mod project;
mod report;
mod send;
mod template;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, RawPathParams, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, patch, post},
};
use mailwright_directory::Inbox;
use mailwright_store::capture::{self, Entry};
use serde_json::{Value, json};

use super::{ApiError, Inner, Sandbox, scope::need_all};

/// Inboxes below an account, and sandboxes.
const PREFIXES: [&str; 3] =
    ["/api/accounts/{account}/inboxes", "/api/accounts/{account}/sandboxes", "/api/sandboxes"];
/// Templates, in both dialects.
const TEMPLATES: [&str; 2] = ["/api/accounts/{account}/email_templates", "/api/email_templates"];
/// Projects, in both dialects.
const PROJECTS: [&str; 2] = ["/api/accounts/{account}/projects", "/api/projects"];

pub(super) fn router(message_size_max: usize) -> Router<Sandbox> {
    let limit = DefaultBodyLimit::max(message_size_max.saturating_mul(3) / 2);
    let mut routes = Router::new()
        .route("/api/accounts", get(accounts))
        .route("/api/send", post(send::send).layer(limit))
        .route("/api/send/{inbox}", post(send::send).layer(limit))
        .route("/api/batch", post(send::batch).layer(limit))
        .route("/api/batch/{inbox}", post(send::batch).layer(limit));
    for prefix in PREFIXES {
        for (path, method) in below_inbox() {
            routes = routes.route(&format!("{prefix}{path}"), method);
        }
    }
    for prefix in TEMPLATES {
        routes = routes.route(prefix, get(template::list).post(template::add)).route(
            &format!("{prefix}/{{template}}"),
            get(template::one).patch(template::set).delete(template::remove),
        );
    }
    for prefix in PROJECTS {
        routes = routes
            .route(prefix, get(project::list).post(project::add))
            .route(
                &format!("{prefix}/{{project}}"),
                get(project::one).patch(project::rename).delete(project::remove),
            )
            .route(&format!("{prefix}/{{project}}/inboxes"), post(inbox::add))
            .route(&format!("{prefix}/{{project}}/sandboxes"), post(inbox::add));
    }
    routes
}

fn below_inbox() -> [(&'static str, MethodRouter<Sandbox>); 15] {
    [
        ("", get(inbox::list)),
        ("/{inbox}", get(inbox::one).patch(inbox::change).delete(inbox::remove)),
        ("/{inbox}/clean", patch(inbox::clean)),
        ("/{inbox}/all_read", patch(inbox::read_all)),
        ("/{inbox}/reset_credentials", patch(inbox::reset_password)),
        ("/{inbox}/toggle_email_username", patch(inbox::toggle_address)),
        ("/{inbox}/reset_email_username", patch(inbox::reset_address)),
        ("/{inbox}/messages", get(message::list)),
        (
            "/{inbox}/messages/{message}",
            get(message::one).patch(message::change).delete(message::remove),
        ),
        ("/{inbox}/messages/{message}/{what}", get(message::aspect)),
        ("/{inbox}/messages/{message}/forward", post(message::forward)),
        ("/{inbox}/messages/{message}/attachments", get(message::attachments)),
        ("/{inbox}/messages/{message}/attachments/{attachment}", get(message::attachment)),
        ("/{inbox}/messages/{message}/attachments/{attachment}/download", get(message::download)),
        ("/{inbox}/messages/{message}/spam_report", get(report::spam)),
    ]
}

/// An error as its clients read it.
#[derive(Debug)]
struct Told(ApiError);

impl<E: Into<ApiError>> From<E> for Told {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let (code, text) = (self.0.code(), self.0.to_string());
        let body = match code {
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => json!({ "error": text }),
            _ => json!({ "errors": text }),
        };
        (code, Json(body)).into_response()
    }
}

type Answer<T = Json<Value>> = Result<T, Told>;

/// What a path names, and in which dialect.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Whether inboxes are called sandboxes.
    is_new: bool,
    account: Option<String>,
    project: u64,
    template: u64,
    inbox: String,
    message: u32,
    attachment: usize,
    what: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Told;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Told> {
        let path = parts.uri.path().to_owned();
        let is_new = path.starts_with("/api/sandboxes") || path.contains("/sandboxes");
        let is_new = is_new || path.starts_with("/api/projects");
        let named = RawPathParams::from_request_parts(parts, state).await;
        let named = named.ok().ok_or(ApiError::NoPath)?;
        let mut place = Self { is_new, ..Self::default() };
        for (name, value) in &named {
            match name {
                "account" => place.account = Some(value.to_owned()),
                "inbox" => value.clone_into(&mut place.inbox),
                "what" => value.clone_into(&mut place.what),
                "project" => place.project = value.parse().ok().ok_or(ApiError::NoPath)?,
                "template" => {
                    let missing = ApiError::Missing("template");
                    place.template = value.parse().ok().ok_or(missing)?;
                }
                "message" => place.message = value.parse().ok().ok_or(ApiError::NoMessage)?,
                "attachment" => place.attachment = value.parse().ok().ok_or(ApiError::NoPart)?,
                _ => {}
            }
        }
        Ok(place)
    }
}

impl Place {
    /// The word for inboxes.
    const fn word(&self) -> &'static str {
        if self.is_new { "sandbox" } else { "inbox" }
    }

    /// Several of them.
    const fn words(&self) -> &'static str {
        if self.is_new { "sandboxes" } else { "inboxes" }
    }

    /// The path of a message.
    fn path(&self, inbox: u64, message: u32) -> String {
        let account = self.account.as_ref().map(|one| format!("/accounts/{one}"));
        let (account, words) = (account.unwrap_or_default(), self.words());
        format!("/api{account}/{words}/{inbox}/messages/{message}")
    }
}

/// The number by which its clients know an inbox.
fn number(inbox: &Inbox) -> u64 {
    inbox.name.parse().unwrap_or(inbox.number)
}

impl Inner {
    /// The inbox that a path names.
    async fn numbered_inbox(&self, place: &Place) -> Result<Inbox, ApiError> {
        self.inbox(&place.inbox).await
    }

    /// The same, made on its first use when its name is a number.
    async fn used_inbox(&self, place: &Place) -> Result<Inbox, ApiError> {
        match self.inbox(&place.inbox).await {
            Err(ApiError::NoInbox(name)) if name.parse::<u64>().is_ok() && need_all().is_ok() => {
                self.backing.directory.inbox(&name, self.now()).await?;
                self.inbox(&name).await
            }
            found => found,
        }
    }

    /// The message that a path names.
    async fn numbered(&self, place: &Place) -> Result<(Inbox, Entry), ApiError> {
        let inbox = self.numbered_inbox(place).await?;
        let entry = self.entry_numbered(&inbox, place.message).await?;
        Ok((inbox, entry))
    }

    /// The message with that number in an inbox.
    pub(crate) async fn entry_numbered(
        &self,
        inbox: &Inbox,
        number: u32,
    ) -> Result<Entry, ApiError> {
        let mailbox = inbox.mailbox;
        let found = self.store().look(|tx| capture::numbered(tx, mailbox, number)).await?;
        found.ok_or(ApiError::NoMessage)
    }
}

/// Octets, as people say them.
fn human(octets: usize) -> String {
    match octets {
        0..1024 => format!("{octets} Bytes"),
        1024..1_048_576 => format!("{} KB", octets / 1024),
        _ => format!("{} MB", octets / 1_048_576),
    }
}

/// The one account: this server. Its clients are told that they may do all.
async fn accounts(State(sandbox): State<Sandbox>) -> Json<Value> {
    let name = sandbox.backing.config.now().server.hostname.clone();
    Json(json!([{ "id": 1, "name": name, "access_levels": [1000] }]))
}
