//! Which inbox a request is about, and which of its messages.

use axum::http::{HeaderMap, HeaderName, header};
use mailwright_directory::{DEFAULT_INBOX, Inbox};
use mailwright_store::capture::{self, Entry};
use mailwright_words::{Id, percent::unescaped};

use super::{
    ApiError, Inner,
    guard::basic,
    scope::{need_all, reaches},
};

/// The field that names an inbox, as a part of a path would; a prefix of the path sets it.
pub(crate) const INBOX: HeaderName = HeaderName::from_static("mailwright-inbox");

impl Inner {
    /// The inbox of that name, or with that number.
    pub(crate) async fn inbox(&self, name: &str) -> Result<Inbox, ApiError> {
        if let Some(found) = self.backing.directory.find_inbox(name).await? {
            let reached = Some(found).filter(|found| reaches(found.principal));
            return reached.ok_or_else(|| ApiError::NoInbox(name.to_owned()));
        }
        let number: Option<u64> = name.parse().ok();
        let all = self.inboxes().await?;
        let found = all.into_iter().find(|inbox| Some(inbox.number) == number);
        match found {
            Some(found) => Ok(found),
            None if name == DEFAULT_INBOX && need_all().is_ok() => {
                self.backing.directory.inbox(DEFAULT_INBOX, self.now()).await?;
                let made = self.backing.directory.find_inbox(DEFAULT_INBOX).await?;
                made.ok_or_else(|| ApiError::NoInbox(name.to_owned()))
            }
            None => Err(ApiError::NoInbox(name.to_owned())),
        }
    }

    /// The inbox that a client of another program's API means: the one it names, that of its path
    /// or of the name it came to, that of its user, the one its token opens, or the default one.
    pub(crate) async fn chosen(
        &self,
        named: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Inbox, ApiError> {
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            return self.inbox(named).await;
        }
        if let Some(named) = headers.get(INBOX).and_then(|value| value.to_str().ok()) {
            return self.inbox(&unescaped(named)).await;
        }
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = host.split_once(':').map_or(host, |(name, _)| name);
        if let Some(name) = host.strip_suffix(".localhost") {
            return self.inbox(name).await;
        }
        if let Some((name, _)) = basic(headers)
            && let Some(found) = self.backing.directory.find_inbox(&name).await?
            && reaches(found.principal)
        {
            return Ok(found);
        }
        if let Some(own) = self.own_inbox().await? {
            return Ok(own);
        }
        self.inbox(DEFAULT_INBOX).await
    }

    /// The message of that id, where it is in `inbox`.
    pub(crate) async fn entry(&self, inbox: &Inbox, id: &str) -> Result<Entry, ApiError> {
        let found = self.any_entry(id).await?;
        if found.inbox == inbox.principal { Ok(found) } else { Err(ApiError::NoMessage) }
    }

    /// The message of that id, in whichever inbox.
    pub(crate) async fn any_entry(&self, id: &str) -> Result<Entry, ApiError> {
        let id: Id = id.parse().ok().ok_or(ApiError::NoMessage)?;
        let found = self.store().look(|tx| capture::entry(tx, id)).await?;
        found.filter(|entry| reaches(entry.inbox)).ok_or(ApiError::NoMessage)
    }
}
