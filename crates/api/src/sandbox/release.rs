//! Letting go of caught messages: to whom, of which, and what became of it.
//!
//! Whether it may be is `intake`'s matter. Here a request is read: without a key of its own it is
//! the same as each before it to the same addresses, so that one that is sent again does nothing.

use axum::{
    Json,
    extract::{Path, Query as Asked, State},
    http::{HeaderMap, HeaderName},
};
use mailwright_directory::Inbox;
use mailwright_intake::{Asked as Wanted, NoRelease, Released};
use mailwright_store::capture;
use mailwright_words::Id;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError, Inner, Sandbox,
    find::matching,
    message::{moment, path},
    query::Query,
};

/// The field by which a client says that a request is one it made before.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is to be released to whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Order {
    to: Vec<String>,
    from: Option<String>,
    key: Option<String>,
    /// Whether those who had it get it again.
    again: bool,
}

/// Which of an inbox.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Which {
    query: Option<String>,
}

impl From<NoRelease> for ApiError {
    fn from(error: NoRelease) -> Self {
        match error {
            NoRelease::Gone => Self::NoMessage,
            NoRelease::Refused(refusal) => Self::Refused(refusal),
            error if error.is_forbidden() => Self::Forbidden(error.to_string()),
            error => Self::Bad(error.to_string()),
        }
    }
}

/// The key that a request has of its own.
pub(super) fn key_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(KEY)?.to_str().ok()?.trim();
    Some(value.trim_matches('"').to_owned()).filter(|key| !key.is_empty())
}

impl Inner {
    /// A key that no other request has.
    pub(super) fn fresh_key(&self) -> String {
        format!("once {}", self.store().ids().next(self.now()))
    }

    /// Releases messages, each by itself, in their order.
    ///
    /// Errors: [`NoRelease`]; messages before the one that failed are released then, and by the
    /// same key not again.
    pub(super) async fn release(
        &self,
        wanted: &Wanted,
        messages: &[Id],
    ) -> Result<Vec<Released>, ApiError> {
        let intake = &self.backing.intake;
        let release = intake.releasing(wanted, self.now()).await?;
        let mut done = Vec::with_capacity(messages.len());
        for message in messages {
            done.push(intake.release(&release, *message, self.now()).await?);
        }
        Ok(done)
    }

    /// Releases a message as a client of another program's API asks: each time anew, unless it
    /// says that it asked before. Those who follow the inbox are told when it is not done.
    pub(super) async fn release_as_asked(
        &self,
        inbox: &Inbox,
        message: Id,
        (to, headers): (Vec<String>, &HeaderMap),
    ) -> Result<(), ApiError> {
        let key = key_of(headers).unwrap_or_else(|| self.fresh_key());
        let done = self.release(&Wanted { to, from: None, key }, &[message]).await;
        if let Err(error) = &done {
            self.tell_trouble(inbox, &error.to_string());
        }
        done.map(drop)
    }

    /// Tells those who follow an inbox that something was not done; nobody may be there.
    fn tell_trouble(&self, inbox: &Inbox, text: &str) {
        let told = self.troubles.send((inbox.mailbox, text.into()));
        tracing::debug!(followers = told.unwrap_or(0), "Trouble told to those who follow.");
    }

    fn wanted(&self, order: Order, headers: &HeaderMap) -> Wanted {
        let Order { to, from, key, again } = order;
        let key = key.or_else(|| key_of(headers));
        let key = key.unwrap_or_else(|| if again { self.fresh_key() } else { String::new() });
        Wanted { to, from, key }
    }
}

/// What was done with each of some messages.
fn told(messages: &[Id], done: &[Released]) -> Json<Value> {
    let each = messages.iter().zip(done).map(|(id, one)| {
        json!({
            "id": id.to_string(),
            "queueId": one.spool.map(|spool| spool.to_string()),
            "to": one.to,
            "before": one.before,
        })
    });
    Json(json!({ "released": each.collect::<Vec<_>>() }))
}

pub(super) async fn one(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Json<Value>, ApiError> {
    let message = sandbox.any_entry(&id).await?.message;
    let done = sandbox.release(&sandbox.wanted(order, &headers), &[message]).await?;
    Ok(told(&[message], &done))
}

/// Releases all that a query finds, oldest first. The query has to be given, be it an empty one.
pub(super) async fn found(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Json<Value>, ApiError> {
    let inbox = sandbox.inbox(&name).await?;
    let query = which.query.ok_or_else(|| ApiError::bad("query says which messages are meant"))?;
    // Terms that make no sense are told of, not looked for.
    Query::sound(&query, sandbox.now())?;
    let most = sandbox.backing.config.now().sandbox.release.messages_max;
    let now = sandbox.now();
    let messages = matching(sandbox.store(), &inbox, &query, now, most).await?;
    if messages.len() > most {
        let why = format!("more than {most} messages match; nothing was released");
        return Err(ApiError::Bad(why));
    }
    let done = sandbox.release(&sandbox.wanted(order, &headers), &messages).await?;
    Ok(told(&messages, &done))
}

/// What was released of a message, and what became of it.
pub(super) async fn releases(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let message = sandbox.any_entry(&id).await?.message;
    let all = sandbox.read(move |tx| capture::releases(tx, message)).await?;
    let each = all.into_iter().map(|one| {
        let outcomes = one.outcomes.into_iter().map(
            |(address, state, reply)| json!({ "address": address, "state": state, "reply": reply }),
        );
        json!({
            "queueId": one.spool.to_string(),
            "at": moment(one.at.ms()),
            "from": path(&one.sender),
            "to": one.addresses,
            "key": one.key,
            "outcomes": outcomes.collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({ "releases": each.collect::<Vec<_>>() })))
}

/// Whom messages may be released to.
pub(super) async fn rules(State(sandbox): State<Sandbox>) -> Json<Value> {
    let rules = sandbox.backing.config.now().sandbox.release.clone();
    let may = sandbox.backing.intake.may_release();
    Json(json!({
        "enabled": may.is_ok(),
        "reason": may.err().map(|why| why.to_string()),
        "to": rules.to.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "from": rules.from.unwrap_or_default(),
        "messagesMax": rules.messages_max,
        "recipientsMax": rules.recipients_max,
    }))
}
