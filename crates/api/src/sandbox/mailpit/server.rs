//! What is told of the server itself.

use axum::{
    Json,
    extract::{Query as Params, State},
    http::HeaderMap,
};
use mailwright_store::capture;
use serde_json::{Map, Value, json};

use super::{Answer, Asked};
use crate::sandbox::{Sandbox, scope::need_all};

pub(super) async fn info(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let owner = inbox.principal;
    let tags = sandbox.read(move |tx| capture::tags(tx, owner)).await?;
    let tags: Map<String, Value> =
        tags.into_iter().map(|(name, count)| (name, count.into())).collect();
    let (_, refused) = sandbox.backing.intake.refusals().list();
    let counts = sandbox.tally.of(inbox.mailbox);
    let (folder, memory) = (sandbox.store().path().to_owned(), memory().await);
    let size = folder_size(folder.clone()).await;
    let version = env!("CARGO_PKG_VERSION");
    // Where the server keeps its data is not for who reaches one inbox.
    let shown = need_all().map(|()| folder.display().to_string()).unwrap_or_default();
    Ok(Json(json!({
        "Version": version,
        "LatestVersion": version,
        "Database": shown,
        "DatabaseSize": size,
        "Messages": inbox.total,
        "Unread": inbox.unseen,
        "Tags": tags,
        "RuntimeStats": {
            "Uptime": sandbox.now().since(sandbox.started).as_secs(),
            "Memory": memory,
            "MessagesDeleted": counts.went,
            "SMTPAccepted": counts.came,
            "SMTPAcceptedSize": counts.octets,
            "SMTPRejected": refused,
            // Nothing that is accepted is dropped here.
            "SMTPIgnored": 0,
        },
    })))
}

/// Octets of memory that the process has; 0 where the system does not tell.
async fn memory() -> u64 {
    let status = tokio::fs::read_to_string("/proc/self/status").await.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

/// Octets of the files in the data folder, two levels deep.
async fn folder_size(folder: std::path::PathBuf) -> u64 {
    let (mut open, mut sum) = (vec![(folder, 0)], 0_u64);
    while let Some((folder, depth)) = open.pop() {
        let Ok(mut entries) = tokio::fs::read_dir(&folder).await else { continue };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let Ok(facts) = entry.metadata().await else { continue };
            if facts.is_file() {
                sum = sum.saturating_add(facts.len());
            } else if facts.is_dir() && depth < 2 {
                open.push((entry.path(), depth + 1));
            }
        }
    }
    sum
}

/// What the page of this API may offer: release where it is allowed; what rates messages is always
/// there, and an inbox may refuse on purpose.
pub(super) async fn webui(State(sandbox): State<Sandbox>) -> Json<Value> {
    let config = sandbox.backing.config.now();
    let rules = &config.sandbox.release;
    let may = sandbox.backing.intake.may_release().is_ok();
    let route = config.routes.get("*").and_then(|route| route.hosts.first());
    let server = route.map(|hop| format!("{}:{}", hop.host, hop.port()));
    let allowed: Vec<String> = rules
        .to
        .iter()
        .map(|to| regex::escape(&to.to_string()).replace("\\*\\.", ".+\\."))
        .collect();
    let allowed = if may { format!("(^|@)({})$", allowed.join("|")) } else { String::new() };
    Json(json!({
        "Label": "",
        "MessageRelay": {
            "Enabled": may,
            "SMTPServer": server.filter(|_| may).unwrap_or_default(),
            "ReturnPath": rules.from.clone().unwrap_or_default(),
            "AllowedRecipients": allowed,
            "BlockedRecipients": "",
            "OverrideFrom": "",
            "PreserveMessageIDs": true,
            "RecipientAllowlist": allowed,
        },
        "SpamAssassin": true,
        "ChaosEnabled": true,
        "DuplicatesIgnored": false,
        "HideDeleteAllButton": false,
    }))
}

pub(super) async fn alive() -> &'static str {
    "ok"
}
