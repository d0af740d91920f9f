//! Messages as they come: as server-sent events in version 1, over a WebSocket in version 2.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Query as Params, State, WebSocketUpgrade},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::Value;

use super::{Answer, Asked, form};
use crate::sandbox::{
    Sandbox,
    event::{Follower, Told},
    mailpit::{heard, say},
};

/// How often a line without meaning keeps the connection open.
const ALIVE: Duration = Duration::from_secs(15);
/// Octets of what a client may say, which is nothing.
const SAID_MAX: usize = 4096;

pub(super) async fn stream(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let follower = Follower::new(sandbox.clone(), inbox, None).await?;
    let events = stream::unfold((follower, sandbox), |(mut follower, sandbox)| async move {
        loop {
            let told = follower.next().await?;
            if matches!(told, Told::End) {
                return None;
            }
            if let Some(message) = message(&told, &sandbox).await {
                let event = Event::default().data(message.to_string());
                return Some((Ok::<_, Infallible>(event), (follower, sandbox)));
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

pub(super) async fn socket(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let mut follower = Follower::new(sandbox.clone(), inbox, None).await?;
    let upgrade = upgrade.max_message_size(SAID_MAX).max_frame_size(SAID_MAX);
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        while let Some(told) = heard(&mut socket, &mut follower).await {
            if matches!(told, Told::End) {
                return;
            }
            if let Some(message) = message(&told, &sandbox).await
                && !say(&mut socket, &message).await
            {
                return;
            }
        }
    }))
}

/// The message that came, if one did.
async fn message(told: &Told, sandbox: &Sandbox) -> Option<Value> {
    let Told::New(item) = told else { return None };
    let bytes = sandbox.bytes(item.entry.message).await.ok()?;
    form::message(sandbox, &item.entry, &bytes).await.ok()
}
