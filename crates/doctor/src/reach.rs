//! Names to addresses, addresses to connections, and what each way of failing means.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use mailwright_net::dns::Answer;
use tokio::time::timeout;

use crate::{
    Check,
    world::{Stream, World},
};

/// Addresses of a host that are looked at.
const ADDRESSES_MAX: usize = 6;

/// A host, and a port where one was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

/// A text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name or an address, with `:PORT` behind it if need be")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (host, Some(port.ok_or(NoPlace)?))
            }
            _ => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = bare.unwrap_or(host).trim_end_matches('.');
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_address = bare.is_some() && host.parse::<IpAddr>().is_ok();
        if host.is_empty() || host.len() > 253 || !(is_name || is_address) {
            return Err(NoPlace);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// What came of a try to connect.
pub(crate) enum Reach {
    /// A connection.
    Made(Stream, Duration),
    /// The host, or a firewall in its name, said no at once.
    Refused,
    /// No answer at all.
    Silent,
    /// There is no way there.
    NoRoute(String),
    /// This machine forbids it.
    Forbidden,
    /// Something else.
    Other(String),
}

impl Reach {
    pub(crate) const fn is_made(&self) -> bool {
        matches!(self, Self::Made(..))
    }

    /// What happened, in a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Made(_, took) => format!("connected in {} ms", took.as_millis()),
            Self::Refused => "refused at once".to_owned(),
            Self::Silent => "no answer at all".to_owned(),
            Self::NoRoute(why) => format!("no way there ({why})"),
            Self::Forbidden => "this machine forbids the connection".to_owned(),
            Self::Other(why) => why.clone(),
        }
    }
}

/// Tries to connect.
pub(crate) async fn reach(world: &World, address: SocketAddr) -> Reach {
    let begin = world.clock.elapsed();
    // A network that does not keep its limit is kept to it here.
    let limit = world.timeout.saturating_add(Duration::from_secs(1));
    let error = match timeout(limit, world.network.dial(address, world.timeout)).await {
        Ok(Ok(stream)) => {
            return Reach::Made(stream, world.clock.elapsed().saturating_sub(begin));
        }
        Ok(Err(error)) => error,
        Err(_) => return Reach::Silent,
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reach::Refused,
        io::ErrorKind::TimedOut => Reach::Silent,
        io::ErrorKind::HostUnreachable => Reach::NoRoute("host unreachable".to_owned()),
        io::ErrorKind::NetworkUnreachable => Reach::NoRoute("network unreachable".to_owned()),
        io::ErrorKind::AddrNotAvailable => {
            Reach::NoRoute("no address of that kind here".to_owned())
        }
        io::ErrorKind::PermissionDenied => Reach::Forbidden,
        _ => Reach::Other(error.to_string()),
    }
}

/// Whether the resolver says of everything that it is not there, as in a network that is walled in:
/// then its word on one name says nothing about that name.
pub(crate) async fn is_blind(world: &World, name: &str) -> bool {
    let top = name.trim_end_matches('.').rsplit('.').next().unwrap_or(name);
    for known in [top, "com"] {
        if world.resolver.addresses(known).await != Answer::NoSuchDomain {
            return false;
        }
    }
    true
}

/// What to say where the resolver is blind.
pub(crate) fn blind(id: &'static str, title: &str) -> Check {
    Check::unknown(id, title, "the resolver here knows no name at all, not even `com`")
        .means("It answers for a network of its own: whether the name is there cannot be known.")
        .mend(
            "Set `dns.servers` to a resolver that knows the Internet's names, or run it elsewhere.",
        )
}

/// The addresses of a host, with the check that says how they were found.
pub(crate) async fn addresses(world: &World, host: &str) -> (Vec<IpAddr>, Check) {
    const ID: &str = "host.addresses";
    const TITLE: &str = "Addresses";
    if let Ok(address) = host.parse::<IpAddr>() {
        return (vec![address], Check::right(ID, TITLE, "it is an address"));
    }
    let tried = format!("the DNS for AAAA and A of {host}");
    let check = match world.resolver.addresses(host).await {
        Answer::Found(found) if !found.iter().any(|address| world.family.has(*address)) => {
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            Check::wrong(ID, TITLE, format!("only {}, of the other family", text.join(", ")))
                .means("Nothing was asked of these: --ipv4 or --ipv6 leaves them out.")
                .mend("Leave that option out.")
        }
        Answer::Found(mut found) => {
            found.retain(|address| world.family.has(*address));
            found.truncate(ADDRESSES_MAX);
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            return (found, Check::right(ID, TITLE, text.join(", ")).tried(tried));
        }
        Answer::NoSuchDomain if is_blind(world, host).await => blind(ID, TITLE),
        Answer::NoSuchDomain => Check::wrong(ID, TITLE, format!("there is no name {host}"))
            .means("Nobody can connect to a host whose name does not exist.")
            .mend(
                "Look at the spelling. If the name is yours, add its A or AAAA record, and wait \
                 until the time to live of the negative answer has passed.",
            ),
        Answer::NoData => Check::wrong(ID, TITLE, format!("{host} has no address"))
            .means("The name exists in the DNS, with no A or AAAA record.")
            .mend(
                "A mail domain is not a host: look for its MX with `mailwright doctor deliver`. \
                 If the name is a host of yours, add its A or AAAA record.",
            ),
        Answer::Temporary(why) => {
            Check::unknown(ID, TITLE, format!("the DNS gives no answer: {why}"))
                .means("The resolver of this machine, or the name servers of the domain, failed.")
                .mend(
                    "Try `mailwright doctor`, which looks at the resolver. If it is sound, the \
                     name servers of the domain are not.",
                )
        }
    };
    (Vec::new(), check.tried(tried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("mx.example.com", "mx.example.com", None),
            ("mx.example.com.:587", "mx.example.com", Some(587)),
            ("192.0.2.1:25", "192.0.2.1", Some(25)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:465", "2001:db8::1", Some(465)),
            ("localhost", "localhost", None),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.host.as_str(), place.port), (host, port), "{text}");
            assert_eq!(place.to_string().parse(), Ok(place), "{text}");
        }
        for bad in ["", ":25", "a:0", "a:x", "a b", "[a]x:1", "a:70000", "ann@example.com"] {
            assert_eq!(bad.parse::<Place>(), Err(NoPlace), "{bad}");
        }
    }
}
