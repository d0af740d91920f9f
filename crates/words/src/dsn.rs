//! Delivery status notifications: what became of a message, told to its sender.
//!
//! Builds the whole report as octets. Whether one is due is not decided here: that a report of a
//! report is never made is the queue's invariant. Source: RFC 3464, RFC 6522, and RFC 6533 for
//! addresses with UTF-8; RFC 3834 section 5 for `Auto-Submitted`.

#![expect(clippy::format_push_string, reason = "`write!` has a result that says nothing")]

#[cfg(test)]
mod tests;
pub(crate) mod text;

use crate::address::{Address, Domain};
use crate::envelope::BodyType;
use crate::id::Id;
use crate::status::Status;
use crate::time::Timestamp;
use crate::trace::message_id;

use self::text::{is_binary, one_line};

/// What became of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was not delivered, and will not be.
    Failed,
    /// It is not delivered yet; tried until the given time.
    Delayed(Timestamp),
    /// It is in its mailbox.
    Delivered,
    /// It went to a server that gives no notices.
    Relayed,
    /// It went on to several other addresses.
    Expanded,
}

impl Action {
    /// The value of the `Action` field.
    ///
    /// Source: RFC 3464 section 2.3.3.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed(_) => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// What a report says of one recipient.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where it was to go in the end.
    pub address: Address,
    /// Where its sender had sent it, such as `rfc822;ann@example.com` (`ORCPT`, decoded).
    pub orcpt: Option<String>,
    /// What became of it.
    pub action: Action,
    /// Why.
    pub status: Status,
    /// The host that said so.
    pub remote: Option<String>,
    /// What that host replied, such as `550 5.1.1 No such user`.
    pub reply: Option<String>,
    /// When it was last tried.
    pub attempted: Option<Timestamp>,
}

/// What a report brings back of the message.
#[derive(Debug, Clone, Copy)]
pub enum Original<'a> {
    /// All of its octets.
    Message(&'a [u8]),
    /// Its header alone: so asked by `RET=HDRS`, or over the limit.
    Header(&'a [u8]),
}

/// A report on one message, to its sender.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The identifier of the report, for its `Message-ID` and boundary.
    pub id: Id,
    /// When it is made.
    pub at: Timestamp,
    /// The server that makes it.
    pub host: &'a Domain,
    /// Who gets it: the reverse-path of the message.
    pub sender: &'a Address,
    /// The sender's name for the transaction, decoded.
    pub envid: Option<&'a str>,
    /// When the message came.
    pub arrived: Timestamp,
    /// Whether the message came with SMTPUTF8.
    pub smtputf8: bool,
    /// Its recipients, at least one.
    pub outcomes: &'a [Outcome],
    /// What is brought back.
    pub original: Original<'a>,
}

/// A report that is ready to be spooled, under the null reverse-path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The whole message.
    pub bytes: Vec<u8>,
    /// Whether it needs SMTPUTF8.
    pub smtputf8: bool,
    /// What octets it holds.
    pub body: BodyType,
}

