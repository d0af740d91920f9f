//! Who brought a message, as far as it tells: the address, the name and the envelope sender that
//! SPF is about.
//!
//! The newest hop from a public address counts: hops before it are the receiver's own, and what is
//! behind it the client itself wrote. Options take the place of what is read here.
//! Source: RFC 5321 section 4.4, RFC 7208 section 9.1.

use std::net::IpAddr;

use mailwright_mime::sent_date;
use mailwright_words::{HeaderBlock, ReversePath, Timestamp};

/// Hops that are looked through.
const HOPS_MAX: usize = 20;

/// Who brought a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carrier {
    /// Where the client was.
    pub ip: Option<IpAddr>,
    /// How it named itself.
    pub helo: Option<String>,
    /// The reverse-path.
    pub from: Option<ReversePath>,
}

/// What is known of the last hop, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) carrier: Carrier,
    pub(super) came: Option<Timestamp>,
    pub(super) source: String,
}

/// What `asked` leaves open is read from the message.
pub(super) fn read(message: &[u8], asked: &Carrier) -> Known {
    let block = HeaderBlock::new(message);
    let hop = hop(&block);
    let spf = block.find("Received-SPF").map(|field| field.text().into_owned());
    let tag = |name: &str| tagged(spf.as_deref().unwrap_or_default(), name);
    let path = |text: String| ReversePath::parse(text.trim_matches(['<', '>', '"'])).ok();
    let returned = || path(block.find("Return-Path")?.text().trim().to_owned());
    let from = || returned().or_else(|| path(tag("envelope-from")?)).or_else(|| stamped(&block));
    let ip = || tag("client-ip").and_then(|ip| ip.parse().ok());
    let (hop_ip, hop_helo, by) = hop.unwrap_or_default();
    let carrier = Carrier {
        ip: asked.ip.or_else(ip).or(hop_ip),
        helo: asked.helo.clone().or_else(|| tag("helo")).or(hop_helo),
        from: asked.from.clone().or_else(from),
    };
    let source = if asked.ip.is_some() {
        "as the options say".to_owned()
    } else if tag("client-ip").is_some() {
        "as its Received-SPF field says".to_owned()
    } else {
        format!("as the Received field of {} says", by.as_deref().unwrap_or("somebody"))
    };
    let newest = block.find("Received").and_then(|field| {
        let text = field.text();
        sent_date(text.rsplit_once(';')?.1.as_bytes())
    });
    let written = || sent_date(block.find("Date")?.value);
    Known { carrier, came: newest.or_else(written), source }
}

type Hop = (Option<IpAddr>, Option<String>, Option<String>);

/// Address, name and author of the newest hop from a public address.
fn hop(block: &HeaderBlock<'_>) -> Option<Hop> {
    let received = |name: &str| name.eq_ignore_ascii_case("Received");
    let fields = block.fields().filter(|field| received(field.name)).take(HOPS_MAX);
    fields.into_iter().find_map(|field| {
        let text = field.text().replace('\t', " ");
        let (from, rest) = text.split_once(" by ").unwrap_or((&text, ""));
        let from = from.trim().strip_prefix("from ")?;
        let ip = addresses(from).find(|ip| is_public(*ip))?;
        let by = rest.split_whitespace().next().map(str::to_owned);
        Some((Some(ip), name(from), by))
    })
}

/// All addresses in a text.
fn addresses(text: &str) -> impl Iterator<Item = IpAddr> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.'));
    words.filter_map(|word| {
        let word = word.trim_start_matches("6:").trim_end_matches('.');
        word.parse().ok()
    })
}

/// How the client named itself.
fn name(from: &str) -> Option<String> {
    let lower = from.to_ascii_lowercase();
    let marked = ["helo=", "helo ", "ehlo "].into_iter().find_map(|mark| {
        let at = lower.find(mark)?;
        from.get(at + mark.len()..)
    });
    let word = marked.unwrap_or(from).split([' ', ')', ';']).next()?;
    let is_name = word.contains('.')
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    is_name.then(|| word.trim_end_matches('.').to_owned())
}

