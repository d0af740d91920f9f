//! What others say became of a message of ours: reports on its delivery, and complaints about it.
//!
//! A report is read as far as it makes sense; what it says is its writer's word and proves nothing.
//! All it names is text of theirs, cut to a length. Source: RFC 3464, RFC 6533, RFC 5965.

use mailwright_words::HeaderBlock;

use crate::structure::{Kind, Part, Structure};
use crate::token::is_blank;

/// Recipients of one report that are looked at.
const RECIPIENTS_MAX: usize = 50;
/// Parts of a message in which a report is looked for.
const PARTS_MAX: usize = 20;
/// Stamps of a message that are looked at.
const STAMPS_MAX: usize = 50;
/// The most characters of a text.
const TEXT_MAX: usize = 300;

/// Which of both it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackKind {
    /// On delivery.
    Delivery,
    /// A complaint of who got it.
    Complaint,
}

/// A report about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Which of both it is.
    pub kind: FeedbackKind,
    /// The program or the server that reports, as it says itself.
    pub reporter: String,
    /// The kind of a complaint, such as `abuse`.
    pub complaint: String,
    /// About whom.
    pub recipients: Vec<FeedbackRecipient>,
    /// Servers that the message went through, and their names for it, the last one first.
    pub stamps: Vec<(String, String)>,
    /// The message's own id, with its angle brackets.
    pub message_id: String,
    /// The name that its sender gave to the transaction; empty for none.
    pub envelope_id: String,
}

/// One recipient that a report is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedbackRecipient {
    /// As the sender wrote it.
    pub original: String,
    /// As it was at last.
    pub last: String,
    /// What became of it, such as `failed`.
    pub action: String,
    /// The status code.
    pub status: String,
    /// What the other server said.
    pub diagnostic: String,
}

impl Feedback {
    /// Whether the value of a message's `Content-Type` is that of a report about a message.
    pub fn is_announced(content_type: &[u8]) -> bool {
        let Some(media) = crate::Media::parse(content_type) else { return false };
        let kind = media.parameter("report-type").unwrap_or_default().to_ascii_lowercase();
        media.is("multipart", "report")
            && ["delivery-status", "global-delivery-status", "feedback-report"]
                .contains(&kind.as_str())
    }

    /// Reads a message that is a report; nothing when it is none.
    pub fn read(message: &[u8]) -> Option<Self> {
        let structure = Structure::parse(message);
        let root = structure.root()?;
        if root.kind() != Kind::Multipart || !root.media().is("multipart", "report") {
            return None;
        }
        let parts: Vec<&Part<'_>> = structure
            .children(0)
            .take(PARTS_MAX)
            .filter_map(|index| structure.part(index))
            .collect();
        let is = |part: &&&Part<'_>, subs: [&str; 2]| {
            subs.iter().any(|sub| part.media().is("message", sub))
        };
        let status =
            parts.iter().find(|part| is(part, ["delivery-status", "global-delivery-status"]));
        let complaint = parts.iter().find(|part| is(part, ["feedback-report", "feedback-report"]));
        let mut feedback = match (status, complaint) {
            (Some(part), _) => delivery(&part.decoded()),
            (None, Some(part)) => self::complaint(&part.decoded()),
            (None, None) => return None,
        };
        let returned = parts.iter().rev().find(|part| is_returned(part));
        if let Some(part) = returned {
            feedback.trace(&part.decoded());
        }
        Some(feedback)
    }

    fn new(kind: FeedbackKind, reporter: String) -> Self {
        Self {
            kind,
            reporter,
            complaint: String::new(),
            recipients: Vec::new(),
            stamps: Vec::new(),
            message_id: String::new(),
            envelope_id: String::new(),
        }
    }

    /// Takes what tells which message it is, from what comes back of it.
    fn trace(&mut self, returned: &[u8]) {
        let block = HeaderBlock::new(returned);
        self.message_id =
            block.find("Message-ID").map(|field| cut(&field.text())).unwrap_or_default();
        let stamps = block.fields().filter(|field| field.name.eq_ignore_ascii_case("Received"));
        self.stamps = stamps.take(STAMPS_MAX).filter_map(|field| stamp(&field.text())).collect();
    }
}

