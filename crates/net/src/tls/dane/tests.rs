//! Records against certificates made here.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::*;

struct Made {
    authority: CertificateDer<'static>,
    server: CertificateDer<'static>,
}

/// A server's certificate for `mx.example`, below an authority that nobody knows.
fn made() -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::from_params(&params, &key);
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = params.signed_by(&own, &issuer).unwrap();
    Made { authority: authority.der().clone(), server: server.der().clone() }
}

fn record(usage: u8, selector: u8, matching: u8, certificate: &[u8]) -> Tlsa {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let selected = if selector == 0 { certificate } else { parsed.public_key().raw };
    let data = match matching {
        1 => Sha256::digest(selected).to_vec(),
        2 => Sha512::digest(selected).to_vec(),
        _ => selected.to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

fn verify(records: Vec<Tlsa>, name: &str, made: &Made) -> Result<(), Error> {
    let pins = Pins::new(records, vec![name.to_owned()]).expect("usable records");
    let verifier = verifier(Arc::new(pins), &super::super::provider());
    let chain = [made.authority.clone()];
    let any = ServerName::try_from("elsewhere.example").unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_hours(24 * 365 * 57));
    verifier.verify_server_cert(&made.server, &chain, &any, &[], now).map(drop)
}

#[test]
fn every_usable_kind_of_record_matches_what_it_names_and_nothing_else() {
    let (made, other) = (made(), made());
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let right = record(3, selector, matching, &made.server);
            assert_eq!(verify(vec![right], "mx.example", &made), Ok(()));
            let wrong = record(3, selector, matching, &other.server);
            assert!(verify(vec![wrong.clone()], "mx.example", &made).is_err());
            let right = record(2, selector, matching, &made.authority);
            assert_eq!(verify(vec![right.clone()], "mx.example", &made), Ok(()));
            assert!(verify(vec![right.clone()], "my.example", &made).is_err(), "another name");
            assert_eq!(verify(vec![wrong, right], "mx.example", &made), Ok(()), "one is enough");
            let wrong = record(2, selector, matching, &other.authority);
            assert!(verify(vec![wrong], "mx.example", &made).is_err());
        }
    }
}

#[test]
fn names_and_dates_do_not_count_for_the_server_itself() {
    let made = made();
    assert_eq!(verify(vec![record(3, 1, 1, &made.server)], "other.example", &made), Ok(()));
}

#[test]
fn an_authority_is_not_matched_by_the_server_nor_the_server_by_its_authority() {
    let made = made();
    assert!(verify(vec![record(3, 1, 1, &made.authority)], "mx.example", &made).is_err());
    assert!(verify(vec![record(2, 1, 1, &made.server)], "mx.example", &made).is_err());
}

#[test]
fn records_that_say_nothing_usable_are_left_out() {
    let made = made();
    let right = record(3, 1, 1, &made.server);
    for (usage, selector, matching, length) in [
        (0, 1, 1, 32),
        (1, 1, 1, 32),
        (4, 1, 1, 32),
        (3, 2, 1, 32),
        (3, 1, 3, 32),
        (3, 1, 1, 20),
        (3, 1, 2, 32),
        (3, 0, 0, 5),
        (3, 1, 0, 0),
        (255, 255, 255, 3),
    ] {
        let odd = Tlsa { usage, selector, matching, data: vec![7; length] };
        assert!(Pins::new(vec![odd.clone()], Vec::new()).is_none(), "{odd}");
        let both = Pins::new(vec![odd, right.clone()], Vec::new()).unwrap();
        assert_eq!(both.records(), std::slice::from_ref(&right));
    }
    assert!(Pins::new(Vec::new(), Vec::new()).is_none());
}

#[test]
fn the_strongest_digest_counts_alone() {
    let (made, other) = (made(), made());
    let weak = record(3, 1, 1, &made.server);
    let strong = record(3, 1, 2, &other.server);
    let other_kind = record(3, 0, 1, &made.server);
    let pins = Pins::new(vec![weak.clone(), strong.clone()], Vec::new()).unwrap();
    assert_eq!(pins.records(), std::slice::from_ref(&strong));
    let pins = Pins::new(vec![weak, strong, other_kind], Vec::new()).unwrap();
    assert_eq!(pins.records().len(), 2, "another selector is another matter");
}

#[test]
fn a_fingerprint_is_of_the_certificate_or_of_its_key() {
    let (made, other) = (made(), made());
    for selector in [0, 1] {
        let digest = |certificate: &[u8]| {
            <[u8; 32]>::try_from(record(3, selector, 1, certificate).data).unwrap()
        };
        let pins = Pins::fingerprints(&[digest(&made.server)]).unwrap();
        assert!(pins.server(&made.server).is_some());
        assert!(pins.server(&other.server).is_none());
    }
    assert!(Pins::fingerprints(&[]).is_none());
}
