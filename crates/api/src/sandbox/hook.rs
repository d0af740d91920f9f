//! Webhooks of an inbox over the API: made, changed, tried, and what became of each delivery.

mod call;
mod sign;

use axum::{
    Json, Router,
    extract::{Path, Query as Asked, State},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use mailwright_store::capture::hook::{self, Delivery, Hook};
use mailwright_words::Id;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::call::{CALLS_MAX, call_hooks};
pub(super) use self::sign::shown;
use super::{ApiError, Inner, Sandbox, error, message::moment};

/// Octets of an address.
const URL_MAX: usize = 2000;
/// Deliveries of a page.
const PAGE: usize = 50;

pub(super) fn router() -> Router<Sandbox> {
    let place = "/api/inboxes/{inbox}/webhooks/{webhook}";
    Router::new()
        .route("/api/inboxes/{inbox}/webhooks", get(list).post(add))
        .route(place, get(one).patch(change).delete(remove))
        .route(&format!("{place}/rotate"), post(rotate))
        .route(&format!("{place}/test"), post(test))
        .route(&format!("{place}/deliveries"), get(deliveries))
        .route(&format!("{place}/deliveries/{{delivery}}/retry"), post(retry))
        .layer(middleware::map_response(error::in_our_form))
}

type Answer<T = Json<Value>> = Result<T, ApiError>;

/// A webhook to make, or what is to be otherwise of one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    pub(super) url: Option<String>,
    pub(super) kinds: Option<Vec<String>>,
    pub(super) enabled: Option<bool>,
}

fn told(hook: &Hook) -> Value {
    let (disabled, reason) = hook.disabled.clone().unzip();
    json!({
        "id": hook.id.to_string(),
        "url": hook.url,
        "kinds": hook.kinds,
        "enabled": hook.disabled.is_none(),
        "created": moment(hook.created.ms()),
        "waiting": hook.waiting,
        "failingSince": hook.failing.map(|at| moment(at.ms())),
        "disabledAt": disabled.map(|at| moment(at.ms())),
        "reason": reason,
    })
}

/// The same with its secret, which is told when it is made.
fn told_once(hook: &Hook) -> Value {
    let mut told = told(hook);
    if let Value::Object(map) = &mut told {
        map.insert("secret".to_owned(), shown(&hook.secret).into());
    }
    told
}

fn told_delivery(one: &Delivery) -> Value {
    let state = match (one.due, &one.error) {
        (Some(_), _) => "waiting",
        (None, None) => "delivered",
        (None, Some(_)) => "failed",
    };
    json!({
        "id": one.id,
        "webhookId": call::number_of(one),
        "kind": one.kind,
        "messageId": one.message.map(|id| id.to_string()),
        "at": moment(one.at.ms()),
        "state": state,
        "attempts": one.attempts,
        "next": one.due.map(|at| moment(at.ms())),
        "tried": one.tried.map(|at| moment(at.ms())),
        "status": one.status,
        "error": one.error,
    })
}

