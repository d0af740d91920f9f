//! Each check in a broken world, where it speaks, and in a sound one, where it is silent; the two
//! differ in one thing.
//!
//! A sound world is silent altogether. What else speaks in a broken one is not asked here: the
//! tests beside each examination say so for the common faults.

use std::collections::BTreeSet;

use mailwright_config::{Config, TlsNeed};
use mailwright_net::{clock::Manual, dns::Fake};
use mailwright_sasl::Secret;
use mailwright_words::{Address, ReversePath, Timestamp};

use crate::{
    Credentials, Report, Scheme, Verdict,
    domain::tests as domains,
    fake::{self, Host, Script, Seal},
    handshake,
    host::{self, Question, Service, tests as hosts},
    message::tests as messages,
    road::tests as roads,
    server::{self, Subject, tests as servers},
    world::World,
};

/// A check in its two worlds.
struct Pair {
    id: &'static str,
    sound: Report,
    broken: Report,
}

/// This server and the world around it.
struct Ours {
    subject: Subject,
    zone: Fake,
    hosts: Vec<(&'static str, Host)>,
}

impl Ours {
    fn new() -> Self {
        Self { subject: servers::sound(), zone: servers::zone(), hosts: servers::hosts() }
    }

    /// One that sends all through another host.
    fn with_smarthost() -> Self {
        let mut ours = Self::new();
        ours.subject.smarthost = "smart.example:587".parse().ok();
        ours.zone.add_address("smart.example", "198.51.100.7".parse().unwrap());
        ours.at("198.51.100.7:587", servers::greets());
        ours
    }

    /// Puts a host in place of the one that is there.
    fn at(&mut self, place: &'static str, host: Host) {
        self.hosts.retain(|(known, _)| *known != place);
        self.hosts.push((place, host));
    }

