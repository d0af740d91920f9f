//! The envelope: what SMTP says about a message outside of it.
//!
//! Never mixed with the header's `From` and `To`.
//! Source: RFC 5321 section 2.3.1, RFC 3461 section 4, RFC 2852, RFC 4865, RFC 8689.

use crate::address::{Address, ReversePath};
use crate::time::Timestamp;

/// Who a message is from and for, and what was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where failures are reported.
    pub from: ReversePath,
    /// Who gets it; never empty once a message is accepted.
    pub recipients: Vec<Recipient>,
    /// The sender's name for this transaction, decoded (`ENVID`).
    pub envid: Option<String>,
    /// How much of the message reports bring back (`RET`).
    pub ret: Option<Ret>,
    /// What octets the body holds (`BODY`).
    pub body: BodyType,
    /// Whether addresses or header fields hold UTF-8 (`SMTPUTF8`).
    pub smtputf8: bool,
    /// Until when delivery makes sense (`BY`).
    pub deliver_by: Option<DeliverBy>,
    /// Not to be sent before (`HOLDFOR`, `HOLDUNTIL`).
    pub hold_until: Option<Timestamp>,
    /// How urgent it is, from -9 to 9, where that was asked for (`MT-PRIORITY`). Source: RFC 6710.
    pub priority: Option<i8>,
    /// What its sender asks of the road (`REQUIRETLS`, or the field `TLS-Required`).
    pub tls: TlsWish,
}

impl Envelope {
    /// An envelope with nothing asked beyond delivery.
    pub fn new(from: ReversePath, recipients: Vec<Recipient>) -> Self {
        Self {
            from,
            recipients,
            envid: None,
            ret: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            deliver_by: None,
            hold_until: None,
            priority: None,
            tls: TlsWish::None,
        }
    }
}

/// What a message's sender asks of the road that it takes. Source: RFC 8689.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsWish {
    /// Nothing: as both ends of the road have it.
    #[default]
    None,
    /// `REQUIRETLS`: it goes encrypted, to servers that are sure and ask the same, or not at all.
    Required,
    /// `TLS-Required: No`: rather in the open than not at all.
    Optional,
}

impl TlsWish {
    /// The word it is stored as.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Required => Some("required"),
            Self::Optional => Some("optional"),
        }
    }

    /// Reads the word it is stored as.
    pub fn read(word: Option<&str>) -> Self {
        match word {
            Some("required") => Self::Required,
            Some("optional") => Self::Optional,
            _ => Self::None,
        }
    }
}

/// One forward-path of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Whose mailbox.
    pub address: Address,
    /// What the sender wants to be told.
    pub notify: Notify,
    /// The address as its sender first wrote it, such as `rfc822;ann@example.com`, decoded.
    pub orcpt: Option<String>,
}

impl Recipient {
    /// A recipient with nothing asked beyond delivery.
    pub const fn new(address: Address) -> Self {
        Self { address, notify: Notify::DEFAULT, orcpt: None }
    }
}

/// How much of a message its failure report brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// All of it.
    Full,
    /// Its header only.
    Hdrs,
}

/// What octets a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyType {
    /// ASCII lines.
    #[default]
    SevenBit,
    /// Lines of any octets.
    EightBitMime,
    /// Any octets at all; lines mean nothing.
    BinaryMime,
}

impl BodyType {
    /// The word of the `BODY` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

/// Which outcomes of a recipient are reported to the sender.
///
/// Source: RFC 3461 section 4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// Nothing, whatever happens; excludes the others.
    pub never: bool,
    /// That it was delivered.
    pub success: bool,
    /// That it could not be delivered.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
}

impl Notify {
    /// What holds when nothing was asked: failures and delays.
    pub const DEFAULT: Self = Self { never: false, success: false, failure: true, delay: true };
    /// No report, whatever happens.
    pub const NEVER: Self = Self { never: true, success: false, failure: false, delay: false };

    /// One bit each: 1 never, 2 success, 4 failure, 8 delay.
    pub fn as_bits(self) -> u8 {
        u8::from(self.never)
            | u8::from(self.success) << 1
            | u8::from(self.failure) << 2
            | u8::from(self.delay) << 3
    }

    /// What [`as_bits`](Self::as_bits) made; other bits mean nothing.
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            never: bits & 1 != 0,
            success: bits & 2 != 0,
            failure: bits & 4 != 0,
            delay: bits & 8 != 0,
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A time after which a message is late.
///
/// Source: RFC 2852 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    /// When it is late.
    pub at: Timestamp,
    /// What happens then.
    pub mode: ByMode,
    /// Whether each relay on the way is reported.
    pub trace: bool,
}

/// What happens to a message that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByMode {
    /// It is returned as failed.
    Return,
    /// Its sender is told, and it goes on.
    Notify,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_notify_survives_as_bits() {
        for bits in 0..16 {
            assert_eq!(Notify::from_bits(bits).as_bits(), bits);
        }
        assert_eq!(Notify::default().as_bits(), 12);
        assert_eq!(Notify::from_bits(0xf1), Notify::NEVER);
    }
}
