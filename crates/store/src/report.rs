//! Rows of reports that others send about mail in the name of our domains.
//!
//! A message that may hold one is noted in the commit that accepts it, and read in the background;
//! the note goes with the commit that keeps what was read, so that a crash loses no report.

use mailwright_words::{Id, Timestamp};

use crate::{
    body::BodyId,
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// A message that may hold reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportMail {
    /// Its octets.
    pub body: BodyId,
    /// When it came.
    pub arrived: Timestamp,
    /// The domain of its author; empty where nobody looked.
    pub author: String,
    /// Whether it passed DMARC.
    pub proven: bool,
    /// The message of ours that it is about, where the address it came to proves that.
    pub about: Option<Id>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Its number here; 0 before it has one.
    pub id: i64,
    /// `dmarc` or `tls`.
    pub kind: String,
    /// The domain of ours that it is about.
    pub domain: String,
    /// Who made it, as it says itself.
    pub organisation: String,
    /// How they are reached, as it says itself.
    pub contact: String,
    /// Their name for it.
    pub number: String,
    /// The first moment it is about.
    pub begins: Timestamp,
    /// The last one.
    pub ends: Timestamp,
    /// When it came.
    pub received: Timestamp,
    /// The domain of the message it came in.
    pub author: String,
    /// Whether that domain is proven.
    pub proven: bool,
    /// Messages or sessions that were right.
    pub passed: u64,
    /// Those that were not.
    pub failed: u64,
    /// All it tells, as JSON.
    pub content: String,
}

/// Which reports are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Of one kind.
    pub kind: Option<String>,
    /// About one domain.
    pub domain: Option<String>,
    /// How many, the newest first.
    pub limit: usize,
}

/// Notes a message that may hold reports.
pub fn note(tx: &mut Tx<'_>, mail: &ReportMail) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO report_mail (body, arrived, author, proven, about)
         VALUES (:body, :arrived, :author, :proven, :about) ON CONFLICT (body) DO NOTHING",
        params! { body: mail.body.get(), arrived: mail.arrived, author: &mail.author,
        proven: mail.proven, about: mail.about },
    )?;
    Ok(())
}

/// The first `limit` messages that are to be read.
pub fn noted(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<ReportMail>, StoreError> {
    tx.query(
        "SELECT body, arrived, author, proven, about FROM report_mail ORDER BY body LIMIT :limit",
        params! { limit },
        |row| {
            Ok(ReportMail {
                body: BodyId::from_i64(row.get(0)?),
                arrived: row.get(1)?,
                author: row.get(2)?,
                proven: row.get(3)?,
                about: row.get(4)?,
            })
        },
    )
}

/// Forgets the note of a message that was read.
pub fn forget(tx: &mut Tx<'_>, body: BodyId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM report_mail WHERE body = :body", params! { body: body.get() })?;
    Ok(())
}

/// Keeps a report; `false` when it was there already, since some come twice. One from a proven
/// domain takes the place of one from anybody: else a forged one, sent before, would keep it out.
pub fn keep(tx: &mut Tx<'_>, row: &ReportRow) -> Result<bool, StoreError> {
    let kept = tx.execute(
        "INSERT INTO report (kind, domain, organisation, contact, number, begins, ends, received,
             author, proven, passed, failed, content)
         VALUES (:kind, :domain, :organisation, :contact, :number, :begins, :ends, :received,
             :author, :proven, :passed, :failed, :content)
         ON CONFLICT (kind, domain, organisation, number) DO UPDATE SET
             contact = excluded.contact, begins = excluded.begins, ends = excluded.ends,
             received = excluded.received, author = excluded.author, proven = excluded.proven,
             passed = excluded.passed, failed = excluded.failed, content = excluded.content
             WHERE excluded.proven AND NOT report.proven",
        params! { kind: &row.kind, domain: &row.domain, organisation: &row.organisation,
        contact: &row.contact, number: &row.number, begins: row.begins, ends: row.ends,
        received: row.received, author: &row.author, proven: row.proven, passed: row.passed,
        failed: row.failed, content: &row.content },
    )?;
    Ok(kept > 0)
}

/// The reports that a filter lets through, without their content.
pub fn list(tx: &mut Tx<'_>, filter: &ReportFilter) -> Result<Vec<ReportRow>, StoreError> {
    tx.query(
        "SELECT id, kind, domain, organisation, contact, number, begins, ends, received, author,
             proven, passed, failed, '' FROM report
         WHERE (:kind IS NULL OR kind = :kind) AND (:domain IS NULL OR domain = :domain)
         ORDER BY received DESC, id DESC LIMIT :limit",
        params! { kind: filter.kind.as_deref(), domain: filter.domain.as_deref(),
        limit: filter.limit },
        read,
    )
}

