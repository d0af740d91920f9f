//! The examples of RFC 5256 for SORT and THREAD, over messages that give rise to them.
//!
//! The standard shows answers and no messages. Those here have subjects, dates and references that
//! lead to both of its pictures of the same mailbox, message numbers included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::sync::Arc;

use mailwright_imap::{Answer, Peer, Program, Question, Session, Settings, Step};
use mailwright_mime::{Digest, digest_of_message};
use mailwright_search::{Conversations, Order};
use mailwright_testkit::account::{Account, Guest};
use mailwright_view::{Row, Snapshot};

/// The rows that match, each with the digest of its message.
fn matching(
    (snapshot, program): (Snapshot, Arc<Program>),
    (guest, account): (&mut Guest, &mut Account),
) -> Vec<(Row, Vec<u8>)> {
    let question = Question::Search { snapshot: snapshot.clone(), program };
    let Answer::Found(uids) = guest.answer(question, account) else { panic!("no search") };
    let rows = snapshot.rows().filter(|row| uids.contains(row.uid));
    rows.map(|row| (*row, digest_of_message(&account.content(row).unwrap()))).collect()
}

/// Answers with what this crate finds.
fn answer(question: Question, guest: &mut Guest, account: &mut Account) -> Answer {
    match question {
        Question::Sort { snapshot, program, keys } => {
            let mut order = Order::new(&keys);
            for (row, digest) in matching((snapshot, program), (guest, account)) {
                order.add(&row, Digest::from_bytes(&digest).as_ref());
            }
            Answer::Sorted(order.finish())
        }
        Question::Thread { snapshot, program, algorithm } => {
            let mut all = Conversations::default();
            for (row, digest) in matching((snapshot, program), (guest, account)) {
                all.add(&row, Digest::from_bytes(&digest).as_ref());
            }
            Answer::Threads(all.finish(algorithm))
        }
        question => guest.answer(question, account),
    }
}

/// What comes of commands to an account that was filled so.
fn said(fill: impl FnOnce(&mut Account), commands: &str) -> String {
    let mut account = Account::new();
    fill(&mut account);
    let mut guest = Guest::new();
    let settings = Arc::new(Settings::new("mx.mailwright.example"));
    let mut session = Session::new(settings, Peer { trusted: true, tls: true });
    session.feed(b"a LOGIN ann@mailwright.example secret\r\nb SELECT INBOX\r\n");
    session.feed(commands.as_bytes());
    let mut out = Vec::new();
    while let Some(step) = session.next() {
        match step {
            Step::Write(octets) => out.extend(octets),
            Step::Ask(question) => session.answer(answer(question, &mut guest, &mut account)),
            Step::StartTls | Step::Close => break,
        }
    }
    let out = String::from_utf8(out).unwrap();
    out.split_once("[READ-WRITE] Opened\r\n").unwrap().1.to_owned()
}

/// The order in which the messages were sent.
const SENT: [u32; 43] = [
    166, 167, 168, 169, 172, 170, 171, 173, 174, 175, 176, 178, 181, 180, 179, 177, 183, 182, 188,
    184, 185, 186, 187, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 202, 201, 203,
    204, 205, 206, 207, 208,
];

/// Those of the same subject, each an answer to something that is not there.
const SUBJECTS: [&[u32]; 5] = [
    &[174, 175, 176, 178, 181, 180],
    &[177, 183, 182, 188, 184, 185, 186, 187, 189],
    &[194, 195],
    &[196, 197, 198],
    &[206, 207],
];

/// What a message refers to; 1 and 2 are not there.
const REFERENCES: [(u32, u32); 10] = [
    (170, 1),
    (179, 1),
    (184, 188),
    (189, 188),
    (186, 185),
    (196, 195),
    (198, 197),
    (202, 200),
    (206, 205),
    (207, 206),
];

fn message(number: u32) -> Vec<u8> {
    let place = SENT.iter().position(|one| *one == number).unwrap();
    let same = SUBJECTS.iter().find(|same| same.contains(&number));
    let subject = match (same, number) {
        (Some(same), _) => format!("Re: of {}", same.iter().min().unwrap()),
        (None, 200 | 202) => "Re: of 200".to_owned(),
        (None, number) => format!("of {number}"),
    };
    let refers = REFERENCES.iter().find(|(from, _)| *from == number);
    let refers = refers.map_or_else(String::new, |(_, to)| format!("References: <{to}@x>\r\n"));
    format!(
        "Date: Mon, 6 Mar 2000 00:{place:02}:00 +0000\r\nSubject: {subject}\r\n\
         Message-ID: <{number}@x>\r\n{refers}\r\n"
    )
    .into_bytes()
}

