//! Looks the records of a domain up, and says of each what is right or wrong with it.
//!
//! What could not be looked up is told apart from what is not there. Records are judged by what
//! they mean: an SPF record by whether it lets our addresses send, a DMARC record also when it is
//! that of a domain above. Source: RFC 7208, RFC 6376, RFC 8461, RFC 8460, RFC 9989.

mod demand;
mod spf;
mod tag;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::Poll;

use mailwright_net::dns::{Answer, Resolver};

use super::records::{Facts, Purpose, Record};

pub(super) use demand::{Demand, demands};
use spf::Spf;
use tag::Tags;

/// Labels of a domain above which no DMARC record is looked for. Source: RFC 9989 section 4.10.
const LABELS_MAX: usize = 8;

/// What is to be said of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Right,
    Wrong,
    Missing,
    Unknown,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Missing => "missing",
            Self::Unknown => "cannot know",
        }
    }
}

/// A record with what was found in its place.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) record: Record,
    pub(super) state: State,
    /// What is there, or why it cannot be known.
    pub(super) found: String,
}

impl Finding {
    /// Whether somebody has to do something about it.
    pub(super) const fn is_trouble(&self) -> bool {
        match self.state {
            State::Right => false,
            State::Wrong => true,
            State::Missing | State::Unknown => self.record.purpose.is_needed(),
        }
    }
}

/// What was found out about the addresses that we send from.
#[derive(Debug, Clone, Default)]
pub(super) struct Senders {
    /// The addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Why they are not known.
    pub(super) unknown: Option<String>,
    /// Those whose name does not lead back to them, and why.
    pub(super) nameless: Vec<String>,
    /// Those whose name could not be looked up.
    pub(super) unclear: Vec<String>,
}

