//! The time as web servers write it on their answers: for where no time server can be asked.
//!
//! It is right to a second, which is enough for mail, and anybody on the way can write another;
//! what counts is what all agree on. Source: RFC 9110 section 6.6.1.

use std::net::SocketAddr;

use mailwright_mime::sent_date;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    reach::{Reach, addresses, reach},
    world::{Stream, World},
};

/// The port of web pages without TLS.
const PORT: u16 = 80;
/// Octets of an answer that are read.
const ANSWER_MAX: usize = 8 * 1024;
/// Milliseconds by which a date is too early on average, as it has no parts of a second.
const HALF: i64 = 500;

/// How far a web server is ahead of our clock, in milliseconds.
pub(super) async fn ask(world: &World, host: &str) -> Result<i64, String> {
    let (found, check) = addresses(world, host).await;
    let address = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    let place = SocketAddr::new(*address.ok_or(check.found)?, PORT);
    let stream = match reach(world, place).await {
        Reach::Made(stream, _) => stream,
        other => return Err(other.words()),
    };
    let before = world.clock.now().ms();
    let head = timeout(world.timeout, said(stream, host)).await;
    let after = world.clock.now().ms();
    let head = head.map_err(|late| late.to_string())?.map_err(|error| error.to_string())?;
    let date = date(&head).ok_or("its answer has no date")?;
    Ok(date + HALF - i64::midpoint(before, after))
}

/// The header of the answer to a question for nothing.
async fn said(mut stream: Stream, host: &str) -> std::io::Result<Vec<u8>> {
    let question = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < ANSWER_MAX && !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    Ok(answer)
}

/// The date of an answer by HTTP.
fn date(answer: &[u8]) -> Option<i64> {
    let mut lines = answer.split(|byte| *byte == b'\n');
    lines.next().filter(|line| line.starts_with(b"HTTP/1."))?;
    let value = lines.take_while(|line| !line.is_empty() && *line != b"\r").find_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"date:").then_some(value)
    })?;
    sent_date(value.trim_ascii()).map(mailwright_words::Timestamp::ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_from_the_header_of_an_answer_alone() {
        let at = Some(1_795_500_937_000);
        let date = |text: &str| date(text.as_bytes());
        let value = "Date: Tue, 24 Nov 2026 06:15:37 GMT";
        assert_eq!(date(&format!("HTTP/1.1 301 Moved\r\nServer: x\r\n{value}\r\n\r\n")), at);
        assert_eq!(date(&format!("HTTP/1.0 200 OK\r\n{}\r\n\r\n", value.to_lowercase())), at);
        for text in [
            format!("220 mx.example ESMTP\r\n{value}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n\r\n{value}\r\n"),
            "HTTP/1.1 200 OK\r\nDate: whenever\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nDat".to_owned(),
            String::new(),
        ] {
            assert_eq!(date(&text), None, "{text:?}");
        }
    }
}
