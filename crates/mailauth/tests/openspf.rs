//! The test suite of openspf.org for RFC 7208, against a resolver that is filled by each scenario.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may stop where it fails, and says how many passed"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mailwright_mailauth::spf::{self, Query};
use mailwright_net::dns::{Answer, Later, Resolver, Srv};
use serde_json::Value;

/// The zone of a scenario: records by name, or a word that stands for silence.
#[derive(Debug)]
struct Zone(BTreeMap<String, Vec<Vec<Value>>>);

impl Zone {
    fn of(scenario: &Value) -> Self {
        let names = scenario["zone"].as_object().unwrap().iter().map(|(name, records)| {
            let rows = records.as_array().unwrap();
            (name.clone(), rows.iter().map(|row| row.as_array().unwrap().clone()).collect())
        });
        Self(names.collect())
    }

    /// The records of a kind, through aliases.
    fn ask<T>(&self, name: &str, kind: &str, pick: &dyn Fn(&[Value]) -> T) -> Answer<Vec<T>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(records) = self.0.get(&name) else {
            return Answer::NoSuchDomain;
        };
        let of = |kind: &str| -> Vec<&Vec<Value>> {
            records.iter().filter(|record| record[0] == kind).collect()
        };
        let mut found = of(kind);
        if kind == "TXT" && found.is_empty() {
            // The suite writes records once, for both types that there were.
            found = of("SPF");
        }
        found.retain(|record| record[1] != "NONE");
        if let [alias] = of("CNAME").as_slice() {
            let target = alias[1].as_str().unwrap();
            // An alias of itself is what no server answers.
            if target.trim_end_matches('.').eq_ignore_ascii_case(&name) {
                return Answer::Temporary("a loop of aliases".to_owned());
            }
            return self.ask(target, kind, pick);
        }
        if found.is_empty() && records.iter().any(|record| record[0] == "TIMEOUT") {
            return Answer::Temporary("time is over".to_owned());
        }
        if found.is_empty() {
            return Answer::NoData;
        }
        Answer::Found(found.into_iter().map(|record| pick(record)).collect())
    }
}

fn text(record: &[Value]) -> String {
    record.last().unwrap().as_str().unwrap().to_owned()
}

fn now<T: Send + 'static>(answer: Answer<T>) -> Later<'static, T> {
    Box::pin(std::future::ready(answer))
}

impl Resolver for Zone {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>> {
        let preference = |record: &[Value]| u16::try_from(record[1].as_u64().unwrap()).unwrap();
        now(self.ask(domain, "MX", &|record| (preference(record), text(record))))
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>> {
        now(self.ask(host, "A", &|record| text(record).parse().unwrap()))
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        let octets =
            |record: &[Value]| text(record).chars().map(|c| u8::try_from(c).unwrap()).collect();
        now(self.ask(name, "TXT", &octets))
    }

    fn ptr(&self, address: IpAddr) -> Later<'_, Vec<String>> {
        let name = match address {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(ip) => {
                let nibbles = ip.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
                let nibbles: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
                format!("{}.ip6.arpa", nibbles.join("."))
            }
        };
        now(self.ask(&name, "PTR", &text))
    }

    fn srv<'a>(&'a self, _: &'a str) -> Later<'a, Vec<Srv>> {
        now(Answer::NoData)
    }

    fn ipv4<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv4Addr>> {
        now(self.ask(host, "A", &|record| text(record).parse().unwrap()))
    }

    fn ipv6<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv6Addr>> {
        now(self.ask(host, "AAAA", &|record| text(record).parse().unwrap()))
    }
}

async fn run(zone: &Zone, test: &Value) -> Result<(), String> {
    let helo = test["helo"].as_str().unwrap();
    let sender = test["mailfrom"].as_str().unwrap();
    let (local, domain) = sender.rsplit_once('@').unwrap_or(("", sender));
    let domain = if sender.is_empty() { helo } else { domain };
    let ip = test["host"].as_str().unwrap().parse().unwrap();
    let query = Query { ip, domain, local, helo, host: "receiver.example", seconds: 0 };
    let said = spf::check(query, zone).await;
    let allowed = test["result"].as_array().unwrap();
    if !allowed.iter().any(|word| word == said.word.as_str()) {
        return Err(format!("{} for {allowed:?}: {}", said.word, said.reason));
    }
    match test["explanation"].as_str() {
        Some("DEFAULT") if said.explanation.is_none() => Ok(()),
        // The suite writes nibbles in upper case, the RFC's own example in lower case.
        Some(text)
            if !said.explanation.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(text)) =>
        {
            Err(format!("it explains {:?}, not {text}", said.explanation))
        }
        _ => Ok(()),
    }
}

#[tokio::test]
async fn the_suite_passes() {
    let scenarios: Value = serde_json::from_str(include_str!("openspf/rfc7208.json")).unwrap();
    let (mut passed, mut failed) = (0_usize, Vec::new());
    for scenario in scenarios.as_array().unwrap() {
        let zone = Zone::of(scenario);
        for (name, test) in scenario["tests"].as_object().unwrap() {
            match run(&zone, test).await {
                Ok(()) => passed += 1,
                Err(why) => failed.push((name.as_str(), why)),
            }
        }
    }
    println!("openspf: {passed} of {} pass", passed + failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(passed, 203);
}
