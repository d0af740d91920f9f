//! The evaluation of SPF records, with its limits.
//!
//! Source: RFC 7208 sections 4 to 6.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use mailwright_net::dns::{Answer, Resolver};
use tokio::time::timeout;

use super::Query;
use super::macros::{Macros, Place, Values};
use super::record::{Directive, Mechanism, Prefixes, Record, agree, is_spf};
use crate::name::is_within;
use crate::{Word, name};

/// Terms that ask the DNS. Source: RFC 7208 section 4.6.4.
pub(super) const LOOKUPS_MAX: u32 = 10;
/// Questions of terms that may have no answer. Source: the same.
pub(super) const VOID_LOOKUPS_MAX: u32 = 2;
/// Hosts of an `mx`, and names of an address. Source: the same.
const NAMES_MAX: usize = 10;
/// How long the names of an address, and an explanation, may take. The owner of the address has the
/// first in hand: it is not to keep a result from being found.
const ASIDE: Duration = Duration::from_secs(2);

/// One check, with what all of its records share.
pub(super) struct Evaluation<'a> {
    query: Query<'a>,
    resolver: &'a dyn Resolver,
    lookups: u32,
    void_lookups: u32,
    /// The names that the address proved, once they are known.
    validated: Option<Vec<String>>,
    /// What the domain that failed the client says about it.
    pub(super) explanation: Option<String>,
}

/// How the check of one domain ended.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) word: Word,
    pub(super) reason: String,
}

impl Verdict {
    fn new(word: Word, reason: impl Into<String>) -> Self {
        Self { word, reason: reason.into() }
    }
}

/// What ends a check before its result.
type Checked<T> = Result<T, Verdict>;

