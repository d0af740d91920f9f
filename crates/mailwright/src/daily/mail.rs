//! A message with one report attached, compressed.
//!
//! It takes the road of every other message, so that it is signed and kept like one; answers go to
//! the address that reports come from.

use std::io::{self, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use mailwright_intake::Refusal;
use mailwright_words::{Address, Notify, Recipient};

use super::Desk;
use crate::reports::handover;

/// Octets of a line of base64.
const LINE_BYTES: usize = 57;

/// A report on its way.
pub(crate) struct Mail<'a> {
    /// Whom it is for.
    pub(crate) to: &'a str,
    /// What it is about.
    pub(crate) subject: &'a str,
    /// What kind of report, for a `multipart/report`; an ordinary message otherwise.
    pub(crate) kind: Option<&'a str>,
    /// Header fields of its own.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// A sentence for people.
    pub(crate) text: &'a str,
    /// The file's name.
    pub(crate) file: &'a str,
    /// Its media type.
    pub(crate) media: &'a str,
    /// What [`gzip`] made of the report.
    pub(crate) octets: &'a [u8],
}

/// A report that did not go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    /// It never will.
    #[error("{0}")]
    Never(String),
    /// It may later.
    #[error("{0}")]
    Later(String),
}

impl From<Refusal> for Unsent {
    fn from(refusal: Refusal) -> Self {
        let reply = refusal.reply();
        let text = reply.to_string();
        if reply.code >= 500 { Self::Never(text) } else { Self::Later(text) }
    }
}

/// A report, compressed.
///
/// Errors: never in practice; memory is what it is written to.
pub(crate) fn gzip(octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets)?;
    encoder.finish()
}

/// Hands a report in.
///
/// Errors: it is not taken.
pub(crate) async fn send(desk: &Desk<'_>, mail: &Mail<'_>) -> Result<(), Unsent> {
    let never = |error: mailwright_words::AddressError| Unsent::Never(error.to_string());
    let (office, now) = (desk.office, desk.office.now());
    let to = Address::parse(mail.to).map_err(never)?;
    let from = Address::parse(&desk.from).map_err(never)?;
    let recipient = Recipient { notify: Notify::NEVER, ..Recipient::new(to) };
    let boundary = format!("report-{}", office.store.ids().next(now));
    let message = compose(&desk.from, mail, &boundary);
    // Only then may what it tells of be forgotten.
    Ok(handover::mail((office, "report"), (&from, recipient), &message).await?)
}

/// The message. Its parts are ASCII: text that may be otherwise is in the file.
fn compose(from: &str, mail: &Mail<'_>, boundary: &str) -> Vec<u8> {
    let kind = mail.kind.map_or_else(
        || "multipart/mixed".to_owned(),
        |kind| format!("multipart/report; report-type={kind}"),
    );
    let mut fields = vec![
        ("From", from.to_owned()),
        ("To", mail.to.to_owned()),
        ("Subject", mail.subject.to_owned()),
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    fields.extend(mail.fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
    fields.push(("MIME-Version", "1.0".to_owned()));
    fields.push(("Content-Type", format!("{kind};\r\n\tboundary=\"{boundary}\"")));
    let mut out = String::new();
    for (name, value) in fields {
        out.extend([name, ": ", &value, "\r\n"]);
    }
    out.extend(["\r\n--", boundary, "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"]);
    out.extend([mail.text, "\r\n--", boundary, "\r\nContent-Type: ", mail.media]);
    out.extend([";\r\n\tname=\"", mail.file, "\"\r\nContent-Transfer-Encoding: base64\r\n"]);
    out.extend(["Content-Disposition: attachment;\r\n\tfilename=\"", mail.file, "\"\r\n\r\n"]);
    for line in mail.octets.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    out.extend(["--", boundary, "--\r\n"]);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use mailwright_mime::Structure;

    use super::*;

    #[test]
    fn a_report_is_attached_and_whole() {
        let report = "<feedback/>".repeat(100);
        let mail = Mail {
            to: "d@far.example",
            subject: "Report Domain: far.example",
            kind: Some("tlsrpt"),
            fields: &[("TLS-Report-Domain", "far.example")],
            text: "Hello.\r\n",
            file: "a!b!1!2.xml.gz",
            media: "application/gzip",
            octets: &gzip(report.as_bytes()).unwrap(),
        };
        let message = compose("reports@home.example", &mail, "b1");
        let structure = Structure::parse(&message);
        assert_eq!(structure.parts().len(), 3);
        let file = &structure.parts()[2];
        assert_eq!(file.file_name().as_deref(), Some("a!b!1!2.xml.gz"));
        let mut back = String::new();
        let octets = file.decoded();
        let mut reader = flate2::read::GzDecoder::new(&*octets);
        io::Read::read_to_string(&mut reader, &mut back).unwrap();
        assert_eq!(back, report);
        let text = String::from_utf8(message).unwrap();
        assert!(text.contains("multipart/report; report-type=tlsrpt"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    }
}
