//! Claiming what is due, and blocking destinations.

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
    queue::{CLAIMED, Claimed, read_claimed, wake},
    store::Owner,
};

/// Groups of (tenant, stream) that one claim of a site looks at.
const GROUPS_MAX: usize = 64;
/// When a site with more groups than that is looked at again.
const GROUPS_AGAIN_MS: i64 = 1000;

/// A destination that may have something due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its key.
    pub name: String,
    /// Failures to connect in a row; past the limit only one recipient goes as a probe.
    pub failures: u32,
    /// Since when it may have something.
    pub next_due: Timestamp,
    /// Whether an operator asked for one of its recipients.
    pub is_asked: bool,
}

/// Up to `limit` destinations that may have something due and are not blocked, those that have
/// waited longest first, behind `after`.
pub fn due_sites(
    tx: &mut Tx<'_>,
    now: Timestamp,
    after: Option<&(Timestamp, String)>,
    limit: usize,
) -> Result<Vec<Site>, StoreError> {
    let (since, site) = after.map_or((Timestamp::new(i64::MIN), ""), |(at, site)| (*at, site));
    tx.query(
        "SELECT site, failures, next_due, asked IS NOT NULL FROM destination
         WHERE next_due <= :now AND (next_due, site) > (:since, :site)
         ORDER BY next_due, site LIMIT :limit",
        params! { now, since, site, limit },
        read_site,
    )
}

/// The destination of that name, if it may have something due and is not blocked.
pub fn due_site(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<Option<Site>, StoreError> {
    tx.query_opt(
        "SELECT site, failures, next_due, asked IS NOT NULL FROM destination
         WHERE site = :name AND next_due <= :now",
        params! { name, now },
        read_site,
    )
}

fn read_site(row: &Row<'_>) -> Result<Site, StoreError> {
    let (name, failures, next_due) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Site { name, failures, next_due, is_asked: row.get(3)? })
}

/// When the next destination may have something due, after `now`.
pub fn next_due(tx: &mut Tx<'_>, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt(
        "SELECT next_due FROM destination WHERE next_due > :now ORDER BY next_due LIMIT 1",
        params! { now },
        |row| row.get(0),
    )
    .map(|due| due.filter(|due: &Timestamp| due.ms() < i64::MAX))
}

/// A set of recipients of a site that share tenant and stream.
struct Group {
    tenant: i64,
    stream: String,
    due: Timestamp,
}

