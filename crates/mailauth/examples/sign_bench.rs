//! What signing costs: `cargo run --release -p mailwright-mailauth --example sign_bench`.

#![expect(clippy::unwrap_used, reason = "a measurement for people")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use mailwright_mailauth::sign::{Algorithm, Digester, Selected, Signer, SigningKey};
use mailwright_words::Timestamp;

fn each(what: &str, count: u32, mut work: impl FnMut()) -> Duration {
    let begun = Instant::now();
    (0..count).for_each(|_| work());
    let one = begun.elapsed() / count;
    let told = writeln!(std::io::stdout(), "{what:<40} {one:?}");
    told.unwrap();
    one
}

fn main() {
    let head = "From: ann@home.example\r\nTo: dan@far.example\r\nSubject: Hello\r\n\
        Date: Tue, 24 Nov 2026 06:15:37 +0000\r\nMessage-ID: <1@home.example>\r\n\r\n";
    let message = |octets: usize| {
        let line = "Some words of an ordinary length, as people write them to each other.\r\n";
        format!("{head}{}", line.repeat(octets / line.len()))
    };
    each("RSA key made", 5, || drop(SigningKey::generate(Algorithm::Rsa).unwrap()));
    for octets in [4 << 10, 64 << 10, 10 << 20] {
        let message = message(octets);
        let count = u32::try_from((20 << 20) / octets).unwrap().min(2000);
        each(&format!("message of {octets} octets read"), count, || {
            let mut digester = Digester::default();
            message.as_bytes().chunks(64 << 10).for_each(|piece| digester.push(piece));
            drop(digester.finish().unwrap());
        });
    }
    let mut digester = Digester::default();
    digester.push(message(4096).as_bytes());
    let digest = digester.finish().unwrap();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = vec![Selected { selector: "s".to_owned(), key }];
        let signer = Signer { domain: "home.example".to_owned(), keys };
        each(&format!("signature by {algorithm}"), 1000, || {
            drop(digest.sign(&signer, Timestamp::new(0), None).unwrap());
        });
    }
}
