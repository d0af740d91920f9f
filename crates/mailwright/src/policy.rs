//! The MTA-STS policy of our domains: its text, and the name that changes with it.
//!
//! Source: RFC 8461 section 3.

use mailwright_config::{Config, StsMode};
use mailwright_net::tls::hex;
use sha2::{Digest, Sha256};

/// The policy's text.
pub(crate) fn text(config: &Config) -> String {
    let policy = &config.mta_sts;
    let mode = match policy.mode {
        StsMode::None => "none",
        StsMode::Testing => "testing",
        StsMode::Enforce => "enforce",
    };
    let own = [config.server.hostname.clone()];
    let servers = if policy.mx.is_empty() { own.as_slice() } else { policy.mx.as_slice() };
    let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
    lines.extend(servers.iter().map(|server| format!("mx: {}", server.to_ascii_lowercase())));
    lines.push(format!("max_age: {}", policy.max_age.as_secs()));
    lines.push(String::new());
    lines.join("\r\n")
}

/// The policy's name in the DNS, another one for each text.
pub(crate) fn id(config: &Config) -> String {
    let digest = Sha256::digest(text(config));
    hex(digest.get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_our_servers_and_its_id_changes_with_it() {
        let mut config = Config::default();
        config.server.hostname = "MX.ours.example".to_owned();
        assert_eq!(
            text(&config),
            "version: STSv1\r\nmode: testing\r\nmx: mx.ours.example\r\nmax_age: 604800\r\n"
        );
        let before = id(&config);
        assert!(
            (1..=32).contains(&before.len()) && before.bytes().all(|o| o.is_ascii_alphanumeric())
        );
        assert_eq!(id(&config), before);
        config.mta_sts.mode = StsMode::Enforce;
        config.mta_sts.mx = vec!["a.ours.example".to_owned(), "*.backup.example".to_owned()];
        assert_ne!(id(&config), before);
        assert!(text(&config).contains("mode: enforce\r\nmx: a.ours.example\r\nmx: *.backup"));
    }
}
