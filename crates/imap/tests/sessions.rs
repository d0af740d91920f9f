//! Many sessions on one mailbox: what each client pieces together from what it is told is, in the
//! end, the mailbox. And: what is told comes in bounded pieces.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop where it fails"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use mailwright_imap::{Answer, Event, Peer, Question, Session, Settings, Step};
use mailwright_testkit::account::{Account, Guest};
use mailwright_view::{Flags, NumberSet};
use proptest::prelude::*;

/// A message as a client knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    uid: u32,
    /// `None` until it was told.
    flags: Option<BTreeSet<String>>,
}

/// A client that knows only what it was told.
struct Client {
    session: Session,
    guest: Guest,
    rows: Vec<Known>,
    keywords: BTreeSet<String>,
    said: Vec<u8>,
    idles: bool,
    qresync: bool,
}

impl Client {
    fn new(kind: usize, account: &mut Account) -> Self {
        let settings = Arc::new(Settings::new("mx.mailwright.example"));
        let session = Session::new(settings, Peer { trusted: true, tls: false });
        let guest = Guest::new();
        let qresync = kind == 2;
        let mut client = Self {
            session,
            guest,
            rows: Vec::new(),
            keywords: BTreeSet::new(),
            said: Vec::new(),
            idles: false,
            qresync,
        };
        client.run(account);
        client.say("a LOGIN ann@mailwright.example secret", account);
        match kind {
            1 => client.say("b ENABLE IMAP4rev2", account),
            2 => client.say("b ENABLE QRESYNC", account),
            _ => {}
        }
        client.say("c SELECT INBOX", account);
        client
    }

    fn say(&mut self, line: &str, account: &mut Account) {
        self.session.feed(line.as_bytes());
        self.session.feed(b"\r\n");
        self.run(account);
        self.learn(account);
    }

    /// Who is told of UIDs that go has to know the UIDs that are there. Source: RFC 7162 section
    /// 3.2.10.
    fn learn(&mut self, account: &mut Account) {
        let Some(first) = self.rows.iter().position(|row| row.uid == 0) else { return };
        if !self.qresync {
            return;
        }
        let idles = std::mem::take(&mut self.idles);
        if idles {
            self.session.feed(b"DONE\r\n");
        }
        self.session.feed(format!("l FETCH {}:* (UID FLAGS)\r\n", first + 1).as_bytes());
        self.run(account);
        if idles {
            self.idles = true;
            self.session.feed(b"m IDLE\r\n");
            self.run(account);
        }
    }

    fn run(&mut self, account: &mut Account) {
        while let Some(step) = self.session.next() {
            match step {
                Step::Write(octets) => self.said.extend(octets),
                Step::Ask(question) => {
                    let answer = self.guest.answer(question, account);
                    self.session.answer(answer);
                }
                other => panic!("{other:?}"),
            }
        }
        let said = String::from_utf8(std::mem::take(&mut self.said)).unwrap();
        let mut rest = said.as_str();
        let mut line = String::new();
        while let Some((head, tail)) = rest.split_once("\r\n") {
            line.push_str(head);
            rest = tail;
            // What is in a literal tells nothing.
            let literal = head.strip_suffix('}').and_then(|head| head.rsplit_once('{'));
            match literal.and_then(|(_, octets)| octets.parse::<usize>().ok()) {
                Some(octets) => rest = &rest[octets..],
                None => self.hear(&std::mem::take(&mut line)),
            }
        }
    }

    /// Learns from one line.
    fn hear(&mut self, line: &str) {
        let Some(line) = line.strip_prefix("* ") else { return };
        if let Some(gone) = line.strip_prefix("VANISHED ") {
            assert!(self.qresync, "VANISHED needs to be asked for");
            let gone = set(gone.trim_start_matches("(EARLIER) "));
            self.rows.retain(|row| row.uid == 0 || !gone.contains(row.uid));
        }
        if let Some(names) = line.strip_prefix("FLAGS (") {
            self.keywords = names.trim_end_matches(')').split(' ').map(str::to_owned).collect();
        }
        let Some((number, rest)) = line.split_once(' ') else { return };
        let Ok(number) = number.parse::<usize>() else { return };
        match rest.split_once(' ').map_or(rest, |(word, _)| word) {
            "EXISTS" => {
                assert!(number >= self.rows.len(), "EXISTS never takes messages away");
                self.rows.resize(number, Known::default());
            }
            "EXPUNGE" => {
                assert!(!self.qresync);
                self.rows.remove(number - 1);
            }
            "FETCH" => self.hear_fetch(number, rest),
            _ => {}
        }
    }

    fn hear_fetch(&mut self, number: usize, rest: &str) {
        let row = &mut self.rows[number - 1];
        if let Some((_, uid)) = rest.split_once("UID ") {
            let uid: String = uid.chars().take_while(char::is_ascii_digit).collect();
            let uid: u32 = uid.parse().unwrap();
            assert!(row.uid == 0 || row.uid == uid, "a number never stands for another message");
            row.uid = uid;
        }
        if let Some((_, flags)) = rest.split_once("FLAGS (") {
            let flags = flags.split(')').next().unwrap().split(' ');
            let flags: BTreeSet<String> = flags
                .filter(|flag| !flag.is_empty() && *flag != "\\Recent")
                .map(str::to_owned)
                .collect();
            for flag in &flags {
                assert!(self.keywords.contains(flag), "{flag} was not named before it was told");
            }
            row.flags = Some(flags);
        }
    }

