//! Connections over loopback, and answers of an invented DNS.

use std::fs;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use mailwright_net::System;
use mailwright_net::dns::Signed;
use mailwright_net::tls::{Acceptor, Certificates, SelfSigned, Sources};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mailwright-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn wire(change: impl FnOnce(&mut Config)) -> Wire {
    let mut config = Config::default();
    // A server nobody asks: the machine's own configuration stays out of the test.
    config.dns.servers = vec!["127.0.0.1:9".parse().unwrap()];
    change(&mut config);
    Wire::new(&config, Arc::new(System::new())).unwrap()
}

#[tokio::test]
async fn a_plain_connection_comes_from_the_configured_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, from) = listener.accept().await.unwrap();
        stream.write_all(b"220 mx.example\r\n").await.unwrap();
        from.ip()
    });
    let wire = wire(|config| {
        config.relay.source_ipv4 = Some("127.0.0.2".parse().unwrap());
        config.relay.source_ipv6 = Some("2001:db8::1".parse().unwrap());
    });
    let (mut stream, peer) = wire.dial(&[address], LIMIT).await.unwrap();
    let mut greeting = String::new();
    stream.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "220 mx.example\r\n");
    assert_eq!(peer, address);
    assert_eq!(server.await.unwrap().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn a_self_signed_host_is_believed_only_where_nothing_is_verified() {
    let folder = Folder::new("wire");
    let own = SelfSigned { folder: folder.0.clone(), names: vec!["mx.example".to_owned()] };
    let sources = Sources { files: Vec::new(), self_signed: Some(own) };
    let certificates = Certificates::load(sources).unwrap();
    let wire = wire(|_| {});
    for verify in [false, true] {
        let acceptor = Acceptor::new(Arc::clone(&certificates)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut stream, facts) = acceptor.accept(stream).await?;
            stream.write_all(b"250 ok\r\n").await?;
            stream.shutdown().await?;
            io::Result::Ok(facts)
        });
        let (stream, _) = wire.dial(&[address], LIMIT).await.unwrap();
        let trust = if verify { Trust::Verified } else { Trust::Opportunistic };
        let secured = wire.secure(stream, "mx.example", &trust).await;
        if verify {
            assert_eq!(secured.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(server.await.unwrap().is_err());
            continue;
        }
        let mut secured = secured.unwrap();
        let mut reply = String::new();
        secured.stream.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "250 ok\r\n");
        let theirs = server.await.unwrap().unwrap();
        assert_eq!(secured.summary, format!("{} {}", theirs.version, theirs.cipher));
        assert!(secured.binding.exporter.is_some() && secured.binding.server_end_point.is_some());
        assert_eq!(secured.binding, binding(theirs));
        let peer = secured.peer.unwrap();
        assert_eq!(peer.doubt, Some(mailwright_net::tls::Doubt::Issuer));
    }
}

#[test]
fn a_connection_without_exporter_has_none_to_bind_to() {
    assert!(!binding(TlsFacts::default()).is_some());
}

#[tokio::test]
async fn answers_of_the_dns_keep_their_kind() {
    let fake = dns::Fake::new();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    fake.add_mx("a.example", 10, "mx.a.example");
    fake.add_address("mx.a.example", address);
    fake.set_broken("broken.example", true);
    fake.set_secure("a.example");
    let wire = Wire { resolver: Arc::new(fake), ..wire(|_| {}) };
    let found = Answer::Found(Signed::secure(vec![(10, "mx.a.example".to_owned())]));
    assert_eq!(wire.mx("a.example").await, found);
    assert_eq!(wire.mx("mx.a.example").await, Answer::NoData);
    assert_eq!(wire.mx("b.example").await, Answer::NoSuchDomain);
    assert!(matches!(wire.mx("broken.example").await, Answer::Temporary(_)));
    assert_eq!(
        wire.addresses("mx.a.example").await,
        Answer::Found(Signed::insecure(vec![address]))
    );
    assert_eq!(wire.addresses("a.example").await, Answer::NoData);
}

#[test]
fn a_policy_is_plain_text_that_was_found() {
    let answer = |status: u16, kind: &str, body: &'static [u8]| {
        let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
        policy_text(response.body(Bytes::from_static(body)).unwrap())
    };
    assert_eq!(answer(200, "text/plain", b"a").unwrap(), "a");
    assert_eq!(answer(200, "Text/Plain; charset=utf-8", b"a").unwrap(), "a");
    assert!(answer(200, "text/html", b"a").is_err());
    assert!(answer(200, "", b"a").is_err());
    assert!(answer(301, "text/plain", b"a").is_err());
    assert!(answer(204, "text/plain", b"").is_err());
    assert!(answer(200, "text/plain", b"\xff").is_err());
}
