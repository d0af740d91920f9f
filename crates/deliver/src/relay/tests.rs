//! Relay to scripted hosts over loopback, some of them hostile.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use mailwright_config::{Protocol, TlsNeed};
use mailwright_net::Clock as _;
use mailwright_net::tls::Trust;
use mailwright_sasl::ChannelBinding;
use mailwright_words::Timestamp;
use mailwright_words::address::{Address, ReversePath};
use mailwright_words::envelope::{BodyType, ByMode, DeliverBy, Envelope, Recipient};

use crate::fake::Zone;
use crate::network::{Secured, Stream};
use crate::outcome::{Contact, Content, Later, Outcome, Pieces};

use super::*;

/// Real loopback connections; TLS is a handshake of one line.
struct Loopback;

impl Network for Loopback {
    fn dial<'a>(
        &'a self,
        addresses: &'a [SocketAddr],
        limit: Duration,
    ) -> Later<'a, io::Result<(Box<dyn Stream>, SocketAddr)>> {
        Box::pin(async move {
            let stream = timeout(limit, TcpStream::connect(addresses)).await??;
            let address = stream.peer_addr()?;
            let stream: Box<dyn Stream> = Box::new(stream);
            Ok((stream, address))
        })
    }

    fn secure<'a>(
        &'a self,
        mut stream: Box<dyn Stream>,
        _name: &'a str,
        trust: &'a Trust,
    ) -> Later<'a, io::Result<Secured>> {
        Box::pin(async move {
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            // A host says whom it can show itself to: T anyone, V a known authority vouches for it,
            // P its pins match.
            let is_believed = match trust {
                Trust::Opportunistic => b"TVP".contains(&byte[0]),
                Trust::Verified => byte == *b"V",
                Trust::Pinned(_) => byte == *b"P",
            };
            if !is_believed {
                return Err(io::Error::other("broken"));
            }
            let binding = ChannelBinding::default();
            Ok(Secured { stream, summary: "TLSv1.3 fake".to_owned(), binding, peer: None })
        })
    }
}

#[derive(Debug)]
struct Text(&'static str);

struct Once(Option<&'static str>);

impl Content for Text {
    fn size(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap()
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        let pieces: Box<dyn Pieces> = Box::new(Once(Some(self.0)));
        Box::pin(async move { Ok(pieces) })
    }
}

impl Pieces for Once {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        let piece = self.0.take().map(|text| text.as_bytes().to_vec());
        Box::pin(async move { Ok(piece) })
    }
}

/// A host that plays one script a connection: `S` lines are said, a `C` line waits for one that
/// begins so, `@dot` reads a message, `@pause` waits a little, `@close` hangs up, `@drip` sends
/// an octet now and then, `@stall` says nothing, `@raw` sends without a line's end.
pub(super) async fn host(scripts: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for script in scripts {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(play(stream, script));
        }
    });
    address
}

#[expect(clippy::cognitive_complexity, reason = "one arm a verb of the script")]
async fn play(stream: TcpStream, script: &str) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut heard = String::new();
        let result = match line.split_once(':') {
            Some(("S", text)) => {
                write.write_all(format!("{}\r\n", text.trim_start()).as_bytes()).await
            }
            Some(("C", text)) => {
                let result = read.read_line(&mut heard).await.map(|_| ());
                assert!(heard.starts_with(text.trim_start()), "{line}: {heard:?}");
                result
            }
            Some(("@raw", text)) => write.write_all(text.as_bytes()).await,
            _ if line == "@dot" => {
                while heard != ".\r\n" {
                    heard.clear();
                    read.read_line(&mut heard).await.unwrap();
                }
                Ok(())
            }
            _ if line == "@drip" => drip(&mut write).await,
            _ if line == "@stall" => read.read_line(&mut heard).await.map(|_| ()),
            _ if line == "@pause" => {
                let pause = Duration::from_millis(250);
                assert!(timeout(pause, std::future::pending::<()>()).await.is_err());
                Ok(())
            }
            _ if line == "@close" => return,
            _ => panic!("{line}"),
        };
        if result.is_err() {
            return;
        }
    }
    // The client hangs up first.
    let mut rest = Vec::new();
    read.read_to_end(&mut rest).await.unwrap_or_default();
}

async fn drip(write: &mut (impl tokio::io::AsyncWrite + Unpin)) -> io::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tick.tick().await;
        write.write_all(b"2").await?;
        write.flush().await?;
    }
}

