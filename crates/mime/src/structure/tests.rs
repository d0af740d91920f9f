//! Structures of good, odd and hostile messages.

use super::*;

/// A line for each part: kind, type, and its body.
fn outline(message: &[u8]) -> Vec<String> {
    let structure = Structure::parse(message);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |part: &Part<'_>| {
        let media = part.media();
        let kind = format!("{:?}", part.kind());
        format!("{kind} {}/{} {:?}", text(media.top), text(media.sub), text(part.body_bytes()))
    };
    structure.parts().iter().map(line).collect()
}

/// The same without the bodies of what has parts.
fn leaves(message: &[u8]) -> Vec<String> {
    outline(message).into_iter().filter(|line| line.starts_with("Leaf")).collect()
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=a\r\n\r\n";

#[test]
fn the_example_of_the_standard_has_two_parts() {
    // RFC 2046 section 5.1.1.
    let message = b"From: Nathaniel Borenstein <nsb@bellcore.com>\r\n\
        MIME-Version: 1.0\r\nContent-type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\n\
        This is the preamble.\r\n\r\n--simple boundary\r\n\r\n\
        This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.\r\n\
        --simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n\
        This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n\r\n\
        --simple boundary--\r\n\r\nThis is the epilogue.\r\n";
    assert_eq!(
        leaves(message),
        [
            "Leaf text/plain \"This is implicitly typed plain US-ASCII text.\\r\\n\
             It does NOT end with a linebreak.\"",
            "Leaf text/plain \"This is explicitly typed plain US-ASCII text.\\r\\n\
             It DOES end with a linebreak.\\r\\n\"",
        ]
    );
    let structure = Structure::parse(message);
    assert_eq!(structure.root().unwrap().body().end, message.len());
    assert_eq!(structure.children(0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn boundaries_are_met_in_every_odd_form() {
    for (body, expected) in [
        // Without the last one, without line ends, with LF alone, with blanks behind.
        ("--a\r\n\r\nx", &["x"][..]),
        ("--a\r\n\r\nx\r\n--a--", &["x"]),
        ("--a\n\nx\n--a\n\ny\n--a--\nz", &["x", "y"]),
        ("--a \t\r\n\r\nx\r\n--a-- \r\n", &["x"]),
        // A header that a boundary ends, and a part that has none.
        ("--a\r\nX: y\r\n--a\r\n\r\nz\r\n--a--", &["", "z"]),
        ("--a\r\n--a\r\n--a--", &["", ""]),
        ("--a\r\nno header\r\n--a--", &["no header"]),
        // What only looks like one.
        (
            "--a\r\n\r\n--ab\r\n --a\r\nx--a\r\n--\r\n--a--b\r\n--a--",
            &["--ab\r\n --a\r\nx--a\r\n--\r\n--a--b"],
        ),
        ("--a\r\n\r\nx\r--a\r\n--a--", &["x\r--a"]),
    ] {
        let message = format!("{MIXED}{body}");
        let structure = Structure::parse(message.as_bytes());
        let found: Vec<_> = structure
            .children(0)
            .map(|child| String::from_utf8_lossy(structure.parts()[child].body_bytes()))
            .collect();
        assert_eq!(found, expected, "{body:?}");
    }
}

#[test]
fn a_multipart_without_parts_is_text() {
    for message in [
        "Content-Type: multipart/mixed\r\n\r\nbody",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nbody",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\nbody",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\nbody",
        "Content-Type: nonsense\r\n\r\nbody",
        "Content-Type: \r\n\r\nbody",
    ] {
        assert_eq!(outline(message.as_bytes()), ["Leaf text/plain \"body\""], "{message}");
    }
    let closed = format!("{MIXED}--a--\r\nx");
    assert_eq!(outline(closed.as_bytes()), ["Leaf text/plain \"--a--\\r\\nx\""]);
}

#[test]
fn an_outer_boundary_ends_what_is_inside() {
    let message = format!(
        "{MIXED}--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
         --b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--b\r\n\r\nz\r\n--a--\r\n"
    );
    assert_eq!(
        leaves(message.as_bytes()),
        ["Leaf text/plain \"x\"", "Leaf text/plain \"y\\r\\n--b\\r\\n\\r\\nz\""]
    );
    let same = format!(
        "{MIXED}--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
         --a\r\n\r\nx\r\n--a--\r\n--a\r\n\r\ny\r\n--a--\r\n"
    );
    assert_eq!(leaves(same.as_bytes()), ["Leaf text/plain \"x\"", "Leaf text/plain \"y\""]);
}

#[test]
fn attached_messages_are_taken_apart_unless_encoded() {
    let message = format!(
        "{MIXED}--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n\
         --a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nWA==\r\n\
         --a--"
    );
    assert_eq!(
        outline(message.as_bytes())[1..],
        [
            "Message message/rfc822 \"Subject: in\\r\\n\\r\\nx\"",
            "Leaf text/plain \"x\"",
            "Leaf application/octet-stream \"WA==\"",
        ]
    );
    let digest = "Content-Type: multipart/digest; boundary=a\r\n\r\n\
        --a\r\n\r\nSubject: in\r\n\r\nx\r\n--a--";
    assert_eq!(
        outline(digest.as_bytes())[1],
        "Message message/rfc822 \"Subject: in\\r\\n\\r\\nx\""
    );
}

/// Multiparts within each other.
fn levels(count: usize, boundary: &str) -> String {
    let level = |n| {
        let boundary = format!("{boundary}{n}");
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n")
    };
    (0..count).map(level).collect::<Vec<_>>().concat()
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let attached = "Content-Type: message/rfc822\r\n\r\n".repeat(100);
    let structure = Structure::parse(attached.as_bytes());
    assert_eq!(structure.parts().len(), DEPTH_MAX + 1);
    let deep = levels(100, "b");
    let structure = Structure::parse(deep.as_bytes());
    assert_eq!(structure.parts().len(), DEPTH_MAX + 1);
    assert!(structure.parts().last().unwrap().media().is("application", "octet-stream"));

    let wide = format!("{MIXED}{}", "--a\r\n\r\nx\r\n".repeat(PARTS_MAX + 50));
    let structure = Structure::parse(wide.as_bytes());
    assert_eq!(structure.parts().len(), PARTS_MAX);
    assert_eq!(structure.parts().last().unwrap().body().end, wide.len());
}

#[test]
fn hostile_messages_take_no_time() {
    let mixed = |piece: &str| format!("{MIXED}--a\r\n\r\n{}", piece.repeat(100_000));
    let long =
        format!("Content-Type: multipart/mixed; boundary={}\r\n\r\n", "a".repeat(BOUNDARY_MAX));
    let deep = levels(31, &"a".repeat(200));
    for message in [
        mixed("--"),
        mixed("\r\n--"),
        mixed("\n--a--"),
        mixed("\n--a-"),
        mixed("--a--\r\n"),
        format!("{long}{}", format!("--{}b\r\n", "a".repeat(BOUNDARY_MAX)).repeat(10_000)),
        format!("{deep}{}", format!("\r\n--{}\r\n", "a".repeat(200)).repeat(10_000)),
        format!("Content-Type: a/b{}", "; a*0=b".repeat(200_000)),
        format!("Content-Type: a/b;{}", "(".repeat(200_000)),
        "Content-Type: multipart/mixed; boundary=a\r\n".repeat(50_000),
        "a".repeat(500_000),
        "a:\n".repeat(200_000),
        "\0".repeat(200_000),
    ] {
        assert!(!Structure::parse(message.as_bytes()).parts().is_empty());
    }
}

#[test]
fn text_that_stands_for_a_message_is_no_attachment() {
    let message = format!(
        "{MIXED}--a\r\nContent-Type: text/html\r\n\r\nhtml\r\n\
         --a\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"x.txt\"\r\n\
         \r\nfile\r\n--a--"
    );
    let structure = Structure::parse(message.as_bytes());
    assert_eq!(structure.text().unwrap().body_bytes(), b"html");
    assert_eq!(structure.parts()[2].file_name().as_deref(), Some("x.txt"));
}
