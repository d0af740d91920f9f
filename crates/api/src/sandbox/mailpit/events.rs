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
use mailwright_store::capture;
use mailwright_view::Flags;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, summary};
use crate::sandbox::{
    Sandbox,
    event::{Follower, Told},
};

/// Octets of what a client may say, which is nothing.
const SAID_MAX: usize = 4096;
/// How long a client may take no octet.
const WRITE: Duration = Duration::from_secs(10);
/// Messages that are told of one by one when many change.
const ONE_BY_ONE: usize = 100;

pub(super) async fn events(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let follower = Follower::new(sandbox.clone(), inbox, None).await?.with_ids().await?;
    let upgrade = upgrade.max_message_size(SAID_MAX).max_frame_size(SAID_MAX);
    Ok(upgrade.on_upgrade(move |socket| tell(socket, follower, sandbox)))
}

async fn tell(mut socket: WebSocket, mut follower: Follower, sandbox: Sandbox) {
    while let Some(told) = heard(&mut socket, &mut follower).await {
        for event in events_of(&told, &mut follower, &sandbox).await {
            if !say(&mut socket, &event).await {
                return;
            }
        }
        if matches!(told, Told::End) {
            return;
        }
    }
}

/// What happens next; nothing when the client went or the server stops.
pub(in crate::sandbox) async fn heard(
    socket: &mut WebSocket,
    follower: &mut Follower,
) -> Option<Told> {
    loop {
        tokio::select! {
            told = follower.next() => return told,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Tells a client; whether it took it.
pub(in crate::sandbox) async fn say(socket: &mut WebSocket, event: &Value) -> bool {
    let sent = tokio::time::timeout(WRITE, socket.send(Message::text(event.to_string())));
    matches!(sent.await, Ok(Ok(())))
}

async fn events_of(told: &Told, follower: &mut Follower, sandbox: &Sandbox) -> Vec<Value> {
    let mut all = match told {
        Told::New(item) => vec![json!({ "Type": "new", "Data": summary(item) })],
        Told::Changed(numbers) => changed(numbers, follower, sandbox).await,
        Told::Gone(numbers) => gone(numbers, follower),
        Told::Trouble(text) => {
            return vec![json!({ "Type": "error", "Data": { "Level": "error", "Type": "release",
                "IP": "", "Message": &**text } })];
        }
        Told::Reload | Told::End => vec![json!({ "Type": "truncate", "Data": null })],
    };
    let inbox = sandbox.backing.directory.find_inbox(&follower.inbox.name).await;
    let Some(inbox) = inbox.ok().flatten() else { return all };
    let is_emptied = inbox.total == 0 && matches!(told, Told::Gone(_));
    if is_emptied {
        all.push(json!({ "Type": "truncate", "Data": null }));
    }
    let owner = inbox.principal;
    let tags = sandbox.read(move |tx| capture::tags(tx, owner)).await.unwrap_or_default();
    let tags: Map<String, Value> =
        tags.into_iter().map(|(name, count)| (name, count.into())).collect();
    let (total, unread) = (inbox.total, inbox.unseen);
    all.push(json!({ "Type": "stats", "Data": { "Total": total, "Unread": unread, "Tags": tags,
        "Version": env!("CARGO_PKG_VERSION") } }));
    all
}

async fn changed(numbers: &[u32], follower: &Follower, sandbox: &Sandbox) -> Vec<Value> {
    let (mailbox, numbers) = (follower.inbox.mailbox, numbers.to_vec());
    if numbers.len() > ONE_BY_ONE {
        return vec![json!({ "Type": "prune", "Data": null })];
    }
    let read = sandbox.read(move |tx| {
        let each = numbers.iter().map(|uid| capture::numbered(tx, mailbox, *uid));
        each.collect::<Result<Vec<_>, _>>()
    });
    let entries = read.await.unwrap_or_default().into_iter().flatten();
    let told = entries.map(|entry| {
        let is_read = entry.flags & Flags::SEEN != 0;
        json!({ "Type": "update", "Data": { "ID": entry.message.to_string(), "Read": is_read,
            "Tags": entry.tags } })
    });
    told.collect()
}

fn gone(numbers: &[u32], follower: &mut Follower) -> Vec<Value> {
    let ids: Vec<Option<_>> = numbers.iter().map(|number| follower.id_of(*number)).collect();
    let known: Option<Vec<_>> = ids.into_iter().collect();
    match known {
        Some(ids) if ids.len() <= ONE_BY_ONE => ids
            .into_iter()
            .map(|id| json!({ "Type": "delete", "Data": { "ID": id.to_string() } }))
            .collect(),
        _ => vec![json!({ "Type": "prune", "Data": null })],
    }
}
