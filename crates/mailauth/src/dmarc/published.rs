//! What a domain has published of DMARC: the record that counts for it, wherever it is, and who of
//! those that it names takes no reports.
//!
//! Source: RFC 9989 sections 4.7 and 4.10, RFC 9990 section 4.

use mailwright_net::dns::{Answer, Resolver};

use super::Policy;
use super::destination::consent;
use super::text::Text;
use super::walk::{Walker, above, organization};

/// Addresses of a record whose consent is asked for.
const ASKED_MAX: usize = 8;

/// The record that counts for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whose it is: the domain, or one above it.
    pub at: String,
    /// Its text.
    pub text: String,
    /// What is to become of mail that fails: of the domain it is of, and of those below it; none
    /// where the record asks for nothing that makes sense.
    pub policy: Option<(Policy, Policy)>,
    /// Whether the domain only tries it out.
    pub is_testing: bool,
    /// Where reports are to go.
    pub reports: Vec<String>,
    /// Those of them whose domain did not agree, so that none goes there.
    pub unwilling: Vec<String>,
}

/// What is at the first name that has any record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// There is none, at the domain and above it.
    Nothing,
    /// Several at one name, which count as none.
    Several {
        /// The name.
        at: String,
        /// How many.
        count: usize,
    },
    /// One.
    One(Published),
}

/// Looks for the record of a domain.
///
/// Errors: a name cannot be looked up just now.
pub async fn published(domain: &str, resolver: &dyn Resolver) -> Result<Publication, String> {
    let domain = domain.to_ascii_lowercase();
    let mut name = domain.as_str();
    loop {
        let place = format!("_dmarc.{name}");
        let texts = match resolver.txt(&place).await {
            Answer::Found(texts) => texts,
            Answer::Temporary(why) => return Err(format!("{place}: {why}")),
            Answer::NoSuchDomain | Answer::NoData => Vec::new(),
        };
        let read =
            |text: &Vec<u8>| Some((String::from_utf8_lossy(text).into_owned(), Text::parse(text)?));
        let mut records: Vec<(String, Text)> = texts.iter().filter_map(read).collect();
        let count = records.len();
        if count > 1 {
            return Ok(Publication::Several { at: name.to_owned(), count });
        }
        if let Some((text, record)) = records.pop() {
            return one((name, text, record), resolver).await.map(Publication::One);
        }
        match above(name) {
            Some(next) => name = next,
            None => return Ok(Publication::Nothing),
        }
    }
}

async fn one(
    (at, text, record): (&str, String, Text),
    resolver: &dyn Resolver,
) -> Result<Published, String> {
    let mut walker = Walker::new(resolver);
    let own = organization(&walker.walk(at).await?, at);
    let mut unwilling = Vec::new();
    for (address, _) in record.addresses.iter().take(ASKED_MAX) {
        let Some((_, host)) = address.rsplit_once('@') else { continue };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_own = host == at || organization(&walker.walk(&host).await?, &host) == own;
        if !is_own && consent(at, &host, resolver).await?.is_none() {
            unwilling.push(address.clone());
        }
    }
    // Without a policy that makes sense, a record asks at most for reports.
    let has_policy = text.to_ascii_lowercase().replace(' ', "").contains(";p=");
    Ok(Published {
        at: at.to_owned(),
        text,
        policy: record.requests.filter(|_| has_policy).map(|[own, below, _]| (own, below)),
        is_testing: record.testing,
        reports: record.addresses.into_iter().map(|(address, _)| address).collect(),
        unwilling,
    })
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;

    use super::*;

    #[tokio::test]
    async fn the_record_that_counts_is_found_and_who_takes_no_reports() {
        let dns = Fake::new();
        for (name, text) in [
            ("_dmarc.own.example", "v=DMARC1; p=reject; sp=none; rua=mailto:d@own.example"),
            (
                "_dmarc.out.example",
                "v=DMARC1; p=none; rua=mailto:a@yes.example,mailto:b@no.example",
            ),
            ("out.example._report._dmarc.yes.example", "v=DMARC1"),
            ("_dmarc.two.example", "v=DMARC1; p=none"),
            ("_dmarc.two.example", "v=DMARC1; p=reject"),
            ("_dmarc.odd.example", "v=DMARC1; p=refuse"),
            ("_dmarc.bare.example", "v=DMARC1; rua=mailto:d@bare.example"),
            ("_dmarc.try.example", "v=DMARC1; p=reject; t=y"),
        ] {
            dns.add_txt(name, text);
        }
        dns.set_broken("_dmarc.late.example", true);
        let found = async |domain: &str| match published(domain, &dns).await {
            Ok(Publication::One(one)) => {
                let words = one.policy.map(|(own, below)| (own.as_str(), below.as_str()));
                format!("{} {words:?} {} {}", one.at, one.is_testing, one.unwilling.join(" "))
            }
            Ok(other) => format!("{other:?}"),
            Err(why) => why,
        };
        for (domain, expected) in [
            ("own.example", "own.example Some((\"reject\", \"none\")) false "),
            ("a.b.own.example", "own.example Some((\"reject\", \"none\")) false "),
            ("out.example", "out.example Some((\"none\", \"none\")) false b@no.example"),
            ("two.example", "Several { at: \"two.example\", count: 2 }"),
            ("odd.example", "odd.example None false "),
            ("bare.example", "bare.example None false "),
            ("try.example", "try.example Some((\"reject\", \"reject\")) true "),
            ("none.example", "Nothing"),
            ("late.example", "_dmarc.late.example: server failure"),
        ] {
            assert_eq!(found(domain).await, expected, "{domain}");
        }
    }
}
