//! The fields a server adds: `Received` and `Message-ID`.
//!
//! Source: RFC 5321 section 4.4, RFC 3848 and RFC 6531 section 4.3 (the words of `with`), RFC 6710
//! (PRIORITY), RFC 5322 section 3.6.4.

#![expect(clippy::format_push_string, reason = "`write!` has a result that says nothing")]

use std::net::IpAddr;

use crate::address::{Address, Domain};
use crate::id::Id;
use crate::time::Timestamp;

/// The most octets of a client's own name that a trace field repeats.
const NAME_MAX: usize = 255;

/// How a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP after HELO.
    Smtp,
    /// SMTP after EHLO.
    Esmtp,
    /// LMTP.
    Lmtp,
    /// The HTTP API.
    Http,
    /// A program on this machine.
    Local,
}

/// What a `Received` field tells.
#[derive(Debug, Clone)]
pub struct Trace<'a> {
    /// The name the client gave itself.
    pub hello: &'a str,
    /// The client's address; a message from this machine has none.
    pub peer: Option<IpAddr>,
    /// The name DNS has for the address, when it was looked up and confirmed.
    pub peer_name: Option<&'a str>,
    /// Our name.
    pub by: &'a Domain,
    /// How it came.
    pub protocol: Protocol,
    /// Protocol version and cipher, such as `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<&'a str>,
    /// Whether the client had authenticated.
    pub authenticated: bool,
    /// Whether the transaction asked for SMTPUTF8.
    pub smtputf8: bool,
    /// How urgent it is, where that was asked for.
    pub priority: Option<i8>,
    /// Our identifier of the message.
    pub id: Id,
    /// The recipient, when there is only one: more would tell of blind copies.
    pub recipient: Option<&'a Address>,
    /// When it came.
    pub at: Timestamp,
}

impl Trace<'_> {
    /// The word behind `with`, such as `ESMTPSA`.
    fn with(&self) -> String {
        let word = match self.protocol {
            Protocol::Http => return "HTTP".to_owned(),
            Protocol::Local => return "local".to_owned(),
            Protocol::Lmtp if self.smtputf8 => "UTF8LMTP",
            Protocol::Lmtp => "LMTP",
            _ if self.smtputf8 => "UTF8SMTP",
            Protocol::Smtp => "SMTP",
            Protocol::Esmtp => "ESMTP",
        };
        let secure = if self.tls.is_some() { "S" } else { "" };
        let authenticated = if self.authenticated { "A" } else { "" };
        // RFC 3848 has no SMTPS: who has TLS or AUTH has said EHLO.
        format!("{word}{secure}{authenticated}")
    }
}

/// The `Received` field of a message, with its CRLF.
pub fn received(trace: &Trace<'_>) -> String {
    let mut field = format!("Received: from {}", name(trace.hello));
    if let Some(peer) = trace.peer {
        let literal = Domain::from_ip(peer);
        match trace.peer_name {
            Some(known) => field.push_str(&format!(" ({} {literal})", name(known))),
            None => field.push_str(&format!(" ({literal})")),
        }
    }
    field.push_str(&format!("\r\n\tby {} with {} id {}", trace.by, trace.with(), trace.id));
    if let Some(tls) = trace.tls {
        field.push_str(&format!("\r\n\t({})", comment(tls)));
    }
    if let Some(recipient) = trace.recipient.filter(|r| trace.smtputf8 || r.is_ascii()) {
        field.push_str(&format!("\r\n\tfor <{recipient}>"));
    }
    if let Some(priority) = trace.priority {
        field.push_str(&format!("\r\n\tPRIORITY {priority}"));
    }
    field.push_str(&format!("; {}\r\n", trace.at.rfc5322()));
    field
}

/// A new `Message-ID` value, with its angle brackets.
pub fn message_id(host: &Domain, id: Id) -> String {
    format!("<{id}@{host}>")
}

/// What a client may call itself in a field of ours: nothing that could end a word.
fn name(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let name: String =
        text.chars().take(NAME_MAX).map(|c| if is_word(c) { c } else { '?' }).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

fn comment(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !"()\\".contains(*c)).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace<'a>(by: &'a Domain, recipient: Option<&'a Address>) -> Trace<'a> {
        Trace {
            hello: "client.example",
            peer: Some("192.0.2.1".parse().unwrap()),
            peer_name: None,
            by,
            protocol: Protocol::Esmtp,
            tls: Some("TLSv1.3 TLS13_AES_128_GCM_SHA256"),
            authenticated: true,
            smtputf8: false,
            priority: None,
            id: Id::from_i64(1),
            recipient,
            at: Timestamp::new(0),
        }
    }

    #[test]
    fn a_trace_tells_from_where_by_whom_and_how() {
        let by = Domain::parse("mx.example").unwrap();
        let ann = Address::parse("ann@example.com").unwrap();
        assert_eq!(
            received(&trace(&by, Some(&ann))),
            "Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTPSA \
             id 0000000000001\r\n\t(TLSv1.3 TLS13_AES_128_GCM_SHA256)\r\n\t\
             for <ann@example.com>; Thu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        assert_eq!(message_id(&by, Id::from_i64(1)), "<0000000000001@mx.example>");
    }

    #[test]
    fn a_client_cannot_write_a_field_of_ours() {
        let by = Domain::parse("mx.example").unwrap();
        let evil = Trace {
            hello: "a\r\nBcc: (x; <y>",
            tls: None,
            authenticated: false,
            smtputf8: true,
            peer_name: Some("host.example"),
            ..trace(&by, None)
        };
        let field = received(&evil);
        assert!(
            field.starts_with("Received: from a??Bcc:??x???y? (host.example [192.0.2.1])\r\n\tby"),
            "{field}"
        );
        assert!(field.contains(" with UTF8SMTP id "));
    }
}
