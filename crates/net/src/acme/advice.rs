//! When the authority wants a certificate to be renewed.
//!
//! It may have to take certificates back before their time, or have renewals spread otherwise than
//! we would. An authority that says nothing of it is no trouble. Source: RFC 9773.

use std::time::Duration;

use instant_acme::{CertificateIdentifier, RenewalInfo};
use mailwright_words::Timestamp;
use rustls::pki_types::{CertificateDer, Der};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

/// The time within which the authority wants a certificate to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// When it begins.
    pub from: Timestamp,
    /// When it is over.
    pub until: Timestamp,
    /// After which time the authority wants to be asked again.
    pub holds: Duration,
}

impl Advice {
    /// What the authority said; none where its time ends before it begins.
    pub(super) fn of((said, holds): (RenewalInfo, Duration)) -> Option<Self> {
        let time = |seconds: i64| Timestamp::new(seconds.saturating_mul(1000));
        let window = said.suggested_window;
        let (from, until) = (window.start.unix_timestamp(), window.end.unix_timestamp());
        (from < until).then(|| Self { from: time(from), until: time(until), holds })
    }

    /// The moment within it that `spread` (0 to 999) says.
    pub fn renew_at(&self, spread: u16) -> Timestamp {
        let length = u64::try_from(self.until.ms().saturating_sub(self.from.ms())).unwrap_or(0);
        let later = (length / 1000).saturating_mul(u64::from(spread.min(999)));
        self.from.plus(Duration::from_millis(later))
    }
}

/// What a certificate is called by all; none when it does not say who signed it. Source: RFC 9773
/// section 4.1.
pub(super) fn identifier(
    certificate: &CertificateDer<'_>,
) -> Option<CertificateIdentifier<'static>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let key =
        parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(said) => said.key_identifier.as_ref(),
            _ => None,
        })?;
    let serial = Der::from_slice(parsed.raw_serial());
    Some(CertificateIdentifier::new(Der::from_slice(key.0), serial))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};

    use super::*;

    #[test]
    fn a_certificate_is_called_as_in_the_rfc() {
        let key = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0,
            0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4,
        ];
        let mut above = CertificateParams::new(Vec::new()).unwrap();
        above.key_identifier_method = KeyIdMethod::PreSpecified(key.to_vec());
        let issuer = Issuer::new(above, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        let own = KeyPair::generate().unwrap();
        let made = params.signed_by(&own, &issuer).unwrap();
        let name = identifier(made.der()).unwrap().to_string();
        assert_eq!(name, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        params.use_authority_key_identifier_extension = false;
        assert!(identifier(params.signed_by(&own, &issuer).unwrap().der()).is_none());
    }

    #[test]
    fn a_moment_is_within_the_time_that_is_wanted() {
        let (from, until) = (Timestamp::new(1_000_000), Timestamp::new(2_000_000));
        let advice = Advice { from, until, holds: Duration::from_hours(6) };
        assert_eq!(advice.renew_at(0), from);
        assert_eq!(advice.renew_at(500), Timestamp::new(1_500_000));
        assert!(advice.renew_at(u16::MAX) < until);
    }
}
