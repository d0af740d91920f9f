//! Inboxes of the sandbox: made on first use or by command, bounded in number, gone in time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailwright_sasl::Secret;
use mailwright_store::capture::{self, Inbox, NewInbox};
use mailwright_store::directory::{
    self as row, AddressKind, Credential, CredentialKind, NewAddress,
};
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::{Address, Id, Timestamp};

use crate::password::{self, Stored};
use crate::scram::{self, salts};
use crate::{Directory, DirectoryError};

/// The inbox of those who name none.
pub const DEFAULT_INBOX: &str = "default";
/// Longest name of an inbox, in octets.
const NAME_MAX: usize = 200;

/// The inboxes that were asked for lately, by name.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, Id>>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the inbox that a client means by `text`: without blanks at its ends, in lower case.
/// Nothing when it cannot be one.
pub fn inbox_name(text: &str) -> Option<String> {
    let name = text.trim().to_lowercase();
    let is_one = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(char::is_control);
    is_one.then_some(name)
}

impl Directory {
    /// The inbox of that name, which is made when there is none.
    ///
    /// Errors: there are too many, an account has the name, or the store does not answer.
    pub async fn inbox(&self, name: &str, now: Timestamp) -> Result<Id, DirectoryError> {
        let name = inbox_name(name).ok_or(DirectoryError::InboxName)?;
        if let Some(known) = self.0.inboxes.lock().get(&name).copied() {
            return Ok(known);
        }
        let found = match self.find_inbox(&name).await? {
            Some(found) => found,
            None => match self.make_inbox(&name, None, now).await {
                // Another client was quicker.
                Err(StoreError::Exists(_)) => {
                    self.find_inbox(&name).await?.ok_or(StoreError::Exists("account"))?
                }
                made => made?,
            },
        };
        self.0.inboxes.lock().insert(name, found.principal);
        Ok(found.principal)
    }

    /// The inbox of that name, if there is one.
    ///
    /// Errors: the store does not answer.
    pub async fn known_inbox(&self, name: &str) -> Result<Option<Id>, StoreError> {
        let Some(name) = inbox_name(name) else { return Ok(None) };
        if let Some(known) = self.0.inboxes.lock().get(&name).copied() {
            return Ok(Some(known));
        }
        let found = self.find_inbox(&name).await?.map(|found| found.principal);
        if let Some(found) = found {
            self.0.inboxes.lock().insert(name, found);
        }
        Ok(found)
    }

    /// The inbox of that name.
    ///
    /// Errors: the store does not answer.
    pub async fn find_inbox(&self, name: &str) -> Result<Option<Inbox>, StoreError> {
        let Some(name) = inbox_name(name) else { return Ok(None) };
        self.0.store.look(|tx| capture::inbox_named(tx, &name)).await
    }

    /// Every inbox, oldest first.
    ///
    /// Errors: the store does not answer.
    pub async fn inboxes(&self) -> Result<Vec<Inbox>, StoreError> {
        self.0.store.look(capture::inboxes).await
    }

    /// Makes an inbox that goes by itself after `lifetime`; without a name it gets one. Its
    /// password is given out this once.
    ///
    /// Errors: the name is taken or is none, there are too many, or the store does not answer.
    pub async fn add_inbox(
        &self,
        name: Option<&str>,
        lifetime: Option<Duration>,
        now: Timestamp,
    ) -> Result<(Inbox, Secret), DirectoryError> {
        let name = match name {
            Some(name) => inbox_name(name).ok_or(DirectoryError::InboxName)?,
            None => format!("inbox-{}", self.id(now)),
        };
        let made = self.make_inbox(&name, lifetime.map(|time| now.plus(time)), now).await?;
        let secret = self.set_inbox_password(&made, now).await?;
        tracing::info!(inbox = name, "Inbox added.");
        Ok((made, secret))
    }

    /// Gives an inbox a new password in place of the one it has.
    ///
    /// Errors: the store does not answer, or the system gives no random numbers.
    pub async fn set_inbox_password(
        &self,
        inbox: &Inbox,
        now: Timestamp,
    ) -> Result<Secret, DirectoryError> {
        let (id, text) = (inbox.principal, password::generate()?);
        let principal = self.0.store.look(|tx| row::principal(tx, id)).await?;
        let principal = principal.ok_or(StoreError::Missing("inbox"))?;
        let (owned, secret) = (salts(&principal), text.clone());
        let keys = self.0.checker.run(move || scram::keys(&owned, &secret)).await?;
        let credential = Credential {
            id: self.id(now),
            principal: id,
            kind: CredentialKind::Password,
            label: String::new(),
            hash: Stored::random(&text)?.as_str().to_owned(),
            keys,
            created: now,
            last_used: None,
        };
        let write = move |tx: &mut Tx<'_>| row::add_credential(tx, &credential);
        self.0.store.write(Lane::Quick, write).await?;
        Ok(Secret::new(text))
    }

    /// Has an inbox catch the mail of an address; its domain has to be one of ours.
    ///
    /// Errors: the address is taken, its domain is not ours, or the store does not answer.
    pub async fn add_inbox_address(
        &self,
        inbox: &Inbox,
        address: &Address,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = NewAddress {
            id: self.id(now),
            address: address.key(),
            domain: address.domain().to_string(),
            kind: AddressKind::Inbox,
            principal: Some(inbox.principal),
        };
        self.0.store.write(Lane::Quick, move |tx| row::add_address(tx, &new, now)).await
    }

    /// Removes an inbox with all that is in it.
    ///
    /// Errors: there is no such inbox, or the store does not answer. A crash on the way leaves one
    /// that nobody finds; the next [`expire_inboxes`](Self::expire_inboxes) goes on.
    pub async fn remove_inbox(&self, inbox: &Inbox, now: Timestamp) -> Result<(), StoreError> {
        let (id, store) = (inbox.principal, &self.0.store);
        self.0.inboxes.lock().clear();
        store.write(Lane::Quick, move |tx| row::set_disabled(tx, id, true)).await?;
        self.0.inboxes.lock().clear();
        self.remove_principal(id, now).await?;
        tracing::info!(inbox = inbox.name, "Inbox removed.");
        Ok(())
    }

    /// Removes the inboxes whose time is over, and says how many.
    ///
    /// Errors: the store does not answer; the next call goes on.
    pub async fn expire_inboxes(&self, now: Timestamp) -> Result<usize, StoreError> {
        let expired = self.0.store.read(move |tx| capture::expired(tx, now)).await?;
        for inbox in &expired {
            self.remove_inbox(inbox, now).await?;
        }
        Ok(expired.len())
    }

    async fn make_inbox(
        &self,
        name: &str,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Inbox, StoreError> {
        let (principal, mailbox) = (self.id(now), self.id(now));
        let salts = [mailwright_sasl::scram::Hash::Sha1, mailwright_sasl::scram::Hash::Sha256]
            .map(|hash| scram::salt(&self.0.decoy, hash, name));
        let new = NewInbox { principal, mailbox, name: name.to_owned(), expires };
        let most = self.0.settings.now().inboxes_max;
        let write = move |tx: &mut Tx<'_>| {
            let made = capture::add_inbox(tx, &new, most, now)?;
            let [sha1, sha256] = &salts;
            row::set_salts(tx, principal, sha1, sha256)?;
            Ok(made)
        };
        self.0.store.write(Lane::Quick, write).await
    }
}
