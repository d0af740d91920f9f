//! What the proofs of an answer come to, where signatures are checked.
//!
//! Source: RFC 4035 section 5, RFC 7672 section 2.1.

use hickory_resolver::{
    net::{DnsError, NetError, NoRecords},
    proto::{
        dnssec::{Proof, rdata::DNSSECRData},
        op::ResponseCode,
        rr::{Name, RData, Record, RecordType},
    },
};

use super::{Answer, Signed, system::host};

/// Aliases from a name to its records.
const ALIASES_MAX: usize = 16;

/// The records that an answer has for the name and type that were `asked` for, as `pick` reads
/// them.
///
/// Only what leads from the name to its records counts, alias by alias: what else is in the answer
/// was put there by somebody. One bogus record on the way spoils all.
pub(super) fn judged<T>(
    answers: &[Record],
    asked: (&Name, RecordType),
    validates: bool,
    pick: impl Fn(&RData) -> Option<T>,
) -> Answer<Signed<Vec<T>>> {
    let Some((aliases, found)) = way(answers, asked) else {
        return Answer::Temporary("the answer is about another name".to_owned());
    };
    let mut all = aliases.iter().chain(&found);
    if all.any(|record| record.proof.is_bogus()) {
        return Answer::Temporary("its DNSSEC signature is wrong".to_owned());
    }
    let records: Vec<T> = found.iter().filter_map(|record| pick(&record.data)).collect();
    if records.is_empty() {
        return Answer::NoData;
    }
    let is_secure = |record: &&Record| validates && record.proof.is_secure();
    Answer::Found(Signed {
        records,
        secure: aliases.iter().chain(&found).all(is_secure),
        canonical: aliases
            .last()
            .and_then(|alias| target(alias))
            .map(|name| host(&name.to_ascii())),
        alias_secure: aliases.first().is_some_and(is_secure),
    })
}

/// The aliases from a name on, and the records at their end.
type Way<'a> = (Vec<&'a Record>, Vec<&'a Record>);

/// The way from a name to its records; none where the answer has a gap.
fn way<'a>(answers: &'a [Record], (asked, kind): (&'a Name, RecordType)) -> Option<Way<'a>> {
    let of = |name: &Name, kind| {
        let of = move |record: &&Record| record.name == *name && record.record_type() == kind;
        answers.iter().filter(of).collect::<Vec<_>>()
    };
    let (mut name, mut aliases) = (asked, Vec::new());
    loop {
        let found = of(name, kind);
        if !found.is_empty() {
            return Some((aliases, found));
        }
        let alias = *of(name, RecordType::CNAME).first()?;
        name = target(alias).filter(|_| aliases.len() < ALIASES_MAX)?;
        aliases.push(alias);
    }
}

fn target(alias: &Record) -> Option<&Name> {
    if let RData::CNAME(target) = &alias.data { Some(&target.0) } else { None }
}

/// What an error says: that there is nothing, or that nobody knows.
pub(super) fn negative<T>(error: &NetError, validates: bool) -> Answer<T> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if validates && !is_proven(none) => {
            Answer::Temporary("nothing proves that there is no such record".to_owned())
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => by_code(none.response_code),
        // Proven to be unsigned, such as under an opt-out: as good as any unsigned answer.
        NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. }) => {
            by_code(response.response_code)
        }
        other => Answer::Temporary(other.to_string()),
    }
}

fn by_code<T>(code: ResponseCode) -> Answer<T> {
    match code {
        ResponseCode::NXDomain => Answer::NoSuchDomain,
        ResponseCode::NoError => Answer::NoData,
        code => Answer::Temporary(format!("the name server says {code}")),
    }
}

