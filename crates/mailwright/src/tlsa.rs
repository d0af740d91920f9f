//! TLSA records of this server: of the key in use, and of the one that comes after it.
//!
//! Source: RFC 7672 section 3.1.1, RFC 7671 section 8.1.

use mailwright_config::Config;
use mailwright_net::tls::{Certificates, hex};

use crate::{Failure, certify, reload::certificate_sources};

/// The owner of the records, and what each says: `3 1 1` and a digest. Two where an authority
/// vouches for our name; one where certificates come as files; none where there is no certificate.
///
/// Errors: a key cannot be made or kept.
pub(crate) fn records(config: &Config) -> Result<(String, Vec<String>), Failure> {
    let host = config.server.hostname.to_ascii_lowercase();
    let digests = match vouched_name(config, &host) {
        Some(name) => {
            let (now, next) = certify::keeper(config)
                .key_digests(name)
                .map_err(|error| Failure::of("the key of the certificate", &error))?;
            vec![hex(&now), hex(&next)]
        }
        None => file(config, &host).into_iter().collect(),
    };
    let data = digests.iter().map(|digest| format!("3 1 1 {digest}")).collect();
    Ok((format!("_25._tcp.{host}."), data))
}

/// What the authority's certificate for `host` is called, where there is to be one.
fn vouched_name<'a>(config: &'a Config, host: &str) -> Option<&'a str> {
    let is_named = config.acme.names.iter().any(|name| name.eq_ignore_ascii_case(host));
    let is_file = config.tls.certificates.contains_key(host);
    certify::main_name(config).filter(|_| is_named && !is_file)
}

fn file(config: &Config, host: &str) -> Option<String> {
    Certificates::load(certificate_sources(config)).ok()?.tlsa(host)
}