const HELLO: &str = "S: 220 mx.example\nC: EHLO\nS: 250-mx.example\nS: 250 PIPELINING\n";

pub(super) fn job(to: &[&str]) -> Job {
    let recipients =
        to.iter().map(|address| Recipient::new(Address::parse(address).unwrap())).collect();
    let from = ReversePath::Sender(Address::parse("a@me.example").unwrap());
    Job {
        domain: Domain::parse("x.example").unwrap(),
        envelope: Envelope::new(from, recipients),
        content: Arc::new(Text("Subject: x\r\n\r\n.dot\r\n")),
        signing: None,
    }
}

pub(super) fn setup(zone: Zone, port: u16) -> Setup {
    Setup {
        hostname: "me.example".to_owned(),
        relay: Relay {
            port,
            command_timeout: Duration::from_millis(300),
            final_timeout: Duration::from_millis(300),
            connect_timeout: Duration::from_secs(2),
            ..Relay::default()
        },
        routes: BTreeMap::new(),
        listeners: Vec::new(),
        names: Arc::new(zone),
        network: Arc::new(Loopback),
        policies: Arc::new(crate::sts::Unknown),
        ledger: Arc::new(crate::ledger::Uncounted),
        clock: Arc::new(mailwright_net::System::new()),
    }
}

pub(super) fn zone() -> Zone {
    Zone::default().mx("x.example", &[(10, "mx.x.example")]).address("mx.x.example", "127.0.0.1")
}

pub(super) fn words(outcomes: &[RecipientOutcome]) -> Vec<String> {
    let word = |outcome: &RecipientOutcome| match &outcome.outcome {
        Outcome::Delivered => "delivered".to_owned(),
        Outcome::Relayed { tls, .. } => {
            format!("relayed{}", if tls.is_some() { " tls" } else { "" })
        }
        Outcome::Deferred(reason) => format!("deferred {}", status(&reason.reply)),
        Outcome::Postponed(reason) => format!("postponed {}", status(&reason.reply)),
        Outcome::Held(reason) => format!("held {}", status(&reason.reply)),
        Outcome::Failed(reason) => format!("failed {}", status(&reason.reply)),
    };
    outcomes.iter().map(word).collect()
}

fn status(reply: &mailwright_words::reply::Reply) -> String {
    reply.status.map_or_else(|| reply.code.to_string(), |status| status.to_string())
}

async fn attempt(scripts: &'static [&'static str], to: &[&str]) -> (Vec<String>, Contact) {
    let address = host(scripts).await;
    let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(job(to)).await;
    (words(&outcomes), outcomes[0].contact)
}

fn script(rest: &str) -> &'static [&'static str] {
    Box::leak(Box::new([&*Box::leak(format!("{HELLO}{rest}").into_boxed_str())]))
}

const TWO: &str = "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\n";
const B_AND_C: [&str; 2] = ["b@x.example", "c@x.example"];

#[tokio::test]
async fn each_recipient_has_its_own_outcome() {
    let said = "S: 250 ok\nS: 250 ok\nS: 450 4.2.0 greylisted\nS: 354 go\n@dot\nS: 250 ok";
    let (words, contact) = attempt(script(&format!("{TWO}{said}")), &B_AND_C).await;
    assert_eq!(words, ["relayed", "deferred 4.2.0"]);
    assert_eq!(contact, Contact::Made);
}

/// One connection's script.
fn once(script: String) -> &'static [&'static str] {
    Box::leak(Box::new([&*Box::leak(script.into_boxed_str())]))
}

