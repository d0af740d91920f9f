//! Asks what is beyond a message: the DNS for its origin, lists for its domains, filters.
//!
//! Everything is asked at once, each in a bounded time; what has no answer is said to be unknown.
//! Without the DNS the records that were given by hand still count. A client that is on no public
//! address is not taken for the one that will send.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use mailwright_config::{Checks, GivenRecords, Opened};
use mailwright_mailauth::{Client, Letter, Limits, Verifier};
use mailwright_net::dns::list::{self, ListKind, ListWord};
use mailwright_net::dns::{Given, Resolver};
use mailwright_net::egress::{Egress, address};
use mailwright_words::{Domain, ReversePath, Timestamp};
use tokio::task::JoinSet;

use crate::facts::{Context, Facts};
use crate::filter::{rspamd, spamd};
use crate::links::{host_of, site};
use crate::message::Message;
use crate::verdict::{Auth, Found, List, ListEntry, Opinion, Rating, Verdicts};

/// How a message came, or will come, to its reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journey {
    /// The address that sends.
    pub client: Option<IpAddr>,
    /// Whether that address was named by somebody, so that it counts wherever it is.
    pub is_named: bool,
    /// How the client names itself.
    pub helo: String,
    /// The reverse-path, without its brackets; none where it is not known.
    pub reverse_path: Option<String>,
    /// The forward-paths.
    pub recipients: Vec<String>,
    /// When it came.
    pub came: Option<Timestamp>,
}

impl Journey {
    /// The address that will send, as far as that can be told.
    fn sender(&self) -> Option<IpAddr> {
        let ip = self.client.map(|ip| ip.to_canonical());
        ip.filter(|ip| self.is_named || address::public(*ip).is_ok())
    }
}

/// What may be asked.
#[derive(Debug, Clone)]
pub struct Outside {
    settings: Checks,
    resolver: Option<Arc<dyn Resolver>>,
    egress: Option<Egress>,
}

impl Outside {
    /// What `settings` let it ask; of the DNS, what `egress` asks, where that is `online` or
    /// settings say so.
    pub fn new(settings: Checks, egress: Option<Egress>, online: bool) -> Self {
        let resolver = egress.as_ref().filter(|_| online || settings.dns).map(Egress::resolver);
        Self { settings, resolver, egress }
    }

    /// The same with more records that were given by hand.
    #[must_use]
    pub fn with(mut self, records: GivenRecords) -> Self {
        // Those for one message come before those for all.
        self.settings.records = records.with(self.settings.records);
        self
    }

    /// The same with this resolver in place of that of the web's client.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Whether nobody is asked anything.
    pub const fn is_empty(&self) -> bool {
        let settings = &self.settings;
        self.resolver.is_none()
            && settings.records.is_empty()
            && settings.spamd.is_none()
            && settings.rspamd.is_none()
    }

    /// Asks what there is to ask about a message, with CRLF.
    pub async fn ask(&self, message: &[u8], mut journey: Journey) -> Verdicts {
        if self.is_empty() {
            return Verdicts::default();
        }
        if let Some(ip) = self.settings.send_from.filter(|_| !journey.is_named) {
            (journey.client, journey.is_named) = (Some(ip), true);
        }
        if let Some(helo) = &self.settings.helo {
            journey.helo.clone_from(helo);
        }
        let (auth, lists, spamd, rspamd) = tokio::join!(
            self.auth(message, &journey),
            self.lists(message, &journey),
            self.spamd(message),
            self.rspamd(message, &journey),
        );
        let filters = spamd.into_iter().chain(rspamd).collect();
        Verdicts { auth, lists, filters }
    }

    async fn auth(&self, message: &[u8], journey: &Journey) -> Option<Auth> {
        if self.resolver.is_none() && self.settings.records.is_empty() {
            return None;
        }
        let given = Given::new(&self.settings.records, self.resolver.clone());
        let verifier = Verifier::new(Arc::new(given)).ok()?;
        let path = journey.reverse_path.as_deref().map(ReversePath::parse);
        // A sender that is no address has a domain that nobody can ask for.
        let path = path.and_then(Result::ok);
        let ip = journey.sender();
        let client = Client { ip, helo: &journey.helo, mail_from: path.as_ref() };
        let came = journey.came.unwrap_or(Timestamp::new(0));
        let letter = Letter { message, client: Some(client), came, host: "localhost" };
        let limits = Limits { timeout: self.settings.timeout, ..Limits::default() };
        let found = verifier.examine(letter, &limits).await;
        Some(Auth {
            client: ip,
            spf: found.mail_from.or(found.helo),
            dkim: found.dkim.into_iter().map(|signed| signed.dkim).collect(),
            dmarc: found.dmarc,
        })
    }

