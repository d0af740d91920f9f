//! A connection to a session in this process: the client's end speaks a transcript.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailwright_net::tls::{Acceptor, Certificates, Client, SelfSigned, Sources, Trust};
use mailwright_net::{Conversation, Event, Step, Stream, System, Terms, TlsFacts, drive};
use mailwright_testkit::transcript::{Act, Entry, Mismatch, Transcript, is_like};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a reply is awaited before the server is said to be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// What carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A plain connection.
    Tcp,
    /// An encrypted one, whose session shakes hands and knows it.
    Tls,
    /// An encrypted one that ends before the session.
    Terminated,
}

impl Way {
    /// How a transcript with this text goes this way.
    pub(crate) fn of(self, text: &str) -> Self {
        match self {
            Self::Tls if super::is_about_plain(text) => Self::Terminated,
            other => other,
        }
    }
}

/// What all connections share: certificate and client of TLS.
pub(crate) struct Lines {
    acceptor: Arc<Acceptor>,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["mx.mailwright.example".to_owned()];
        let own = SelfSigned { folder: folder.path().to_owned(), names };
        let sources = Sources { files: Vec::new(), self_signed: Some(own) };
        let acceptor = Acceptor::new(Certificates::load(sources).unwrap()).unwrap();
        let client = Client::new(&[], Arc::new(System::new())).unwrap();
        Self { acceptor: Arc::new(acceptor), client, _folder: folder }
    }

    async fn secure(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let name = "mx.mailwright.example";
        let shaken = self.client.connect(stream, name, &Trust::Opportunistic).await;
        Box::new(shaken.unwrap().0)
    }
}

/// A session that counts what it was fed, so that time moves only when nothing is on its way.
struct Watched<C> {
    inner: C,
    fed: Arc<AtomicUsize>,
}

impl<C: Conversation> Conversation for Watched<C> {
    type Question = C::Question;

    fn feed(&mut self, bytes: &[u8]) {
        self.fed.fetch_add(bytes.len(), Ordering::SeqCst);
        self.inner.feed(bytes);
    }

    fn next(&mut self) -> Option<Step<C::Question>> {
        self.inner.next()
    }

    fn answer(&mut self, question: C::Question) -> impl Future<Output = ()> + Send {
        self.inner.answer(question)
    }

    fn tls(&mut self, facts: TlsFacts) {
        self.inner.tls(facts);
    }

    fn timeout(&self) -> Duration {
        self.inner.timeout()
    }

    fn event(&mut self, event: Event) {
        self.inner.event(event);
    }
}

