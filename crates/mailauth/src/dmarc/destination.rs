//! Where a domain wants reports to go, and whether those it names there agree.
//!
//! A record may name addresses elsewhere; without the consent of their domain it would be a way to
//! have others flooded. Source: RFC 9990 section 4.

use mailwright_net::dns::{Answer, Resolver};

use super::text::Text;
use super::walk::{Walker, organization};

/// How many addresses of a record are told.
const ADDRESSES_MAX: usize = 4;

/// An address that a report may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub address: String,
    /// How many octets a report may have, as it is attached; none is no limit.
    pub octets_max: Option<usize>,
}

/// Where reports about a domain, which has a record itself, may go now; none when it wants none.
///
/// Errors: a name cannot be looked up just now.
pub async fn destinations(
    domain: &str,
    resolver: &dyn Resolver,
) -> Result<Vec<Destination>, String> {
    let mut walker = Walker::new(resolver);
    let walk = walker.walk(domain).await?;
    let Some((_, record)) = walk.iter().find(|(name, _)| name == domain) else {
        return Ok(Vec::new());
    };
    let own = organization(&walk, domain);
    let mut found = Vec::new();
    for (address, octets_max) in record.addresses.iter().take(ADDRESSES_MAX) {
        let Some((_, host)) = address.rsplit_once('@') else { continue };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut addresses = vec![(address.clone(), *octets_max)];
        if host != domain && organization(&walker.walk(&host).await?, &host) != own {
            let Some(instead) = consent(domain, &host, resolver).await? else {
                tracing::info!(domain, host, "Whom reports are to go to does not want them.");
                continue;
            };
            if !instead.is_empty() {
                addresses = instead;
            }
        }
        found.extend(addresses.into_iter().map(|(address, most)| Destination {
            address,
            octets_max: Some(most).filter(|most| *most > 0),
        }));
    }
    found.truncate(ADDRESSES_MAX);
    Ok(found)
}

/// Whether `host` takes reports about `domain`; the addresses that it wants them at instead, which
/// have to be its own.
pub(super) async fn consent(
    domain: &str,
    host: &str,
    resolver: &dyn Resolver,
) -> Result<Option<Vec<(String, usize)>>, String> {
    let name = format!("{domain}._report._dmarc.{host}");
    let texts = match resolver.txt(&name).await {
        Answer::Found(texts) => texts,
        Answer::NoSuchDomain | Answer::NoData => return Ok(None),
        Answer::Temporary(why) => return Err(format!("{name}: {why}")),
    };
    let Some(record) = texts.iter().find_map(|text| Text::parse(text)) else { return Ok(None) };
    let is_own = |address: &str| {
        address.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(host))
    };
    let addresses = record.addresses.into_iter();
    Ok(Some(addresses.filter(|(address, _)| is_own(address)).collect()))
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;

    use super::*;

    #[tokio::test]
    async fn reports_go_where_they_are_wanted_and_nowhere_else() {
        let dns = Fake::new();
        for (name, text) in [
            ("_dmarc.own.example", "v=DMARC1; p=none; rua=mailto:d@own.example!10m"),
            ("_dmarc.below.own.example", "v=DMARC1; p=none; rua=mailto:d@own.example"),
            (
                "_dmarc.out.example",
                "v=DMARC1; p=none; rua=mailto:a@yes.example,mailto:b@no.example",
            ),
            ("out.example._report._dmarc.yes.example", "v=DMARC1"),
            ("_dmarc.moved.example", "v=DMARC1; p=none; rua=mailto:a@service.example"),
            (
                "moved.example._report._dmarc.service.example",
                "v=DMARC1; rua=mailto:new@service.example,mailto:x@victim.example",
            ),
            ("_dmarc.silent.example", "v=DMARC1; p=reject"),
            ("_dmarc.late.example", "v=DMARC1; p=none; rua=mailto:a@broken.example"),
        ] {
            dns.add_txt(name, text);
        }
        dns.set_broken("late.example._report._dmarc.broken.example", true);
        let to = async |domain: &str| {
            let found = destinations(domain, &dns).await?;
            Ok::<_, String>(found.into_iter().map(|one| one.address).collect::<Vec<_>>().join(" "))
        };
        for (domain, wanted) in [
            ("own.example", "d@own.example"),
            ("below.own.example", "d@own.example"),
            ("out.example", "a@yes.example"),
            ("moved.example", "new@service.example"),
            ("silent.example", ""),
            ("nothing.example", ""),
        ] {
            assert_eq!(to(domain).await.as_deref(), Ok(wanted), "{domain}");
        }
        assert!(to("late.example").await.is_err());
        let limited = destinations("own.example", &dns).await.unwrap();
        assert_eq!(limited[0].octets_max, Some(10 << 20));
    }
}