/// Claims up to `limit` recipients of a site that are due: first the one that an operator asked
/// for, then urgent ones, whoever sends them, in three places of four, then shared out among its
/// streams.
///
/// A part of each share goes to those that became due last, so that what is small and new does
/// not wait behind a large job that is old.
pub fn claim(
    tx: &mut Tx<'_>,
    owner: Owner,
    site: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Claimed>, StoreError> {
    let mut claimed = asked(tx, owner, site)?;
    let groups = groups(tx, site)?;
    let due: Vec<&Group> = groups.iter().filter(|group| group.due <= now).collect();
    let places = limit.saturating_sub(claimed.len());
    let most = places.div_ceil(4).saturating_mul(3).min(places);
    claimed.extend(urgent(tx, owner, site, (now, most))?);
    for (place, group) in due.iter().enumerate() {
        let share = limit.saturating_sub(claimed.len()).div_ceil(due.len() - place);
        let fresh = share / 4;
        claimed.extend(take(tx, owner, site, (group, now, share - fresh, OLDEST))?);
        claimed.extend(take(tx, owner, site, (group, now, fresh, NEWEST))?);
        if claimed.len() >= limit {
            break;
        }
    }
    refresh(tx, site, now)?;
    Ok(claimed)
}

/// Claims the recipient that an operator asked for, if it still waits, and forgets that.
fn asked(tx: &mut Tx<'_>, owner: Owner, site: &str) -> Result<Vec<Claimed>, StoreError> {
    let asked: Option<Id> = tx.query_opt(
        "SELECT asked FROM destination WHERE site = :site AND asked IS NOT NULL",
        params! { site },
        |row| row.get(0),
    )?;
    let Some(asked) = asked else { return Ok(Vec::new()) };
    tx.execute("UPDATE destination SET asked = NULL WHERE site = :site", params! { site })?;
    Ok(claim_one(tx, owner, asked)?.into_iter().collect())
}

fn urgent(
    tx: &mut Tx<'_>,
    owner: Owner,
    site: &str,
    (now, count): (Timestamp, usize),
) -> Result<Vec<Claimed>, StoreError> {
    tx.query(
        &format!(
            "UPDATE recipient SET owner_node = :node, owner_epoch = :epoch WHERE id IN
                 (SELECT id FROM recipient WHERE destination = :site AND priority > 0
                    AND due <= :now AND NOT (confined AND class = 'relay')
                    AND state = 'queued' AND owner_node IS NULL
                  ORDER BY due LIMIT :count /*pg FOR UPDATE SKIP LOCKED*/)
             RETURNING {CLAIMED}"
        ),
        params! { node: owner.node, epoch: owner.epoch, site, now, count },
        read_claimed,
    )
}

const OLDEST: &str = "ASC";
const NEWEST: &str = "DESC";

fn take(
    tx: &mut Tx<'_>,
    owner: Owner,
    site: &str,
    (group, now, count, order): (&Group, Timestamp, usize, &str),
) -> Result<Vec<Claimed>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    tx.query(
        &format!(
            "UPDATE recipient SET owner_node = :node, owner_epoch = :epoch WHERE id IN
                 (SELECT id FROM recipient WHERE destination = :site AND tenant = :tenant
                    AND stream = :stream AND due <= :now
                    AND NOT (confined AND class = 'relay') AND state = 'queued'
                    AND owner_node IS NULL
                  ORDER BY due {order} LIMIT :count /*pg FOR UPDATE SKIP LOCKED*/)
             RETURNING {CLAIMED}"
        ),
        params! { node: owner.node, epoch: owner.epoch, site, tenant: group.tenant,
        stream: &group.stream, now, count },
        read_claimed,
    )
}

/// The groups of a site that wait, each found by one step into the index.
fn groups(tx: &mut Tx<'_>, site: &str) -> Result<Vec<Group>, StoreError> {
    let mut groups: Vec<Group> = Vec::new();
    while groups.len() < GROUPS_MAX {
        let (tenant, stream) =
            groups.last().map_or((i64::MIN, ""), |group| (group.tenant, group.stream.as_str()));
        let next = tx.query_opt(
            "SELECT tenant, stream, due FROM recipient
             WHERE destination = :site AND (tenant, stream) > (:tenant, :stream)
               AND state = 'queued' AND owner_node IS NULL
             ORDER BY tenant, stream, due LIMIT 1",
            params! { site, tenant, stream },
            |row| Ok(Group { tenant: row.get(0)?, stream: row.get(1)?, due: row.get(2)? }),
        )?;
        match next {
            Some(group) => groups.push(group),
            None => break,
        }
    }
    Ok(groups)
}

/// Notes anew when a claim of the site may find something.
fn refresh(tx: &mut Tx<'_>, site: &str, now: Timestamp) -> Result<(), StoreError> {
    let groups = groups(tx, site)?;
    let first = groups.iter().map(|group| group.due).min();
    let mut next = first.unwrap_or(Timestamp::new(i64::MAX));
    if groups.len() == GROUPS_MAX {
        next = next.min(Timestamp::new(now.ms().saturating_add(GROUPS_AGAIN_MS)));
    }
    tx.execute(
        "UPDATE destination SET next_due = max(:next, blocked_until) WHERE site = :site",
        params! { next, site },
    )?;
    tx.execute(
        "DELETE FROM destination WHERE site = :site AND next_due = :never AND failures = 0
             AND blocked_until = 0",
        params! { site, never: i64::MAX },
    )?;
    Ok(())
}

