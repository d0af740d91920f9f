//! How durations, sizes, networks and secrets are written in the file.
//!
//! A duration is `"30s"`, `"5m"`, `"2h"`, `"5d"` or a sum such as `"1h30m"`; a size is `"25 MiB"`,
//! `"64 KiB"` or a number of octets; a network is `"192.0.2.0/24"` or one address.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A password or token in the file. It never shows itself in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A duration as text, such as `5m`.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u128); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&render(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!("\"{text}\" is no duration; write \"30s\", \"5m\" or \"5d\""))
        })
    }

    pub(crate) fn render(span: Duration) -> String {
        let mut rest = span.as_millis();
        let mut text = String::new();
        for (unit, millis) in UNITS {
            if rest >= millis {
                text.push_str(&(rest / millis).to_string());
                text.push_str(unit);
                rest %= millis;
            }
        }
        if text.is_empty() { "0s".to_owned() } else { text }
    }

    pub(crate) fn parse(text: &str) -> Option<Duration> {
        let mut rest = text.trim();
        let mut total = 0_u64;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, tail) = rest.split_at_checked(digits)?;
            let tail = tail.trim_start();
            let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(end)?;
            let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis)?;
            let amount = number.parse::<u64>().ok()?;
            total = total.checked_add(amount.checked_mul(u64::try_from(millis).ok()?)?)?;
            rest = tail.trim_start();
        }
        Some(Duration::from_millis(total))
    }
}

/// A duration, where not having one is a setting too.
pub(crate) mod duration_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Wrapped(#[serde(with = "super::duration")] Duration);

    #[expect(clippy::ref_option, reason = "serde's `with` hands out a reference")]
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::duration::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Wrapped::deserialize(from).map(|span| Some(span.0))
    }
}

/// A number of octets, as a number or as text such as `25 MiB`.
pub(crate) mod size {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u64); 6] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1000),
    ];

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a size is a number of octets or text such as \"25 MiB\"")]
    enum Written {
        Octets(u64),
        Text(String),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` hands out a reference")]
    pub(crate) fn serialize<S: Serializer>(octets: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&render(*octets))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        match Written::deserialize(from)? {
            Written::Octets(octets) => Ok(octets),
            Written::Text(text) => parse(&text).ok_or_else(|| {
                D::Error::custom(format!("\"{text}\" is no size; write \"25 MiB\" or \"64 KiB\""))
            }),
        }
    }

    pub(crate) fn render(octets: u64) -> String {
        UNITS
            .iter()
            .take(3)
            .find(|(_, unit)| octets > 0 && octets.is_multiple_of(*unit))
            .map_or_else(|| octets.to_string(), |(name, unit)| format!("{} {name}", octets / unit))
    }

    pub(crate) fn parse(text: &str) -> Option<u64> {
        let text = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        number.trim().parse::<u64>().ok()?.checked_mul(unit)
    }
}

/// The size of one listener, where it differs.
pub(crate) mod size_option {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Wrapped(#[serde(with = "super::size")] u64);

    #[expect(clippy::ref_option, reason = "serde's `with` hands out a reference")]
    pub(crate) fn serialize<S: Serializer>(size: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match size {
            Some(octets) => super::size::serialize(octets, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Wrapped::deserialize(from).map(|size| Some(size.0))
    }
}

/// Networks, where one address stands for itself.
pub(crate) mod networks {
    use std::net::IpAddr;

    use ipnet::IpNet;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(nets: &[IpNet], to: S) -> Result<S::Ok, S::Error> {
        nets.iter().map(ToString::to_string).collect::<Vec<_>>().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
        Vec::<String>::deserialize(from)?
            .iter()
            .map(|text| {
                parse(text).ok_or_else(|| {
                    let right = "\"192.0.2.0/24\" or \"2001:db8::/32\"";
                    D::Error::custom(format!("\"{text}\" is no network; write {right}"))
                })
            })
            .collect()
    }

    pub(crate) fn parse(text: &str) -> Option<IpNet> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5400), ("5d", 432_000)] {
            assert_eq!(duration::parse(text), Some(Duration::from_secs(seconds)));
            assert_eq!(duration::render(Duration::from_secs(seconds)), text);
        }
        assert_eq!(duration::parse("200ms"), Some(Duration::from_millis(200)));
        for wrong in ["", "5", "m", "5 lightyears", "-3s", "99999999999999999999d"] {
            assert_eq!(duration::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_read_back_as_written() {
        for (text, octets) in [("25 MiB", 25 << 20), ("64 KiB", 64 << 10), ("1001", 1001)] {
            assert_eq!(size::parse(text), Some(octets));
            assert_eq!(size::render(octets), text);
        }
        assert_eq!(size::parse("1 MB"), Some(1_000_000));
        assert_eq!(size::parse("many"), None);
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "***");
    }

    #[test]
    fn one_address_is_a_network() {
        assert_eq!(networks::parse("::1").map(|net| net.prefix_len()), Some(128));
        assert!(networks::parse("300.0.0.0/8").is_none());
    }
}
