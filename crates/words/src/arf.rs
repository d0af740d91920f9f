//! Complaints: that somebody took a message for abuse, as mailbox providers report it to senders.
//!
//! Builds the whole report as octets. Source: RFC 5965, RFC 6650 for who gets one.

use std::net::IpAddr;

use crate::address::{Address, Domain};
use crate::dsn::{Built, text};
use crate::envelope::BodyType;
use crate::id::Id;
use crate::time::Timestamp;
use crate::trace::message_id;

/// A complaint about one message.
#[derive(Debug, Clone)]
pub struct Complaint<'a> {
    /// The identifier of the report, for its `Message-ID` and boundary.
    pub id: Id,
    /// When it is made.
    pub at: Timestamp,
    /// The server that makes it.
    pub host: &'a Domain,
    /// Who gets it: the reverse-path of the message.
    pub to: &'a Address,
    /// Who complains.
    pub recipient: &'a Address,
    /// When the message came.
    pub arrived: Timestamp,
    /// Where it came from.
    pub source: Option<IpAddr>,
    /// The header of the message.
    pub header: &'a [u8],
}

impl Complaint<'_> {
    /// Writes the report, to be sent under the null reverse-path.
    pub fn build(&self) -> Built {
        let header = text::header_of(self.header);
        let utf8 = !self.to.is_ascii() || !self.recipient.is_ascii();
        let eight_bit = utf8 || !header.is_ascii();
        let encoding = if eight_bit { "8bit" } else { "7bit" };
        let mut boundary = format!("=_{}", self.id);
        while header.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
            boundary.push('_');
        }
        let (host, to, recipient) = (self.host, self.to, self.recipient);
        let head = format!(
            "From: Complaints <postmaster@{host}>\r\nTo: <{to}>\r\n\
             Subject: Complaint: <{recipient}> took your message for abuse\r\nDate: {date}\r\n\
             Message-ID: {id}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report;\r\n\
             \tboundary=\"{boundary}\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
            date = self.at.rfc5322(),
            id = message_id(host, self.id),
        );
        let part = |kind: &str, content: &str| {
            format!(
                "--{boundary}\r\nContent-Type: {kind}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{content}\r\n"
            )
        };
        let words = format!(
            "This is the mail server {host}.\r\n\r\n\
             <{recipient}> marked your message of {} as abuse.\r\n",
            self.arrived.rfc5322()
        );
        let mut bytes = head.into_bytes();
        bytes.extend(part("text/plain; charset=utf-8", &words).into_bytes());
        bytes.extend(part("message/feedback-report", &self.fields()).into_bytes());
        bytes.extend(part("text/rfc822-headers", "").into_bytes());
        // The empty content of the last part ends in a line of its own, which is the header's.
        bytes.truncate(bytes.len().saturating_sub(2));
        bytes.extend_from_slice(&header);
        if !header.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        let body = if eight_bit { BodyType::EightBitMime } else { BodyType::SevenBit };
        Built { bytes, smtputf8: utf8, body }
    }

    /// The part for programs.
    ///
    /// Source: RFC 5965 section 3.
    fn fields(&self) -> String {
        let mut fields = format!(
            "Feedback-Type: abuse\r\nUser-Agent: Mailwright/{}\r\nVersion: 1\r\n\
             Original-Mail-From: <{}>\r\nOriginal-Rcpt-To: <{}>\r\nArrival-Date: {}\r\n\
             Reporting-MTA: dns; {}\r\nReported-Domain: {}\r\n",
            env!("CARGO_PKG_VERSION"),
            self.to,
            self.recipient,
            self.arrived.rfc5322(),
            self.host,
            self.to.domain(),
        );
        if let Some(source) = self.source {
            fields.extend(["Source-IP: ", &source.to_string(), "\r\n"]);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_has_its_three_parts() {
        let (to, recipient) = (
            Address::parse("app@shop.example").unwrap(),
            Address::parse("complaint@a.example").unwrap(),
        );
        let host = Domain::parse("mx.example").unwrap();
        let at = Timestamp::new(1_800_000_000_000);
        let built = Complaint {
            id: crate::IdSource::new(1).next(at),
            at,
            host: &host,
            to: &to,
            recipient: &recipient,
            arrived: at,
            source: Some("192.0.2.1".parse().unwrap()),
            header: b"Subject: x\r\nFrom: <app@shop.example>\r\n\r\nbody",
        }
        .build();
        let text = String::from_utf8(built.bytes).unwrap();
        assert!(text.contains("multipart/report; report-type=feedback-report;"));
        for field in [
            "Feedback-Type: abuse\r\n",
            "Original-Mail-From: <app@shop.example>\r\n",
            "Original-Rcpt-To: <complaint@a.example>\r\n",
            "Source-IP: 192.0.2.1\r\n",
        ] {
            assert!(text.contains(field), "{field} {text}");
        }
        let (_, last) = text.split_once("text/rfc822-headers\r\n").unwrap();
        assert!(last.starts_with(
            "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\nFrom: <app@shop.example>\r\n"
        ));
        assert!(!text.contains("body") && text.ends_with("--\r\n"));
    }
}
