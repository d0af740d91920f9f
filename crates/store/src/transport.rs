//! What is known of the roads to other servers: their domains' policies, and how sessions went.

use mailwright_words::Timestamp;

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// An MTA-STS policy that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRow {
    /// Whose.
    pub domain: String,
    /// Its name in the DNS at that time.
    pub id: String,
    /// Its text.
    pub text: String,
    /// When it was fetched.
    pub fetched: Timestamp,
    /// Until when it holds.
    pub expires: Timestamp,
}

fn read_policy(row: &Row<'_>) -> Result<StsRow, StoreError> {
    Ok(StsRow {
        domain: row.get(0)?,
        id: row.get(1)?,
        text: row.get(2)?,
        fetched: row.get(3)?,
        expires: row.get(4)?,
    })
}

/// The policy of a domain, also one that is out of date.
pub fn policy(tx: &mut Tx<'_>, domain: &str) -> Result<Option<StsRow>, StoreError> {
    tx.query_opt(
        "SELECT domain, id, text, fetched, expires FROM sts_policy WHERE domain = :domain",
        params! { domain },
        read_policy,
    )
}

/// Up to `limit` policies that were fetched before `before`, the oldest first.
pub fn policies_before(
    tx: &mut Tx<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<StsRow>, StoreError> {
    tx.query(
        "SELECT domain, id, text, fetched, expires FROM sts_policy
         WHERE fetched < :before ORDER BY fetched LIMIT :limit",
        params! { before, limit },
        read_policy,
    )
}

/// Keeps a policy in place of the domain's former one.
pub fn keep_policy(tx: &mut Tx<'_>, row: &StsRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sts_policy (domain, id, text, fetched, expires)
         VALUES (:domain, :id, :text, :fetched, :expires)
         ON CONFLICT (domain) DO UPDATE SET id = excluded.id, text = excluded.text,
             fetched = excluded.fetched, expires = excluded.expires",
        params! { domain: &row.domain, id: &row.id, text: &row.text, fetched: row.fetched,
        expires: row.expires },
    )?;
    Ok(())
}

/// Forgets up to 1,000 policies that were out of date before `before`.
pub fn forget_policies(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM sts_policy WHERE domain IN
             (SELECT domain FROM sts_policy WHERE expires < :before LIMIT 1000)",
        params! { before },
    )
}

/// Sessions of one kind with one server on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Days since 1970.
    pub day: i64,
    /// Whose mail.
    pub domain: String,
    /// What the domain had published, as its writer puts it.
    pub policy: String,
    /// The server.
    pub host: String,
    /// Its address.
    pub address: String,
    /// What was wrong; empty for nothing.
    pub failure: String,
    /// How many.
    pub count: u64,
}

/// The day of a moment, as [`SessionRow`] counts them.
pub const fn day(at: Timestamp) -> i64 {
    at.ms().div_euclid(DAY)
}

/// The first moment of a day.
pub const fn day_begins(day: i64) -> Timestamp {
    Timestamp::new(day.saturating_mul(DAY))
}

/// Adds to what was counted.
pub fn count_sessions(tx: &mut Tx<'_>, rows: &[SessionRow]) -> Result<(), StoreError> {
    for row in rows {
        tx.execute(
            "INSERT INTO tls_session (day, domain, policy, host, address, failure, count)
             VALUES (:day, :domain, :policy, :host, :address, :failure, :count)
             ON CONFLICT (day, domain, policy, host, address, failure)
             DO UPDATE SET count = tls_session.count + excluded.count",
            params! { day: row.day, domain: &row.domain, policy: &row.policy, host: &row.host,
            address: &row.address, failure: &row.failure,
            count: i64::try_from(row.count).unwrap_or(i64::MAX) },
        )?;
    }
    Ok(())
}

