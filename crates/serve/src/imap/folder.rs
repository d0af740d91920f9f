//! Folders: listed, counted, opened, made, renamed, deleted.

use mailwright_imap::{Answer, Folder, Opened, Quota, Refusal, SpecialUse, Status, Usage};
use mailwright_store::{
    Lane, StoreError, Tx,
    mailbox::{self, Fill, KEYWORDS_MAX},
};
use mailwright_view::NumberSet;

use super::conversation::{Conversation, Open, refusal};

impl Conversation {
    pub(super) async fn folders(&self) -> Result<Answer, Refusal> {
        let account = self.account()?;
        let names = self.read(move |tx| mailbox::named(tx, account)).await?;
        let folder = |named: mailbox::Named| Folder {
            name: named.name,
            mailbox: named.mailbox,
            special_use: named.special_use.as_deref().and_then(SpecialUse::named),
            subscribed: named.subscribed,
        };
        Ok(Answer::Folders(names.into_iter().map(folder).collect()))
    }

    pub(super) async fn statuses(&self, names: Vec<String>) -> Result<Answer, Refusal> {
        let account = self.account()?;
        let fills = self
            .read(move |tx| names.iter().map(|name| mailbox::fill(tx, account, name)).collect())
            .await?;
        let fills: Vec<Option<Fill>> = fills;
        Ok(Answer::Statuses(fills.into_iter().map(|fill| fill.map(status)).collect()))
    }

    pub(super) async fn select(
        &mut self,
        name: String,
        read_only: bool,
    ) -> Result<Answer, Refusal> {
        self.open = None;
        let account = self.account()?;
        let found = self.read(move |tx| mailbox::find(tx, account, &name)).await?;
        let id = found.ok_or(Refusal::NonExistent)?;
        let store = &self.door.store;
        let mut view = store.view(id).await.map_err(|error| refusal(&error))?;
        let snapshot = view.latest().ok_or(Refusal::NonExistent)?;
        let recent = if read_only { NumberSet::new() } else { store.claim_recent(&snapshot) };
        let asked_below = snapshot.identity().uidnext;
        self.open = Some(Open { view, read_only, asked_below });
        let more_keywords = snapshot.keywords().len() < KEYWORDS_MAX;
        Ok(Answer::Opened(Opened { snapshot, recent, read_only, more_keywords }))
    }

    pub(super) async fn vanished(
        &mut self,
        since: u64,
        uids: NumberSet,
    ) -> Result<Answer, Refusal> {
        let id = self.mailbox()?;
        let snapshot = self.open.as_mut().and_then(|open| open.view.latest());
        let snapshot = snapshot.ok_or(Refusal::NonExistent)?;
        let known = self.read(move |tx| mailbox::vanished(tx, id, since)).await?;
        let asked = match known {
            Some(gone) => gone.intersection(&uids),
            None => uids,
        };
        Ok(Answer::Vanished(mailbox::without_rows(&asked, &snapshot)))
    }

    pub(super) async fn create(
        &self,
        name: String,
        special_use: &[SpecialUse],
    ) -> Result<Answer, Refusal> {
        let (account, limits, now) = (self.account()?, self.door.limits(), self.door.clock.now());
        let store = self.door.store.clone();
        let special_use = match special_use {
            [] => None,
            // Mailboxes that show what others hold are not made here.
            [SpecialUse::All | SpecialUse::Flagged] | [_, _, ..] => return Err(Refusal::Cannot),
            [one] => Some(one.name()),
        };
        let create = move |tx: &mut Tx<'_>| {
            mailbox::create(tx, (account, &name), special_use, (store.ids(), limits), now)
        };
        Ok(Answer::Created { mailbox: self.write(create).await? })
    }

    pub(super) async fn delete(&self, name: String) -> Result<Answer, Refusal> {
        let account = self.account()?;
        self.write(move |tx| mailbox::delete_folder(tx, account, &name)).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn rename(&self, from: String, to: String) -> Result<Answer, Refusal> {
        let (account, limits, now) = (self.account()?, self.door.limits(), self.door.clock.now());
        let renamed = self.door.store.rename_folder((account, from, to), limits, now).await;
        renamed.map(|()| Answer::Done).map_err(|error| refusal(&error))
    }

    pub(super) async fn subscribe(
        &self,
        name: String,
        subscribed: bool,
    ) -> Result<Answer, Refusal> {
        let (account, limits) = (self.account()?, self.door.limits());
        let subscribe =
            move |tx: &mut Tx<'_>| mailbox::subscribe(tx, (account, &name), subscribed, limits);
        self.write(subscribe).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn quota(&self) -> Result<Answer, Refusal> {
        let account = self.account()?;
        let (used, limit, messages) = self.read(move |tx| mailbox::usage(tx, account)).await?;
        Ok(Answer::Quota(Quota {
            storage: Usage { used, limit },
            messages: Usage { used: messages, limit: None },
        }))
    }

    /// Reads rows of the store.
    pub(super) async fn read<T, F>(&self, closure: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.door.store.read(closure).await.map_err(|error| refusal(&error))
    }

    /// Writes rows of the store; when it returns they are on stable storage.
    pub(super) async fn write<T, F>(&self, closure: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.door.store.write(Lane::Quick, closure).await.map_err(|error| refusal(&error))
    }
}

fn status(fill: Fill) -> Status {
    Status {
        mailbox: fill.mailbox,
        messages: fill.total,
        recent: fill.recent,
        unseen: fill.unseen,
        deleted: fill.deleted,
        uidnext: fill.uidnext,
        uidvalidity: fill.uidvalidity,
        highest_modseq: fill.highest_modseq,
        bytes: fill.bytes,
        deleted_bytes: fill.deleted_bytes,
    }
}
