//! Every rule fires for a message, and spares one that is nearly the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::facts::Context;
use crate::message::Message;
use crate::verdict::{Auth, Dkim, Dmarc, Found, List, ListEntry, ListKind, Policy, Spf, Word};

/// What a sample changes about a message that no rule minds.
struct Build {
    fields: Vec<(String, String)>,
    text: Option<String>,
    html: Option<String>,
    files: Vec<(String, String)>,
    raw: Option<String>,
    context: Context,
}

const FIELDS: &[(&str, &str)] = &[
    (
        "Received",
        "from mail.shop.eu (mail.shop.eu [192.0.2.1]) by mx; Tue, 24 Nov 2026 06:15:40 +0000",
    ),
    ("From", "Ann Smith <ann@shop.eu>"),
    ("To", "Bob Jones <bob@client.eu>"),
    ("Subject", "Your order 1234 has shipped"),
    ("Date", "Tue, 24 Nov 2026 06:15:37 +0000"),
    ("Message-ID", "<b7c1.4711@mail.shop.eu>"),
    ("MIME-Version", "1.0"),
];
const TEXT: &str = "Hello Bob, your order left our house today and arrives on Thursday. You can \
    follow it at https://www.shop.eu/orders/1234 and change the address until tomorrow. Ann";

impl Build {
    fn clean() -> Self {
        let fields = FIELDS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            fields: fields.collect(),
            text: Some(TEXT.to_owned()),
            html: Some(format!("<!DOCTYPE html><html><body><p>{TEXT}</p></body></html>")),
            files: Vec::new(),
            raw: None,
            context: Context::default(),
        }
    }

    fn auth(&mut self) -> &mut Auth {
        self.context.verdicts.auth.get_or_insert_default()
    }

    /// One edit: a letter and what it is about. `~5*ab~` stands for a text that is repeated.
    fn edit(&mut self, edit: &str) {
        let edit = edit.trim();
        let (letter, rest) = edit.split_once(' ').unwrap_or((edit, ""));
        let rest = &octets(&repeated(rest));
        let pair = |mark: &str| {
            let (name, value) = rest.split_once(mark).unwrap();
            (name.trim().to_owned(), value.trim_start().to_owned())
        };
        match letter {
            "set" => {
                let (name, value) = pair(":");
                self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
                self.fields.push((name, value));
            }
            "add" => self.fields.push(pair(":")),
            "no" if rest == "text" => self.text = None,
            "no" if rest == "html" => self.html = None,
            "no" => self.fields.retain(|(name, _)| !name.eq_ignore_ascii_case(rest)),
            "text" => (self.text, self.html) = (Some(rest.clone()), None),
            "html" => self.html = Some(rest.clone()),
            "file" => self.files.push(pair("|")),
            "raw" => self.raw = Some(rest.replace("\\n", "\r\n")),
            "path" => self.context.reverse_path = Some(rest.clone()),
            "spf" => {
                let all = [
                    Word::Pass,
                    Word::Fail,
                    Word::SoftFail,
                    Word::Neutral,
                    Word::None,
                    Word::PermError,
                    Word::TempError,
                ];
                let word = all.into_iter().find(|word| word.as_str() == rest);
                self.auth().spf = Some(Spf::of(word.expect(rest), "shop.eu", ""));
            }
            "dkim" => {
                let (domain, word) = rest.split_once(' ').unwrap_or((rest, ""));
                let word = match word {
                    "good" => Word::Pass,
                    "unknown" => Word::TempError,
                    _ => Word::Fail,
                };
                self.auth().dkim.extend((!domain.is_empty()).then(|| dkim(domain, word)));
            }
            "dmarc" => self.auth().dmarc = Some(dmarc(rest)),
            "listed" => {
                let is_address = rest.parse::<std::net::IpAddr>().is_ok();
                let kind = if is_address { ListKind::Addresses } else { ListKind::Domains };
                let found = Found::Listed { codes: Vec::new(), reason: None };
                let entries = vec![ListEntry { what: rest.clone(), found }];
                let zone = "list.example".to_owned();
                let list = List { zone, kind, unsound: None, entries };
                self.context.verdicts.lists.get_or_insert_default().push(list);
            }
            _ => panic!("{edit:?} is no edit"),
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut out = String::new();
        for (name, value) in &self.fields {
            write!(out, "{name}: {value}\r\n").unwrap();
        }
        if let Some(raw) = &self.raw {
            return bytes(&format!("{out}{raw}"));
        }
        let part = |kind: &str, text: &str| {
            format!(
                "--b\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
                Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
            )
        };
        out.push_str("Content-Type: multipart/alternative; boundary=b\r\n\r\n");
        if let Some(text) = &self.text {
            out.push_str(&part("plain", text));
        }
        if let Some(html) = &self.html {
            out.push_str(&part("html", html));
        }
        for (name, media) in &self.files {
            write!(
                out,
                "--b\r\nContent-Type: {media}\r\n\
                Content-Disposition: attachment; filename=\"{name}\"\r\n\r\nx\r\n"
            )
            .unwrap();
        }
        out.push_str("--b--\r\n");
        bytes(&out)
    }
}

