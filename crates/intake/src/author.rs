//! Whose name a message goes out under, and whether we vouch for that.
//!
//! Only what was submitted here is ours to sign, and only when its client may use every address
//! of its `From`: else one account could have another's domain vouch for what it writes.
//! Source: RFC 6376 section 6.1 of the roles, RFC 6409 section 6.1.

use mailwright_config::Role;
use mailwright_mime::{Entry, each_address};
use mailwright_store::event::{self, Event};
use mailwright_words::{Address, HeaderBlock, Id, Timestamp};

use crate::refusal::Refusal;
use crate::{Client, Intake};

/// Whether a message is ours to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Author {
    /// It is, for the domain of its author.
    Domain(String),
    /// It was submitted here, and is not ours to sign, for this reason.
    Unclear(String),
    /// It comes from elsewhere.
    Foreign,
}

impl Author {
    /// The domain, when there is one to sign for.
    pub(crate) fn domain(&self) -> Option<String> {
        match self {
            Self::Domain(domain) => Some(domain.clone()),
            Self::Unclear(_) | Self::Foreign => None,
        }
    }
}

impl Intake {
    /// Whose name a message of `client` goes out under.
    ///
    /// Errors: the directory does not answer.
    pub(crate) async fn author(
        &self,
        client: &Client,
        block: &HeaderBlock<'_>,
    ) -> Result<Author, Refusal> {
        if client.role != Role::Msa || !client.may_relay() {
            return Ok(Author::Foreign);
        }
        let unclear = |why: &str| Ok(Author::Unclear(why.to_owned()));
        if block.count("From") != 1 {
            return unclear("it has not one From");
        }
        let Some(addresses) = block.find("From").and_then(|field| addresses(field.value)) else {
            return unclear("its From makes no sense");
        };
        if let Some(identity) = &client.identity {
            for address in &addresses {
                if !self.0.directory.may_send_as(identity, address).await? {
                    let name = &identity.name;
                    return Ok(Author::Unclear(format!("{name} may not write as {address}")));
                }
            }
        }
        let first = addresses.first().map(|address| address.domain().as_str().to_owned());
        Ok(first.map_or(Author::Foreign, Author::Domain))
    }

    /// Tells that a message that was submitted here goes out unsigned, when it does.
    pub(crate) async fn tell_unsigned(&self, author: &Author, spool: Id, now: Timestamp) {
        let why = match author {
            Author::Foreign => return,
            Author::Unclear(why) => why.clone(),
            Author::Domain(domain) if self.0.directory.signer(domain).is_some() => return,
            Author::Domain(domain) => format!("{domain} has no key"),
        };
        tracing::info!(%spool, why, "Message goes out unsigned.");
        let row = Event {
            tenant: 1,
            at: now,
            kind: "unsigned".to_owned(),
            spool: Some(spool),
            recipient: None,
            address: None,
            detail: Some(why),
        };
        let noted = self.0.store.write_relaxed(move |tx| event::append(tx, &row)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "Event not kept.");
        }
    }
}

/// The addresses of a `From`; none when one of them makes no sense, or there is none.
fn addresses(value: &[u8]) -> Option<Vec<Address>> {
    let (mut found, mut is_clear) = (Vec::new(), true);
    each_address(value, |entry| match entry {
        Entry::Mailbox(mailbox) => {
            let text = [mailbox.local, b"@", mailbox.domain].concat();
            let text = String::from_utf8(text).ok();
            match text.and_then(|text| Address::parse(&text).ok()) {
                Some(address) if found.len() < ADDRESSES_MAX => found.push(address),
                _ => is_clear = false,
            }
        }
        Entry::Group(_) | Entry::GroupEnd => is_clear = false,
    });
    Some(found).filter(|found| is_clear && !found.is_empty())
}

/// Authors of one message.
const ADDRESSES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_read_or_the_field_makes_no_sense() {
        let read = |text: &str| {
            let found = addresses(text.as_bytes())?;
            Some(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        for (text, wanted) in [
            (" Ann <ann@Home.example>", Some("ann@home.example")),
            ("ann@home.example (Ann)", Some("ann@home.example")),
            ("\"Bob, of far\" <ann@home.example>", Some("ann@home.example")),
            ("a@home.example, b@far.example", Some("a@home.example b@far.example")),
            ("\"a@far.example\" <ann@home.example>", Some("ann@home.example")),
            ("", None),
            ("Ann", None),
            ("friends: ann@home.example;", None),
            ("ann@home.example, what", None),
        ] {
            assert_eq!(read(text).as_deref(), wanted, "{text}");
        }
    }
}
