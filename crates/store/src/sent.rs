//! Daily reports that went, so that none goes twice.
//!
//! A row is written in the transaction that makes the report's message durable, and a report is
//! sent only if it has none. Rows outlive what they tell of by some days: whoever read that before
//! it was forgotten still finds them.

use crate::{engine::Tx, error::StoreError, params};

/// A report to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What kind of report.
    pub kind: &'static str,
    /// The day it is about, counted from 1970.
    pub day: i64,
    /// The domain it is about.
    pub domain: String,
    /// Its name, the same however often it is made.
    pub report: String,
    /// Where it went.
    pub place: String,
}

/// Whether a report went before.
///
/// Errors: those of the database.
pub fn is_sent(tx: &mut Tx<'_>, sent: &Sent) -> Result<bool, StoreError> {
    let Sent { kind, day, domain, report, place } = sent;
    let found: Option<i64> = tx.query_opt(
        "SELECT day FROM report_sent WHERE day = :day AND domain = :domain AND kind = :kind
             AND report = :report AND place = :place",
        params! { day: *day, domain, kind: *kind, report, place },
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Writes down that a report goes.
///
/// Errors: [`StoreError::Exists`] when it went before; those of the database.
pub fn note(tx: &mut Tx<'_>, sent: &Sent) -> Result<(), StoreError> {
    let Sent { kind, day, domain, report, place } = sent;
    let rows = tx.execute(
        "INSERT INTO report_sent (kind, day, domain, report, place)
         VALUES (:kind, :day, :domain, :report, :place) ON CONFLICT DO NOTHING",
        params! { kind: *kind, day: *day, domain, report, place },
    )?;
    if rows == 0 { Err(StoreError::Exists("report")) } else { Ok(()) }
}

/// Forgets up to 500 reports about days before `before`, and says how many.
///
/// Errors: those of the database.
pub fn forget_before(tx: &mut Tx<'_>, before: i64) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM report_sent WHERE (day, domain, kind, report, place) IN
             (SELECT day, domain, kind, report, place FROM report_sent WHERE day < :before
              LIMIT 500)",
        params! { before },
    )
}

#[cfg(test)]
mod tests {
    use mailwright_words::{Address, Envelope, Recipient, ReversePath, Timestamp};

    use super::*;
    use crate::{
        Lane, Options, Store,
        spool::{self, Accepted, Class, Content, Origin, SpoolError, Terms},
    };

    fn sent(report: &str) -> Sent {
        Sent {
            kind: "tls",
            day: 3,
            domain: "x.example".to_owned(),
            report: report.to_owned(),
            place: "d@x.example".to_owned(),
        }
    }

    /// Makes a message durable that carries a report.
    async fn send(store: &Store, report: &str) -> Result<(), SpoolError> {
        let at = Timestamp::new(9);
        let mut writer = store.body(at);
        writer.push(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        let body = writer.finish().await.unwrap();
        let to = Recipient::new(Address::parse("d@x.example").unwrap());
        let accepted = Accepted {
            envelope: Envelope::new(ReversePath::Null, vec![to]),
            classes: vec![Class::Relay { site: "x.example".to_owned() }],
            head: Vec::new(),
            head_skip: 0,
            content: Content::New(body),
            origin: Origin { sent: Some(sent(report)), ..Origin::default() },
            terms: Terms::new(at, at),
        };
        spool::commit(store, accepted).await.map(drop)
    }

    #[tokio::test]
    async fn a_report_and_that_it_went_are_stored_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let count = |store: &Store| -> i64 {
            let count = "SELECT count(*) FROM spool";
            store.read_blocking(|tx| tx.query_one(count, &[], |row| row.get(0))).unwrap()
        };
        let knows = |store: &Store, report: &str| {
            let sent = sent(report);
            store.read_blocking(move |tx| is_sent(tx, &sent)).unwrap()
        };
        let store = open();
        assert!(!knows(&store, "a"));
        send(&store, "a").await.unwrap();
        assert!(knows(&store, "a") && !knows(&store, "b"));
        let again = send(&store, "a").await;
        assert!(matches!(again, Err(SpoolError::Store(StoreError::Exists(_)))), "{again:?}");
        assert_eq!(count(&store), 1, "of the second one nothing stays");
        drop(store);
        let store = open();
        assert!(knows(&store, "a") && send(&store, "a").await.is_err());
        send(&store, "b").await.unwrap();
        assert_eq!(count(&store), 2);
        for (before, gone) in [(3, 0), (4, 2)] {
            let forget = move |tx: &mut Tx<'_>| forget_before(tx, before);
            assert_eq!(store.write(Lane::Bulk, forget).await.unwrap(), gone);
        }
        assert!(!knows(&store, "a"));
    }
}