#[tokio::test]
async fn a_host_that_fails_in_any_phase_defers() {
    let mailed = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\n";
    for (scripts, wanted, made) in [
        (["@close"].as_slice(), "deferred 4.4.2", Contact::Failed),
        (&["@drip"], "deferred 4.4.2", Contact::Failed),
        (&["@stall"], "deferred 4.4.2", Contact::Failed),
        (&["@raw:HTTP/1.0 400 no\r\n\r\n"], "deferred 4.4.2", Contact::Failed),
        (once("S: 220-mx\n".repeat(500)), "deferred 4.4.2", Contact::Failed),
        (once(format!("@raw:220 {}", "x".repeat(5000))), "deferred 4.4.2", Contact::Failed),
        (&["S: 421 busy"], "deferred 421", Contact::Failed),
        (&["S: 554 5.7.1 go away"], "failed 5.7.1", Contact::Failed),
        (&["S: 220 x\nC: EHLO\n@close"], "deferred 4.4.2", Contact::Failed),
        (script("C: MAIL\n@close"), "deferred 4.4.2", Contact::Made),
        (script(&format!("{mailed}@close")), "deferred 4.4.2", Contact::Made),
        (script(&format!("{mailed}S: 421 later")), "deferred 421", Contact::Made),
        (script(&format!("{mailed}@raw:garbage\r\n")), "deferred 4.4.2", Contact::Made),
        (script(&format!("{mailed}@drip")), "deferred 4.4.2", Contact::Made),
        (script(&format!("{mailed}S: 250 ok\n@close")), "deferred 4.4.2", Contact::Made),
        (script(&format!("{mailed}S: 250 ok\nS: 354 go\n@close")), "deferred 4.4.2", Contact::Made),
        (
            script(&format!("{mailed}S: 250 ok\nS: 354 go\n@dot\n@close")),
            "deferred 4.4.2",
            Contact::Made,
        ),
        (
            script(&format!("{mailed}S: 250 ok\nS: 354 go\n@dot\n@drip")),
            "deferred 4.4.2",
            Contact::Made,
        ),
        (
            script(&format!("{mailed}S: 250 ok\nS: 354 go\n@dot\nS: 554 5.6.0 spam")),
            "failed 5.6.0",
            Contact::Made,
        ),
    ] {
        let (words, contact) = attempt(scripts, &["b@x.example"]).await;
        assert_eq!(words, [wanted], "{scripts:?}");
        assert_eq!(contact, made, "{scripts:?}");
    }
}

/// Hosts that may take a minute for each answer, and an attempt that may take a moment.
fn patient(port: u16) -> Setup {
    let mut setup = setup(zone(), port);
    setup.relay.command_timeout = Duration::from_mins(1);
    setup.relay.final_timeout = Duration::from_mins(1);
    setup.relay.attempt_timeout = Duration::from_millis(100);
    setup
}

#[tokio::test]
async fn an_attempt_has_one_deadline_which_a_message_that_was_sent_is_past() {
    let address = host(script("C: MAIL\n@stall")).await;
    let outcomes = Deliverer::new(patient(address.port())).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["deferred 4.4.2"]);
    assert_eq!(outcomes[0].contact, Contact::Failed);
    let sent = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\n@pause\n\
                S: 250 ok";
    let address = host(script(sent)).await;
    let outcomes = Deliverer::new(patient(address.port())).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["relayed"]);
}

#[tokio::test]
async fn a_server_that_stops_gives_up_what_no_host_can_have() {
    let address = host(script("C: MAIL\n@stall")).await;
    let mut setup = patient(address.port());
    setup.relay.attempt_timeout = Duration::from_mins(1);
    let deliverer = Arc::new(Deliverer::new(setup));
    let stops = Arc::clone(&deliverer);
    let attempt = tokio::spawn(async move { stops.attempt(job(&["b@x.example"])).await });
    tokio::task::yield_now().await;
    deliverer.stop();
    assert_eq!(words(&attempt.await.unwrap()), ["postponed 4.3.2"]);
}

#[tokio::test]
async fn an_address_that_enough_are_with_is_left_for_later() {
    let address = host(script("C: MAIL\n@stall")).await;
    let mut setup = setup(zone(), address.port());
    setup.relay.connections_per_address_max = 1;
    let deliverer = Deliverer::new(setup);
    let place = deliverer.crowd.join(address.ip());
    let outcomes = deliverer.attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["postponed 4.4.5"]);
    assert_eq!(outcomes[0].contact, Contact::None);
    drop(place);
    assert_eq!(deliverer.crowd.count(address.ip()), 0);
}

/// A message whose bytes end in an error.
#[derive(Debug)]
struct Broken(io::ErrorKind);

impl Content for Broken {
    fn size(&self) -> u64 {
        100
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        let pieces: Box<dyn Pieces> = Box::new(Self(self.0));
        Box::pin(async move { Ok(pieces) })
    }
}

