//! The text of a record. What makes no sense in it is left out; the rest of it counts.
//!
//! Only a request that cannot be read takes the others with it: then the domain asks for nothing,
//! and is told of its mail if it wants that. Source: RFC 9989 sections 4.7, 4.8 and 4.10.1.

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::dmarc::Dmarc as Theirs;

use super::Policy;

/// Addresses of a record that are read.
const ADDRESSES_MAX: usize = 20;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// What is asked for, for mail of the domain itself, of those below it, of those below it that
    /// do not exist; none where the record asks for nothing at all.
    pub(super) requests: Option<[Policy; 3]>,
    pub(super) strict_dkim: bool,
    pub(super) strict_spf: bool,
    pub(super) testing: bool,
    /// Whether the domain is a public suffix; none where it does not say.
    pub(super) suffix: Option<bool>,
    /// Where reports go, and how many octets one may have; 0 is no limit.
    pub(super) addresses: Vec<(String, usize)>,
}

impl Text {
    /// Reads a record; none when it is one of something else.
    pub(super) fn parse(record: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(record);
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or_default();
            (name.trim(), value.trim())
        });
        let (name, version) = tags.next()?;
        if !name.eq_ignore_ascii_case("v") || !version.eq_ignore_ascii_case("DMARC1") {
            return None;
        }
        let tags: Vec<(&str, &str)> = tags.collect();
        let tag = |wanted: &str| {
            let mut same = tags.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            same.next().map(|(_, value)| *value)
        };
        let is = |name: &str, word: &str| {
            tag(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        let addresses = tag("rua").map(addresses).unwrap_or_default();
        let told = (!addresses.is_empty()).then_some([Policy::None; 3]);
        Some(Self {
            requests: requests(tag("p"), tag("sp"), tag("np")).or(told),
            strict_dkim: is("adkim", "s"),
            strict_spf: is("aspf", "s"),
            testing: is("t", "y"),
            suffix: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
            addresses,
        })
    }
}

/// What is asked for; none when one of the words is none.
fn requests(own: Option<&str>, below: Option<&str>, missing: Option<&str>) -> Option<[Policy; 3]> {
    let own = word(own?)?;
    let below = below.map_or(Some(own), word)?;
    let missing = missing.map_or(Some(below), word)?;
    Some([own, below, missing])
}

fn word(text: &str) -> Option<Policy> {
    let all = [Policy::None, Policy::Quarantine, Policy::Reject];
    all.into_iter().find(|policy| policy.as_str().eq_ignore_ascii_case(text))
}

/// Each by itself, so that one that is none spoils no other.
fn addresses(list: &str) -> Vec<(String, usize)> {
    let one = |uri: &str| Theirs::parse(format!("v=DMARC1;rua={uri}").as_bytes()).ok();
    let each = list.split(',').take(ADDRESSES_MAX).filter_map(one);
    each.flat_map(|record| record.rua).map(|uri| (uri.uri, uri.max_size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_makes_no_sense_spoils_no_other() {
        const REJECT: Option<[Policy; 3]> = Some([Policy::Reject; 3]);
        const NONE: Option<[Policy; 3]> = Some([Policy::None; 3]);
        for (text, requests, strict) in [
            ("v=DMARC1; p=reject; adkim=s", REJECT, true),
            ("v=DMARC1; p=reject; adkim=strict; aspf=x", REJECT, false),
            ("v=DMARC1; p=reject; fo=2:x; adkim=s", REJECT, true),
            ("v=DMARC1; p=reject; rua=mailto:a@b.example!5x; adkim=s", REJECT, true),
            ("v=DMARC1; nonsense; p=reject;; =; adkim=s", REJECT, true),
            ("v=DMARC1; adkim=s; P = Reject", REJECT, true),
            ("v=DMARC1; p=reject; p=none", REJECT, false),
            ("v=DMARC1; p=rejected", None, false),
            ("v=DMARC1; p=reject; sp=no", None, false),
            ("v=DMARC1; p=reject; np=no; rua=mailto:a@b.example", NONE, false),
            ("v=DMARC1; sp=reject; rua=mailto:a@b.example", NONE, false),
            ("v=DMARC1; p=reject; sp=reject; t=z; psd=u", REJECT, false),
        ] {
            let read = Text::parse(text.as_bytes()).unwrap();
            assert_eq!((read.requests, read.strict_dkim), (requests, strict), "{text}");
            assert_eq!((read.testing, read.suffix, read.strict_spf), (false, None, false));
        }
        for text in ["", "p=reject; v=DMARC1", "v=DMARC10; p=reject", "v=spf1 -all", "; v=DMARC1"] {
            assert_eq!(Text::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_each_by_itself() {
        let text = "v=DMARC1; rua=mailto:A@b.example!10k, http://x.example, mailto:no,\
            mailto:c@d.example!7z, mailto:e@f.example";
        let read = Text::parse(text.as_bytes()).unwrap();
        let wanted = [("a@b.example".to_owned(), 10 << 10), ("e@f.example".to_owned(), 0)];
        assert_eq!(read.addresses, wanted);
    }
}