impl Report<'_> {
    /// Writes the report.
    pub fn build(&self) -> Built {
        let utf8 = self.needs_utf8();
        let (content, is_whole) = self.content();
        let eight_bit = utf8 || !content.is_ascii();
        let explanation = self.explanation(utf8);
        let status = self.delivery_status(utf8);
        let boundary = self.boundary(&content);
        let mut head = self.head(&boundary, &content, utf8);
        let global = if utf8 { "global-" } else { "" };
        let encoding = if eight_bit { "8bit" } else { "7bit" };
        let kind = match (is_whole, utf8) {
            (true, false) => "message/rfc822",
            (true, true) => "message/global",
            (false, false) => "text/rfc822-headers",
            (false, true) => "message/global-headers",
        };
        let text = format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{explanation}\r\n\
             --{boundary}\r\nContent-Type: message/{global}delivery-status\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{status}\r\n\
             --{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        head.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(&content);
        if !content.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let body = if eight_bit { BodyType::EightBitMime } else { BodyType::SevenBit };
        Built { bytes, smtputf8: utf8, body }
    }

    fn needs_utf8(&self) -> bool {
        self.smtputf8
            || !self.sender.is_ascii()
            || self.outcomes.iter().any(|outcome| !outcome.address.is_ascii())
    }

    /// What is brought back, and whether it is the whole message. One with octets that no line
    /// may hold would break the report, and comes as its header.
    fn content(&self) -> (Vec<u8>, bool) {
        match self.original {
            Original::Message(bytes) if !is_binary(bytes) => (bytes.to_vec(), true),
            Original::Message(bytes) | Original::Header(bytes) => (text::header_of(bytes), false),
        }
    }

    fn boundary(&self, content: &[u8]) -> String {
        let mut boundary = format!("=_{}", self.id);
        while content.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
            boundary.push('_');
        }
        boundary
    }

    fn head(&self, boundary: &str, content: &[u8], utf8: bool) -> String {
        let subject = match self.outcomes.first().map(|outcome| outcome.action) {
            Some(Action::Delayed(_)) => "Delayed: your message is not delivered yet",
            Some(Action::Delivered) => "Delivered: your message arrived",
            Some(Action::Relayed) => "Relayed: your message went on without further notice",
            Some(Action::Expanded) => "Expanded: your message went on to a list",
            Some(Action::Failed) | None => "Undelivered: your message could not be delivered",
        };
        let mut head = format!(
            "From: Mail delivery <postmaster@{host}>\r\nTo: <{sender}>\r\nSubject: {subject}\r\n\
             Date: {date}\r\nMessage-ID: {id}\r\n",
            host = self.host,
            sender = self.sender,
            date = self.at.rfc5322(),
            id = message_id(self.host, self.id),
        );
        if let Some(original) = text::message_id_of(content).filter(|id| utf8 || id.is_ascii()) {
            head.push_str(&format!("In-Reply-To: {original}\r\nReferences: {original}\r\n"));
        }
        let global = if utf8 { "global-" } else { "" };
        head.push_str(&format!(
            "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type={global}delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n"
        ));
        head
    }

    /// The part for people.
    fn explanation(&self, utf8: bool) -> String {
        let mut text = format!("This is the mail server {}.\r\n", self.host);
        for outcome in self.outcomes {
            let address = &outcome.address;
            let what = match outcome.action {
                Action::Failed => "could not be delivered".to_owned(),
                Action::Delayed(until) => format!(
                    "is not delivered yet. You need not send it again:\r\n\
                     it is tried until {}",
                    until.rfc5322()
                ),
                Action::Delivered => "was delivered".to_owned(),
                Action::Relayed => {
                    "went on to a server that does not tell about delivery".to_owned()
                }
                Action::Expanded => "went on to several addresses".to_owned(),
            };
            text.push_str(&format!("\r\nYour message to <{address}>\r\n{what}.\r\n"));
            if let Some(remote) = &outcome.remote {
                text.push_str(&format!("\r\n  Host:  {}\r\n", one_line(remote, utf8)));
            }
            if let Some(reply) = &outcome.reply {
                text.push_str(&format!("  Reply: {}\r\n", one_line(reply, utf8)));
            }
        }
        text
    }

    /// The part for programs.
    ///
    /// Source: RFC 3464 section 2.
    fn delivery_status(&self, utf8: bool) -> String {
        let mut fields = String::new();
        if let Some(envid) = self.envid {
            fields.push_str(&format!("Original-Envelope-Id: {}\r\n", one_line(envid, utf8)));
        }
        fields.push_str(&format!(
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            self.host,
            self.arrived.rfc5322()
        ));
        for outcome in self.outcomes {
            fields.push_str("\r\n");
            outcome.fields(&mut fields, utf8);
        }
        fields
    }
}

impl Outcome {
    fn fields(&self, fields: &mut String, utf8: bool) {
        if let Some((kind, address)) = self.orcpt.as_deref().and_then(|o| o.split_once(';')) {
            let (kind, address) = (one_line(kind, false), one_line(address, utf8));
            fields.push_str(&format!("Original-Recipient: {kind};{address}\r\n"));
        }
        let kind = if self.address.is_ascii() { "rfc822" } else { "utf-8" };
        fields.push_str(&format!(
            "Final-Recipient: {kind};{}\r\nAction: {}\r\nStatus: {}\r\n",
            self.address,
            self.action.as_str(),
            self.status
        ));
        if let Some(remote) = &self.remote {
            fields.push_str(&format!("Remote-MTA: dns; {}\r\n", one_line(remote, utf8)));
        }
        if let Some(reply) = &self.reply {
            fields.push_str(&format!("Diagnostic-Code: smtp; {}\r\n", one_line(reply, utf8)));
        }
        if let Some(at) = self.attempted {
            fields.push_str(&format!("Last-Attempt-Date: {}\r\n", at.rfc5322()));
        }
        if let Action::Delayed(until) = self.action {
            fields.push_str(&format!("Will-Retry-Until: {}\r\n", until.rfc5322()));
        }
    }
}
