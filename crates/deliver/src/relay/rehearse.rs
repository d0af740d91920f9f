//! The road to an address with nothing sent on it: what would be decided, host by host.
//!
//! The same lookups, the same table and the same connections as an attempt's, up to `RCPT`. It uses
//! no kept connection, keeps none, and counts nothing.

use mailwright_config::Host;
use mailwright_smtp::client::{Rehearsed, Transaction};
use mailwright_words::address::{Address, Domain, ReversePath};
use mailwright_words::envelope::{Envelope, Recipient, TlsWish};
use mailwright_words::reply::Reply;

use crate::connection::Connection;
use crate::mx::{self, Server};
use crate::route::{Target, route};
use crate::sts::{Known, Sts};
use crate::tls::{Demand, Need, Refused, decide};

use super::{Deliverer, Opened};

/// Something seen on the road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The servers that a route sets, or that the domain has, in the order they are tried.
    Servers {
        /// Their names.
        names: Vec<String>,
        /// Whether a route sets them.
        set: bool,
    },
    /// There are none, or one of a route is not found.
    NoServer {
        /// Why.
        why: String,
        /// Whether another day may bring another answer.
        is_temporary: bool,
    },
    /// What is known of the domain's MTA-STS policy.
    Policy {
        /// `enforce`, `testing` or `none`; nothing where there is no policy.
        mode: Option<&'static str>,
        /// Why there may be one that is not known, as a report calls it.
        trouble: Option<&'static str>,
    },
    /// A server gets nothing, whatever it offers.
    Refused {
        /// The server.
        host: String,
        /// Why.
        why: String,
        /// Whether the message fails for it; else it waits.
        is_permanent: bool,
    },
    /// How much TLS a server has to have.
    Asked {
        /// The server.
        host: String,
        /// In a word, as an attempt's row has it.
        word: &'static str,
        /// Why that much.
        why: String,
    },
    /// A connection that is good enough.
    Opened {
        /// The server.
        host: String,
        /// Where it is.
        address: String,
        /// Version and cipher; none where nothing is encrypted.
        tls: Option<String>,
        /// Why no known authority vouches for the server; none when one does.
        doubt: Option<&'static str>,
    },
    /// A server could not be spoken with, or has not what is asked of it.
    Fault {
        /// The server.
        host: String,
        /// Why.
        why: String,
    },
    /// What a server says to the envelope.
    Said {
        /// The server.
        host: String,
        /// To `MAIL`.
        mail: Reply,
        /// To `RCPT`, where it came to that.
        rcpt: Option<Reply>,
        /// All that was said.
        conversation: String,
    },
}

impl Seen {
    /// Whether the road ends here: a server has said what it has to say, or there is none.
    fn is_end(&self) -> bool {
        matches!(self, Self::Said { .. })
    }
}

impl Deliverer {
    /// Goes the road of a message from `from` to `to`, up to `RCPT`, and tells what it saw; nothing
    /// is sent. `wish` is what the message asks of the road.
    pub async fn rehearse(&self, from: &ReversePath, to: &Address, wish: TlsWish) -> Vec<Seen> {
        let domain = to.domain();
        let route = route(&self.setup.routes, domain).cloned().unwrap_or_default();
        let mut envelope = Envelope::new(from.clone(), vec![Recipient::new(to.clone())]);
        envelope.tls = wish;
        let mut seen = Vec::new();
        if route.hosts.is_empty() {
            let need = Need::new(route.tls.unwrap_or(self.setup.relay.tls), &route.digests());
            self.look_for(domain, &need, &envelope, &mut seen).await;
        } else {
            seen.push(servers(route.hosts.iter().map(|host| &host.host), true));
            self.look_at_set(&route.hosts, &envelope, &mut seen).await;
        }
        if !route.backup.is_empty() && !seen.iter().any(Seen::is_end) {
            seen.push(servers(route.backup.iter().map(|host| &host.host), true));
            self.look_at_set(&route.backup, &envelope, &mut seen).await;
        }
        seen
    }

