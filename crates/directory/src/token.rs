//! Tokens of inboxes: each opens one inbox over HTTP, and nothing else.
//!
//! A token tells which row it is to be held against, so that none is searched for; the row has its
//! hash alone. It has a hundred random bits: guessing it is no matter of how often.

use mailwright_sasl::Secret;
use mailwright_store::capture::Inbox;
use mailwright_store::directory::{self as row, Credential, CredentialKind, Keys};
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::{Id, Timestamp};

use crate::login::USED_STEP;
use crate::password::{self, Stored};
use crate::{Directory, DirectoryError};

/// What every token begins with, so that one is known as such wherever it turns up.
const PREFIX: &str = "mwt_";
/// Tokens of an inbox.
const TOKENS_MAX: usize = 20;
/// Characters of a label.
const LABEL_MAX: usize = 64;

/// A token, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxToken {
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was used last, give or take some minutes.
    pub last_used: Option<Timestamp>,
}

/// Whether a text has the form of a token: what has it is one that counts, or worth nothing.
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Directory {
    /// Makes a token of an inbox, and gives it out this once.
    ///
    /// Errors: the label is taken or is none, there are too many, or the store does not answer.
    pub async fn add_inbox_token(
        &self,
        inbox: &Inbox,
        label: &str,
        now: Timestamp,
    ) -> Result<Secret, DirectoryError> {
        if label.is_empty() || label.chars().count() > LABEL_MAX || label.contains(char::is_control)
        {
            return Err(DirectoryError::Label);
        }
        let (id, principal) = (self.id(now), inbox.principal);
        let text = format!("{PREFIX}{id}_{}", password::generate()?);
        let credential = Credential {
            id,
            principal,
            kind: CredentialKind::Token,
            label: label.to_owned(),
            hash: Stored::random(&text)?.as_str().to_owned(),
            keys: Keys::default(),
            created: now,
            last_used: None,
        };
        let write = move |tx: &mut Tx<'_>| {
            let tokens = tokens(tx, principal)?;
            if tokens.iter().any(|one| one.label == credential.label) {
                return Err(StoreError::Exists("token"));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(StoreError::Cannot("the inbox has as many tokens as it may have"));
            }
            row::add_credential(tx, &credential)
        };
        self.0.store.write(Lane::Quick, write).await?;
        tracing::info!(inbox = inbox.name, label, "Token of an inbox added.");
        Ok(Secret::new(text))
    }

    /// The tokens of an inbox, oldest first.
    ///
    /// Errors: the store does not answer.
    pub async fn inbox_tokens(&self, inbox: &Inbox) -> Result<Vec<InboxToken>, StoreError> {
        let principal = inbox.principal;
        let all = self.0.store.look(|tx| tokens(tx, principal)).await?;
        let told = |one: Credential| InboxToken {
            label: one.label,
            created: one.created,
            last_used: one.last_used,
        };
        Ok(all.into_iter().map(told).collect())
    }

    /// Makes a token worthless, from the next request on.
    ///
    /// Errors: there is none of that label, or the store does not answer.
    pub async fn revoke_inbox_token(&self, inbox: &Inbox, label: &str) -> Result<(), StoreError> {
        let (principal, wanted) = (inbox.principal, label.to_owned());
        let write = move |tx: &mut Tx<'_>| {
            let found = tokens(tx, principal)?.into_iter().find(|one| one.label == wanted);
            row::remove_credential(tx, found.ok_or(StoreError::Missing("token"))?.id)
        };
        self.0.store.write(Lane::Quick, write).await?;
        tracing::info!(inbox = inbox.name, label, "Token of an inbox revoked.");
        Ok(())
    }

    /// The inbox that a token opens; none when it is worth nothing.
    ///
    /// Errors: the store does not answer.
    pub async fn inbox_of_token(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Id>, StoreError> {
        let number = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
        let Some(id) = number.and_then(|(number, _)| number.parse::<Id>().ok()) else {
            return Ok(None);
        };
        let found = self.0.store.look(|tx| row::inbox_token(tx, id)).await?;
        let Some(found) = found.filter(|row| Stored::from_row(row.hash.clone()).verify(text))
        else {
            return Ok(None);
        };
        if found.last_used.is_none_or(|last| now.since(last) >= USED_STEP) {
            let touch = move |tx: &mut Tx<'_>| row::touch_credential(tx, id, now);
            self.0.store.write_relaxed(touch).await?;
        }
        Ok(Some(found.principal))
    }
}

fn tokens(tx: &mut Tx<'_>, principal: Id) -> Result<Vec<Credential>, StoreError> {
    let mut all = row::credentials(tx, principal)?;
    all.retain(|one| one.kind == CredentialKind::Token);
    Ok(all)
}
