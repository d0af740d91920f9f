//! The TLSA records of a host.
//!
//! They count only where the way to them is validated: the MX records, the addresses, and the
//! records themselves. A host behind an alias has them at the alias's end, or else at its own name.
//! Source: RFC 7672 section 2.2.

use std::sync::Arc;
use std::time::Duration;

use mailwright_net::tls::Pins;

use crate::mx::{Answer, Names, timed};

/// What a host's TLSA records come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dane {
    /// They cannot count, or nobody asked.
    Off,
    /// There are none; that is validated, or the name is not signed.
    Absent,
    /// Some can be used.
    Usable(Arc<Pins>),
    /// There are some, none of which can be used: encryption is meant all the same.
    Unusable,
    /// It could not be found out, or somebody meddles: the host is left alone.
    Unknown(String),
}

/// Looks up the records of a host with these `bases`, the best first; `also` are further names
/// that a certificate below an authority may have.
pub(crate) async fn dane(
    names: &dyn Names,
    (bases, port): (&[String], u16),
    also: &[&str],
    limit: Duration,
) -> Dane {
    let mut found = if bases.is_empty() { Dane::Off } else { Dane::Absent };
    for base in bases {
        let owner = format!("_{port}._tcp.{base}");
        match timed(limit, names.tlsa(&owner)).await {
            Answer::Found(signed) if signed.secure => {
                let also = also.iter().map(|name| (*name).to_owned());
                let reference = [base.clone()].into_iter().chain(also).collect();
                let pins = Pins::new(signed.records, reference);
                return pins.map_or(Dane::Unusable, |pins| Dane::Usable(Arc::new(pins)));
            }
            Answer::Found(_) | Answer::NoData | Answer::NoSuchDomain => found = Dane::Absent,
            Answer::Temporary(why) => return Dane::Unknown(format!("{owner}: {why}")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Tlsa;

    use super::*;
    use crate::fake::Zone;

    fn tlsa(usage: u8) -> Tlsa {
        Tlsa { usage, selector: 1, matching: 1, data: vec![7; 32] }
    }

    #[tokio::test]
    async fn records_count_by_what_dnssec_says_of_them() {
        let zone = Zone::default()
            .tlsa("_25._tcp.right.example", &[tlsa(0), tlsa(3)], true)
            .tlsa("_25._tcp.unsigned.example", &[tlsa(3)], false)
            .tlsa("_25._tcp.odd.example", &[tlsa(1)], true)
            .temporary("_25._tcp.bogus.example");
        let of = |base: &str| {
            let (zone, base) = (zone.clone(), base.to_owned());
            async move { dane(&zone, (&[base], 25), &[], Duration::from_secs(5)).await }
        };
        assert!(
            matches!(of("right.example").await, Dane::Usable(pins) if pins.records().len() == 1)
        );
        assert_eq!(of("unsigned.example").await, Dane::Absent);
        assert_eq!(of("odd.example").await, Dane::Unusable);
        assert_eq!(of("none.example").await, Dane::Absent);
        assert!(matches!(of("bogus.example").await, Dane::Unknown(_)));
        assert_eq!(dane(&zone, (&[], 25), &[], Duration::from_secs(5)).await, Dane::Off);
    }

    #[tokio::test]
    async fn the_end_of_an_alias_comes_before_its_own_name() {
        let limit = Duration::from_secs(5);
        let bases = ["end.example".to_owned(), "alias.example".to_owned()];
        let zone = Zone::default().tlsa("_25._tcp.alias.example", &[tlsa(3)], true);
        let found = dane(&zone, (&bases, 25), &[], limit).await;
        assert!(matches!(found, Dane::Usable(_)), "{found:?}");
        let zone = zone.tlsa("_25._tcp.end.example", &[tlsa(1)], true);
        assert_eq!(dane(&zone, (&bases, 25), &[], limit).await, Dane::Unusable);
        let zone = Zone::default().temporary("_25._tcp.end.example").tlsa(
            "_25._tcp.alias.example",
            &[tlsa(3)],
            true,
        );
        assert!(matches!(dane(&zone, (&bases, 25), &[], limit).await, Dane::Unknown(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_is_one_that_failed() {
        let zone = Zone::default().hanging("_25._tcp.hang.example");
        let bases = ["hang.example".to_owned()];
        let found = dane(&zone, (&bases, 25), &[], Duration::from_secs(5)).await;
        assert!(matches!(found, Dane::Unknown(_)), "{found:?}");
    }
}
