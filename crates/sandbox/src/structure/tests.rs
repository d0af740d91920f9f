//! Each rule has a message that fails it, and one that passes although it looks alike.

use std::collections::BTreeSet;

use super::*;
use crate::facts::Context;
use crate::message::Message;

fn names(bytes: &[u8]) -> BTreeSet<&'static str> {
    let message = Message::read(bytes);
    let facts = Facts::new(&message, Context::default());
    structure(&facts).into_iter().map(|finding| finding.rule.name).collect()
}

fn html(html: &str) -> Vec<u8> {
    format!("Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n").into_bytes()
}

fn header(fields: &str) -> Vec<u8> {
    format!("{fields}\r\n\r\nHello\r\n").into_bytes()
}

fn both(text: &str, html: &str) -> Vec<u8> {
    format!(
        "Subject: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--\r\n"
    )
    .into_bytes()
}

/// The rule, a message that fails it, one that keeps it.
type Case = (&'static str, Vec<u8>, Vec<u8>);

fn of_parts() -> Vec<Case> {
    let long = "Your parcel leaves our house today and will arrive tomorrow morning";
    let lines = |html: &str, times: usize| html.repeat(times);
    vec![
        ("text-missing", html("<p>x"), both("x", "<p>x")),
        ("text-empty", both(" ", "<p>Hello"), both("Hello", "<p>Hello")),
        (
            "text-differs",
            both("This client shows no pages sorry for that really", &format!("<p>{long}")),
            both(long, &format!("<p><b>{long}</b> <i>and more")),
        ),
        (
            "html-clipped",
            html(&lines("<p>123456789\r\n", 7500)),
            html(&lines("<p>123456789\r\n", 7000)),
        ),
        (
            "style-too-large",
            html(&format!("<style>{}</style>", lines("p{margin:0}\r\n", 800))),
            html(&lines("<style>p{margin:0}</style>\r\n", 800)),
        ),
        ("line-too-long", html(&lines("x", 999)), html(&lines("x", 998))),
        ("bare-newline", header("Subject: x\nTo: a@b"), header("Subject: x\r\nTo: a@b")),
    ]
}

fn of_headers() -> Vec<Case> {
    vec![
        (
            "header-not-ascii",
            header("Subject: Gr\u{fc}\u{df}e"),
            header("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        ),
        (
            "charset-missing",
            "Subject: x\r\nContent-Type: text/plain\r\n\r\nGr\u{fc}\u{df}e\r\n".into(),
            "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e".into(),
        ),
        ("subject-missing", header("Subject: "), header("Subject: x")),
        (
            "subject-long",
            header(&format!("Subject: {}", "x".repeat(71))),
            header(&format!("Subject: {}", "x".repeat(70))),
        ),
        (
            "placeholder-left",
            html("<p>Dear {{ first_name }},"),
            html("<p>Write {name} or 100% sure, 5% off"),
        ),
        (
            "preheader-poor",
            html("<p>View in browser<p>Your parcel"),
            html(
                "<p>Your parcel<p>You may view this page here, or view another online too, \
                  or unsubscribe",
            ),
        ),
        (
            "one-click-missing",
            header("Subject: x\r\nList-Unsubscribe: <https://a.test/u>"),
            header(
                "Subject: x\r\nList-Unsubscribe: <https://a.test/u>\r\n\
                    List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            ),
        ),
        (
            "message-large",
            header(&format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(900_000))),
            header(&format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(800_000))),
        ),
        (
            "element-dropped",
            html("<script>x</script>"),
            html("<!-- <script> --><p title='<script>'>&lt;script&gt;"),
        ),
    ]
}

fn of_access() -> Vec<Case> {
    vec![
        (
            "alt-missing",
            html("<img src=a.png>"),
            html("<img src=a.png alt=''><img width=1 height=1>"),
        ),
        ("alt-is-file", html("<img src=a.png alt='a.PNG'>"), html("<img src=a.png alt='A cat'>")),
        (
            "link-without-text",
            html("<a href=https://a.test><img src=x alt=''></a>"),
            html("<a href=https://a.test><img src=x alt=Shop></a><a name=x></a>"),
        ),
        (
            "link-text-vague",
            html("<a href=https://a.test>Click <b>here</b></a>"),
            html("<a href=https://a.test>Here is your bill</a>"),
        ),
        ("lang-missing", html("<html><p>Hello"), html("<html lang=en><p>Hello")),
        ("lang-malformed", html("<html lang=english_US>x"), html("<html lang=pt-BR>x")),
        ("heading-skipped", html("<h1>a</h1><h3>b</h3>"), html("<h2>a</h2><h3>b</h3><h1>c</h1>")),
        (
            "table-role-missing",
            html("<table role=presentation><tr><td><table><tr><td>x</table></table>"),
            html("<table role=presentation><tr><td><table><tr><th>x</table></table>"),
        ),
        (
            "contrast-low",
            html("<table bgcolor=white><tr><td style='color:#aaa'>x</table>"),
            html(
                "<div style='background:#fff url(x.png)'><p style='color:#aaa'>x</div>\
                  <p style='color:#333;background:#fff'>y<p style='color:#aaa'>unknown",
            ),
        ),
        (
            "type-small",
            html("<p style='font-size:6pt'>x"),
            html("<p style='font-size:7pt'>x<p style='font-size:0'>y"),
        ),
        (
            "viewport-missing",
            html("<head></head>x"),
            html("<head><meta name=viewport content='width=device-width'></head>x"),
        ),
        (
            "color-scheme-missing",
            html("<table></table>"),
            html("<meta name=Color-Scheme content='light dark'><table></table>"),
        ),
    ]
}

#[test]
fn each_rule_is_broken_by_one_message_and_kept_by_another() {
    let cases = [of_parts(), of_headers(), of_access()].concat();
    for (name, bad, good) in &cases {
        assert!(names(bad).contains(name), "{name} {:?}", names(bad));
        assert!(!names(good).contains(name), "{name} {:?}", names(good));
    }
    let tried: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let all: BTreeSet<&str> = rules().map(|rule| rule.name).collect();
    assert_eq!(tried, all, "no rule without its messages");
    assert_eq!(rules().count(), all.len(), "no name twice");
}

#[test]
fn a_message_made_with_care_keeps_all() {
    let page = "<!doctype html><html lang=en><head><meta name=viewport content='width=1'>\
        <meta name=color-scheme content='light'><title>Parcel</title></head><body>\
        <h1>Your parcel</h1><p>It arrives tomorrow. <a href=https://a.test/p>Track it</a></body>";
    let message = both("Your parcel\r\n\r\nIt arrives tomorrow. https://a.test/p", page);
    assert_eq!(names(&message), BTreeSet::new());
}

#[test]
fn places_and_counts_are_told() {
    let bytes = html("<p>\r\n<img src=a>\r\n<img src=b>");
    let message = Message::read(&bytes);
    let all = structure(&Facts::new(&message, Context::default()));
    let hit = &all.iter().find(|one| one.rule.name == "alt-missing").unwrap().hit;
    assert_eq!((hit.at, hit.count, hit.detail.as_str()), (Some(5), 2, "a"));
}

#[test]
fn each_style_is_read_once_however_much_text_stands_in_it() {
    let style = "a:b;".repeat(2_000);
    let open = format!("<div style='{style}'>").repeat(100);
    let html = format!("{open}<p style='color:#fff;background:#fff'>{}", "x<br>".repeat(5_000));
    assert!(names(&self::html(&html)).contains("contrast-low"));
}
