//! Handshakes over loopback, and certificates on disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use mailwright_words::time::Timestamp;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Clock, System, TlsFacts, clock::Manual};

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("mailwright-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn sources(&self, name: &str) -> Sources {
        let self_signed = SelfSigned { folder: self.0.clone(), names: vec![name.to_owned()] };
        Sources { files: Vec::new(), self_signed: Some(self_signed) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(System::new())
}

async fn shake(
    acceptor: Acceptor,
    client: &Client,
    name: &str,
    trust: Trust,
) -> (std::io::Result<TlsFacts>, std::io::Result<TlsFacts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.map(|(_, facts)| facts)
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let ours = client.connect(stream, name, &trust).await.map(|(_, facts)| facts);
    (server.await.unwrap(), ours)
}

#[tokio::test]
async fn both_sides_bind_to_the_same_channel() {
    let folder = Folder::new();
    let certificates = Certificates::load(folder.sources("mx.example")).unwrap();
    let client = Client::new(&[folder.0.join("self-signed.crt")], clock()).unwrap();
    let acceptor = Acceptor::new(certificates).unwrap();
    let (theirs, ours) = shake(acceptor, &client, "mx.example", Trust::Verified).await;
    let (theirs, ours) = (theirs.unwrap(), ours.unwrap());
    assert_eq!(theirs.version, "TLSv1.3");
    assert_eq!(theirs.sni.as_deref(), Some("mx.example"));
    assert_eq!(theirs.exporter.len(), 32);
    assert_eq!(theirs.exporter, ours.exporter);
    assert!(theirs.server_end_point.is_some());
    assert_eq!(theirs.server_end_point, ours.server_end_point);
    assert_eq!(theirs.cipher, ours.cipher);
}

#[tokio::test]
async fn a_stranger_is_believed_only_where_nothing_is_verified() {
    let folder = Folder::new();
    let certificates = Certificates::load(folder.sources("mx.example")).unwrap();
    let client = Client::new(&[], clock()).unwrap();
    for (trust, name, believed) in [
        (Trust::Verified, "mx.example", false),
        (Trust::Opportunistic, "mx.example", true),
        (Trust::Opportunistic, "[127.0.0.1]", true),
    ] {
        let acceptor = Acceptor::new(Arc::clone(&certificates)).unwrap();
        let (_, ours) = shake(acceptor, &client, name, trust.clone()).await;
        assert_eq!(ours.is_ok(), believed, "{trust:?} {name}");
    }
}

#[tokio::test]
async fn the_clock_says_whether_a_certificate_is_valid() {
    let folder = Folder::new();
    let certificates = Certificates::load(folder.sources("mx.example")).unwrap();
    let roots = [folder.0.join("self-signed.crt")];
    for (now, believed) in [(clock().now(), true), (Timestamp::new(0), false)] {
        let client = Client::new(&roots, Arc::new(Manual::new(now))).unwrap();
        let acceptor = Acceptor::new(Arc::clone(&certificates)).unwrap();
        let (_, ours) = shake(acceptor, &client, "mx.example", Trust::Verified).await;
        assert_eq!(ours.is_ok(), believed, "{now:?}");
    }
}

#[test]
fn the_key_is_ours_alone_and_stays_the_same() {
    let folder = Folder::new();
    let first = Certificates::load(folder.sources("a.example")).unwrap();
    let key = folder.0.join("self-signed.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Certificates::load(folder.sources("a.example")).unwrap();
    assert_eq!(first.find(None).unwrap().cert, again.find(None).unwrap().cert);
}

#[test]
fn certificates_are_found_by_name_and_reloaded() {
    let (one, two) = (Folder::new(), Folder::new());
    let file = |folder: &Folder, name: &str| {
        let (crt, key) = (folder.0.join("self-signed.crt"), folder.0.join("self-signed.key"));
        (name.to_owned(), crt, key)
    };
    let default = Certificates::load(one.sources("a.example")).unwrap().find(None).unwrap();
    let named = Certificates::load(two.sources("b.example")).unwrap().find(None).unwrap();
    let files = vec![file(&one, "a.example"), file(&two, "*.b.example")];
    let all = Certificates::load(Sources { files, self_signed: None }).unwrap();
    for (name, expected) in [
        (None, &default),
        (Some("unknown.example"), &default),
        (Some("MX.b.example"), &named),
        (Some("b.example"), &default),
    ] {
        assert_eq!(all.find(name).unwrap().cert, expected.cert, "{name:?}");
    }
    fs::remove_file(two.0.join("self-signed.key")).unwrap();
    assert!(all.reload(None).is_err());
    assert_eq!(all.find(Some("x.b.example")).unwrap().cert, named.cert, "still in use");
    let files = vec![file(&one, "*")];
    all.reload(Some(Sources { files, self_signed: None })).unwrap();
    assert_eq!(all.find(Some("x.b.example")).unwrap().cert, default.cert);
}