/// The mailbox of the examples: 165 messages that are older, and the 43 that are shown.
fn mailbox(account: &mut Account) {
    for number in 1..166 {
        let old = format!(
            "Date: Tue, 1 Feb 2000 00:00:00 +0000\r\nSubject: old {number}\r\n\
             Message-ID: <old-{number}@x>\r\n\r\n"
        );
        account.deliver("INBOX", old.into_bytes());
    }
    for number in 166..=208 {
        account.deliver("INBOX", message(number));
    }
}

#[test]
fn conversations_are_those_of_the_standard() {
    let told = said(
        mailbox,
        "A283 THREAD ORDEREDSUBJECT UTF-8 SENTSINCE 5-MAR-2000\r\n\
         A284 THREAD ORDEREDSUBJECT US-ASCII TEXT \"gewp\"\r\n\
         A285 THREAD REFERENCES UTF-8 SENTSINCE 5-MAR-2000\r\n",
    );
    assert_eq!(
        told,
        "* THREAD (166)(167)(168)(169)(172)(170)(171)\
         (173)(174 (175)(176)(178)(181)(180))(179)(177 \
         (183)(182)(188)(184)(185)(186)(187)(189))(190)\
         (191)(192)(193)(194 195)(196 (197)(198))(199)\
         (200 202)(201)(203)(204)(205)(206 207)(208)\r\n\
         A283 OK Done\r\n\
         * THREAD\r\n\
         A284 OK Done\r\n\
         * THREAD (166)(167)(168)(169)(172)((170)(179))\
         (171)(173)((174)(175)(176)(178)(181)(180))\
         ((177)(183)(182)(188 (184)(189))(185 186)(187))\
         (190)(191)(192)(193)((194)(195 196))(197 198)\
         (199)(200 202)(201)(203)(204)(205 206 207)(208)\r\n\
         A285 OK Done\r\n"
    );
}

#[test]
fn orders_are_those_of_the_standard() {
    let sorted = |account: &mut Account| {
        for (subject, day) in [("c", 9), ("C", 7), ("b", 8), ("Re: b", 7), ("a", 1)] {
            let text =
                format!("Date: Fri, {day} Feb 1994 00:00:00 +0000\r\nSubject: {subject}\r\n\r\n");
            account.deliver("INBOX", text.into_bytes());
        }
    };
    let told = said(
        sorted,
        "A282 SORT (SUBJECT REVERSE DATE) UTF-8 ALL\r\n\
         A283 SORT (SUBJECT) US-ASCII TEXT \"not in mailbox\"\r\n",
    );
    assert_eq!(told, "* SORT 5 3 4 1 2\r\nA282 OK Done\r\n* SORT\r\nA283 OK Done\r\n");
}

/// Section 4: two conversations, of which the second parts, and siblings without a parent.
#[test]
fn conversations_that_part_are_told_as_the_standard_does() {
    let parting = |account: &mut Account| {
        let above = [(3, 0), (6, 3), (4, 6), (23, 4), (44, 6), (7, 44), (96, 7)];
        for number in 1..=96_u32 {
            let refers = above.iter().find(|(below, above)| *below == number && *above > 0);
            let refers = refers.map_or_else(String::new, |(_, to)| format!("References: <{to}@x>"));
            let text = format!("Subject: {number}\r\nMessage-ID: <{number}@x>\r\n{refers}\r\n\r\n");
            account.deliver("INBOX", text.into_bytes());
        }
    };
    let told = said(parting, "a THREAD REFERENCES UTF-8 2,3,4,6,7,23,44,96\r\n");
    assert_eq!(told, "* THREAD (2)(3 6 (4 23)(44 7 96))\r\na OK Done\r\n");
    let siblings = |account: &mut Account| {
        for number in 1..=5_u32 {
            let refers = if number == 3 || number == 5 { "References: <0@x>\r\n" } else { "" };
            let text = format!("Subject: {number}\r\nMessage-ID: <{number}@x>\r\n{refers}\r\n");
            account.deliver("INBOX", text.into_bytes());
        }
    };
    let told = said(siblings, "a THREAD REFERENCES UTF-8 3,5\r\n");
    assert_eq!(told, "* THREAD ((3)(5))\r\na OK Done\r\n");
}
