//! Rules of an inbox, read and met by sessions. What has to hold stands in the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_intake::fuzz::fault(input));
