//! Worlds for tests: hosts that follow a script, and are broken in one thing.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use mailwright_net::{
    clock::Manual,
    dns,
    tls::{Acceptor, Certificates, Inspector, SelfSigned, Sources},
};
use mailwright_words::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, duplex};

use crate::world::{Family, Later, Network, Stream, World};

/// What is behind an address.
#[derive(Clone)]
pub(crate) enum Host {
    /// Nobody listens.
    Refuses,
    /// Packets are dropped on the way.
    Silent,
    /// There is no way there.
    NoRoute,
    /// Takes connections, and never says a word.
    Mute,
    /// Follows a script.
    Plays(Script),
    /// Tells the time, so many milliseconds ahead of the world's clock.
    Tells(i64),
    /// Answers over UDP with what is no time.
    Babbles,
}

/// What a host says.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) greeting: String,
    /// The start of a line, and the answer. Behind TLS a line is looked up with `tls ` in front,
    /// then without. `{tag}` becomes the first word of the line, which is then not a part of what
    /// is looked up.
    pub(crate) answers: Vec<(String, String)>,
    pub(crate) acceptor: Option<Arc<Acceptor>>,
    pub(crate) implicit: bool,
    pub(crate) tagged: bool,
    /// How long it takes to greet.
    pub(crate) seconds: u64,
    /// It agrees to TLS, and goes on as before.
    pub(crate) is_deaf: bool,
    /// A version of TLS that it takes, too, and the cipher that it takes then. With TLS 1.2 that is
    /// for who offers weak ciphers alone.
    pub(crate) old: Option<(u16, u16)>,
}

impl Script {
    pub(crate) fn new(greeting: &str, answers: &[(&str, &str)]) -> Self {
        let own = |(line, answer): &(&str, &str)| ((*line).to_owned(), (*answer).to_owned());
        Self {
            greeting: greeting.to_owned(),
            answers: answers.iter().map(own).collect(),
            ..Self::default()
        }
    }

    /// This answer instead of the one that is there.
    pub(crate) fn with(mut self, line: &str, answer: &str) -> Self {
        self.answers.retain(|(known, _)| known != line);
        self.answers.push((line.to_owned(), answer.to_owned()));
        self
    }

    pub(crate) fn with_tls(mut self, acceptor: &Arc<Acceptor>) -> Self {
        self.acceptor = Some(Arc::clone(acceptor));
        self
    }

    fn answer(&self, line: &str, is_tls: bool) -> String {
        let (tag, rest) = match line.split_once(' ') {
            Some((tag, rest)) if self.tagged => (tag, rest),
            _ => ("", line),
        };
        let find = |text: &str| {
            let text = text.to_ascii_uppercase();
            let matching = self.answers.iter();
            let matching =
                matching.filter(|(known, _)| text.starts_with(&known.to_ascii_uppercase()));
            matching.max_by_key(|(known, _)| known.len()).map(|(_, answer)| answer.clone())
        };
        let secure = is_tls.then(|| find(&format!("tls {rest}"))).flatten();
        let answer = secure.or_else(|| find(rest));
        answer.unwrap_or_else(|| "500 5.5.1 What?".to_owned()).replace("{tag}", tag)
    }

    async fn play(self, stream: Stream) -> io::Result<()> {
        let mut is_tls = false;
        let mut stream = BufReader::new(stream);
        if self.implicit
            && let Some(acceptor) = &self.acceptor
        {
            let Some(secure) = self.shake(stream.into_inner(), acceptor).await? else {
                return Ok(());
            };
            (stream, is_tls) = (BufReader::new(secure), true);
        }
        let wait = Duration::from_secs(self.seconds);
        tokio::time::timeout(wait, std::future::pending::<()>()).await.unwrap_err();
        if !self.greeting.is_empty() {
            stream.write_all(format!("{}\r\n", self.greeting).as_bytes()).await?;
        }
        let mut line = String::new();
        let mut in_message = false;
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let said = line.trim_end_matches(['\r', '\n']);
            if in_message && said != "." {
                continue;
            }
            in_message = false;
            let answer = self.answer(said, is_tls);
            if answer == "@hang" {
                std::future::pending::<()>().await;
            }
            if answer == "@close" {
                return Ok(());
            }
            in_message |= answer.starts_with("354");
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            let verb = said.rsplit(' ').next().unwrap_or_default();
            let wants_tls = ["STARTTLS", "STLS"].iter().any(|word| verb.eq_ignore_ascii_case(word));
            let is_agreed = ["220", "+OK"].iter().any(|word| answer.starts_with(word))
                || answer.contains(" OK");
            if let Some(acceptor) =
                self.acceptor.as_ref().filter(|_| wants_tls && is_agreed && !self.is_deaf)
            {
                let Some(secure) = self.shake(stream.into_inner(), acceptor).await? else {
                    return Ok(());
                };
                (stream, is_tls) = (BufReader::new(secure), true);
            }
        }
    }

    /// A handshake; none when it was one of old, which goes no further.
    async fn shake(&self, mut stream: Stream, acceptor: &Acceptor) -> io::Result<Option<Stream>> {
        let Some((version, cipher)) = self.old else {
            return Ok(Some(Box::new(acceptor.accept(stream).await?.0)));
        };
        let mut message = vec![0; 5];
        stream.read_exact(&mut message).await?;
        let length = usize::from(u16::from_be_bytes([message[3], message[4]]));
        message.resize(5 + length, 0);
        stream.read_exact(&mut message[5..]).await?;
        let is_version = message[9..11] == version.to_be_bytes();
        let is_weak = message[43] == 0 && message[46..48] == [0, 1];
        if is_version && (version != 0x0303 || is_weak) {
            stream.write_all(&server_hello(version, cipher)).await?;
            stream.flush().await?;
            return Ok(None);
        }
        let (reader, writer) = tokio::io::split(stream);
        let whole = tokio::io::join(io::Cursor::new(message).chain(reader), writer);
        Ok(Some(Box::new(acceptor.accept(whole).await?.0)))
    }
}

