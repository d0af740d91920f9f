//! Prints what it takes to render a message: microseconds a message, for several kinds.
//!
//! `cargo run --release -p mailwright-mime --example render_bench`

use std::hint::black_box;
use std::time::Duration;

use mailwright_mime::{Structure, render, searchable};

/// How long each kind is measured.
const SPAN: Duration = Duration::from_millis(500);

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn main() {
    for (name, message) in messages().into_iter().chain(hostile()) {
        let render_us = micros(|| drop(black_box(render(black_box(message.as_bytes())))));
        let parse_us = micros(|| drop(black_box(Structure::parse(black_box(message.as_bytes())))));
        let search_us = micros(|| {
            drop(black_box(searchable(&Structure::parse(black_box(message.as_bytes())))));
        });
        println!(
            "{name:12} {:7} octets: render {render_us:9.1} us (parse {parse_us:8.1}); \
             search text {search_us:9.1} us",
            message.len()
        );
    }
}

/// Microseconds that a call takes, on the average of many.
#[expect(clippy::disallowed_methods, reason = "a measurement needs the time as it is")]
fn micros(call: impl Fn()) -> f64 {
    let start = std::time::Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < SPAN {
        for _ in 0..10 {
            call();
        }
        calls += 10;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

fn messages() -> Vec<(&'static str, String)> {
    let header = header();
    let text = "The quick brown fox jumps over the lazy dog, and comes back tomorrow.\r\n";
    let html = "<p style=\"margin:0\">The quick <b>brown</b> fox &amp; the lazy&nbsp;dog.</p>\r\n";
    let base64 = "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZywgYW5kIGNvbWVz\r\n";
    let alternative = format!(
        "{header}Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
         \r\n{}\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{}\r\n--=_b--\r\n",
        text.repeat(20),
        html.repeat(20)
    );
    let attachment = format!(
        "{header}Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\n{text}\r\n\
         --=_b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--=_b--\r\n",
        base64.repeat(14_000)
    );
    let parts = format!(
        "{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(12_000)
    );
    vec![
        ("plain", format!("{header}\r\n{}", text.repeat(55))),
        ("alternative", alternative),
        ("attachment", attachment),
        ("10,000 parts", parts),
    ]
}

/// Messages of a mebibyte that are made to take long; none may take more than its size explains.
fn hostile() -> Vec<(&'static str, String)> {
    let fill = |piece: &str| piece.repeat((1 << 20) / piece.len());
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    vec![
        ("comments", format!("From: {}\r\n\r\n", fill("("))),
        ("addresses", format!("To: {}\r\n\r\n", fill("a,"))),
        ("words", format!("Subject: {}\r\n\r\n", fill("=?a?q?"))),
        ("parameters", format!("Content-Type: a/b{}\r\n\r\n", fill(";n*1*=%41"))),
        ("fields", fill("X:y\r\n")),
        ("boundaries", format!("{mixed}{}", fill("--c\r\n"))),
        ("markup", format!("Content-Type: text/html\r\n\r\n{}", fill("<a \"&a="))),
    ]
}

fn header() -> String {
    let received =
        "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example \
        with ESMTPS id 4Qx; Tue, 24 Nov 2026 06:15:37 +0000 (UTC)\r\n"
            .repeat(3);
    format!(
        "Return-Path: <ann@example.org>\r\nDelivered-To: bob@mail.example\r\n{received}\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2026;\r\n\t\
         h=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb={}\r\n\
         From: =?utf-8?Q?Ann_=C3=84?= <ann@example.org>\r\nTo: Bob <bob@mail.example>, \
         \"C, D\" <cd@mail.example>\r\nCc: e@mail.example\r\nSubject: Re: [list] \
         =?utf-8?B?R3LDvMOfZQ==?= and more\r\nDate: Tue, 24 Nov 2026 07:15:30 +0100\r\n\
         Message-ID: <20261124061530.1234@example.org>\r\nIn-Reply-To: <1@mail.example>\r\n\
         References: <0@mail.example>\r\n\t<1@mail.example>\r\nMIME-Version: 1.0\r\n",
        "A".repeat(300)
    )
}
