//! Signatures of variants, over what is sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use mailwright_mailauth::sign::{Algorithm, BodyHasher, Selected, SigningKey};
use mailwright_net::System;
use mailwright_smtp::client::Capabilities;
use mailwright_words::{BodyType, Envelope, HeaderBlock, ReversePath};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::convert::{self, Fitted};
use crate::outcome::{Later, Pieces};

/// A message that counts how often it is read.
#[derive(Debug, Default)]
struct Counted(AtomicUsize);

const TEXT: &str = "From: ann@home.example\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Gr\u{fc}\u{df}e\r\n";

impl Content for Counted {
    fn size(&self) -> u64 {
        u64::try_from(TEXT.len()).unwrap()
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let pieces: Box<dyn Pieces> = Box::new(Once(Some(TEXT)));
        Box::pin(async move { Ok(pieces) })
    }
}

struct Once(Option<&'static str>);

impl Pieces for Once {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        let piece = self.0.take().map(|text| text.as_bytes().to_vec());
        Box::pin(async move { Ok(piece) })
    }
}

fn signing(message: i64) -> Signing {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let keys = vec![Selected { selector: "s".to_owned(), key }];
    let signer = Arc::new(Signer { domain: "home.example".to_owned(), keys });
    Signing { message: Id::from_i64(message), signer, lifetime: None, sealed_by: None }
}

/// What a host with these capabilities gets.
async fn sent(
    signatures: &Signatures,
    signing: &Signing,
    content: &Arc<Counted>,
    eight_bit_mime: bool,
) -> String {
    let capabilities = Capabilities { eight_bit_mime, ..Capabilities::default() };
    let mut envelope = Envelope::new(ReversePath::Null, Vec::new());
    envelope.body = BodyType::EightBitMime;
    let places = Arc::new(Semaphore::new(1));
    let content: Arc<dyn Content> = Arc::<Counted>::clone(content);
    let fitted = convert::fit(envelope, content, &capabilities, &places).await;
    let Fitted { content, room, .. } = fitted.ok().unwrap();
    let signed = signatures.sign(signing, room, content).await.unwrap();
    let (mut pieces, mut bytes) = (signed.open().await.unwrap(), Vec::new());
    while let Some(piece) = pieces.next().await.unwrap() {
        bytes.extend(piece);
    }
    assert_eq!(u64::try_from(bytes.len()).unwrap(), signed.size());
    String::from_utf8(bytes).unwrap()
}

fn is_over_what_was_sent(message: &str) -> bool {
    let mut body = BodyHasher::default();
    body.push(&message.as_bytes()[HeaderBlock::new(message.as_bytes()).body_offset()..]);
    message.starts_with("DKIM-Signature: ")
        && message.contains(&format!("bh={};", STANDARD.encode(body.finish())))
}

#[tokio::test]
async fn a_signature_is_over_the_octets_that_are_sent() {
    let signatures = Signatures::new(Arc::new(System::new()));
    let (signing, content) = (signing(1), Arc::default());
    let plain = sent(&signatures, &signing, &content, true).await;
    let converted = sent(&signatures, &signing, &content, false).await;
    assert!(plain.contains("Gr\u{fc}") && is_over_what_was_sent(&plain), "{plain}");
    assert!(converted.contains("quoted-printable"), "{converted}");
    assert!(converted.is_ascii() && is_over_what_was_sent(&converted), "{converted}");
}

#[tokio::test]
async fn a_variant_is_signed_once() {
    let signatures = Signatures::new(Arc::new(System::new()));
    let (signing, content) = (signing(1), Arc::<Counted>::default());
    let all = async {
        let one = || sent(&signatures, &signing, &content, true);
        tokio::join!(one(), one(), one())
    };
    let (first, second, third) = all.await;
    assert!(first == second && second == third && is_over_what_was_sent(&first), "{first}");
    // Each reads it to send it, and one to sign it.
    assert_eq!(content.0.load(Ordering::Relaxed), 4);
    let other = Signing { message: Id::from_i64(2), ..signing };
    sent(&signatures, &other, &content, true).await;
    assert_eq!(content.0.load(Ordering::Relaxed), 6, "another message");
}

#[test]
fn memory_is_bounded() {
    let signatures = Signatures::new(Arc::new(System::new()));
    for n in 0..3 * 2048 {
        signatures.cell((Id::from_i64(n), None, 0));
    }
    let kept = signatures.kept.lock().unwrap();
    assert!(kept.iter().map(HashMap::len).sum::<usize>() <= 2 * GENERATION_MAX);
}
