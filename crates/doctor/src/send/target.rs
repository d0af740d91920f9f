//! Where a message goes: a host, the mail servers of a domain, or what stands in for one.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use mailwright_net::{
    dns::Answer,
    pipe,
    proxy::{self, Version},
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{Order, Phase, Sent, Trouble, trouble};
use crate::{
    reach::{Place, Reach, addresses, reach},
    world::{Stream, World},
};

/// Where the host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This host.
    Server(Place),
    /// The best that answers of those that the MX records of this domain name.
    Mx(String),
    /// What listens on this socket of the machine.
    Socket(PathBuf),
    /// This command of the shell, whose input and output are the connection.
    Program(String),
}

/// What is said in front of all, as a load balancer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy {
    /// The form.
    pub version: Version,
    /// The client in whose name we come.
    pub source: SocketAddr,
    /// What the client connected to; none for the host itself.
    pub destination: Option<SocketAddr>,
}

/// A connection, and where to.
pub(super) struct Line {
    pub(super) stream: Stream,
    pub(super) peer: Option<SocketAddr>,
}

impl Line {
    /// The address that decides whether others may listen: what is no TCP stays on this machine.
    pub(super) fn ip(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip())
    }

    /// Where it leads, for the conversation.
    pub(super) fn told(&self, host: &str) -> String {
        match self.peer {
            Some(peer) => format!("connected to {host} at {peer}"),
            None => format!("connected to {host}"),
        }
    }
}

/// Connects, and says what has to be said before the session.
pub(super) async fn connect(
    world: &World,
    order: &Order,
    sent: &mut Sent,
) -> Result<Line, Trouble> {
    let mut line = match &order.target {
        Target::Server(place) => {
            let port = place.port.unwrap_or(order.port);
            dial(world, vec![place.host.clone()], port, sent).await?
        }
        Target::Mx(domain) => {
            let hosts = mx(world, domain).await.map_err(|why| trouble(Phase::Connect, why))?;
            dial(world, hosts, order.port, sent).await?
        }
        Target::Socket(path) => {
            sent.host = path.display().to_string();
            let made = pipe::unix(path, world.timeout).await;
            let stream = made.map_err(|error| trouble(Phase::Connect, error.to_string()))?;
            Line { stream: Box::new(stream), peer: None }
        }
        Target::Program(command) => {
            sent.host.clone_from(command);
            let made = pipe::program(command);
            let stream = made.map_err(|error| trouble(Phase::Connect, error.to_string()))?;
            Line { stream: Box::new(stream), peer: None }
        }
    };
    if let Some(proxy) = order.proxy {
        let local = SocketAddr::new(line.ip(), order.port);
        let destination = proxy.destination.or(line.peer).unwrap_or(local);
        let header = proxy::header(proxy.version, proxy.source, destination);
        let written = timeout(world.timeout, line.stream.write_all(&header)).await;
        if !matches!(written, Ok(Ok(()))) {
            return Err(trouble(Phase::Connect, "the host took no PROXY header"));
        }
    }
    Ok(line)
}

/// The first host and address that takes a connection.
async fn dial(
    world: &World,
    hosts: Vec<String>,
    port: u16,
    sent: &mut Sent,
) -> Result<Line, Trouble> {
    let mut last = "there is no host".to_owned();
    for host in hosts {
        let (found, check) = addresses(world, &host).await;
        if found.is_empty() {
            last = check.found;
        }
        for address in found {
            let address = SocketAddr::new(address, port);
            match reach(world, address).await {
                Reach::Made(stream, _) => {
                    sent.host = host;
                    return Ok(Line { stream, peer: Some(address) });
                }
                other => last = format!("{host} at {address}: {}", other.words()),
            }
        }
        sent.host = host;
    }
    Err(trouble(Phase::Connect, last))
}

/// The hosts of a domain, best first. Source: RFC 5321 section 5.1, RFC 7505.
async fn mx(world: &World, domain: &str) -> Result<Vec<String>, String> {
    match world.resolver.mx(domain).await {
        Answer::Found(mut records) => {
            records.sort();
            if records.iter().all(|(_, host)| host == ".") {
                return Err(format!("{domain} takes no mail: its MX record says so"));
            }
            Ok(records.into_iter().map(|(_, host)| host).filter(|host| host != ".").collect())
        }
        Answer::NoData => Ok(vec![domain.to_owned()]),
        Answer::NoSuchDomain => Err(format!("there is no domain {domain}")),
        Answer::Temporary(why) => Err(format!("the MX of {domain} cannot be looked up: {why}")),
    }
}
