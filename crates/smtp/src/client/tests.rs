//! The outbound session against scripted hosts, its input cut at every byte.

use mailwright_words::address::{Address, ReversePath};
use mailwright_words::envelope::{BodyType, ByMode, Envelope, Notify, Recipient, Ret, TlsWish};

use super::*;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";
const OPEN: &str = "
S: 220 mx.example ESMTP
C: EHLO me.example
S: 250-mx.example
S: 250-8BITMIME
S: 250-SIZE 1000
S: 250-DSN
S: 250-SMTPUTF8
S: 250 PIPELINING
";

fn settings() -> Settings {
    Settings {
        hostname: "me.example".to_owned(),
        lmtp: false,
        command_timeout: Duration::from_mins(5),
        final_timeout: Duration::from_mins(10),
        bounds: Bounds::default(),
    }
}

fn recipient(address: &str) -> Recipient {
    Recipient { address: Address::parse(address).unwrap(), notify: Notify::default(), orcpt: None }
}

fn transaction(recipients: &[&str]) -> Transaction {
    Transaction {
        envelope: Envelope {
            from: ReversePath::Sender(Address::parse("a@me.example").unwrap()),
            recipients: recipients.iter().map(|address| recipient(address)).collect(),
            envid: None,
            ret: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            deliver_by: None,
            hold_until: None,
            priority: None,
            tls: TlsWish::None,
        },
        bytes: 20,
        by: None,
    }
}

/// Plays the driver's part, and writes down what came of it.
struct Player {
    session: Session,
    transaction: Transaction,
    transactions: usize,
    tls: bool,
    auth: bool,
    sent: String,
    news: Vec<String>,
    begun: usize,
}

impl Player {
    fn new(settings: Settings, transaction: Transaction) -> Self {
        Self {
            session: Session::new(settings),
            transaction,
            transactions: 1,
            tls: false,
            auth: false,
            sent: String::new(),
            news: Vec::new(),
            begun: 0,
        }
    }

    fn choose(&mut self) {
        if std::mem::take(&mut self.tls) {
            self.session.start_tls();
        } else if std::mem::take(&mut self.auth) {
            self.session.authenticate("PLAIN", Some(b"\0user\0secret".to_vec()));
        } else if self.begun < self.transactions {
            self.begun += 1;
            if let Err(lacking) = self.session.begin(self.transaction.clone()) {
                self.news.push(lacking.to_string());
                self.session.quit();
            }
        } else {
            self.session.quit();
        }
    }

    fn run(&mut self) {
        while let Some(step) = self.session.next() {
            match step {
                Step::Write(bytes) => self.sent.push_str(std::str::from_utf8(&bytes).unwrap()),
                Step::Ready | Step::Authenticated(_) => self.choose(),
                Step::StartTls => {
                    self.news.push("handshake".to_owned());
                    self.session.tls();
                }
                Step::TlsRefused(reply) => {
                    self.news.push(format!("no tls {}", reply.code));
                    self.choose();
                }
                Step::XclientRefused(reply) => {
                    self.news.push(format!("no xclient {}", reply.code));
                    self.session.quit();
                }
                Step::Challenge(_) => self.session.respond(None),
                Step::AuthRefused(reply) => {
                    self.news.push(format!("no auth {}", reply.code));
                    self.session.quit();
                }
                Step::Body => {
                    let mut out = Vec::new();
                    for piece in MESSAGE.chunks(3) {
                        self.session.body(piece, &mut out);
                    }
                    self.session.body_end(&mut out);
                    self.sent.push_str(std::str::from_utf8(&out).unwrap());
                }
                Step::Done(verdicts) => {
                    self.news.push(verdicts.iter().map(word).collect::<Vec<_>>().join(", "));
                    if self.session.is_ready() {
                        self.choose();
                    }
                }
                Step::Failed(Failure::Refused(phase, reply)) => {
                    self.news.push(format!("refused {} {phase}", reply.code));
                }
                Step::Failed(Failure::Lost(loss)) => self.news.push(loss.to_string()),
                Step::Close => self.news.push("close".to_owned()),
                Step::Rehearsed(_) => self.news.push("rehearsed".to_owned()),
            }
        }
    }

