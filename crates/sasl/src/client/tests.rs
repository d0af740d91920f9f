//! The client against our own server and against servers that lie.

use super::*;
use crate::DecoyKey;
use crate::scram::{Keys, Record};
use crate::server::{self, Facts, Input, Output};

fn bound() -> ChannelBinding {
    ChannelBinding { exporter: Some(vec![1; 32]), server_end_point: Some(vec![2; 32]) }
}

fn client(mechanism: Mechanism, password: &str, binding: ChannelBinding) -> Exchange {
    let login = Login { name: "a=b,c@mw.example".into(), password: Secret::new(password) };
    Exchange::new(mechanism, login, binding, Nonce::random().unwrap())
}

/// Plays both sides to the end; whether the server was satisfied, and what the client says.
fn play(mut client: Exchange, binding: ChannelBinding) -> (Output, Result<bool, Failure>) {
    let decoy = DecoyKey::new([7; 32]);
    let (hostname, nonce) = ("mx.mailwright.example".to_owned(), Nonce::random().unwrap());
    let mut server = server::Exchange::new(
        client.mechanism,
        Facts { hostname, binding, decoy, nonce, account: str::to_lowercase },
    );
    let initial = client.initial();
    let mut output = server.step(Input::Start(initial.as_deref()));
    for _ in 0..10 {
        output = match output {
            Output::Challenge(challenge) => match client.step(&challenge) {
                Ok(response) => server.step(Input::Response(&response)),
                Err(failure) => return (Output::Failed(Failure::Order), Err(failure)),
            },
            Output::NeedPassword { password, .. } => {
                server.step(Input::Verdict(password.expose() == "pencil"))
            }
            Output::NeedKeys { hash, .. } => {
                let keys = vec![Keys::derive(hash, "pencil", b"salt", 4096)];
                let record = Record { salt: b"salt".to_vec(), iterations: 4096, keys };
                server.step(Input::Keys(Some(record)))
            }
            Output::NeedSecret { .. } => server.step(Input::Secrets(vec![Secret::new("pencil")])),
            end => return (end, Ok(client.is_complete())),
        };
    }
    panic!("the exchange does not end");
}

#[test]
fn every_mechanism_works_against_our_own_server() {
    for mechanism in Mechanism::ALL {
        let binding = if mechanism.is_bound() { bound() } else { ChannelBinding::default() };
        let (output, complete) =
            play(client(mechanism, "pencil", binding.clone()), binding.clone());
        let done =
            Output::Done { authcid: "a=b,c@mw.example".into(), authzid: None, credential: 0 };
        assert_eq!((output, complete), (done, Ok(true)), "{mechanism}");
        let (output, _) = play(client(mechanism, "wrong", binding.clone()), binding);
        assert_eq!(output, Output::Failed(Failure::Credentials), "{mechanism}");
    }
}

#[test]
fn a_stripped_offer_and_another_channel_are_noticed() {
    let plain = Mechanism::Scram { hash: Hash::Sha256, plus: false };
    let (output, _) = play(client(plain, "pencil", bound()), bound());
    assert_eq!(output, Output::Failed(Failure::Downgrade));
    let plus = Mechanism::Scram { hash: Hash::Sha256, plus: true };
    let other = ChannelBinding { exporter: Some(vec![9; 32]), server_end_point: None };
    let (output, _) = play(client(plus, "pencil", other), bound());
    assert_eq!(output, Output::Failed(Failure::ChannelBinding));
    let certificate = ChannelBinding { exporter: None, ..bound() };
    let (output, complete) = play(client(plus, "pencil", certificate), bound());
    assert!(matches!(output, Output::Done { .. }) && complete == Ok(true));
}

#[test]
fn a_server_that_lies_is_not_answered() {
    let scram = Mechanism::Scram { hash: Hash::Sha1, plus: false };
    let long = vec![b'x'; MESSAGE_MAX + 1];
    for (challenge, failure) in [
        ("r=other,s=AAAA,i=4096", Failure::Nonce),
        ("r=NONCE,s=AAAA,i=4096", Failure::Nonce),
        ("r=NONCEx,s=AAAA,i=1", Failure::Malformed("iteration count")),
        ("r=NONCEx,s=AAAA,i=1000000000", Failure::Malformed("iteration count")),
        ("r=NONCEx,s=,i=4096", Failure::Malformed("salt")),
        ("m=x,r=NONCEx,s=AAAA,i=4096", Failure::Malformed("nonce")),
        (std::str::from_utf8(&long).unwrap(), Failure::TooLong),
    ] {
        let mut client = client(scram, "pencil", ChannelBinding::default());
        client.initial();
        let challenge = challenge.replace("NONCE", client.nonce.as_str());
        assert_eq!(client.step(challenge.as_bytes()), Err(failure), "{challenge}");
        assert_eq!(client.step(b""), Err(Failure::Order), "nothing follows an error");
    }
    let mut client = client(scram, "pencil", ChannelBinding::default());
    client.initial();
    let first = format!("r={}x,s=AAAA,i=4096", client.nonce.as_str());
    client.step(first.as_bytes()).unwrap();
    assert!(!client.is_complete(), "the server has proven nothing yet");
    assert_eq!(client.step(b"v=AAAA"), Err(Failure::ServerSignature));
    assert!(!client.is_complete());
}

#[test]
fn the_strongest_mechanism_that_fits_is_chosen() {
    let all = || Mechanism::ALL.iter().map(|mechanism| mechanism.name());
    let none = ChannelBinding::default();
    let chosen = |found: Option<Mechanism>| found.map(Mechanism::name);
    assert_eq!(chosen(choose(all(), &bound(), true)), Some("SCRAM-SHA-256-PLUS"));
    assert_eq!(chosen(choose(all(), &none, false)), Some("SCRAM-SHA-256"));
    assert_eq!(chosen(choose(["login", "plain"], &none, true)), Some("PLAIN"));
    assert_eq!(chosen(choose(["LOGIN", "PLAIN", "GSSAPI"], &none, false)), None);
    assert_eq!(chosen(choose(["SCRAM-SHA-1-PLUS"], &none, true)), None);
}
