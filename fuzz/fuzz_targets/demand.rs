//! Conditions under which a check fails, with messages that have to meet them.
//! What has to hold stands in the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_sandbox::fuzz::demand(input));
