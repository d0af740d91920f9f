//! Reports that hold text of others.

use mailwright_smtp::command::Command;
use mailwright_words::dsn::{Action, Original, Outcome, Report};
use mailwright_words::{Address, Domain, Id, Status, Timestamp};

/// Text as a peer may give it, whatever its octets.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A report made of hostile text is made of sound lines, and nothing in it makes a field or part.
///
/// The input is, by NUL: the original recipient, the envelope id, host, reply, and the message.
pub(super) fn dsn(input: &[u8]) {
    // What RCPT takes as ORCPT ends up here; it is read first as a session reads it.
    let line = [&b"RCPT TO:<ann@far.example> NOTIFY=FAILURE ORCPT="[..], input].concat();
    drop(Command::parse(&line));
    let mut fields = input.splitn(5, |octet| *octet == 0);
    let mut next = || fields.next().unwrap_or_default();
    let (orcpt, envid, remote, reply, message) = (next(), next(), next(), next(), next());
    let (Ok(host), Ok(sender)) = (Domain::parse("mx.home.example"), Address::parse("me@a.example"))
    else {
        return;
    };
    let outcome = Outcome {
        address: sender.clone(),
        orcpt: Some(text(orcpt)),
        action: Action::Failed,
        status: Status::new(5, 1, 1),
        remote: Some(text(remote)),
        reply: Some(text(reply)),
        attempted: Some(Timestamp::new(0)),
    };
    let is_whole = message.len().is_multiple_of(2);
    let report = Report {
        id: Id::from_i64(7),
        at: Timestamp::new(0),
        host: &host,
        sender: &sender,
        envid: Some(&text(envid)),
        arrived: Timestamp::new(0),
        smtputf8: message.len().is_multiple_of(3),
        outcomes: &[outcome],
        original: if is_whole { Original::Message(message) } else { Original::Header(message) },
    };
    sound(&report.build().bytes);
}

fn sound(bytes: &[u8]) {
    let mut last = b' ';
    for &octet in bytes {
        assert_eq!(last == b'\r', octet == b'\n', "only CRLF ends a line");
        assert_ne!(octet, 0, "no NUL");
        last = octet;
    }
    let report = String::from_utf8_lossy(bytes);
    let boundary = report.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next());
    let delimiter = format!("\r\n--{}", boundary.unwrap_or_default());
    let parts: Vec<&str> = report.split(&delimiter).collect();
    assert_eq!(parts.len(), 5, "head, three parts and the end");
    let status = parts.get(2).and_then(|part| part.split_once("\r\n\r\n"));
    let (_, fields) = status.unwrap_or_default();
    let known = [
        "Original-Envelope-Id",
        "Reporting-MTA",
        "Arrival-Date",
        "Original-Recipient",
        "Final-Recipient",
        "Action",
        "Status",
        "Remote-MTA",
        "Diagnostic-Code",
        "Last-Attempt-Date",
    ];
    let lines: Vec<&str> = fields.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 5 && lines.len() <= known.len(), "{lines:?}");
    for line in lines {
        let name = line.split(':').next().unwrap_or_default();
        assert!(known.contains(&name), "{line:?} is a field that nobody wrote");
        assert!(line.len() <= 998, "a line is within its limit");
    }
}
