//! Ports that take or show mail.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes mail from other servers, for our own domains (port 25).
    Mta,
    /// Takes mail from our own users, to anywhere (ports 587 and 465).
    Msa,
    /// Delivers into mailboxes inside the session, one reply a recipient.
    Lmtp,
    /// Lets accounts read and file their mail (ports 143 and 993).
    Imap,
    /// Lets accounts fetch their mail (ports 110 and 995).
    Pop3,
    /// Catches all mail, from anyone to anyone, in inboxes (port 1025).
    Sandbox,
}

impl Role {
    /// Whether it takes mail, over SMTP or LMTP.
    pub const fn takes_mail(self) -> bool {
        matches!(self, Self::Mta | Self::Msa | Self::Lmtp | Self::Sandbox)
    }
}

/// A port that takes or shows mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// What it is for: `"mta"` takes mail from other servers, `"msa"` from our own users, `"lmtp"`
    /// delivers into mailboxes, `"imap"` and `"pop3"` let our own users read. Has to be set.
    pub role: Role,
    /// Addresses and ports it listens on; `"[::]:25"` takes IPv4 and IPv6. Has to be set.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<SocketAddr>,
    /// Whether TLS begins with the first octet, as on ports 465, 993 and 995. Default false:
    /// STARTTLS is offered.
    ///
    /// Source: RFC 8314 section 3.3.
    #[serde(default)]
    pub implicit_tls: bool,
    /// Port that clients connect to, where a gateway or a container maps it to this listener; it is
    /// what mail clients are told. Default as in `addresses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// Networks of load balancers whose PROXY protocol header (v1 or v2) is believed, and required.
    /// Default none.
    #[serde(default, with = "unit::networks", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub proxy_protocol_from: Vec<IpNet>,
    /// Largest message taken here, in octets. Default as `limits.message_size_max`.
    #[serde(default, with = "unit::size_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub message_size_max: Option<u64>,
    /// Most recipients of a message taken here. Default as `limits.recipients_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients_max: Option<usize>,
    /// Most sessions open here at once. Default as `limits.sessions_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<usize>,
    /// Most sessions open here at once from one address. Default as
    /// `limits.sessions_per_address_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_per_address_max: Option<usize>,
}

impl Listener {
    /// A listener with the limits of `[limits]`.
    pub fn new(role: Role, addresses: Vec<SocketAddr>) -> Self {
        Self {
            role,
            addresses,
            implicit_tls: false,
            public_port: None,
            proxy_protocol_from: Vec::new(),
            message_size_max: None,
            recipients_max: None,
            sessions_max: None,
            sessions_per_address_max: None,
        }
    }
}

/// Listeners of a server that was not configured: loopback, the real ports plus 10000.
pub(crate) fn first_run() -> BTreeMap<String, Listener> {
    [
        ("mta", Role::Mta, 10025, false),
        ("submission", Role::Msa, 10587, false),
        ("submissions", Role::Msa, 10465, true),
        ("submission-2525", Role::Msa, 12525, false),
        ("imap", Role::Imap, 10143, false),
        ("imaps", Role::Imap, 10993, true),
        ("pop3", Role::Pop3, 10110, false),
        ("pop3s", Role::Pop3, 10995, true),
    ]
    .into_iter()
    .map(|(name, role, port, implicit_tls)| {
        let addresses = vec![SocketAddr::from(([127, 0, 0, 1], port))];
        (name.to_owned(), Listener { implicit_tls, ..Listener::new(role, addresses) })
    })
    .collect()
}