impl Pieces for Broken {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        Box::pin(async move { Err(self.0.into()) })
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_no_fault_of_the_sender() {
    for (error, wanted) in
        [(io::ErrorKind::Other, "postponed 4.3.0"), (io::ErrorKind::InvalidData, "held 4.3.0")]
    {
        let said = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n";
        let address = host(script(said)).await;
        let mut job = job(&["b@x.example"]);
        job.content = Arc::new(Broken(error));
        let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(job).await;
        assert_eq!(words(&outcomes), [wanted]);
    }
}

#[tokio::test]
async fn a_broken_starttls_falls_back_to_plain_text() {
    let tls = "S: 220 mx\nC: EHLO\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@raw:";
    let broken = Box::leak(format!("{tls}X").into_boxed_str());
    let works = Box::leak(
        format!("{tls}T\nC: EHLO\nS: 250 mx\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 550 5.1.1 no")
            .into_boxed_str(),
    );
    let plain =
        script("C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok");
    let both: &'static [&'static str] = Box::leak(Box::new([&*broken, plain[0]]));
    assert_eq!(attempt(both, &["b@x.example"]).await.0, ["relayed"]);
    let tls: &'static [&'static str] = Box::leak(Box::new([&*works]));
    assert_eq!(attempt(tls, &["b@x.example"]).await.0, ["failed 5.1.1"]);
    let address = host(both).await;
    let mut setup = setup(zone(), address.port());
    setup.relay.tls = TlsNeed::Required;
    let outcomes = Deliverer::new(setup).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["deferred 4.7.5"]);
}

#[tokio::test]
async fn a_connection_is_used_for_the_next_message() {
    let message = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok\n";
    let address = host(script(&format!("{message}{message}"))).await;
    let deliverer = Deliverer::new(setup(zone(), address.port()));
    for _ in 0..2 {
        let outcomes = deliverer.attempt(job(&["b@x.example"])).await;
        assert_eq!(words(&outcomes), ["relayed"]);
        assert!(outcomes[0].conversation.contains("S: 354 go"), "{}", outcomes[0].conversation);
    }
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_made_anew() {
    let message = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok\n";
    let one = script(&format!("{message}C: MAIL\n@close"))[0];
    let both: &'static [&'static str] = Box::leak(Box::new([one, script(message)[0]]));
    let address = host(both).await;
    let deliverer = Deliverer::new(setup(zone(), address.port()));
    for _ in 0..2 {
        assert_eq!(words(&deliverer.attempt(job(&["b@x.example"])).await), ["relayed"]);
    }
}

#[tokio::test]
async fn too_many_recipients_go_into_another_transaction() {
    let said = "S: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 354 go\n@dot\nS: 250 ok
        C: MAIL\nC: RCPT TO:<c@\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok";
    let (words, _) = attempt(script(&format!("{TWO}{said}")), &B_AND_C).await;
    assert_eq!(words, ["relayed", "relayed"]);
}

#[tokio::test]
async fn loops_are_seen() {
    let address = host(&["S: 220 ME.example\nC: EHLO\nS: 250 me.example"]).await;
    let outcomes =
        Deliverer::new(setup(zone(), address.port())).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["failed 5.4.6"]);
    // A name without a domain is anybody's.
    let greeting = "S: 220 localhost\nC: EHLO localhost\nS: 250 localhost\n\
        C: MAIL\nS: 250 ok\nC: RCPT\n\
        S: 250 ok\nC: DATA\nS: 354 go\n@dot\nS: 250 ok\n";
    let address = host(once(greeting.to_owned())).await;
    let mut unnamed = setup(zone(), address.port());
    unnamed.hostname = "localhost".to_owned();
    let outcomes = Deliverer::new(unnamed).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["relayed"]);
    let mut setup = setup(zone(), 2525);
    setup.listeners = vec!["0.0.0.0:2525".parse().unwrap()];
    let outcomes = Deliverer::new(setup).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["failed 5.4.6"]);
}

#[tokio::test]
async fn the_dns_has_its_say() {
    for (zone, wanted) in [
        (Zone::default(), "failed 5.1.2"),
        (Zone::default().mx("x.example", &[(0, ".")]), "failed 5.1.10"),
        (Zone::default().temporary("x.example"), "deferred 4.4.3"),
    ] {
        let outcomes = Deliverer::new(setup(zone, 1)).attempt(job(&["b@x.example"])).await;
        assert_eq!(words(&outcomes), [wanted]);
        assert_eq!(outcomes[0].contact, Contact::None);
    }
}

fn next_hop(address: SocketAddr) -> Host {
    Host {
        host: address.ip().to_string(),
        port: Some(address.port()),
        protocol: Protocol::Smtp,
        tls: TlsNeed::Opportunistic,
        fingerprints: Vec::new(),
        implicit_tls: false,
        user: None,
        password: None,
    }
}

async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_backup_stands_in_for_servers_that_are_down() {
    let message = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok\n";
    let (down, up) = (closed().await, host(script(message)).await);
    let mut setup = setup(zone(), 1);
    let route =
        Route { hosts: vec![next_hop(down)], backup: vec![next_hop(up)], ..Route::default() };
    setup.routes.insert("*".to_owned(), route);
    let outcomes = Deliverer::new(setup).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["relayed"]);
}

