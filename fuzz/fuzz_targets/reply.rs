//! Replies of a peer are read the same however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_smtp::reply::{Bounds, Reader};
use mailwright_words::Reply;

fn read(input: &[u8], size: usize) -> (Vec<Reply>, bool) {
    let mut reader = Reader::new(Bounds { line: 100, lines: 8, bytes: 4096 });
    let mut replies = Vec::new();
    for piece in input.chunks(size) {
        reader.feed(piece);
        loop {
            match reader.read() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(_) => return (replies, false),
            }
        }
    }
    (replies, true)
}

fuzz_target!(|input: &[u8]| {
    let input = &input[..input.len().min(4000)];
    let (whole, _) = read(input, input.len().max(1));
    let (octets, _) = read(input, 1);
    assert_eq!(octets, whole);
});
