//! Changes of the open mailbox, and messages that are appended.

use mailwright_imap::{self as imap, Answer, Message, Refusal};
use mailwright_mime::render;
use mailwright_store::{
    body::BodyWriter,
    mailbox::{self, Append, Change, How, Transfer},
};
use mailwright_view::{NumberSet, Snapshot};
use mailwright_words::Id;

use super::conversation::{Conversation, refusal};

/// Ranges, and messages in them, that one transaction changes.
const STORED: (usize, u32) = (500, 2000);
/// Messages that one transaction expunges.
const EXPUNGED: usize = 1000;

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
        let latest = self.open.as_mut().and_then(|open| open.view.latest());
        for uids in pieces(&uids, &latest.ok_or(Refusal::NonExistent)?, STORED) {
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
        let target = self.read(move |tx| mailbox::find(tx, account, &to)).await?;
        let target = target.ok_or(Refusal::NonExistent)?;
        let (copied, stopped) = match self.door.store.transfer((id, &uids), target, how, now).await
        {
            Ok(copied) => (copied, None),
            Err(halfway) => {
                let refusal = refusal(&halfway.error);
                (halfway.moved.ok_or(refusal)?, Some(refusal))
            }
        };
        let mailbox::Copied { uidvalidity, source, target } = copied;
        Ok(Answer::Copied { uidvalidity, source, target, stopped })
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

/// Parts a set so that each part has few ranges and few messages.
fn pieces(
    uids: &NumberSet,
    snapshot: &Snapshot,
    (ranges_max, rows_max): (usize, u32),
) -> Vec<NumberSet> {
    let mut pieces = vec![NumberSet::new()];
    let (mut ranges, mut rows) = (0, 0);
    for range in uids.ranges() {
        let (low, high) = range.into_inner();
        let mut low = Some(low);
        while let Some(first) = low {
            if ranges >= ranges_max || rows >= rows_max {
                pieces.push(NumberSet::new());
                (ranges, rows) = (0, 0);
            }
            let before = snapshot.rows_before(first);
            // The first message that is too much, if it is in this range.
            let beyond = snapshot.row(before.saturating_add(rows_max - rows).saturating_add(1));
            let beyond = beyond.map(|row| row.uid).filter(|uid| *uid <= high);
            let last = beyond.map_or(high, |uid| uid.saturating_sub(1));
            if let Some(piece) = pieces.last_mut() {
                piece.insert(first..=last);
            }
            ranges += 1;
            rows += snapshot.rows_before(last.saturating_add(1)).saturating_sub(before);
            low = beyond;
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn of_store(change: imap::Change) -> Change {
    let (how, system, keywords) = match change {
        imap::Change::Set { system, keywords } => (How::Set, system, keywords),
        imap::Change::Add { system, keywords } => (How::Add, system, keywords),
        imap::Change::Remove { system, keywords } => (How::Remove, system, keywords),
    };
    Change { how, system, keywords }
}

#[cfg(test)]
mod tests {
    use mailwright_view::{Flags, Identity, Row};
    use mailwright_words::Timestamp;

    use super::*;

    #[test]
    fn a_set_is_parted_by_ranges_and_messages() {
        let now = Timestamp::new(0);
        let row = |uid| Row {
            uid,
            flags: Flags::default(),
            message: Id::from_i64(1),
            modseq: 1,
            size: 1,
            internal_date: now,
            save_date: now,
        };
        let identity =
            Identity { mailbox: Id::from_i64(1), uidvalidity: 1, uidnext: 100, highest_modseq: 1 };
        let rows = (1..=5).chain(11..=15).chain([20]).map(row).collect();
        let snapshot = Snapshot::new(identity, Vec::new(), rows);
        let parted = |ranges: &[(u32, u32)]| {
            let mut set = NumberSet::new();
            for &(low, high) in ranges {
                set.insert(low..=high);
            }
            let parts = pieces(&set, &snapshot, (2, 4));
            parts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(parted(&[(1, u32::MAX)]), ["1:4", "5:13", "14:4294967295"]);
        assert_eq!(parted(&[(1, 1), (3, 3), (5, 5), (11, 11)]), ["1,3", "5,11"]);
        assert_eq!(parted(&[(6, 9), (30, 40)]), ["6:9,30:40"]);
        assert_eq!(parted(&[(2, 3), (5, 20)]), ["2:3,5:11", "12:19", "20"]);
        assert!(parted(&[]).is_empty());
    }
}
