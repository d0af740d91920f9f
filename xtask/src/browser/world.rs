//! What the browser looks at: a sandbox of the built binary, and a web server that counts.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{driver::http, hostile, post::Client};
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
        let (smtp, page) = (free_port()?, free_port()?);
        let mut command = Command::new(binary());
        // The web of this machine, whose requests a scene counts.
        command.env("MAILWRIGHT_EGRESS__ALLOW", "[\"127.0.0.1\"]").arg("sandbox");
        if !options.contains(&"--release-to") {
            command.arg("--volatile");
        }
        command
            .args(["--smtp", &format!("127.0.0.1:{smtp}")])
            .args(["--http", &format!("127.0.0.1:{page}")])
            .args(options);
        Self::run(command, smtp, page)
    }

    /// Starts a whole server that catches mail on a port, with more of a configuration.
    ///
    /// Errors: it does not start.
    pub(crate) fn serve(folder: &Path, more: &str) -> Result<Self, Failure> {
        let (smtp, page) = (free_port()?, free_port()?);
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let config = folder.join("mailwright.toml");
        let text = format!(
            "[server]\nhostname = \"mx.home.example\"\n[http]\n\
             addresses = [\"127.0.0.1:{page}\"]\n\
             [listeners.catch]\nrole = \"sandbox\"\naddresses = [\"127.0.0.1:{smtp}\"]\n{more}"
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(binary());
        command.arg("--config").arg(&config).arg("--data").arg(folder.join("data")).arg("serve");
        command.stderr(std::fs::File::create(folder.join("log"))?);
        Self::run(command, smtp, page)
    }

    fn run(mut command: Command, smtp: u16, page: u16) -> Result<Self, Failure> {
        let process = command.stdout(Stdio::null()).spawn()?;
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
        let mut client = Client::connect(self.smtp)?;
        client.log_in(user, "x")?;
        for number in numbers {
            client.send(&format!("From: a@a.example\r\nSubject: number {number}\r\n\r\nx"))?;
        }
        client.say("QUIT\r\n")
    }
}

fn binary() -> PathBuf {
    root().join("target/debug/mailwright")
}

/// Source: RFC 4648 section 4.
pub(crate) fn base64(octets: &[u8]) -> String {
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
pub(crate) const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nG\
    P4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
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
        let unwalled = self.unwalled(&path);
        if path.starts_with("/hit/") {
            self.hits.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        }
        let mut stream = stream;
        let (kind, octets) = match path.strip_prefix("/hit/picture/") {
            Some(name) if name.ends_with("svg") => ("image/svg+xml", SVG.as_bytes().to_vec()),
            Some(_) => ("image/png", decode_base64(PICTURE)),
            None => unwalled.map_or(("text/html", Vec::new()), |(kind, text)| (kind, text.into())),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\
             Access-Control-Allow-Origin: *\r\nContent-Length: {}\r\n\r\n",
            octets.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&octets)
    }

    /// What is hostile, as a document without walls, with its type.
    fn unwalled(&self, path: &str) -> Option<(&'static str, String)> {
        let (kind, number) = path.strip_prefix('/')?.split_once('/')?;
        let number: usize = number.parse().ok()?;
        let full = |text: &str, first: usize| hostile::body(text, self.port, first + number);
        match kind {
            "control" => {
                let body = full(hostile::BODIES.get(number)?, 0);
                Some(("text/html", format!("{}{body}", hostile::AGAIN)))
            }
            "text" => {
                let text = full(hostile::TEXTS.get(number)?, hostile::FIRST_TEXT);
                let page = format!(
                    "<!doctype html><title>{text}</title><p title='{text}'>\
                    <input value=\"{text}\"><p>{text}"
                );
                Some(("text/html; charset=utf-8", page))
            }
            "file" => {
                let (kind, _, text) = hostile::FILES.get(number)?;
                // Where octets are a document though they are called a picture.
                let kind = if *kind == "image/png" { "text/html" } else { kind };
                Some((kind, full(text, hostile::FIRST_FILE)))
            }
            _ => None,
        }
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
