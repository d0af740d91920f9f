//! What has to hold for any input: the bodies of the fuzz targets.
//!
//! `fuzz/` calls them with inputs that a fuzzer invents; the tests of this crate call them with the
//! corpus, so that what was found once is tried at every run. A function panics when something
//! does not hold.

mod client;
mod dsn;
mod imap;
mod imap_client;
mod pop3;
mod session;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mailwright_smtp::body::{BareNewlines, Decoder, Flaw, Rules};
use mailwright_smtp::command::Command;
use mailwright_smtp::reply::{Bounds, Reader};
use mailwright_words::headers::{Ending, Gathered, Gatherer};
use mailwright_words::mime::{Limits, Walker};
use mailwright_words::{Address, HeaderBlock, Reply, ReversePath};

/// A target: its name, which is also that of its corpus, and what has to hold.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 12] = [
    ("address", address),
    ("body", body),
    ("dsn", dsn::dsn),
    ("header", header),
    ("imap_client", imap_client::client),
    ("imap_command", imap::command),
    ("imap_session", imap::session),
    ("pop3_session", pop3::session),
    ("reply", reply),
    ("smtp_client", client::client),
    ("smtp_command", command),
    ("smtp_session", session::session),
];

/// Inputs of a corpus that the ordinary tests have time for.
const INPUTS_MAX: usize = 200;

/// Plays the corpus of a target: every input has to hold.
///
/// # Panics
/// One does not, or the corpus has too few or too many inputs.
pub fn play(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<PathBuf> =
        fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    assert!((3..=INPUTS_MAX).contains(&files.len()), "{target}: {} inputs", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let input = fs::read(&file).unwrap_or_default();
        if catch_unwind(|| check(&input)).is_err() {
            wrong.push(format!("{}: {}", file.display(), input.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the target of this name; one that is not there is a mistake of the caller.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "no fuzz target is called {name}");
    if let Some((_, check)) = target {
        check(input);
    }
}

/// The first octet, which chooses how the rest is used.
fn choice(input: &[u8]) -> (usize, &[u8]) {
    input.split_first().map_or((0, input), |(first, rest)| (usize::from(*first), rest))
}

/// What an address prints is read as the same address, and holds nothing that ends a line.
fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(address) = Address::parse(text) {
        let printed = address.to_string();
        assert!(!printed.contains(['\r', '\n', '\0']), "{printed:?} ends a line");
        assert_eq!(Address::parse(&printed).as_ref(), Ok(&address));
    }
    if let Ok(path) = ReversePath::parse(text) {
        let printed = path.to_string();
        assert!(!printed.contains(['\r', '\n', '\0']), "{printed:?} ends a line");
    }
}

/// Any line is a command or malformed, and what is malformed has a reply of one sound line.
fn command(line: &[u8]) {
    if let Err(malformed) = Command::parse(line) {
        let wire = malformed.reply().to_wire();
        assert!(wire.ends_with(b"\r\n") && wire.len() <= 512);
    }
}

/// What a body became: its octets, how much was used, whether it ended, what is wrong with it.
type Decoded = (Vec<u8>, usize, bool, Option<Flaw>);

fn decode(rules: Rules, input: &[u8], size: usize) -> Decoded {
    let mut decoder = Decoder::new(rules);
    let (mut out, mut used, mut ended) = (Vec::new(), 0, false);
    for piece in input.chunks(size.max(1)) {
        let before = out.len();
        let progress = decoder.read(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len() + 2, "a body grows without a bound");
        used += progress.used;
        ended = progress.ended;
        if ended {
            break;
        }
    }
    decoder.finish(&mut out);
    (out, used, ended, decoder.flaw())
}

/// A body is decoded the same however it is cut, and never grows beyond what is promised.
fn body(input: &[u8]) {
    let (choice, input) = choice(input);
    let bare = match choice % 3 {
        0 => Some(BareNewlines::Refuse),
        1 => Some(BareNewlines::Normalise),
        _ => None,
    };
    let rules = Rules { bare, line_max: 60, dots: choice.is_multiple_of(2) };
    let whole = decode(rules, input, input.len());
    assert_eq!(decode(rules, input, 1), whole, "octet by octet");
    assert_eq!(decode(rules, input, choice / 6 + 1), whole, "by {}", choice / 6 + 1);
    if bare == Some(BareNewlines::Normalise) {
        let mut last = b' ';
        for &octet in &whole.0 {
            assert!((last == b'\r') == (octet == b'\n'), "a bare newline is left");
            last = octet;
        }
    }
}

fn replies(input: &[u8], size: usize) -> Vec<Reply> {
    let mut reader = Reader::new(Bounds { line: 100, lines: 8, bytes: 4096 });
    let mut replies = Vec::new();
    for piece in input.chunks(size.max(1)) {
        reader.feed(piece);
        loop {
            match reader.read() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(_) => return replies,
            }
        }
    }
    replies
}

/// Replies of a peer are read the same however they are cut.
fn reply(input: &[u8]) {
    let input = input.get(..4000).unwrap_or(input);
    let whole = replies(input, input.len());
    assert_eq!(replies(input, 1), whole);
    for reply in whole {
        assert!(reply.lines.len() <= 8, "a reply has no more lines than it may");
        assert!(reply.to_wire().ends_with(b"\r\n"));
    }
}

fn gathered(input: &[u8], size: usize) -> (bool, Option<(Vec<u8>, usize)>) {
    let mut gatherer = Gatherer::new(2000);
    let states: Vec<Gathered> = input.chunks(size).map(|piece| gatherer.push(piece)).collect();
    if states.contains(&Gathered::TooLarge) {
        return (false, None);
    }
    let block = gatherer.block();
    (states.contains(&Gathered::Whole), Some((block.as_bytes().to_vec(), block.body_offset())))
}

fn walked(input: &[u8], size: usize) -> bool {
    let mut walker = Walker::new(Limits { depth: 4, parts: 8 });
    input.chunks(size).all(|piece| walker.push(piece).is_ok())
}

/// A header ends at the same place, and a message has the same structure, however it is cut.
fn header(input: &[u8]) {
    let (choice, input) = choice(input);
    let size = choice + 1;
    let block = HeaderBlock::new(input);
    let (is_whole, found) = gathered(input, size);
    if let Some((bytes, offset)) = found {
        assert_eq!(bytes, block.as_bytes(), "cut by {size}");
        assert_eq!(offset, block.body_offset(), "cut by {size}");
        // A last line without its CRLF is judged when the message is known to end there.
        let rest = input.get(offset..).unwrap_or_default();
        let is_told = block.ending() == Ending::Blank || rest.windows(2).any(|two| two == b"\r\n");
        let ended = block.ending() != Ending::Message;
        assert_eq!(is_whole, ended && is_told, "cut by {size}");
    }
    for name in ["Message-ID", "Content-Type", "Received"] {
        let count = block.count(name);
        assert_eq!(count > 0, block.find(name).is_some());
    }
    assert_eq!(walked(input, size), walked(input, input.len().max(1)), "cut by {size}");
}
