//! `ENVELOPE` and `BODYSTRUCTURE` as the standards show them.

use super::*;
use crate::structure::Structure;

fn envelope_of(message: &[u8]) -> String {
    let structure = Structure::parse(message);
    String::from_utf8(envelope(structure.root().unwrap())).unwrap()
}

fn body_of(message: &[u8], extended: bool) -> String {
    String::from_utf8(body_structure(&Structure::parse(message), extended)).unwrap()
}

#[test]
fn the_envelope_of_the_standard() {
    // The message behind the example in RFC 9051 section 8.
    let message = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
        From: Terry Gray <gray@cac.washington.edu>\r\n\
        Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
        Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n";
    assert_eq!(
        envelope_of(message),
        "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((NIL NIL \"imap\" \"cac.washington.edu\")) \
         ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
         (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
         \"<B27397-0100000@cac.washington.edu>\")"
    );
}

#[test]
fn strings_are_in_quotes_or_literals() {
    for (value, expected) in [
        ("", "\"\""),
        ("a \\ \"b\"", "\"a \\\\ \\\"b\\\"\""),
        ("a\r\n\tb", "\"a\tb\""),
        ("a\0b\rc", "\"abc\""),
        ("\u{e9}", "{2}\r\n\u{e9}"),
        ("=?utf-8?q?x?=", "\"=?utf-8?q?x?=\""),
    ] {
        let envelope = envelope_of(format!("Subject: {value}\r\n\r\n").as_bytes());
        assert_eq!(envelope, format!("(NIL {expected} NIL NIL NIL NIL NIL NIL NIL NIL)"));
    }
    let latin = envelope_of(b"Subject: \xe9\r\n\r\n");
    assert_eq!(latin, "(NIL {2}\r\n\u{e9} NIL NIL NIL NIL NIL NIL NIL NIL)");
    let long = "x".repeat(501);
    let envelope = envelope_of(format!("Subject: {long}\r\n\r\n").as_bytes());
    assert!(envelope.starts_with(&format!("(NIL {{501}}\r\n{long} NIL")));
    assert_eq!(envelope_of(b""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

#[test]
fn groups_have_marks_and_what_has_no_domain_is_no_group() {
    let envelope = envelope_of(b"To: g: a@b, c;\r\nCc: d, <>\r\nReply-To: \r\nFrom: e@f\r\n\r\n");
    assert_eq!(
        envelope,
        "(NIL NIL ((NIL NIL \"e\" \"f\")) ((NIL NIL \"e\" \"f\")) ((NIL NIL \"e\" \"f\")) \
         ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"\")(NIL NIL NIL NIL)) \
         ((NIL NIL \"d\" \"\")(NIL NIL \"\" \"\")) NIL NIL NIL)"
    );
}

#[test]
fn the_addresses_of_an_envelope_are_bounded() {
    let many = "a@b,".repeat(ADDRESSES_MAX + 10);
    let envelope = envelope_of(format!("To: {many} g:c@d;\r\n\r\n").as_bytes());
    assert_eq!(envelope.matches("\"a\"").count(), ADDRESSES_MAX);
    let groups = "g:;".repeat(ADDRESSES_MAX);
    let envelope = envelope_of(format!("To: {groups}\r\n\r\n").as_bytes());
    let starts = envelope.matches("(NIL NIL \"g\" NIL)").count();
    assert_eq!(envelope.matches("(NIL NIL NIL NIL)").count(), starts);
}

#[test]
fn bodies_are_shown_as_the_standard_shows_them() {
    let plain = b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\na\r\nb\r\n";
    assert_eq!(
        body_of(plain, false),
        "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 6 2)"
    );
    assert_eq!(
        body_of(b"\r\nx", true),
        "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
    );
    let message = b"Content-Type: multipart/mixed; boundary=a\r\nContent-Language: en, de\r\n\r\n\
        --a\r\nContent-Type: image/png; name=\"a \\\"b\\\".png\"\r\nContent-ID: <i@d>\r\n\
        Content-Description: a\r\n picture\r\nContent-Transfer-Encoding: BASE64\r\n\
        Content-Disposition: attachment; filename*=utf-8''x\r\nContent-MD5: Q2hlY2s=\r\n\
        Content-Location: http://x/\r\n\r\nQUJD\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\ny\r\n--a--";
    assert_eq!(
        body_of(message, true),
        "((\"image\" \"png\" (\"name\" \"a \\\"b\\\".png\") \"<i@d>\" \"a picture\" \"base64\" 4 \
         \"Q2hlY2s=\" (\"attachment\" (\"filename*\" \"utf-8''x\")) NIL \"http://x/\")\
         (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 \
         (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1 NIL NIL NIL NIL) 3 \
         NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"a\") NIL (\"en\" \"de\") NIL)"
    );
    assert!(body_of(message, false).ends_with(" 3) \"mixed\")"));
}