    /// Plays `script`; the host's words come in pieces of `piece` octets.
    fn play(mut self, script: &str, piece: usize) -> Self {
        let script = script.replace("@message", "C: Subject: x\nC:\nC: ..dot\nC: .");
        let mut heard = String::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some(("S", text)) => heard.extend([text.trim_start(), "\r\n"]),
                other => {
                    self.hear(&mut heard, piece);
                    match other {
                        Some(("C", text)) => {
                            let text = text.trim_start();
                            let said = self.sent.split_once("\r\n");
                            let (said, rest) = said.unwrap_or(("nothing", ""));
                            assert_eq!(said, text, "{}", self.session.conversation());
                            self.sent = rest.to_owned();
                        }
                        _ if line == "@eof" => self.session.event(Event::Eof),
                        _ if line == "@timeout" => self.session.event(Event::TimedOut),
                        _ => panic!("{line}"),
                    }
                }
            }
        }
        self.hear(&mut heard, piece);
        self
    }

    fn hear(&mut self, heard: &mut String, piece: usize) {
        for bytes in std::mem::take(heard).as_bytes().chunks(piece) {
            self.session.feed(bytes);
            self.run();
        }
        self.run();
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted(reply) => format!("ok {}", reply.code),
        Verdict::Refused(reply) => format!("no {}", reply.code),
        Verdict::Lost(loss) => loss.to_string(),
    }
}

/// Plays with `make`'s player in pieces of 1, 2, 3, 7 and all octets; the outcome is the same.
fn plays(make: impl Fn() -> Player, script: &str, news: &[&str]) -> Player {
    let mut last = None;
    for piece in [1, 2, 3, 7, usize::MAX] {
        let player = make().play(script, piece);
        assert_eq!(player.news, news, "in pieces of {piece}");
        assert_eq!(player.sent, "", "nothing else is said");
        last = Some(player);
    }
    last.unwrap()
}

fn check(recipients: &[&str], script: &str, news: &[&str]) {
    let script = format!("{OPEN}{script}");
    plays(|| Player::new(settings(), transaction(recipients)), &script, news);
}

#[test]
fn a_message_is_sent_in_one_group() {
    check(
        &["b@x.example", "c@x.example"],
        "C: MAIL FROM:<a@me.example> SIZE=20
         C: RCPT TO:<b@x.example>
         C: RCPT TO:<c@x.example>
         C: DATA
         S: 250 ok
         S: 250 ok
         S: 550 5.1.1 no such user
         S: 354 go
         @message
         S: 250 2.0.0 queued
         C: QUIT
         S: 221 bye",
        &["ok 250, no 550", "close"],
    );
}

#[test]
fn without_pipelining_one_command_waits_for_another() {
    plays(
        || Player::new(settings(), transaction(&["b@x.example"])),
        "S: 220-mx.example
         S: 220 hello
         C: EHLO me.example
         S: 502 what
         C: HELO me.example
         S: 250 mx.example
         C: MAIL FROM:<a@me.example>
         S: 250 ok
         C: RCPT TO:<b@x.example>
         S: 251 forwarded
         C: DATA
         S: 354 go
         @message
         S: 250 ok
         C: QUIT
         S: 221 bye",
        &["ok 250", "close"],
    );
}

#[test]
fn a_connection_is_used_again_and_reset_when_needed() {
    let make =
        || Player { transactions: 2, ..Player::new(settings(), transaction(&["b@x.example"])) };
    let first = "
         C: MAIL FROM:<a@me.example> SIZE=20
         C: RCPT TO:<b@x.example>
         C: DATA
         S: 250 ok
         S: 450 4.2.0 greylisted
         S: 503 no recipients
         C: RSET
         C: MAIL FROM:<a@me.example> SIZE=20
         C: RCPT TO:<b@x.example>
         C: DATA
         S: 250 reset
         S: 250 ok
         S: 250 ok
         S: 354 go
         @message
         S: 250 ok
         C: QUIT
         S: 221 bye";
    plays(make, &format!("{OPEN}{first}"), &["no 450", "ok 250", "close"]);
}

