//! The check of HTML and CSS. What has to hold stands in the crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mailwright_sandbox::fuzz::html_css(input));