/// The envelope sender in the newest `Authentication-Results`.
fn stamped(block: &HeaderBlock<'_>) -> Option<ReversePath> {
    let text = block.find("Authentication-Results")?.text().into_owned();
    let from = tagged(&text, "smtp.mailfrom")?;
    from.contains('@').then(|| ReversePath::parse(&from).ok()).flatten()
}

/// The value of `name=value` in a text.
fn tagged(text: &str, name: &str) -> Option<String> {
    let mut words = text.split([' ', ';', '\t']).filter_map(|word| word.split_once('='));
    let (_, value) = words.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    let value = value.trim_matches(['"', '<', '>']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether others can have seen this address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            !(four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_unspecified()
                || four.is_broadcast())
        }
        IpAddr::V6(six) => {
            !(six.is_loopback()
                || six.is_unspecified()
                || six.is_unique_local()
                || six.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(header: &str) -> Known {
        read(format!("{header}\r\n\r\n").as_bytes(), &Carrier::default())
    }

    #[test]
    fn the_last_hop_is_read_however_servers_write_it() {
        for (received, ip, helo) in [
            (
                "from mx.a.example (x.a.example [192.0.2.1]) by mx",
                "192.0.2.1",
                Some("mx.a.example"),
            ),
            ("from mx.a.example (x [IPv6:2001:db8::1]) by mx", "2001:db8::1", Some("mx.a.example")),
            (
                "from unknown (HELO mx.a.example) (192.0.2.1) by mx",
                "192.0.2.1",
                Some("mx.a.example"),
            ),
            ("from [192.0.2.1] (helo=mx.a.example) by mx", "192.0.2.1", Some("mx.a.example")),
            (
                "from A.example (2001:db8::1) by\r\n B (2001:db8::2)",
                "2001:db8::1",
                Some("A.example"),
            ),
            ("from x ([192.0.2.1]) by mx", "192.0.2.1", None),
        ] {
            let known = known(&format!("Received: {received}; Tue, 24 Nov 2026 06:15:03 +0000"));
            assert_eq!(known.carrier.ip, ip.parse().ok(), "{received}");
            assert_eq!(known.carrier.helo.as_deref(), helo, "{received}");
            assert!(known.came.is_some());
        }
    }

    #[test]
    fn hops_of_the_receiver_itself_are_passed_over() {
        let inner = "Received: by 2001:db8::5 with SMTP id x\r\n\
            Received: from filter (localhost [127.0.0.1]) by store.example\r\n\
            Received: from gate (gate [10.0.0.1]) by filter.example\r\n\
            Received: from a.example (a.example [192.0.2.1]) by gate.example\r\n\
            Received: from forged (forged [198.51.100.1]) by a.example";
        let known = known(inner);
        assert_eq!(known.carrier.ip, "192.0.2.1".parse().ok());
        assert!(known.source.contains("gate.example"), "{}", known.source);
    }

    #[test]
    fn the_sender_comes_from_whoever_wrote_it_down() {
        for (header, from) in [
            ("Return-Path: <ann@a.example>", Some("ann@a.example")),
            ("Return-Path: <>", Some("")),
            (
                "Received-SPF: pass client-ip=192.0.2.1; envelope-from=\"b@a.example\"",
                Some("b@a.example"),
            ),
            ("Authentication-Results: mx; spf=pass smtp.mailfrom=c@a.example", Some("c@a.example")),
            ("Authentication-Results: mx; spf=pass smtp.mailfrom=a.example", None),
            ("Subject: x", None),
        ] {
            let expected = from.map(|from| ReversePath::parse(from).unwrap());
            assert_eq!(known(header).carrier.from, expected, "{header}");
        }
        let asked = Carrier { ip: "203.0.113.9".parse().ok(), ..Carrier::default() };
        let known = read(b"Received-SPF: pass client-ip=192.0.2.1\r\n\r\n", &asked);
        assert_eq!(known.carrier.ip, asked.ip);
    }
}
