//! What waiting takes out of a message: elements, matches, links, codes.
//! What has to hold stands in the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_api::fuzz::extract(input));
