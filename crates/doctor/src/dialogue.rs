//! A conversation with an SMTP or LMTP host: the pure session over a socket, with deadlines.
//!
//! It keeps the first octets that came, which say most when they are no SMTP at all, and passes on
//! what is said, without secrets, to whoever watches.

use std::{io, time::Duration};

use mailwright_net::tls::{Inspected, Inspector};
use mailwright_sasl::ChannelBinding;
use mailwright_smtp::client::{Event, Session, Step};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout, timeout_at},
};

use crate::world::Stream;

/// Octets read at once.
const READ_BYTES: usize = 16 * 1024;
/// Octets kept of what a host says first.
const FIRST_BYTES: usize = 256;
/// Octets of a message written at once.
const PIECE_BYTES: usize = 64 * 1024;
/// How long a host that no longer reads may take for its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Is told each line that is said.
pub type Watch<'a> = Box<dyn FnMut(&str) + Send + 'a>;

pub(crate) struct Dialogue<'a> {
    pub(crate) session: Session,
    stream: Option<Stream>,
    buffer: Vec<u8>,
    /// What came first, before TLS or behind it.
    pub(crate) first: Vec<u8>,
    /// What the handshake showed.
    pub(crate) tls: Option<Inspected>,
    watch: Option<Watch<'a>>,
    /// Octets of the conversation that were passed on.
    told: usize,
    cut: Cut,
}

/// Where a dialogue hangs up by itself.
enum Cut {
    /// Nowhere.
    Nowhere,
    /// When one of these commands is on its way.
    Behind(&'static [&'static str]),
    /// When the message is on its way.
    Message,
    /// It did.
    Done,
}

impl<'a> Dialogue<'a> {
    pub(crate) fn new(stream: Stream, session: Session, watch: Option<Watch<'a>>) -> Self {
        Self {
            session,
            stream: Some(stream),
            buffer: vec![0; READ_BYTES],
            first: Vec::new(),
            tls: None,
            watch,
            told: 0,
            cut: Cut::Nowhere,
        }
    }

