//! Events over a WebSocket, as Mailpit's page and its clients read them.

use std::time::Duration;

use axum::{
    extract::{
        Query as Params, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{Answer, Asked, summary};
use crate::sandbox::{
    Sandbox,
    event::{Follower, Told},
};

/// Octets of what a client may say, which is nothing.
const SAID_MAX: usize = 4096;
/// How long a client may take no octet.
const WRITE: Duration = Duration::from_secs(10);

pub(super) async fn events(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let follower = Follower::new(sandbox.clone(), inbox, None).await?;
    let upgrade = upgrade.max_message_size(SAID_MAX).max_frame_size(SAID_MAX);
    Ok(upgrade.on_upgrade(move |socket| tell(socket, follower, sandbox)))
}

async fn tell(mut socket: WebSocket, mut follower: Follower, sandbox: Sandbox) {
    loop {
        let told = tokio::select! {
            told = follower.next() => told,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(told) = told else { return };
        for event in events_of(&told, &follower, &sandbox).await {
            let sent = tokio::time::timeout(WRITE, socket.send(Message::text(event.to_string())));
            if !matches!(sent.await, Ok(Ok(()))) {
                return;
            }
        }
        if matches!(told, Told::End) {
            return;
        }
    }
}

async fn events_of(told: &Told, follower: &Follower, sandbox: &Sandbox) -> Vec<Value> {
    let first = match told {
        Told::New(item) => json!({ "Type": "new", "Data": summary(item) }),
        Told::Changed(_) => json!({ "Type": "update", "Data": null }),
        Told::Gone(_) => json!({ "Type": "prune", "Data": null }),
        Told::Reload | Told::End => json!({ "Type": "truncate", "Data": null }),
    };
    let inbox = sandbox.backing.directory.find_inbox(&follower.inbox.name).await;
    let stats = inbox.ok().flatten().map(|inbox| {
        let (total, unread) = (inbox.total, inbox.unseen);
        json!({ "Type": "stats", "Data": { "Total": total, "Unread": unread,
            "Version": env!("CARGO_PKG_VERSION") } })
    });
    std::iter::once(first).chain(stats).collect()
}