fn is_returned(part: &Part<'_>) -> bool {
    let media = part.media();
    [
        ("message", "rfc822"),
        ("text", "rfc822-headers"),
        ("message", "rfc822-headers"),
        ("message", "global"),
        ("message", "global-headers"),
    ]
    .iter()
    .any(|(top, sub)| media.is(top, sub))
}

/// Source: RFC 3464 section 2.1.
fn delivery(text: &[u8]) -> Feedback {
    let mut rest = text;
    let mut groups: Vec<HeaderBlock<'_>> = Vec::new();
    while !rest.is_empty() && groups.len() <= RECIPIENTS_MAX {
        // More than one empty line may separate them.
        let start = rest.iter().position(|byte| !is_blank(*byte) && !b"\r\n".contains(byte));
        let Some(group) = start.and_then(|start| rest.get(start..)) else { break };
        let block = HeaderBlock::new(group);
        let behind = block.body_offset();
        groups.push(block);
        if behind == 0 {
            break;
        }
        rest = group.get(behind..).unwrap_or_default();
    }
    let mut groups = groups.into_iter();
    let message = groups.next().unwrap_or_else(|| HeaderBlock::new(b""));
    let mut feedback = Feedback::new(FeedbackKind::Delivery, typed(&message, "Reporting-MTA"));
    feedback.envelope_id = plain(&message, "Original-Envelope-Id");
    feedback.recipients = groups
        .map(|group| FeedbackRecipient {
            original: typed(&group, "Original-Recipient"),
            last: typed(&group, "Final-Recipient"),
            action: plain(&group, "Action").to_ascii_lowercase(),
            status: plain(&group, "Status"),
            diagnostic: typed(&group, "Diagnostic-Code"),
        })
        .filter(|one| !one.action.is_empty())
        .collect();
    feedback
}

/// Source: RFC 5965 section 3.
fn complaint(text: &[u8]) -> Feedback {
    let block = HeaderBlock::new(text);
    let mut feedback = Feedback::new(FeedbackKind::Complaint, plain(&block, "User-Agent"));
    feedback.complaint = plain(&block, "Feedback-Type").to_ascii_lowercase();
    let named = block
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case("Original-Rcpt-To"))
        .take(RECIPIENTS_MAX);
    feedback.recipients = named
        .map(|field| FeedbackRecipient {
            original: bare(&cut(&field.text())),
            ..FeedbackRecipient::default()
        })
        .collect();
    feedback
}

/// The value of a field, up to a length.
fn plain(block: &HeaderBlock<'_>, name: &str) -> String {
    block.find(name).map(|field| cut(&field.text())).unwrap_or_default()
}

/// The value of a field that begins with its type, without it.
fn typed(block: &HeaderBlock<'_>, name: &str) -> String {
    let value = plain(block, name);
    bare(value.split_once(';').map_or(value.as_str(), |(_, text)| text))
}

fn bare(address: &str) -> String {
    let text = address.trim();
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text).to_owned()
}

/// Text of theirs: printable, and not too long.
fn cut(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(TEXT_MAX).map(printable).collect::<String>().trim().to_owned()
}

