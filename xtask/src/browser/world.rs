//! What the browser looks at: a sandbox of the built binary, and a web server that counts.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{driver::http, hostile};
use crate::run::{Failure, root};

/// Messages of one connection.
const SESSION: usize = 90;

/// A port that nobody uses now.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Asks until the answer is true, or time is over.
#[expect(clippy::disallowed_methods, reason = "a tool that waits for programs it started")]
pub(crate) fn wait_for(most: Duration, mut question: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if question() {
            return true;
        }
        if start.elapsed() > most {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A sandbox; it ends with this.
pub(crate) struct Sandbox {
    process: Child,
    pub(crate) page: u16,
    pub(crate) smtp: u16,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            self.process.wait().map(drop).unwrap_or_default();
        }
    }
}

impl Sandbox {
    /// Starts one with these options.
    ///
    /// Errors: it does not start.
    pub(crate) fn start(options: &[&str]) -> Result<Self, Failure> {
        let binary: PathBuf = root().join("target/debug/mailwright");
        let (smtp, page) = (free_port()?, free_port()?);
        let process = Command::new(binary)
            // The web of this machine, whose requests a scene counts.
            .env("MAILWRIGHT_EGRESS__ALLOW", "[\"127.0.0.1\"]")
            .args(["sandbox", "--volatile"])
            .args(["--smtp", &format!("127.0.0.1:{smtp}")])
            .args(["--http", &format!("127.0.0.1:{page}")])
            .args(options)
            .stdout(Stdio::null())
            .spawn()?;
        let sandbox = Self { process, page, smtp };
        let listens = || TcpStream::connect(("127.0.0.1", page)).is_ok();
        if wait_for(Duration::from_secs(20), listens) {
            Ok(sandbox)
        } else {
            Err(Failure("the sandbox does not start".to_owned()))
        }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.page)
    }

    /// Puts a message into an inbox; gives its id.
    pub(crate) fn send(&self, inbox: &str, subject: &str, html: &str) -> Result<String, Failure> {
        let message = json!({
            "From": { "Email": "ann@a.example", "Name": "Ann" },
            "To": [{ "Email": "bob@b.example" }],
            "Subject": subject,
            "Text": format!("Text of {subject}. Your code is 482910."),
            "HTML": html,
        });
        let path = format!("/api/v1/send?inbox={inbox}");
        let (_, text) = http(self.page, "POST", &path, Some(&message.to_string()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let id = told.get("ID").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure(format!("a message was not taken: {text}")))
    }

    /// Makes an inbox.
    pub(crate) fn inbox(&self, name: &str) -> Result<(), Failure> {
        let body = json!({ "name": name }).to_string();
        http(self.page, "POST", "/api/inboxes", Some(&body)).map(drop)
    }

    /// Sends many small messages into the inbox of a user, some hundred over a connection.
    pub(crate) fn flood(&self, user: &str, count: usize) -> Result<(), Failure> {
        let all: Vec<usize> = (0..count).collect();
        all.chunks(SESSION).try_for_each(|some| self.pour(user, some))
    }

    fn pour(&self, user: &str, numbers: &[usize]) -> Result<(), Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.smtp))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        let mut say = |text: &str| -> Result<(), Failure> {
            stream.write_all(text.as_bytes())?;
            let mut line = String::new();
            loop {
                line.clear();
                answers.read_line(&mut line)?;
                if line.as_bytes().get(3) != Some(&b'-') {
                    break;
                }
            }
            if line.starts_with(['2', '3']) { Ok(()) } else { Err(Failure(line)) }
        };
        say("")?;
        say("EHLO flood.example\r\n")?;
        say("AUTH LOGIN\r\n")?;
        say(&format!("{}\r\n", base64(user.as_bytes())))?;
        say("eA==\r\n")?;
        for number in numbers {
            say("MAIL FROM:<a@a.example>\r\n")?;
            say("RCPT TO:<b@b.example>\r\n")?;
            say("DATA\r\n")?;
            say(&format!("From: a@a.example\r\nSubject: number {number}\r\n\r\nx\r\n.\r\n"))?;
        }
        say("QUIT\r\n")
    }
}

/// Source: RFC 4648 section 4.
fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in octets.chunks(3) {
        let octet = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4_usize {
            let shift = 18_u32.saturating_sub(u32::try_from(place * 6).unwrap_or(0));
            let digit = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let digit = DIGITS.get(digit).copied().unwrap_or(b'=');
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// The octets of base64.
pub(crate) fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |c: char| match c {
        'A'..='Z' => Some(u32::from(c) - u32::from('A')),
        'a'..='z' => Some(u32::from(c) - u32::from('a') + 26),
        '0'..='9' => Some(u32::from(c) - u32::from('0') + 52),
        '+' => Some(62),
        '/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.chars().filter_map(digit).collect();
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let whole = (0..4).fold(0, |bits, place| bits << 6 | chunk.get(place).unwrap_or(&0));
        let octets = whole.to_be_bytes();
        out.extend(octets.iter().skip(1).take(chunk.len().saturating_sub(1)));
    }
    out
}

/// A picture of one red point, as PNG.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLv\
    AAAAAElFTkSuQmCC";
/// A picture that is a document.
const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>";

/// A web server that serves hostile HTML without walls, and counts what is asked for.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) port: u16,
    hits: Arc<Mutex<Vec<String>>>,
}

impl Counter {
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let counter = Self { port: listener.local_addr()?.port(), hits: Arc::default() };
        let own = counter.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.answer(stream).unwrap_or_default());
            }
        });
        Ok(counter)
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        let (mut first, mut line) = (String::new(), String::new());
        lines.read_line(&mut first)?;
        while lines.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let number = path.strip_prefix("/control/").and_then(|text| text.parse::<usize>().ok());
        let text = number.and_then(|number| hostile::BODIES.get(number).map(|body| (number, body)));
        let body = match text {
            Some((number, body)) => {
                format!("<!doctype html>{}", hostile::body(body, self.port, number))
            }
            None => String::new(),
        };
        if path.starts_with("/hit/") {
            self.hits.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        }
        let mut stream = stream;
        let (kind, octets) = match path.strip_prefix("/hit/picture/") {
            Some(name) if name.ends_with("svg") => ("image/svg+xml", SVG.as_bytes().to_vec()),
            Some(_) => ("image/png", decode_base64(PICTURE)),
            None => ("text/html", body.into_bytes()),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\
             Access-Control-Allow-Origin: *\r\nContent-Length: {}\r\n\r\n",
            octets.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&octets)
    }

    /// What was asked for since the last time; it is forgotten.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.hits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many things were asked for.
    pub(crate) fn count(&self) -> usize {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
