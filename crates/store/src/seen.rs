//! Messages of strangers, counted by day and by the domain that wants to hear of them.
//!
//! A row counts messages of which the same was found out. Reports are made of these rows, which go
//! when they are told; what nobody could be told goes after some days.

use mailwright_words::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    authentication::{Authentication, DkimFound, Published, SpfFound},
    engine::Tx,
    error::StoreError,
    params,
    transport::day,
};

/// What was found out of some messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Where the client was.
    pub ip: String,
    /// The author's domain.
    pub header_from: String,
    /// The domain of the reverse-path; empty for a null one.
    pub mail_from: String,
    /// The domain of the envelope's first recipient.
    pub to: String,
    /// Whether a signature of the author's domain was right.
    pub dkim_aligned: bool,
    /// Whether SPF of the author's domain was right.
    pub spf_aligned: bool,
    /// What was done: `none`, `quarantine` or `reject`.
    pub disposition: String,
    /// Why that is not what the domain asked for.
    pub instead: Option<String>,
    /// Each signature, without reasons.
    pub dkim: Vec<DkimFound>,
    /// SPF of the reverse-path, or of the client's name for a null one, without a reason.
    pub spf: Option<SpfFound>,
}

/// Messages of which the same was found out on a day, by the policy that was published then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What the domain had published.
    pub policy: Published,
    /// What was found out.
    pub seen: Seen,
    /// How many messages.
    pub count: u64,
}

/// Counts a message, if its author's domain has a policy.
///
/// Errors: those of the database; it cannot be written as text.
pub fn count(tx: &mut Tx<'_>, found: &Authentication, at: Timestamp) -> Result<(), StoreError> {
    let Some(dmarc) = &found.dmarc else { return Ok(()) };
    let (Some(domain), Some(policy)) = (&dmarc.record_at, &dmarc.published) else { return Ok(()) };
    let spf = found.spf.iter().find(|one| one.scope == "mfrom").or_else(|| found.spf.first());
    let bare = |one: &DkimFound| DkimFound { reason: String::new(), ..one.clone() };
    let seen = Seen {
        ip: found.ip.clone(),
        header_from: dmarc.domain.clone(),
        mail_from: found.mail_from.clone(),
        to: found.to.clone(),
        dkim_aligned: dmarc.dkim_aligned,
        spf_aligned: dmarc.spf_aligned,
        disposition: found.disposition.clone(),
        instead: found.instead.clone(),
        dkim: found.dkim.iter().filter(|one| !one.domain.is_empty()).map(bare).collect(),
        spf: spf.map(|one| SpfFound { reason: String::new(), ..one.clone() }),
    };
    let unwritten = |_error| StoreError::Corrupt("authentication");
    let policy = serde_json::to_string(policy).map_err(unwritten)?;
    let row = serde_json::to_string(&seen).map_err(unwritten)?;
    tx.execute(
        "INSERT INTO dmarc_seen (day, domain, policy, row, count)
         VALUES (:day, :domain, :policy, :row, 1)
         ON CONFLICT (day, domain, policy, row) DO UPDATE SET count = dmarc_seen.count + 1",
        params! { day: day(at), domain, policy: &policy, row: &row },
    )?;
    Ok(())
}

/// Days before `before` with domains that there is something to tell of, up to `limit` behind
/// `after`.
///
/// Errors: those of the database.
pub fn to_report(
    tx: &mut Tx<'_>,
    before: i64,
    after: &(i64, String),
    limit: usize,
) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query(
        "SELECT DISTINCT day, domain FROM dmarc_seen
         WHERE day < :before AND (day, domain) > (:day, :domain)
         ORDER BY day, domain LIMIT :limit",
        params! { before, day: after.0, domain: after.1.as_str(), limit },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What was seen of a domain on a day, up to `limit` rows, policy by policy.
///
/// Errors: those of the database.
pub fn of_day(
    tx: &mut Tx<'_>,
    (day, domain): (i64, &str),
    limit: usize,
) -> Result<Vec<Counted>, StoreError> {
    let rows: Vec<(String, String, i64)> = tx.query(
        "SELECT policy, row, count FROM dmarc_seen WHERE day = :day AND domain = :domain
         ORDER BY policy, row LIMIT :limit",
        params! { day, domain, limit },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let corrupt = |_error| StoreError::Corrupt("counted messages");
    let read = |(policy, row, count): (String, String, i64)| {
        Ok(Counted {
            policy: serde_json::from_str(&policy).map_err(corrupt)?,
            seen: serde_json::from_str(&row).map_err(corrupt)?,
            count: u64::try_from(count).unwrap_or(0),
        })
    };
    rows.into_iter().map(read).collect()
}

/// Forgets what was seen of a domain on a day: it is told, or nobody wants to know.
///
/// Errors: those of the database.
pub fn forget(tx: &mut Tx<'_>, (day, domain): (i64, &str)) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM dmarc_seen WHERE day = :day AND domain = :domain",
        params! { day, domain },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store, authentication::DmarcFound};

    const DAY: i64 = 86_400_000;

    fn found(ip: &str, domain: &str) -> Authentication {
        Authentication {
            ip: ip.to_owned(),
            dmarc: Some(DmarcFound {
                record_at: Some(domain.to_owned()),
                published: Some(Published::default()),
                ..DmarcFound::default()
            }),
            ..Authentication::default()
        }
    }

    #[test]
    fn the_same_is_counted_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let see = |one: &Authentication, day: i64| {
            let (one, at) = (one.clone(), Timestamp::new(day * DAY + 5));
            store.write_blocking(Lane::Quick, move |tx| count(tx, &one, at)).unwrap();
        };
        let (a, b) = (found("192.0.2.1", "a.example"), found("192.0.2.2", "a.example"));
        for one in [&a, &a, &b] {
            see(one, 3);
        }
        see(&found("192.0.2.1", "b.example"), 3);
        see(&a, 4);
        see(&Authentication::default(), 3);
        let due = |before: i64, day: i64, domain: &str| {
            let after = (day, domain.to_owned());
            store.read_blocking(move |tx| to_report(tx, before, &after, 9)).unwrap()
        };
        let is = |day: i64, domain: &str| (day, domain.to_owned());
        assert_eq!(due(4, 0, ""), [is(3, "a.example"), is(3, "b.example")]);
        assert_eq!(due(4, 3, "a.example"), [is(3, "b.example")]);
        assert_eq!(
            (due(4, 3, "b.example"), due(5, 3, "b.example")),
            (vec![], vec![is(4, "a.example")])
        );
        let rows = store.read_blocking(|tx| of_day(tx, (3, "a.example"), 10)).unwrap();
        let counts: Vec<_> = rows.iter().map(|row| (row.seen.ip.as_str(), row.count)).collect();
        assert_eq!(counts, [("192.0.2.1", 2), ("192.0.2.2", 1)]);
        store.write_blocking(Lane::Bulk, |tx| forget(tx, (3, "a.example"))).unwrap();
        assert_eq!(due(5, 0, ""), [is(3, "b.example"), is(4, "a.example")]);
    }
}
