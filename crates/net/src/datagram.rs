//! One question and one answer over UDP.
//!
//! The socket is connected, so that only the host that was asked can answer.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

/// Longest answer that is taken, in octets.
const ANSWER_MAX: usize = 1500;

/// Sends `question` to `address`; gives the first answer.
///
/// Errors: nobody is there, or nothing came within `limit`.
pub async fn ask(address: SocketAddr, question: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
    let own = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
    socket.connect(address).await?;
    socket.send(question).await?;
    let mut answer = vec![0; ANSWER_MAX];
    let count = timeout(limit, socket.recv(&mut answer))
        .await
        .map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
    answer.truncate(count);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_by_whoever_was_asked() {
        let host = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let place = host.local_addr().unwrap();
        let answers = async {
            let mut question = [0; 16];
            let (count, from) = host.recv_from(&mut question).await.unwrap();
            stranger.send_to(b"forged", from).await.unwrap();
            host.send_to(&question[..count], from).await.unwrap();
        };
        let asks = ask(place, b"question", Duration::from_secs(5));
        let (answer, ()) = tokio::join!(asks, answers);
        assert_eq!(answer.unwrap(), b"question");
        drop(host);
        assert!(ask(place, b"question", Duration::from_millis(200)).await.is_err());
    }
}
