//! How far a request reaches: to all inboxes, or to the one that its token opens.
//!
//! Invariant: every way to an inbox or a message asks here, and what runs outside of a request
//! reaches nothing. The guard says for each request how far it reaches; routes that are about
//! more than one inbox ask for all of it.

use mailwright_directory::Inbox;
use mailwright_words::Id;

use super::{ApiError, Inner};

tokio::task_local! {
    static REACH: Reach;
}

/// How far a request reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To everything.
    All,
    /// To one inbox.
    Inbox(Id),
}

/// Runs a request that reaches so far.
pub(super) async fn within<T>(reach: Reach, request: impl Future<Output = T>) -> T {
    REACH.scope(reach, request).await
}

/// The inbox that a request is held to; none when it reaches all of them.
///
/// Errors: this is no request, so that it reaches nothing.
fn held_to() -> Result<Option<Id>, ApiError> {
    match REACH.try_with(|reach| *reach) {
        Ok(Reach::All) => Ok(None),
        Ok(Reach::Inbox(inbox)) => Ok(Some(inbox)),
        Err(_) => Err(ApiError::Forbidden("nobody asks".to_owned())),
    }
}

/// Whether a request reaches an inbox.
pub(super) fn reaches(inbox: Id) -> bool {
    held_to().is_ok_and(|held| held.is_none_or(|held| held == inbox))
}

/// Asks whether a request reaches all inboxes.
///
/// Errors: it does not.
pub(super) fn need_all() -> Result<(), ApiError> {
    match held_to()? {
        None => Ok(()),
        Some(_) => Err(ApiError::Forbidden("a token of an inbox is not for this".to_owned())),
    }
}

impl Inner {
    /// The inboxes that a request reaches, oldest first.
    pub(crate) async fn inboxes(&self) -> Result<Vec<Inbox>, ApiError> {
        let mut all = self.backing.directory.inboxes().await?;
        all.retain(|inbox| reaches(inbox.principal));
        Ok(all)
    }

    /// The inbox that a request is held to.
    pub(super) async fn own_inbox(&self) -> Result<Option<Inbox>, ApiError> {
        if held_to()?.is_none() {
            return Ok(None);
        }
        let own = self.inboxes().await?.into_iter().next();
        own.map(Some).ok_or(ApiError::Missing("inbox"))
    }
}

/// Paths that a token of an inbox is for, by their beginning: APIs, never pages.
const APIS: [&str; 14] = [
    "/api/",
    "/mailpit/",
    "/mailhog/",
    "/mailcatcher/",
    "/maildev/",
    "/messages",
    "/email",
    "/view/",
    "/render/",
    "/livez",
    "/readyz",
    "/healthz",
    "/config",
    "/proxy/",
];

/// Whether a token of an inbox is for a path at all: not for pages, which show more than one.
pub(super) fn may_ask(path: &str) -> bool {
    APIS.iter().any(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_request_reaches_nothing() {
        let (one, two) = (Id::from_i64(1), Id::from_i64(2));
        assert!(!reaches(one) && need_all().is_err());
        within(Reach::All, async { assert!(reaches(one) && need_all().is_ok()) }).await;
        let held = async { assert!(reaches(one) && !reaches(two) && need_all().is_err()) };
        within(Reach::Inbox(one), held).await;
    }

    #[test]
    fn a_token_is_for_apis_alone() {
        for path in ["/", "/inbox/a", "/refusals", "/login", "/assets/sandbox.js", "/metrics"] {
            assert!(!may_ask(path), "{path}");
        }
        for path in ["/api/inboxes", "/messages/1.json", "/mailpit/a/api/v1/info", "/email"] {
            assert!(may_ask(path), "{path}");
        }
    }
}