/// What a host says that goes on with this version and cipher.
pub(crate) fn server_hello(version: u16, cipher: u16) -> Vec<u8> {
    let mut record = vec![22, 3, 1, 0, 44, 2, 0, 0, 40];
    record.extend(version.to_be_bytes());
    record.extend([7; 32]);
    record.extend([2, 9, 9]);
    record.extend(cipher.to_be_bytes());
    record.push(0);
    record
}

/// Hosts by address; any other refuses.
#[derive(Default)]
pub(crate) struct Hosts(pub(crate) HashMap<SocketAddr, Host>);

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hosts")
    }
}

impl Network for Hosts {
    fn dial(&self, address: SocketAddr, _limit: Duration) -> Later<'_, io::Result<Stream>> {
        let host = self.0.get(&address).cloned().unwrap_or(Host::Refuses);
        Box::pin(async move {
            let (ours, theirs) = duplex(64 * 1024);
            match host {
                Host::Refuses | Host::Tells(_) | Host::Babbles => {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Host::NoRoute => return Err(io::ErrorKind::NetworkUnreachable.into()),
                Host::Silent => std::future::pending().await,
                Host::Mute => {
                    tokio::spawn(async move {
                        std::future::pending::<()>().await;
                        drop(theirs);
                    });
                }
                Host::Plays(script) => {
                    tokio::spawn(async move {
                        // A client that hangs up ends the play.
                        script.play(Box::new(theirs)).await.ok();
                    });
                }
            }
            let stream: Stream = Box::new(ours);
            Ok(stream)
        })
    }

    fn ask(
        &self,
        address: SocketAddr,
        question: Vec<u8>,
        _limit: Duration,
    ) -> Later<'_, io::Result<Vec<u8>>> {
        let host = self.0.get(&address).cloned().unwrap_or(Host::Refuses);
        Box::pin(async move {
            match host {
                Host::Tells(ahead) => Ok(time(&question, NOW + ahead)),
                Host::Babbles => Ok(b"hello".to_vec()),
                Host::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}

/// What a time server answers.
fn time(question: &[u8], now: i64) -> Vec<u8> {
    let since_1900 = now + 2_208_988_800_000;
    let seconds = u32::try_from(since_1900 / 1000).unwrap().to_be_bytes();
    let parts = u32::try_from(((since_1900 % 1000) << 32) / 1000).unwrap().to_be_bytes();
    let at = [seconds, parts].concat();
    let mut answer = vec![0x24, 2];
    answer.resize(24, 0);
    answer.extend_from_slice(&question[40..48]);
    answer.extend_from_slice(&at);
    answer.extend_from_slice(&at);
    answer
}

/// What the clock of a world shows.
const NOW: i64 = 1_795_500_937_042;

/// A certificate that the world's own inspector believes, for these names.
pub(crate) struct Seal {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) acceptor: Arc<Acceptor>,
}

impl Seal {
    pub(crate) fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let own = SelfSigned { folder: folder.path().to_owned(), names };
        let sources = Sources { files: Vec::new(), self_signed: Some(own) };
        let acceptor = Acceptor::new(Certificates::load(sources).unwrap()).unwrap();
        Self { folder, acceptor: Arc::new(acceptor) }
    }
}

/// A world of these hosts, whose inspector believes `seal`.
pub(crate) fn world(hosts: Vec<(&str, Host)>, resolver: dns::Fake, seal: Option<&Seal>) -> World {
    let hosts = hosts.into_iter().map(|(at, host)| (at.parse().unwrap(), host)).collect();
    let clock = Arc::new(Manual::new(Timestamp::new(NOW)));
    let roots: Vec<_> =
        seal.iter().map(|seal| seal.folder.path().join("self-signed.crt")).collect();
    World {
        network: Arc::new(Hosts(hosts)),
        family: Family::Both,
        resolver: Arc::new(resolver),
        inspector: Inspector::new(&roots, Arc::<Manual>::clone(&clock)).unwrap(),
        clock,
        timeout: Duration::from_secs(10),
        hostname: "doctor.example".to_owned(),
    }
}
