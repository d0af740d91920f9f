//! Which versions and ciphers of old a host still takes, that our TLS library does not even speak.
//!
//! A first message of a handshake is written by hand, and the answer's first lines are read: that a
//! host agrees is enough, no handshake is ended. Asked for by `--thorough` alone.
//! Source: RFC 5246 sections 6.2.1 and 7.4.1, RFC 6101, RFC 8996, RFC 7465, RFC 9325.

mod hello;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    time::timeout,
};

use self::hello::{Answer, Offer};
use super::{Line, Service};
use crate::{Check, world::Stream};

/// Lines of a host that are read before the handshake.
const LINES_MAX: usize = 100;
/// Octets of them.
const LINE_MAX: u64 = 2048;
/// Octets of an answer that are read.
const ANSWER_MAX: u64 = 16 * 1024;

pub(super) async fn examine(line: &Line<'_>) -> Vec<Check> {
    vec![versions(line).await, ciphers(line).await]
}

/// The versions that were given up.
async fn versions(line: &Line<'_>) -> Check {
    const ID: &str = "tls.old";
    const TITLE: &str = "TLS of old";
    let mut taken = Vec::new();
    let mut unclear = None;
    for (offer, name) in
        [(Offer::Tls11, "TLS 1.1"), (Offer::Tls10, "TLS 1.0"), (Offer::Ssl3, "SSL 3.0")]
    {
        match ask(line, offer).await {
            // Whoever is offered 1.1 may answer with 1.0, which is then asked for by itself.
            Ok(Answer::Agreed { version, .. }) if version == offer.version() => taken.push(name),
            Ok(_) => {}
            Err(why) => unclear = unclear.or(Some(why)),
        }
    }
    let check = if !taken.is_empty() {
        Check::warning(ID, TITLE, format!("{} taken, too", taken.join(", ")))
            .means(
                "These versions were given up (RFC 8996): with them, others can read along, or \
                 make both sides use less than they could.",
            )
            .mend("Let the host speak TLS 1.2 and 1.3 alone; everybody who matters does.")
    } else if let Some(why) = unclear {
        unknown(ID, TITLE, &why)
    } else {
        Check::right(ID, TITLE, "TLS 1.1, TLS 1.0 and SSL 3.0 are refused")
    };
    check.tried("a first message of TLS 1.1, TLS 1.0 and SSL 3.0 each")
}

/// Ciphers that protect nothing, or not enough.
async fn ciphers(line: &Line<'_>) -> Check {
    const ID: &str = "tls.weak";
    const TITLE: &str = "Weak ciphers";
    // What is worst by itself, as a host takes what it likes best of what it is offered. Between
    // servers a certificate proves nothing anyway.
    let mut check = Check::right(ID, TITLE, "refused");
    for offer in [Offer::Open, Offer::Weak { anonymous: line.is_strict() }] {
        match ask(line, offer).await {
            Ok(Answer::Agreed { cipher, .. }) => {
                check = weak(cipher);
                break;
            }
            Ok(Answer::Refused) => {}
            Err(why) => check = unknown(ID, TITLE, &why),
        }
    }
    check.tried("a first message of TLS 1.2 with weak ciphers alone, the worst first")
}

fn weak(cipher: u16) -> Check {
    let found = format!("one is taken: {} (0x{cipher:04x})", hello::weakness(cipher));
    let check = if hello::is_open(cipher) { Check::wrong } else { Check::warning };
    check("tls.weak", "Weak ciphers", found)
        .means("Who listens in can make out, or break, what is sent with it.")
        .mend("Allow the ciphers with ECDHE and AES-GCM or ChaCha20 alone at the host.")
}

fn unknown(id: &'static str, title: &str, why: &str) -> Check {
    Check::unknown(id, title, why)
        .means("The host takes no more connections just now, or answers something else.")
        .mend("Try again in some minutes.")
}

/// One connection, up to the host's answer to a first message.
async fn ask(line: &Line<'_>, offer: Offer) -> Result<Answer, String> {
    let stream = line.again().await.ok_or("no connection")?;
    let limit = line.world.timeout;
    let late = |_| "no answer".to_owned();
    let mut stream = if line.implicit {
        stream
    } else {
        timeout(limit, upgraded(stream, line)).await.map_err(late)??
    };
    let random = random()?;
    let message = hello::message(offer, random, line.question.tls_name());
    let answer = async {
        stream.write_all(&message).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        let mut source = (&mut stream).take(ANSWER_MAX);
        while hello::is_short(&answer) && source.read_buf(&mut answer).await? > 0 {}
        Ok::<_, std::io::Error>(answer)
    };
    match timeout(limit, answer).await {
        // Many hosts just hang up on what they do not take.
        Ok(Err(_)) => Ok(Answer::Refused),
        Ok(Ok(answer)) => hello::read(&answer).ok_or_else(|| "what came back is no TLS".to_owned()),
        Err(_) => Err("no answer".to_owned()),
    }
}

fn random() -> Result<[u8; 32], String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(random)
}

/// Asks for TLS in plain text, as the service has it.
async fn upgraded(stream: Stream, line: &Line<'_>) -> Result<Stream, String> {
    let hello = format!("EHLO {}\r\n", line.world.hostname);
    let steps: &[(&str, &str)] = match line.question.service {
        Service::Smtp => &[("", "220 "), (&hello, "250 "), ("STARTTLS\r\n", "220 ")],
        Service::Imap => &[("", "* "), ("a STARTTLS\r\n", "a OK")],
        Service::Pop3 => &[("", "+OK"), ("STLS\r\n", "+OK")],
    };
    let mut stream = BufReader::new(stream);
    for (command, wanted) in steps {
        stream.write_all(command.as_bytes()).await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        awaited(&mut stream, wanted).await?;
    }
    Ok(stream.into_inner())
}

/// Reads up to the line that ends an answer.
async fn awaited(stream: &mut BufReader<Stream>, wanted: &str) -> Result<(), String> {
    for _ in 0..LINES_MAX {
        let mut text = Vec::new();
        let mut source = (&mut *stream).take(LINE_MAX);
        let count = source.read_until(b'\n', &mut text).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&text);
        if count == 0 {
            return Err("the host hung up".to_owned());
        }
        if text.starts_with(wanted) {
            return Ok(());
        }
        // A line that goes on, or one that nobody asked for.
        let goes_on = text.as_bytes().get(3) == Some(&b'-') || text.starts_with("* ");
        if !goes_on {
            return Err(format!("the host said {:?}", text.trim_end()));
        }
    }
    Err("the host does not stop talking".to_owned())
}
