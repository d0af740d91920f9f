//! What the proofs of an answer come to, where signatures are checked.
//!
//! Source: RFC 4035 section 5, RFC 7672 section 2.1.

use hickory_resolver::{
    net::{DnsError, NetError, NoRecords},
    proto::{
        dnssec::{Proof, rdata::DNSSECRData},
        op::ResponseCode,
        rr::{RData, Record, RecordType},
    },
};

use super::Answer;

/// The aliases of an answer and how sure they are: the last name, and whether the first is proven.
pub(super) fn aliases(answers: &[Record]) -> (Option<String>, bool) {
    let mut aliases = answers.iter().filter_map(|record| match &record.data {
        RData::CNAME(target) => Some((target.0.to_ascii(), record.proof.is_secure())),
        _ => None,
    });
    let Some((first, secure)) = aliases.next() else { return (None, false) };
    let last = aliases.next_back().map_or(first, |(target, _)| target);
    (Some(super::system::host(&last)), secure)
}

/// Whether every record of `kind`, and every alias to it, is validated.
pub(super) fn is_secure(answers: &[Record], kind: RecordType) -> bool {
    let counts = |record: &&Record| [kind, RecordType::CNAME].contains(&record.record_type());
    let mut counted = answers.iter().filter(counts).peekable();
    counted.peek().is_some() && counted.all(|record| record.proof.is_secure())
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
        rr::{
            Name,
            rdata::{CNAME, SOA},
        },
    };

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn alias(from: &str, to: &str, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))));
        record.proof = proof;
        record
    }

    #[test]
    fn one_record_that_is_not_proven_makes_all_insecure() {
        let secure = alias("a.example.", "b.example.", Proof::Secure);
        let insecure = alias("b.example.", "c.example.", Proof::Insecure);
        let kind = RecordType::A;
        assert!(is_secure(std::slice::from_ref(&secure), kind));
        assert!(!is_secure(&[secure.clone(), insecure.clone()], kind));
        assert!(!is_secure(&[], kind), "nothing is not secure");
        let found = aliases(&[secure, insecure]);
        assert_eq!(found, (Some("c.example".to_owned()), true));
        assert_eq!(aliases(&[]), (None, false));
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