    async fn look_for(
        &self,
        domain: &Domain,
        need: &Need,
        envelope: &Envelope,
        seen: &mut Vec<Seen>,
    ) {
        let found = match self.found(domain).await {
            Ok(found) => found,
            Err(error) => {
                let is_temporary = error.is_temporary();
                return seen.push(Seen::NoServer { why: error.to_string(), is_temporary });
            }
        };
        seen.push(servers(found.iter().map(|server| &server.name), false));
        let name = domain.as_str();
        let asks = self.asks_sts(need, domain);
        let known = if asks { self.setup.policies.policy(name).await } else { Known::default() };
        if asks {
            let mode = known.policy.as_ref().map(|policy| policy.mode.as_str());
            let trouble = known.trouble.map(crate::ledger::Failure::as_str);
            seen.push(Seen::Policy { mode, trouble });
        }
        for server in found {
            let port = self.setup.relay.port;
            let dane = self.dane(need, &server, (port, true), &[name, &server.name]).await;
            let sts = Sts::of(&known, &server.name);
            let host = server.name.clone();
            let decided = decide(need, (&dane, sts), (envelope.tls, server.sure));
            let target = |demand| Target::found(server, &self.setup.relay, demand);
            if self.look_at(&host, decided.map(target), envelope, seen).await {
                return;
            }
        }
    }

    async fn look_at_set(&self, hosts: &[Host], envelope: &Envelope, seen: &mut Vec<Seen>) {
        for host in hosts {
            let server: Server = match mx::named(self.asking(), &host.host).await {
                Ok(server) => server,
                Err(error) => {
                    let is_temporary = error.is_temporary();
                    seen.push(Seen::NoServer { why: error.to_string(), is_temporary });
                    continue;
                }
            };
            let need = Need::new(host.tls, &host.digests());
            let dane = self.dane(&need, &server, (host.port(), false), &[]).await;
            let decided = decide(&need, (&dane, Sts::None), (envelope.tls, server.sure));
            let target = |demand: Demand| Target::set(&server, host, &self.setup.relay, demand);
            if self.look_at(&server.name, decided.map(target), envelope, seen).await {
                return;
            }
        }
    }

    /// One server; says whether it gave its word.
    async fn look_at(
        &self,
        host: &str,
        decided: Result<Target, Refused>,
        envelope: &Envelope,
        seen: &mut Vec<Seen>,
    ) -> bool {
        let host = host.to_owned();
        let target = match decided {
            Ok(target) => target,
            Err(Refused { text, is_permanent, .. }) => {
                seen.push(Seen::Refused { host, why: text, is_permanent });
                return false;
            }
        };
        let Demand { why, .. } = &target.demand;
        let word = target.demand.word();
        seen.push(Seen::Asked { host: host.clone(), word, why: why.clone() });
        let mut left = target.addresses.clone();
        left.retain(|address| !self.is_own(*address));
        if left.is_empty() {
            let why = "mail loops back to this server".to_owned();
            seen.push(Seen::Fault { host, why });
            return false;
        }
        while !left.is_empty() {
            let opened: Opened = self.open(&target, &left).await;
            match opened {
                Ok(connection) => return envelope_said(&host, connection, envelope, seen).await,
                Err((fault, address, _)) => {
                    seen.push(Seen::Fault { host: host.clone(), why: fault.to_string() });
                    left.retain(|one| address.is_some_and(|address| *one != address));
                }
            }
        }
        false
    }
}

async fn envelope_said(
    host: &str,
    mut connection: Connection,
    envelope: &Envelope,
    seen: &mut Vec<Seen>,
) -> bool {
    let peer = connection.peer.as_ref();
    seen.push(Seen::Opened {
        host: host.to_owned(),
        address: connection.address.to_string(),
        tls: connection.tls.clone(),
        doubt: peer.and_then(|peer| peer.doubt).map(mailwright_net::tls::Doubt::as_str),
    });
    if envelope.tls == TlsWish::Required && !connection.capabilities().require_tls {
        let why = "it does not offer REQUIRETLS".to_owned();
        seen.push(Seen::Refused { host: host.to_owned(), why, is_permanent: true });
        connection.quit().await;
        return false;
    }
    let transaction = Transaction { envelope: envelope.clone(), bytes: 0, by: None };
    let said = connection.rehearse(&transaction).await;
    let conversation = connection.conversation();
    let host = host.to_owned();
    let gave_word = match said {
        Ok(Rehearsed { mail, recipients, .. }) => {
            let rcpt = recipients.into_iter().next();
            seen.push(Seen::Said { host, mail, rcpt, conversation });
            true
        }
        Err(fault) => {
            seen.push(Seen::Fault { host, why: fault.to_string() });
            false
        }
    };
    connection.quit().await;
    gave_word
}

fn servers<'a>(names: impl Iterator<Item = &'a String>, set: bool) -> Seen {
    Seen::Servers { names: names.cloned().collect(), set }
}