/// Days before `before` with domains that had sessions on them, up to `limit` behind `after`.
pub fn to_report(
    tx: &mut Tx<'_>,
    before: i64,
    after: &(i64, String),
    limit: usize,
) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query(
        "SELECT DISTINCT day, domain FROM tls_session
         WHERE day < :before AND (day > :day OR (day = :day AND domain > :domain))
         ORDER BY day, domain LIMIT :limit",
        params! { before, day: after.0, domain: after.1.as_str(), limit },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The sessions with a domain's servers on a day, up to `limit` rows.
pub fn sessions(
    tx: &mut Tx<'_>,
    (day, domain): (i64, &str),
    limit: usize,
) -> Result<Vec<SessionRow>, StoreError> {
    tx.query(
        "SELECT day, domain, policy, host, address, failure, count FROM tls_session
         WHERE day = :day AND domain = :domain ORDER BY policy, host, address, failure
         LIMIT :limit",
        params! { day, domain, limit },
        |row| {
            let count: i64 = row.get(6)?;
            Ok(SessionRow {
                day: row.get(0)?,
                domain: row.get(1)?,
                policy: row.get(2)?,
                host: row.get(3)?,
                address: row.get(4)?,
                failure: row.get(5)?,
                count: u64::try_from(count).unwrap_or(0),
            })
        },
    )
}

/// Forgets the sessions with a domain's servers on a day: they are reported, or nobody wants to
/// know.
pub fn forget_sessions(tx: &mut Tx<'_>, (day, domain): (i64, &str)) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM tls_session WHERE day = :day AND domain = :domain",
        params! { day, domain },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        (folder, store)
    }

    #[test]
    fn a_policy_takes_the_place_of_the_former_one() {
        let (_folder, store) = store();
        let row = |id: &str, at: i64| StsRow {
            domain: "x.example".to_owned(),
            id: id.to_owned(),
            text: "version: STSv1".to_owned(),
            fetched: Timestamp::new(at),
            expires: Timestamp::new(at + 100),
        };
        for (id, at) in [("1", 10), ("2", 20)] {
            let row = row(id, at);
            store.write_blocking(Lane::Bulk, move |tx| keep_policy(tx, &row)).unwrap();
        }
        let found = store.read_blocking(|tx| policy(tx, "x.example")).unwrap();
        assert_eq!(found, Some(row("2", 20)));
        assert_eq!(store.read_blocking(|tx| policy(tx, "y.example")).unwrap(), None);
        let older = |at| store.read_blocking(move |tx| policies_before(tx, Timestamp::new(at), 9));
        assert_eq!((older(20).unwrap().len(), older(21).unwrap().len()), (0, 1));
        let forget = |at| {
            store.write_blocking(Lane::Bulk, move |tx| forget_policies(tx, Timestamp::new(at)))
        };
        assert_eq!((forget(120).unwrap(), forget(121).unwrap()), (0, 1));
    }

    #[test]
    fn sessions_add_up_by_kind_and_go_when_they_are_reported() {
        let (_folder, store) = store();
        let row = |failure: &str, count| SessionRow {
            day: 3,
            domain: "x.example".to_owned(),
            policy: "{}".to_owned(),
            host: "mx.x.example".to_owned(),
            address: "192.0.2.1".to_owned(),
            failure: failure.to_owned(),
            count,
        };
        let rows = [row("", 2), row("tlsa-invalid", 1)];
        for _ in 0..2 {
            let rows = rows.clone();
            store.write_blocking(Lane::Bulk, move |tx| count_sessions(tx, &rows)).unwrap();
        }
        let behind = |before, after: (i64, &str)| {
            let after = (after.0, after.1.to_owned());
            store.read_blocking(move |tx| to_report(tx, before, &after, 10)).unwrap()
        };
        let next = |before| behind(before, (0, ""));
        assert_eq!(next(3), []);
        assert_eq!(next(4), [(3, "x.example".to_owned())]);
        assert_eq!(behind(4, (3, "w")), next(4));
        assert_eq!(behind(4, (3, "x.example")), []);
        let found = store.read_blocking(|tx| sessions(tx, (3, "x.example"), 10)).unwrap();
        assert_eq!(found, [row("", 4), row("tlsa-invalid", 2)]);
        let forget = |tx: &mut Tx<'_>| forget_sessions(tx, (3, "x.example"));
        store.write_blocking(Lane::Bulk, forget).unwrap();
        assert_eq!(next(4), []);
        assert_eq!(day(day_begins(20_000)), 20_000);
        assert_eq!(day(Timestamp::new(-1)), -1);
    }
}
