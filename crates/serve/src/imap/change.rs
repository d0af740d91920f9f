//! Changes of the open mailbox, and messages that are appended.

use mailwright_imap::{self as imap, Answer, Message, Refusal};
use mailwright_mime::render;
use mailwright_store::{
    body::BodyWriter,
    mailbox::{self, Append, Change, How, Transfer},
};
use mailwright_view::NumberSet;
use mailwright_words::Id;

use super::conversation::{Conversation, refusal};

/// Ranges that one transaction changes.
const RANGES: usize = 500;
/// Messages that one transaction expunges.
const EXPUNGED: usize = 5000;

/// What is being appended.
#[derive(Debug)]
pub(super) struct Appending {
    mailbox: Id,
    whole: Vec<Append>,
    begun: Option<(Message, BodyWriter)>,
}

impl Conversation {
    pub(super) async fn store(
        &mut self,
        uids: NumberSet,
        change: imap::Change,
        unchanged_since: Option<u64>,
    ) -> Result<Answer, Refusal> {
        let id = self.mailbox()?;
        let change = of_store(change);
        let mut modified = NumberSet::new();
        let ranges: Vec<_> = uids.ranges().collect();
        for some in ranges.chunks(RANGES) {
            let mut uids = NumberSet::new();
            for range in some {
                uids.insert(range.clone());
            }
            let change = change.clone();
            let kept = self.door.store.write_relaxed(move |tx| {
                mailbox::change_flags(tx, id, &uids, &change, unchanged_since)
            });
            let kept = kept.await.map_err(|error| refusal(&error))?;
            for range in kept.ranges() {
                modified.insert(range);
            }
        }
        let snapshot = self.open.as_mut().and_then(|open| open.view.latest());
        Ok(Answer::Stored { snapshot: snapshot.ok_or(Refusal::NonExistent)?, modified })
    }

    pub(super) async fn expunge(&self, uids: Option<NumberSet>) -> Result<Answer, Refusal> {
        let (id, now) = (self.mailbox()?, self.door.clock.now());
        let uids = uids.unwrap_or_else(|| NumberSet::range(1..=u32::MAX));
        loop {
            let some = uids.clone();
            let gone = self
                .write(move |tx| mailbox::expunge(tx, id, (&some, true), EXPUNGED, now))
                .await?;
            if usize::try_from(gone.len()).unwrap_or(usize::MAX) < EXPUNGED {
                return Ok(Answer::Done);
            }
        }
    }

    pub(super) async fn copy(
        &self,
        uids: NumberSet,
        to: String,
        moves: bool,
    ) -> Result<Answer, Refusal> {
        let (account, id, now) = (self.account()?, self.mailbox()?, self.door.clock.now());
        let how = if moves { Transfer::Move } else { Transfer::Copy };
        let copied = self
            .write(move |tx| {
                let target = mailbox::find(tx, account, &to)?;
                let target = target.ok_or(mailwright_store::StoreError::Missing("mailbox"))?;
                mailbox::transfer(tx, (id, &uids), target, how, now)
            })
            .await?;
        let mailbox::Copied { uidvalidity, source, target } = copied;
        Ok(Answer::Copied { uidvalidity, source, target })
    }

    pub(super) async fn append_begin(&mut self, message: Message) -> Result<Answer, Refusal> {
        if self.appending.is_none() {
            let (account, name) = (self.account()?, message.mailbox.clone());
            let found = self.read(move |tx| mailbox::find(tx, account, &name)).await?;
            let mailbox = found.ok_or(Refusal::NonExistent)?;
            self.appending = Some(Box::new(Appending { mailbox, whole: Vec::new(), begun: None }));
        }
        self.append_end().await?;
        let writer = self.door.store.body(self.door.clock.now());
        let appending = self.appending.as_mut().ok_or(Refusal::ServerBug)?;
        appending.begun = Some((message, writer));
        Ok(Answer::Done)
    }

    pub(super) async fn append_chunk(&mut self, octets: &[u8]) -> Result<Answer, Refusal> {
        let begun = self.appending.as_mut().and_then(|appending| appending.begun.as_mut());
        let (_, writer) = begun.ok_or(Refusal::ServerBug)?;
        writer.push(octets).await.map_err(|error| refusal(&error))?;
        Ok(Answer::Done)
    }

    /// The message that began last is whole.
    async fn append_end(&mut self) -> Result<(), Refusal> {
        let now = self.door.clock.now();
        let Some(appending) = self.appending.as_mut() else { return Ok(()) };
        let Some((message, writer)) = appending.begun.take() else { return Ok(()) };
        let body = writer.finish().await.map_err(|error| refusal(&error))?;
        // A body that has outgrown memory is rendered when it is read for the first time.
        let rendered = body.in_memory().map(render);
        appending.whole.push(Append {
            body,
            system: message.system,
            keywords: message.keywords,
            internal_date: message.internal_date.unwrap_or(now),
            rendered,
        });
        Ok(())
    }

    pub(super) async fn append_commit(&mut self) -> Result<Answer, Refusal> {
        self.append_end().await?;
        let appending = self.appending.take().ok_or(Refusal::ServerBug)?;
        let Appending { mailbox, whole, .. } = *appending;
        let now = self.door.clock.now();
        let appended = self.door.store.append_messages(mailbox, whole, now).await;
        let mailbox::Appended { uidvalidity, uids } = appended.map_err(|error| refusal(&error))?;
        let (listener, account) = (&self.door.name, self.account.as_ref().map(|a| &a.name));
        tracing::debug!(listener, account, %uids, "Messages appended.");
        Ok(Answer::Appended { uidvalidity, uids })
    }
}

fn of_store(change: imap::Change) -> Change {
    let (how, system, keywords) = match change {
        imap::Change::Set { system, keywords } => (How::Set, system, keywords),
        imap::Change::Add { system, keywords } => (How::Add, system, keywords),
        imap::Change::Remove { system, keywords } => (How::Remove, system, keywords),
    };
    Change { how, system, keywords }
}
