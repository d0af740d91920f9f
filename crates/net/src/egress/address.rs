//! Which addresses are public, whatever they are dressed as.
//!
//! Of IPv6 only what is given out to networks passes, less what carries another address inside:
//! that one is judged where a translator would follow it, and refused elsewhere.
//! Source: RFC 6890 and the registries of special addresses that it made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// This machine.
    Loopback,
    /// A network of somebody's own.
    Private,
    /// What stands on the same wire; there clouds keep keys of their machines.
    LinkLocal,
    /// Between a provider and its customers.
    Shared,
    /// Many, or everybody.
    Multicast,
    /// Nobody: it is for documents, tests or protocols.
    Reserved,
    /// Another address in a wrapping.
    Wrapped,
    /// Where a cloud tells its machines what is secret.
    Metadata,
    /// The configuration forbids it.
    Denied,
}

impl Closed {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "which is this machine",
            Self::Private => "which is in a private network",
            Self::LinkLocal => "which is link-local",
            Self::Shared => "which is between a provider and its customers",
            Self::Multicast => "which is a multicast or broadcast address",
            Self::Reserved => "which is a reserved address",
            Self::Wrapped => "which wraps another address",
            Self::Metadata => "which is the metadata service of a cloud",
            Self::Denied => "which the configuration denies",
        }
    }
}

/// Whether an address is a public one.
///
/// Errors: why not.
pub fn public(address: IpAddr) -> Result<(), Closed> {
    match address {
        IpAddr::V4(four) => four_is_public(four),
        IpAddr::V6(six) => six_is_public(six),
    }
}

/// The addresses that one stands for: itself, and what is wrapped in it.
pub(super) fn layers(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(six) => inner(six).map(IpAddr::V4),
    };
    std::iter::once(address).chain(inner)
}

fn four_is_public(four: Ipv4Addr) -> Result<(), Closed> {
    let closed = match four.octets() {
        // What Azure and Oracle keep for their machines are no private addresses.
        [168, 63, 129, 16] | [192, 0, 0, 192] => Closed::Metadata,
        [127, ..] => Closed::Loopback,
        [10, ..] | [192, 168, ..] => Closed::Private,
        [172, second, ..] if second & 0xf0 == 16 => Closed::Private,
        [169, 254, ..] => Closed::LinkLocal,
        [100, second, ..] if second & 0xc0 == 64 => Closed::Shared,
        [224..=239, ..] | [255, 255, 255, 255] => Closed::Multicast,
        [0 | 240..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Closed::Reserved,
        _ => return Ok(()),
    };
    Err(closed)
}

fn six_is_public(six: Ipv6Addr) -> Result<(), Closed> {
    let closed = match six.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Closed::Loopback,
        [0, 0, 0, 0, 0, 0, 0, 0] => Closed::Reserved,
        // A translator follows these two: what is inside is what is asked.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            return inner(six).map_or(Err(Closed::Wrapped), four_is_public);
        }
        // Compatible addresses, translated ones, NAT64 of a network's own, Teredo, 6to4, ISATAP.
        [0, 0, 0, 0, 0 | 0xffff, 0, ..]
        | [0x64, 0xff9b, 1, ..]
        | [0x2001, 0, ..]
        | [0x2002, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Closed::Wrapped,
        [0xfe80..=0xfebf, ..] => Closed::LinkLocal,
        // Unique local addresses, and site-local ones, which they took the place of.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Closed::Private,
        [0xff00..=0xffff, ..] => Closed::Multicast,
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Closed::Reserved,
        [0x2000..=0x3fff, ..] => return Ok(()),
        _ => Closed::Reserved,
    };
    Err(closed)
}

/// The IPv4 address inside one of IPv6.
///
/// Source: RFC 4291 section 2.5.5, RFC 6052, RFC 8215, RFC 2765, RFC 3056, RFC 4380, RFC 5214.
fn inner(six: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match six.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => Some(pair(high, low)),
        // Teredo hides it, bit by bit.
        [0x2001, 0, _, _, _, _, high, low] => Some(pair(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<(), Closed> {
        public(text.parse().unwrap())
    }

    #[test]
    fn what_is_public_passes() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:200::1",
            "2a00:1450::5",
            "3fff:1000::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(of(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_does_not() {
        use Closed::{
            LinkLocal, Loopback, Metadata, Multicast, Private, Reserved, Shared, Wrapped,
        };
        for (text, closed) in [
            ("0.0.0.0", Reserved),
            ("0.1.2.3", Reserved),
            ("10.0.0.1", Private),
            ("100.64.0.1", Shared),
            ("100.100.100.200", Shared),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("169.254.169.254", LinkLocal),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.0.0.192", Metadata),
            ("168.63.129.16", Metadata),
            ("192.0.0.9", Reserved),
            ("192.0.2.1", Reserved),
            ("192.88.99.1", Reserved),
            ("192.168.1.1", Private),
            ("198.18.0.1", Reserved),
            ("198.19.255.255", Reserved),
            ("198.51.100.1", Reserved),
            ("203.0.113.1", Reserved),
            ("224.0.0.1", Multicast),
            ("239.255.255.250", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Multicast),
            ("::", Reserved),
            ("::1", Loopback),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Private),
            ("fc00::1", Private),
            ("fd00:ec2::254", Private),
            ("ff02::1", Multicast),
            ("100::1", Reserved),
            ("2001:db8::1", Reserved),
            ("2001:10::1", Reserved),
            ("2001:20::1", Reserved),
            ("2001:1::1", Reserved),
            ("3fff::1", Reserved),
            ("5f00::1", Reserved),
            ("4000::1", Reserved),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", LinkLocal),
            ("::ffff:0:0", Reserved),
            ("::127.0.0.1", Wrapped),
            ("::1.1.1.1", Wrapped),
            ("::ffff:0:127.0.0.1", Wrapped),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::a9fe:a9fe", LinkLocal),
            ("64:ff9b::192.168.0.1", Private),
            ("64:ff9b:1::1.1.1.1", Wrapped),
            ("64:ff9b:1:ffff::10.0.0.1", Wrapped),
            ("64:ff9b:0:1::1.1.1.1", Reserved),
            ("2002:7f00:1::1", Wrapped),
            ("2002:a00:1::", Wrapped),
            ("2002:101:101::1", Wrapped),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", Wrapped),
            ("2606:4700::5efe:10.0.0.1", Wrapped),
            ("2606:4700::200:5efe:127.0.0.1", Wrapped),
            ("fe80::5efe:10.0.0.1", Wrapped),
        ] {
            assert_eq!(of(text), Err(closed), "{text}");
        }
    }

    #[test]
    fn what_is_wrapped_is_found() {
        for text in [
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:a00:1::7",
            "2001:0:1:2:3:4:f5ff:fffe",
            "2606::5efe:10.0.0.1",
        ] {
            let all: Vec<String> =
                layers(text.parse().unwrap()).map(|address| address.to_string()).collect();
            assert_eq!(all.get(1).map(String::as_str), Some("10.0.0.1"), "{text}");
        }
        assert_eq!(layers("2a00::1".parse().unwrap()).count(), 1);
    }
}
