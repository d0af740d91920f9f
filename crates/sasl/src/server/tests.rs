//! The server against published vectors, malformed messages and dishonest clients.

use super::*;

const SHA1: Mechanism = Mechanism::Scram { hash: Hash::Sha1, plus: false };
const SHA256: Mechanism = Mechanism::Scram { hash: Hash::Sha256, plus: false };
const SHA256_PLUS: Mechanism = Mechanism::Scram { hash: Hash::Sha256, plus: true };

fn facts(nonce: &str, binding: ChannelBinding) -> Facts {
    let (hostname, nonce) = ("mx.mailwright.example".to_owned(), Nonce::known(nonce));
    Facts { hostname, binding, decoy: DecoyKey::new([7; 32]), nonce, account: str::to_lowercase }
}

fn exchange(mechanism: Mechanism) -> Exchange {
    Exchange::new(mechanism, facts("server", ChannelBinding::default()))
}

fn bound() -> ChannelBinding {
    ChannelBinding { exporter: Some(vec![1; 32]), server_end_point: Some(vec![2; 32]) }
}

fn record(hash: Hash, passwords: &[&str], salt: &[u8]) -> Record {
    let keys = passwords.iter().map(|text| Keys::derive(hash, text, salt, 4096)).collect();
    Record { salt: salt.to_vec(), iterations: 4096, keys }
}

