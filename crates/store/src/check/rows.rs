//! The questions that rows are asked, and how each wrong answer is mended.

use mailwright_mime::VERSION;
use mailwright_words::{Id, Timestamp};

use crate::{body::BodyId, check::Flaw, engine::Tx, error::StoreError, mailbox::LARGE, params};

/// Rows that one question finds, at most.
const FOUND_MAX: usize = 100_000;

/// Mends one row.
type Mend = fn(&mut Tx<'_>, i64, Timestamp) -> Result<(), StoreError>;

/// A question whose every answer is a fault.
pub(super) struct Question {
    pub(super) flaw: Flaw,
    /// Gives the number of a row and words for its place.
    sql: &'static str,
    pub(super) mend: Option<Mend>,
}

/// In this order: what a later one recounts is right when it is asked.
pub(super) const QUESTIONS: &[Question] = &[
    Question {
        flaw: Flaw::Bodiless,
        sql: "SELECT id, 'message ' || id FROM message m
                  WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.id = m.body)
              UNION ALL SELECT id, 'queued message ' || id FROM spool s
                  WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.id = s.body) LIMIT :limit",
        mend: None,
    },
    Question {
        flaw: Flaw::Size,
        sql: "SELECT m.id, 'message ' || m.id FROM message m JOIN body b ON b.id = m.body
                  WHERE m.size <> length(m.head) + b.length - m.head_skip
              UNION ALL SELECT mm.message, 'message ' || mm.message || ' in folder ' || mm.mailbox
                  FROM mailbox_msg mm JOIN message m ON m.id = mm.message
                  WHERE mm.size <> m.size LIMIT :limit",
        mend: None,
    },
    Question {
        flaw: Flaw::Uses,
        sql: "SELECT b.id, 'body ' || b.id || ' counts ' || b.refs || ', used by '
                  || ifnull(u.uses, 0)
              FROM body b LEFT JOIN (SELECT body, count(*) AS uses
                  FROM (SELECT body FROM message UNION ALL SELECT body FROM spool) GROUP BY body) u
                  ON u.body = b.id
              WHERE b.refs <> ifnull(u.uses, 0) OR (b.refs = 0) <> (b.dead_since IS NOT NULL)
              LIMIT :limit",
        mend: Some(mend_uses),
    },
    Question {
        flaw: Flaw::Unfiled,
        sql: "SELECT id, 'message ' || id FROM message m
              WHERE NOT EXISTS (SELECT 1 FROM mailbox_msg mm WHERE mm.message = m.id)
                  AND NOT EXISTS (SELECT 1 FROM orphan o WHERE o.message = m.id) LIMIT :limit",
        mend: Some(mend_unfiled),
    },
    Question {
        flaw: Flaw::Counters,
        sql: "SELECT m.id, 'folder ' || m.name || ' of ' || p.name
              FROM mailbox m JOIN principal p ON p.id = m.account
                  LEFT JOIN (SELECT mailbox, count(*) AS total, sum(flags & 1 = 0) AS unseen,
                      sum(flags & 8 <> 0) AS deleted, sum(size) AS bytes, max(uid) AS uid,
                      max(modseq) AS modseq FROM mailbox_msg GROUP BY mailbox) r
                  ON r.mailbox = m.id
              WHERE m.dead = 0 AND (m.total <> ifnull(r.total, 0)
                  OR m.unseen <> ifnull(r.unseen, 0) OR m.deleted <> ifnull(r.deleted, 0)
                  OR m.bytes <> ifnull(r.bytes, 0) OR m.uidnext <= ifnull(r.uid, 0)
                  OR m.highestmodseq < ifnull(r.modseq, 0)) LIMIT :limit",
        mend: Some(mend_counters),
    },
    Question {
        flaw: Flaw::Account,
        sql: "SELECT p.id, 'account ' || p.name FROM principal p
                  LEFT JOIN (SELECT account, sum(bytes) AS bytes, max(highestmodseq) AS modseq
                      FROM mailbox WHERE dead = 0 GROUP BY account) f ON f.account = p.id
              WHERE p.used_bytes <> ifnull(f.bytes, 0) OR p.modseq < ifnull(f.modseq, 0)
              LIMIT :limit",
        mend: Some(mend_account),
    },
];

