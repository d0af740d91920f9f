//! Which inbox catches a message, and what is kept beside it there.
//!
//! Invariant: whoever comes to a sandbox listener, or logged in as an inbox, sends to inboxes and
//! to nowhere else, whomever the message is for.

use std::sync::Arc;

use mailwright_config::{InboxBy, Role};
use mailwright_directory::{DEFAULT_INBOX, DirectoryError, inbox_name};
use mailwright_store::capture::{self, Caught, Extract, inbox_addressed};
use mailwright_store::directory::principal;
use mailwright_store::spool::Class;
use mailwright_store::{StoreError, Tx};
use mailwright_words::{Address, Envelope, Id, Recipient, Timestamp};

use crate::refusal::Refusal;
use crate::target::Target;
use crate::{Client, Intake, magic};

impl Client {
    /// Whether all that it sends is caught.
    pub fn is_caught(&self) -> bool {
        let is_inbox = self.identity.as_ref().is_some_and(|identity| identity.is_inbox);
        self.role == Role::Sandbox || is_inbox
    }
}

impl Intake {
    /// The inbox that catches what `client` sends to `recipient`.
    ///
    /// Errors: there is no room for another inbox, or the store does not answer.
    pub(crate) async fn captured(
        &self,
        client: &Client,
        (recipient, size): (Recipient, Option<u64>),
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        let identity = client.identity.as_ref().filter(|identity| identity.is_inbox);
        let inbox = match identity {
            Some(identity) => identity.principal,
            None => self.inbox(&self.named(client, &recipient.address).await?, now).await?,
        };
        self.check_room(inbox, &recipient.address, size.unwrap_or(0)).await?;
        Ok(Target::captured(recipient, inbox))
    }

    /// Whether inboxes have room for a message of this size.
    ///
    /// Errors: one has not, or the store does not answer.
    pub(crate) async fn check_rooms(&self, targets: &[Target], size: u64) -> Result<(), Refusal> {
        if !self.any_settings().await {
            return Ok(());
        }
        for target in targets {
            for (recipient, class) in &target.direct {
                if let Class::Capture { inbox } = class {
                    self.check_room(*inbox, &recipient.address, size).await?;
                }
            }
        }
        Ok(())
    }

    async fn check_room(&self, inbox: Id, recipient: &Address, size: u64) -> Result<(), Refusal> {
        if !self.any_settings().await {
            return Ok(());
        }
        let lab = self.lab_or_none(inbox).await;
        let Some(most) = lab.and_then(|lab| lab.settings.octets_max) else { return Ok(()) };
        let owner = self.0.store.look(|tx| principal(tx, inbox)).await?;
        let used = owner.map_or(0, |owner| owner.used_bytes);
        if used.saturating_add(size.max(1)) > most {
            let recipient = recipient.to_string();
            return Err(Refusal::OverQuota { recipient, temporary: false });
        }
        Ok(())
    }

    /// The name of the inbox: that with this address at our own name, where no user names another,
    /// then by the first rule that gives one.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn named(
        &self,
        client: &Client,
        recipient: &Address,
    ) -> Result<String, StoreError> {
        let settings = self.0.settings.now();
        let has_user =
            client.session.username.is_some() && settings.inbox_by.contains(&InboxBy::User);
        if !has_user && *recipient.domain() == settings.host {
            let base = settings.separator.map(|separator| recipient.subaddress(separator).0);
            let local = base.as_ref().unwrap_or(recipient).local().to_lowercase();
            if let Some(name) = self.0.store.look(|tx| inbox_addressed(tx, &local)).await? {
                return Ok(name);
            }
        }
        let by = |rule: &InboxBy| {
            let text = match rule {
                InboxBy::User => client.session.username.clone(),
                // A name that says what is to become of its mail says nothing of an inbox.
                InboxBy::Tag if magic::of(recipient).is_some() => None,
                InboxBy::Tag => recipient.subaddress(settings.separator?).1.map(str::to_owned),
                InboxBy::Domain => Some(recipient.domain().to_string()),
            };
            inbox_name(&text?)
        };
        let named = settings.inbox_by.iter().find_map(by);
        Ok(named.unwrap_or_else(|| DEFAULT_INBOX.to_owned()))
    }

    /// The inbox of that name, made on its first use.
    ///
    /// Errors: there is no room for another, or the store does not answer.
    pub(crate) async fn inbox(&self, name: &str, now: Timestamp) -> Result<Id, Refusal> {
        self.0.directory.inbox(name, now).await.map_err(|error| match error {
            DirectoryError::Store(StoreError::Exists(_) | StoreError::Cannot(_))
            | DirectoryError::InboxName => Refusal::Inbox { name: name.to_owned() },
            DirectoryError::Store(error) => Refusal::Store(error),
            _ => Refusal::Internal("the inbox"),
        })
    }
}

/// What is kept of a message beside each copy of it that an inbox catches.
#[derive(Debug)]
pub(crate) struct Keepsake {
    caught: Caught,
    extract: Option<Arc<Extract>>,
}

impl Keepsake {
    /// What is kept; nothing where no inbox catches it. `bytes` are the message, where they are in
    /// memory.
    pub(crate) fn of(
        (envelope, classes): (&Envelope, &[Class]),
        client: &Client,
        bytes: Option<&[u8]>,
    ) -> Option<Self> {
        classes.iter().any(is_capture).then(|| {
            let caught = caught(envelope, classes, client);
            let extract = bytes.and_then(|bytes| Extract::of(bytes, &caught)).map(Arc::new);
            Self { caught, extract }
        })
    }

    /// What was drawn from the message.
    pub(crate) fn extract(&self) -> Option<Arc<Extract>> {
        self.extract.clone()
    }

    /// Keeps it beside a new copy in an inbox.
    pub(crate) fn keep(&self, tx: &mut Tx<'_>, inbox: Id, message: Id) -> Result<(), StoreError> {
        capture::keep(tx, (inbox, message), &self.caught, self.extract.as_deref())
    }
}

pub(crate) const fn is_capture(class: &Class) -> bool {
    matches!(class, Class::Capture { .. })
}

fn caught(envelope: &Envelope, classes: &[Class], client: &Client) -> Caught {
    let recipients = envelope.recipients.iter().zip(classes);
    let recipients = recipients.filter(|(_, class)| is_capture(class));
    Caught {
        sender: envelope.from.to_string(),
        recipients: recipients.map(|(recipient, _)| recipient.address.to_string()).collect(),
        peer: client.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        helo: client.hello.clone(),
        protocol: client.session.protocol.clone(),
        tls: client.tls.clone(),
        mechanism: client.session.mechanism.clone(),
        username: client.session.username.clone(),
        conversation: client.session.conversation.clone(),
    }
}
