//! Transfer encodings, whole and cut at every place.

use proptest::prelude::*;

use super::*;

fn whole(encoding: Encoding, body: &[u8]) -> Vec<u8> {
    decode_transfer(encoding, body).into_owned()
}

fn by_steps(encoding: Encoding, body: &[u8], step: usize) -> Vec<u8> {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::new();
    for piece in body.chunks(step) {
        let mut now = Vec::new();
        decoder.push(piece, &mut now);
        out.extend_from_slice(&now);
    }
    decoder.finish(&mut out);
    out
}

#[test]
fn quoted_printable_decodes_with_its_faults() {
    for (body, expected) in [
        // RFC 2045 section 6.7.
        (
            &b"Now's the time =\r\nfor all folk to come=\r\n to the aid of their country."[..],
            &b"Now's the time for all folk to come to the aid of their country."[..],
        ),
        (b"caf=C3=a9=20 \r\nx\t \n", b"caf\xc3\xa9 \r\nx\n"),
        (b"a=  \r\nb=\nc", b"abc"),
        (b"a=zz b==41 = =4", b"a=zz b=A = =4"),
        (b"end  ", b"end"),
        (b"end=", b"end"),
        (b"a\xffb", b"a\xffb"),
        (b"", b""),
    ] {
        let decoded = whole(Encoding::QuotedPrintable, body);
        assert_eq!(decoded, expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn base64_decodes_with_its_faults() {
    for (body, expected) in [
        (&b"SGVsbG8="[..], &b"Hello"[..]),
        (b"SGVs\r\nbG8=\r\n", b"Hello"),
        (b"SGVsbG8", b"Hello"),
        (b"SGVsbG8=SGVsbG8=", b"HelloHello"),
        (b"S!G*V s-bG8=", b"Hello"),
        (b"SA==", b"H"),
        (b"SA=", b"H"),
        (b"S", b""),
        (b"====", b""),
        (b"", b""),
    ] {
        let decoded = whole(Encoding::Base64, body);
        assert_eq!(decoded, expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn uuencoded_text_decodes() {
    let body = b"junk\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nmore\r\n";
    assert_eq!(whole(Encoding::Uuencode, body), b"Cat");
    assert_eq!(whole(Encoding::Uuencode, b"begin 644 x\n!\n#0\n~"), [64, 0, 0]);
}

#[test]
fn encodings_are_known_by_their_names() {
    for (value, encoding) in [
        (" BASE64 ", Encoding::Base64),
        ("Quoted-Printable;x", Encoding::QuotedPrintable),
        ("8bit (as it is)", Encoding::Identity),
        ("", Encoding::Identity),
        ("x-uue", Encoding::Uuencode),
        ("zip", Encoding::Unknown),
    ] {
        assert_eq!(Encoding::parse(value.as_bytes()), encoding, "{value}");
    }
}

#[test]
fn hostile_bodies_take_no_time() {
    for piece in ["=", "= ", " ", "\t\r", "=\r", "==4"] {
        let body = piece.repeat(200_000);
        let decoded = whole(Encoding::QuotedPrintable, body.as_bytes());
        assert!(decoded.len() <= body.len());
        by_steps(Encoding::QuotedPrintable, body.as_bytes(), 4096);
    }
}

proptest! {
    #[test]
    fn a_cut_changes_nothing(
        body in prop::collection::vec(
            prop::sample::select(b"=4aA \t\r\n+/\xff#begin".to_vec()),
            0..80,
        ),
        step in 1_usize..9,
    ) {
        for encoding in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::Uuencode] {
            let expected = whole(encoding, &body);
            prop_assert_eq!(&by_steps(encoding, &body, step), &expected);
            prop_assert_eq!(decoded_len(encoding, &body), expected.len());
        }
    }
}
