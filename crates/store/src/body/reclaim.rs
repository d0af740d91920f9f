//! Giving space back while the store runs.
//!
//! A body that nobody uses keeps its bytes for a grace time; then its row goes, and its file. A
//! sealed segment that is mostly dead is compacted: what lives is copied to the open segment like a
//! new body, synced, its row moved, and only then the old segment removed. A crash at any point
//! leaves either place whole; a segment that lost its row is removed when the store is opened.

use std::{sync::Arc, time::Duration};

use mailwright_words::Timestamp;

use crate::{
    body::{
        BodyId, Pending,
        record::{self, HEAD, RecordHead, START},
        recover::{is_damaged, quarantine, row},
    },
    engine::{BodyRow, Job, Lane, Tx},
    error::StoreError,
    params,
    store::{Store, closed},
};

/// Rows that one closure removes, at most.
const CHUNK: i64 = 500;

/// Bodies on their way from one segment to another, at most.
const MOVING_MAX: usize = 128;

/// Octets before a record's bytes.
const HEAD_OCTETS: u64 = 16;

/// What a round of reclaiming gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Bodies whose grace time had passed.
    pub bodies: u64,
    /// Segments that were removed.
    pub segments: u64,
    /// Octets of removed segments and files, less what was copied.
    pub octets: u64,
}

