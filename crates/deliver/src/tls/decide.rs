//! The table of demands. It is pure: everything it goes by was looked up before.
//!
//! | what the domain says | what follows |
//! |---|---|
//! | TLSA records, validated and usable | TLS, matched by them; MTA-STS is not looked at |
//! | TLSA records, validated and unusable | TLS; MTA-STS may ask for more |
//! | none, validated or unsigned | as MTA-STS says, else as configured |
//! | nothing: the lookup failed, or is bogus | the host is left alone, and mail waits |
//!
//! A demand is never less than what was configured.

use std::sync::Arc;

use mailwright_config::TlsNeed;
use mailwright_words::TlsWish;

use super::{Basis, Dane, Demand, Level, Need};
use crate::ledger::Failure;
use crate::sts::Sts;

/// Why a host gets no message, whatever it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// For people.
    pub(crate) text: String,
    /// What a report to the domain calls it; none where it is no matter of the domain's policy.
    pub(crate) failure: Option<Failure>,
    /// Whether no other day changes it.
    pub(crate) is_permanent: bool,
}

/// What a host has to offer. `sure` says whether its name is vouched for: by signed MX records, or
/// by the operator.
pub(crate) fn decide(
    need: &Need,
    (dane, sts): (&Dane, Sts),
    (wish, sure): (TlsWish, bool),
) -> Result<Demand, Refused> {
    // Whoever asks for delivery rather than safety waives what the domain published about itself.
    let demand = match wish {
        TlsWish::Optional => published(need, &Dane::Off, Sts::None)?,
        TlsWish::None | TlsWish::Required => published(need, dane, sts)?,
    };
    if wish != TlsWish::Required {
        return Ok(demand);
    }
    if sure || sts.is_listed() { required(demand) } else { Err(unknown(sts)) }
}

fn published(need: &Need, dane: &Dane, sts: Sts) -> Result<Demand, Refused> {
    let word = match need {
        Need::Pinned(pins) => return Ok(set(Level::Pinned(Arc::clone(pins)))),
        Need::Word(TlsNeed::None) => return Ok(set(Level::Plain)),
        Need::Word(word) => *word,
    };
    match dane {
        Dane::Usable(pins) => Ok(Demand {
            level: Level::Pinned(Arc::clone(pins)),
            basis: Basis::Dane,
            why: format!("usable TLSA records: {}", pins.records().len()),
        }),
        Dane::Unknown(why) => Err(temporary(
            format!("its TLSA records could not be looked up: {why}"),
            Failure::DnssecInvalid,
        )),
        Dane::Off | Dane::Absent | Dane::Unusable if word == TlsNeed::DaneOnly => {
            let text = "it has no usable TLSA records, which its route asks for";
            Err(temporary(text, Failure::DaneRequired))
        }
        Dane::Unusable => Ok(stronger(unusable(), by_sts(word, sts)?)),
        Dane::Off | Dane::Absent => by_sts(word, sts),
    }
}

/// Source: RFC 7672 section 2.2, of records that are all unusable.
fn unusable() -> Demand {
    let why = "none of its TLSA records is usable".to_owned();
    Demand { level: Level::Encrypted, basis: Basis::Dane, why }
}

/// Source: RFC 8461 section 5.
fn by_sts(word: TlsNeed, sts: Sts) -> Result<Demand, Refused> {
    let configured = set(match word {
        TlsNeed::None => Level::Plain,
        TlsNeed::Opportunistic | TlsNeed::Dane => Level::Optional,
        TlsNeed::Required => Level::Encrypted,
        // Fingerprints that are none match nobody: a known authority is the next best.
        TlsNeed::Verified | TlsNeed::DaneOnly | TlsNeed::Fingerprint => Level::Verified,
    });
    match sts {
        Sts::Enforce { listed: false } => {
            Err(temporary("the MTA-STS policy of its domain does not list it", Failure::Validation))
        }
        Sts::Enforce { listed: true } => Ok(Demand {
            level: Level::Verified,
            basis: Basis::Sts,
            why: "its domain's MTA-STS policy is in force".to_owned(),
        }),
        Sts::Testing { .. } if configured.level == Level::Optional => Ok(Demand {
            basis: Basis::StsTesting,
            why: "its domain's MTA-STS policy is on trial".to_owned(),
            ..configured
        }),
        Sts::Testing { .. } | Sts::None | Sts::Unsure => Ok(configured),
    }
}

