//! What an inbox caught is let go, to addresses that the operator allows, through the queue.
//!
//! Invariant: this is the one way out of an inbox. Each address that is asked for, and each that
//! it leads to, has to be among `sandbox.release.to`; the octets are those that came, with nothing
//! added, signed or changed; no report comes of it. A request that comes again with its key
//! releases nothing twice.

use std::collections::HashSet;

use mailwright_config::Release as Rules;
use mailwright_store::capture::{self, NewRelease};
use mailwright_store::spool::{self, Accepted, Class, Content, Origin, SpoolError, Terms};
use mailwright_store::{Store, StoreError};
use mailwright_words::{
    Address, BodyType, Envelope, Id, Notify, Recipient, ReversePath, Timestamp,
};

use crate::incoming::Lines;
use crate::{Intake, Refusal, Target};

/// Octets of a key.
const KEY_MAX: usize = 200;

/// A release that is asked for, of one message or of many.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Whom it goes to.
    pub to: Vec<String>,
    /// The reverse-path, empty for the null one; without it the one that is configured.
    pub from: Option<String>,
    /// What makes this request the same as one before.
    pub key: String,
}

/// A release that may be, as far as it does not depend on the message.
#[derive(Debug)]
pub struct Release {
    from: ReversePath,
    key: String,
    addresses: Vec<Address>,
    recipients: Vec<Recipient>,
    classes: Vec<Class>,
    /// For each recipient, which of `addresses` leads there.
    owners: Vec<usize>,
}

/// A message that was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The number of the message in the spool; none where each address had it before.
    pub spool: Option<Id>,
    /// Whom it goes to.
    pub to: Vec<String>,
    /// Who had it before, by the same key.
    pub before: Vec<String>,
}

/// Why nothing is released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoRelease {
    /// It is switched off.
    #[error("nothing is released here: sandbox.release.to allows nobody")]
    Off,
    /// What waits to leave would not outlive the machine.
    #[error("nothing is released from a store that does not wait for the disk")]
    Volatile,
    /// Nobody is named.
    #[error("a release has an address it goes to")]
    Nobody,
    /// Too many are named.
    #[error("a release goes to {0} addresses at most")]
    TooMany(usize),
    /// The key makes no sense.
    #[error("a key has up to {KEY_MAX} printable characters of ASCII")]
    Key,
    /// A text that is no address.
    #[error("{0:?} is no address")]
    Address(String),
    /// Not among those that are allowed.
    #[error("<{0}> is not among the addresses of sandbox.release.to")]
    To(String),
    /// It leads where it may not.
    #[error("<{0}> leads to <{1}>, which is not among the addresses of sandbox.release.to")]
    Leads(String, String),
    /// It leads back into the sandbox.
    #[error("<{0}> leads into an inbox; release goes to real addresses")]
    Inbox(String),
    /// It leads to a list or forward.
    #[error("<{0}> is a list or a forward; release to the addresses behind it")]
    Onward(String),
    /// There is no such mailbox.
    #[error("there is no mailbox <{0}> here")]
    Unknown(String),
    /// The reverse-path is not allowed.
    #[error("the reverse-path <{0}> is not among the addresses of sandbox.release.to")]
    From(String),
    /// The message is not there.
    #[error("there is no such message")]
    Gone,
    /// It was released too often.
    #[error("{0}")]
    Often(&'static str),
    /// It cannot be taken now.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl NoRelease {
    /// Whether it is not for who asks to have it.
    pub const fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Off
                | Self::Volatile
                | Self::To(_)
                | Self::Leads(..)
                | Self::Inbox(_)
                | Self::From(_)
                | Self::Onward(_)
        )
    }
}

impl From<StoreError> for NoRelease {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing("message" | "body") => Self::Gone,
            StoreError::Cannot(why) => Self::Often(why),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<SpoolError> for NoRelease {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Store(error) => error.into(),
            error => Self::Refused(crate::accept::refused(error)),
        }
    }
}

impl Intake {
    /// Whether anything may be released at all.
    ///
    /// Errors: why not.
    pub fn may_release(&self) -> Result<(), NoRelease> {
        if self.0.settings.now().release.to.is_empty() {
            return Err(NoRelease::Off);
        }
        if self.0.store.is_volatile() { Err(NoRelease::Volatile) } else { Ok(()) }
    }

    /// A release that may be.
    ///
    /// Errors: [`NoRelease`]; nobody gets anything then.
    pub async fn releasing(&self, asked: &Asked, now: Timestamp) -> Result<Release, NoRelease> {
        self.may_release()?;
        let rules = self.0.settings.now().release.clone();
        let is_key = asked.key.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        if !is_key || asked.key.len() > KEY_MAX {
            return Err(NoRelease::Key);
        }
        let addresses = addresses(&asked.to, &rules)?;
        let from = from(asked.from.as_deref(), &rules)?;
        let key = asked.key.clone();
        let (recipients, classes, owners) = (Vec::new(), Vec::new(), Vec::new());
        let mut release = Release { from, key, addresses, recipients, classes, owners };
        for (owner, address) in release.addresses.iter().enumerate() {
            let recipient = Recipient { notify: Notify::NEVER, ..Recipient::new(address.clone()) };
            let resolved = self.0.directory.resolve(address, now).await.map_err(Refusal::from)?;
            let target = self.follow(recipient, resolved, now).await?;
            for (end, class) in ends(target, &rules)? {
                release.recipients.push(Recipient { notify: Notify::NEVER, ..end });
                release.classes.push(class);
                release.owners.push(owner);
            }
        }
        Ok(release)
    }