    /// What the client makes itself of a change that it asked not to be told.
    fn apply_silently(&mut self, line: &str) {
        let Some((head, flag)) = line.split_once("FLAGS.SILENT (") else { return };
        let flag = flag.trim_end_matches(')');
        let first = head.split([' ', ':']).find_map(|word| word.parse::<usize>().ok()).unwrap();
        let all = head.contains(":*");
        let count = if all { usize::MAX } else { 1 };
        let rows = self.rows.iter_mut().skip(first - 1).take(count);
        for flags in rows.filter_map(|row| row.flags.as_mut()) {
            if head.ends_with('+') {
                flags.insert(flag.to_owned());
            } else {
                flags.remove(flag);
            }
        }
    }

    fn settle(&mut self, account: &mut Account) {
        if std::mem::take(&mut self.idles) {
            self.say("DONE", account);
        }
        self.say("y NOOP", account);
        if let Some(first) = self.rows.iter().position(|row| row.flags.is_none() || row.uid == 0) {
            self.say(&format!("z FETCH {}:* (UID FLAGS)", first + 1), account);
        }
    }
}

fn set(text: &str) -> NumberSet {
    let mut numbers = NumberSet::new();
    for range in text.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        numbers.insert(first.parse().unwrap()..=last.parse().unwrap());
    }
    numbers
}

/// The mailbox as a client should know it.
fn truth(account: &Account) -> Vec<Known> {
    let snapshot = account.snapshot("INBOX").unwrap();
    let names = |flags: Flags| {
        let system = Flags::NAMES.iter().filter(|(bit, _)| flags.has(*bit)).map(|(_, name)| *name);
        let keywords = (0..).zip(snapshot.keywords()).filter(|(bit, _)| flags.has_keyword(*bit));
        system.chain(keywords.map(|(_, name)| &**name)).map(str::to_owned).collect()
    };
    snapshot.rows().map(|row| Known { uid: row.uid, flags: Some(names(row.flags)) }).collect()
}

/// What a client does: its number and three choices.
fn act(client: &mut Client, (verb, place, what): (u8, u8, u8), account: &mut Account) {
    if std::mem::take(&mut client.idles) {
        client.say("DONE", account);
    }
    let count = client.rows.len();
    let seq = usize::from(place) % count.max(1) + 1;
    let flag = ["\\Seen", "\\Flagged", "\\Deleted", "$Junk", "custom"][usize::from(what) % 5];
    let silent = if what % 2 == 0 { ".SILENT" } else { "" };
    let line = match verb % 14 {
        0 => "a APPEND INBOX {3+}\r\nabc".to_owned(),
        1 => {
            account.deliver("INBOX", b"Subject: x\r\n\r\ny\r\n".to_vec());
            "a NOOP".to_owned()
        }
        _ if count == 0 => "a NOOP".to_owned(),
        2 => format!("a STORE {seq}:* +FLAGS{silent} ({flag})"),
        3 => format!("a STORE {seq} -FLAGS{silent} ({flag})"),
        4 => format!("a STORE {seq} FLAGS ({flag})"),
        5 => format!("a UID STORE 1:* +FLAGS{silent} ({flag})"),
        6 => "a EXPUNGE".to_owned(),
        7 => format!("a MOVE {seq} INBOX"),
        8 => format!("a COPY {seq} INBOX"),
        9 => format!("a FETCH {seq}:* (UID FLAGS)"),
        10 => format!("a FETCH {seq} (BODY[] UID)"),
        11 => {
            client.idles = true;
            "a IDLE".to_owned()
        }
        12 => format!("a SEARCH {seq} UNSEEN"),
        _ => "a UID SEARCH RETURN (COUNT) DELETED".to_owned(),
    };
    client.apply_silently(&line);
    client.say(&line, account);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_each_client_was_told_is_the_mailbox(
        acts in prop::collection::vec((0_usize..4, any::<(u8, u8, u8)>()), 1..60),
    ) {
        let mut account = Account::new();
        let mut clients: Vec<Client> =
            [0, 1, 2, 0].map(|kind| Client::new(kind, &mut account)).into();
        for (who, what) in acts {
            act(&mut clients[who], what, &mut account);
            for client in clients.iter_mut().filter(|client| client.idles) {
                client.session.event(Event::News);
                client.run(&mut account);
                client.learn(&mut account);
            }
        }
        for client in &mut clients {
            client.settle(&mut account);
        }
        let truth = truth(&account);
        for (number, client) in clients.iter_mut().enumerate() {
            // What the others fetched may have made messages seen.
            client.settle(&mut account);
            prop_assert_eq!(&client.rows, &truth, "client {}", number);
        }
    }

    #[test]
    fn no_octets_do_harm(
        octets in prop::collection::vec(any::<u8>(), 0..300),
        size in 1_usize..40,
    ) {
        let mut account = Account::new();
        let mut client = Client::new(0, &mut account);
        for piece in octets.chunks(size) {
            client.session.feed(piece);
            while let Some(step) = client.session.next() {
                match step {
                    Step::Ask(question) => {
                        let answer = client.guest.answer(question, &mut account);
                        client.session.answer(answer);
                    }
                    Step::Close => return Ok(()),
                    Step::Write(_) | Step::StartTls => {}
                }
            }
        }
    }
}