/// Claims one recipient whatever it waits for, unless somebody owns it or it is held.
pub fn claim_one(
    tx: &mut Tx<'_>,
    owner: Owner,
    recipient: Id,
) -> Result<Option<Claimed>, StoreError> {
    tx.query_opt(
        &format!(
            "UPDATE recipient SET owner_node = :node, owner_epoch = :epoch
             WHERE id = :recipient AND owner_node IS NULL AND state = 'queued'
               AND NOT (confined AND class = 'relay')
             RETURNING {CLAIMED}"
        ),
        params! { node: owner.node, epoch: owner.epoch, recipient },
        read_claimed,
    )
}

/// Gives claimed recipients back as they were, with no attempt counted.
pub fn release(tx: &mut Tx<'_>, owner: Owner, recipients: &[Id]) -> Result<(), StoreError> {
    for recipient in recipients {
        let back = tx.query_opt(
            "UPDATE recipient SET owner_node = NULL, owner_epoch = NULL
             WHERE id = :recipient AND owner_node = :node AND owner_epoch = :epoch
             RETURNING destination, due",
            params! { recipient: *recipient, node: owner.node, epoch: owner.epoch },
            |row| Ok((row.get::<String>(0)?, row.get::<Timestamp>(1)?)),
        )?;
        if let Some((site, due)) = back {
            wake(tx, &site, due)?;
        }
    }
    Ok(())
}

/// Up to `limit` recipients that `owner` has claimed.
pub fn owned(tx: &mut Tx<'_>, owner: Owner, limit: usize) -> Result<Vec<Id>, StoreError> {
    tx.query(
        "SELECT id FROM recipient WHERE owner_node = :node AND owner_epoch = :epoch LIMIT :limit",
        params! { node: owner.node, epoch: owner.epoch, limit },
        |row| row.get(0),
    )
}

/// Frees up to 1,000 recipients that anyone but `owner` owns: this folder has one process, so all
/// others are earlier lives, of this node or of what it was called before.
///
/// Says how many; call it at start until there are none.
pub fn release_foreign(tx: &mut Tx<'_>, owner: Owner) -> Result<usize, StoreError> {
    let freed = tx.query(
        "UPDATE recipient SET owner_node = NULL, owner_epoch = NULL WHERE id IN
             (SELECT id FROM recipient WHERE owner_node IS NOT NULL
                AND (owner_node <> :node OR owner_epoch <> :epoch) LIMIT 1000)
         RETURNING destination, due",
        params! { node: owner.node, epoch: owner.epoch },
        |row| Ok((row.get::<String>(0)?, row.get::<Timestamp>(1)?)),
    )?;
    for (site, due) in &freed {
        wake(tx, site, *due)?;
    }
    Ok(freed.len())
}

/// Why and until when a destination is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The destination.
    pub site: String,
    /// Until when.
    pub until: Timestamp,
    /// Failures to connect in a row.
    pub failures: u32,
    /// What it said last.
    pub reply: Option<String>,
}

/// Leaves a destination alone: one row, behind which all of its mail waits.
pub fn block(tx: &mut Tx<'_>, block: &Block, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO destination (site, next_due, blocked_until, failures, last_reply, changed)
         VALUES (:site, :until, :until, :failures, :reply, :now)
         ON CONFLICT (site) DO UPDATE SET blocked_until = excluded.blocked_until,
             next_due = max(next_due, excluded.blocked_until), failures = excluded.failures,
             last_reply = excluded.last_reply, changed = excluded.changed",
        params! { site: &block.site, until: block.until, failures: block.failures,
        reply: block.reply.as_deref(), now },
    )?;
    Ok(())
}

/// Forgets up to 500 destinations for which nothing has waited since `before`, with their failures.
pub fn forget_idle(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM destination WHERE site IN
             (SELECT site FROM destination WHERE next_due = :never AND changed < :before
              LIMIT 500)",
        params! { never: i64::MAX, before },
    )
}

/// Lets the mail of a destination go again, all of it.
pub fn unblock(tx: &mut Tx<'_>, site: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE destination SET blocked_until = 0, failures = 0, last_reply = NULL,
             next_due = min(next_due, :now), changed = :now WHERE site = :site",
        params! { now, site },
    )?;
    Ok(())
}
