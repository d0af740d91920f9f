//! What holds for any octets.

use mailwright_mime::{
    CommonHeaders, Kind, Of, PREVIEW_MAX, Part, Parts, Structure, contains, decode_words,
    each_address, fold_case, header_fields, html_to_text, render, searchable, sent,
};
use proptest::prelude::*;

use super::imap;

/// Checks everything that has to hold for a message.
pub(crate) fn check(message: &[u8]) {
    let structure = Structure::parse(message);
    check_ranges(&structure);
    let rendered = render(message);
    imap::envelope(&rendered.envelope).unwrap();
    let shown = imap::body(&rendered.body_structure, true).unwrap();
    assert_eq!(shown, structure.parts().len());
    assert_eq!(imap::body(&rendered.body, false), Ok(shown));
    assert!(rendered.preview.chars().count() <= PREVIEW_MAX);
    check_sections(message, &structure, &rendered.parts);
    check_headers(message, &structure, &rendered.headers);
    let text = searchable(&structure);
    assert!(text.has_text("") && text.has_body(""));
}

/// Ranges are in the message, children in their parents, and siblings one behind the other.
fn check_ranges(structure: &Structure<'_>) {
    let parts = structure.parts();
    let root = &parts[0];
    assert_eq!((root.header().start, root.body().end), (0, structure.bytes().len()));
    let mut reached = 1;
    for (index, part) in parts.iter().enumerate() {
        assert_eq!(part.header().end, part.body().start);
        assert!(part.header().start <= part.header().end && part.body().start <= part.body().end);
        let children: Vec<_> = structure.children(index).collect();
        match part.kind() {
            Kind::Leaf => assert!(children.is_empty()),
            Kind::Message => assert_eq!(children, [index + 1]),
            Kind::Multipart => assert!(!children.is_empty()),
        }
        let mut before = part.body().start;
        for &child in &children {
            let child = &parts[child];
            assert!(before <= child.header().start && child.body().end <= part.body().end);
            before = child.body().end;
        }
        reached += children.len();
    }
    assert_eq!(reached, parts.len(), "each part has one parent");
}

/// The places that are kept lead to the same octets as the structure.
fn check_sections(message: &[u8], structure: &Structure<'_>, bytes: &[u8]) {
    let parts = Parts::from_bytes(bytes).unwrap();
    assert_eq!(parts, Parts::new(structure));
    let size = u64::try_from(message.len()).unwrap();
    assert_eq!(parts.range(&[], Of::All), Some(0..size));
    let first = structure.children(0).next().filter(|_| is(structure, 0, Kind::Multipart));
    let first = &structure.parts()[first.unwrap_or(0)];
    let wide = |range: std::ops::Range<usize>| {
        u64::try_from(range.start).unwrap()..u64::try_from(range.end).unwrap()
    };
    assert_eq!(parts.range(&[1], Of::All), Some(wide(first.body())));
    assert_eq!(parts.range(&[1], Of::Mime), Some(wide(first.header())));
    let is_message = first.kind() == Kind::Message;
    assert_eq!(parts.range(&[1], Of::Text).is_some(), is_message);
    let section = parts.find(&[1], Of::All).unwrap();
    if first.kind() == Kind::Leaf {
        let decoded = u64::try_from(first.decoded().len()).unwrap();
        assert_eq!((section.encoding, section.decoded_size), (first.encoding(), decoded));
    }
}

fn is(structure: &Structure<'_>, index: usize, kind: Kind) -> bool {
    structure.part(index).is_some_and(|part: &Part<'_>| part.kind() == kind)
}

/// What the common lines answer is what the whole header gives.
fn check_headers(message: &[u8], structure: &Structure<'_>, kept: &[u8]) {
    let common = CommonHeaders::from_bytes(kept).unwrap();
    let header = structure.root().unwrap().header_bytes();
    for names in [&[&b"Subject"[..]][..], &[b"to", b"FROM", b"cc"], &[b"List-Id"], &[]] {
        let whole = header_fields(message, names, false);
        assert_eq!(whole, header_fields(header, names, false));
        assert!(whole.ends_with(b"\r\n"));
        if let Some(answer) = common.fields(names) {
            assert_eq!(answer, whole);
        }
    }
    assert_eq!(common.fields(&[b"Received"]), None);
}

/// Messages made of the pieces that matter to a reader of messages.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"--a",
        b"--a--",
        b"--b",
        b"--b--",
        b"\r\n--a\r\n",
        b"\r\n--a--\r\n",
        b"\r\n--b\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=\"b\"\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Type: ",
        b"text/plain",
        b"multipart/x",
        b"message/rfc822",
        b"; boundary=a",
        b"; charset=\"iso-2022-jp\"",
        b"; name*0*=utf-8''%c3",
        b"; name*1=\xa9",
        b"; =",
        b";",
        b"/",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: x\"\\y\r\n",
        b"Content-Disposition: attachment; filename=\"a",
        b"Content-Language: en, ,\xff\r\n",
        b"Content-ID: <\"x\\\r\n",
        b"Content-MD5: \0\r\n",
        b"Content-Location:\r\n",
        b"Subject: ",
        b"From: ",
        b"To: ",
        b"Cc:",
        b"Date: Tue, 24 Nov 2026 06:15:37 +0000\r\n",
        b"Message-ID: <a@b>\r\n",
        b"References: <a@b> <c",
        b"=?utf-8?Q?",
        b"=?utf-8?B?w6k=?=",
        b"?=",
        b"\"",
        b"\\",
        b"(",
        b")",
        b"<",
        b">",
        b"@",
        b",",
        b":",
        b";",
        b"[",
        b"]",
        b".",
        b"<@a,@b:c@d>",
        b"g: a@b, c;",
        b"ann",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"{3}",
        b"NIL",
        b"x",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Messages made of what makes structure, and of little else.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"--a\r\n",
        b"--a--\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"\n--b\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"x\r\n",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn anything_rendered_is_valid(message in message()) {
        check(&message);
    }

    #[test]
    fn any_structure_is_rendered(message in nested()) {
        check(&message);
    }

    #[test]
    fn any_octets_are_rendered(message in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&message);
    }

    #[test]
    fn any_field_is_read(value in message(), text in ".{0,60}") {
        each_address(&value, |_| {});
        sent(&value);
        prop_assert!(!decode_words(&value).contains(['\r', '\n', '\0']));
        html_to_text(&text);
        html_to_text(&String::from_utf8_lossy(&value));
        prop_assert!(contains(&fold_case(&text), &fold_case(&text)));
    }
}