#[test]
fn what_a_host_says_unasked_or_to_a_reset_refuses_nobody() {
    let make =
        || Player { transactions: 2, ..Player::new(settings(), transaction(&["b@x.example"])) };
    let first = "
         C: MAIL FROM:<a@me.example> SIZE=20
         C: RCPT TO:<b@x.example>
         C: DATA
         S: 250 ok
         S: 450 4.2.0 greylisted
         S: 503 no recipients
         C: RSET
         C: MAIL FROM:<a@me.example> SIZE=20
         C: RCPT TO:<b@x.example>
         C: DATA
         S: 554 5.0.0 I will not reset";
    let lost = "the host sent an unexpected 554 after MAIL";
    plays(make, &format!("{OPEN}{first}"), &["no 450", lost, "close"]);
}

#[test]
fn last_words_that_come_before_the_end_is_written_are_heard() {
    let mut session = Session::new(settings());
    session.stage = Stage::Final(Running {
        transaction: transaction(&["b@x.example"]),
        tally: Tally::new(1),
        go: true,
    });
    let Stage::Final(running) = &mut session.stage else { panic!("it was set") };
    running.tally.rcpt(0, Reply::new(250, None, "ok"));
    session.expected = VecDeque::from([Expect::Final]);
    session.feed(b"552 5.3.4 too big\r\n");
    session.event(Event::Eof);
    let Some(Step::Done(verdicts)) = session.next() else { panic!("the transaction is over") };
    assert!(matches!(&verdicts[..], [Verdict::Refused(reply)] if reply.code == 552));
}

#[test]
fn refusals_of_every_phase_are_told_apart() {
    let group = "C: MAIL FROM:<a@me.example> SIZE=20\nC: RCPT TO:<b@x.example>\nC: DATA\n";
    for (replies, news) in [
        ("S: 550 no\nS: 503 x\nS: 503 x\nC: QUIT\nS: 221 x", "no 550"),
        ("S: 451 no\nS: 503 x\nS: 503 x\nC: QUIT\nS: 221 x", "no 451"),
        ("S: 250 ok\nS: 552 many\nS: 503 x\nC: QUIT\nS: 221 x", "no 452"),
        ("S: 250 ok\nS: 552 5.2.2 full\nS: 503 x\nC: QUIT\nS: 221 x", "no 552"),
        ("S: 250 ok\nS: 250 ok\nS: 451 later\nC: QUIT\nS: 221 x", "no 451"),
        ("S: 250 ok\nS: 250 ok\nS: 554 never\nC: QUIT\nS: 221 x", "no 554"),
        // A host that goes on although it took nobody gets an empty message.
        ("S: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 250 x\nC: QUIT\nS: 221 x", "no 550"),
        ("S: 250 ok\nS: 250 ok\nS: 354 go\n@message\nS: 554 spam\nC: QUIT\nS: 221 x", "no 554"),
        ("S: 250 ok\nS: 250 ok\nS: 354 go\n@message\nS: 452 full\nC: QUIT\nS: 221 x", "no 452"),
        ("S: 421 bye", "no 421"),
        ("S: 250 ok\nS: 421 bye", "no 421"),
        ("S: 250 ok\nS: 250 ok\nS: 421 bye", "no 421"),
        ("S: 250 ok\nS: 250 ok\nS: 354 go\n@message\nS: 421 bye", "no 421"),
        ("S: 250 ok\nS: 354 x", "the host sent an unexpected 354 after RCPT"),
        ("S: 250 ok\nS: 250 ok\nS: 250 x", "the host sent an unexpected 250 after DATA"),
        ("S: 250 ok\n@eof", "the host closed the connection after RCPT"),
        ("S: 250 ok\nS: 250 ok\n@timeout", "the host took too long after DATA"),
        (
            "S: 250 ok\nS: 250 ok\nS: 354 go\n@message\n@eof",
            "the host closed the connection after the end of the message",
        ),
        (
            "S: garbage",
            "the host does not speak SMTP: a reply does not begin with a reply code after MAIL",
        ),
    ] {
        let script = format!("{OPEN}{group}{replies}");
        let player = plays(
            || Player::new(settings(), transaction(&["b@x.example"])),
            &script,
            &[news, "close"],
        );
        assert!(player.session.conversation().contains("RCPT TO:<b@x.example>"));
    }
}

