//! The messages of an inbox, read from a running sandbox over its API.

use http::{Method, header::AUTHORIZATION};
use mailwright_config::{Config, Live, Opened};
use mailwright_net::egress::{Ask, Egress};
use mailwright_sandbox::outside::Journey;
use mailwright_words::percent::escaped;
use serde_json::Value;

use super::Named;
use crate::{Failure, cli::Check, world};

/// Messages that are checked.
const MESSAGES_MAX: usize = 1000;
/// Messages of a page of the list.
const PAGE: usize = 100;
/// Octets of a page.
const PAGE_MAX: usize = 4 << 20;
/// Octets of a message.
const MESSAGE_MAX: usize = 256 << 20;

/// The messages of the inbox `name`, newest first.
pub(super) async fn messages(
    check: &Check,
    name: &str,
    config: Config,
) -> Result<Vec<Named>, Failure> {
    let server = Server::new(check, config)?;
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = server.page(name, check.query.as_deref(), before).await?;
        let listed = page.get("messages").and_then(Value::as_array);
        for entry in listed.into_iter().flatten() {
            if all.len() < MESSAGES_MAX {
                all.push(server.message(entry).await?);
            }
        }
        before = page.get("next").and_then(Value::as_u64);
        if before.is_none() || all.len() >= MESSAGES_MAX {
            break;
        }
    }
    if all.is_empty() {
        return Err(Failure::new(format!("the inbox {name} has no such message")));
    }
    Ok(all)
}

struct Server {
    egress: Egress,
    base: String,
    token: Option<String>,
}

impl Server {
    /// The sandbox is a host that the user names: it may be this machine, and only it is asked.
    fn new(check: &Check, mut config: Config) -> Result<Self, Failure> {
        let base = check.server.trim_end_matches('/').to_owned();
        let authority = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let host: Opened = authority.parse().map_err(Failure::new)?;
        config.egress.allow = vec![host];
        config.egress.size_max = u64::try_from(MESSAGE_MAX).unwrap_or(u64::MAX);
        let egress = world::egress(&Live::new(config))?;
        Ok(Self { egress, base, token: check.token.clone() })
    }

    async fn page(
        &self,
        inbox: &str,
        query: Option<&str>,
        before: Option<u64>,
    ) -> Result<Value, Failure> {
        let inbox = escaped(inbox, b"");
        let mut path = format!("/api/inboxes/{inbox}/messages?limit={PAGE}");
        if let Some(query) = query {
            path.extend(["&query=", &escaped(query, b"")]);
        }
        if let Some(before) = before {
            path.extend(["&before=", &before.to_string()]);
        }
        let body = self.get(&path, PAGE_MAX).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::of(&format!("{} is no sandbox", self.base), &error))
    }

    async fn message(&self, entry: &Value) -> Result<Named, Failure> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("id");
        let bytes =
            self.get(&format!("/api/messages/{}/raw", escaped(id, b"")), MESSAGE_MAX).await?;
        let name = format!("{id}.eml");
        let envelope = entry.get("envelope");
        let from = envelope.and_then(|envelope| envelope.get("from")).and_then(Value::as_str);
        let to = envelope.and_then(|envelope| envelope.get("to")).and_then(Value::as_array);
        let to = to.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let journey = Journey {
            reverse_path: from.map(str::to_owned),
            recipients: to.collect(),
            ..Journey::default()
        };
        Ok(Named { name, bytes, journey })
    }

    async fn get(&self, path: &str, size_max: usize) -> Result<Vec<u8>, Failure> {
        let url = format!("{}{path}", self.base);
        let mut ask = Ask { redirects_max: 0, ..Ask::new(Method::GET, &url).reading(size_max) };
        if let Some(token) = &self.token {
            ask = ask.with(AUTHORIZATION, &format!("Bearer {token}"));
        }
        let what = format!("the sandbox at {} does not answer", self.base);
        let answered = self.egress.ask(ask).await.map_err(|error| Failure::of(&what, &error))?;
        match answered.status.as_u16() {
            200 => Ok(answered.body.to_vec()),
            401 => Err(Failure::new("the sandbox wants its password: --token")),
            404 => Err(Failure::new("the sandbox has no such inbox, or message")),
            status => Err(Failure::new(format!("the sandbox says {status}"))),
        }
    }
}
