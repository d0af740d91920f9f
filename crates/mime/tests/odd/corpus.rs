//! A corpus of odd messages, made here: each is checked whole, and cut at many places.

use mailwright_mime::{Structure, charset, fold_case, preview, searchable};

use super::properties::check;

/// Charsets that mail may name, and a text that each can write.
const CHARSETS: [&str; 39] = [
    "utf-8",
    "ibm866",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-8-i",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "windows-874",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "x-mac-cyrillic",
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "iso-2022-jp",
    "shift_jis",
    "euc-kr",
    "us-ascii",
    "utf-7",
];

fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let mixed = "Content-Type: multipart/mixed; boundary=a\r\n\r\n";
    let levels = |piece: &dyn Fn(usize) -> String| (0..200).map(piece).collect::<Vec<_>>().concat();
    let text: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("no header", "\r\nbody".into()),
        ("no body", "Subject: x\r\n".into()),
        ("no end", "Subject: x".into()),
        ("not a message", "hello\r\nworld\r\n".into()),
        ("an mbox line", "From ann Tue Nov 24\r\nSubject: x\r\n\r\nb".into()),
        ("line feeds", format!("{mixed}--a\r\n\r\nx\r\n--a--\r\n").replace("\r\n", "\n")),
        ("carriage returns", format!("{mixed}--a\r\n\r\nx\r\n--a--").replace("\r\n", "\r")),
        ("no boundary", "Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx\r\n--a--".into()),
        ("no closing boundary", format!("{mixed}--a\r\n\r\nx\r\n")),
        ("only a closing boundary", format!("{mixed}--a--")),
        ("unclosed quotes", "Content-Type: text/plain; charset=\"utf-8\r\n\r\nx".into()),
        ("ten thousand parts", format!("{mixed}{}", "--a\r\n\r\nx\r\n".repeat(10_100))),
        ("giant line", format!("Subject: {}\r\n\r\n{}", "s".repeat(90_000), "b".repeat(90_000))),
        ("giant word", format!("To: {}@x\r\n\r\n", "\"\\".repeat(50_000))),
        ("many fields", "X: y\r\n".repeat(20_000)),
        ("many addresses", format!("To: {}\r\n\r\n", "a <b@c>, g:d;,".repeat(6_000))),
        (
            "parentheses",
            format!("To: {}\r\nFrom: {}\r\n\r\n", "(".repeat(50_000), "a(".repeat(9_000)),
        ),
        (
            "brackets",
            format!("Subject: {}\r\nTo: {}\r\n\r\n", "[a]".repeat(9_000), "[<".repeat(9_000)),
        ),
        ("encoded words", format!("Subject: {}\r\n\r\n", "=?utf-8?q?a".repeat(20_000))),
        (
            "parameters",
            format!("Content-Type: text/plain{}\r\n\r\n", "; name*0*=a''%41".repeat(20_000)),
        ),
        (
            "a header that an outer boundary ends",
            format!("{mixed}--a\r\n{}--b\r\n--a\r\n", mixed.replace("=a", "=b")),
        ),
        ("deep messages", "Content-Type: message/rfc822\r\n\r\n".repeat(200)),
        (
            "deep multiparts",
            levels(&|n| format!("Content-Type: multipart/x; boundary={n}\r\n\r\n--{n}\r\n")),
        ),
        (
            "the same boundary",
            levels(&|_| "Content-Type: multipart/x; boundary=a\r\n\r\n--a\r\n".into()),
        ),
    ];
    let mut all: Vec<_> = text.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    all.push(("NULs", b"Subject: a\0b\r\nTo: \0@\0\r\n\0: x\r\n\r\n\0\0".to_vec()));
    all.push((
        "eight bits",
        b"Subject: \xe9\xff\r\nFrom: \xc3\xa9 <\xe9@\xff>\r\n\r\n\xe9".to_vec(),
    ));
    all.push(("every octet", (0..=255).cycle().take(2000).collect()));
    all
}

#[test]
fn the_corpus_is_rendered() {
    for (name, message) in odd() {
        print!("{name}; ");
        check(&message);
    }
}

#[test]
fn the_corpus_is_rendered_wherever_it_is_cut() {
    for (_, message) in odd() {
        let message = &message[..message.len().min(400)];
        for end in 0..message.len() {
            check(&message[..end]);
        }
    }
}

#[test]
fn every_charset_is_shown_and_found() {
    for label in CHARSETS {
        let octets: Vec<u8> = (b' '..=b'~').chain(0xa0..=0xff).collect();
        let mut message =
            format!("Content-Type: text/plain; charset={label}\r\n\r\nplain ").into_bytes();
        message.extend_from_slice(&octets);
        check(&message);
        let structure = Structure::parse(&message);
        assert!(preview(&structure).starts_with("plain"), "{label}");
        let decoded = charset::decode(label.as_bytes(), &octets);
        assert!(searchable(&structure).has_body(&fold_case(&decoded)), "{label}");
    }
}