/// Who stamped a message, and under which name.
///
/// Source: RFC 5321 section 4.4.
fn stamp(received: &str) -> Option<(String, String)> {
    let mut words = received.split([' ', '\t', ';']).filter(|word| !word.is_empty());
    words.find(|word| word.eq_ignore_ascii_case("by"))?;
    let host = words.next()?;
    words.find(|word| word.eq_ignore_ascii_case("id"))?;
    Some((cut(host), cut(words.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kind: &str, status: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@far.example\r\nContent-Type: multipart/report; \
             report-type={kind}; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
             Content-Type: message/{kind}\r\n\r\n{status}\r\n--b\r\n\
             Content-Type: {returned}\r\n\r\n\
             Received: from x (y [192.0.2.1])\r\n\tby relay.far.example (Postfix) with ESMTP id 4A\
             \r\n\tfor <dan@far.example>; Tue, 24 Nov 2026 06:15:37 +0000\r\n\
             Received: from client.example ([192.0.2.7])\r\n\tby mx.home.example with ESMTPSA id \
             0g7k2m9x4p1q3; Tue, 24 Nov 2026 06:15:37 +0000\r\n\
             Message-ID: <1@home.example>\r\n\r\nHello.\r\n--b--\r\n"
        )
    }

    #[test]
    fn a_report_on_delivery_tells_whom_it_is_about_and_which_message() {
        let status = "Reporting-MTA: dns; mx.far.example\r\nOriginal-Envelope-Id: QQ1\r\n\r\n\r\n\
            Original-Recipient: rfc822;dan@far.example\r\n\
            Final-Recipient: rfc822; <Dan@box.far.example>\r\nAction: Failed\r\nStatus: 5.1.1\r\n\
            Diagnostic-Code: smtp; 550 5.1.1 no\r\n such user\r\n\r\n\
            Final-Recipient: rfc822;eva@far.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n";
        for returned in ["message/rfc822", "text/rfc822-headers"] {
            let text = report("delivery-status", status, returned);
            let found = Feedback::read(text.as_bytes()).unwrap();
            assert_eq!(found.kind, FeedbackKind::Delivery);
            assert_eq!((&*found.reporter, &*found.envelope_id), ("mx.far.example", "QQ1"));
            let [dan, eva] = found.recipients.as_slice() else { panic!("{found:?}") };
            assert_eq!((&*dan.original, &*dan.last), ("dan@far.example", "Dan@box.far.example"));
            assert_eq!((&*dan.action, &*dan.status), ("failed", "5.1.1"));
            assert_eq!(dan.diagnostic, "550 5.1.1 no such user");
            assert_eq!((&*eva.last, &*eva.action), ("eva@far.example", "delayed"));
            let stamp = |host: &str, id: &str| (host.to_owned(), id.to_owned());
            let stamps =
                [stamp("relay.far.example", "4A"), stamp("mx.home.example", "0g7k2m9x4p1q3")];
            assert_eq!(found.stamps, stamps, "{returned}");
            assert_eq!(found.message_id, "<1@home.example>");
        }
    }

    #[test]
    fn a_complaint_tells_its_kind() {
        let status = "Feedback-Type: Abuse\r\nUser-Agent: Loop/1\r\nVersion: 1\r\n\
            Original-Rcpt-To: <dan@far.example>\r\nOriginal-Rcpt-To: eva@far.example\r\n";
        let text = report("feedback-report", status, "message/rfc822");
        let found = Feedback::read(text.as_bytes()).unwrap();
        assert_eq!((found.kind, &*found.complaint), (FeedbackKind::Complaint, "abuse"));
        let whom: Vec<&str> = found.recipients.iter().map(|one| one.original.as_str()).collect();
        assert_eq!(whom, ["dan@far.example", "eva@far.example"]);
        assert_eq!(found.stamps.len(), 2);
    }

    #[test]
    fn what_is_no_report_is_none_and_what_is_broken_does_no_harm() {
        for text in ["", "Hello.", "Content-Type: multipart/report; boundary=b\r\n\r\n--b--\r\n"] {
            assert_eq!(Feedback::read(text.as_bytes()), None, "{text}");
        }
        let many = "Action: failed\r\nFinal-Recipient: rfc822;a@b\r\n\r\n".repeat(1000);
        let text = report("delivery-status", &format!("A: b\r\n\r\n{many}"), "text/plain");
        let found = Feedback::read(text.as_bytes()).unwrap();
        assert_eq!((found.recipients.len(), found.stamps.len()), (RECIPIENTS_MAX, 0));
        let long = format!("Reporting-MTA: dns; {}\u{1}x", "y".repeat(5000));
        let text = report("delivery-status", &long, "text/plain");
        assert!(Feedback::read(text.as_bytes()).unwrap().reporter.len() <= TEXT_MAX);
        for text in [&report("delivery-status", &many, "message/rfc822"), &text] {
            for end in (0..text.len()).step_by(7) {
                Feedback::read(&text.as_bytes()[..end]);
            }
        }
        for (value, wanted) in [
            ("multipart/report; report-type=delivery-status; boundary=x", true),
            ("Multipart/Report; Report-Type=\"Feedback-Report\"", true),
            ("multipart/report; report-type=disposition-notification", false),
            ("multipart/mixed; report-type=delivery-status", false),
            ("", false),
        ] {
            assert_eq!(Feedback::is_announced(value.as_bytes()), wanted, "{value}");
        }
    }
}