/// Whether a denial is signed, or comes from a zone above the name that is proven to be unsigned.
///
/// The validator takes any unsigned zone's word for a denial, also one that has nothing to do with
/// the name: with it, TLSA records of a signed zone could be denied away.
fn is_proven(none: &NoRecords) -> bool {
    let Some(authorities) = none.authorities.as_deref().filter(|all| !all.is_empty()) else {
        return true;
    };
    let signed = |record: &Record| {
        let denies =
            matches!(&record.data, RData::DNSSEC(DNSSECRData::NSEC(_) | DNSSECRData::NSEC3(_)));
        denies && record.proof.is_secure()
    };
    let unsigned = |record: &Record| {
        let above = record.name.zone_of(none.query.name());
        record.record_type() == RecordType::SOA && record.proof.is_insecure() && above
    };
    authorities.iter().any(|record| signed(record) || unsigned(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::{
        op::Query,
        rr::rdata::{CNAME, SOA, TLSA, tlsa},
    };

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn alias(from: &str, to: &str, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))));
        record.proof = proof;
        record
    }

    fn pin(of: &str, octet: u8, proof: Proof) -> Record {
        let (usage, selector) = (tlsa::CertUsage::DaneEe, tlsa::Selector::Spki);
        let data = TLSA::new(usage, selector, tlsa::Matching::Sha256, vec![octet]);
        let mut record = Record::from_rdata(name(of), 60, RData::TLSA(data));
        record.proof = proof;
        record
    }

    fn octet(data: &RData) -> Option<u8> {
        if let RData::TLSA(tlsa) = data { tlsa.cert_data.first().copied() } else { None }
    }

    fn judge(answers: &[Record], validates: bool) -> Answer<Signed<Vec<u8>>> {
        judged(answers, (&name("A.example."), RecordType::TLSA), validates, octet)
    }

    #[test]
    fn one_record_that_is_not_proven_makes_all_insecure() {
        let secure = Signed::secure(vec![1, 2]);
        let two = |proof| [pin("a.example.", 1, Proof::Secure), pin("a.EXAMPLE.", 2, proof)];
        assert_eq!(judge(&two(Proof::Secure), true), Answer::Found(secure));
        for proof in [Proof::Insecure, Proof::Indeterminate] {
            let insecure = Signed::insecure(vec![1, 2]);
            assert_eq!(judge(&two(proof), true), Answer::Found(insecure));
        }
        let unchecked = Signed::insecure(vec![1, 2]);
        assert_eq!(judge(&two(Proof::Secure), false), Answer::Found(unchecked));
    }

    #[test]
    fn a_bogus_record_is_no_answer() {
        let (good, bogus) = (Proof::Secure, Proof::Bogus);
        for answers in [
            vec![pin("a.example.", 1, bogus)],
            vec![pin("a.example.", 1, good), pin("a.example.", 2, bogus)],
            vec![alias("a.example.", "b.example.", bogus), pin("b.example.", 1, good)],
            vec![alias("a.example.", "b.example.", good), pin("b.example.", 1, bogus)],
        ] {
            assert!(matches!(judge(&answers, true), Answer::Temporary(_)), "{answers:?}");
        }
    }

    #[test]
    fn aliases_are_followed_and_each_has_to_be_proven() {
        let (good, bad) = (Proof::Secure, Proof::Insecure);
        for (first, second, last, secure, alias_secure) in [
            (good, good, good, true, true),
            (good, good, bad, false, true),
            (good, bad, good, false, true),
            (bad, good, good, false, false),
        ] {
            // In any order.
            let answers = [
                pin("c.example.", 1, last),
                alias("b.example.", "C.example.", second),
                alias("a.example.", "b.example.", first),
            ];
            let canonical = Some("c.example".to_owned());
            let found = Signed { records: vec![1], secure, canonical, alias_secure };
            assert_eq!(judge(&answers, true), Answer::Found(found));
        }
    }

    #[test]
    fn what_is_about_another_name_is_no_answer() {
        let good = Proof::Secure;
        for answers in [
            vec![],
            vec![pin("b.example.", 1, good)],
            vec![pin("c.example.", 1, good), alias("b.example.", "c.example.", good)],
            vec![alias("a.example.", "b.example.", good), pin("c.example.", 1, good)],
            vec![
                alias("a.example.", "b.example.", good),
                alias("b.example.", "a.example.", good),
                pin("c.example.", 1, good),
            ],
        ] {
            assert!(matches!(judge(&answers, true), Answer::Temporary(_)), "{answers:?}");
        }
    }

    #[test]
    fn a_denial_of_another_unsigned_zone_proves_nothing() {
        for (zone, proof, proven) in [
            ("mx.example.", Proof::Insecure, true),
            ("example.", Proof::Insecure, true),
            ("other.", Proof::Insecure, false),
            ("sub._25._tcp.mx.example.", Proof::Insecure, false),
            ("mx.example.", Proof::Secure, false),
            ("mx.example.", Proof::Indeterminate, false),
        ] {
            let query = Query::query(name("_25._tcp.mx.example."), RecordType::TLSA);
            let mut none = NoRecords::new(query, ResponseCode::NoError);
            let data = SOA::new(name("ns."), name("ns."), 1, 1, 1, 1, 1);
            let mut soa = Record::from_rdata(name(zone), 60, RData::SOA(data));
            soa.proof = proof;
            none.authorities = Some(vec![soa].into());
            let error = NetError::Dns(DnsError::NoRecordsFound(none));
            let is = |validates| matches!(negative::<()>(&error, validates), Answer::NoData);
            assert_eq!(is(true), proven, "{zone} {proof}");
            assert!(is(false), "nobody asked for proof");
        }
    }
}
