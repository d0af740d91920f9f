//! `SpamAssassin`'s `spamd`: the message goes there whole, and a report comes back.
//!
//! Source: the SPAMC/SPAMD protocol, version 1.5 (`spamd/PROTOCOL` of `SpamAssassin`).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::{ANSWER_MAX, line, number, ordered};
use crate::verdict::{Rating, Symbol};

/// Asks the `spamd` at `place`: host and port, or the path of a socket.
///
/// Errors: why there is no rating, in words.
pub async fn spamd(place: &str, message: &[u8], limit: Duration) -> Result<Rating, String> {
    let asking = async {
        if place.starts_with('/') {
            exchange(UnixStream::connect(place).await?, message).await
        } else {
            exchange(TcpStream::connect(place).await?, message).await
        }
    };
    let answer = tokio::time::timeout(limit, asking).await;
    let late = |_| format!("no answer within {} seconds", limit.as_secs());
    let answer = answer.map_err(late)?.map_err(|error| error.to_string())?;
    read(&answer)
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    let head = format!("REPORT SPAMC/1.5\r\nContent-length: {}\r\n\r\n", message.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(message).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    let most = u64::try_from(ANSWER_MAX).unwrap_or(u64::MAX);
    stream.take(most + 1).read_to_end(&mut answer).await?;
    if answer.len() > ANSWER_MAX {
        return Err(io::Error::other(format!("the answer is over {ANSWER_MAX} octets")));
    }
    Ok(answer)
}

/// Reads an answer.
fn read(answer: &[u8]) -> Result<Rating, String> {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    let version = first.next().unwrap_or_default();
    if !version.starts_with("SPAMD/") {
        return Err("what answers is no spamd".to_owned());
    }
    let code = first.next().unwrap_or_default();
    if code != "0" {
        let why = line(first.next().unwrap_or_default());
        return Err(format!("spamd says {} {why}", line(code)));
    }
    let spam = lines.filter_map(|field| field.split_once(':'));
    let mut spam = spam.filter(|(name, _)| name.trim().eq_ignore_ascii_case("spam"));
    let (_, value) = spam.next().ok_or("spamd gives no score")?;
    let wrong = || format!("spamd gives no score: {}", line(value));
    let (word, numbers) = value.split_once(';').ok_or_else(wrong)?;
    let is_spam = match word.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" => true,
        "false" | "no" => false,
        _ => return Err(wrong()),
    };
    let (score, threshold) = numbers.split_once('/').ok_or_else(wrong)?;
    let score = number(score).ok_or_else(wrong)?;
    let threshold = number(threshold).ok_or_else(wrong)?;
    Ok(ordered(Rating { score, threshold, is_spam, action: None, symbols: symbols(body) }))
}

/// The rules of a report: a line each behind the row of dashes, with points, name and what it
/// means, which may go on below.
fn symbols(report: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    let is_row = |line: &str| line.trim_start().starts_with("----") && line.contains(" ---");
    for row in report.lines().skip_while(|line| !is_row(line)).skip(1) {
        let mut words = row.split_whitespace();
        let points = words.next().and_then(number);
        let name = words.next().filter(|name| {
            let mut octets = name.bytes();
            octets.all(|c| c.is_ascii_alphanumeric() || c == b'_') && !name.is_empty()
        });
        match (points, name) {
            // Points stand to the left; what goes on does further right.
            (Some(points), Some(name)) if row.find(|c| c != ' ').is_some_and(|at| at < 5) => {
                let explanation = line(&words.collect::<Vec<_>>().join(" "));
                symbols.push(Symbol { name: line(name), points, explanation });
            }
            _ => {
                let Some(last) = symbols.last_mut().filter(|_| !row.trim().is_empty()) else {
                    continue;
                };
                last.explanation = line(&format!("{} {}", last.explanation, row.trim()));
            }
        }
    }
    symbols
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const REPORT: &str = "SPAMD/1.1 0 EX_OK\r\nContent-length: 400\r\n\
        Spam: True ; 6.1 / 5.0\r\n\r\n\
        Spam detection software has identified this.\n\nContent analysis details:   (6.1 points, \
        5.0 required)\n\n pts rule name              description\n\
        ---- ---------------------- --------------------------------------------------\n\
        -0.0 NO_RELAYS              Informational: message was not relayed\n\
        \x20 1.4 MISSING_DATE           Missing Date: header\n\
        \x20 4.7 BIG_ONE                A body that says\n\
        \x20                           3.0 THINGS more than once\n\n";

    #[test]
    fn a_report_is_read() {
        let rating = read(REPORT.as_bytes()).unwrap();
        assert!((rating.score - 6.1).abs() < 1e-9 && (rating.threshold - 5.0).abs() < 1e-9);
        assert!(rating.is_spam);
        let names: Vec<&str> = rating.symbols.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["BIG_ONE", "MISSING_DATE", "NO_RELAYS"]);
        assert_eq!(rating.symbols[0].explanation, "A body that says 3.0 THINGS more than once");
        let clean = read(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; -0.5 / 5.0\r\n\r\n").unwrap();
        assert!(!clean.is_spam && clean.symbols.is_empty());
    }

    #[test]
    fn hostile_answers_are_no_rating() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1e999 / 5.0\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: Maybe ; 1 / 5\r\n\r\n",
            "SPAMD/1.1 76 Bad header line: (EX_PROTOCOL)\r\n\r\n",
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
        let error = read(b"SPAMD/1.1 79 a\x1bb\x07\r\n").unwrap_err();
        assert!(!error.contains(char::is_control), "{error:?}");
        let many = format!("{REPORT}{}", " 1.0 A_RULE  text\n".repeat(2_000));
        assert_eq!(read(many.as_bytes()).unwrap().symbols.len(), super::super::SYMBOLS_MAX);
    }

    /// Answers one client with `answer`; none, and it says nothing at all.
    async fn server(answer: Option<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).await.unwrap();
            assert!(asked.starts_with(b"REPORT SPAMC/1.5\r\nContent-length: 4\r\n\r\nab\r\n"));
            match answer {
                Some(answer) => drop(stream.write_all(&answer).await),
                None => std::future::pending().await,
            }
        });
        place
    }

    #[tokio::test]
    async fn a_server_is_asked_in_bounds() {
        let second = Duration::from_secs(30);
        let place = server(Some(REPORT.as_bytes().to_vec())).await;
        assert!(spamd(&place, b"ab\r\n", second).await.unwrap().is_spam);
        let place = server(Some(vec![b'x'; ANSWER_MAX + 9])).await;
        let error = spamd(&place, b"ab\r\n", second).await.unwrap_err();
        assert!(error.contains("over"), "{error}");
        let place = server(None).await;
        let error = spamd(&place, b"ab\r\n", Duration::from_millis(50)).await.unwrap_err();
        assert!(error.contains("no answer"), "{error}");
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(spamd(&gone.to_string(), b"ab\r\n", second).await.is_err());
        assert!(spamd("/nowhere/spamd.sock", b"ab\r\n", second).await.is_err());
    }
}