#[tokio::test]
async fn a_smarthost_gets_a_login() {
    let script = "S: 220 hub\nC: EHLO\nS: 250-hub\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AHUAcA==\n\
        S: 235 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 550 5.1.1 no";
    let refusing = "S: 220 hub\nC: EHLO\nS: 250-hub\nS: 250 AUTH PLAIN\nC: AUTH\nS: 535 5.7.8 no";
    for (script, wanted) in [(script, "failed 5.1.1"), (refusing, "deferred 4.7.8")] {
        let address = host(Box::leak(Box::new([script]))).await;
        let mut setup = setup(zone(), 1);
        let hop =
            Host { user: Some("u".to_owned()), password: Some("p".into()), ..next_hop(address) };
        setup.routes.insert("x.example".to_owned(), Route { hosts: vec![hop], ..Route::default() });
        let outcomes = Deliverer::new(setup).attempt(job(&["b@x.example"])).await;
        assert_eq!(words(&outcomes), [wanted]);
        assert!(!outcomes[0].conversation.contains("AHUAcA"));
    }
}

#[tokio::test]
async fn lmtp_answers_for_each() {
    let script = "S: 220 lmtp\nC: LHLO\nS: 250-lmtp\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: RCPT\n\
        C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok\nS: 552 5.2.2 full";
    let address = host(Box::leak(Box::new([script]))).await;
    let mut setup = setup(zone(), 1);
    let hop = Host { protocol: Protocol::Lmtp, ..next_hop(address) };
    setup.routes.insert("*.example".to_owned(), Route { hosts: vec![hop], ..Route::default() });
    let outcomes = Deliverer::new(setup).attempt(job(&B_AND_C)).await;
    assert_eq!(words(&outcomes), ["relayed", "failed 5.2.2"]);
}

#[tokio::test]
async fn a_message_is_converted_or_refused_for_a_host_that_lacks_something() {
    let taken = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: MIME\n\
                 C: Content-T\n\
        C: \nC: gr=C3=BCn\nC: .\nS: 250 ok";
    let mime = "MIME-Version: 1.0\r\n\r\ngr\u{fc}n\r\n";
    let address = host(script(taken)).await;
    let mut eight = job(&["b@x.example"]);
    eight.envelope.body = BodyType::EightBitMime;
    eight.content = Arc::new(Text(mime));
    let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(eight.clone()).await;
    assert_eq!(words(&outcomes), ["relayed"]);
    let address = host(script("")).await;
    eight.content = Arc::new(Text("DKIM-Signature: x\r\nMIME-Version: 1.0\r\n\r\ngr\u{fc}n\r\n"));
    let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(eight).await;
    assert_eq!(words(&outcomes), ["failed 5.6.3"]);
}

#[tokio::test]
async fn long_lines_are_encoded_for_a_host_without_binary() {
    let taken = "C: MAIL FROM:<a@me.example>\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n\
                 C: MIME-Version: 1.0\nC: Content-Type: text/plain; charset=us-ascii\nC: Subject\n\
                 C: Content-Transfer-Encoding: quoted-printable\nC: \nC: xxx\n@dot\nS: 250 ok";
    let text: &str = Box::leak(format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(999)).into());
    let mut binary = job(&["b@x.example"]);
    binary.envelope.body = BodyType::BinaryMime;
    binary.content = Arc::new(Text(text));
    let address = host(script(taken)).await;
    let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(binary.clone()).await;
    assert_eq!(words(&outcomes), ["relayed"]);
    binary.content = Arc::new(Text(Box::leak(format!("DKIM-Signature: x\r\n{text}").into())));
    let address = host(script("")).await;
    let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(binary).await;
    assert_eq!(words(&outcomes), ["failed 5.6.3"]);
}