    /// Hangs up as soon as one of these commands is written, and reads no answer.
    pub(crate) const fn cut_behind(&mut self, verbs: &'static [&'static str]) {
        self.cut = Cut::Behind(verbs);
    }

    /// Hangs up as soon as a message is written, and reads no answer.
    pub(crate) const fn cut_behind_message(&mut self) {
        self.cut = Cut::Message;
    }

    /// Whether it hung up by itself.
    pub(crate) const fn was_cut(&self) -> bool {
        matches!(self.cut, Cut::Done)
    }

    async fn cut(&mut self) {
        self.cut = Cut::Done;
        self.session.note("hung up");
        if let Some(mut stream) = self.stream.take() {
            // Nobody is left to tell.
            timeout(LAST_WORDS, stream.shutdown()).await.map(Result::ok).ok();
        }
    }

    /// Does what the session says, until it wants something of its driver; a dialogue that hung up
    /// by itself is closed.
    pub(crate) async fn advance(&mut self) -> Step {
        let mut seen = self.session.progress();
        let mut deadline = None;
        loop {
            if self.was_cut() {
                return Step::Close;
            }
            let step = self.session.next();
            self.tell();
            match step {
                Some(Step::Write(bytes)) => {
                    let is_written = self.write(&bytes).await;
                    if let Cut::Behind(verbs) = self.cut
                        && is_written
                        && says(&bytes, verbs)
                    {
                        self.cut().await;
                    }
                }
                Some(step) => return step,
                None => {
                    if self.session.progress() != seen {
                        seen = self.session.progress();
                        deadline = None;
                    }
                    let until = Instant::now() + self.session.timeout();
                    self.read(*deadline.get_or_insert(until)).await;
                }
            }
        }
    }

    /// Shakes hands with the host `name`. The session is told by the caller, who knows whether it
    /// had begun.
    pub(crate) async fn shake(&mut self, inspector: &Inspector, name: &str) -> io::Result<()> {
        let Some(stream) = self.stream.take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let shaken = timeout(self.session.timeout(), inspector.shake(stream, name)).await;
        let (stream, inspected) =
            shaken.map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
        let facts = &inspected.facts;
        self.session.note(&format!("{} {}", facts.version, facts.cipher));
        self.tell();
        self.stream = Some(Box::new(stream));
        self.first.clear();
        self.tls = Some(inspected);
        Ok(())
    }

    /// What SASL may bind to.
    pub(crate) fn binding(&self) -> ChannelBinding {
        self.tls.as_ref().map(|tls| binding(&tls.facts)).unwrap_or_default()
    }

    /// Sends a message where the session asks for one.
    pub(crate) async fn body(&mut self, message: &[u8]) {
        let mut out = Vec::new();
        for piece in message.chunks(PIECE_BYTES) {
            out.clear();
            self.session.body(piece, &mut out);
            if !self.write(&out).await {
                return;
            }
        }
        out.clear();
        self.session.body_end(&mut out);
        if self.write(&out).await && matches!(self.cut, Cut::Message) {
            self.cut().await;
        }
    }

    /// Takes leave; gives what was said.
    pub(crate) async fn quit(mut self) -> String {
        if self.session.is_ready() {
            self.session.quit();
            while self.advance().await != Step::Close {}
        }
        self.hang_up().await
    }

    /// Ends the connection as it is; gives what was said.
    pub(crate) async fn hang_up(mut self) -> String {
        if let Some(mut stream) = self.stream.take() {
            // Nobody is left to tell.
            timeout(LAST_WORDS, stream.shutdown()).await.map(Result::ok).ok();
        }
        self.tell();
        self.session.conversation()
    }

    /// Passes on what was said since.
    fn tell(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let text = self.session.conversation();
        let news = text.get(self.told..).unwrap_or_default();
        for line in news.lines() {
            watch(line);
        }
        self.told = text.len();
    }

    async fn read(&mut self, deadline: Instant) {
        let Some(stream) = &mut self.stream else { return self.session.event(Event::Eof) };
        match timeout_at(deadline, stream.read(&mut self.buffer)).await {
            Ok(Ok(count)) if count > 0 => {
                let came = self.buffer.get(..count).unwrap_or_default();
                let room = FIRST_BYTES.saturating_sub(self.first.len()).min(count);
                self.first.extend_from_slice(came.get(..room).unwrap_or_default());
                self.session.feed(came);
            }
            Ok(_) => self.session.event(Event::Eof),
            Err(_) => self.session.event(Event::TimedOut),
        }
    }

    /// Writes; says whether it worked. A host that stopped reading may have said why.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let limit = self.session.timeout();
        let written = timeout(limit, async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => return true,
            Ok(Err(_)) => {
                if let Ok(Ok(count)) = timeout(LAST_WORDS, stream.read(&mut self.buffer)).await {
                    self.session.feed(self.buffer.get(..count).unwrap_or_default());
                }
                self.session.event(Event::Eof);
            }
            Err(_) => self.session.event(Event::TimedOut),
        }
        false
    }
}

/// Whether one of the lines that are written is one of these commands.
fn says(written: &[u8], verbs: &[&str]) -> bool {
    let is_verb = |line: &[u8]| {
        let word = line.split(|byte| matches!(byte, b' ' | b'\r')).next().unwrap_or_default();
        verbs.iter().any(|verb| word.eq_ignore_ascii_case(verb.as_bytes()))
    };
    written.split(|byte| *byte == b'\n').any(is_verb)
}

/// What SASL may bind to on a connection with these facts.
pub(crate) fn binding(facts: &mailwright_net::TlsFacts) -> ChannelBinding {
    ChannelBinding {
        exporter: Some(facts.exporter.clone()).filter(|exporter| !exporter.is_empty()),
        server_end_point: facts.server_end_point.clone(),
    }
}
