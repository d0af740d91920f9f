//! Inboxes: told, made, changed, emptied.

use axum::{Json, extract::State};
use mailwright_config::Role;
use mailwright_directory::Inbox;
use mailwright_store::capture::{self, Group};
use mailwright_view::NumberSet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Answer, Place, number,
    project::{Named, permissions},
};
use crate::sandbox::{
    ApiError, Inner, Sandbox,
    find::Page,
    message::moment,
    query::{Query, Test},
    scope::need_all,
};

#[derive(Debug, Deserialize)]
pub(super) struct New {
    #[serde(alias = "sandbox")]
    inbox: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changed {
    name: Option<String>,
    #[serde(rename = "email_username")]
    alias: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(alias = "sandbox")]
    inbox: Changed,
}

/// An inbox as its clients know it; its password is told when it was made this moment.
pub(super) async fn told(
    sandbox: &Inner,
    inbox: &Inbox,
    group: &Group,
    password: Option<&str>,
) -> Result<Value, ApiError> {
    let config = sandbox.backing.config.now();
    let host = &config.server.hostname;
    let ports = |role: &[Role]| -> Vec<u16> {
        let fitting = config.listeners.values().filter(|one| role.contains(&one.role));
        fitting.flat_map(|one| one.addresses.iter().map(std::net::SocketAddr::port)).collect()
    };
    let local = group.alias.as_deref().unwrap_or(&inbox.name);
    let newest = sandbox.find(inbox, Query::All, Page::newest(1)).await?.items;
    let last = newest.first().map(|item| moment(item.entry.received.ms()));
    Ok(json!({
        "id": number(inbox),
        "name": group.label.as_deref().unwrap_or(&inbox.name),
        "username": inbox.name,
        "password": password,
        "max_size": config.sandbox.messages_max,
        "status": "active",
        "email_username": local,
        "email_username_enabled": !group.is_alias_off,
        "sent_messages_count": sandbox.tally.of(inbox.mailbox).came.max(inbox.total),
        "forwarded_messages_count": 0,
        "used": inbox.total > 0,
        "forward_from_email_address": format!("{local}@{host}"),
        "project_id": group.project,
        "domain": host,
        "pop3_domain": host,
        "email_domain": host,
        "api_domain": host,
        "emails_count": inbox.total,
        "emails_unread_count": inbox.unseen,
        "last_message_sent_at": last,
        "smtp_ports": ports(&[Role::Sandbox, Role::Msa]),
        "pop3_ports": ports(&[Role::Pop3]),
        "max_message_size": config.limits.message_size_max,
        "permissions": permissions(),
    }))
}

async fn again(sandbox: &Sandbox, inbox: &Inbox, password: Option<&str>) -> Answer {
    let groups = sandbox.groups().await?;
    let group = groups.get(&inbox.principal).cloned().unwrap_or_default();
    let found = sandbox.backing.directory.find_inbox(&inbox.name).await?;
    let inbox = found.ok_or_else(|| ApiError::NoInbox(inbox.name.clone()))?;
    Ok(Json(told(sandbox, &inbox, &group, password).await?))
}

pub(super) async fn list(State(sandbox): State<Sandbox>) -> Answer {
    let groups = sandbox.groups().await?;
    let mut all = Vec::new();
    for inbox in sandbox.inboxes().await? {
        let group = groups.get(&inbox.principal).cloned().unwrap_or_default();
        all.push(told(&sandbox, &inbox, &group, None).await?);
    }
    Ok(Json(all.into()))
}

pub(super) async fn one(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    again(&sandbox, &inbox, None).await
}

pub(super) async fn add(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(new): Json<New>,
) -> Answer {
    need_all()?;
    let (label, now) = (new.inbox.checked()?, sandbox.now());
    let known = sandbox.read(capture::projects).await?;
    if !known.iter().any(|one| one.id == place.project) {
        return Err(ApiError::NoPath.into());
    }
    let directory = &sandbox.backing.directory;
    // Names are unique here, labels are not.
    let is_free = directory.find_inbox(&label).await?.is_none() && label.parse::<u64>().is_err();
    let name = is_free.then_some(label.as_str());
    let made = directory.add_inbox(name, None, now).await;
    let (inbox, secret) = made?;
    let (owner, project) = (inbox.principal, place.project);
    let group = Group { project, label: Some(label), ..Group::default() };
    sandbox.write(move |tx| capture::set_group(tx, owner, &group)).await?;
    again(&sandbox, &inbox, Some(secret.expose())).await
}

/// Changes what is kept of an inbox beside its name.
async fn regroup(sandbox: &Sandbox, inbox: &Inbox, change: impl FnOnce(&mut Group)) -> Answer {
    let groups = sandbox.groups().await?;
    let mut group = groups.get(&inbox.principal).cloned().unwrap_or_default();
    change(&mut group);
    let owner = inbox.principal;
    sandbox.write(move |tx| capture::set_group(tx, owner, &group)).await?;
    again(sandbox, inbox, None).await
}

pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(new): Json<Change>,
) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    let Changed { name, alias } = new.inbox;
    let short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= 200);
    if !short(&name) || !short(&alias) {
        return Err(ApiError::bad("a name has up to 200 octets").into());
    }
    let alias = alias.map(|text| text.to_lowercase());
    if let Some(local) = &alias {
        // An address may be that of an inbox that is made later.
        need_all()?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if local.is_empty() || local.len() > 64 || !local.chars().all(is_plain) {
            return Err(
                ApiError::bad("email_username has letters, digits, dots and hyphens").into()
            );
        }
        let taken = sandbox.store().look(|tx| capture::inbox_addressed(tx, local)).await?;
        if taken.is_some_and(|name| name != inbox.name) {
            return Err(ApiError::bad("email_username has already been taken").into());
        }
    }
    let set = move |group: &mut Group| {
        group.label = name.or_else(|| group.label.take());
        group.alias = alias.or_else(|| group.alias.take());
    };
    regroup(&sandbox, &inbox, set).await
}

pub(super) async fn toggle_address(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    regroup(&sandbox, &inbox, |group| group.is_alias_off = !group.is_alias_off).await
}

pub(super) async fn reset_address(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    let id = sandbox.store().ids().next(sandbox.now());
    let fresh = format!("{}-{id}", inbox.number);
    regroup(&sandbox, &inbox, move |group| group.alias = Some(fresh)).await
}

pub(super) async fn remove(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    let last = again(&sandbox, &inbox, None).await?;
    sandbox.backing.directory.remove_inbox(&inbox, sandbox.now()).await?;
    Ok(last)
}

pub(super) async fn clean(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.used_inbox(&place).await?;
    sandbox.delete(&inbox, NumberSet::range(1..=u32::MAX)).await?;
    again(&sandbox, &inbox, None).await
}

pub(super) async fn read_all(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    let unread = Query::Not(Box::new(Query::Is(Test::Read)));
    sandbox.mark_found(&inbox, &unread, true).await?;
    again(&sandbox, &inbox, None).await
}

pub(super) async fn reset_password(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let inbox = sandbox.numbered_inbox(&place).await?;
    let secret = sandbox.backing.directory.set_inbox_password(&inbox, sandbox.now()).await?;
    again(&sandbox, &inbox, Some(secret.expose())).await
}
