//! The TXT record of a domain that wants to be told, and where to.
//!
//! Source: RFC 8460 section 3.

use http::Uri;
use mailwright_words::Address;

use super::handover::{OCTETS_MAX, Place};

/// Places of one domain that are told.
const PLACES_MAX: usize = 4;

/// The places that the records of `_smtp._tls.DOMAIN` name; none unless exactly one record speaks
/// of it. What cannot be read is left out.
pub(super) fn places<T: AsRef<[u8]>>(records: &[T]) -> Vec<Place> {
    let texts = records.iter().filter_map(|record| std::str::from_utf8(record.as_ref()).ok());
    let mut ours = texts.filter(|text| pair(text.split(';').next()) == Some(("v", "TLSRPTv1")));
    let Some(text) = ours.next().filter(|_| ours.next().is_none()) else { return Vec::new() };
    let rua = text.split(';').skip(1).filter_map(|part| pair(Some(part)));
    let rua = rua.filter(|(name, _)| *name == "rua").map(|(_, value)| value).next();
    rua.into_iter().flat_map(|list| list.split(',')).filter_map(place).take(PLACES_MAX).collect()
}

fn pair(part: Option<&str>) -> Option<(&str, &str)> {
    part?.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
}

fn place(text: &str) -> Option<Place> {
    let (scheme, rest) = text.trim().split_once(':')?;
    if scheme.eq_ignore_ascii_case("mailto") {
        let address = rest.split('?').next().unwrap_or_default();
        let to = Address::parse(&decoded(address)?).ok()?;
        return Some(Place::Mail { to, octets_max: OCTETS_MAX });
    }
    let uri: Uri = text.trim().parse().ok()?;
    let is_web = uri.scheme_str() == Some("https") && matches!(uri.port_u16(), None | Some(443));
    // A name has letters in its last label; anything else is an address.
    let last = uri.host()?.rsplit('.').next().unwrap_or_default();
    let is_named = last.starts_with(|c: char| c.is_ascii_alphabetic()) && uri.host()?.contains('.');
    (is_web && is_named).then_some(Place::Web(uri))
}

/// Text without its percent signs. Source: RFC 3986 section 2.1.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok().filter(|two| !two.starts_with('+'))?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> Place {
        Place::Mail { to: Address::parse(text).unwrap(), octets_max: OCTETS_MAX }
    }

    fn web(text: &str) -> Place {
        Place::Web(text.parse().unwrap())
    }

    #[test]
    fn places_are_read_from_the_one_record_there_is() {
        let many = "v=TLSRPTv1; rua=mailto:a@x.example,mailto:b@x.example,mailto:c@x.example,\
                    mailto:d@x.example,mailto:e@x.example";
        for (records, expected) in [
            (vec!["v=TLSRPTv1; rua=mailto:tls@x.example"], vec![mail("tls@x.example")]),
            (vec!["v=TLSRPTv1;rua=MAILTO:a%2Cb@x.example?subject=y;"], vec![]),
            (vec!["v=TLSRPTv1;rua=mailto:a%2Bb@x.example?subject=y;"], vec![mail("a+b@x.example")]),
            (
                vec!["other", "v=TLSRPTv1; rua=https://x.example/v1/tls , mailto:a@x.example"],
                vec![web("https://x.example/v1/tls"), mail("a@x.example")],
            ),
            (vec!["v=TLSRPTv1; rua=https://x.example:443/"], vec![web("https://x.example:443/")]),
            (vec!["v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:b@x"], vec![]),
            (vec!["v=TLSRPTv2; rua=mailto:a@x.example"], vec![]),
            (vec!["v=TLSRPTv1"], vec![]),
            (vec![], vec![]),
            (vec![many], ["a", "b", "c", "d"].map(|one| mail(&format!("{one}@x.example"))).into()),
        ] {
            assert_eq!(places(&records), expected, "{records:?}");
        }
    }

    #[test]
    fn what_is_no_place_for_a_report_is_left_out() {
        for text in [
            "http://x.example/",
            "https://x.example:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "ftp://x.example/",
            "mailto:",
            "mailto:a%2",
            "mailto:a%+1@x.example",
            "mailto:a%0d%0aBcc:b@x.example",
            "",
        ] {
            assert_eq!(places(&[format!("v=TLSRPTv1; rua={text}")]), [], "{text}");
        }
    }
}
