//! How messages are decoded, whole and in pieces.

use super::*;

const DOTS: Rules = Rules { bare: Some(BareNewlines::Refuse), line_max: 1000, dots: true };

/// Decodes `input`, cut into pieces of `size`: what is stored, what is left, and the flaw.
fn decode(rules: Rules, input: &[u8], size: usize) -> (Vec<u8>, Option<Vec<u8>>, Option<Flaw>) {
    let mut decoder = Decoder::new(rules);
    let mut out = Vec::new();
    let mut taken = 0;
    for piece in input.chunks(size.max(1)) {
        let progress = decoder.read(piece, &mut out);
        taken += progress.used;
        if progress.ended {
            return (out, Some(input[taken..].to_vec()), decoder.flaw());
        }
        assert_eq!(progress.used, piece.len());
    }
    decoder.finish(&mut out);
    (out, None, decoder.flaw())
}

/// The same at every size of pieces.
fn every(rules: Rules, input: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, Option<Flaw>) {
    let whole = decode(rules, input, input.len());
    for size in 1..input.len() {
        let pieces = decode(rules, input, size);
        assert_eq!(pieces.1, whole.1, "{size} {input:?}");
        assert_eq!(pieces.2, whole.2, "{size} {input:?}");
        if whole.2.is_none() {
            assert_eq!(pieces.0, whole.0, "{size} {input:?}");
        }
    }
    whole
}

#[test]
fn a_lone_dot_ends_a_message_and_other_dots_are_unstuffed() {
    let table: [(&[u8], &[u8], &[u8]); 7] = [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),
        (b"a.\r\nb\r\n.\r\n.\r\n", b"a.\r\nb\r\n", b".\r\n"),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
    ];
    for (input, stored, rest) in table {
        assert_eq!(every(DOTS, input), (stored.to_vec(), Some(rest.to_vec()), None), "{input:?}");
    }
}

#[test]
fn only_crlf_dot_crlf_ends_a_message() {
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\r.\r\n",
        "\r\n.\r\r\n",
        "\r\n.\n\r\n",
        "\n\r.\r\n",
        "\r\n\0.\r\n",
        "\r\n..\r\n",
    ];
    for end in ends {
        let input = format!("a{end}MAIL FROM:<>\r\n.\r\nQUIT\r\n");
        let (_, rest, flaw) = every(DOTS, input.as_bytes());
        assert_eq!(rest.as_deref(), Some(b"QUIT\r\n".as_slice()), "{end:?}");
        let sound = end == "\r\n\0.\r\n" || end == "\r\n..\r\n";
        assert_eq!(flaw, (!sound).then_some(Flaw::BareNewline), "{end:?}");
    }
}

#[test]
fn bare_newlines_become_crlf_where_that_is_asked_for() {
    let rules = Rules { bare: Some(BareNewlines::Normalise), ..DOTS };
    let table: [(&[u8], &[u8]); 6] = [
        (b"a\nb\rc\r\n.\r\n", b"a\r\nb\r\nc\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n"),
        (b"\n\n\r\n.\r\n", b"\r\n\r\n\r\n"),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
    ];
    for (input, stored) in table {
        assert_eq!(every(rules, input), (stored.to_vec(), Some(Vec::new()), None), "{input:?}");
    }
}

#[test]
fn a_line_over_the_limit_is_read_to_the_end_and_told() {
    let rules = Rules { line_max: 10, ..DOTS };
    let flaw = |line: &str| every(rules, format!("{line}\r\n.\r\n").as_bytes()).2;
    assert_eq!(flaw("12345678"), None);
    assert_eq!(flaw("12345678\r\n12345678"), None);
    assert_eq!(flaw("123456789"), Some(Flaw::LongLine));
}

#[test]
fn text_of_bdat_has_no_dots_and_ends_where_the_count_does() {
    let rules = Rules { dots: false, ..DOTS };
    assert_eq!(every(rules, b".\r\n..\r\nend"), (b".\r\n..\r\nend".to_vec(), None, None));
    assert_eq!(every(rules, b"end\r").2, Some(Flaw::BareNewline));
    assert_eq!(every(rules, b"a\nb").2, Some(Flaw::BareNewline));
    let binary = Rules { bare: None, ..rules };
    assert_eq!(every(binary, b"a\nb\r\0"), (b"a\nb\r\0".to_vec(), None, None));
}