#[tokio::test]
async fn a_priority_is_told_as_the_host_can_hear_it() {
    let knows = "S: 220 mx.example\nC: EHLO\nS: 250-mx.example\nS: 250-MT-PRIORITY\nS: 250 SIZE 0\n\
        C: MAIL FROM:<a@me.example> SIZE=20 MT-PRIORITY=-4\nS: 250 ok\nC: RCPT\nS: 250 ok\n\
        C: DATA\nS: 354 go\nC: Subject: x\n@dot\nS: 250 ok\n";
    let hears = "S: 220 mx.example\nC: EHLO\nS: 250-mx.example\nS: 250 SIZE 0\n\
        C: MAIL FROM:<a@me.example> SIZE=37\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n\
        C: MT-Priority: -4\nC: Subject: x\n@dot\nS: 250 ok\n";
    let told = "S: 220 mx.example\nC: EHLO\nS: 250-mx.example\nS: 250 SIZE 0\n\
        C: MAIL FROM:<a@me.example> SIZE=22\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n\
        C: mt-priority: 1\n@dot\nS: 250 ok\n";
    let (plain, own) = ("Subject: x\r\n\r\n.dot\r\n", "mt-priority: 1\r\n\r\nhi\r\n");
    for (script, text) in [(knows, plain), (hears, plain), (told, own)] {
        let address = host(once(script.to_owned())).await;
        let mut job = job(&["b@x.example"]);
        job.envelope.priority = Some(-4);
        job.content = Arc::new(Text(text));
        let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(job).await;
        assert_eq!(words(&outcomes), ["relayed"], "{script}");
    }
}

#[tokio::test]
async fn a_message_to_be_back_in_time_goes_to_hosts_that_keep_the_time() {
    let by = |seconds: i64, mode| {
        let at = mailwright_net::System::new().now().ms() + seconds * 1000;
        Some(DeliverBy { at: Timestamp::new(at), mode, trace: false })
    };
    for (by, outcome) in [
        (by(600, ByMode::Return), "failed 5.4.7"),
        (by(-1, ByMode::Return), "failed 5.4.7"),
        (by(600, ByMode::Notify), "relayed"),
    ] {
        let message = "C: MAIL FROM:<a@me.example>\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\n\
                       S: 354 go\n@dot\nS: 250 ok\n";
        let address = host(script(if outcome == "relayed" { message } else { "" })).await;
        let mut job = job(&["b@x.example"]);
        job.envelope.deliver_by = by;
        let outcomes = Deliverer::new(setup(zone(), address.port())).attempt(job).await;
        assert_eq!(words(&outcomes), [outcome], "{by:?}");
    }
}

#[tokio::test]
async fn addresses_of_a_host_are_tried_in_turn() {
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    let message = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n@dot\nS: 250 ok\n";
    let up = host(script(message)).await;
    let zone = Zone::default()
        .mx("x.example", &[(10, "dead.x.example"), (20, "mx.x.example")])
        .address("dead.x.example", "127.0.0.9")
        .address("mx.x.example", &address.to_string());
    let outcomes = Deliverer::new(setup(zone, up.port())).attempt(job(&["b@x.example"])).await;
    assert_eq!(words(&outcomes), ["relayed"]);
    assert!(outcomes[0].conversation.contains("dead.x.example: no connection"));
}

#[tokio::test]
async fn domains_of_the_same_servers_are_one_site() {
    let zone = Zone::default()
        .mx("a.example", &[(10, "mx1.host.example"), (20, "mx2.host.example")])
        .mx("b.example", &[(10, "MX2.host.example."), (10, "mx1.host.example")])
        .mx("c.example", &[(10, "mx1.host.example")])
        .mx("g.example", &[(5, "aspmx.l.google.com"), (9, "backup.example")])
        .mx("h.example", &[(5, "alt1.aspmx.l.google.com")])
        .address("implicit.example", "127.0.0.1")
        .temporary("sick.example");
    let mut setup = setup(zone, 25);
    let hop = Route { hosts: vec![next_hop(closed().await)], ..Route::default() };
    let key = format!("127.0.0.1:{}", hop.hosts[0].port());
    setup.routes.insert("*.routed.example".to_owned(), hop);
    let deliverer = Deliverer::new(setup);
    for (domain, site, connections) in [
        ("a.example", "mx1.host.example mx2.host.example", None),
        ("b.example", "mx1.host.example mx2.host.example", None),
        ("c.example", "mx1.host.example", None),
        ("g.example", "*.google.com", Some(20)),
        ("h.example", "*.google.com", Some(20)),
        ("implicit.example", "implicit.example", None),
        ("sick.example", "sick.example", None),
        ("gone.example", "gone.example", None),
        ("[127.0.0.1]", "[127.0.0.1]", None),
        ("x.routed.example", &key, None),
        ("y.routed.example", &key, None),
    ] {
        let found = deliverer.site(&Domain::parse(domain).unwrap()).await;
        assert_eq!((found.key.as_str(), found.connections_max), (site, connections), "{domain}");
    }
}
