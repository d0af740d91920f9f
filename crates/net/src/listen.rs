//! Listeners: they accept, count who is here, believe load balancers, and hand connections on.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use mailwright_config::Live;

use crate::{Clock, proxy};

/// Connections that wait in the kernel.
const BACKLOG: i32 = 1024;
/// How long a load balancer may take for its header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more sockets for us.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// The rules of a listener.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Its name in the configuration.
    pub name: String,
    /// Where it listens; `[::]` takes IPv4 too.
    pub addresses: Vec<SocketAddr>,
    /// Most sessions at once.
    pub sessions_max: usize,
    /// Most sessions at once of an IPv4 address, or of an IPv6 network of 64 bits.
    pub sessions_per_address_max: usize,
    /// Load balancers, which have to send a PROXY header.
    pub proxies: Vec<IpNet>,
    /// What a client past a limit is told before it is hung up on.
    pub busy: Vec<u8>,
    /// How long sessions may take to finish when the server stops.
    pub grace: Duration,
}

/// Open ports with one set of rules.
#[derive(Debug)]
pub struct Listener {
    rules: Live<Rules>,
    sockets: Vec<TcpListener>,
    present: Present,
}

/// A client that has connected.
#[derive(Debug)]
pub struct Arrival {
    /// Its connection.
    pub stream: TcpStream,
    /// The client, on a load balancer's word where that counts.
    pub peer: SocketAddr,
    /// Where it arrived.
    pub local: SocketAddr,
}

impl Listener {
    /// Opens the ports. Needs a runtime.
    ///
    /// Errors: a port is taken or forbidden; the text names it.
    pub fn bind(rules: Rules) -> io::Result<Self> {
        let named = |address: &SocketAddr, error: io::Error| {
            io::Error::new(error.kind(), format!("{address}: {error}"))
        };
        let sockets = rules
            .addresses
            .iter()
            .map(|address| open(*address).map_err(|error| named(address, error)))
            .collect::<io::Result<_>>()?;
        Ok(Self { rules: Live::new(rules), sockets, present: Present::default() })
    }

    /// Its rules, to be replaced while it runs; where it listens stays as it is.
    pub fn rules(&self) -> Live<Rules> {
        self.rules.clone()
    }

    /// Where it listens really, when a port was 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Accepts until `shutdown` is true, then waits for the sessions, as long as the rules say.
    pub async fn run<F, S>(self, clock: Arc<dyn Clock>, shutdown: watch::Receiver<bool>, session: F)
    where
        F: Fn(Arrival) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let mut ports = JoinSet::new();
        for socket in self.sockets {
            let (rules, present) = (self.rules.clone(), self.present.clone());
            let port = Port { socket, rules, present, clock: Arc::clone(&clock) };
            ports.spawn(port.run(shutdown.clone(), session.clone()));
        }
        while ports.join_next().await.is_some() {}
    }
}

struct Port {
    socket: TcpListener,
    rules: Live<Rules>,
    present: Present,
    clock: Arc<dyn Clock>,
}

impl Port {
    async fn run<F, S>(self, mut shutdown: watch::Receiver<bool>, session: F)
    where
        F: Fn(Arrival) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut shutdown) => break,
                Some(ended) = sessions.join_next() => log_panic(ended),
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => self.arrive(stream, peer, &mut sessions, &session),
                    Err(error) => {
                        let rules = self.rules.now();
                        let listener = rules.name.as_str();
                        tracing::warn!(listener, %error, "Connection not accepted.");
                        self.clock.sleep(EXHAUSTED_WAIT).await;
                    }
                }
            }
        }
        drop(self.socket);
        let all = async {
            while let Some(ended) = sessions.join_next().await {
                log_panic(ended);
            }
        };
        let rules = self.rules.now();
        if timeout(rules.grace, all).await.is_err() {
            let listener = rules.name.as_str();
            tracing::warn!(listener, sessions = sessions.len(), "Sessions cut off.");
        }
    }

    fn arrive<F, S>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        sessions: &mut JoinSet<()>,
        session: &F,
    ) where
        F: Fn(Arrival) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let rules = self.rules.now();
        if sessions.len() >= rules.sessions_max {
            return turn_away(&rules, &stream, peer);
        }
        let (present, session) = (self.present.clone(), session.clone());
        sessions.spawn(async move {
            let arrival = match introduce(stream, peer, &rules.proxies).await {
                Ok(arrival) => arrival,
                Err(error) => {
                    let listener = rules.name.as_str();
                    tracing::debug!(listener, %peer, %error, "Connection dropped.");
                    return;
                }
            };
            let Some(place) = present.enter(arrival.peer.ip(), &rules) else {
                return turn_away(&rules, &arrival.stream, arrival.peer);
            };
            session(arrival).await;
            drop(place);
        });
    }
}

/// Waits for the word to stop, or for whoever could say it to be gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    if let Err(gone) = shutdown.wait_for(|stop| *stop).await {
        tracing::debug!(%gone, "Listener stops with its owner.");
    }
}

fn turn_away(rules: &Rules, stream: &TcpStream, peer: SocketAddr) {
    let listener = rules.name.as_str();
    // A new connection's buffer is empty: all of it fits, or the client is gone.
    let told = stream.try_write(&rules.busy);
    tracing::warn!(listener, %peer, ?told, "Session refused: too many are open.");
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "Session ended by a panic.");
    }
}

async fn introduce(
    mut stream: TcpStream,
    peer: SocketAddr,
    proxies: &[IpNet],
) -> io::Result<Arrival> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let mut arrival_peer = peer;
    if proxies.iter().any(|net| net.contains(&peer.ip())) {
        let source = timeout(HEADER_TIMEOUT, header(&mut stream))
            .await
            .map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
        arrival_peer = source.unwrap_or(peer);
    }
    Ok(Arrival { stream, peer: arrival_peer, local })
}

/// Reads a header and not an octet more.
async fn header(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::new();
    loop {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if let Some(header) = proxy::parse(&bytes).map_err(invalid)? {
            return Ok(header.source);
        }
        bytes.push(stream.read_u8().await?);
    }
}

/// Opens one port; `[::]` takes IPv4 too. Needs a runtime.
///
/// Errors: the port is taken, or needs a right this process has not.
pub fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(ip != Ipv6Addr::UNSPECIFIED)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Who has a session on this listener, and how many.
#[derive(Debug, Clone, Default)]
struct Present(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Present {
    /// A place for a client; `None` when its network has all it may have, or the house is full.
    fn enter(&self, ip: IpAddr, rules: &Rules) -> Option<Place> {
        let network = network(ip);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let count = counts.get(&network).copied().unwrap_or(0);
        if count >= rules.sessions_per_address_max || all >= rules.sessions_max {
            return None;
        }
        counts.insert(network, count.saturating_add(1));
        Some(Place { present: self.clone(), network })
    }
}

/// A client's place, given back when dropped.
struct Place {
    present: Present,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.present.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get(&self.network).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            counts.remove(&self.network);
        } else {
            counts.insert(self.network, left);
        }
    }
}

/// An IPv6 client commonly has all of a network of 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests;