/// The rows that are wrong.
pub(super) fn ask(tx: &mut Tx<'_>, question: &Question) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query(question.sql, params! { limit: FOUND_MAX }, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What the database says of itself.
pub(super) fn database(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut lines: Vec<String> = tx.query("PRAGMA integrity_check(100)", &[], |row| row.get(0))?;
    lines.retain(|line| line != "ok");
    let dangling: Vec<String> = tx.query("PRAGMA foreign_key_check", &[], |row| {
        let number = row.get::<Option<i64>>(1)?.map(|n| format!(" {n}")).unwrap_or_default();
        let (from, to) = (row.get::<String>(0)?, row.get::<String>(2)?);
        Ok(format!("{from}{number} names a {to} that is not there"))
    })?;
    lines.extend(dangling);
    Ok(lines)
}

/// Bodies that were set aside.
pub(super) fn quarantined(tx: &mut Tx<'_>) -> Result<Vec<BodyId>, StoreError> {
    let sql = "SELECT id FROM body WHERE quarantined IS NOT NULL";
    tx.query(sql, &[], |row| row.get(0))
}

/// Whether a body has no row any more.
pub(super) fn is_gone(tx: &mut Tx<'_>, body: BodyId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM body WHERE id = :body";
    Ok(tx.query_opt(sql, params! { body }, |row| row.get::<i64>(0))?.is_none())
}

/// Messages, folders, and messages that this version did not render.
pub(super) fn counts(tx: &mut Tx<'_>) -> Result<(u64, u64, u64), StoreError> {
    tx.query_one(
        "SELECT (SELECT count(*) FROM mailbox_msg), (SELECT count(*) FROM mailbox WHERE dead = 0),
             (SELECT count(*) FROM message m WHERE NOT EXISTS (SELECT 1 FROM message_meta meta
                 WHERE meta.message = m.id AND meta.version = :version))",
        params! { version: VERSION },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Some messages behind `after` that this version did not render; large ones wait until asked for.
pub(super) fn unrendered(tx: &mut Tx<'_>, after: i64, limit: usize) -> Result<Vec<Id>, StoreError> {
    tx.query(
        "SELECT m.id FROM message m JOIN body b ON b.id = m.body AND b.quarantined IS NULL
         WHERE m.id > :after AND m.size <= :large AND NOT EXISTS (SELECT 1 FROM message_meta meta
             WHERE meta.message = m.id AND meta.version = :version) ORDER BY m.id LIMIT :limit",
        params! { after, large: LARGE, version: VERSION, limit },
        |row| row.get(0),
    )
}

fn mend_uses(tx: &mut Tx<'_>, body: i64, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE body SET refs = (SELECT count(*) FROM message WHERE body = :body)
             + (SELECT count(*) FROM spool WHERE body = :body) WHERE id = :body",
        params! { body },
    )?;
    tx.execute(
        "UPDATE body SET dead_since = CASE WHEN refs = 0 THEN ifnull(dead_since, :now) END
         WHERE id = :body",
        params! { now, body },
    )
    .map(drop)
}

/// It goes as expunged messages do.
fn mend_unfiled(tx: &mut Tx<'_>, message: i64, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO orphan (message, since) SELECT id, :now FROM message WHERE id = :message
             AND NOT EXISTS (SELECT 1 FROM mailbox_msg mm WHERE mm.message = :message)
         ON CONFLICT (message) DO NOTHING",
        params! { now, message },
    )
    .map(drop)
}

fn mend_counters(tx: &mut Tx<'_>, mailbox: i64, _: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE mailbox SET total = r.total, unseen = r.unseen, deleted = r.deleted,
             bytes = r.bytes, uidnext = max(uidnext, r.uid + 1),
             highestmodseq = max(highestmodseq, r.modseq)
         FROM (SELECT count(*) AS total, ifnull(sum(flags & 1 = 0), 0) AS unseen,
                 ifnull(sum(flags & 8 <> 0), 0) AS deleted, ifnull(sum(size), 0) AS bytes,
                 ifnull(max(uid), 0) AS uid, ifnull(max(modseq), 0) AS modseq
             FROM mailbox_msg WHERE mailbox = :mailbox) r
         WHERE id = :mailbox",
        params! { mailbox },
    )
    .map(drop)
}

fn mend_account(tx: &mut Tx<'_>, account: i64, _: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE principal SET used_bytes = f.bytes, modseq = max(principal.modseq, f.modseq),
             modseq_reserved = max(modseq_reserved, f.modseq)
         FROM (SELECT ifnull(sum(bytes), 0) AS bytes, ifnull(max(highestmodseq), 0) AS modseq
             FROM mailbox WHERE account = :account AND dead = 0) f
         WHERE id = :account",
        params! { account },
    )
    .map(drop)
}
