//! Rendering behind the back of deliveries: what was just delivered is rendered within moments.
//!
//! A delivery does not wait for it. A message that is asked for before, or that was forgotten in a
//! restart or in a flood, is rendered when it is asked for.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mailwright_mime::{Rendered, render};
use mailwright_words::Id;
use tokio::sync::Notify;

use crate::{
    Lane, StoreError,
    engine::Tx,
    mailbox::{content::LARGE, copy, meta},
    store::Store,
};

/// Messages that wait, at most.
const WAITING_MAX: usize = 100_000;
/// Messages that are rendered at a time, and kept in one transaction.
const AT_A_TIME: usize = 64;

/// Messages that were delivered and not rendered.
#[derive(Default)]
pub(crate) struct Late {
    waiting: Mutex<VecDeque<Id>>,
    more: Notify,
}

impl Late {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Id>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what a commit delivered; past the limit it is left out.
    pub(crate) fn put(&self, messages: Vec<Id>) {
        if messages.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let room = WAITING_MAX.saturating_sub(waiting.len());
        waiting.extend(messages.into_iter().take(room));
        drop(waiting);
        self.more.notify_one();
    }

    fn take(&self) -> Vec<Id> {
        let mut waiting = self.lock();
        let count = waiting.len().min(AT_A_TIME);
        waiting.drain(..count).collect()
    }
}

impl Store {
    /// Renders what is delivered, as long as it is waited for.
    pub async fn render_delivered(&self) {
        loop {
            let messages = self.late().take();
            if messages.is_empty() {
                self.late().more.notified().await;
                continue;
            }
            if let Err(error) = self.render_some(messages).await {
                tracing::warn!(%error, "Messages are rendered later.");
            }
        }
    }

    /// Renders these messages anew, but for large ones.
    pub(crate) async fn render_some(&self, messages: Vec<Id>) -> Result<(), StoreError> {
        let rendered = self
            .off_thread(move |store| {
                let each = messages.into_iter().map(|id| Ok((id, store.rendered_small(id)?)));
                each.collect::<Result<Vec<_>, StoreError>>()
            })
            .await?;
        let keep = move |tx: &mut Tx<'_>| {
            for (message, rendered) in &rendered {
                if let Some(rendered) = rendered
                    && copy(tx, *message)?.is_some()
                {
                    meta::keep(tx, *message, rendered)?;
                }
            }
            Ok(())
        };
        self.write_in(Lane::Bulk, keep).await
    }

    /// What is shown of a message; `None` for one that is gone, or large.
    fn rendered_small(&self, message: Id) -> Result<Option<Rendered>, StoreError> {
        let content = self.content(message)?.filter(|content| content.len() <= LARGE);
        content.map(|content| Ok(render(&content.whole()?))).transpose()
    }
}
