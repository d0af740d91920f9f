//! Waiting for messages: one request that is answered the moment they are there.

use std::time::Duration;

use mailwright_directory::Inbox;
use serde_json::{Value, json};

use super::{
    ApiError, Sandbox,
    event::{Follower, Told},
    find::{Item, Page},
    message::Wanted,
    query::Query,
};

/// Octets of messages, where one answer tells of more than one.
const ANSWER_MAX: u64 = 64 << 20;

/// What is waited for.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) query: Query,
    /// How many messages have to be there.
    pub(crate) count: usize,
    /// Only messages with greater numbers count.
    pub(crate) after: u32,
    pub(crate) timeout: Duration,
    pub(crate) wanted: Wanted,
}

/// Waits until the messages are there, and tells all of them, oldest first.
///
/// Errors: they did not come in time, too many wait, or the store does not answer.
pub(crate) async fn wait(sandbox: Sandbox, inbox: Inbox, wait: Wait) -> Result<Value, ApiError> {
    let mut follower = Follower::new(sandbox.clone(), inbox.clone(), None).await?;
    let seconds = wait.timeout.as_secs();
    let ended = sandbox.backing.clock.sleep(wait.timeout);
    tokio::pin!(ended);
    let found = loop {
        let found = look(&sandbox, &inbox, &wait).await?;
        if found.len() >= wait.count {
            break found;
        }
        loop {
            let told = tokio::select! {
                told = follower.next() => told,
                () = &mut ended => return Err(ApiError::NoneCame(seconds)),
            };
            match told {
                Some(Told::New(_) | Told::Reload | Told::Changed(_)) => break,
                Some(Told::Gone(_) | Told::Trouble(_)) => {}
                Some(Told::End) => return Err(ApiError::NoInbox(inbox.name)),
                None if follower.is_ending() => {
                    return Err(ApiError::Unsafe("the server ends".to_owned()));
                }
                None if !follower.may_follow().await => return Err(revoked()),
                None => return Err(ApiError::NoneCame(seconds)),
            }
        }
    };
    // It may have been revoked between the question and the look.
    if !follower.may_follow().await {
        return Err(revoked());
    }
    let sizes: Vec<u64> = found.iter().map(|item| item.entry.size).collect();
    if !fit(&sizes) {
        let why = "the messages have more octets than one answer may; wait for fewer";
        return Err(ApiError::bad(why));
    }
    let mut messages = Vec::new();
    for item in found {
        messages.push(sandbox.whole(&inbox, item, wait.wanted.clone()).await?);
    }
    Ok(json!({ "message": messages.last(), "messages": messages }))
}

fn revoked() -> ApiError {
    ApiError::Forbidden("the token was revoked".to_owned())
}

/// Whether messages of these sizes go into one answer. One alone always does.
fn fit(sizes: &[u64]) -> bool {
    sizes.len() < 2 || sizes.iter().fold(0_u64, |sum, one| sum.saturating_add(*one)) <= ANSWER_MAX
}

/// The newest messages that are waited for, oldest first.
async fn look(sandbox: &Sandbox, inbox: &Inbox, wait: &Wait) -> Result<Vec<Item>, ApiError> {
    let page = Page { after: wait.after, ..Page::newest(wait.count) };
    let mut found = sandbox.find(inbox, wait.query.clone(), page).await?.items;
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_has_so_many_octets() {
        assert!(fit(&[]) && fit(&[u64::MAX]) && fit(&[ANSWER_MAX / 2; 2]));
        assert!(!fit(&[ANSWER_MAX / 2; 3]) && !fit(&[u64::MAX; 2]));
    }
}
