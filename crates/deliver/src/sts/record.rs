//! The TXT record that says that there is a policy, and which.
//!
//! Source: RFC 8461 section 3.1.

/// The id in the records of `_mta-sts.DOMAIN`; none unless exactly one speaks of a policy, and
/// makes sense.
pub(super) fn id<T: AsRef<[u8]>>(records: &[T]) -> Option<String> {
    let mut ours = records
        .iter()
        .filter_map(|record| std::str::from_utf8(record.as_ref()).ok())
        .filter(|text| is_ours(text));
    let record = ours.next().filter(|_| ours.next().is_none())?;
    let mut id = None;
    for pair in record.split(';').skip(1).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if name.trim() == "id" && id.is_none() {
            id = Some(value.trim());
        }
    }
    let id = id?;
    let sound = (1..=32).contains(&id.len()) && id.bytes().all(|o| o.is_ascii_alphanumeric());
    sound.then(|| id.to_owned())
}

fn is_ours(text: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    let pair = first.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    pair == Some(("v", "STSv1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_record_that_makes_sense_counts() {
        let right = "v=STSv1; id=20260101T000000;";
        for (records, expected) in [
            (vec![right], Some("20260101T000000")),
            (vec!["v=STSv1;id=1"], Some("1")),
            (vec!["v=spf1 -all", right, "v=STSv10; id=5"], Some("20260101T000000")),
            (vec!["v=STSv1; other=x; id=7"], Some("7")),
            (vec![right, right], None),
            (vec!["v=STSv1; id=1", "v=STSv1; id=2"], None),
            (vec!["v=STSv1"], None),
            (vec!["v=STSv1; id="], None),
            (vec!["v=STSv1; id=a-b"], None),
            (vec!["v=STSv1; nonsense; id=1"], None),
            (vec!["id=1; v=STSv1"], None),
            (vec!["v=STSv2; id=1"], None),
            (vec![], None),
        ] {
            assert_eq!(id(&records).as_deref(), expected, "{records:?}");
        }
        let long = format!("v=STSv1; id={}", "1".repeat(33));
        assert_eq!(id(&[long]), None);
        assert_eq!(id(&[&b"v=STSv1; id=\xff"[..]]), None);
    }
}