#[test]
fn openings_that_fail_are_told_apart() {
    for (script, news) in [
        ("S: 554 go away", "refused 554 before the greeting"),
        ("S: 421 busy", "refused 421 before the greeting"),
        ("S: 450 later", "refused 450 before the greeting"),
        ("S: 250 hello", "the host sent an unexpected 250 before the greeting"),
        ("@eof", "the host closed the connection before the greeting"),
        ("@timeout", "the host took too long before the greeting"),
        ("S: 220 x\nC: EHLO me.example\nS: 451 later", "refused 451 after the hello"),
        (
            "S: 220 x\nC: EHLO me.example\nS: 500 x\nC: HELO me.example\nS: 550 x",
            "refused 550 after the hello",
        ),
        (
            "S: SSH-2.0-OpenSSH",
            "the host does not speak SMTP: \
             a reply does not begin with a reply code before the greeting",
        ),
    ] {
        plays(|| Player::new(settings(), transaction(&["b@x.example"])), script, &[news, "close"]);
    }
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let settings = Settings { lmtp: true, ..settings() };
    plays(
        || {
            let to = ["b@x.example", "c@x.example", "d@x.example"];
            Player::new(settings.clone(), transaction(&to))
        },
        "S: 220 lmtp
         C: LHLO me.example
         S: 250-lmtp
         S: 250 PIPELINING
         C: MAIL FROM:<a@me.example>
         C: RCPT TO:<b@x.example>
         C: RCPT TO:<c@x.example>
         C: RCPT TO:<d@x.example>
         C: DATA
         S: 250 ok
         S: 250 ok
         S: 550 no
         S: 250 ok
         S: 354 go
         @message
         S: 250 stored
         S: 452 4.2.2 full
         C: QUIT
         S: 221 bye",
        &["ok 250, no 550, no 452", "close"],
    );
    plays(
        || Player::new(settings.clone(), transaction(&["b@x.example"])),
        "S: 220 lmtp\nC: LHLO me.example\nS: 500 what",
        &["refused 500 after the hello", "close"],
    );
}

#[test]
fn tls_forgets_what_was_offered_before_it() {
    let make = || Player { tls: true, ..Player::new(settings(), transaction(&["b@x.example"])) };
    plays(
        make,
        "S: 220 mx
         C: EHLO me.example
         S: 250-mx
         S: 250-DSN
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 go
         C: EHLO me.example
         S: 250 mx
         C: MAIL FROM:<a@me.example>
         S: 421 enough",
        &["handshake", "no 421", "close"],
    );
    let refused = "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS
         S: 454 no\nC: MAIL FROM:<a@me.example>\n@eof";
    plays(make, refused, &["no tls 454", "the host closed the connection after MAIL", "close"]);
}

#[test]
fn plain_text_behind_starttls_ends_the_session() {
    let mut player = Player { tls: true, ..Player::new(settings(), transaction(&["b@x.example"])) };
    player.session.feed(b"220 mx\r\n");
    player.run();
    player.session.feed(b"250-mx\r\n250 STARTTLS\r\n");
    player.run();
    player.session.feed(b"220 go\r\n250 injected\r\n");
    player.run();
    assert_eq!(player.news, ["the host sent plain text behind STARTTLS during STARTTLS", "close"]);
}

#[test]
fn a_login_leaves_no_secret_behind() {
    let make = || Player { auth: true, ..Player::new(settings(), transaction(&["b@x.example"])) };
    let player = plays(
        make,
        "S: 220 mx
         C: EHLO me.example
         S: 250-mx
         S: 250 AUTH PLAIN
         C: AUTH PLAIN AHVzZXIAc2VjcmV0
         S: 235 welcome
         C: MAIL FROM:<a@me.example>
         S: 421 enough",
        &["no 421", "close"],
    );
    let conversation = player.session.conversation();
    assert!(conversation.contains("C: AUTH PLAIN ***\n"), "{conversation}");
    assert!(!conversation.contains("AHVzZXIA"), "{conversation}");
    plays(
        make,
        "S: 220 mx
         C: EHLO me.example
         S: 250-mx
         S: 250 AUTH PLAIN
         C: AUTH PLAIN AHVzZXIAc2VjcmV0
         S: 334 bm8=
         C: *
         S: 501 cancelled
         C: QUIT
         S: 221 x",
        &["no auth 501", "close"],
    );
}