    /// Releases a message: it waits in the queue, on stable storage, when this answers.
    ///
    /// Errors: [`NoRelease`]; nobody gets anything then.
    pub async fn release(
        &self,
        release: &Release,
        message: Id,
        now: Timestamp,
    ) -> Result<Released, NoRelease> {
        self.may_release()?;
        self.check_space(now)?;
        let stored = self.0.store.look(|tx| capture::stored(tx, message)).await?;
        let stored = stored.ok_or(NoRelease::Gone)?;
        let body = self.0.store.off_thread(move |store| body_type(store, message)).await?;
        let settings = self.0.settings.now();
        let addresses = release.addresses.iter().map(ToString::to_string).collect();
        let new = NewRelease {
            message,
            key: release.key.clone(),
            addresses,
            sender: release.from.to_string(),
            at: now,
            times_max: settings.release.times_max,
        };
        let names: Vec<String> = new.addresses.clone();
        let accepted = Accepted {
            envelope: Envelope {
                body,
                smtputf8: !release.is_ascii(),
                ..Envelope::new(release.from.clone(), release.recipients.clone())
            },
            classes: release.classes.clone(),
            head: stored.head,
            head_skip: stored.head_skip,
            content: Content::Stored { body: stored.body, length: stored.length },
            origin: Origin { listener: "release".to_owned(), ..Origin::default() },
            terms: Terms::new(now, now.plus(settings.lifetime)),
        };
        let done = spool::release(&self.0.store, (accepted, release.owners.clone()), new).await?;
        let of = |is_new: bool| {
            let all = names.iter().zip(&done.fresh).filter(move |(_, fresh)| **fresh == is_new);
            all.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let released = Released { spool: done.spool, to: of(true), before: of(false) };
        if let Some(spool) = released.spool {
            let count = released.to.len();
            tracing::info!(%spool, %message, recipients = count, "Caught message released.");
        }
        Ok(released)
    }
}

impl Release {
    fn is_ascii(&self) -> bool {
        let from = self.from.address().is_none_or(Address::is_ascii);
        from && self.recipients.iter().all(|one| one.address.is_ascii())
    }
}

/// The addresses that are asked for, each once.
fn addresses(asked: &[String], rules: &Rules) -> Result<Vec<Address>, NoRelease> {
    if asked.len() > rules.recipients_max {
        return Err(NoRelease::TooMany(rules.recipients_max));
    }
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for text in asked {
        let address =
            Address::parse(text.trim()).ok().ok_or_else(|| NoRelease::Address(text.clone()))?;
        if !rules.takes(&address.to_string()) {
            return Err(NoRelease::To(address.to_string()));
        }
        if seen.insert(address.key()) {
            all.push(address);
        }
    }
    if all.is_empty() { Err(NoRelease::Nobody) } else { Ok(all) }
}

fn from(asked: Option<&str>, rules: &Rules) -> Result<ReversePath, NoRelease> {
    let Some(text) = asked.or(rules.from.as_deref()).filter(|text| !text.is_empty()) else {
        return Ok(ReversePath::Null);
    };
    let address = Address::parse(text).ok().ok_or_else(|| NoRelease::Address(text.to_owned()))?;
    if asked.is_some() && !rules.takes(&address.to_string()) {
        return Err(NoRelease::From(address.to_string()));
    }
    Ok(ReversePath::Sender(address))
}

/// Where an address leads, if all of that may have the message.
fn ends(target: Target, rules: &Rules) -> Result<Vec<(Recipient, Class)>, NoRelease> {
    let asked = target.recipient.address.to_string();
    if !target.onward.is_empty() {
        return Err(NoRelease::Onward(asked));
    }
    if target.direct.is_empty() {
        return Err(NoRelease::Unknown(asked));
    }
    for (end, class) in &target.direct {
        if matches!(class, Class::Capture { .. }) {
            return Err(NoRelease::Inbox(asked));
        }
        let address = end.address.to_string();
        if !rules.takes(&address) {
            return Err(NoRelease::Leads(asked, address));
        }
    }
    Ok(target.direct)
}

/// What the octets of a message need of a server. Source: RFC 6152, RFC 3030 section 3.
fn body_type(store: &Store, message: Id) -> Result<BodyType, StoreError> {
    let content = store.content(message)?.ok_or(StoreError::Missing("message"))?;
    Ok(body_type_of(&content.whole()?))
}

fn body_type_of(bytes: &[u8]) -> BodyType {
    if Lines::are_long_in(bytes) || bytes.contains(&0) || has_bare(bytes) {
        BodyType::BinaryMime
    } else if bytes.is_ascii() {
        BodyType::SevenBit
    } else {
        BodyType::EightBitMime
    }
}

/// Whether a CR or LF stands without the other.
fn has_bare(bytes: &[u8]) -> bool {
    let bare_feed = memchr::memchr_iter(b'\n', bytes)
        .any(|at| at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\r'));
    bare_feed || memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_say_what_a_server_has_to_take() {
        let long = [&b"Subject: x\r\n\r\n"[..], &b"y".repeat(999), b"\r\n"].concat();
        for (octets, wanted) in [
            (&b"Subject: x\r\n\r\nplain\r\n"[..], BodyType::SevenBit),
            (b"", BodyType::SevenBit),
            (b"Subject: x\r\n\r\n\xc3\xa4\r\n", BodyType::EightBitMime),
            (b"Subject: x\r\n\r\na\nb\r\n", BodyType::BinaryMime),
            (b"\n", BodyType::BinaryMime),
            (b"Subject: x\r\n\r\na\rb\r\n", BodyType::BinaryMime),
            (b"Subject: x\r\n\r\n\0\r\n", BodyType::BinaryMime),
            (&long, BodyType::BinaryMime),
        ] {
            assert_eq!(body_type_of(octets), wanted, "{}", octets.escape_ascii());
        }
    }
}