fn stronger(one: Demand, other: Demand) -> Demand {
    if other.level.is_authenticated() { other } else { one }
}

/// Source: RFC 8689 section 4.2.1.
fn required(demand: Demand) -> Result<Demand, Refused> {
    match demand.level {
        Level::Plain => {
            let text = "REQUIRETLS: its route leaves TLS out";
            Err(Refused { text: text.to_owned(), failure: None, is_permanent: true })
        }
        Level::Optional | Level::Encrypted => Ok(Demand {
            level: Level::Verified,
            basis: Basis::Message,
            why: "the message asks for REQUIRETLS".to_owned(),
        }),
        Level::Verified | Level::Pinned(_) => Ok(demand),
    }
}

/// Of a host that may be anybody's. Source: RFC 8689 section 4.2.1.
fn unknown(sts: Sts) -> Refused {
    let is_permanent = sts != Sts::Unsure;
    let text = if is_permanent {
        "REQUIRETLS: neither DNSSEC nor MTA-STS vouches for it being a server of its domain"
    } else {
        "REQUIRETLS: whether MTA-STS vouches for it cannot be found out now"
    };
    Refused { text: text.to_owned(), failure: None, is_permanent }
}

fn set(level: Level) -> Demand {
    Demand { level, basis: Basis::Set, why: "as configured".to_owned() }
}