#[test]
fn parameters_go_to_hosts_that_know_them() {
    let make = || {
        let mut transaction = transaction(&["b@x.example", "c@x.example"]);
        let envelope = &mut transaction.envelope;
        envelope.from = ReversePath::Null;
        envelope.body = BodyType::EightBitMime;
        envelope.smtputf8 = true;
        envelope.ret = Some(Ret::Hdrs);
        envelope.envid = Some("a+b=c".to_owned());
        let first = &mut envelope.recipients[0];
        first.notify = Notify { never: false, success: true, failure: true, delay: false };
        first.orcpt = Some("rfc822;b+c@x.example".to_owned());
        let second = &mut envelope.recipients[1];
        second.notify = Notify { never: true, success: false, failure: false, delay: false };
        second.orcpt = Some("utf-8;j\u{f6}@x.example".to_owned());
        Player::new(settings(), transaction)
    };
    let script = format!(
        "{OPEN}
         C: MAIL FROM:<> SIZE=20 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc
         C: RCPT TO:<b@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bc@x.example
         C: RCPT TO:<c@x.example> NOTIFY=NEVER ORCPT=utf-8;j\\x{{F6}}@x.example
         C: DATA
         S: 421 enough"
    );
    plays(make, &script, &["no 421, no 421", "close"]);
}

#[test]
fn a_host_that_lacks_something_is_not_begun_with() {
    let opening = "S: 220 mx\nC: EHLO me.example\nS: 250-mx\nS: 250 SIZE 10\nC: QUIT\nS: 221 x";
    for (body, smtputf8, news) in [
        (BodyType::EightBitMime, false, "the host does not offer 8BITMIME"),
        (BodyType::BinaryMime, false, "the host does not offer BINARYMIME"),
        (BodyType::SevenBit, true, "the host does not offer SMTPUTF8"),
        (BodyType::SevenBit, false, "the host takes no message over 10 octets"),
    ] {
        let make = || {
            let mut transaction = transaction(&["b@x.example"]);
            transaction.envelope.body = body;
            transaction.envelope.smtputf8 = smtputf8;
            Player::new(settings(), transaction)
        };
        plays(make, opening, &[news, "close"]);
    }
}

#[test]
fn a_time_goes_along_as_far_as_hosts_keep_it() {
    let by = |seconds, mode, trace| Some(By { seconds, mode, trace });
    for (keyword, lmtp, by, outcome) in [
        ("DELIVERBY 60", false, by(90, ByMode::Return, false), Ok(" BY=90;R")),
        ("DELIVERBY", false, by(1, ByMode::Return, true), Ok(" BY=1;RT")),
        ("DELIVERBY 60", false, by(-5, ByMode::Notify, true), Ok(" BY=-5;NT")),
        ("HELP", false, by(-5, ByMode::Notify, false), Ok("")),
        ("HELP", true, by(90, ByMode::Return, false), Ok("")),
        ("DELIVERBY 60", false, by(59, ByMode::Return, false), Err(Lacking::Late)),
        ("HELP", true, by(0, ByMode::Return, false), Err(Lacking::Late)),
        ("HELP", false, by(90, ByMode::Return, false), Err(Lacking::DeliverBy)),
    ] {
        let transaction = Transaction { by, ..transaction(&["b@x.example"]) };
        let hello = Reply { code: 250, status: None, lines: vec!["x".into(), keyword.into()] };
        let capabilities = Capabilities::read(&hello);
        let lacking = transaction.lacking(&capabilities, lmtp).err();
        assert_eq!(lacking, outcome.err(), "{keyword} {by:?}");
        if let Ok(parameter) = outcome {
            let line = format!("MAIL FROM:<a@me.example>{parameter}");
            assert_eq!(transaction.mail(&capabilities), line);
        }
    }
}

