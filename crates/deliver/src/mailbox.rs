//! Local delivery: a copy in an account's folder, with Return-Path and Delivered-To at its head.
//!
//! Runs inside a transaction of the store, so that the copy and the settled recipient come
//! together or not at all; with the spool's number as origin a copy comes once, whatever crashes.
//! Source: RFC 5321 section 4.4 (Return-Path).

use mailwright_config::OverQuota;
use mailwright_store::body::BodyId;
use mailwright_store::mailbox::{self, Delivered, NewMessage};
use mailwright_store::{StoreError, Tx};
use mailwright_words::address::{Address, ReversePath};
use mailwright_words::headers::HeaderBlock;
use mailwright_words::status::Status;
use mailwright_words::{Id, Timestamp};

use crate::outcome::{Outcome, Reason};

/// A message for one local recipient.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// The number of the copy.
    pub id: Id,
    /// The number of the message it comes from.
    pub spool: Id,
    /// Whose it becomes.
    pub account: Id,
    /// The folder that a subaddress asked for.
    pub folder: Option<&'a str>,
    /// Its sender.
    pub from: &'a ReversePath,
    /// The address it came to.
    pub recipient: &'a Address,
    /// What acceptance put before the body.
    pub head: &'a [u8],
    /// Octets of the body that `head` stands for.
    pub head_skip: u64,
    /// The body.
    pub body: BodyId,
    /// Its octets.
    pub body_length: u64,
    /// The message's header block, as far as it is known.
    pub header: &'a [u8],
    /// When it was accepted.
    pub received: Timestamp,
}

/// Puts the message into its folder.
///
/// Errors: those of the store; nothing is delivered then, and it may be tried again.
pub fn deliver(
    tx: &mut Tx<'_>,
    arrival: &Arrival<'_>,
    over_quota: OverQuota,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let head = head(arrival);
    let length = u64::try_from(head.len()).unwrap_or(u64::MAX);
    let size = length.saturating_add(arrival.body_length.saturating_sub(arrival.head_skip));
    let new = NewMessage {
        id: arrival.id,
        account: arrival.account,
        folder: arrival.folder.map(str::to_owned),
        body: arrival.body,
        head,
        head_skip: arrival.head_skip,
        size,
        headers: mailbox::shown(&HeaderBlock::new(arrival.header)),
        received: arrival.received,
        origin: Some(arrival.spool),
        flags: 0,
        extract: None,
    };
    Ok(match mailbox::deliver(tx, &new, now)? {
        Delivered::New { .. } | Delivered::Before => Outcome::Delivered,
        Delivered::OverQuota => full(over_quota),
        Delivered::NoAccount => {
            Outcome::Failed(Reason::ours(550, Status::new(5, 1, 1), "the mailbox does not exist"))
        }
    })
}

fn full(over_quota: OverQuota) -> Outcome {
    let text = "the mailbox is full";
    match over_quota {
        OverQuota::Temporary => Outcome::Deferred(Reason::ours(452, Status::new(4, 2, 2), text)),
        OverQuota::Permanent => Outcome::Failed(Reason::ours(552, Status::new(5, 2, 2), text)),
    }
}

fn head(arrival: &Arrival<'_>) -> Vec<u8> {
    let mut head =
        format!("Return-Path: {}\r\nDelivered-To: {}\r\n", arrival.from, arrival.recipient)
            .into_bytes();
    head.extend_from_slice(arrival.head);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_begins_with_its_envelope() {
        let recipient = Address::parse("ann+x@me.example").unwrap();
        let arrival = Arrival {
            id: Id::from_i64(1),
            spool: Id::from_i64(2),
            account: Id::from_i64(3),
            folder: None,
            from: &ReversePath::Null,
            recipient: &recipient,
            head: b"Received: x\r\n",
            head_skip: 0,
            body: BodyId::from_i64(4),
            body_length: 10,
            header: b"",
            received: Timestamp::new(0),
        };
        let wanted = "Return-Path: <>\r\nDelivered-To: ann+x@me.example\r\nReceived: x\r\n";
        assert_eq!(head(&arrival), wanted.as_bytes());
    }

    #[test]
    fn a_full_mailbox_answers_as_configured() {
        for (setting, code) in [(OverQuota::Temporary, 452), (OverQuota::Permanent, 552)] {
            let (Outcome::Deferred(reason) | Outcome::Failed(reason)) = full(setting) else {
                panic!("it is refused");
            };
            assert_eq!(reason.reply.code, code);
        }
    }
}