    async fn lists(&self, message: &[u8], journey: &Journey) -> Option<Vec<List>> {
        let resolver = self.resolver.as_ref()?;
        let settings = &self.settings;
        let zones = settings.address_lists.iter().map(|zone| (zone, ListKind::Addresses));
        let zones = zones.chain(settings.domain_lists.iter().map(|zone| (zone, ListKind::Domains)));
        let addresses: Vec<String> = journey.sender().iter().map(ToString::to_string).collect();
        let domains = self.domains(message, journey).await;
        let mut asking = JoinSet::new();
        for (place, (zone, kind)) in zones.enumerate() {
            let (zone, resolver) = (zone.clone(), Arc::clone(resolver));
            let asked = if kind == ListKind::Addresses { &addresses } else { &domains };
            let (asked, limit) = (asked.clone(), settings.timeout);
            asking.spawn(async move {
                let asking = look(&*resolver, &zone, kind, asked);
                let late = |_| List {
                    zone: zone.clone(),
                    kind,
                    unsound: Some("it gives no answer in time".to_owned()),
                    entries: Vec::new(),
                };
                (place, tokio::time::timeout(limit, asking).await.unwrap_or_else(late))
            });
        }
        let mut all = Vec::new();
        while let Some(done) = asking.join_next().await {
            all.extend(done.ok());
        }
        all.sort_by_key(|(place, _)| *place);
        Some(all.into_iter().map(|(_, list)| list).collect()).filter(|all: &Vec<_>| !all.is_empty())
    }

    /// The domains of a message: of its author, its envelope, its signatures, its links.
    async fn domains(&self, message: &[u8], journey: &Journey) -> Vec<String> {
        if self.settings.domain_lists.is_empty() {
            return Vec::new();
        }
        let (message, journey) = (message.to_vec(), journey.clone());
        let found = tokio::task::spawn_blocking(move || domains(&message, &journey)).await;
        let mut found = found.unwrap_or_default();
        found.truncate(self.settings.domains_max);
        found
    }

    async fn spamd(&self, message: &[u8]) -> Option<Opinion> {
        let place = self.settings.spamd.as_ref()?;
        let rating = match self.fits(message) {
            Ok(()) => spamd(place, message, self.settings.timeout).await,
            Err(why) => Err(why),
        };
        Some(Opinion { filter: "spamd", rating })
    }

    async fn rspamd(&self, message: &[u8], journey: &Journey) -> Option<Opinion> {
        let base = self.settings.rspamd.as_ref()?;
        Some(Opinion { filter: "rspamd", rating: self.rated(base, message, journey).await })
    }

    async fn rated(&self, base: &str, message: &[u8], journey: &Journey) -> Result<Rating, String> {
        self.fits(message)?;
        let egress = self.egress.as_ref().ok_or("this server asks nobody")?;
        let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
        let host: Opened = authority.split('/').next().unwrap_or_default().parse()?;
        // The operator named it: it may be on this machine.
        rspamd(&egress.opened(host, self.settings.timeout), base, message, journey).await
    }

    fn fits(&self, message: &[u8]) -> Result<(), String> {
        let most = self.settings.filter_size_max;
        let size = u64::try_from(message.len()).unwrap_or(u64::MAX);
        if size > most { Err(format!("the message is over {most} octets")) } else { Ok(()) }
    }
}

/// Asks one list about all of `asked`, after its own test entries.
async fn look(resolver: &dyn Resolver, zone: &str, kind: ListKind, asked: Vec<String>) -> List {
    let unsound = list::sound(resolver, zone, kind).await.err().map(|unsound| unsound.why);
    let mut entries = Vec::new();
    for what in asked.into_iter().filter(|_| unsound.is_none()) {
        let name = match what.parse::<IpAddr>() {
            Ok(ip) => list::of_address(ip, zone),
            Err(_) => format!("{what}.{zone}"),
        };
        let found = match list::ask(resolver, &name).await {
            ListWord::Listed(codes) => {
                Found::Listed { codes, reason: list::reason(resolver, &name).await }
            }
            ListWord::Free => Found::Free,
            ListWord::Refused(code) => Found::Unknown(format!("it refuses the question ({code})")),
            ListWord::Silent(why) => Found::Unknown(why),
        };
        entries.push(ListEntry { what, found });
    }
    List { zone: zone.to_owned(), kind, unsound, entries }
}

/// The registered domains of a message, each once, the author's first.
fn domains(message: &[u8], journey: &Journey) -> Vec<String> {
    let message = Message::read(message);
    let facts = Facts::new(&message, Context::default());
    let mut named: Vec<String> = facts.from.iter().map(|person| person.domain.clone()).collect();
    let path = journey.reverse_path.as_deref().and_then(|path| path.rsplit_once('@'));
    named.extend(path.map(|(_, domain)| domain.to_ascii_lowercase()));
    named.extend(facts.links.iter().filter_map(|link| host_of(&link.url)));
    let mut seen = BTreeSet::new();
    let asked = named.iter().filter_map(|name| askable(name));
    asked.filter(|domain| seen.insert(domain.clone())).collect()
}

/// The registered domain of a name as the DNS has it, in A-labels; nothing where it has none.
fn askable(name: &str) -> Option<String> {
    // Names with an underscore are none of a host, but may have been registered below.
    let name = Domain::parse(name).map_or_else(|_| name.to_ascii_lowercase(), |n| n.to_string());
    let domain = site(&name);
    let is_domain = domain.contains('.')
        && domain.parse::<IpAddr>().is_err()
        && domain.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c));
    (is_domain && domain.len() <= 253).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests;