/// One report, whole.
pub fn get(tx: &mut Tx<'_>, id: i64) -> Result<Option<ReportRow>, StoreError> {
    tx.query_opt(
        "SELECT id, kind, domain, organisation, contact, number, begins, ends, received, author,
             proven, passed, failed, content FROM report WHERE id = :id",
        params! { id },
        read,
    )
}

/// Removes up to 100 reports that came before a moment; says how many.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM report WHERE id IN
             (SELECT id FROM report WHERE received < :before LIMIT 100)",
        params! { before },
    )
}

fn read(row: &Row<'_>) -> Result<ReportRow, StoreError> {
    Ok(ReportRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        domain: row.get(2)?,
        organisation: row.get(3)?,
        contact: row.get(4)?,
        number: row.get(5)?,
        begins: row.get(6)?,
        ends: row.get(7)?,
        received: row.get(8)?,
        author: row.get(9)?,
        proven: row.get(10)?,
        passed: row.get(11)?,
        failed: row.get(12)?,
        content: row.get(13)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    fn at(ms: i64) -> Timestamp {
        Timestamp::new(ms)
    }

    fn row(number: &str, received: i64) -> ReportRow {
        ReportRow {
            id: 0,
            kind: "dmarc".to_owned(),
            domain: "example.com".to_owned(),
            organisation: "Receiver".to_owned(),
            contact: "dmarc@receiver.example".to_owned(),
            number: number.to_owned(),
            begins: at(0),
            ends: at(1),
            received: at(received),
            author: "receiver.example".to_owned(),
            proven: true,
            passed: 3,
            failed: 1,
            content: "{}".to_owned(),
        }
    }

    #[test]
    fn a_report_is_kept_once_and_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(0)).unwrap();
        let write = |row: ReportRow| store.write_blocking(Lane::Quick, move |tx| keep(tx, &row));
        assert!(write(row("a", 10)).unwrap() && write(row("b", 20)).unwrap());
        assert!(!write(row("a", 30)).unwrap(), "it came before");
        let filter = ReportFilter { limit: 10, ..ReportFilter::default() };
        let found = store.read_blocking(move |tx| list(tx, &filter)).unwrap();
        let numbers: Vec<&str> = found.iter().map(|row| row.number.as_str()).collect();
        assert_eq!(numbers, ["b", "a"]);
        let other =
            ReportFilter { domain: Some("other.example".to_owned()), limit: 10, kind: None };
        assert!(store.read_blocking(move |tx| list(tx, &other)).unwrap().is_empty());
        let id = found[0].id;
        let whole = store.read_blocking(move |tx| get(tx, id)).unwrap().unwrap();
        assert_eq!(whole, ReportRow { id, ..row("b", 20) });
        let gone = store.write_blocking(Lane::Bulk, |tx| prune(tx, at(15))).unwrap();
        assert_eq!(gone, 1);
    }

    #[test]
    fn a_report_that_is_not_proven_keeps_no_other_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(0)).unwrap();
        let write = |row: ReportRow| store.write_blocking(Lane::Quick, move |tx| keep(tx, &row));
        let forged = ReportRow {
            proven: false,
            author: "evil.example".to_owned(),
            content: "[]".to_owned(),
            failed: 1000,
            ..row("a", 10)
        };
        assert!(write(forged.clone()).unwrap());
        assert!(write(row("a", 20)).unwrap(), "it is proven");
        assert!(!write(ReportRow { received: at(30), ..forged }).unwrap());
        let whole = store.read_blocking(|tx| get(tx, 1)).unwrap().unwrap();
        assert_eq!(whole, ReportRow { id: 1, ..row("a", 20) });
    }

    #[test]
    fn a_message_is_noted_once_until_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(0)).unwrap();
        let mail = |number| ReportMail {
            body: BodyId::from_i64(number),
            arrived: at(5),
            author: String::new(),
            proven: false,
            about: (number == 2).then(|| Id::from_i64(7)),
        };
        for number in [1, 2, 1] {
            store.write_blocking(Lane::Quick, move |tx| note(tx, &mail(number))).unwrap();
        }
        let waiting = store.read_blocking(|tx| noted(tx, 10)).unwrap();
        assert_eq!(waiting, [mail(1), mail(2)]);
        let read = move |tx: &mut Tx<'_>| forget(tx, BodyId::from_i64(1));
        store.write_blocking(Lane::Quick, read).unwrap();
        assert_eq!(store.read_blocking(|tx| noted(tx, 10)).unwrap(), [mail(2)]);
    }
}
