//! The session of IMAP. What has to hold stands in `testkit::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_testkit::fuzz::run("imap_session", input));