/// All that is written for `line`, the sizes of its pieces, and the questions.
fn written(client: &mut Client, line: &str, account: &mut Account) -> (Vec<u8>, usize, usize) {
    client.session.feed(line.as_bytes());
    let (mut said, mut largest, mut questions) = (Vec::new(), 0, 0);
    while let Some(step) = client.session.next() {
        match step {
            Step::Write(octets) => {
                largest = largest.max(octets.len());
                said.extend(octets);
            }
            Step::Ask(question) => {
                questions += 1;
                if let Question::More { octets, .. } = question {
                    assert!(octets <= 256 << 10);
                }
                client.session.answer(client.guest.answer(question, account));
            }
            other => panic!("{other:?}"),
        }
    }
    (said, largest, questions)
}

#[test]
fn a_large_message_flows_past_in_pieces() {
    let mut account = Account::new();
    let message: Vec<u8> =
        (0..1_000_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    account.deliver("INBOX", message.clone());
    let mut client = Client::new(0, &mut account);
    let (said, largest, questions) =
        written(&mut client, "a FETCH 1 (BODY.PEEK[] UID)\r\n", &mut account);
    let head = b"* 1 FETCH (BODY[] {1000000}\r\n";
    assert_eq!(&said[..head.len()], head);
    assert_eq!(&said[head.len()..head.len() + message.len()], message);
    assert_eq!(&said[head.len() + message.len()..], b" UID 1)\r\na OK Done\r\n");
    assert!(largest <= 64 << 10, "{largest}");
    // One for the piece, four for its octets, one for the mailbox at the end.
    assert_eq!(questions, 6);
}

#[test]
fn many_rows_are_told_in_pieces_and_many_contents_asked_for_at_once() {
    let mut account = Account::new();
    for number in 0..1000 {
        account.deliver("INBOX", format!("Subject: {number}\r\n\r\nx\r\n").into_bytes());
    }
    let mut client = Client::new(0, &mut account);
    client.guest.rows_max = 1000;
    let (said, largest, questions) =
        written(&mut client, "a FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)\r\n", &mut account);
    let lines = said.split(|&octet| octet == b'\n').count();
    assert_eq!((lines, questions), (1002, 1));
    assert!(largest <= 64 << 10, "{largest}");
    let (said, _, questions) = written(&mut client, "b FETCH 1:* ENVELOPE\r\n", &mut account);
    assert!(said.ends_with(b"b OK Done\r\n"));
    assert_eq!(questions, 5);
    let (said, _, _) = written(&mut client, "c SEARCH 1:10,990:*\r\n", &mut account);
    assert!(said.starts_with(b"* SEARCH 1 2 3") && said.ends_with(b"999 1000\r\nc OK Done\r\n"));
}

#[test]
fn a_server_that_stops_tells_to_its_end_what_it_began() {
    let mut account = Account::new();
    for number in 0..2000 {
        account.deliver("INBOX", format!("Subject: {number}\r\n\r\nx\r\n").into_bytes());
    }
    let mut client = Client::new(0, &mut account);
    client.session.feed(b"a FETCH 1:* (UID FLAGS INTERNALDATE SAVEDATE)\r\nb NOOP\r\n");
    let mut said = Vec::new();
    while let Some(step) = client.session.next() {
        match step {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(question) => {
                client.session.answer(client.guest.answer(question, &mut account));
            }
            other => assert!(matches!(other, Step::Close)),
        }
        client.session.event(Event::Shutdown);
    }
    let said = String::from_utf8(said).unwrap();
    let end: Vec<&str> = said.lines().rev().take(3).collect();
    assert_eq!(end[0], "* BYE The server stops");
    assert_eq!(said.lines().filter(|line| line.contains(" FETCH ")).count(), 2000);
    assert!(said.contains("a OK Done"));
}

#[test]
fn an_answer_that_does_not_fit_is_told_as_our_fault() {
    let mut account = Account::new();
    let mut client = Client::new(0, &mut account);
    client.session.feed(b"a CREATE x\r\n");
    let mut said = Vec::new();
    let mut wrong = true;
    while let Some(step) = client.session.next() {
        match step {
            Step::Ask(question) => {
                let answer = client.guest.answer(question, &mut account);
                let wrong = std::mem::take(&mut wrong);
                client.session.answer(if wrong { Answer::Sorted(Vec::new()) } else { answer });
            }
            Step::Write(octets) => said.extend(octets),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(said, b"a NO [SERVERBUG] The server made a mistake\r\n");
}
