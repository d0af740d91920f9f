//! Certificates of an authority on disk, and when each is asked for again.
//!
//! `NAME.pem` holds the chain and its key, in one file, so that they always fit; `NAME.key` is the
//! key of a certificate that there is none of yet, `NAME.next.key` the one that comes after this.
//! A renewal keeps its key, so that TLSA records stay right.
//! Source: RFC 7671 section 8.1, of changing keys.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use instant_acme::CertificateIdentifier;
use mailwright_words::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{
    AcmeError, Authority, Challenges, Way, account,
    advice::{Advice, identifier},
    order,
};
use crate::disk;

/// Permissions of everything here.
const MODE: u32 = 0o600;

/// The certificates of an authority, in a folder.
#[derive(Debug, Clone)]
pub struct Keeper {
    folder: PathBuf,
}

/// A certificate that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Its names, in lower case and in order.
    pub names: Vec<String>,
    /// From when it is valid.
    pub from: Timestamp,
    /// Until when it is.
    pub until: Timestamp,
}

/// A certificate that is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The names that it is for.
    pub names: &'a [String],
    /// Whether it is for the next key, and another next one is made.
    pub roll: bool,
    /// Whether the authority, which gives advice, is told which one it takes the place of.
    pub replaces: bool,
}

impl Vouched {
    /// When it is asked for again: after two thirds of its life, or up to a tenth of the rest
    /// later, as `spread` (0 to 999) says.
    pub fn renew_at(&self, spread: u16) -> Timestamp {
        let life = u64::try_from(self.until.ms().saturating_sub(self.from.ms())).unwrap_or(0);
        let later = (life / 3 / 10).saturating_mul(u64::from(spread.min(999))) / 1000;
        self.from.plus(Duration::from_millis((life / 3).saturating_mul(2).saturating_add(later)))
    }

    /// When it is asked for again whatever the authority says: a tenth of its life before the end.
    pub fn renew_by(&self) -> Timestamp {
        self.from.plus(self.life() / 10 * 9)
    }

    /// How long it is valid.
    pub fn life(&self) -> Duration {
        let life = self.until.ms().saturating_sub(self.from.ms());
        Duration::from_millis(u64::try_from(life).unwrap_or(0))
    }
}