impl Store {
    /// Removes the bodies that nobody has used for `grace`, and compacts segments.
    ///
    /// Errors: those of the store; what was done until then stays done.
    pub async fn reclaim(&self, now: Timestamp, grace: Duration) -> Result<Reclaimed, StoreError> {
        let _still = self.hold_still().await;
        let mut sum = Reclaimed::default();
        while self.bury(now.minus(grace), &mut sum).await? {}
        let limit = self.segment_bytes_max() / 2;
        let sparse = self
            .read(move |tx| {
                tx.query(
                    "SELECT id, length, dead FROM segment
                     WHERE sealed = 1 AND (dead > 0 OR length < :limit)
                         AND length - dead < :limit ORDER BY id",
                    params! { limit },
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
            })
            .await?;
        for (segment, length) in sparse {
            self.compact(segment, length, now, &mut sum).await?;
        }
        Ok(sum)
    }

    /// Compares up to `limit` bodies behind `after` with their checksums, and quarantines those
    /// that are damaged: the last one looked at, and how many were damaged; `None` when there are
    /// no more.
    ///
    /// Errors: those of the store.
    pub async fn verify_bodies(
        &self,
        after: Option<BodyId>,
        limit: i64,
        now: Timestamp,
    ) -> Result<Option<(BodyId, u64)>, StoreError> {
        let after = after.map_or(0, BodyId::get);
        let Some(chunk) = self.verify_chunk(after, limit).await? else { return Ok(None) };
        let mut damaged = 0;
        for body in chunk.damaged {
            damaged += u64::from(self.quarantine(body, now).await?);
        }
        Ok(Some((BodyId::from_i64(chunk.last), damaged)))
    }

    /// Checks up to `limit` bodies of higher numbers than `after`; `None` when there are none.
    pub(crate) async fn verify_chunk(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Option<Verified>, StoreError> {
        let chunk = self.read(move |tx| chunk(tx, after, limit)).await?;
        let Some(last) = chunk.last().map(|body| body.id) else { return Ok(None) };
        let folder = Arc::clone(self.body_files().0);
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let damaged = tokio::task::spawn_blocking(move || {
            let check = |body: &BodyRow| is_damaged(&folder, body);
            chunk
                .into_iter()
                .filter_map(|body| check(&body).map(|bad| bad.then_some(body)).transpose())
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .map_err(|e| StoreError::Panicked(e.to_string().into()))??;
        Ok(Some(Verified { last, count, damaged }))
    }

    /// Quarantines a body that is still where it was found damaged.
    pub(crate) async fn quarantine(
        &self,
        body: BodyRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let folder = Arc::clone(self.body_files().0);
        self.write(Lane::Bulk, move |tx| {
            let there = is_at(tx, &body)?;
            if there {
                quarantine(tx, &folder, &body, now)?;
            }
            Ok(there)
        })
        .await
    }

    /// Removes one chunk of dead bodies; `false` when there was none.
    async fn bury(&self, before: Timestamp, sum: &mut Reclaimed) -> Result<bool, StoreError> {
        let gone = self.write(Lane::Bulk, move |tx| remove_dead(tx, before)).await?;
        let folder = Arc::clone(self.body_files().0);
        for body in &gone {
            sum.bodies += 1;
            if body.file {
                sum.octets += body.length;
                let path = folder.file(BodyId::from_i64(body.id));
                if let Err(error) = folder.disk.remove(&path) {
                    tracing::warn!(%error, "A dead body's file stays until the next start.");
                }
            }
        }
        Ok(!gone.is_empty())
    }

    /// Moves what lives in a segment, then removes it.
    async fn compact(
        &self,
        segment: i64,
        length: u64,
        now: Timestamp,
        sum: &mut Reclaimed,
    ) -> Result<(), StoreError> {
        let (mut at, mut copied) = (START, 0);
        while at < length {
            let store = self.clone();
            let step = tokio::task::spawn_blocking(move || store.scan(segment, at, length))
                .await
                .map_err(|e| StoreError::Panicked(e.to_string().into()))??;
            if let Some(damaged) = step.damaged {
                if let Some(body) = damaged.body {
                    self.quarantine(body, now).await?;
                }
                return self.leave(segment).await;
            }
            copied += step.living.iter().map(|(row, _)| row.length + HEAD_OCTETS).sum::<u64>();
            self.move_bodies(step.living).await?;
            at = step.next;
        }
        self.write(Lane::Bulk, move |tx| {
            tx.execute("DELETE FROM segment WHERE id = :segment", params! { segment })
        })
        .await?;
        let (folder, open) = self.body_files();
        open.forget(segment);
        if let Err(error) = folder.disk.remove(&folder.segment(segment)) {
            tracing::warn!(segment, %error, "A compacted segment stays until the next start.");
        }
        sum.segments += 1;
        sum.octets += length.saturating_sub(copied);
        Ok(())
    }

    /// Keeps a damaged segment as it is, for whoever looks into it.
    async fn leave(&self, segment: i64) -> Result<(), StoreError> {
        tracing::error!(segment, "A segment with damage is kept and not compacted.");
        self.write(Lane::Bulk, move |tx| {
            tx.execute("UPDATE segment SET sealed = 2 WHERE id = :segment", params! { segment })
        })
        .await
        .map(drop)
    }

    /// Appends living bodies to the open segment and moves their rows.
    async fn move_bodies(&self, living: Vec<(BodyRow, Vec<u8>)>) -> Result<(), StoreError> {
        let mut answers = Vec::with_capacity(living.len());
        for (row, bytes) in living {
            let (mut job, answer) = Job::new(|_| Ok(()));
            job.moved_from = Some(row);
            let length = u32::try_from(row.length).ok().ok_or(StoreError::Corrupt("length"))?;
            let head = RecordHead { length, crc: row.crc, id: row.id };
            self.append(Pending { job, head, bytes, budget: None });
            answers.push(answer);
        }
        for answer in answers {
            match answer.await.map_err(closed)? {
                // It died meanwhile; there was nothing to move.
                Ok(()) | Err(StoreError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the records of a segment from `at`, and keeps those that a row names.
    fn scan(&self, segment: i64, at: u64, length: u64) -> Result<Step, StoreError> {
        let (folder, _) = self.body_files();
        let file = folder.disk.open(&folder.segment(segment))?;
        let mut step = Step { living: Vec::new(), next: at, damaged: None };
        while step.next < length && step.living.len() < MOVING_MAX {
            let mut head = [0; HEAD];
            file.read_at(&mut head, step.next)?;
            let Some(head) = RecordHead::parse(&head) else {
                step.damaged = Some(Damaged { body: None });
                return Ok(step);
            };
            let body = BodyRow {
                id: head.id,
                segment,
                offset: step.next,
                length: u64::from(head.length),
                crc: head.crc,
                file: false,
            };
            let end = body.offset + HEAD_OCTETS + body.length;
            if end > length {
                step.damaged = Some(Damaged { body: None });
                return Ok(step);
            }
            step.next = end;
            if !self.read_blocking(|tx| is_at(tx, &body))? {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(head.length).unwrap_or(0)];
            file.read_at(&mut bytes, body.offset + HEAD_OCTETS)?;
            let id = BodyId::from_i64(head.id).0;
            if record::seal(crc32c::crc32c(&bytes), id, body.length) != head.crc {
                step.damaged = Some(Damaged { body: Some(body) });
                return Ok(step);
            }
            step.living.push((body, bytes));
        }
        Ok(step)
    }
}

/// Some bodies that were checked.
pub(crate) struct Verified {
    /// The highest number among them.
    pub(crate) last: i64,
    /// How many.
    pub(crate) count: u64,
    /// Those whose bytes are not those that were stored.
    pub(crate) damaged: Vec<BodyRow>,
}

/// A piece of a segment that was read.
struct Step {
    living: Vec<(BodyRow, Vec<u8>)>,
    next: u64,
    damaged: Option<Damaged>,
}

/// A place in a segment past which nothing is moved.
struct Damaged {
    /// The body that lies there, where that can be told.
    body: Option<BodyRow>,
}

fn chunk(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<BodyRow>, StoreError> {
    tx.query(
        "SELECT id, segment, offset, length, crc, file FROM body
         WHERE id > :after AND quarantined IS NULL ORDER BY id LIMIT :limit",
        params! { after, limit },
        row,
    )
}

/// Whether the row of a body still says that it lies there.
fn is_at(tx: &mut Tx<'_>, body: &BodyRow) -> Result<bool, StoreError> {
    tx.query_opt(
        "SELECT 1 FROM body
         WHERE id = :id AND segment = :segment AND offset = :offset AND file = :file",
        params! { id: body.id, segment: body.segment, offset: body.offset, file: body.file },
        |_| Ok(()),
    )
    .map(|found| found.is_some())
}

fn remove_dead(tx: &mut Tx<'_>, before: Timestamp) -> Result<Vec<BodyRow>, StoreError> {
    let dead = tx.query(
        "SELECT id, segment, offset, length, crc, file FROM body
         WHERE dead_since IS NOT NULL AND dead_since <= :before AND refs = 0
         ORDER BY dead_since LIMIT :chunk",
        params! { before, chunk: CHUNK },
        row,
    )?;
    for body in &dead {
        tx.execute("DELETE FROM body WHERE id = :id", params! { id: body.id })?;
        if !body.file {
            tx.execute(
                "UPDATE segment SET dead = dead + :octets WHERE id = :segment",
                params! { octets: body.length + HEAD_OCTETS, segment: body.segment },
            )?;
        }
    }
    Ok(dead)
}
