//! What is done to messages of an inbox: read, tagged, deleted; one or all that a query finds.

use mailwright_directory::Inbox;
use mailwright_store::{
    Lane, Tx, capture,
    mailbox::{Change, How, change_flags, expunge},
};
use mailwright_view::{Flags, NumberSet};
use mailwright_words::Id;

use super::{
    ApiError, Inner,
    find::{PAGE_MAX, Page},
    query::Query,
};

/// Messages that one write changes.
const CHUNK: usize = 500;
/// Messages that a request names.
const IDS_MAX: usize = 10_000;
/// Tags of a message.
const TAGS_MAX: usize = 50;
/// Characters of a tag.
const TAG_MAX: usize = 100;

/// Ids that a request names; it may name so many.
///
/// Errors: there are too many.
pub(crate) fn some(ids: &[String]) -> Result<&[String], ApiError> {
    if ids.len() > IDS_MAX {
        return Err(ApiError::bad(format!("a request names {IDS_MAX} messages at most")));
    }
    Ok(ids)
}

/// The tags that `given` are: trimmed, each once, in no case of letters twice.
///
/// Errors: one is none, or there are too many.
pub(crate) fn tags_of(given: &[String]) -> Result<Vec<String>, ApiError> {
    let mut tags: Vec<String> = Vec::new();
    for tag in given.iter().map(|tag| tag.split_whitespace().collect::<Vec<_>>().join(" ")) {
        if tag.is_empty() || tag.chars().count() > TAG_MAX || tag.contains(char::is_control) {
            return Err(ApiError::bad("a tag has 1 to 100 characters"));
        }
        if !tags.iter().any(|known| known.eq_ignore_ascii_case(&tag)) {
            tags.push(tag);
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(ApiError::bad("a message has 50 tags at most"));
    }
    Ok(tags)
}

impl Inner {
    /// Deletes the messages with these numbers.
    pub(crate) async fn delete(&self, inbox: &Inbox, uids: NumberSet) -> Result<u64, ApiError> {
        let (mailbox, now) = (inbox.mailbox, self.now());
        let mut sum = 0_u64;
        loop {
            let uids = uids.clone();
            let some =
                move |tx: &mut Tx<'_>| Ok(expunge(tx, mailbox, (&uids, false), CHUNK, now)?.len());
            let gone = self.store().write(Lane::Quick, some).await?;
            sum = sum.saturating_add(gone);
            if gone == 0 {
                return Ok(sum);
            }
        }
    }

    /// Deletes what a query finds.
    pub(crate) async fn delete_found(&self, inbox: &Inbox, query: &Query) -> Result<u64, ApiError> {
        if query.is_all() {
            return self.delete(inbox, NumberSet::range(1..=u32::MAX)).await;
        }
        let mut sum = 0_u64;
        for uids in self.numbers(inbox, query).await? {
            sum = sum.saturating_add(self.delete(inbox, uids).await?);
        }
        Ok(sum)
    }

    /// Marks messages as read, or as not read.
    pub(crate) async fn mark(
        &self,
        inbox: &Inbox,
        uids: NumberSet,
        read: bool,
    ) -> Result<(), ApiError> {
        let (mailbox, how) = (inbox.mailbox, if read { How::Add } else { How::Remove });
        let write = move |tx: &mut Tx<'_>| {
            let change = Change { how, system: Flags::SEEN, keywords: Vec::new() };
            change_flags(tx, mailbox, &uids, &change, None).map(drop)
        };
        self.store().write_relaxed(write).await?;
        Ok(())
    }

    /// Marks what a query finds.
    pub(crate) async fn mark_found(
        &self,
        inbox: &Inbox,
        query: &Query,
        read: bool,
    ) -> Result<(), ApiError> {
        for uids in self.numbers(inbox, query).await? {
            self.mark(inbox, uids, read).await?;
        }
        Ok(())
    }

    /// Gives messages these tags in place of those they have.
    pub(crate) async fn tag(&self, ids: Vec<Id>, tags: Vec<String>) -> Result<(), ApiError> {
        for some in ids.chunks(CHUNK) {
            let (some, tags) = (some.to_vec(), tags.clone());
            self.write(move |tx| some.iter().try_for_each(|id| capture::set_tags(tx, *id, &tags)))
                .await?;
        }
        Ok(())
    }

    /// The numbers of what a query finds, in chunks.
    async fn numbers(&self, inbox: &Inbox, query: &Query) -> Result<Vec<NumberSet>, ApiError> {
        let (mut chunks, mut before) = (Vec::new(), u32::MAX);
        loop {
            let page = Page { before, ..Page::newest(PAGE_MAX) };
            let found = self.find(inbox, query.clone(), page).await?;
            let Some(last) = found.items.last() else { return Ok(chunks) };
            before = last.entry.uid;
            let numbers: Vec<u32> = found.items.iter().map(|item| item.entry.uid).collect();
            chunks.extend(numbers.chunks(CHUNK).map(|some| some.iter().copied().collect()));
        }
    }
}
