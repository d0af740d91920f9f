//! Section numbers, and the form in which places are kept.

use proptest::prelude::*;

use super::*;

/// A message in the shape of the example in RFC 9051 section 6.4.5.1.
const EXAMPLE: &str = "Subject: whole\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
--a\r\nX: 1\r\n\r\none\r\n\
--a\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n\
--a\r\nContent-Type: message/rfc822\r\n\r\n\
Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
--b\r\nX: 3.1\r\n\r\nthree.one\r\n\
--b\r\nX: 3.2\r\n\r\nthree.two\r\n--b--\r\n\
--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
--c\r\nContent-Type: image/gif\r\n\r\nfour.one\r\n\
--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: deep\r\n\r\nfour.two\r\n--c--\r\n--a--\r\n";

fn section(message: &str, path: &[u32], of: Of) -> Option<String> {
    let parts = Parts::new(&Structure::parse(message.as_bytes()));
    let parts = Parts::from_bytes(&parts.to_bytes()).unwrap();
    let range = parts.range(path, of)?;
    let (start, end) = (range.start.try_into().unwrap(), range.end.try_into().unwrap());
    let range: Range<usize> = start..end;
    Some(message.get(range).unwrap().to_owned())
}

#[test]
fn numbers_lead_to_parts_as_the_standard_shows() {
    for (path, of, expected) in [
        (&[1][..], Of::All, Some("one")),
        (&[1], Of::Mime, Some("X: 1\r\n\r\n")),
        (&[1], Of::Header, None),
        (&[1, 1], Of::All, None),
        (&[2], Of::All, Some("QUJD")),
        (&[3], Of::Mime, Some("Content-Type: message/rfc822\r\n\r\n")),
        (
            &[3],
            Of::Header,
            Some("Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"),
        ),
        (&[3, 1], Of::All, Some("three.one")),
        (&[3, 2], Of::Mime, Some("X: 3.2\r\n\r\n")),
        (&[3, 3], Of::All, None),
        (&[4, 1], Of::All, Some("four.one")),
        (&[4, 1], Of::Mime, Some("Content-Type: image/gif\r\n\r\n")),
        (&[4, 2], Of::All, Some("Subject: deep\r\n\r\nfour.two")),
        (&[4, 2], Of::Mime, Some("Content-Type: message/rfc822\r\n\r\n")),
        (&[4, 2], Of::Header, Some("Subject: deep\r\n\r\n")),
        (&[4, 2], Of::Text, Some("four.two")),
        (&[4, 2, 1], Of::All, Some("four.two")),
        (&[4, 2, 1], Of::Mime, Some("Subject: deep\r\n\r\n")),
        (&[4, 2, 2], Of::All, None),
        (&[4, 2, 1, 1], Of::All, None),
        (&[5], Of::All, None),
        (&[0], Of::All, None),
        (&[u32::MAX], Of::All, None),
        (&[], Of::Mime, None),
        (&[], Of::All, Some(EXAMPLE)),
    ] {
        assert_eq!(section(EXAMPLE, path, of).as_deref(), expected, "{path:?} {of:?}");
    }
    let header = section(EXAMPLE, &[], Of::Header).unwrap();
    let text = section(EXAMPLE, &[], Of::Text).unwrap();
    assert_eq!(format!("{header}{text}"), EXAMPLE);
    assert!(section(EXAMPLE, &[3], Of::Text).unwrap().starts_with("--b\r\n"));
}

#[test]
fn a_message_that_is_no_multipart_is_its_own_part_one() {
    let plain = "Subject: x\r\n\r\nbody";
    assert_eq!(section(plain, &[1], Of::All).as_deref(), Some("body"));
    assert_eq!(section(plain, &[1], Of::Mime).as_deref(), Some("Subject: x\r\n\r\n"));
    assert_eq!(section(plain, &[2], Of::All), None);
    assert_eq!(section(plain, &[1, 1], Of::All), None);
    let attached = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
    assert_eq!(section(attached, &[1], Of::All).as_deref(), Some("Subject: in\r\n\r\nbody"));
    assert_eq!(section(attached, &[1], Of::Header).as_deref(), Some("Subject: in\r\n\r\n"));
    assert_eq!(section(attached, &[1, 1], Of::All).as_deref(), Some("body"));
    assert_eq!(section(attached, &[], Of::Text).as_deref(), Some("Subject: in\r\n\r\nbody"));
    assert_eq!(section("", &[1], Of::All).as_deref(), Some(""));
}

#[test]
fn decoded_sizes_are_known() {
    let parts = Parts::new(&Structure::parse(EXAMPLE.as_bytes()));
    let two = parts.find(&[2], Of::All).unwrap();
    assert_eq!((two.encoding, two.decoded_size), (Encoding::Base64, 3));
    let one = parts.find(&[1], Of::All).unwrap();
    assert_eq!((one.encoding, one.decoded_size), (Encoding::Identity, 3));
    let whole = parts.find(&[], Of::All).unwrap();
    assert_eq!(whole.decoded_size, wide(EXAMPLE.len()));
}

#[test]
fn damage_is_told() {
    let bytes = Parts::new(&Structure::parse(EXAMPLE.as_bytes())).to_bytes();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        assert!(Parts::from_bytes(&damaged).is_err(), "{at}");
        assert!(Parts::from_bytes(&bytes[..at]).is_err(), "{at}");
    }
    assert_eq!(Parts::from_bytes(&[9, 0, 0, 0, 0]), Err(PartsError::Version(9)));
}

proptest! {
    #[test]
    fn what_is_read_is_safe_to_use(body in prop::collection::vec(0_u8..40, 0..60)) {
        // A right checksum over anything.
        let mut bytes = vec![1];
        bytes.extend_from_slice(&body);
        let [.., a, b, c, d] = crate::id::fnv(&bytes).to_be_bytes();
        bytes.extend_from_slice(&[a, b, c, d]);
        if let Ok(parts) = Parts::from_bytes(&bytes) {
            let root = parts.range(&[], Of::All).unwrap();
            for path in [&[1][..], &[1, 1], &[2, 1], &[1, 2, 1]] {
                for of in [Of::All, Of::Mime, Of::Header, Of::Text] {
                    if let Some(range) = parts.range(path, of) {
                        prop_assert!(root.start <= range.start && range.start <= range.end);
                        prop_assert!(range.end <= root.end);
                    }
                }
            }
        }
    }
}
