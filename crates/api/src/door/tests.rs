//! The door over real sockets: what is turned away, and who is let go.

use std::net::Ipv4Addr;

use axum::{
    extract::DefaultBodyLimit,
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
};

use super::*;

/// Short, for a test that waits for one; the others have minutes.
const SHORT: Duration = Duration::from_millis(150);

struct World {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
}

async fn world(change: impl FnOnce(&mut Http)) -> World {
    world_of(|config| change(&mut config.http)).await
}

async fn world_of(change: impl FnOnce(&mut Config)) -> World {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = Config::default();
    change(&mut config);
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let endless = || async {
        let pieces = futures_util::stream::repeat_with(|| Ok::<_, io::Error>(vec![b'x'; 65_536]));
        Body::from_stream(pieces).into_response()
    };
    let router = Router::new()
        .route("/", get(peer))
        .route("/echo", post(|body: String| async move { body }))
        .route("/endless", get(endless))
        .route("/silent", get(std::future::pending::<()>))
        .layer(DefaultBodyLimit::max(1 << 20));
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, router, Live::new(config), async {
        stopped.await.ok();
    }));
    World { address, stop, server }
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes of some octets, until the end.
    async fn whole(&self, octets: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(octets).await.unwrap();
        rest(&mut stream).await
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap();
    }
}

#[tokio::test]
async fn who_answers_for_ever_does_not_hold_up_the_end() {
    let world = world_of(|config| config.timeouts.shutdown = SHORT).await;
    let mut silent = world.connect().await;
    silent.write_all(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Another one is answered, so that the first was read.
    assert!(world.whole(b"GET / HTTP/1.0\r\n\r\n").await.contains("200 OK"));
    let address = world.address;
    timeout(Duration::from_secs(10), world.end()).await.expect("it ends");
    assert_eq!(rest(&mut silent).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "nobody is there");
}

/// All that comes until the other end hangs up, in whichever way.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.map(drop).unwrap_or_default();
    String::from_utf8_lossy(&all).into_owned()
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut some = vec![0; 4096];
    let count = stream.read(&mut some).await.unwrap();
    String::from_utf8_lossy(&some[..count]).into_owned()
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let world = world(|http| http.connections_per_address_max = 2).await;
    let (mut first, mut second) = (world.connect().await, world.connect().await);
    let told = ask(&mut first).await;
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("127.0.0.1:"), "{told}");
    assert!(ask(&mut second).await.starts_with("HTTP/1.1 200"));
    let told = rest(&mut world.connect().await).await;
    assert!(told.starts_with("HTTP/1.1 503") && told.ends_with("from here\n"), "{told}");
    let length = told.split("Content-Length: ").nth(1).unwrap().split('\r').next().unwrap();
    assert_eq!(length.parse(), Ok(told.split("\r\n\r\n").nth(1).unwrap().len()));
    drop(first);
    // Its place is free again once the server has seen it go.
    loop {
        if ask_anew(&world).await {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(second);
    world.end().await;
}

async fn ask_anew(world: &World) -> bool {
    let told = world.whole(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    told.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn past_the_last_place_others_wait() {
    let world = world(|http| http.connections_max = 1).await;
    let mut first = world.connect().await;
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = world.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    assert!(timeout(SHORT, second.read(&mut some)).await.is_err(), "it waits");
    drop(first);
    assert!(second.read(&mut some).await.unwrap() > 0, "and comes in");
    drop(second);
    world.end().await;
}

#[tokio::test]
async fn headers_are_bounded_in_size_number_and_time() {
    let world = world(|http| {
        http.header_size_max = 8192;
        http.headers_max = 20;
        http.header_time_max = SHORT;
    })
    .await;
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(world.whole(large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(30));
    assert!(world.whole(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    // Half a header, and nothing at all: both end by themselves.
    let told = world.whole(b"GET / HTTP/1.1\r\nHost: ").await;
    assert!(!told.contains("200"), "{told}");
    assert_eq!(world.whole(b"").await, "");
    // One that asked and then is silent.
    let told = world.whole(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    world.end().await;
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let world = world(|http| http.body_time_max = SHORT).await;
    let told = world
        .whole(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
        )
        .await;
    assert!(told.ends_with("body"), "{told}");
    let told = world.whole(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbo").await;
    assert!(!told.contains(" 200 "), "{told}");
    let large = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n";
    let told = world.whole(large).await;
    assert!(!told.contains(" 200 "), "{told}");
    world.end().await;
}

#[tokio::test]
async fn who_takes_nothing_is_let_go() {
    let world = world(|http| http.write_time_max = SHORT).await;
    let mut stream = world.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    // It reads nothing more, and its connection is gone before the server is told to stop: a
    // connection that goes on would keep it.
    world.end().await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}
