//! The client of IMAP under any server. What has to hold stands in `testkit::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_testkit::fuzz::run("imap_client", input));
