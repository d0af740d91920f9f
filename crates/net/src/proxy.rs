//! The PROXY protocol, versions 1 and 2: a load balancer's word on who the client is. Pure.
//!
//! Source: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header: version 2 with a length field of two octets is cut off at this.
pub const HEADER_MAX: usize = 4096;
/// The longest header of version 1, with its CRLF.
const TEXT_MAX: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The client; `None` when the load balancer speaks for itself.
    pub source: Option<SocketAddr>,
    /// Octets that the header takes.
    pub length: usize,
}

/// A form of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    One,
    /// Octets.
    Two,
}

/// A header that says that `source` is the client, and `destination` what it connected to.
///
/// Where one is of another family than the other, both go as IPv6.
pub fn header(version: Version, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (from, to) = match (source.ip(), destination.ip()) {
        (from @ IpAddr::V4(_), to @ IpAddr::V4(_)) => (from, to),
        (from, to) => (IpAddr::V6(mapped(from)), IpAddr::V6(mapped(to))),
    };
    let is_four = from.is_ipv4();
    match version {
        Version::One => {
            let family = if is_four { "TCP4" } else { "TCP6" };
            let (own, other) = (source.port(), destination.port());
            format!("PROXY {family} {from} {to} {own} {other}\r\n").into_bytes()
        }
        Version::Two => {
            let mut bytes = SIGNATURE.to_vec();
            // A connection in the name of a client, over TCP, and the octets that follow.
            bytes.extend(if is_four { [0x21, 0x11, 0, 12] } else { [0x21, 0x21, 0, 36] });
            for address in [from, to] {
                match address {
                    IpAddr::V4(four) => bytes.extend(four.octets()),
                    IpAddr::V6(six) => bytes.extend(six.octets()),
                }
            }
            bytes.extend(source.port().to_be_bytes());
            bytes.extend(destination.port().to_be_bytes());
            bytes
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

/// Bytes that are no PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header")]
pub struct Malformed;

/// Reads a header at the front of `bytes`; `None` when more of it has to come.
///
/// Errors: [`Malformed`].
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let common = SIGNATURE.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    if common == SIGNATURE.len() {
        binary(bytes)
    } else if common == bytes.len() {
        Ok(None)
    } else {
        text(bytes)
    }
}

fn text(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if !bytes.iter().zip(b"PROXY ").all(|(a, b)| a == b) {
        return Err(Malformed);
    }
    let window = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= TEXT_MAX { Err(Malformed) } else { Ok(None) };
    };
    let line = bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or(Malformed)?;
    let length = end.saturating_add(2);
    let mut words = line.split(' ').skip(1);
    let source = match words.next() {
        Some("UNKNOWN") => return Ok(Some(Header { source: None, length })),
        Some("TCP4") => text_addresses::<Ipv4Addr>(words)?,
        Some("TCP6") => text_addresses::<Ipv6Addr>(words)?,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { source: Some(source), length }))
}

fn text_addresses<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Result<SocketAddr, Malformed>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut word = || words.next().ok_or(Malformed);
    let source: A = word()?.parse().ok().ok_or(Malformed)?;
    let destination: Option<A> = word()?.parse().ok();
    let port: u16 = word()?.parse().ok().ok_or(Malformed)?;
    let destination_port: Option<u16> = word()?.parse().ok();
    if destination.is_none() || destination_port.is_none() || words.next().is_some() {
        return Err(Malformed);
    }
    Ok(client(source.into(), port))
}

fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((head, rest)) = bytes.split_at_checked(16) else { return Ok(None) };
    let &[.., version, family, high, low] = head else { return Err(Malformed) };
    let size = usize::from(u16::from_be_bytes([high, low]));
    let length = size.saturating_add(16);
    if version >> 4 != 2 || length > HEADER_MAX {
        return Err(Malformed);
    }
    let Some(block) = rest.get(..size) else { return Ok(None) };
    let source = match (version & 0x0f, family) {
        (1, 0x11) => Some(binary_source::<4>(block)?),
        (1, 0x21) => Some(binary_source::<16>(block)?),
        // The load balancer itself, or a family that has no address for us.
        (0 | 1, _) => None,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { source, length }))
}

/// Source address, destination address, source port, destination port; extensions behind.
fn binary_source<const N: usize>(block: &[u8]) -> Result<SocketAddr, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let source: [u8; N] = *block.first_chunk().ok_or(Malformed)?;
    let ports = block.get(N.saturating_mul(2)..).and_then(<[u8]>::first_chunk::<4>);
    let &[high, low, _, _] = ports.ok_or(Malformed)?;
    Ok(client(source.into(), u16::from_be_bytes([high, low])))
}

fn client(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_header_that_is_written_is_read_again() {
        for (from, to) in [
            ("192.0.2.1:12345", "198.51.100.1:25"),
            ("[2001:db8::1]:1", "[2001:db8::2]:587"),
            ("192.0.2.1:7", "[2001:db8::2]:25"),
        ] {
            for version in [Version::One, Version::Two] {
                let bytes = header(version, at(from), at(to));
                let read = parse(&bytes).unwrap().unwrap();
                assert_eq!(
                    (read.source, read.length),
                    (Some(at(from)), bytes.len()),
                    "{version:?}"
                );
            }
        }
        let text = header(Version::One, at("192.0.2.1:7"), at("198.51.100.1:25"));
        assert_eq!(text, b"PROXY TCP4 192.0.2.1 198.51.100.1 7 25\r\n");
    }

    #[test]
    fn headers_are_read_at_every_cut() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0, 25];
        let mut six = [0_u8; 36 + 3];
        six[0] = 0x20;
        six[15] = 9;
        six[32..34].copy_from_slice(&80_u16.to_be_bytes());
        let table: [(Vec<u8>, Option<SocketAddr>); 7] = [
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\n".into(), Some(at("192.0.2.1:12345"))),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n".into(), Some(at("[2001:db8::1]:1"))),
            (b"PROXY UNKNOWN\r\n".into(), None),
            (b"PROXY UNKNOWN ffff:f...f 1 2\r\n".into(), None),
            (v2(1, 0x11, &four), Some(at("192.0.2.1:12345"))),
            (v2(1, 0x21, &six), Some(at("[2000::9]:80"))),
            (v2(0, 0, b""), None),
        ];
        for (bytes, source) in table {
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{bytes:?} at {cut}");
            }
            let length = bytes.len();
            let more = [&bytes[..], b"EHLO x\r\n"].concat();
            assert_eq!(parse(&more), Ok(Some(Header { source, length })));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100]].concat();
        let table: [&[u8]; 8] = [
            b"EHLO x\r\n",
            b"PROXY TCP4 192.0.2.1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 99999 25\r\n",
            b"PROXY TCP4 ::1 ::1 1 25\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 25 x\r\n",
            &long,
            &v2(1, 0x11, &[1, 2, 3]),
            &v2(3, 0x11, &[0; 12]),
        ];
        for bytes in table {
            assert_eq!(parse(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
