//! Mail and names for the scenes: a client that sends, a server that takes, a server of names.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::world::base64;
use crate::run::Failure;

/// A client of SMTP.
pub(crate) struct Client {
    answers: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Client {
    /// Connects, and greets.
    pub(crate) fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut client = Self { answers: BufReader::new(stream.try_clone()?), stream };
        client.say("")?;
        client.say("EHLO client.example\r\n")?;
        Ok(client)
    }

    /// Says something, and reads what is answered.
    ///
    /// Errors: the answer is no good one.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.stream.write_all(text.as_bytes())?;
        let mut line = String::new();
        loop {
            line.clear();
            self.answers.read_line(&mut line)?;
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        if line.starts_with(['2', '3']) { Ok(()) } else { Err(Failure(line)) }
    }

    /// Logs in.
    pub(crate) fn log_in(&mut self, user: &str, password: &str) -> Result<(), Failure> {
        self.say("AUTH LOGIN\r\n")?;
        self.say(&format!("{}\r\n", base64(user.as_bytes())))?;
        self.say(&format!("{}\r\n", base64(password.as_bytes())))
    }

    /// Sends a message, whose lines end as those of SMTP do.
    pub(crate) fn send(&mut self, message: &str) -> Result<(), Failure> {
        self.say("MAIL FROM:<a@a.example>\r\n")?;
        self.say("RCPT TO:<b@b.example>\r\n")?;
        self.say("DATA\r\n")?;
        self.say(&format!("{}\r\n.\r\n", message.replace("\r\n.", "\r\n..")))
    }
}

/// A server elsewhere that takes every message, and keeps what was said to it.
#[derive(Clone)]
pub(crate) struct Taker {
    pub(crate) port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Taker {
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let taker = Self { port: listener.local_addr()?.port(), lines: Arc::default() };
        let own = taker.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.take(stream).unwrap_or_default();
            }
        });
        Ok(taker)
    }

    fn take(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let lines = BufReader::new(stream.try_clone()?).lines();
        stream.write_all(b"220 taker.example\r\n")?;
        let mut is_data = false;
        for line in lines {
            let line = line?;
            let answer = match line.split(' ').next().unwrap_or_default() {
                "." if is_data => {
                    is_data = false;
                    "250 2.0.0 taken"
                }
                _ if is_data => "",
                "DATA" => {
                    is_data = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            if !answer.is_empty() {
                stream.write_all(format!("{answer}\r\n").as_bytes())?;
            }
        }
        Ok(())
    }

    /// Whether a line that begins so was said.
    pub(crate) fn heard(&self, start: &str) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().any(|line| line.starts_with(start))
    }
}

/// A record of the DNS: its owner, and what it says.
pub(crate) type Record = (&'static str, Says);

/// What a record says.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Address([u8; 4]),
    Text(&'static str),
}

/// Answers questions for names on a port, from a list. Source: RFC 1035 section 4.1.
pub(crate) fn names(records: &'static [Record]) -> Result<u16, Failure> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    let port = socket.local_addr()?.port();
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let asked = packet.get(..length).unwrap_or_default();
            if let Some(answer) = answer(asked, records) {
                socket.send_to(&answer, from).map(drop).unwrap_or_default();
            }
        }
    });
    Ok(port)
}

fn answer(asked: &[u8], records: &[Record]) -> Option<Vec<u8>> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*asked.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = asked.get(at..at + length)?;
        name.extend([&String::from_utf8_lossy(label).to_lowercase(), "."]);
        at += length;
    }
    let kind = *asked.get(at + 1)?;
    let named: Vec<Says> = records
        .iter()
        .filter(|(owner, _)| name.strip_suffix('.') == Some(owner))
        .map(|(_, says)| *says)
        .collect();
    let data: Vec<(u8, Vec<u8>)> = named.iter().map(|says| said(*says)).collect();
    let fitting: Vec<_> = data.iter().filter(|(own, _)| *own == kind).collect();
    let code = if named.is_empty() { 3 } else { 0 };
    let mut out = asked.get(..2)?.to_vec();
    out.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(fitting.len()).ok()?, 0, 0, 0, 0]);
    out.extend(asked.get(12..at + 4)?);
    for (own, octets) in fitting {
        out.extend([0xc0, 12, 0, *own, 0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(octets.len()).ok()?.to_be_bytes());
        out.extend(octets);
    }
    Some(out)
}

/// The type and the data of a record.
fn said(says: Says) -> (u8, Vec<u8>) {
    match says {
        Says::Address(octets) => (1, octets.to_vec()),
        Says::Text(text) => {
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            let text = text.bytes().take(usize::from(length));
            (16, std::iter::once(length).chain(text).collect())
        }
    }
}