#[test]
fn a_binary_message_goes_as_one_chunk() {
    let make = || {
        let mut transaction = transaction(&["b@x.example"]);
        transaction.envelope.body = BodyType::BinaryMime;
        Player::new(settings(), transaction)
    };
    plays(
        make,
        "S: 220 mx
         C: EHLO me.example
         S: 250-mx
         S: 250-CHUNKING
         S: 250 BINARYMIME
         C: MAIL FROM:<a@me.example> BODY=BINARYMIME
         S: 250 ok
         C: RCPT TO:<b@x.example>
         S: 250 ok
         C: BDAT 20 LAST
         C: Subject: x
         C:
         C: .dot
         S: 250 ok
         C: QUIT
         S: 221 x",
        &["ok 250", "close"],
    );
}

#[test]
fn a_message_that_is_not_whole_is_never_ended() {
    let mut session = Session::new(settings());
    session.feed(b"220 x\r\n");
    while session.next().is_some() {}
    session.feed(b"250 x\r\n");
    while session.next().is_some() {}
    session.begin(transaction(&["b@x.example"])).unwrap();
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
        while session.next().is_some() {}
        session.feed(reply.as_bytes());
    }
    assert_eq!(session.next(), Some(Step::Body));
    let mut out = Vec::new();
    session.body(b"half", &mut out);
    session.body_end(&mut out);
    assert_eq!(out, b"half");
    assert!(matches!(session.next(), Some(Step::Done(_))));
    assert_eq!(session.next(), Some(Step::Close));
    assert_eq!(session.next(), None);
}

#[test]
fn a_connection_cut_at_any_octet_loses_nothing() {
    let host = "220 mx\r\n|250-mx\r\n250 PIPELINING\r\n|\
                250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n|250 ok\r\n";
    let whole = host.replace('|', "").len();
    for cut in 0..=whole {
        let mut player = Player::new(settings(), transaction(&["b@x.example", "c@x.example"]));
        let mut left = cut;
        for part in host.split('|') {
            let bytes = &part.as_bytes()[..left.min(part.len())];
            left -= bytes.len();
            player.run();
            player.session.feed(bytes);
            player.run();
        }
        player.session.event(Event::Eof);
        player.run();
        assert_eq!(player.news.last().map(String::as_str), Some("close"), "cut at {cut}");
        assert_eq!(player.news.len(), 2, "one outcome, cut at {cut}: {:?}", player.news);
        assert_eq!(player.news[0].contains("ok 250"), cut == whole, "cut at {cut}");
    }
}

#[test]
fn an_idle_host_that_hangs_up_is_noticed() {
    for last in ["S: 421 idle too long", "S: 250 what", "@eof"] {
        let mut player = Player { transactions: 0, ..Player::new(settings(), transaction(&[])) };
        player.session.feed(b"220 x\r\n");
        while player.session.next().is_some() {}
        player.session.feed(b"250 x\r\n");
        while player.session.next().is_some() {}
        assert!(player.session.is_ready());
        player = player.play(last, 3);
        assert!(!player.session.is_ready());
        assert_eq!(player.news.last().map(String::as_str), Some("close"));
    }
}

#[test]
fn a_message_that_requires_tls_says_so_to_a_host_that_offers_it() {
    for (offered, outcome) in [("REQUIRETLS", Ok(())), ("HELP", Err(Lacking::RequireTls))] {
        let mut transaction = transaction(&["b@x.example"]);
        transaction.envelope.tls = TlsWish::Required;
        let hello = Reply { code: 250, status: None, lines: vec!["x".into(), offered.into()] };
        let capabilities = Capabilities::read(&hello);
        assert_eq!(transaction.lacking(&capabilities, false), outcome);
        if outcome.is_ok() {
            let line = transaction.mail(&capabilities);
            assert_eq!(line, "MAIL FROM:<a@me.example> REQUIRETLS");
        }
    }
}
