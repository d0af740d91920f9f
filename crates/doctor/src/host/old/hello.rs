//! The first message of a handshake, and what the first octets of the answer say.
//!
//! Pure. Source: RFC 5246 sections 6.2.1, 7.2 and 7.4.1.2, RFC 6101 section 5.6.1, RFC 6066
//! section 3; the numbers of ciphers are IANA's.

use std::net::IpAddr;

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// TLS 1.1 at most.
    Tls11,
    /// TLS 1.0 at most.
    Tls10,
    /// SSL 3.0.
    Ssl3,
    /// TLS 1.2, with ciphers alone that protect nothing.
    Open,
    /// TLS 1.2, with other weak ciphers alone.
    Weak {
        /// Those without a certificate, too.
        anonymous: bool,
    },
}

impl Offer {
    /// The version, as the wire has it.
    pub(super) const fn version(self) -> u16 {
        match self {
            Self::Ssl3 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Open | Self::Weak { .. } => 0x0303,
        }
    }

    fn ciphers(self) -> Vec<u16> {
        let mut ciphers: Vec<u16> = match self {
            Self::Open => OPEN.to_vec(),
            Self::Weak { .. } => BREAKABLE.to_vec(),
            _ => [SOUND, &[0x000a, 0x0016, 0xc012, 0x0005, 0x0004][..]].concat(),
        };
        if (self == Self::Weak { anonymous: true }) {
            ciphers.extend(ANONYMOUS);
        }
        ciphers
    }
}

/// Those that versions of old have in common with hosts of today: AES in CBC.
const SOUND: &[u16] =
    &[0xc014, 0xc00a, 0xc013, 0xc009, 0x0039, 0x0038, 0x0033, 0x0032, 0x0035, 0x002f];
/// No encryption, and what was made weak for export.
const OPEN: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0xc001, 0xc006, 0xc00b, 0xc010, 0x0003, 0x0006, 0x0008, 0x000b, 0x000e,
    0x0011, 0x0014,
];
/// DES, RC4, and 3DES with its short blocks.
const BREAKABLE: &[u16] = &[
    0x0009, 0x000c, 0x000f, 0x0012, 0x0015, 0x0004, 0x0005, 0xc002, 0xc007, 0xc00c, 0xc011, 0x000a,
    0x000d, 0x0010, 0x0013, 0x0016, 0xc003, 0xc008, 0xc00d, 0xc012,
];
/// Nobody proves who he is.
const ANONYMOUS: &[u16] = &[
    0x0018, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0xc016, 0xc017, 0xc018, 0xc019,
];

/// What is weak about a cipher of those that are offered.
pub(super) fn weakness(cipher: u16) -> &'static str {
    match cipher {
        0x0001 | 0x0002 | 0x003b | 0xc001 | 0xc006 | 0xc00b | 0xc010 => "no encryption at all",
        0x0009 | 0x000c | 0x000f | 0x0012 | 0x0015 => "DES",
        0x0004 | 0x0005 | 0xc002 | 0xc007 | 0xc00c | 0xc011 => "RC4",
        _ if OPEN.contains(&cipher) => "made weak for export",
        _ if ANONYMOUS.contains(&cipher) => "without a certificate",
        _ => "3DES",
    }
}

/// Whether anybody can read what is sent with a cipher.
pub(super) fn is_open(cipher: u16) -> bool {
    OPEN.contains(&cipher)
}

/// What the host makes of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on with this.
    Agreed {
        /// The version, as the wire has it.
        version: u16,
        /// The cipher.
        cipher: u16,
    },
    /// An alert, or nothing at all.
    Refused,
}

/// The octets of a first message.
pub(super) fn message(offer: Offer, random: [u8; 32], name: &str) -> Vec<u8> {
    let mut body = offer.version().to_be_bytes().to_vec();
    body.extend(random);
    body.push(0);
    let ciphers: Vec<u8> = offer.ciphers().into_iter().flat_map(u16::to_be_bytes).collect();
    body.extend(sized(&ciphers));
    body.extend([1, 0]);
    if offer != Offer::Ssl3 {
        body.extend(sized(&extensions(offer, name)));
    }
    let mut handshake = vec![1, 0];
    handshake.extend(sized(&body));
    // What is oldest on the outside, so that nobody stumbles over it.
    let mut record = vec![22, 3, u8::from(offer != Offer::Ssl3)];
    record.extend(sized(&handshake));
    record
}