/// A check of a domain inside one.
type Nested<'b> = Pin<Box<dyn Future<Output = Verdict> + Send + 'b>>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(query: Query<'a>, resolver: &'a dyn Resolver) -> Self {
        let (lookups, void_lookups) = (0, 0);
        Self { query, resolver, lookups, void_lookups, validated: None, explanation: None }
    }

    /// Checks a domain; it calls itself for `include` and `redirect`, at most as often as there
    /// may be lookups.
    pub(super) fn check_host(&mut self, domain: String) -> Nested<'_> {
        Box::pin(async move {
            match self.evaluate(&domain).await {
                Ok(verdict) | Err(verdict) => verdict,
            }
        })
    }

    async fn evaluate(&mut self, domain: &str) -> Checked<Verdict> {
        let record = self.record(domain).await?;
        for directive in &record.directives {
            if self.matches(directive, domain).await? {
                if directive.word == Word::Fail {
                    let explained = timeout(ASIDE, self.explain(record.exp.as_ref(), domain));
                    self.explanation = explained.await.unwrap_or_default();
                }
                let reason = format!("{domain} says `{}`", directive.text);
                return Ok(Verdict::new(directive.word, reason));
            }
        }
        let Some(redirect) = &record.redirect else {
            return Ok(Verdict::new(Word::Neutral, format!("{domain} says nothing of the client")));
        };
        self.count_lookup()?;
        let target = self.name(redirect, domain).await;
        let verdict = self.check_host(target.clone()).await;
        if verdict.word == Word::None {
            return Ok(Verdict::new(Word::PermError, format!("{target} has no record")));
        }
        Ok(verdict)
    }

    /// The one record of a domain. Source: RFC 7208 sections 4.3 to 4.5.
    async fn record(&self, domain: &str) -> Checked<Record> {
        if !is_host_name(domain) || !domain.trim_end_matches('.').contains('.') {
            return Err(Verdict::new(Word::None, format!("`{domain}` is no name of a domain")));
        }
        let texts = match self.resolver.txt(domain).await {
            Answer::Found(texts) => texts,
            Answer::Temporary(why) => return Err(temporary(domain, &why)),
            Answer::NoSuchDomain | Answer::NoData => Vec::new(),
        };
        let mut records = texts.iter().filter(|text| is_spf(text));
        match (records.next(), records.next()) {
            (None, _) => Err(Verdict::new(Word::None, format!("{domain} has no record"))),
            (Some(_), Some(_)) => {
                Err(Verdict::new(Word::PermError, format!("{domain} has more than one record")))
            }
            (Some(record), None) => Record::parse(record)
                .map_err(|bad| Verdict::new(Word::PermError, format!("{domain}: {bad}"))),
        }
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Checked<bool> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Network(network, bits) => Ok(agree(*network, self.query.ip, *bits)),
            Mechanism::Include(target) => {
                self.count_lookup()?;
                let target = self.name(target, domain).await;
                self.include(target).await
            }
            Mechanism::A(target, prefixes) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain).await;
                self.has_address(&target, *prefixes).await
            }
            Mechanism::Mx(target, prefixes) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain).await;
                self.is_exchanger(&target, *prefixes).await
            }
            Mechanism::Ptr(target) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain).await;
                let names = self.validated_names().await;
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(target) => {
                self.count_lookup()?;
                let target = self.name(target, domain).await;
                self.exists(&target).await
            }
        }
    }

    /// Source: RFC 7208 section 5.2.
    async fn include(&mut self, target: String) -> Checked<bool> {
        let verdict = self.check_host(target.clone()).await;
        self.explanation = None;
        match verdict.word {
            Word::Pass => Ok(true),
            Word::Fail | Word::SoftFail | Word::Neutral => Ok(false),
            Word::None => {
                Err(Verdict::new(Word::PermError, format!("included {target} has no record")))
            }
            _ => Err(verdict),
        }
    }

    async fn has_address(&mut self, host: &str, prefixes: Prefixes) -> Checked<bool> {
        let client = self.query.ip;
        let addresses = self.addresses(host).await?;
        Ok(addresses.into_iter().any(|address| prefixes.cover(client, address)))
    }

    /// The addresses of a host that are of the client's family.
    async fn addresses(&mut self, host: &str) -> Checked<Vec<IpAddr>> {
        if !is_host_name(host) {
            return self.count_void(Answer::<Vec<IpAddr>>::NoSuchDomain, host);
        }
        if self.query.ip.is_ipv4() {
            let answer = self.resolver.ipv4(host).await;
            Ok(self.count_void(answer, host)?.into_iter().map(IpAddr::V4).collect())
        } else {
            let answer = self.resolver.ipv6(host).await;
            Ok(self.count_void(answer, host)?.into_iter().map(IpAddr::V6).collect())
        }
    }

    async fn is_exchanger(&mut self, domain: &str, prefixes: Prefixes) -> Checked<bool> {
        let answer = if is_host_name(domain) {
            self.resolver.mx(domain).await
        } else {
            Answer::NoSuchDomain
        };
        let hosts = self.count_void(answer, domain)?;
        if hosts.len() > NAMES_MAX {
            let reason = format!("{domain} has more than {NAMES_MAX} MX records");
            return Err(Verdict::new(Word::PermError, reason));
        }
        for (_, host) in hosts.iter().filter(|(_, host)| host != ".") {
            if self.has_address(host, prefixes).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn exists(&mut self, name: &str) -> Checked<bool> {
        let answer =
            if is_host_name(name) { self.resolver.ipv4(name).await } else { Answer::NoSuchDomain };
        Ok(!self.count_void(answer, name)?.is_empty())
    }

    fn count_lookup(&mut self) -> Checked<()> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            let reason = format!("it takes more than {LOOKUPS_MAX} lookups");
            return Err(Verdict::new(Word::PermError, reason));
        }
        Ok(())
    }

    /// What an answer has; those that have nothing are counted.
    fn count_void<T>(&mut self, answer: Answer<Vec<T>>, name: &str) -> Checked<Vec<T>> {
        match answer {
            Answer::Found(records) => Ok(records),
            Answer::Temporary(why) => Err(temporary(name, &why)),
            Answer::NoSuchDomain | Answer::NoData => {
                self.void_lookups += 1;
                if self.void_lookups > VOID_LOOKUPS_MAX {
                    let reason = format!("more than {VOID_LOOKUPS_MAX} lookups have no answer");
                    return Err(Verdict::new(Word::PermError, reason));
                }
                Ok(Vec::new())
            }
        }
    }

    async fn target(&mut self, target: Option<&Macros>, domain: &str) -> String {
        match target {
            Some(target) => self.name(target, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn name(&mut self, macros: &Macros, domain: &str) -> String {
        let validated = self.validated_for(macros, domain).await;
        macros.expand_domain(&self.values(domain, validated.as_deref()))
    }

    fn values<'b>(&'b self, domain: &'b str, validated: Option<&'b str>) -> Values<'b> {
        let query = &self.query;
        Values {
            local: query.local,
            sender_domain: query.domain,
            domain,
            ip: query.ip,
            helo: query.helo,
            host: query.host,
            seconds: query.seconds,
            validated,
        }
    }

    /// The name for `%{p}`: best the domain itself, then one below it, then any.
    async fn validated_for(&mut self, macros: &Macros, domain: &str) -> Option<String> {
        if !macros.needs_validated() {
            return None;
        }
        let names = self.validated_names().await;
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_within(name, domain));
        same.or_else(below).or_else(|| names.first()).cloned()
    }

    /// The names of the client's address that lead back to it. An error is no name, and neither is
    /// one that takes long.
    ///
    /// Source: RFC 7208 section 5.5.
    async fn validated_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.validated {
            return names.clone();
        }
        let names = timeout(ASIDE, self.look_for_names()).await.unwrap_or_default();
        self.validated = Some(names.clone());
        names
    }

    async fn look_for_names(&self) -> Vec<String> {
        let ip = self.query.ip;
        let names = match self.resolver.ptr(ip).await {
            Answer::Found(names) => names,
            _ => Vec::new(),
        };
        let mut validated = Vec::new();
        for name in names.into_iter().take(NAMES_MAX) {
            let leads_back = match ip {
                IpAddr::V4(ip) => found(self.resolver.ipv4(&name).await).contains(&ip),
                IpAddr::V6(ip) => found(self.resolver.ipv6(&name).await).contains(&ip),
            };
            if leads_back {
                validated.push(name.trim_end_matches('.').to_owned());
            }
        }
        validated
    }

    /// What the domain says to those who fail. Whatever is wrong with it, the result stays.
    ///
    /// Source: RFC 7208 section 6.2.
    async fn explain(&mut self, exp: Option<&Macros>, domain: &str) -> Option<String> {
        let name = self.name(exp?, domain).await;
        if !is_host_name(&name) {
            return None;
        }
        let Answer::Found(texts) = self.resolver.txt(&name).await else { return None };
        let [text] = texts.as_slice() else { return None };
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let macros = Macros::parse(text, Place::Explanation).ok()?;
        let validated = self.validated_for(&macros, domain).await;
        let text = macros.expand(&self.values(domain, validated.as_deref()));
        Some(text.chars().filter(|c| !c.is_control()).take(500).collect())
    }
}

fn found<T>(answer: Answer<Vec<T>>) -> Vec<T> {
    if let Answer::Found(records) = answer { records } else { Vec::new() }
}

/// Whether a question about a name can be asked; nobody is asked about an address.
fn is_host_name(name: &str) -> bool {
    name::is_host_name(name) && !name.contains(['[', ']'])
}

fn temporary(name: &str, why: &str) -> Verdict {
    Verdict::new(Word::TempError, format!("{name}: {why}"))
}
