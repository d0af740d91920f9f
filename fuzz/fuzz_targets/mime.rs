//! Any octets are rendered, every place that is kept lies in the message, and what is kept is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_mime::{CommonHeaders, Kind, Of, Parts, Structure, header_fields, render, searchable};

fuzz_target!(|message: &[u8]| {
    let structure = Structure::parse(message);
    for (index, part) in structure.parts().iter().enumerate() {
        assert!(part.header().end == part.body().start && part.body().end <= message.len());
        for child in structure.children(index).filter_map(|child| structure.part(child)) {
            assert!(part.body().start <= child.header().start);
            assert!(child.body().end <= part.body().end);
        }
        assert_eq!(part.kind() == Kind::Leaf, structure.children(index).next().is_none());
    }
    let rendered = render(message);
    for written in [&rendered.envelope, &rendered.body_structure, &rendered.body] {
        balanced(written);
    }
    let parts = Parts::from_bytes(&rendered.parts).expect("what was written is read");
    let whole = parts.range(&[], Of::All).expect("the whole message is a section");
    assert_eq!(usize::try_from(whole.end), Ok(message.len()));
    let common = CommonHeaders::from_bytes(&rendered.headers).expect("what was written is read");
    let names: &[&[u8]] = &[b"From", b"Subject"];
    if let Some(lines) = common.fields(names) {
        assert_eq!(lines, header_fields(message, names, false));
    }
    assert!(searchable(&structure).has_text(""));
    drop(Parts::from_bytes(message));
});

/// Strings end where they say, what is outside of them is plain, and parentheses match.
fn balanced(written: &[u8]) {
    let mut depth = 0_usize;
    let mut rest = written;
    while let Some((&byte, more)) = rest.split_first() {
        rest = match byte {
            b'"' => quoted(more),
            b'{' => literal(more),
            b'(' | b')' => {
                depth = if byte == b'(' { depth + 1 } else { depth.checked_sub(1).expect("open") };
                assert!(depth > 0 || more.is_empty());
                more
            }
            byte => {
                assert!(matches!(byte, b' ' | b'N' | b'I' | b'L' | b'0'..=b'9'));
                more
            }
        };
    }
    assert_eq!(depth, 0);
}

/// What follows a quoted string.
fn quoted(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return after,
            [b'\\', b'"' | b'\\', after @ ..] => after,
            [byte, after @ ..] => {
                assert!(byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n' | b'\\'));
                after
            }
            [] => panic!("a quoted string has an end"),
        };
    }
}

/// What follows a literal.
fn literal(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|&b| b == b'}').expect("a length has an end");
    let digits = std::str::from_utf8(&rest[..end]).expect("a length is digits");
    let text = rest[end + 1..].strip_prefix(b"\r\n").expect("a length ends its line");
    let (text, after) = text.split_at(digits.parse().expect("a length is a number"));
    assert!(!text.contains(&0) && std::str::from_utf8(text).is_ok());
    after
}
