//! Connecting to hosts: both families get their turn soon, and the first that answers is taken.
//!
//! Source: RFC 8305, of which this is the part about connection attempts.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};

/// How long an attempt stands alone. Source: RFC 8305 section 8.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connections that are under way at once.
const SOCKETS_MAX: usize = 4;

/// Connects to the first of `addresses` that answers, each given `limit`.
///
/// Families take turns, beginning with that of the first address; the first of `sources` of a
/// host's family is the local address.
///
/// Errors: the last attempt's; `AddrNotAvailable` when there is nothing to try.
pub async fn dial(
    addresses: &[SocketAddr],
    sources: &[IpAddr],
    limit: Duration,
) -> io::Result<(TcpStream, SocketAddr)> {
    let mut rest = take_turns(addresses);
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address to connect to");
    loop {
        if attempts.len() < SOCKETS_MAX
            && let Some(address) = rest.pop_front()
        {
            let own = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
            let source = sources.iter().find(own).map(|source| SocketAddr::new(*source, 0));
            attempts.spawn(attempt(address, source, limit));
        }
        let is_full = attempts.len() >= SOCKETS_MAX;
        let next = attempts.join_next();
        let ended = if rest.is_empty() || is_full {
            next.await
        } else {
            // The next address gets its turn.
            let Ok(ended) = timeout(HEAD_START, next).await else { continue };
            ended
        };
        match ended {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(error))) => last = error,
            Some(Err(panicked)) => last = io::Error::other(panicked),
            None => return Err(last),
        }
    }
}

/// Connects to `address` from `source`; its port may be 0, for any.
///
/// Errors: `AddrNotAvailable` when they are of different families; else those of the connection.
pub async fn dial_from(
    address: SocketAddr,
    source: SocketAddr,
    limit: Duration,
) -> io::Result<TcpStream> {
    if address.is_ipv4() != source.is_ipv4() {
        let why = "the local address is of the other family";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
    }
    Ok(attempt(address, Some(source), limit).await?.0)
}

async fn attempt(
    address: SocketAddr,
    source: Option<SocketAddr>,
    limit: Duration,
) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        // A port that a connection before this one used may still linger.
        socket.set_reuseaddr(source.port() != 0)?;
        socket.bind(source)?;
    }
    let stream = timeout(limit, socket.connect(address))
        .await
        .map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
    stream.set_nodelay(true)?;
    Ok((stream, address))
}

fn take_turns(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (own, other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first);
    let mut other = other.into_iter();
    let mut turns: VecDeque<_> =
        own.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    turns.extend(other);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn families_take_turns() {
        let addresses: Vec<SocketAddr> =
            ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        let turns: Vec<String> = take_turns(&addresses).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = closed.local_addr().unwrap();
        drop(closed);
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers = open.local_addr().unwrap();
        let limit = Duration::from_secs(5);
        let (_, address) = dial(&[refused, answers], &[], limit).await.unwrap();
        assert_eq!(address, answers);
        let error = dial(&[refused], &[], limit).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(dial(&[], &[], limit).await.is_err());
    }
}
