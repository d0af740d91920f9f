//! What a client is told when something is not taken.
//!
//! Source: RFC 5321 section 4.2 (replies), RFC 3463 (enhanced status codes), RFC 5321 section 6.3
//! (loops), RFC 6409 section 6.

use mailwright_store::StoreError;
use mailwright_words::{Reply, Status};

/// Why a sender, a recipient or a message is not taken.
///
/// Every variant knows its reply, so that no session writes reply text of its own. A fault of
/// ours is always temporary: it loses nobody's message.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Only who authenticated may submit here.
    #[error("Authentication is required")]
    Authentication,
    /// The client may not use this reverse-path.
    #[error("{account} may not send as <{sender}>")]
    Sender {
        /// Who the client is.
        account: String,
        /// What it wanted to send as.
        sender: String,
    },
    /// The recipient is elsewhere, and the client may not relay.
    #[error("Relaying to {domain} is denied")]
    Relay {
        /// Where the recipient is.
        domain: String,
    },
    /// The recipient is elsewhere, and this listener delivers here only.
    #[error("{domain} has no mailboxes here")]
    Remote {
        /// Where the recipient is.
        domain: String,
    },
    /// The domain is ours, and has no such address.
    #[error("No mailbox <{recipient}> here")]
    Unknown {
        /// Whom the client asked for.
        recipient: String,
    },
    /// The mailbox has no room.
    #[error("The mailbox of <{recipient}> is full")]
    OverQuota {
        /// Whom the client asked for.
        recipient: String,
        /// Whether it shall try again.
        temporary: bool,
    },
    /// The transaction has as many recipients as this listener takes.
    #[error("No more than {limit} recipients in a transaction")]
    Recipients {
        /// How many it takes.
        limit: usize,
    },
    /// The recipients lead to more addresses than a transaction may.
    #[error("The recipients lead to more than {limit} addresses, send again for this one")]
    Ends {
        /// How many it may lead to.
        limit: usize,
    },
    /// The address leads too far, or to too many others. Whoever set it up has to mend it.
    #[error("<{recipient}> leads too far")]
    Expansion {
        /// Whom the client asked for.
        recipient: String,
    },
    /// There is no such inbox, and no room for it.
    #[error("There is no room for the inbox {name}")]
    Inbox {
        /// Its name.
        name: String,
    },
    /// No recipient is left.
    #[error("No valid recipients")]
    NoRecipients,
    /// The message is larger than this listener takes.
    #[error("The message is over the limit of {limit} octets")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The header is larger than any should be.
    #[error("The header of the message is over the limit of {limit} octets")]
    HeaderTooLarge {
        /// The limit.
        limit: u64,
    },
    /// Programs would read the header differently.
    #[error("The header has a CR or LF that is no part of a CRLF")]
    Newline,
    /// The header has more fields than any should have.
    #[error("The header of the message has more than {limit} fields")]
    Fields {
        /// The limit.
        limit: usize,
    },
    /// The structure of the message is over a limit.
    #[error("Refused: {0}")]
    Structure(mailwright_words::mime::Excess),
    /// The message went through too many servers.
    #[error("The message has gone through {hops} servers, it is in a loop")]
    Hops {
        /// How many it went through.
        hops: usize,
    },
    /// The message was delivered to this recipient before.
    #[error("The message was delivered to <{recipient}> before, it is in a loop")]
    Loop {
        /// Who had it.
        recipient: String,
    },
    /// A list in the DNS has the client.
    #[error("{client} is on the list {zone}")]
    Listed {
        /// Where the client is.
        client: String,
        /// The list.
        zone: String,
    },
    /// There were too many messages within an hour.
    #[error("Too much mail for <{about}>, try again in {seconds} s")]
    Rate {
        /// From whom, from where, or to whom.
        about: String,
        /// How long to wait.
        seconds: u64,
    },
    /// Whoever writes for the first time has to come again.
    #[error("Greylisted, try again in {seconds} s")]
    Greylisted {
        /// How long to wait.
        seconds: u64,
    },
    /// The account sent as much as it may.
    #[error("{account} may not send more than {limit}")]
    OverLimit {
        /// Who.
        account: String,
        /// How much it may send.
        limit: String,
    },
    /// The author's domain wants mail refused that is not proved to be its own.
    #[error("{domain} wants mail refused that it does not vouch for (DMARC): {reason}")]
    Dmarc {
        /// The author's domain.
        domain: String,
        /// Why it does not.
        reason: String,
    },
    /// The domain of the reverse-path forbids this client.
    #[error("{domain} does not let this client send for it (SPF): {reason}")]
    Spf {
        /// The domain.
        domain: String,
        /// What it says about it.
        reason: String,
    },
    /// The client's address has no name that leads back to it.
    #[error("The address you come from has no name that leads back to it")]
    Iprev,
    /// Free space or inodes are low.
    #[error("Storage is low, try again later")]
    Space,
    /// The message may not wait as long as was asked.
    #[error("The message cannot be held that long")]
    Hold,
    /// Storage does not answer, or did not make the message durable.
    #[error("The message cannot be taken now, try again later")]
    Store(#[source] StoreError),
    /// A step was asked out of turn: a fault of ours.
    #[error("Something went wrong here, try again later")]
    Internal(&'static str),
}

impl Refusal {
    /// Reply code and enhanced status.
    pub const fn status(&self) -> (u16, Status) {
        match self {
            Self::Authentication => (530, Status::new(5, 7, 0)),
            Self::Sender { .. } | Self::Relay { .. } | Self::Listed { .. } => {
                (550, Status::new(5, 7, 1))
            }
            Self::Remote { .. } => (550, Status::new(5, 1, 2)),
            Self::Unknown { .. } => (550, Status::new(5, 1, 1)),
            Self::OverQuota { temporary: true, .. } => (452, Status::new(4, 2, 2)),
            Self::OverQuota { temporary: false, .. } => (552, Status::new(5, 2, 2)),
            Self::Rate { .. } | Self::Greylisted { .. } | Self::OverLimit { .. } => {
                (450, Status::new(4, 7, 1))
            }
            Self::Recipients { .. } | Self::Ends { .. } => (452, Status::new(4, 5, 3)),
            Self::Expansion { .. } => (451, Status::new(4, 3, 5)),
            Self::NoRecipients => (554, Status::new(5, 5, 1)),
            Self::TooLarge { .. } | Self::HeaderTooLarge { .. } => (552, Status::new(5, 3, 4)),
            Self::Fields { .. } | Self::Newline | Self::Structure(_) => (554, Status::new(5, 6, 0)),
            // Source: RFC 7372 section 3.
            Self::Dmarc { .. } => (550, Status::new(5, 7, 1)),
            Self::Spf { .. } => (550, Status::new(5, 7, 23)),
            Self::Iprev => (550, Status::new(5, 7, 25)),
            Self::Hops { .. } | Self::Loop { .. } => (554, Status::new(5, 4, 6)),
            Self::Space | Self::Inbox { .. } | Self::Store(StoreError::Full) => {
                (452, Status::new(4, 3, 1))
            }
            Self::Hold => (501, Status::new(5, 5, 4)),
            Self::Store(_) | Self::Internal(_) => (451, Status::new(4, 3, 0)),
        }
    }

    /// Whether another try may succeed.
    pub const fn is_temporary(&self) -> bool {
        self.status().0 < 500
    }

    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (code, status) = self.status();
        Reply::new(code, Some(status), self.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_code_status_and_reason() {
        let refusal = Refusal::Relay { domain: "elsewhere.example".to_owned() };
        assert_eq!(
            refusal.reply().to_string(),
            "550 5.7.1 Relaying to elsewhere.example is denied"
        );
    }

    #[test]
    fn faults_of_ours_are_temporary_and_tell_nothing_of_their_cause() {
        for error in [StoreError::Closed, StoreError::Full, StoreError::Corrupt("row")] {
            let refusal = Refusal::from(error);
            assert!(refusal.is_temporary());
            assert!(!refusal.reply().text().contains("row"));
        }
        assert!(Refusal::Internal("why").is_temporary());
        assert_eq!(Refusal::from(StoreError::Full).status().0, 452);
    }
}
