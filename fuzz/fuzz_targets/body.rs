//! A body is decoded the same however it is cut, and never grows beyond what is promised.
//!
//! The first octet chooses the rules and the size of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_smtp::body::{BareNewlines, Decoder, Flaw, Rules};

fn decode(rules: Rules, input: &[u8], size: usize) -> (Vec<u8>, usize, bool, Option<Flaw>) {
    let mut decoder = Decoder::new(rules);
    let (mut out, mut used, mut ended) = (Vec::new(), 0, false);
    for piece in input.chunks(size) {
        let before = out.len();
        let progress = decoder.read(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len() + 2);
        used += progress.used;
        ended = progress.ended;
        if ended {
            break;
        }
    }
    decoder.finish(&mut out);
    (out, used, ended, decoder.flaw())
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let bare = match choice % 3 {
        0 => Some(BareNewlines::Refuse),
        1 => Some(BareNewlines::Normalise),
        _ => None,
    };
    let rules = Rules { bare, line_max: 60, dots: choice % 2 == 0 };
    let whole = decode(rules, input, input.len().max(1));
    assert_eq!(decode(rules, input, 1), whole);
    assert_eq!(decode(rules, input, usize::from(choice / 6) + 1), whole);
    if bare == Some(BareNewlines::Normalise) {
        let alone = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
        assert!(!whole.0.windows(2).any(alone), "no bare newline is left");
    }
});