fn extensions(offer: Offer, name: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        all.extend(kind.to_be_bytes());
        all.extend(sized(content));
    };
    if !name.is_empty() && name.parse::<IpAddr>().is_err() && name.is_ascii() {
        let mut entry = vec![0];
        entry.extend(sized(name.as_bytes()));
        add(0, &sized(&entry));
    }
    // Groups: P-256, P-384, P-521. Points: as they are.
    add(10, &sized(&[0, 23, 0, 24, 0, 25]));
    add(11, &[1, 0]);
    if matches!(offer, Offer::Open | Offer::Weak { .. }) {
        // Signatures: RSA and ECDSA, with SHA-256, SHA-384, SHA-512 and SHA-1.
        add(13, &sized(&[4, 1, 5, 1, 6, 1, 4, 3, 5, 3, 2, 1, 2, 3]));
    }
    all
}

/// Octets behind their number, in two octets.
fn sized(octets: &[u8]) -> Vec<u8> {
    let count = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    let mut out = count.to_be_bytes().to_vec();
    out.extend(octets.iter().take(usize::from(count)));
    out
}

/// Whether more has to come before anything can be said.
pub(super) fn is_short(answer: &[u8]) -> bool {
    match answer.first() {
        Some(22) => agreed(answer).is_none() && answer.len() < 512,
        Some(21) => answer.len() < 7,
        Some(_) => false,
        None => true,
    }
}

/// What an answer says; none where it is no TLS. No answer is a refusal.
pub(super) fn read(answer: &[u8]) -> Option<Answer> {
    match answer.first() {
        None | Some(21) => Some(Answer::Refused),
        Some(22) => agreed(answer),
        Some(_) => None,
    }
}

/// Version and cipher of a `ServerHello`.
fn agreed(answer: &[u8]) -> Option<Answer> {
    let two = |at: usize| {
        answer
            .get(at..at + 2)
            .and_then(|pair| pair.first_chunk())
            .map(|pair| u16::from_be_bytes(*pair))
    };
    let is_hello = answer.get(5) == Some(&2);
    // Record 5, kind and length 4, version 2, random 32, the length of a session's name 1.
    let name = usize::from(*answer.get(43)?);
    let (version, cipher) = (two(9)?, two(44 + name)?);
    is_hello.then_some(Answer::Agreed { version, cipher })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::server_hello;

    #[test]
    fn an_answer_is_read_as_far_as_it_says_something() {
        let agreed = Answer::Agreed { version: 0x0301, cipher: 0xc014 };
        let whole = server_hello(0x0301, 0xc014);
        assert_eq!(read(&whole), Some(agreed));
        for end in 1..whole.len() - 1 {
            let part = &whole[..end];
            assert!(read(part).is_none_or(|answer| answer == agreed), "{end}");
            assert_eq!(is_short(part), read(part).is_none(), "{end}");
        }
        for (answer, expected) in [
            (&[][..], Some(Answer::Refused)),
            (&[21, 3, 1, 0, 2, 2, 70], Some(Answer::Refused)),
            (b"HTTP/1.1 400", None),
            (&[22, 3, 3, 0, 4, 14, 0, 0, 0], None),
        ] {
            assert_eq!(read(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn lengths_agree_with_what_is_there() {
        let weak = Offer::Weak { anonymous: true };
        for offer in [Offer::Tls11, Offer::Tls10, Offer::Ssl3, Offer::Open, weak] {
            let message = message(offer, [1; 32], "mx.example");
            let length =
                |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
            assert_eq!(length(3), message.len() - 5, "{offer:?}");
            assert_eq!(length(7), message.len() - 9, "{offer:?}");
            let has_name = message.windows(10).any(|part| part == b"mx.example");
            assert_eq!(has_name, offer != Offer::Ssl3);
        }
    }

    #[test]
    fn each_weak_cipher_is_of_a_kind() {
        for cipher in [OPEN, BREAKABLE, ANONYMOUS].concat() {
            assert!(!weakness(cipher).is_empty() && !SOUND.contains(&cipher));
        }
        for (cipher, kind) in [
            (0x0002, "no encryption at all"),
            (0x0003, "made weak for export"),
            (0x0005, "RC4"),
            (0x0009, "DES"),
            (0x000a, "3DES"),
            (0x0034, "without a certificate"),
        ] {
            assert_eq!(weakness(cipher), kind);
        }
    }
}