/// The client's end.
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    stream: Pin<Box<dyn Stream>>,
    unread: Vec<u8>,
    sent: usize,
    fed: Arc<AtomicUsize>,
    is_closed: bool,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl<'a> Line<'a> {
    /// Connects to `session`; one that is `implicit` shakes hands first, whatever the way.
    pub(crate) async fn connect<C: Conversation>(
        lines: &'a Lines,
        way: Way,
        (session, implicit): (C, bool),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let acceptor = Arc::clone(&lines.acceptor);
        let terms = Terms {
            acceptor: Some(Arc::clone(&acceptor)),
            implicit_tls: implicit,
            handshake_timeout: SILENCE,
            write_timeout: SILENCE,
            session_timeout: Duration::from_hours(1),
            greeting_delay: Duration::ZERO,
            shutdown,
        };
        let fed = Arc::new(AtomicUsize::new(0));
        let watched = Watched { inner: session, fed: Arc::clone(&fed) };
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream: Box<dyn Stream> = Box::new(stream);
            if way == Way::Terminated {
                stream = Box::new(acceptor.accept(stream).await.unwrap().0);
            }
            // How it ends is what the client sees.
            drop(drive(stream, watched, terms).await);
        });
        let mut stream: Box<dyn Stream> = Box::new(TcpStream::connect(address).await.unwrap());
        if way == Way::Terminated {
            stream = lines.secure(stream).await;
        }
        if implicit {
            stream = lines.secure(stream).await;
        }
        let (unread, stream) = (Vec::new(), Pin::from(stream));
        Self { lines, stream, unread, sent: 0, fed, is_closed: false, stop, server }
    }

    /// Plays a transcript to its end; `check` compares a state.
    pub(crate) async fn play(
        mut self,
        transcript: &Transcript,
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Result<(), Mismatch> {
        let mut sends = Vec::new();
        for Entry { line, act } in &transcript.entries {
            if let Act::Send(octets) = act {
                sends.extend_from_slice(octets);
                continue;
            }
            self.send(&std::mem::take(&mut sends)).await;
            let done = match act {
                Act::State(noun, want) => {
                    self.settle().await;
                    check(noun, want)
                }
                other => self.act(other).await,
            };
            done.map_err(|found| Mismatch { line: *line, found })?;
        }
        self.send(&sends).await;
        let last = transcript.entries.last().map_or(0, |entry| entry.line);
        self.end().await.map_err(|found| Mismatch { line: last + 1, found })
    }

    async fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Line(want) => {
                let said = self.line().await?;
                if said == *want { Ok(()) } else { Err(format!("wanted {want}\n   found {said}")) }
            }
            Act::Like(want) => {
                let said = self.line().await?;
                let same = is_like(want, &said);
                if same { Ok(()) } else { Err(format!("wanted like {want}\n   found {said}")) }
            }
            Act::Code(code) => loop {
                let said = self.line().await?;
                if !said.starts_with(code.as_str()) {
                    return Err(format!("wanted {code}\n   found {said}"));
                }
                if !said.starts_with(&format!("{code}-")) {
                    return Ok(());
                }
            },
            Act::Do(word, argument) => self.does(word, argument).await,
            Act::Send(_) | Act::State(..) => Ok(()),
        }
    }

    async fn does(&mut self, word: &str, argument: &str) -> Result<(), String> {
        match word {
            "tls" => {
                let (nothing, _) = tokio::io::duplex(1);
                let inner = std::mem::replace(&mut self.stream, Box::pin(nothing));
                self.stream = Pin::from(self.lines.secure(Box::new(inner)).await);
            }
            "wait" => {
                let wait = duration(argument).ok_or("this is no duration")?;
                self.settle().await;
                tokio::time::pause();
                tokio::time::advance(wait).await;
                tokio::time::resume();
            }
            "eof" => self.stream.shutdown().await.map_err(|error| error.to_string())?,
            "shutdown" => {
                self.settle().await;
                self.stop.send_replace(true);
            }
            "closed" => return self.closed().await,
            _ => return Err("this is nothing to do".to_owned()),
        }
        Ok(())
    }

    async fn send(&mut self, octets: &[u8]) {
        self.sent += octets.len();
        // A server that has closed shows in what it says.
        if self.stream.write_all(octets).await.is_ok() {
            drop(self.stream.flush().await);
        }
    }

    /// Lets the server take in what was sent, unless it is over.
    async fn settle(&self) {
        while self.fed.load(Ordering::SeqCst) < self.sent && !self.server.is_finished() {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// Reads once; `false` at the end.
    async fn read(&mut self) -> Result<bool, String> {
        let mut piece = [0; 4096];
        let read = timeout(SILENCE, self.stream.read(&mut piece)).await;
        let count = read.map_err(|_late| "the server is silent")?.unwrap_or(0);
        self.unread.extend(piece.into_iter().take(count));
        self.is_closed |= count == 0;
        Ok(count > 0)
    }

    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.read().await? {
                return Err("the connection ended".to_owned());
            }
        }
    }

    /// The server says no more, and is gone.
    async fn closed(&mut self) -> Result<(), String> {
        while !self.is_closed {
            self.read().await?;
        }
        self.nothing()
    }

    fn nothing(&self) -> Result<(), String> {
        if self.unread.is_empty() {
            return Ok(());
        }
        Err(format!("the server also says: {}", self.unread.escape_ascii()))
    }

    /// Hangs up, and sees that nothing else was said.
    async fn end(mut self) -> Result<(), String> {
        self.settle().await;
        drop(self.stream.shutdown().await);
        self.closed().await?;
        self.server.await.map_err(|error| error.to_string())
    }
}

/// `30s`, `5m` or `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * seconds))
}
