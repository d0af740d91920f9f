//! Looking whether all that is stored fits together, and mending what can be computed anew.
//!
//! Counters are compared with a recount and bytes with their checksums. What only an operator can
//! judge, such as a message whose bytes are lost, is told and left alone. Bytes are not moved
//! meanwhile; mail comes and goes as always, because each question is asked of one snapshot.

mod rows;

use mailwright_words::Timestamp;

use crate::{
    Lane, StoreError,
    body::BodyId,
    check::rows::{QUESTIONS, Question},
    store::Store,
};

/// Findings of a kind that are told one by one; more are only counted.
const TOLD_MAX: usize = 200;
/// Bodies that are read at a time.
const BODIES_AT_A_TIME: i64 = 500;
/// Messages that are rendered anew at a time.
const RENDERED_AT_A_TIME: usize = 64;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// The database itself is damaged, or a row names one that is not there.
    Database,
    /// A body is not the bytes that were stored.
    Damaged,
    /// A message has no body.
    Bodiless,
    /// The size of a message is not that of its bytes.
    Size,
    /// A body's count of users is not how many use it.
    Uses,
    /// A folder's counters are not those of its messages.
    Counters,
    /// An account's count of octets, or of changes, is not that of its folders.
    Account,
    /// A message is in no folder, and was not expunged.
    Unfiled,
}

impl Flaw {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Damaged => "damaged",
            Self::Bodiless => "bodiless",
            Self::Size => "size",
            Self::Uses => "uses",
            Self::Counters => "counters",
            Self::Account => "account",
            Self::Unfiled => "unfiled",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub flaw: Flaw,
    /// Where, for a person.
    pub place: String,
    /// Whether it was mended.
    pub mended: bool,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Bodies whose bytes were compared with their checksum.
    pub bodies: u64,
    /// Messages in folders.
    pub messages: u64,
    /// Folders.
    pub folders: u64,
    /// Messages that are not rendered by this version; they are when they are asked for.
    pub unrendered: u64,
    /// Messages that were rendered anew.
    pub rendered: u64,
    /// What is wrong, as far as it is told.
    pub findings: Vec<Finding>,
    /// How many findings are not told.
    pub left_out: u64,
    /// How much of all that is wrong was not mended.
    pub unmended: u64,
    /// How many of the last one's kind are told.
    told: usize,
}

impl Report {
    fn add(&mut self, flaw: Flaw, place: String, mended: bool) {
        self.unmended += u64::from(!mended);
        // They come kind by kind.
        if self.findings.last().is_none_or(|last| last.flaw != flaw) {
            self.told = 0;
        }
        if self.told < TOLD_MAX {
            self.told += 1;
            self.findings.push(Finding { flaw, place, mended });
        } else {
            self.left_out += 1;
        }
    }
}

impl Store {
    /// Checks all rows and bodies; with `mend`, mends what can be computed anew, sets damaged
    /// bodies aside and renders what another version rendered.
    ///
    /// Errors: those of the store; what was mended until then stays so.
    pub async fn check(&self, now: Timestamp, mend: bool) -> Result<Report, StoreError> {
        let _still = self.hold_still().await;
        let mut report = Report::default();
        for line in self.read(rows::database).await? {
            report.add(Flaw::Database, line, false);
        }
        self.check_bodies(&mut report, mend.then_some(now)).await?;
        for question in QUESTIONS {
            self.check_rows(question, &mut report, mend.then_some(now)).await?;
        }
        if mend {
            report.rendered = self.render_anew().await?;
        }
        let (messages, folders, unrendered) = self.read(rows::counts).await?;
        (report.messages, report.folders, report.unrendered) = (messages, folders, unrendered);
        Ok(report)
    }

    async fn check_bodies(
        &self,
        report: &mut Report,
        mend: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        for body in self.read(rows::quarantined).await? {
            report.add(Flaw::Damaged, format!("body {body}, set aside before"), false);
        }
        let mut after = 0;
        while let Some(chunk) = self.verify_chunk(after, BODIES_AT_A_TIME).await? {
            after = chunk.last;
            report.bodies = report.bodies.saturating_add(chunk.count);
            for body in chunk.damaged {
                let id = BodyId::from_i64(body.id);
                if self.read(move |tx| rows::is_gone(tx, id)).await? {
                    continue;
                }
                if let Some(now) = mend {
                    self.quarantine(body, now).await?;
                }
                report.add(Flaw::Damaged, format!("body {id}"), false);
            }
        }
        Ok(())
    }

    async fn check_rows(
        &self,
        question: &'static Question,
        report: &mut Report,
        mend: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let wrong = self.read(move |tx| rows::ask(tx, question)).await?;
        for (row, place) in wrong {
            let mended = match (mend, question.mend) {
                (Some(now), Some(mend)) => {
                    self.write(Lane::Bulk, move |tx| mend(tx, row, now)).await?;
                    true
                }
                _ => false,
            };
            report.add(question.flaw, place, mended);
        }
        Ok(())
    }

    /// Renders the messages that this version did not; says how many.
    async fn render_anew(&self) -> Result<u64, StoreError> {
        let (mut after, mut count) = (0_i64, 0_u64);
        loop {
            let limit = RENDERED_AT_A_TIME;
            let some = self.read(move |tx| rows::unrendered(tx, after, limit)).await?;
            let Some(last) = some.last() else { return Ok(count) };
            after = last.get();
            count = count.saturating_add(u64::try_from(some.len()).unwrap_or(u64::MAX));
            self.render_some(some).await?;
        }
    }
}

#[cfg(test)]
mod tests;