fn temporary(text: impl Into<String>, failure: Failure) -> Refused {
    Refused { text: text.into(), failure: Some(failure), is_permanent: false }
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Tlsa;
    use mailwright_net::tls::Pins;

    use super::*;

    fn pins() -> Arc<Pins> {
        let record = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
        Arc::new(Pins::new(vec![record], Vec::new()).unwrap())
    }

    /// The demand in its word, or how the host is refused.
    fn word(need: TlsNeed, dane: &Dane, sts: Sts, wish: TlsWish, sure: bool) -> &'static str {
        match decide(&Need::Word(need), (dane, sts), (wish, sure)) {
            Ok(demand) => demand.word(),
            Err(refused) if refused.is_permanent => "never",
            Err(_) => "later",
        }
    }

    const LISTED: Sts = Sts::Enforce { listed: true };
    const UNLISTED: Sts = Sts::Enforce { listed: false };
    const TRIAL: Sts = Sts::Testing { listed: false };

    #[test]
    fn the_table_holds() {
        use TlsNeed::{Dane as ByDane, DaneOnly, None, Opportunistic, Required, Verified};
        let (usable, unknown) = (Dane::Usable(pins()), Dane::Unknown("SERVFAIL".to_owned()));
        let (off, absent, unusable) = (Dane::Off, Dane::Absent, Dane::Unusable);
        for (need, dane, sts, expected) in [
            (Opportunistic, &usable, Sts::None, "dane"),
            (Opportunistic, &usable, UNLISTED, "dane"),
            (Required, &usable, LISTED, "dane"),
            (Verified, &usable, Sts::None, "dane"),
            (ByDane, &usable, Sts::None, "dane"),
            (DaneOnly, &usable, Sts::None, "dane"),
            (None, &usable, LISTED, "none"),
            (Opportunistic, &unusable, Sts::None, "dane-unusable"),
            (Opportunistic, &unusable, TRIAL, "dane-unusable"),
            (Opportunistic, &unusable, LISTED, "mta-sts"),
            (Opportunistic, &unusable, UNLISTED, "later"),
            (Verified, &unusable, Sts::None, "verified"),
            (ByDane, &unusable, Sts::None, "dane-unusable"),
            (DaneOnly, &unusable, Sts::None, "later"),
            (Opportunistic, &unknown, Sts::None, "later"),
            (Opportunistic, &unknown, LISTED, "later"),
            (Verified, &unknown, Sts::None, "later"),
            (None, &unknown, Sts::None, "none"),
            (Opportunistic, &absent, Sts::None, "opportunistic"),
            (Opportunistic, &off, Sts::None, "opportunistic"),
            (Opportunistic, &absent, LISTED, "mta-sts"),
            (Opportunistic, &off, UNLISTED, "later"),
            (Opportunistic, &off, Sts::Unsure, "opportunistic"),
            (Opportunistic, &off, TRIAL, "mta-sts-testing"),
            (Required, &absent, TRIAL, "required"),
            (Required, &absent, Sts::None, "required"),
            (Required, &absent, LISTED, "mta-sts"),
            (Verified, &absent, Sts::None, "verified"),
            (ByDane, &absent, Sts::None, "opportunistic"),
            (DaneOnly, &absent, Sts::None, "later"),
            (DaneOnly, &off, Sts::None, "later"),
        ] {
            let found = word(need, dane, sts, TlsWish::None, false);
            assert_eq!(found, expected, "{need:?} {dane:?} {sts:?}");
        }
    }

    #[test]
    fn a_message_may_ask_for_more() {
        use TlsNeed::{None, Opportunistic, Required};
        let (usable, unknown) = (Dane::Usable(pins()), Dane::Unknown("SERVFAIL".to_owned()));
        for (need, dane, sts, sure, expected) in [
            (Opportunistic, &usable, Sts::None, true, "dane"),
            (Opportunistic, &Dane::Absent, Sts::None, true, "requiretls"),
            (Required, &Dane::Unusable, Sts::None, true, "requiretls"),
            (Opportunistic, &Dane::Off, LISTED, false, "mta-sts"),
            (Opportunistic, &Dane::Off, Sts::Testing { listed: true }, false, "requiretls"),
            (Opportunistic, &Dane::Off, TRIAL, false, "never"),
            (Opportunistic, &Dane::Off, Sts::None, false, "never"),
            (Opportunistic, &Dane::Off, Sts::Unsure, false, "later"),
            (Opportunistic, &Dane::Off, Sts::Unsure, true, "requiretls"),
            (Opportunistic, &unknown, Sts::None, true, "later"),
            (None, &Dane::Off, Sts::None, true, "never"),
        ] {
            let found = word(need, dane, sts, TlsWish::Required, sure);
            assert_eq!(found, expected, "{need:?} {dane:?} {sts:?} {sure}");
        }
    }

    #[test]
    fn a_message_may_ask_for_less_than_its_domain_but_not_than_the_operator() {
        use TlsNeed::{DaneOnly, Opportunistic, Verified};
        let unknown = Dane::Unknown("SERVFAIL".to_owned());
        for (need, dane, sts, expected) in [
            (Opportunistic, &unknown, Sts::None, "opportunistic"),
            (Opportunistic, &Dane::Usable(pins()), LISTED, "opportunistic"),
            (Opportunistic, &Dane::Off, UNLISTED, "opportunistic"),
            (Verified, &Dane::Off, UNLISTED, "verified"),
            (DaneOnly, &unknown, Sts::None, "later"),
        ] {
            let found = word(need, dane, sts, TlsWish::Optional, false);
            assert_eq!(found, expected, "{need:?} {dane:?} {sts:?}");
        }
    }

    #[test]
    fn fingerprints_stand_above_what_a_domain_publishes() {
        let need = Need::new(TlsNeed::Fingerprint, &[[7; 32]]);
        let demand = decide(&need, (&Dane::Unusable, UNLISTED), (TlsWish::None, false)).unwrap();
        assert_eq!(demand.word(), "fingerprint");
        assert!(!need.asks_dane(true) && !need.asks_sts());
        let none = Need::new(TlsNeed::Fingerprint, &[]);
        let demand = decide(&none, (&Dane::Off, Sts::None), (TlsWish::None, false)).unwrap();
        assert_eq!(demand.level, Level::Verified, "never less than before");
    }
}