/// Looks at each record.
pub(super) async fn findings(
    dns: &dyn Resolver,
    facts: &Facts<'_>,
    (records, senders): (Vec<Record>, &Senders),
) -> Vec<Finding> {
    let inspector = &Inspector { dns, facts, senders };
    let look = |record: Record| -> Later<'_, Finding> {
        Box::pin(async move {
            let (state, found) = inspector.look(&record).await;
            Finding { record, state, found }
        })
    };
    together(records.into_iter().map(look).collect()).await
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Does all at once: a name server that does not answer holds up no other. The answers come in the
/// order of the questions.
async fn together<T>(mut asked: Vec<Later<'_, T>>) -> Vec<T> {
    let mut answers: Vec<Option<T>> = asked.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (later, answer) in asked.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(found) = later.as_mut().poll(context)
            {
                *answer = Some(found);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// Finds out where we send from, and whether those addresses have names that lead back.
pub(super) async fn senders(dns: &dyn Resolver, facts: &Facts<'_>) -> Senders {
    let mut senders = Senders::default();
    if facts.sources.is_empty() {
        match dns.addresses(facts.hostname).await {
            Answer::Found(addresses) => senders.addresses = addresses,
            Answer::NoData | Answer::NoSuchDomain => {
                senders.unknown = Some(format!("{} has no address", facts.hostname));
            }
            Answer::Temporary(why) => senders.unknown = Some(why),
        }
    } else {
        senders.addresses = facts.sources.to_vec();
    }
    for address in senders.addresses.clone() {
        match leads_back(dns, address).await {
            Ok(true) => {}
            Ok(false) => senders.nameless.push(address.to_string()),
            Err(why) => senders.unclear.push(format!("{address}: {why}")),
        }
    }
    senders
}

/// Whether a name of the address has the address.
async fn leads_back(dns: &dyn Resolver, address: IpAddr) -> Result<bool, String> {
    let names = match dns.ptr(address).await {
        Answer::Found(names) => names,
        Answer::NoData | Answer::NoSuchDomain => return Ok(false),
        Answer::Temporary(why) => return Err(why),
    };
    for name in names.iter().take(10) {
        match dns.addresses(name).await {
            Answer::Found(addresses) if addresses.contains(&address) => return Ok(true),
            Answer::Temporary(why) => return Err(why),
            _ => {}
        }
    }
    Ok(false)
}

struct Inspector<'a> {
    dns: &'a dyn Resolver,
    facts: &'a Facts<'a>,
    senders: &'a Senders,
}

/// What is to be said, and what was found.
type Said = (State, String);

impl Inspector<'_> {
    async fn look(&self, record: &Record) -> Said {
        match record.purpose {
            Purpose::Mx => self.mx(name(record)).await,
            Purpose::ReturnPath if record.kind == "MX" => self.mx(name(record)).await,
            Purpose::Spf | Purpose::HostSpf | Purpose::ReturnPath => self.spf(name(record)).await,
            Purpose::Dkim => self.dkim(record).await,
            Purpose::Dmarc => self.dmarc().await,
            Purpose::TlsRpt => self.tagged(record, "TLSRPTv1", "rua").await,
            Purpose::MtaSts => self.policy_record(record).await,
            Purpose::MtaStsHost
            | Purpose::Tracking
            | Purpose::Autoconfig
            | Purpose::Autodiscover => self.leads_here(name(record)).await,
            Purpose::Srv => self.srv(record).await,
            Purpose::Tlsa => self.tlsa(record).await,
        }
    }

    async fn mx(&self, domain: &str) -> Said {
        match self.dns.mx(domain).await {
            Answer::Found(mut hosts) => {
                hosts.sort();
                let ours = |(_, host): &(u16, String)| same(host, self.facts.hostname);
                let state = if hosts.iter().any(ours) { State::Right } else { State::Wrong };
                let told = hosts.iter().map(|(rank, host)| format!("{rank} {host}"));
                (state, told.collect::<Vec<_>>().join(", "))
            }
            other => absent(other),
        }
    }

    /// Right when every address that we send from may.
    async fn spf(&self, domain: &str) -> Said {
        let text = match spf::record(self.dns, domain).await {
            Ok(text) => text,
            Err(Spf::Missing) => return (State::Missing, String::new()),
            Err(Spf::Unknown(why)) => return (State::Unknown, why),
            Err(Spf::Broken(why) | Spf::NotPass(why)) => return (State::Wrong, why),
            Err(Spf::Pass) => String::new(),
        };
        if let Some(why) = &self.senders.unknown {
            return (State::Unknown, format!("{text} ({why})"));
        }
        for address in &self.senders.addresses {
            match spf::evaluate(self.dns, domain, *address).await {
                Spf::Pass => {}
                Spf::Unknown(why) => return (State::Unknown, format!("{text} ({why})")),
                Spf::NotPass(term) => {
                    return (State::Wrong, format!("{text} ({address} may not send: {term})"));
                }
                Spf::Broken(why) => return (State::Wrong, format!("{text} ({why})")),
                Spf::Missing => return (State::Missing, String::new()),
            }
        }
        (State::Right, text)
    }

    async fn dkim(&self, record: &Record) -> Said {
        let texts = match self.dns.txt(name(record)).await {
            Answer::Found(texts) => texts,
            other => return absent(other),
        };
        let [text] = texts.as_slice() else {
            return (State::Wrong, format!("{} TXT records", texts.len()));
        };
        let text = String::from_utf8_lossy(text).into_owned();
        let (found, wanted) = (Tags::of(&text), Tags::of(&record.data));
        let same = found.plain("p") == wanted.plain("p")
            && found.get("k").unwrap_or("rsa") == wanted.get("k").unwrap_or("rsa")
            && found.get("v").is_none_or(|version| version == "DKIM1");
        (if same { State::Right } else { State::Wrong }, text)
    }

    /// The record of the domain, or of the nearest one above it that has one.
    async fn dmarc(&self) -> Said {
        let mut rest = self.facts.domain;
        while rest.split('.').count() > LABELS_MAX {
            rest = rest.split_once('.').map_or(rest, |(_, above)| above);
        }
        loop {
            let texts = match self.dns.txt(&format!("_dmarc.{rest}")).await {
                Answer::Found(texts) => texts,
                Answer::Temporary(why) => return (State::Unknown, why),
                Answer::NoData | Answer::NoSuchDomain => Vec::new(),
            };
            let texts = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned());
            let texts: Vec<String> =
                texts.filter(|text| Tags::of(text).is_first("v", "DMARC1")).collect();
            match texts.as_slice() {
                [] => {}
                [text] => return self.policy(rest, text),
                more => return (State::Wrong, format!("{} records", more.len())),
            }
            match rest.split_once('.') {
                Some((_, above)) if above.contains('.') => rest = above,
                _ => return (State::Missing, String::new()),
            }
        }
    }

    fn policy(&self, of: &str, text: &str) -> Said {
        let tags = Tags::of(text);
        let is_own = same(of, self.facts.domain);
        let own = tags.get("p");
        let policy = if is_own { own } else { tags.get("sp").or(own) };
        let is_policy = |word: &str| {
            ["none", "quarantine", "reject"].iter().any(|one| word.eq_ignore_ascii_case(one))
        };
        let state = if policy.is_some_and(is_policy) { State::Right } else { State::Wrong };
        let from = if is_own { String::new() } else { format!(" (of {of})") };
        (state, format!("{text}{from}"))
    }

    /// A record with the id of the policy that is shown; with another one nobody fetches it anew.
    async fn policy_record(&self, record: &Record) -> Said {
        let (state, text) = self.tagged(record, "STSv1", "id").await;
        let is_ours = Tags::of(&text).get("id") == Tags::of(&record.data).get("id");
        if state == State::Right && !is_ours { (State::Wrong, text) } else { (state, text) }
    }

    /// A record of this version that has this tag.
    async fn tagged(&self, record: &Record, version: &str, tag: &str) -> Said {
        let texts = match self.dns.txt(name(record)).await {
            Answer::Found(texts) => texts,
            other => return absent(other),
        };
        let texts: Vec<String> =
            texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        let versioned = texts.iter().filter(|text| Tags::of(text).is_first("v", version));
        let [text] = versioned.collect::<Vec<_>>()[..] else {
            return (State::Wrong, texts.join(", "));
        };
        let has = Tags::of(text).get(tag).is_some_and(|value| !value.is_empty());
        (if has { State::Right } else { State::Wrong }, text.clone())
    }

    /// Whether a name has an address of this server.
    async fn leads_here(&self, name: &str) -> Said {
        let found = match self.dns.addresses(name).await {
            Answer::Found(found) => found,
            other => return absent(other),
        };
        let told = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self.dns.addresses(self.facts.hostname).await {
            Answer::Found(ours) if found.iter().any(|one| ours.contains(one)) => {
                (State::Right, told)
            }
            Answer::Temporary(why) => (State::Unknown, why),
            _ => (State::Wrong, told),
        }
    }

    /// Whether the record is there, and signed. Source: RFC 7672 section 2.2.
    async fn tlsa(&self, record: &Record) -> Said {
        let found = match self.dns.tlsa(name(record)).await {
            Answer::Found(found) => found,
            other => return absent(other),
        };
        let told: Vec<String> = found.records.iter().map(ToString::to_string).collect();
        let there = told.contains(&record.data);
        let told = told.join(", ");
        match (there, found.secure, self.facts.validates) {
            (false, ..) => (State::Wrong, told),
            (true, true, _) => (State::Right, told),
            (true, false, true) => {
                (State::Wrong, format!("{told} (not signed: nobody goes by it)"))
            }
            (true, false, false) => {
                (State::Unknown, format!("{told} (whether it is signed needs `dns.dnssec`)"))
            }
        }
    }

    async fn srv(&self, record: &Record) -> Said {
        let found = match self.dns.srv(name(record)).await {
            Answer::Found(found) => found,
            // Not to be there is as good as to be said to be absent.
            Answer::NoData | Answer::NoSuchDomain if record.data.ends_with(" .") => {
                return (State::Right, String::new());
            }
            other => return absent(other),
        };
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        // Priority and weight are the operator's to choose.
        let place = |data: &str| data.rsplit(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
        let wanted = place(&record.data.to_ascii_lowercase());
        let right = told.iter().any(|data| place(&data.to_ascii_lowercase()) == wanted);
        (if right { State::Right } else { State::Wrong }, told.join(", "))
    }
}

/// Nothing there, or nothing known.
fn absent<T>(answer: Answer<T>) -> Said {
    match answer {
        Answer::Temporary(why) => (State::Unknown, why),
        _ => (State::Missing, String::new()),
    }
}

fn name(record: &Record) -> &str {
    record.name.trim_end_matches('.')
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}
