//! Limits, load balancers and shutdown over loopback.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::System;

fn rules() -> Rules {
    Rules {
        name: "test".to_owned(),
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        sessions_max: 10,
        sessions_per_address_max: 1,
        proxies: Vec::new(),
        busy: b"421 busy\r\n".to_vec(),
        grace: Duration::from_secs(5),
    }
}

/// A server that says each client's address, then waits for it to go.
fn start(rules: Rules) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let listener = Listener::bind(rules).unwrap();
    let address = listener.addresses()[0];
    let (stop, shutdown) = watch::channel(false);
    let server = listener.run(Arc::new(System::new()), shutdown, |mut arrival| async move {
        let text = format!("{}\n", arrival.peer);
        arrival.stream.write_all(text.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        arrival.stream.read_to_end(&mut rest).await.unwrap();
        arrival.stream.write_all(&rest).await.unwrap();
    });
    (address, stop, tokio::spawn(server))
}

async fn line(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with('\n') {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

#[tokio::test]
async fn one_address_gets_its_share_and_no_more() {
    let (address, _stop, _server) = start(rules());
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut first).await, format!("{}\n", first.local_addr().unwrap()));
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(line(&mut second).await, "421 busy\r\n");
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_load_balancer_is_believed() {
    let (address, _stop, _server) =
        start(Rules { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..rules() });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\nEHLO").await.unwrap();
    assert_eq!(line(&mut stream).await, "192.0.2.7:4711\n");
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "EHLO", "what comes behind the header is the session's");

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"EHLO x\r\n").await.unwrap();
    let mut all = Vec::new();
    assert!(!matches!(stream.read_to_end(&mut all).await, Ok(1..)), "no header, no session");
}

#[tokio::test]
async fn sessions_under_way_may_finish() {
    let (address, stop, server) = start(rules());
    let mut stream = TcpStream::connect(address).await.unwrap();
    line(&mut stream).await;
    stop.send(true).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "last words");
    server.await.unwrap();
}
