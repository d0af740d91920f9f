//! What an address prints is read as the same address, and holds nothing that ends a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_words::Address;

fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text) {
        let printed = address.to_string();
        assert!(!printed.contains(['\r', '\n', '\0']));
        assert_eq!(Address::parse(&printed).as_ref(), Ok(&address));
    }
});
