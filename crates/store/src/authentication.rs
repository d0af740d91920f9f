//! What was found out about where a message is from, kept as the text of an event.
//!
//! One event a message, of kind [`KIND`]; a message that was refused for it has one as well, with
//! no message. Reports to the domains concerned are made of these.

use mailwright_words::{Id, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    engine::Tx,
    error::StoreError,
    event::{self, Event},
    params, seen,
};

/// The kind of the event.
pub const KIND: &str = "authenticated";

/// All that was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authentication {
    /// Where the client was.
    pub ip: String,
    /// How it named itself.
    pub helo: String,
    /// The domain of the reverse-path; empty for a null one.
    pub mail_from: String,
    /// The domain of the envelope's first recipient.
    pub to: String,
    /// SPF: of the name that the client gave itself, and of the reverse-path.
    pub spf: Vec<SpfFound>,
    /// Each signature.
    pub dkim: Vec<DkimFound>,
    /// The author's domain.
    pub dmarc: Option<DmarcFound>,
    /// The chain of those who passed it on.
    pub arc: ArcFound,
    /// The word for the client's name.
    pub iprev: String,
    /// What was done: `none`, `quarantine` or `reject`.
    pub disposition: String,
    /// Why that is not what the domain asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// Whether it is counted for a report to the author's domain.
    #[serde(skip)]
    pub counts: bool,
}

/// SPF of one identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpfFound {
    /// `helo` or `mfrom`.
    pub scope: String,
    /// Its domain.
    pub domain: String,
    /// The result.
    pub result: String,
    /// Why.
    pub reason: String,
}

/// One signature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DkimFound {
    /// Who signed.
    pub domain: String,
    /// Under which name the key is.
    pub selector: String,
    /// The result.
    pub result: String,
    /// Why.
    pub reason: String,
}

/// The judgement of an author's domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DmarcFound {
    /// The author's domain.
    pub domain: String,
    /// Where the record is.
    pub record_at: Option<String>,
    /// What the record asks for.
    pub policy: String,
    /// The result.
    pub result: String,
    /// What was aligned: `dkim` or `spf`.
    pub aligned: Option<String>,
    /// Whether a right signature was.
    pub dkim_aligned: bool,
    /// Whether SPF was.
    pub spf_aligned: bool,
    /// All that the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// Why.
    pub reason: String,
}

/// What the record of a domain says, as reports repeat it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Published {
    /// What is to be done with mail of the domain that fails.
    pub p: String,
    /// And with mail of domains below it.
    pub sp: String,
    /// And with mail of domains below it that do not exist.
    pub np: String,
    /// Whether signatures have to be of the very same domain.
    pub strict_dkim: bool,
    /// Whether reverse-paths have to be.
    pub strict_spf: bool,
    /// Whether the domain only tries it out.
    pub testing: bool,
}

/// The chain of those who passed a message on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArcFound {
    /// The result.
    pub result: String,
    /// Who sealed, the first one first.
    pub sealers: Vec<String>,
    /// Whether one that is trusted vouches for the message.
    pub vouched: bool,
}

impl Authentication {
    /// The event that keeps it; `spool` is the message, where it was taken.
    ///
    /// Errors: it cannot be written as text.
    pub fn event(
        &self,
        tenant: i64,
        at: Timestamp,
        spool: Option<Id>,
    ) -> Result<Event, StoreError> {
        let text = serde_json::to_string(self).or(Err(StoreError::Corrupt("authentication")))?;
        Ok(Event {
            tenant,
            at,
            kind: KIND.to_owned(),
            spool,
            recipient: None,
            address: None,
            detail: Some(text),
        })
    }
}

/// Writes down what was found out, and counts it if that is asked for; `spool` is the message,
/// where it was taken.
///
/// Errors: those of the database; it cannot be written as text.
pub fn append(
    tx: &mut Tx<'_>,
    found: &Authentication,
    (tenant, at, spool): (i64, Timestamp, Option<Id>),
) -> Result<(), StoreError> {
    event::append(tx, &found.event(tenant, at, spool)?)?;
    if found.counts { seen::count(tx, found, at) } else { Ok(()) }
}

/// What was found out about a message, if it was looked at.
///
/// Errors: those of the database.
pub fn of_message(tx: &mut Tx<'_>, spool: Id) -> Result<Option<Authentication>, StoreError> {
    let text: Option<Option<String>> = tx.query_opt(
        "SELECT detail FROM event WHERE spool = :spool AND kind = :kind ORDER BY id LIMIT 1",
        params! { spool, kind: KIND },
        |row| row.get(0),
    )?;
    Ok(text.flatten().and_then(|text| serde_json::from_str(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    #[test]
    fn what_was_found_out_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let found = Authentication {
            ip: "192.0.2.1".to_owned(),
            dkim: vec![DkimFound { domain: "a.example".to_owned(), ..DkimFound::default() }],
            dmarc: Some(DmarcFound::default()),
            ..Authentication::default()
        };
        for (at, spool) in [(10, Some(7)), (20, None), (30, Some(8))] {
            let (at, spool) = (Timestamp::new(at), spool.map(Id::from_i64));
            let event = found.event(1, at, spool).unwrap();
            store.write_blocking(Lane::Quick, move |tx| event::append(tx, &event)).unwrap();
        }
        let of = |id| store.read_blocking(move |tx| of_message(tx, Id::from_i64(id))).unwrap();
        assert_eq!((of(7), of(9)), (Some(found.clone()), None));
    }
}