/// Kinds that there are, each once.
fn checked(kinds: Vec<String>) -> Result<Vec<String>, ApiError> {
    let known = [hook::CAUGHT, hook::REFUSED];
    let mut all: Vec<String> = Vec::new();
    for kind in kinds {
        if !known.contains(&kind.as_str()) {
            return Err(ApiError::bad(format!(
                "{kind:?} is no kind; there are {}",
                known.join(", ")
            )));
        }
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    if all.is_empty() { Err(ApiError::bad("kinds names none")) } else { Ok(all) }
}

fn secret() -> Result<Vec<u8>, ApiError> {
    let octets = mailwright_directory::random::<32>();
    octets.map(Vec::from).map_err(|error| ApiError::Unsafe(error.to_string()))
}

impl Inner {
    /// An address that a webhook may lead to, as far as that is seen from it; where its name leads
    /// is looked at each time.
    fn hook_url(&self, url: String) -> Result<String, ApiError> {
        let egress = self.backing.hooks.as_ref();
        let egress = egress.ok_or_else(|| ApiError::bad("this server asks nobody"))?;
        if url.len() > URL_MAX {
            return Err(ApiError::bad("an address has up to 2000 octets"));
        }
        egress.judge(&url).map_err(|error| ApiError::bad(error.to_string()))?;
        Ok(url)
    }

    /// The webhook of that number, where it is of that inbox.
    async fn hook(&self, inbox: &str, id: &str) -> Result<Hook, ApiError> {
        let inbox = self.inbox(inbox).await?.principal;
        let missing = || ApiError::Missing("webhook");
        let id: Id = id.parse().ok().ok_or_else(missing)?;
        let found = self.store().look(|tx| hook::hook(tx, id)).await?;
        found.filter(|hook| hook.inbox == inbox).ok_or_else(missing)
    }

    /// Makes a webhook of an inbox.
    ///
    /// Errors: it makes no sense, or there are too many.
    pub(super) async fn add_hook(&self, inbox: &str, wanted: Wanted) -> Result<Hook, ApiError> {
        let inbox = self.inbox(inbox).await?.principal;
        let url = wanted.url.ok_or_else(|| ApiError::bad("a webhook has a url"))?;
        let (now, most) = (self.now(), self.backing.config.now().sandbox.webhooks.per_inbox_max);
        let new = Hook {
            id: self.store().ids().next(now),
            inbox,
            url: self.hook_url(url)?,
            kinds: checked(wanted.kinds.unwrap_or_else(|| vec![hook::CAUGHT.to_owned()]))?,
            secret: secret()?,
            old_secret: None,
            created: now,
            waiting: 0,
            failing: None,
            disabled: None,
        };
        let made = new.clone();
        self.write(move |tx| hook::add_hook(tx, &new, most)).await?;
        Ok(made)
    }

    async fn set_hook(&self, hook: Hook) -> Result<Hook, ApiError> {
        let (id, now) = (hook.id, self.now());
        self.write(move |tx| hook::set_hook(tx, &hook, now)).await?;
        let found = self.store().look(|tx| hook::hook(tx, id)).await?;
        found.ok_or(ApiError::Missing("webhook"))
    }
}

async fn list(State(sandbox): State<Sandbox>, Path(inbox): Path<String>) -> Answer {
    let inbox = sandbox.inbox(&inbox).await?.principal;
    let all = sandbox.store().look(|tx| hook::hooks(tx, inbox)).await?;
    Ok(Json(json!({ "webhooks": all.iter().map(told).collect::<Vec<_>>() })))
}

async fn add(
    State(sandbox): State<Sandbox>,
    Path(inbox): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<Response> {
    let made = sandbox.add_hook(&inbox, wanted).await?;
    Ok((StatusCode::CREATED, Json(told_once(&made))).into_response())
}

async fn one(State(sandbox): State<Sandbox>, Path((inbox, id)): Path<(String, String)>) -> Answer {
    Ok(Json(told(&sandbox.hook(&inbox, &id).await?)))
}

pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    Path((inbox, id)): Path<(String, String)>,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let mut hook = sandbox.hook(&inbox, &id).await?;
    if let Some(url) = wanted.url {
        hook.url = sandbox.hook_url(url)?;
    }
    if let Some(kinds) = wanted.kinds {
        hook.kinds = checked(kinds)?;
    }
    match wanted.enabled {
        Some(true) => hook.disabled = None,
        Some(false) => hook.disabled = Some((sandbox.now(), "switched off".to_owned())),
        None => {}
    }
    Ok(Json(told(&sandbox.set_hook(hook).await?)))
}

pub(super) async fn remove(
    State(sandbox): State<Sandbox>,
    Path((inbox, id)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let id = sandbox.hook(&inbox, &id).await?.id;
    sandbox.write(move |tx| hook::drop_hook(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret; the old one signs, too, for a while.
async fn rotate(
    State(sandbox): State<Sandbox>,
    Path((inbox, id)): Path<(String, String)>,
) -> Answer {
    let mut hook = sandbox.hook(&inbox, &id).await?;
    let until = sandbox.now().plus(sandbox.backing.config.now().sandbox.webhooks.old_secret);
    hook.old_secret = Some((std::mem::replace(&mut hook.secret, secret()?), until));
    Ok(Json(told_once(&sandbox.set_hook(hook).await?)))
}

/// Sends something, to see whether it arrives.
pub(super) async fn test(
    State(sandbox): State<Sandbox>,
    Path((inbox, id)): Path<(String, String)>,
) -> Answer<Response> {
    let (hook, now) = (sandbox.hook(&inbox, &id).await?, sandbox.now());
    let payload = call::payload(hook::TEST, now, &inbox, &json!({}));
    let delivery =
        sandbox.write(move |tx| hook::announce(tx, hook.id, (hook::TEST, &payload), now)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "delivery": delivery }))).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listing {
    before: Option<u64>,
    limit: Option<usize>,
}

async fn deliveries(
    State(sandbox): State<Sandbox>,
    Path((inbox, id)): Path<(String, String)>,
    Asked(asked): Asked<Listing>,
) -> Answer {
    let id = sandbox.hook(&inbox, &id).await?.id;
    let before = asked.before.unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1);
    let limit = asked.limit.unwrap_or(PAGE).min(super::find::PAGE_MAX);
    let all = sandbox.read(move |tx| hook::deliveries(tx, id, (before, limit))).await?;
    Ok(Json(json!({ "deliveries": all.iter().map(told_delivery).collect::<Vec<_>>() })))
}

async fn retry(
    State(sandbox): State<Sandbox>,
    Path((inbox, id, delivery)): Path<(String, String, u64)>,
) -> Answer<StatusCode> {
    let (id, now) = (sandbox.hook(&inbox, &id).await?.id, sandbox.now());
    sandbox.write(move |tx| hook::again(tx, (id, delivery), now)).await?;
    Ok(StatusCode::ACCEPTED)
}
