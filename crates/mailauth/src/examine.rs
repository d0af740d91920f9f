//! A message that lies in a file or a mailbox, checked as when it came, with what is known of it.
//!
//! Where it is not known who brought it, what depends on that is left out rather than guessed. A
//! signature that has ended since counts as when the message came. Where one does not fit, what
//! was changed is looked for.

use std::net::IpAddr;
use std::time::Duration;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::verify::VerifySignature as _;
use mailwright_words::headers::HeaderBlock;
use mailwright_words::{ReversePath, Timestamp};

use crate::body::{BodyHashes, header_of};
use crate::changed::Riddle;
use crate::dmarc::Evidence;
use crate::keys::Keys;
use crate::verify::{Facts, Limits, Verifier, label};
use crate::{Arc, Change, Dkim, Dmarc, Iprev, Spf, Word, arc, dkim};

/// Stands where nobody asks where the client was.
const NOWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Why SPF cannot be known.
const NO_ADDRESS: &str = "the address that sends is not known";

/// Who brought a message, as far as is known.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Where it was; without it SPF cannot be known, nor DMARC where that hangs on it.
    pub ip: Option<IpAddr>,
    /// How it named itself; empty where that is not known.
    pub helo: &'a str,
    /// The reverse-path, where that is known.
    pub mail_from: Option<&'a ReversePath>,
}

/// A message at rest.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// All of it, with CRLF.
    pub message: &'a [u8],
    /// Who brought it, where that is known.
    pub client: Option<Client<'a>>,
    /// When it came.
    pub came: Timestamp,
    /// Our name.
    pub host: &'a str,
}

/// One signature, and what was done to what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The result.
    pub dkim: Dkim,
    /// What was changed, where it does not fit.
    pub change: Option<Change>,
    /// When it ended, if it has.
    pub ends: Option<Timestamp>,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// SPF of the name that the client gave itself.
    pub helo: Option<Spf>,
    /// SPF of the reverse-path.
    pub mail_from: Option<Spf>,
    /// Each signature.
    pub dkim: Vec<Signed>,
    /// DMARC of the author's domain, by what is known.
    pub dmarc: Option<Dmarc>,
    /// The chain of those who passed the message on.
    pub arc: Arc,
    /// Whether the client's address has a name that leads back.
    pub iprev: Option<Iprev>,
}

impl Verifier {
    /// Checks a message at rest. It takes time: changes are looked for on a thread of its own.
    pub async fn examine(&self, letter: Letter<'_>, limits: &Limits) -> Examined {
        let block = HeaderBlock::new(letter.message);
        let mut hashes = BodyHashes::of(&block);
        hashes.push(letter.message.get(block.body_offset()..).unwrap_or_default());
        let body = hashes.finish();
        let header = header_of(&block);
        let message = block.is_plain().then(|| AuthenticatedMessage::parse(&header)).flatten();
        let message = message.map(|mut message| {
            body.fill(&mut message);
            message
        });
        let nobody = ReversePath::Null;
        let known = letter.client;
        let facts = Facts {
            ip: known.and_then(|client| client.ip).unwrap_or(NOWHERE),
            helo: known.map_or("", |client| client.helo),
            mail_from: known.and_then(|client| client.mail_from).unwrap_or(&nobody),
            block,
            body: &body,
            host: letter.host,
            now: letter.came,
        };
        let (helo, mail_from, iprev) = match known {
            None => (None, None, None),
            Some(client) => self.client(client, facts, limits.timeout).await,
        };
        let (dkim, arc) = self.seals(&letter, message.as_ref(), limits).await;
        let is_null = known.is_some_and(|client| client.mail_from == Some(&ReversePath::Null));
        let sender = mail_from.as_ref().or_else(|| helo.as_ref().filter(|_| is_null));
        let evidence = Evidence {
            spf: sender.map(|spf| (spf.word, spf.domain.clone())),
            dkim: dkim.iter().map(|one| (one.dkim.word, label(&one.dkim.domain))).collect(),
        };
        let bounds = (limits.timeout, limits.authors_max);
        let dmarc = self.authors(&facts, message.as_ref(), &evidence, bounds).await;
        Examined { helo, mail_from, dkim, dmarc, arc, iprev }
    }

    /// What SPF and its name say of the client.
    async fn client(
        &self,
        client: Client<'_>,
        facts: Facts<'_>,
        limit: Duration,
    ) -> (Option<Spf>, Option<Spf>, Option<Iprev>) {
        let Some(ip) = client.ip else {
            let unknown = |domain: &str| Spf::of(Word::TempError, domain, NO_ADDRESS);
            let helo = (!client.helo.is_empty()).then(|| unknown(client.helo));
            let sender = client.mail_from.and_then(ReversePath::address);
            let sender = sender.map(|address| unknown(&label(address.domain().as_str())));
            return (helo, sender, None);
        };
        let (helo, sender, iprev) = tokio::join!(
            self.spf_of_helo(facts, limit),
            self.spf_of_sender(facts, limit),
            self.iprev(ip, limit),
        );
        ((!client.helo.is_empty()).then_some(helo), sender, Some(iprev))
    }

    async fn seals(
        &self,
        letter: &Letter<'_>,
        message: Option<&AuthenticatedMessage<'_>>,
        limits: &Limits,
    ) -> (Vec<Signed>, Arc) {
        let Some(message) = message else { return (Vec::new(), Arc::new(Word::None, "")) };
        let most = limits.signatures_max;
        let mut names = dkim::key_names(message, most);
        names.extend(arc::key_names(message, limits.seals_max));
        let keys = Keys::look_up(names, &self.resolver, limits.timeout).await;
        let came = u64::try_from(letter.came.ms() / 1000).unwrap_or(0);
        let mut checked = message.clone();
        for signature in &mut checked.dkim_headers {
            // What ended after the message came was good when it came.
            if signature.header.x > came {
                signature.header.x = 0;
            }
        }
        let results = dkim::verify(&checked, &keys, most, &self.library).await;
        let mut all = Vec::new();
        for (number, dkim) in results.into_iter().enumerate() {
            let header = message.dkim_headers.get(number).filter(|_| number < most);
            let ends = header.map(|header| header.header.x).filter(|ends| *ends > 0);
            let ends = ends.and_then(|ends| i64::try_from(ends.saturating_mul(1000)).ok());
            let ends = ends.map(Timestamp::new);
            let field = message.headers.iter().position(|(_, value)| {
                header.is_some_and(|header| std::ptr::eq(*value, header.value))
            });
            let change = match (header.zip(field), dkim.word) {
                (Some((header, field)), Word::Fail) => {
                    let key = keys.public(&header.header.domain_key());
                    let riddle = Riddle::new(header.header.clone(), field, key);
                    let message = letter.message.to_vec();
                    tokio::task::spawn_blocking(move || riddle.solve(&message)).await.ok()
                }
                _ => None,
            };
            all.push(Signed { dkim, change, ends });
        }
        let trusted = &limits.trusted_sealers;
        let arc = arc::verify(message, (&keys, limits.seals_max), trusted, &self.library).await;
        (all, arc)
    }
}
