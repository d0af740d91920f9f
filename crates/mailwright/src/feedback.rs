//! Reports of others on our messages: which message of ours one is about, and what is kept of it.
//!
//! A message of ours is known by the reverse-path it left with, if that names it; else by the
//! stamp it left with, by a `Message-ID` of our making, or by the name of its transaction. Only the
//! first proves anything, and nothing of them does more than write an event.

use mailwright_mime::{Feedback, FeedbackKind, FeedbackRecipient};
use mailwright_store::feedback::Told;
use mailwright_words::Id;

/// What a message tells about messages of ours; nothing when it is no report, or names none.
/// `author` is the domain it is from, if that is proven, and `about` the message that the address
/// it came to names.
pub(crate) fn read(
    message: &[u8],
    host: &str,
    (author, about): (Option<&str>, Option<Id>),
) -> Vec<Told> {
    let Some(feedback) = Feedback::read(message) else { return Vec::new() };
    let messages = about.map_or_else(|| messages(&feedback, host), |about| vec![about]);
    let envid = Some(feedback.envelope_id.clone()).filter(|id| !id.is_empty() && about.is_none());
    if messages.is_empty() && envid.is_none() {
        tracing::debug!(reporter = feedback.reporter, "A report about no message of ours.");
        return Vec::new();
    }
    let reporter = or(&feedback.reporter, "somebody");
    let from = match (about, author) {
        (Some(_), _) => format!("by {reporter}, to the message's own return path"),
        (None, Some(author)) => format!("by {reporter}, from {author}"),
        (None, None) => format!("by {reporter}, not proven"),
    };
    let told = |addresses: Vec<String>, what: String| Told {
        kind: kind(feedback.kind).to_owned(),
        messages: messages.clone(),
        envid: envid.clone(),
        addresses,
        detail: format!("{what} ({from})"),
    };
    match feedback.kind {
        FeedbackKind::Delivery => {
            feedback.recipients.iter().map(|one| told(addresses(one), outcome(one))).collect()
        }
        FeedbackKind::Complaint if feedback.recipients.is_empty() => {
            vec![told(Vec::new(), or(&feedback.complaint, "complaint").to_owned())]
        }
        FeedbackKind::Complaint => feedback
            .recipients
            .iter()
            .map(|one| told(addresses(one), or(&feedback.complaint, "complaint").to_owned()))
            .collect(),
    }
}

const fn kind(kind: FeedbackKind) -> &'static str {
    match kind {
        FeedbackKind::Delivery => "reported",
        FeedbackKind::Complaint => "complaint",
    }
}

fn or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

fn outcome(one: &FeedbackRecipient) -> String {
    let texts = [&one.action, &one.status, &one.diagnostic];
    let texts: Vec<&str> =
        texts.iter().map(|text| text.as_str()).filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

fn addresses(one: &FeedbackRecipient) -> Vec<String> {
    [&one.original, &one.last].into_iter().filter(|text| !text.is_empty()).cloned().collect()
}

/// What the message may be: by our own stamps, then by its id.
fn messages(feedback: &Feedback, host: &str) -> Vec<Id> {
    let stamps = feedback.stamps.iter().filter(|(by, _)| by.eq_ignore_ascii_case(host));
    let own = feedback.message_id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    let own =
        own.and_then(|id| id.rsplit_once('@')).filter(|(_, by)| by.eq_ignore_ascii_case(host));
    let mut found: Vec<Id> = Vec::new();
    for text in stamps.map(|(_, id)| id.as_str()).chain(own.map(|(id, _)| id)) {
        if let Ok(id) = text.parse()
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kind: &str, status: &str, trace: &str) -> Vec<u8> {
        format!(
            "Content-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/{kind}\r\n\r\n{status}\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\n{trace}\r\n--b--\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn only_stamps_of_ours_name_a_message() {
        let id = Id::from_i64(77);
        let status = "Reporting-MTA: dns;mx.far.example\r\n\r\n\
            Final-Recipient: rfc822;d@far.example\r\nAction: failed\r\n\
            Status: 5.1.1\r\nDiagnostic-Code: smtp;550 no\r\n";
        let read = |trace: &str, author| {
            let report = report("delivery-status", status, trace);
            read(&report, "mx.home.example", (author, None))
        };
        let ours = format!("Received: from a by MX.home.example with ESMTP id {id}; now\r\n");
        let told = read(&ours, Some("far.example"));
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&*told.kind, &told.messages), ("reported", &vec![id]));
        assert_eq!(told.addresses, ["d@far.example"]);
        assert_eq!(told.detail, "failed 5.1.1 550 no (by mx.far.example, from far.example)");
        assert_eq!(read(&format!("Message-ID: <{id}@mx.home.example>\r\n"), None).len(), 1);
        for trace in [
            format!("Received: from a by mx.other.example with ESMTP id {id}; now\r\n"),
            format!("Message-ID: <{id}@other.example>\r\n"),
            "Received: from a by mx.home.example with ESMTP id 4AB; now\r\n".to_owned(),
        ] {
            assert!(read(&trace, None).is_empty(), "{trace}");
        }
    }

    #[test]
    fn a_complaint_without_a_recipient_is_about_the_message() {
        let id = Id::from_i64(77);
        let trace = format!("Received: from a by mx.home.example with ESMTP id {id}; now\r\n");
        let message = report("feedback-report", "Feedback-Type: abuse\r\n", &trace);
        let told = read(&message, "mx.home.example", (None, None));
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&*told.kind, told.addresses.len()), ("complaint", 0));
        assert_eq!(told.detail, "abuse (by somebody, not proven)");
    }

    #[test]
    fn the_address_a_report_came_to_proves_more_than_what_is_in_it() {
        let (id, other) = (Id::from_i64(77), Id::from_i64(78));
        let status = "Reporting-MTA: dns;mx.far.example\r\nOriginal-Envelope-Id: QQ1\r\n\r\n\
            Final-Recipient: rfc822;d@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        let trace = format!("Received: from a by mx.home.example with ESMTP id {other}; now\r\n");
        let message = report("delivery-status", status, &trace);
        let told = read(&message, "mx.home.example", (None, Some(id)));
        assert_eq!((&told[0].messages, &told[0].envid), (&vec![id], &None));
        assert!(told[0].detail.ends_with("return path)"), "{told:?}");
        let told = read(&message, "mx.home.example", (None, None));
        let envid = Some("QQ1".to_owned());
        assert_eq!((&told[0].messages, &told[0].envid), (&vec![other], &envid));
        let bare = report("delivery-status", status, "Subject: x\r\n");
        let told = read(&bare, "mx.home.example", (None, None));
        assert_eq!((told[0].messages.len(), &told[0].envid), (0, &envid));
    }
}
