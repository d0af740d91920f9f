//! Any line is a command or malformed, and what is malformed has a reply of one sound line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_smtp::command::Command;

fuzz_target!(|line: &[u8]| {
    if let Err(malformed) = Command::parse(line) {
        let wire = malformed.reply().to_wire();
        assert!(wire.ends_with(b"\r\n") && wire.len() <= 512);
    }
});
