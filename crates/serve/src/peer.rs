//! What IMAP and POP3 make alike of a connection and whoever is at its other end.

use std::net::{IpAddr, SocketAddr};

use mailwright_config::Config;
use mailwright_directory::{Connection, Directory};
use mailwright_net::TlsFacts;
use mailwright_sasl::ChannelBinding;

/// What SASL may bind to after a handshake.
pub(crate) fn binding(facts: TlsFacts) -> ChannelBinding {
    ChannelBinding {
        exporter: Some(facts.exporter).filter(|exporter| !exporter.is_empty()),
        server_end_point: facts.server_end_point,
    }
}

/// All mechanisms; a session itself offers those that fit its connection.
pub(crate) fn mechanisms(directory: &Directory, config: &Config) -> Vec<String> {
    let best = Connection {
        address: IpAddr::from([127, 0, 0, 1]),
        hostname: config.server.hostname.clone(),
        is_tls: true,
        is_trusted: true,
        binding: ChannelBinding { exporter: Some(Vec::new()), server_end_point: None },
    };
    directory.mechanisms(&best).iter().map(ToString::to_string).collect()
}

/// Whether a password may come from there over a plain connection.
pub(crate) fn takes_plaintext_from(config: &Config, address: IpAddr) -> bool {
    let networks = &config.auth.plaintext_from;
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// A connection as a login sees it.
pub(crate) fn connection(
    config: &Config,
    peer: SocketAddr,
    (is_tls, binding): (bool, &ChannelBinding),
) -> Connection {
    Connection {
        address: peer.ip(),
        hostname: config.server.hostname.clone(),
        is_tls,
        is_trusted: takes_plaintext_from(config, peer.ip()),
        binding: binding.clone(),
    }
}
