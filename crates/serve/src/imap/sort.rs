//! SORT: the rows that match, by what their messages say.
//!
//! Source: RFC 5256 section 3, RFC 5957.

use std::{cmp::Ordering, sync::Arc};

use mailwright_imap::{Answer, Criterion, Program, Refusal, SortKey};
use mailwright_mime::{CommonHeaders, Rendered, first_display, first_mailbox, fold_case};
use mailwright_store::{Store, StoreError, mailbox::Wanted};
use mailwright_view::{Row, Snapshot};
use mailwright_words::Id;

use super::conversation::{Conversation, refusal};

/// Messages that are read in one go.
const ROWS: usize = 4096;

impl Conversation {
    pub(super) async fn sort(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
        keys: Vec<SortKey>,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, program).await?;
        let of_rows = |key: &SortKey| matches!(key.by, Criterion::Arrival | Criterion::Size);
        let mailbox = snapshot.identity().mailbox;
        let mut sorted: Vec<(Vec<Value>, u32)> = Vec::with_capacity(rows.len());
        if keys.iter().all(of_rows) {
            let values = |row: &Row| keys.iter().map(|key| value(key.by, row, None)).collect();
            sorted.extend(rows.iter().map(|row| (values(row), row.uid)));
        } else {
            for some in rows.chunks(ROWS) {
                let (some, by) = (some.to_vec(), keys.clone());
                let read =
                    self.door.store.off_thread(move |store| values(store, mailbox, &some, &by));
                sorted.extend(read.await.map_err(|error| refusal(&error))?);
            }
        }
        sorted.sort_unstable_by(|(ours, uid), (theirs, other)| {
            let pairs = ours.iter().zip(theirs).zip(&keys);
            let each = pairs.map(|((ours, theirs), key)| {
                let order = ours.cmp(theirs);
                if key.reverse { order.reverse() } else { order }
            });
            each.fold(Ordering::Equal, Ordering::then).then(uid.cmp(other))
        });
        Ok(Answer::Sorted(sorted.into_iter().map(|(_, uid)| uid).collect()))
    }
}

/// What a key compares.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
}

fn values(
    store: &Store,
    mailbox: Id,
    rows: &[Row],
    keys: &[SortKey],
) -> Result<Vec<(Vec<Value>, u32)>, StoreError> {
    let wanted = Wanted { headers: true, order: true, ..Wanted::default() };
    let rendered = store.rendered(mailbox, rows, wanted)?;
    let each = rows.iter().zip(rendered).map(|(row, rendered)| {
        let values = keys.iter().map(|key| value(key.by, row, rendered.as_ref())).collect();
        (values, row.uid)
    });
    Ok(each.collect())
}

fn value(by: Criterion, row: &Row, rendered: Option<&Rendered>) -> Value {
    let field = |name: &str, read: fn(&[u8]) -> Option<String>| {
        let headers = rendered.and_then(|rendered| CommonHeaders::from_bytes(&rendered.headers));
        let text = headers.and_then(|headers| headers.value(name.as_bytes()).and_then(read));
        Value::Text(fold_case(&text.unwrap_or_default()))
    };
    match by {
        Criterion::Arrival => Value::Number(row.internal_date.ms()),
        Criterion::Size => Value::Number(i64::try_from(row.size).unwrap_or(i64::MAX)),
        Criterion::Date => Value::Number(sent(row, rendered)),
        Criterion::Subject => {
            Value::Text(rendered.map_or_else(String::new, |rendered| rendered.base_subject.clone()))
        }
        Criterion::From => field("From", first_mailbox),
        Criterion::To => field("To", first_mailbox),
        Criterion::Cc => field("Cc", first_mailbox),
        Criterion::DisplayFrom => field("From", first_display),
        Criterion::DisplayTo => field("To", first_display),
    }
}

/// When a message was sent, in epoch milliseconds; when it came, if it does not say.
pub(super) fn sent(row: &Row, rendered: Option<&Rendered>) -> i64 {
    let sent = rendered.and_then(|rendered| rendered.sent.as_ref());
    sent.map_or(row.internal_date, |sent| sent.at).ms()
}