fn said(output: Output) -> String {
    match output {
        Output::Challenge(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("no challenge: {other:?}"),
    }
}

fn done(name: &str, credential: usize) -> Output {
    Output::Done { authcid: name.to_owned(), authzid: None, credential }
}

struct Vector {
    mechanism: Mechanism,
    hash: Hash,
    salt: &'static str,
    client: &'static str,
    server: &'static str,
    proof: &'static str,
    signature: &'static str,
}

/// Source: RFC 5802 section 5, RFC 7677 section 3.
const VECTORS: [Vector; 2] = [
    Vector {
        mechanism: SHA1,
        hash: Hash::Sha1,
        salt: "QSXCR+Q6sek8bf92",
        client: "fyko+d2lbbFgONRv9qkxdawL",
        server: "3rfcNHYJY1ZVvWVs7j",
        proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        signature: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Vector {
        mechanism: SHA256,
        hash: Hash::Sha256,
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        client: "rOprNGfwEbeRWgbNEkqO",
        server: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        signature: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
];

#[test]
fn scram_follows_the_published_exchanges() {
    for vector in VECTORS {
        let Vector { hash, salt, client, server, proof, .. } = vector;
        let mut exchange =
            Exchange::new(vector.mechanism, facts(server, ChannelBinding::default()));
        assert_eq!(said(exchange.step(Input::Start(None))), "");
        let first = format!("n,,n=user,r={client}");
        let asked = exchange.step(Input::Response(first.as_bytes()));
        assert_eq!(asked, Output::NeedKeys { name: "user".into(), hash });
        let record = record(hash, &["other", "pencil"], &STANDARD.decode(salt).unwrap());
        let challenge = said(exchange.step(Input::Keys(Some(record))));
        assert_eq!(challenge, format!("r={client}{server},s={salt},i=4096"));
        let last = format!("c=biws,r={client}{server},p={proof}");
        assert_eq!(said(exchange.step(Input::Response(last.as_bytes()))), vector.signature);
        assert_eq!(exchange.step(Input::Response(b"")), done("user", 1));
        assert_eq!(exchange.step(Input::Response(b"")), Output::Failed(Failure::Order));
    }
}

/// Source: RFC 2195 section 2.
#[test]
fn cram_md5_follows_the_published_exchange() {
    let mut exchange = Exchange::new(Mechanism::CramMd5, {
        let nonce = Nonce::known("1896.697170952");
        Facts { hostname: "postoffice.reston.mci.net".into(), ..facts("", bound()) }.with(nonce)
    });
    let challenge = said(exchange.step(Input::Start(None)));
    assert_eq!(challenge, "<1896.697170952@postoffice.reston.mci.net>");
    let asked = exchange.step(Input::Response(b"tim b913a602c7eda7a495b4e6e7334d3890"));
    assert_eq!(asked, Output::NeedSecret { name: "tim".into() });
    let secrets = vec![Secret::new("wrong"), Secret::new("tanstaaftanstaaf")];
    assert_eq!(exchange.step(Input::Secrets(secrets)), done("tim", 1));
}

impl Facts {
    fn with(self, nonce: Nonce) -> Self {
        Self { nonce, ..self }
    }
}

#[test]
fn cram_md5_takes_no_initial_response_and_no_wrong_digest() {
    let mut early = exchange(Mechanism::CramMd5);
    assert_eq!(early.step(Input::Start(Some(b"x"))), Output::Failed(Failure::Order));
    for (response, failure) in [
        ("tim", Failure::Malformed("response")),
        ("tim b913", Failure::Malformed("digest")),
        ("tim B913A602C7EDA7A495B4E6E7334D3890", Failure::Malformed("digest")),
        (" b913a602c7eda7a495b4e6e7334d3890", Failure::Unprepared("name")),
    ] {
        let mut exchange = exchange(Mechanism::CramMd5);
        exchange.step(Input::Start(None));
        let output = exchange.step(Input::Response(response.as_bytes()));
        assert_eq!(output, Output::Failed(failure), "{response}");
    }
    for secrets in [vec![], vec![Secret::new("tanstaaftanstaaf")]] {
        let mut exchange = exchange(Mechanism::CramMd5);
        exchange.step(Input::Start(None));
        exchange.step(Input::Response(b"tim b913a602c7eda7a495b4e6e7334d3890"));
        let output = exchange.step(Input::Secrets(secrets));
        assert_eq!(output, Output::Failed(Failure::Credentials));
    }
}

#[test]
fn plain_asks_for_a_verdict_with_or_without_initial_response() {
    for early in [true, false] {
        let mut exchange = exchange(Mechanism::Plain);
        let message = b"boss\0ann@mw.example\0open sesame".as_slice();
        let asked = if early {
            exchange.step(Input::Start(Some(message)))
        } else {
            assert_eq!(said(exchange.step(Input::Start(None))), "");
            exchange.step(Input::Response(message))
        };
        let (authcid, authzid) = ("ann@mw.example".to_owned(), Some("boss".to_owned()));
        let password = Secret::new("open sesame");
        assert_eq!(
            asked,
            Output::NeedPassword { authcid: authcid.clone(), authzid: authzid.clone(), password }
        );
        let output = exchange.step(Input::Verdict(true));
        assert_eq!(output, Output::Done { authcid, authzid, credential: 0 });
    }
}

#[test]
fn a_malformed_plain_message_fails() {
    let long = vec![b'x'; MESSAGE_MAX + 1];
    for (message, failure) in [
        (b"".as_slice(), Failure::Malformed("message")),
        (b"ann", Failure::Malformed("message")),
        (b"\0ann", Failure::Malformed("message")),
        (b"\0ann\0pw\0", Failure::Malformed("message")),
        (b"\0\0pw", Failure::Unprepared("name")),
        (b"\0ann\0", Failure::Unprepared("password")),
        (b"a\nb\0ann\0pw", Failure::Unprepared("name")),
        (b"\0ann\0p\x07w", Failure::Unprepared("password")),
        (b"\0ann\0\xff", Failure::Malformed("UTF-8")),
        (&long, Failure::TooLong),
    ] {
        let output = exchange(Mechanism::Plain).step(Input::Start(Some(message)));
        assert_eq!(output, Output::Failed(failure), "{message:?}");
    }
}

#[test]
fn login_asks_for_name_and_password() {
    for early in [true, false] {
        let mut exchange = exchange(Mechanism::Login);
        let prompt = if early {
            exchange.step(Input::Start(Some(b"ann")))
        } else {
            assert_eq!(said(exchange.step(Input::Start(None))), "Username:");
            exchange.step(Input::Response(b"ann"))
        };
        assert_eq!(said(prompt), "Password:");
        let (authcid, password) = ("ann".to_owned(), Secret::new("pw"));
        let asked = exchange.step(Input::Response(b"pw"));
        assert_eq!(asked, Output::NeedPassword { authcid, authzid: None, password });
        let output = exchange.step(Input::Verdict(false));
        assert_eq!(output, Output::Failed(Failure::Credentials));
        assert_eq!(exchange.step(Input::Verdict(true)), Output::Failed(Failure::Order));
    }
}

#[test]
fn channel_binding_has_to_fit_mechanism_offer_and_connection() {
    let none = ChannelBinding::default;
    for (mechanism, binding, message, expected) in [
        (SHA256, none(), "n,,n=u,r=c", None),
        (SHA256, none(), "y,,n=u,r=c", None),
        (SHA256, bound(), "n,,n=u,r=c", None),
        (SHA256, bound(), "y,,n=u,r=c", Some(Failure::Downgrade)),
        (SHA256, bound(), "p=tls-exporter,,n=u,r=c", Some(Failure::ChannelBinding)),
        (SHA256_PLUS, bound(), "p=tls-exporter,,n=u,r=c", None),
        (SHA256_PLUS, bound(), "p=tls-server-end-point,,n=u,r=c", None),
        (SHA256_PLUS, bound(), "p=tls-unique,,n=u,r=c", Some(Failure::ChannelBinding)),
        (SHA256_PLUS, bound(), "n,,n=u,r=c", Some(Failure::ChannelBinding)),
        (SHA256_PLUS, bound(), "y,,n=u,r=c", Some(Failure::Downgrade)),
        (SHA256_PLUS, none(), "p=tls-exporter,,n=u,r=c", Some(Failure::ChannelBinding)),
    ] {
        let mut exchange = Exchange::new(mechanism, facts("s", binding));
        let failure = match exchange.step(Input::Start(Some(message.as_bytes()))) {
            Output::Failed(failure) => Some(failure),
            _ => None,
        };
        assert_eq!(failure, expected, "{mechanism} {message}");
    }
}

#[test]
fn a_final_message_that_is_not_of_this_exchange_fails() {
    let header = |bytes: &[u8]| STANDARD.encode([b"n,,".as_slice(), bytes].concat());
    for (last, failure) in [
        ("c=biws,r=cs2,p=AAAA".to_owned(), Failure::Nonce),
        ("c=biws,r=c,p=AAAA".to_owned(), Failure::Nonce),
        ("c=eSws,r=cs,p=AAAA".to_owned(), Failure::ChannelBinding),
        (format!("c={},r=cs,p=AAAA", header(b"x")), Failure::ChannelBinding),
        ("c=biws,r=cs,p=AAAA".to_owned(), Failure::Credentials),
        (format!("c=biws,r=cs,p={}", STANDARD.encode([0; 32])), Failure::Credentials),
        ("c=biws,r=cs".to_owned(), Failure::Malformed("proof")),
    ] {
        let mut exchange = Exchange::new(SHA256, facts("s", ChannelBinding::default()));
        exchange.step(Input::Start(Some(b"n,,n=u,r=c")));
        exchange.step(Input::Keys(Some(record(Hash::Sha256, &["pw"], b"salt"))));
        let output = exchange.step(Input::Response(last.as_bytes()));
        assert_eq!(output, Output::Failed(failure), "{last}");
    }
}

#[test]
fn an_unknown_name_gets_a_salt_that_stays_and_never_gets_in() {
    let challenge = |name: &str, record: Option<Record>| {
        let mut exchange = exchange(SHA256);
        exchange.step(Input::Start(Some(format!("n,,n={name},r=c").as_bytes())));
        let challenge = said(exchange.step(Input::Keys(record)));
        let last = format!("c=biws,r=cserver,p={}", STANDARD.encode([0; 32]));
        let output = exchange.step(Input::Response(last.as_bytes()));
        assert_eq!(output, Output::Failed(Failure::Credentials));
        challenge
    };
    let empty = Record { salt: vec![1], iterations: 1, keys: vec![] };
    let first = challenge("ann@mw.example", None);
    assert_eq!(first, challenge("Ann@MW.example", None), "case makes no name of its own");
    assert_eq!(first, challenge("ann@mw.example", Some(empty)));
    assert_ne!(first, challenge("eve@mw.example", None));
    assert!(first.ends_with(",i=10000"), "{first}");
    let real = record(Hash::Sha256, &["pw"], &[9; crate::scram::SALT_BYTES]);
    assert_eq!(challenge("x", Some(real)).len(), challenge("x", None).len() - 1);
}

#[test]
fn a_message_out_of_order_ends_the_exchange() {
    let mut exchange = exchange(SHA1);
    assert_eq!(exchange.step(Input::Verdict(true)), Output::Failed(Failure::Order));
    assert_eq!(exchange.step(Input::Start(None)), Output::Failed(Failure::Order));
    let mut waiting = Exchange::new(SHA1, facts("s", ChannelBinding::default()));
    waiting.step(Input::Start(Some(b"n,,n=u,r=c")));
    assert_eq!(waiting.step(Input::Response(b"x")), Output::Failed(Failure::Order));
}

#[test]
fn the_server_final_wants_an_empty_response() {
    let mut server = Exchange::new(SHA1, facts("s", ChannelBinding::default()));
    server.step(Input::Start(Some(b"n,,n=u,r=c")));
    let record = record(Hash::Sha1, &["pw"], b"salt");
    let first = said(server.step(Input::Keys(Some(record))));
    let message = format!("n=u,r=c,{first},c=biws,r=cs");
    let (proof, _) = crate::scram::prove(Hash::Sha1, "pw", (b"salt", 4096), message.as_bytes());
    let last = format!("c=biws,r=cs,p={}", STANDARD.encode(proof));
    assert!(said(server.step(Input::Response(last.as_bytes()))).starts_with("v="));
    assert_eq!(server.step(Input::Response(b"*")), Output::Failed(Failure::Order));
}
