//! A report as a message: one file attached, compressed.

use std::io::{self, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use mailwright_words::Address;
use sha2::{Digest as _, Sha256};

use super::{Due, handover::Report};

/// Octets of a line of base64.
const LINE_BYTES: usize = 57;

/// A report, compressed.
///
/// Errors: never in practice; memory is what it is written to.
pub(super) fn gzip(octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets)?;
    encoder.finish()
}

/// The message that carries a report to `to`, from an address of `host`. Its parts are ASCII: text
/// that may be otherwise is in the file. Source: RFC 8460 section 5.3, RFC 9990 section 4.
pub(super) fn message(
    (host, from): (&str, &Address),
    due: &Due,
    report: &Report,
    to: &Address,
) -> Vec<u8> {
    let Report { id, kind, fields, text, file, media, octets } = report;
    let digest = Sha256::digest(octets);
    let boundary =
        digest.iter().take(12).fold("=_".to_owned(), |text, octet| format!("{text}{octet:02x}"));
    let kind = kind.map_or_else(
        || "multipart/mixed".to_owned(),
        |kind| format!("multipart/report; report-type=\"{kind}\""),
    );
    let domain = &due.domain;
    let subject = format!("Report Domain: {domain}\r\n\tSubmitter: {host}\r\n\tReport-ID: <{id}>");
    let mut out = String::new();
    for (name, value) in [("From", &from.to_string()), ("To", &to.to_string())] {
        out.extend([name, ": ", value, "\r\n"]);
    }
    out.extend(["Subject: ", &subject, "\r\nAuto-Submitted: auto-generated\r\n"]);
    for (name, value) in fields {
        out.extend([name, ": ", value, "\r\n"]);
    }
    out.extend(["MIME-Version: 1.0\r\nContent-Type: ", &kind, ";\r\n\tboundary=\"", &boundary]);
    out.extend(["\"\r\n\r\n--", &boundary]);
    out.extend(["\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", text]);
    out.extend(["\r\n--", &boundary, "\r\nContent-Type: ", media, ";\r\n\tname=\"", file]);
    out.push_str("\"\r\nContent-Transfer-Encoding: base64\r\n");
    out.extend(["Content-Disposition: attachment;\r\n\tfilename=\"", file, "\"\r\n\r\n"]);
    for line in octets.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    out.extend(["--", &boundary, "--\r\n"]);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use mailwright_mime::Structure;

    use super::*;
    use crate::daily::Kind;

    #[test]
    fn a_report_is_attached_and_whole() {
        let contents = "<feedback/>".repeat(100);
        let report = Report {
            id: "1.2@mx.home.example".to_owned(),
            kind: Some("tlsrpt"),
            fields: vec![("TLS-Report-Domain", "far.example".to_owned())],
            text: "Hello.\r\n".to_owned(),
            file: "a!b!1!2.xml.gz".to_owned(),
            media: "application/gzip",
            octets: gzip(contents.as_bytes()).unwrap(),
        };
        let address = |text| Address::parse(text).unwrap();
        let from = address("reports@home.example");
        let due = Due { kind: Kind::Tls, day: 1, domain: "far.example".to_owned() };
        let message = message(("mx.home.example", &from), &due, &report, &address("d@far.example"));
        let structure = Structure::parse(&message);
        assert_eq!(structure.parts().len(), 3);
        let file = &structure.parts()[2];
        assert_eq!(file.file_name().as_deref(), Some("a!b!1!2.xml.gz"));
        let mut back = String::new();
        let octets = file.decoded();
        let mut reader = flate2::read::GzDecoder::new(&*octets);
        io::Read::read_to_string(&mut reader, &mut back).unwrap();
        assert_eq!(back, contents);
        let text = String::from_utf8(message).unwrap();
        assert!(text.contains("multipart/report; report-type=\"tlsrpt\""), "{text}");
        assert!(text.contains("\r\nTLS-Report-Domain: far.example\r\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    }
}