fn dmarc(text: &str) -> Dmarc {
    let (word, policy) = match text {
        "pass" => (Word::Pass, Policy::Reject),
        "missing" => (Word::None, Policy::None),
        "unknown" => (Word::TempError, Policy::None),
        "reject" => (Word::Fail, Policy::Reject),
        "quarantine" => (Word::Fail, Policy::Quarantine),
        "none" => (Word::Fail, Policy::None),
        _ => panic!("{text:?} is no policy"),
    };
    Dmarc {
        word,
        domain: "shop.eu".to_owned(),
        record_at: None,
        published: policy,
        policy,
        record: None,
        dkim_aligned: false,
        spf_aligned: false,
        reason: String::new(),
    }
}

fn dkim(domain: &str, word: Word) -> Dkim {
    Dkim {
        word,
        domain: domain.to_owned(),
        selector: "s".to_owned(),
        algorithm: "rsa-sha256".to_owned(),
        start: String::new(),
        covers: Vec::new(),
        reason: String::new(),
    }
}

/// A character of private use for each octet that is written `\xHH`; see [`bytes`].
fn octets(text: &str) -> String {
    let mut pieces = text.split("\\x");
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        out.push(char::from_u32(OCTETS + u32::from_str_radix(digits, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}

const OCTETS: u32 = 0xf700;

/// A text as it is sent.
fn bytes(text: &str) -> Vec<u8> {
    let each = text.chars().flat_map(|c| match u32::from(c).checked_sub(OCTETS) {
        Some(octet) if octet < 256 => vec![u8::try_from(octet).unwrap()],
        _ => c.to_string().into_bytes(),
    });
    each.collect()
}

fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('~') {
        let (inside, end) = after.split_once('~').unwrap();
        let (count, what) = inside.split_once('*').unwrap();
        out.push_str(before);
        out.push_str(&what.repeat(count.parse().unwrap()));
        rest = end;
    }
    out.push_str(rest);
    out
}

/// The names of the rules that hold for a sample.
fn hits(edits: &str) -> Vec<&'static str> {
    let mut build = Build::clean();
    for edit in edits.split(" ;; ").filter(|edit| !edit.trim().is_empty()) {
        build.edit(edit);
    }
    let bytes = build.message();
    let message = Message::read(&bytes);
    let facts = Facts::new(&message, build.context);
    spam(&facts).hits.iter().map(|rule| rule.name).collect()
}

#[test]
fn a_clean_message_has_no_points() {
    assert_eq!(hits(""), ["HTML_MESSAGE"]);
}

#[test]
fn every_rule_fires_and_spares() {
    let mut seen: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut name = "";
    for line in include_str!("tests/samples.txt").lines() {
        match line.split_at_checked(2) {
            Some(("= ", rule)) => name = rule.trim(),
            Some(("+ ", edits)) => {
                seen.entry(name).or_default()[0] += 1;
                let hits = hits(edits);
                if !hits.contains(&name) {
                    wrong.push(format!("{name} does not fire for {edits:.80}: {hits:?}"));
                }
            }
            Some(("- ", edits)) => {
                seen.entry(name).or_default()[1] += 1;
                if hits(edits).contains(&name) {
                    wrong.push(format!("{name} fires for {edits:.80}"));
                }
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for rule in rules() {
        let [fires, spares] = seen.remove(rule.name).unwrap_or_default();
        assert!(
            fires > 0 && spares > 0,
            "{}: {fires} messages fire it, {spares} do not",
            rule.name
        );
    }
    assert!(seen.is_empty(), "no such rule: {seen:?}");
}

#[test]
fn rules_have_names_of_their_own_and_say_what_they_mean() {
    let mut names: Vec<&str> = rules().map(|rule| rule.name).collect();
    let count = names.len();
    assert!(count >= 120, "{count}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for rule in rules() {
        let is_sentence = rule.explanation.ends_with('.') && rule.explanation.len() > 15;
        assert!(is_sentence, "{}: {}", rule.name, rule.explanation);
        assert!(
            rule.name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        );
    }
}

#[test]
fn points_are_added_up_and_the_worst_is_first() {
    let bytes = b"Subject: FREE!!! ACT NOW\r\n\r\nDear friend, viagra\r\n";
    let message = Message::read(bytes);
    let score = spam(&Facts::new(&message, Context::default()));
    assert!(score.is_spam(), "{}", score.score);
    assert!(score.hits.is_sorted_by(|a, b| a.points >= b.points));
    let sum: f64 = score.hits.iter().map(|rule| rule.points).sum();
    assert!((sum - score.score).abs() < 0.01);
}

#[test]
fn hostile_messages_are_judged_in_time() {
    for piece in [
        "Dear friend v i a g r a ",
        "http://1/%41 ",
        "<p style='color:#fff'>",
        "{{",
        "%a%",
        "\n.\n",
    ] {
        let body = format!("Subject: x\r\nContent-Type: text/html\r\n\r\n{}", piece.repeat(20_000));
        let message = Message::read(body.as_bytes());
        spam(&Facts::new(&message, Context::default()));
    }
}