impl Keeper {
    /// Keeps certificates in `folder`, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of the certificate called `name`, with its key; none when there is none.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.path(name, "pem")).filter(|path| path.is_file())
    }

    /// The certificate called `name`, where there is one that can be used.
    pub fn vouched(&self, name: &str) -> Option<Vouched> {
        let certificate = self.certificate(name)?;
        PrivateKeyDer::from_pem_file(self.file(name)?).ok()?;
        let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
        let names = names(&parsed)?;
        let time = |seconds: i64| Timestamp::new(seconds.saturating_mul(1000));
        let validity = parsed.validity();
        let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Some(Vouched { names, from: time(from), until: time(until) })
    }

    fn certificate(&self, name: &str) -> Option<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(self.file(name)?).ok()?.next()?.ok()
    }

    /// When the authority wants the certificate called `name` to be renewed; none where it does not
    /// say, or there is no certificate.
    ///
    /// Errors: [`AcmeError`].
    pub async fn advice(
        &self,
        authority: &Authority,
        name: &str,
    ) -> Result<Option<Advice>, AcmeError> {
        let Some(id) = self.certificate(name).as_ref().and_then(identifier) else {
            return Ok(None);
        };
        let account = authority.account(&self.folder).await?;
        match account.renewal_info(&id).await {
            Ok(said) => Ok(Advice::of(said)),
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The certificate that one for `names` takes the place of, as the authority knows it.
    fn replaced(&self, wish: &Wish<'_>) -> Option<CertificateIdentifier<'static>> {
        let before = self.vouched(wish.name).filter(|_| wish.replaces)?;
        let is_there = |name: &String| before.names.contains(&name.to_ascii_lowercase());
        let certificate = self.certificate(wish.name)?;
        wish.names.iter().any(is_there).then(|| identifier(&certificate))?
    }

    /// The certificates that can be used: the name of each, and its file.
    pub fn all(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |path: &Path| {
            let is_pem = path.extension().is_some_and(|kind| kind == "pem");
            path.file_stem().filter(|_| is_pem)?.to_str().map(str::to_owned)
        };
        let mut found: Vec<(String, PathBuf)> = entries
            .filter_map(|entry| Some((name(&entry.path())?, entry.path())))
            .filter(|(name, _)| self.vouched(name).is_some())
            .collect();
        found.sort();
        found
    }

    /// Wants the next certificate called `name` to be for the next key.
    ///
    /// Errors: [`AcmeError::Disk`].
    pub fn ask_roll(&self, name: &str) -> Result<(), AcmeError> {
        disk::folder(&self.folder)?;
        Ok(disk::keep(&self.path(name, "roll"), MODE, b"")?)
    }

    /// Whether the next certificate called `name` is to be for the next key.
    pub fn is_roll_asked(&self, name: &str) -> bool {
        self.path(name, "roll").exists()
    }

    /// SHA-256 of the public keys of `name`: the one in use, and the one that comes after it. Both
    /// are made when they are not there.
    ///
    /// Errors: [`AcmeError`].
    pub fn key_digests(&self, name: &str) -> Result<(Vec<u8>, Vec<u8>), AcmeError> {
        let digest = |key: KeyPair| Sha256::digest(key.subject_public_key_info()).to_vec();
        Ok((digest(self.key(name)?), digest(self.next_key(name)?)))
    }

    /// Asks the authority for a certificate, and keeps it.
    ///
    /// Errors: [`AcmeError`]; what was there stays.
    pub async fn order(
        &self,
        authority: &Authority,
        wish: Wish<'_>,
        (challenges, way): (&Challenges, Way),
    ) -> Result<(), AcmeError> {
        let Wish { name, names, roll, .. } = wish;
        disk::folder(&self.folder)?;
        let key = if roll { self.next_key(name)? } else { self.key(name)? };
        let whole = authority.patience.1;
        let replaces = self.replaced(&wish);
        let asking = async {
            let account = authority.account(&self.folder).await?;
            order(&account, (names, &key, replaces), (challenges, way)).await
        };
        let asked = timeout(whole, asking).await.unwrap_or(Err(AcmeError::Late(whole)));
        if asked.as_ref().is_err_and(AcmeError::is_stranger) {
            account::forget(&self.folder)?;
        }
        let chain = asked?;
        check(&chain, &key, names)?;
        let text = format!("{}{}", key.serialize_pem(), chain);
        disk::keep(&self.path(name, "pem"), MODE, text.as_bytes())?;
        if roll {
            // A crash in between asks once more, for the key that is in use by then.
            for kind in ["next.key", "roll"] {
                let path = self.path(name, kind);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(disk::DiskError { path, error }.into());
                    }
                    _ => {}
                }
            }
            self.next_key(name)?;
        }
        Ok(())
    }

    /// The key in use; that of a certificate that there is none of yet is made at once, so that its
    /// TLSA record can be published before it.
    fn key(&self, name: &str) -> Result<KeyPair, AcmeError> {
        match Self::read(&self.path(name, "pem")) {
            Some(key) => Ok(key),
            None => self.made(&self.path(name, "key")),
        }
    }

    fn next_key(&self, name: &str) -> Result<KeyPair, AcmeError> {
        self.made(&self.path(name, "next.key"))
    }

    fn made(&self, path: &Path) -> Result<KeyPair, AcmeError> {
        if let Some(key) = Self::read(path) {
            return Ok(key);
        }
        disk::folder(&self.folder)?;
        let key = KeyPair::generate()?;
        disk::keep(path, MODE, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    fn read(path: &Path) -> Option<KeyPair> {
        let key = PrivateKeyDer::from_pem_file(path).ok()?;
        KeyPair::try_from(&key).ok()
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", name.to_ascii_lowercase()))
    }
}

/// The names of a certificate, in lower case and in order.
fn names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let extension = certificate.subject_alternative_name().ok()??;
    let named = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    Some(names)
}

/// That a chain is one, and is for the key and for all names that were asked for.
fn check(chain: &str, key: &KeyPair, asked: &[String]) -> Result<(), AcmeError> {
    let useless = |error: &dyn std::fmt::Display| AcmeError::Useless(error.to_string());
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| useless(&error))?;
    let first = certificates.first().ok_or_else(|| useless(&"there is no certificate in it"))?;
    let (_, parsed) = X509Certificate::from_der(first).map_err(|error| useless(&error))?;
    let given = names(&parsed).unwrap_or_default();
    if let Some(name) = asked.iter().find(|name| !given.contains(&name.to_ascii_lowercase())) {
        return Err(useless(&format!("it is not for {name}")));
    }
    let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| useless(&error))?;
    let fits = CertifiedKey::from_der(certificates, secret, &crate::tls::provider());
    fits.map(drop).map_err(|error| useless(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::CertificateParams;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_not_by_all_at_once() {
        let at = |hours: u64| Timestamp::new(0).plus(Duration::from_hours(hours));
        let vouched = Vouched { names: Vec::new(), from: at(0), until: at(90 * 24) };
        assert_eq!(vouched.renew_at(0), at(60 * 24));
        let latest = vouched.renew_at(u16::MAX);
        assert!(latest > at(62 * 24) && latest < at(63 * 24), "{latest:?}");
        assert_eq!(
            (vouched.renew_by(), vouched.life()),
            (at(81 * 24), Duration::from_hours(90 * 24))
        );
        let odd = Vouched { names: Vec::new(), from: at(5), until: at(1) };
        assert_eq!(odd.renew_at(500), at(5));
    }

    #[test]
    fn keys_are_made_once_and_a_certificate_brings_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(folder.path().join("acme"));
        let first = keeper.key_digests("mx.example").unwrap();
        assert_ne!(first.0, first.1);
        assert_eq!(keeper.key_digests("MX.example").unwrap(), first);
        assert!(keeper.vouched("mx.example").is_none() && keeper.file("mx.example").is_none());
        let key = KeyPair::generate().unwrap();
        let names = vec!["mx.example".to_owned(), "A.example".to_owned()];
        let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let text = format!("{}{}", key.serialize_pem(), made.pem());
        disk::keep(&keeper.path("mx.example", "pem"), MODE, text.as_bytes()).unwrap();
        let vouched = keeper.vouched("mx.example").unwrap();
        assert_eq!(vouched.names, ["a.example", "mx.example"]);
        assert_eq!(keeper.all().len(), 1);
        assert!(!keeper.is_roll_asked("mx.example"));
        keeper.ask_roll("mx.example").unwrap();
        assert!(keeper.is_roll_asked("mx.example"));
        let (now, next) = keeper.key_digests("mx.example").unwrap();
        assert_eq!(now, Sha256::digest(key.subject_public_key_info()).to_vec());
        assert_eq!(next, first.1, "what was published stays right");
    }

    #[tokio::test]
    async fn an_authority_that_says_nothing_is_not_waited_for_for_ever() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dns = crate::dns::Fake::new();
        dns.add_address("acme.example", [127, 0, 0, 1].into());
        let client = crate::tls::Client::new(&[], std::sync::Arc::new(crate::System::new()));
        let browser =
            crate::web::Browser::new(std::sync::Arc::new(dns), client.unwrap(), Vec::new());
        let port = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(folder.path().join("acme"));
        let (short, long) = (Duration::from_millis(50), Duration::from_mins(10));
        for patience in [(short, long), (long, short)] {
            let authority = Authority {
                directory: format!("https://acme.example:{port}/directory"),
                contact: Vec::new(),
                browser: browser.clone(),
                patience,
            };
            let challenges = Challenges::default();
            let names = ["mx.example".to_owned()];
            let wish = Wish { name: "mx.example", names: &names, roll: false, replaces: false };
            let order = keeper.order(&authority, wish, (&challenges, Way::Http));
            let asked = timeout(Duration::from_secs(20), order).await.unwrap();
            assert!(asked.is_err(), "{patience:?}");
        }
        assert!(keeper.file("mx.example").is_none());
    }

    #[test]
    fn what_is_no_certificate_for_the_key_is_not_kept() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let made = |key: &KeyPair| {
            CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(key).unwrap()
        };
        let names = ["A.example".to_owned()];
        let sound = |chain: &str, names: &[String]| check(chain, &key, names);
        assert!(sound(&made(&key).pem(), &names).is_ok());
        assert!(sound(&made(&other).pem(), &names).is_err());
        assert!(sound("", &names).is_err());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(sound(broken, &names).is_err());
        let more = ["a.example".to_owned(), "b.example".to_owned()];
        let error = sound(&made(&key).pem(), &more).unwrap_err().to_string();
        assert!(error.contains("it is not for b.example"), "{error}");
    }
}