    async fn look(self) -> Report {
        servers::look(&self.subject, self.zone, self.hosts).await
    }
}

pub(crate) type Base<T> = fn() -> T;
pub(crate) type Change<T> = fn(&mut T);

fn of_server() -> Vec<(&'static str, Base<Ours>, Change<Ours>)> {
    fn chain(ours: &mut Ours) -> &mut mailwright_net::tls::CertificateFacts {
        &mut ours.subject.certificates[0].chain.as_mut().unwrap()[0]
    }
    fn disk(ours: &mut Ours) -> &mut server::Disk {
        ours.subject.folder.as_mut().unwrap().disk.as_mut().unwrap()
    }
    let new: Base<Ours> = Ours::new;
    vec![
        ("backup", new, |o| o.subject.backup = Some(Timestamp::new(0))),
        ("certificate.dates", new, |o| chain(o).ends = Timestamp::new(servers::NOW - 1)),
        ("certificate.file", new, |o| o.subject.certificates[0].chain = Err("rights".to_owned())),
        ("certificate.name", new, |o| chain(o).names = vec!["other.example".to_owned()]),
        ("certificate.own", new, |o| o.subject.certificates.clear()),
        ("clock", new, |o| {
            // The one thing is our clock: to it, both servers are an hour ahead.
            o.at("192.0.2.123:123", Host::Tells(3_600_000));
            o.at("192.0.2.124:123", Host::Tells(3_600_000));
        }),
        ("data.folder", new, |o| o.subject.folder = None),
        ("data.inodes", new, |o| disk(o).inodes_free = 10),
        ("data.rights", new, |o| o.subject.folder.as_mut().unwrap().mode = 0o40755),
        ("data.space", new, |o| disk(o).octets_free = 1 << 30),
        ("domain.mx", new, |o| o.subject.domains = vec!["signed.example".to_owned()]),
        ("list.address", new, |o| o.subject.hostname = "mx".to_owned()),
        ("list.entry", new, |o| {
            o.zone.add_address("7.113.0.203.list.example", "127.0.0.4".parse().unwrap());
        }),
        ("list.sound", new, |o| o.zone.set_broken("2.0.0.127.list.example", true)),
        ("out.port25", new, |o| o.at("198.51.100.1:25", Host::Silent)),
        ("out.smarthost", Ours::with_smarthost, |o| o.at("198.51.100.7:587", Host::Refuses)),
        ("queue.age", new, |o| {
            o.subject.backlog.as_mut().unwrap().oldest = vec![servers::waiting(100_000)];
        }),
        ("queue.held", new, |o| o.subject.backlog.as_mut().unwrap().oldest[0].is_held = true),
        ("queue.stuck", new, |o| {
            o.subject.backlog.as_mut().unwrap().oldest = vec![servers::waiting(100_000)];
        }),
        ("resolver.answers", new, |o| {
            let nobody = "mailwright-doctor-asks.invalid";
            o.zone.add_address(nobody, "198.51.100.9".parse().unwrap());
        }),
        ("resolver.dnssec", new, |o| o.zone.set_broken("bogus.signed.example", false)),
        ("server.address", new, |o| o.subject.hostname = "gone.example".to_owned()),
        ("server.hostname", new, |o| o.subject.hostname = "mx".to_owned()),
        ("server.port", new, |o| o.at("127.0.0.1:25", Host::Mute)),
        ("server.ptr", new, |o| {
            o.zone.add_address("mx.example", "198.51.100.9".parse().unwrap());
        }),
        ("server.runs", new, |o| o.subject.is_running = false),
    ]
}

/// Another host, and what is asked about it.
struct Theirs {
    question: Question,
    hosts: Vec<(&'static str, Host)>,
    /// Whether its address has a name.
    is_named: bool,
    /// Whether the authority of its certificate is known.
    is_known: bool,
    now: Option<Timestamp>,
}

impl Theirs {
    fn new(service: Service, place: &str, scripts: Vec<(&'static str, Script)>) -> Self {
        let question = hosts::question(service, place);
        let hosts = scripts.into_iter().map(|(at, script)| (at, Host::Plays(script))).collect();
        Self { question, hosts, is_named: true, is_known: true, now: None }
    }

    /// A submission port, a login and an envelope.
    fn submission() -> Self {
        let scripts = vec![("192.0.2.1:587", hosts::smtp())];
        let mut theirs = Self::new(Service::Smtp, "mx.example:587", scripts);
        theirs.question.credentials = Some(Credentials {
            user: "ann@mail.example".to_owned(),
            password: Secret::new("sesame"),
            scheme: Scheme::Best,
            anywhere: false,
        });
        let from = ReversePath::parse("me@client.example").unwrap();
        let to = Address::parse("ann@mail.example").unwrap();
        theirs.question.envelope = Some((from, vec![to]));
        theirs
    }

    /// A host with all its ports for sending.
    fn sending() -> Self {
        let implicit = Script { implicit: true, ..hosts::smtp() };
        let relay = hosts::smtp().with("tls EHLO", "250 mx.example");
        let scripts = vec![
            ("192.0.2.1:25", relay),
            ("192.0.2.1:465", implicit),
            ("192.0.2.1:587", hosts::smtp()),
            ("192.0.2.1:2525", hosts::smtp()),
        ];
        Self::new(Service::Smtp, "mx.example", scripts)
    }

    /// A mail server of a domain, looked at to the ground.
    fn thorough() -> Self {
        let relay = hosts::smtp().with("tls EHLO", "250 mx.example");
        let mut theirs = Self::new(Service::Smtp, "mx.example:25", vec![("192.0.2.1:25", relay)]);
        theirs.question.thorough = true;
        theirs
    }

    /// A host with all its ports for reading.
    fn reading() -> Self {
        let implicit = Script { implicit: true, ..hosts::imap() };
        let scripts = vec![("192.0.2.1:993", implicit), ("192.0.2.1:143", hosts::imap())];
        Self::new(Service::Imap, "mx.example", scripts)
    }

    fn imap() -> Self {
        Self::new(Service::Imap, "mx.example:143", vec![("192.0.2.1:143", hosts::imap())])
    }

    /// Another answer to a line, on the first port.
    fn says(&mut self, line: &str, answer: &str) {
        self.change(|script| script.with(line, answer));
    }

    fn change(&mut self, change: impl Fn(Script) -> Script) {
        if let Some((_, Host::Plays(script))) = self.hosts.first_mut() {
            *script = change(std::mem::take(script));
        }
    }

    async fn look(self) -> Report {
        let seal = Seal::new(&["mx.example"]);
        let sealed = |(at, host): (&'static str, Host)| match host {
            Host::Plays(script) => (at, Host::Plays(script.with_tls(&seal.acceptor))),
            other => (at, other),
        };
        let hosts: Vec<_> = self.hosts.into_iter().map(sealed).collect();
        let zone = Fake::new();
        zone.add_address("mx.example", "192.0.2.1".parse().unwrap());
        if self.is_named {
            zone.add_ptr("192.0.2.1".parse().unwrap(), "mx.example");
        }
        let mut world: World = fake::world(hosts, zone, self.is_known.then_some(&seal));
        if let Some(now) = self.now {
            world.clock = std::sync::Arc::new(Manual::new(now));
        }
        host::examine(&world, &self.question).await
    }
}

fn of_host() -> Vec<(&'static str, Base<Theirs>, Change<Theirs>)> {
    const BARE: &str = "250-mx.example\r\n250 PIPELINING";
    let at_587: Base<Theirs> = Theirs::submission;
    vec![
        ("host.addresses", at_587, |t| t.question.place.host = "none.example".to_owned()),
        ("login", at_587, |t| t.says("AUTH PLAIN", "535 5.7.8 Wrong")),
        ("port.open", at_587, |t| t.hosts[0].1 = Host::Silent),
        ("ports", Theirs::sending, |t| t.hosts.clear()),
        ("ports.proxy", Theirs::sending, |t| {
            t.change(|script| Script { greeting: "220 proxy.isp.test".to_owned(), ..script });
        }),
        ("ports.reading", Theirs::reading, |t| t.hosts[0].1 = Host::Refuses),
        ("ports.relay", Theirs::sending, |t| t.hosts[0].1 = Host::Silent),
        ("ports.submission", Theirs::sending, |t| t.hosts.retain(|(at, _)| at.ends_with("25"))),
        ("reading.auth", Theirs::imap, |t| {
            t.says("tls CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done");
        }),
        ("reading.greeting", Theirs::imap, |t| {
            t.change(|script| Script { greeting: "* BYE too many".to_owned(), ..script });
        }),
        ("reading.starttls", Theirs::imap, |t| {
            t.says("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n{tag} OK done");
        }),
        ("smtp.auth", at_587, |t| t.says("tls EHLO", BARE)),
        ("smtp.ehlo", at_587, |t| t.says("EHLO", "550 5.7.1 Go away")),
        ("smtp.greeting", at_587, |t| {
            t.change(|script| Script { greeting: "220 ***************".to_owned(), ..script });
        }),
        ("smtp.mail", at_587, |t| t.says("MAIL", "550 5.7.1 Not from there")),
        ("smtp.names", at_587, |t| t.says("EHLO", "250-filter.scanner.test\r\n250 STARTTLS")),
        ("smtp.rcpt", at_587, |t| t.says("RCPT TO:<ann@", "550 5.1.1 No such mailbox")),
        ("smtp.relay", Theirs::thorough, |t| t.says("RCPT", "250 2.1.5 Ok")),
        ("smtp.reverse", Theirs::sending, |t| t.is_named = false),
        ("smtp.slow", at_587, |t| t.change(|script| Script { seconds: 9, ..script })),
        ("smtp.starttls", at_587, |t| t.says("EHLO", BARE)),
        ("smtp.stripped", at_587, |t| t.says("EHLO", "250-mx.example\r\n250 XXXXXXXA")),
        ("tls.chain", at_587, |t| t.is_known = false),
        ("tls.dates", at_587, |t| t.now = Some(Timestamp::new(1))),
        ("tls.name", at_587, |t| t.question.tls_name = Some("other.example".to_owned())),
        ("tls.old", Theirs::thorough, |t| {
            t.change(|script| Script { old: Some((0x0301, 0xc014)), ..script });
        }),
        ("tls.weak", Theirs::thorough, |t| {
            t.change(|script| Script { old: Some((0x0303, 0x0005)), ..script });
        }),
        ("tls.version", at_587, |t| t.change(|script| Script { is_deaf: true, ..script })),
    ]
}

/// What in a message, or in the DNS, is another.
enum Letter {
    /// This text, for that.
    Text(&'static str, &'static str),
    /// Something in front.
    Front(&'static str),
    /// A record.
    Zone(fn(&Fake)),
}

fn of_message() -> Vec<(&'static str, Letter)> {
    use Letter::{Front, Text, Zone};
    const ARC: &str = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=list.test; s=x; b=YQ==\r\n\
        ARC-Message-Signature: i=1; a=rsa-sha256; d=list.test; s=x; h=from; bh=YQ==; b=YQ==\r\n\
        ARC-Authentication-Results: i=1; list.test; dmarc=pass\r\n";
    vec![
        ("message.arc", Front(ARC)),
        ("message.date", Text("Date: Tue, 24 Nov", "X-Date: Tue, 24 Nov")),
        ("message.demands", Text("Hello.", "Hi.")),
        ("message.dmarc", Text("From: Ann <ann@far.example>", "From: Ann <ann@other.test>")),
        ("message.domain", Text("ann@far.example>\r\nTo", "ann@gone.test>\r\nTo")),
        ("message.from", Text("From: Ann <ann@far.example>\r\n", "")),
        ("message.header", Text("\r\n\r\nHello", "\r\nHello")),
        ("message.hop", Text("06:15:03", "06:35:03")),
        ("message.id", Text("Message-ID: <1@far.example>\r\n", "")),
        ("message.iprev", Text("[192.0.2.1]", "[192.0.2.2]")),
        ("message.key", Text("s=one", "s=two")),
        ("message.lines", Text("Bye.", LONG)),
        ("message.once", Text("Subject: Hello", "Subject: Hello\r\nSubject: Ho")),
        ("message.signature", Text("Bye.", "Stay.")),
        ("message.spf", Zone(|zone| zone.set_broken("far.example", true))),
        ("message.stamp", Text("spf=pass", "spf=softfail")),
        ("message.unsubscribe", Text("https://", "http://")),
    ]
}

/// A line longer than any may be.
const LONG: &str = const {
    match str::from_utf8(&[b'x'; 1200]) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// The road to an address.
struct Way {
    to: &'static str,
    script: Script,
    config: Config,
}

impl Way {
    fn new() -> Self {
        Self { to: "ann@only.example", script: roads::sound(), config: Config::default() }
    }

    /// One on which only good certificates count.
    fn strict() -> Self {
        let mut way = Self::new();
        way.config.relay.tls = TlsNeed::Verified;
        way
    }
}

fn of_road() -> Vec<(&'static str, Base<Way>, Change<Way>)> {
    let new: Base<Way> = Way::new;
    vec![
        ("road.connect", new, |way| way.to = "ann@far.example"),
        ("road.end", new, |way| way.to = "eve@only.example"),
        ("road.mx", new, |way| way.to = "ann@null.example"),
        ("road.tls", Way::strict, |way| {
            way.script = roads::sound().with("STARTTLS", "454 4.7.0 Not now");
        }),
        ("road.unknown", new, |way| way.to = "ann@broken.example"),
    ]
}

/// Both worlds of every check of a message.
async fn letters() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (id, letter) in of_message() {
        let case = messages::Case::new();
        let sound = case.sound();
        let (mut text, zone) = (sound.clone(), case.zone());
        match letter {
            Letter::Text(what, with) => text = text.replacen(what, with, 1),
            Letter::Front(what) => text.insert_str(0, what),
            Letter::Zone(change) => change(&zone),
        }
        let sound = case.look(&sound).await;
        pairs.push(Pair { id, sound, broken: messages::look(&text, zone).await });
    }
    pairs
}

/// Both worlds of every check.
async fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (id, base, change) in of_server() {
        let mut broken = base();
        change(&mut broken);
        pairs.push(Pair { id, sound: base().look().await, broken: broken.look().await });
    }
    for (id, base, change) in of_host() {
        let mut broken = base();
        change(&mut broken);
        pairs.push(Pair { id, sound: base().look().await, broken: broken.look().await });
    }
    for (id, base, change) in domains::cases() {
        let mut broken = base();
        change(&mut broken);
        pairs.push(Pair { id, sound: base().look().await, broken: broken.look().await });
    }
    let (sound, broken) = (handshake::tests::report(None), handshake::tests::report(Some("short")));
    pairs.push(Pair { id: "tls.key", sound, broken });
    for (id, base, change) in of_road() {
        let (sound, mut broken) = (base(), base());
        change(&mut broken);
        let sound = roads::go(sound.to, sound.script, &sound.config).await;
        let broken = roads::go(broken.to, broken.script, &broken.config).await;
        pairs.push(Pair { id, sound, broken });
    }
    pairs.extend(letters().await);
    pairs
}

/// The names of the checks that have a pair.
pub(crate) fn names() -> BTreeSet<String> {
    let server = of_server().into_iter().map(|(id, ..)| id);
    let host = of_host().into_iter().map(|(id, ..)| id);
    let road = of_road().into_iter().map(|(id, ..)| id);
    let message = of_message().into_iter().map(|(id, _)| id);
    let domain = domains::cases().into_iter().map(|(id, ..)| id).chain(["tls.key"]);
    server.chain(host).chain(road).chain(message).chain(domain).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn each_check_is_silent_in_its_sound_world_and_speaks_in_its_broken_one() {
    for Pair { id, sound, broken } in Box::pin(pairs()).await {
        let loud: Vec<_> = sound.checks().filter(|check| check.verdict != Verdict::Right).collect();
        assert!(loud.is_empty(), "{id} in its sound world: {loud:?}");
        let speaks = broken.checks().any(|check| check.id == id && check.verdict != Verdict::Right);
        assert!(speaks, "{id} in its broken world:\n{}", broken.text(true));
    }
}

/// What is wrong says what it means and what to do.
#[tokio::test(start_paused = true)]
async fn whatever_speaks_says_what_it_means_and_what_to_do() {
    let mut mute = Vec::new();
    for Pair { broken, .. } in Box::pin(pairs()).await {
        let loud = broken.checks().filter(|check| check.verdict != Verdict::Right);
        let lacks = |text: &[&String]| text.iter().any(|text| text.is_empty());
        for check in loud.filter(|check| lacks(&[&check.tried, &check.means, &check.mend])) {
            mute.push(format!("{check:?}"));
        }
    }
    mute.sort();
    mute.dedup();
    assert!(mute.is_empty(), "{}", mute.join("\n"));
}
