//! What a search finds.

use proptest::prelude::*;

use super::*;

#[test]
fn headers_files_and_attached_messages_are_found_where_they_are() {
    let message = "Subject: =?utf-8?q?Caf=C3=89?=\r\n =?utf-8?q?_au?= lait\r\n\
        Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n\
        --a\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=FC=DFe <b>m</b>ich</p>\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\r\nText\r\n\
        --a\r\nContent-Type: image/png; name*=utf-8''%C3%89t%C3%A9.png\r\n\r\nbinary\r\n\
        --a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        U3ViamVjdDogRGVlcA0KDQpCb3R0b20=\r\n--a--\r\n";
    let text = searchable(&Structure::parse(message.as_bytes()));
    for (needle, in_text, in_body) in [
        ("caf\u{e9} au lait", true, false),
        ("Cafe\u{301} AU", true, false),
        ("GR\u{dc}SSE mich", true, true),
        ("gru\u{308}\u{df}e", true, true),
        ("inner", true, true),
        ("\u{c9}T\u{c9}.png", true, false),
        ("deep", true, true),
        ("BOTTOM", true, true),
        ("binary", false, false),
        ("<b>", false, false),
        ("", true, true),
    ] {
        let folded = fold_case(needle);
        assert_eq!(
            (text.has_text(&folded), text.has_body(&folded)),
            (in_text, in_body),
            "{needle}"
        );
    }
    let fields: Vec<_> = folded_fields(message.as_bytes()).collect();
    assert_eq!(fields[0], (&b"Subject"[..], fold_case("Caf\u{e9} au lait")));
}

#[test]
fn case_folds_as_the_collation_says() {
    for (one, other) in [
        ("Stra\u{df}e", "STRASSE"),
        ("\u{3a3}\u{3c2}", "\u{3c3}\u{3c3}"),
        ("\u{c5}ngstr\u{f6}m", "a\u{30a}NGSTRO\u{308}M"),
        ("\u{fb01}n", "FIN"),
        ("\u{ff21}", "a"),
        ("\u{416}", "\u{436}"),
        ("a\u{a0}b", "a b"),
        ("so\u{ad}ft", "soft"),
    ] {
        assert_eq!(fold_case(one), fold_case(other));
    }
    assert_ne!(fold_case("e"), fold_case("\u{e9}"));
}

proptest! {
    #[test]
    fn a_piece_of_a_text_is_found_in_it(
        before in ".{0,10}",
        piece in ".{0,10}",
        after in ".{0,10}",
    ) {
        let whole = format!("{before}{piece}{after}");
        prop_assert!(contains(&fold_case(&whole), &fold_case(&piece)));
    }
}
