//! Tricks that make a server ask where it should not, against real sockets.
//!
//! All of 127.0.0.0/8 is this machine: 127.0.0.1 plays the public host that the configuration
//! opens, 127.0.0.2 the inside.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::{
    Clock, System,
    dns::{Answer, Fake, Later, Srv},
    tls::{Acceptor, Certificates, SelfSigned, Sources},
};

const OUTSIDE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A server that answers each connection by what its path is, and counts them.
struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

type Answers = fn(path: &str, port: u16) -> Vec<u8>;

async fn serve(at: Ipv4Addr, port: u16, answers: Answers) -> Server {
    let listener = TcpListener::bind((at, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let server = Server { port, asked: Arc::clone(&asked), heads: Arc::clone(&heads) };
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.fetch_add(1, Ordering::SeqCst);
            let heads = Arc::clone(&heads);
            tokio::spawn(async move {
                let head = head_of(&mut stream).await;
                let Some(path) = head.split(' ').nth(1).map(str::to_owned) else { return };
                heads.lock().unwrap().push(head);
                // It may hang up before all of it is taken.
                stream.write_all(&answers(&path, port)).await.unwrap_or_default();
            });
        }
    });
    server
}

async fn head_of(stream: &mut tokio::net::TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

fn ok(body: &[u8], fields: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn settings(allow: &[&str]) -> Settings {
    let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    Settings { allow, timeout: Duration::from_secs(5), ..Settings::default() }
}

fn egress(resolver: Arc<dyn Resolver>, settings: Settings) -> Egress {
    let config = Config { egress: settings, ..Config::default() };
    let inspector = Inspector::new(&[], Arc::new(System::new())).unwrap();
    Egress::new(resolver, inspector, Live::new(config))
}

async fn get(egress: &Egress, url: &str) -> Result<Answered, Unanswered> {
    egress.ask(Ask::new(Method::GET, url).reading(1 << 20)).await
}

fn names(all: &[(&str, &str)]) -> Arc<Fake> {
    let fake = Fake::new();
    for (name, address) in all {
        fake.add_address(name, address.parse().unwrap());
    }
    Arc::new(fake)
}

#[tokio::test]
async fn a_public_page_is_read() {
    let server = serve(OUTSIDE, 0, |_, _| ok(b"hello", "x-a: b\r\n")).await;
    let egress = egress(names(&[("web.test", "127.0.0.1")]), settings(&["web.test"]));
    let url = format!("http://web.test:{}/a%20b?c=d#e", server.port);
    let answered = get(&egress, &url).await.unwrap();
    assert_eq!((answered.status.as_u16(), &*answered.body), (200, &b"hello"[..]));
    assert_eq!(answered.headers["x-a"], "b");
    let head = server.heads.lock().unwrap().join("");
    assert!(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: web.test:{}\r\n", server.port)), "{head}");
    for secret in ["cookie", "authorization", "referer"] {
        assert!(!head.contains(secret), "{head}");
    }
}

/// Names whose addresses are the inside, or lead there through a translator.
const DISGUISED: [(&str, &str); 13] = [
    ("inside.test", "127.0.0.2"),
    ("mapped.test", "::ffff:127.0.0.2"),
    ("compatible.test", "::127.0.0.2"),
    ("nat64.test", "64:ff9b::127.0.0.2"),
    ("own-nat64.test", "64:ff9b:1::127.0.0.2"),
    ("six-to-four.test", "2002:7f00:2::1"),
    ("teredo.test", "2001:0:1:2:3:4:80ff:fffd"),
    ("isatap.test", "2606:4700::5efe:127.0.0.2"),
    ("local.test", "::1"),
    ("unique.test", "fd00::1"),
    ("link.test", "fe80::1"),
    ("metadata.test", "169.254.169.254"),
    ("2130706434.test", "127.0.0.2"),
];

/// The inside as an address may spell it.
const SPELLINGS: [&str; 43] = [
    "127.0.0.2",
    "127.2",
    "127.0.2",
    "2130706434",
    "0x7f000002",
    "0x7F.0.0.2",
    "0177.0.0.2",
    "017700000002",
    "127.0.0.2.",
    "%31%32%37.0.0.2",
    "\u{ff11}27.0.0.2",
    "127\u{3002}0\u{3002}0\u{3002}2",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "[::1]",
    "[::]",
    "0.0.0.0",
    "0",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[0:0:0:0:0:ffff:127.0.0.2]",
    "[::127.0.0.2]",
    "[::ffff:0:127.0.0.2]",
    "[64:ff9b::7f00:2]",
    "[64:ff9b:1::7f00:2]",
    "[2002:7f00:2::]",
    "[2001:0:1:2:3:4:80ff:fffd]",
    "[fec0::1]",
    "inside.test",
    "INSIDE.TEST.",
    "mapped.test",
    "compatible.test",
    "nat64.test",
    "own-nat64.test",
    "six-to-four.test",
    "teredo.test",
    "isatap.test",
    "local.test",
    "unique.test",
    "link.test",
    "metadata.test",
    "2130706434.test",
];

#[tokio::test]
async fn the_inside_is_not_asked_however_it_is_written() {
    let inside = serve(INSIDE, 0, |_, _| ok(b"secret", "")).await;
    let port = inside.port;
    let resolver = names(&DISGUISED);
    // Its port is a port of the web here: only the address stands against it.
    let egress = egress(resolver, Settings { ports: vec![port, 80], ..settings(&[]) });
    for host in SPELLINGS {
        let error = get(&egress, &format!("http://{host}:{port}/")).await.unwrap_err().error;
        assert!(matches!(error, EgressError::Forbidden { .. }), "{host}: {error}");
    }
    for (url, words) in [
        ("http://[fe80::1%25eth0]/", "invalid IPv6"),
        ("http://256.0.0.1/", "invalid IPv4"),
        ("ftp://web.test/", "no address of the web"),
        ("file:///etc/passwd", "no address of the web"),
        ("gopher://127.0.0.2:25/_x", "no address of the web"),
        ("http://", "empty host"),
        ("/relative", "relative"),
        ("http://user@inside.test/", "a name or a password"),
        ("http://:pass@inside.test/", "name or a pass"),
        ("http://nowhere.test/", "no such name"),
    ] {
        let error = get(&egress, url).await.unwrap_err().error.to_string();
        assert!(error.contains(words), "{url}: {error}");
    }
    assert_eq!(inside.asked.load(Ordering::SeqCst), 0, "nobody connected");
}

#[tokio::test]
async fn only_ports_of_the_web_are_asked_and_what_is_opened() {
    let server = serve(OUTSIDE, 0, |_, _| ok(b"", "")).await;
    let port = server.port;
    let resolver = names(&[("web.test", "127.0.0.1"), ("public.test", "1.1.1.1")]);
    let url = |host: &str| format!("http://{host}:{port}/");
    let of = |allow: &str| egress(Arc::<Fake>::clone(&resolver), settings(&[allow]));
    for (allow, host, is_asked) in [
        ("web.test", "web.test", true),
        (&format!("web.test:{port}"), "WEB.test.", true),
        ("web.test:1", "web.test", false),
        ("other.test", "web.test", false),
        ("127.0.0.0/8", "web.test", true),
        (&format!("127.0.0.1:{port}"), "127.0.0.1", true),
        (&format!("127.0.0.1:{port}"), "[::ffff:127.0.0.1]", true),
        ("127.0.0.1:1", "127.0.0.1", false),
        ("localhost", "localhost", true),
    ] {
        let answered = get(&of(allow), &url(host)).await;
        assert_eq!(answered.is_ok(), is_asked, "{allow} {host}: {answered:?}");
    }
    let error = get(&of("web.test"), &url("public.test")).await.unwrap_err().error;
    assert!(matches!(error, EgressError::Port(_)), "{error}");
    let deny = vec!["127.0.0.1/32".parse().unwrap()];
    let denied = egress(resolver, Settings { deny, ..settings(&["web.test"]) });
    for host in ["web.test", "[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]"] {
        let error = get(&denied, &url(host)).await.unwrap_err().error;
        let is_denied = matches!(error, EgressError::Forbidden { why: Closed::Denied, .. });
        assert!(is_denied, "{host}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_judged_each_by_itself() {
    let outside = serve(OUTSIDE, 0, |path, port| match path {
        "/address" => to(&format!("http://127.0.0.2:{port}/")),
        "/hex" => to(&format!("http://0x7f000002:{port}/")),
        "/mapped" => to(&format!("http://[::ffff:127.0.0.2]:{port}/")),
        "/name" => to(&format!("//inside.test:{port}/")),
        "/password" => to(&format!("http://a:b@web.test:{port}/")),
        "/scheme" => to("file:///etc/passwd"),
        "/loop" => to("loop"),
        "/twice" => to("/name"),
        "/fine" => to("../end?x"),
        "/other" => to(&format!("http://other.test:{port}/end")),
        _ => ok(b"end", ""),
    })
    .await;
    let inside = serve(INSIDE, outside.port, |_, _| ok(b"secret", "")).await;
    let resolver = names(&[
        ("web.test", "127.0.0.1"),
        ("other.test", "127.0.0.1"),
        ("inside.test", "127.0.0.2"),
    ]);
    let mut settings = settings(&["web.test", "other.test"]);
    settings.ports.push(outside.port);
    let egress = egress(resolver, settings);
    let url = |path: &str| format!("http://web.test:{}{path}", outside.port);
    for path in ["/address", "/hex", "/mapped", "/name", "/twice", "/password"] {
        let unanswered = get(&egress, &url(path)).await.unwrap_err();
        assert!(unanswered.error.is_forbidden(), "{path}: {unanswered:?}");
    }
    assert_eq!(inside.asked.load(Ordering::SeqCst), 0, "nobody connected");
    assert!(matches!(
        get(&egress, &url("/scheme")).await.unwrap_err().error,
        EgressError::Address(..)
    ));
    let unanswered = get(&egress, &url("/loop")).await.unwrap_err();
    assert!(matches!(unanswered.error, EgressError::Redirects(5)), "{unanswered:?}");
    assert_eq!(unanswered.hops.len(), 5);
    let answered = get(&egress, &url("/fine")).await.unwrap();
    assert_eq!(answered.hops, [Hop { status: 302, url: url("/end?x") }]);

    let ask = |method, path: &str| {
        Ask::new(method, &url(path)).with(HeaderName::from_static("x-key"), "secret")
    };
    egress.ask(ask(Method::GET, "/other")).await.unwrap();
    egress.ask(ask(Method::GET, "/fine")).await.unwrap();
    let posted = egress.ask(ask(Method::POST, "/fine")).await.unwrap();
    assert_eq!((posted.status.as_u16(), posted.hops.len()), (302, 0), "it is not followed");
    let heads = outside.heads.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for head in heads.iter().filter(|head| head.contains("other.test")) {
        assert!(!head.contains("x-key"), "another site gets no key: {head}");
    }
    assert!(heads.iter().any(|head| head.starts_with("GET /end?x") && head.contains("x-key")));
}

/// A name that leads elsewhere each time it is looked up.
#[derive(Debug)]
struct Rebinding {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
}

impl Resolver for Rebinding {
    fn mx<'a>(&'a self, _: &'a str) -> Later<'a, Vec<(u16, String)>> {
        Box::pin(std::future::ready(Answer::NoData))
    }

    fn addresses<'a>(&'a self, _: &'a str) -> Later<'a, Vec<IpAddr>> {
        let next = self.answers.lock().unwrap().pop_front().unwrap();
        Box::pin(std::future::ready(Answer::Found(next)))
    }

    fn txt<'a>(&'a self, _: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        Box::pin(std::future::ready(Answer::NoData))
    }

    fn ptr(&self, _: IpAddr) -> Later<'_, Vec<String>> {
        Box::pin(std::future::ready(Answer::NoData))
    }

    fn srv<'a>(&'a self, _: &'a str) -> Later<'a, Vec<Srv>> {
        Box::pin(std::future::ready(Answer::NoData))
    }
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    let outside = serve(OUTSIDE, 0, |_, _| ok(b"public", "")).await;
    let inside = serve(INSIDE, outside.port, |_, _| ok(b"secret", "")).await;
    let (public, private): (IpAddr, IpAddr) = (OUTSIDE.into(), INSIDE.into());
    let answers = [vec![public], vec![private], vec![private, public], vec![public, private]];
    let answers = Mutex::new(answers.into());
    let resolver = Arc::new(Rebinding { answers });
    let settings = settings(&[&format!("127.0.0.1:{}", outside.port)]);
    let egress = egress(Arc::<Rebinding>::clone(&resolver), settings);
    let url = format!("http://rebinding.test:{}/", outside.port);
    assert_eq!(&*get(&egress, &url).await.unwrap().body, b"public");
    assert_eq!(resolver.answers.lock().unwrap().len(), 3, "it is looked up once");
    assert!(get(&egress, &url).await.unwrap_err().error.is_forbidden());
    for _ in 0..2 {
        assert_eq!(&*get(&egress, &url).await.unwrap().body, b"public");
    }
    assert_eq!(inside.asked.load(Ordering::SeqCst), 0, "nobody connected");
}

fn packed(length: usize, coding: &str) -> Vec<u8> {
    let plain = vec![b'a'; length];
    let body = if coding == "gzip" {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&plain).unwrap();
        packer.finish().unwrap()
    } else {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&plain).unwrap();
        packer.finish().unwrap()
    };
    ok(&body, &format!("content-encoding: {coding}\r\n"))
}

#[tokio::test]
async fn what_a_server_sends_is_bounded() {
    let server = serve(OUTSIDE, 0, |path, _| match path {
        "/large" => ok(&vec![b'a'; (1 << 20) + 1], ""),
        "/endless" => [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'a'; 3 << 20]].concat(),
        "/bomb" => packed(64 << 20, "gzip"),
        "/bomb-zlib" => packed(64 << 20, "deflate"),
        "/packed" => packed(1 << 20, "gzip"),
        "/packed-zlib" => packed(1 << 20, "deflate"),
        "/twice" => ok(b"x", "content-encoding: gzip\r\ncontent-encoding: gzip\r\n"),
        "/odd" => ok(b"x", "content-encoding: br\r\n"),
        "/broken" => ok(b"x", "content-encoding: gzip\r\n"),
        "/field" => ok(b"", &format!("x: {}\r\n", "a".repeat(80 << 10))),
        "/fields" => ok(b"", &"x: y\r\n".repeat(200)),
        "/smtp" => b"220 mx.test ESMTP\r\n".to_vec(),
        _ => ok(&vec![b'a'; 1 << 20], ""),
    })
    .await;
    let egress = egress(names(&[("web.test", "127.0.0.1")]), settings(&["web.test"]));
    let url = |path: &str| format!("http://web.test:{}{path}", server.port);
    for path in ["/whole", "/packed", "/packed-zlib"] {
        assert_eq!(get(&egress, &url(path)).await.unwrap().body.len(), 1 << 20, "{path}");
    }
    for path in ["/large", "/endless", "/bomb", "/bomb-zlib"] {
        let error = get(&egress, &url(path)).await.unwrap_err().error;
        assert!(matches!(error, EgressError::TooLarge(_)), "{path}: {error}");
        let answered = egress.ask(Ask::new(Method::GET, &url(path))).await.unwrap();
        assert!(answered.body.is_empty(), "{path}: it was not asked for");
    }
    for path in ["/twice", "/odd", "/broken", "/field", "/fields", "/smtp"] {
        let error = get(&egress, &url(path)).await.unwrap_err().error;
        assert!(matches!(error, EgressError::Http(_)), "{path}: {error}");
    }
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let settings = Settings { timeout: Duration::from_millis(50), ..settings(&["web.test"]) };
    let egress = egress(names(&[("web.test", "127.0.0.1")]), settings);
    for scheme in ["http", "https"] {
        let error = get(&egress, &format!("{scheme}://web.test:{port}/")).await.unwrap_err().error;
        assert!(matches!(error, EgressError::Late(_)) && error.is_temporary(), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_has_to_be_good() {
    let folder = tempfile::tempdir().unwrap();
    let own = SelfSigned { folder: folder.path().to_owned(), names: vec!["web.test".to_owned()] };
    let sources = Sources { files: Vec::new(), self_signed: Some(own) };
    let acceptor = Acceptor::new(Certificates::load(sources).unwrap()).unwrap();
    let listener = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok((mut stream, _)) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap_or(0);
            if read > 0 {
                stream.write_all(&ok(b"hello", "")).await.unwrap();
            }
        }
    });
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let file = folder.path().join("self-signed.crt");
    let settings = settings(&["web.test", "other.test"]);
    let of = |files: &[std::path::PathBuf]| {
        let config = Config { egress: settings.clone(), ..Config::default() };
        let inspector = Inspector::new(files, Arc::clone(&clock)).unwrap();
        let resolver = names(&[("web.test", "127.0.0.1"), ("other.test", "127.0.0.1")]);
        Egress::new(resolver, inspector, Live::new(config))
    };
    let known = of(std::slice::from_ref(&file));
    let answered = get(&known, &format!("https://web.test:{port}/")).await.unwrap();
    assert_eq!(&*answered.body, b"hello");
    assert_eq!(answered.certificate.unwrap().names, ["web.test"]);
    for (egress, host, expected) in
        [(&of(&[]), "web.test", Distrust::Issuer), (&known, "other.test", Distrust::Name)]
    {
        let error = get(egress, &format!("https://{host}:{port}/")).await.unwrap_err().error;
        let EgressError::Certificate { why, .. } = error else { panic!("{error}") };
        assert_eq!(why, expected);
    }
    let plain = get(&known, &format!("http://web.test:{port}/")).await.unwrap_err().error;
    assert!(matches!(plain, EgressError::Http(_)), "{plain}");
}
