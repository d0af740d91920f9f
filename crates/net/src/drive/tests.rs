//! The loop with a small protocol: a line is answered by itself, some lines mean more.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    sync::Notify,
};

use super::*;
use crate::{
    TlsFacts,
    tls::{Certificates, Client, SelfSigned, Sources, Trust},
};

/// `slow` is a slow answer, `tls` asks for TLS, `quit` ends.
#[derive(Default)]
struct Echo {
    steps: VecDeque<Step<()>>,
    input: Vec<u8>,
    slow: Arc<Notify>,
    hurry: Arc<AtomicBool>,
    news: Option<Arc<Notify>>,
    /// Whether an answer ends early when the peer is gone, and its telling so.
    watch: Option<(Arc<Notify>, Arc<Notify>)>,
}

impl Echo {
    fn say(&mut self, text: &str) {
        self.steps.push_back(Step::Write(format!("{text}\n").into_bytes()));
    }
}

impl Conversation for Echo {
    type Question = ();

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Step<()>> {
        if let Some(step) = self.steps.pop_front() {
            return Some(step);
        }
        let end = self.input.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.input.drain(..=end).collect();
        match std::str::from_utf8(&line[..end]).unwrap() {
            "slow" => Some(Step::Ask(())),
            "tls" if self.input.is_empty() => Some(Step::StartTls),
            "tls" | "quit" => Some(Step::Close),
            other => Some(Step::Write(format!("{other}\n").into_bytes())),
        }
    }

    fn watch(&mut self, (): &()) -> Option<Arc<Notify>> {
        self.watch.as_ref().map(|(gone, _)| Arc::clone(gone))
    }

    async fn answer(&mut self, (): ()) {
        let Some((gone, told)) = self.watch.clone() else {
            self.slow.notified().await;
            return self.say("answered");
        };
        tokio::select! {
            () = self.slow.notified() => self.say("answered"),
            () = gone.notified() => told.notify_one(),
        }
    }

    fn tls(&mut self, facts: TlsFacts) {
        self.say(facts.version);
    }

    fn timeout(&self) -> Duration {
        let seconds = if self.hurry.load(Ordering::Relaxed) { 1 } else { 30 };
        Duration::from_secs(seconds)
    }

    fn event(&mut self, event: Event) {
        self.say(&format!("{event:?}"));
        if !matches!(event, Event::Shutdown | Event::News) {
            self.steps.push_back(Step::Close);
        }
    }

    async fn notified(&mut self) {
        match &self.news {
            Some(news) => news.notified().await,
            None => pending().await,
        }
    }
}

fn terms() -> (watch::Sender<bool>, Terms) {
    let (stop, shutdown) = watch::channel(false);
    let terms = Terms {
        acceptor: None,
        implicit_tls: false,
        handshake_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
        session_timeout: Duration::from_mins(1),
        greeting_delay: Duration::ZERO,
        shutdown,
    };
    (stop, terms)
}

fn start(echo: Echo, terms: Terms) -> DuplexStream {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(drive(theirs, echo, terms));
    ours
}

async fn say(stream: &mut (impl Stream + ?Sized), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn heard(stream: &mut (impl Stream + ?Sized), text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
}

async fn ended(mut stream: impl Stream) {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn answers_to_a_pipeline_come_as_one() {
    let (_stop, terms) = terms();
    let mut stream = start(Echo::default(), terms);
    say(&mut stream, "one\ntwo\nthree\n").await;
    let mut buffer = [0; 100];
    let count = stream.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..count], b"one\ntwo\nthree\n");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_does_not_wait_for_a_slow_answer() {
    let (_stop, terms) = terms();
    let slow = Arc::new(Notify::new());
    let mut stream = start(Echo { slow: Arc::clone(&slow), ..Echo::default() }, terms);
    say(&mut stream, "one\nslow\nquit\n").await;
    heard(&mut stream, "one\n").await;
    slow.notify_one();
    heard(&mut stream, "answered\n").await;
    ended(stream).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_ends_an_answer_that_watches() {
    let (_stop, terms) = terms();
    let (gone, told) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let watch = Some((gone, Arc::clone(&told)));
    let mut stream = start(Echo { watch, ..Echo::default() }, terms);
    say(&mut stream, "one\nslow\n").await;
    heard(&mut stream, "one\n").await;
    drop(stream);
    told.notified().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_during_an_answer_that_watches_is_heard_after_it() {
    let (_stop, terms) = terms();
    let slow = Arc::new(Notify::new());
    let watch = Some((Arc::<Notify>::default(), Arc::<Notify>::default()));
    let mut stream = start(Echo { slow: Arc::clone(&slow), watch, ..Echo::default() }, terms);
    say(&mut stream, "slow\n").await;
    // More than the pipe holds: it is read while the answer is awaited, and no more than a part.
    say(&mut stream, &"two\n".repeat(20_000)).await;
    slow.notify_one();
    heard(&mut stream, "answered\n").await;
    heard(&mut stream, &"two\n".repeat(20_000)).await;
    say(&mut stream, "quit\n").await;
    ended(stream).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_already_is_waited_for_no_longer_than_others() {
    let (_stop, terms) = terms();
    let echo = Echo::default();
    let hurry = Arc::clone(&echo.hurry);
    let mut stream = start(echo, terms);
    say(&mut stream, "one\n").await;
    heard(&mut stream, "one\n").await;
    let begin = Instant::now();
    hurry.store(true, Ordering::Relaxed);
    heard(&mut stream, "TimedOut\n").await;
    assert!(begin.elapsed() <= ASK_AGAIN, "{:?}", begin.elapsed());
    ended(stream).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_news_are_told_at_once_and_those_behind_them_together() {
    let (_stop, terms) = terms();
    let news = Arc::new(Notify::new());
    let echo = Echo { news: Some(Arc::clone(&news)), ..Echo::default() };
    let mut stream = start(echo, terms);
    say(&mut stream, "one\n").await;
    heard(&mut stream, "one\n").await;
    let begin = Instant::now();
    news.notify_one();
    heard(&mut stream, "News\n").await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    for _ in 0..5 {
        news.notify_one();
    }
    heard(&mut stream, "News\n").await;
    assert_eq!(begin.elapsed(), NEWS_APART);
    say(&mut stream, "two\n").await;
    heard(&mut stream, "two\n").await;
}

#[tokio::test(start_paused = true)]
async fn silence_and_long_sessions_end() {
    let (_stop, terms) = terms();
    let mut stream = start(Echo::default(), terms.clone());
    heard(&mut stream, "TimedOut\n").await;
    ended(stream).await;

    let mut stream = start(Echo::default(), terms);
    for _ in 0..2 {
        say(&mut stream, "here\n").await;
        heard(&mut stream, "here\n").await;
        tokio::time::advance(Duration::from_secs(29)).await;
    }
    say(&mut stream, "here\n").await;
    heard(&mut stream, "here\nTimedOut\n").await;
}

#[tokio::test]
async fn a_stop_is_told_once_and_the_session_goes_on() {
    let (stop, terms) = terms();
    let mut stream = start(Echo::default(), terms);
    say(&mut stream, "one\n").await;
    heard(&mut stream, "one\n").await;
    stop.send(true).unwrap();
    heard(&mut stream, "Shutdown\n").await;
    say(&mut stream, "two\nquit\n").await;
    heard(&mut stream, "two\n").await;
    ended(stream).await;
}

#[tokio::test]
async fn a_stop_during_an_answer_is_told_after_it() {
    let (stop, terms) = terms();
    let slow = Arc::new(Notify::new());
    let mut stream = start(Echo { slow: Arc::clone(&slow), ..Echo::default() }, terms);
    say(&mut stream, "one\nslow\n").await;
    heard(&mut stream, "one\n").await;
    stop.send(true).unwrap();
    slow.notify_one();
    heard(&mut stream, "answered\nShutdown\n").await;
}

#[tokio::test(start_paused = true)]
async fn early_talkers_are_told_on() {
    let (_stop, terms) = terms();
    let terms = Terms { greeting_delay: Duration::from_secs(3), ..terms };
    let mut stream = start(Echo::default(), terms.clone());
    say(&mut stream, "one\n").await;
    heard(&mut stream, "Early\n").await;
    ended(stream).await;

    let mut stream = start(Echo::default(), terms);
    let silence = timeout(Duration::from_secs(4), stream.read_u8()).await;
    assert!(silence.is_err(), "nothing is said before the wait is over");
    say(&mut stream, "one\n").await;
    heard(&mut stream, "one\n").await;
}

fn secured(name: &str) -> (watch::Sender<bool>, Terms, PathBuf) {
    let folder = std::env::temp_dir().join(format!("mailwright-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own = SelfSigned { folder: folder.clone(), names: vec!["localhost".to_owned()] };
    let sources = Sources { files: Vec::new(), self_signed: Some(own) };
    let acceptor = Acceptor::new(Certificates::load(sources).unwrap()).unwrap();
    let (stop, terms) = terms();
    (stop, Terms { acceptor: Some(Arc::new(acceptor)), ..terms }, folder)
}

#[tokio::test]
async fn a_session_goes_on_encrypted() {
    let (_stop, terms, folder) = secured("upgrade");
    let mut stream = start(Echo::default(), terms.clone());
    say(&mut stream, "one\ntls\n").await;
    heard(&mut stream, "one\n").await;
    let clock = Arc::new(crate::System::new());
    let client = Client::new(&[folder.join("self-signed.crt")], clock).unwrap();
    let (mut stream, _) = client.connect(stream, "localhost", &Trust::Verified).await.unwrap();
    heard(&mut stream, "TLSv1.3\n").await;
    say(&mut stream, "two\n").await;
    heard(&mut stream, "two\n").await;

    let stream = start(Echo::default(), Terms { implicit_tls: true, ..terms });
    let (mut stream, _) = client.connect(stream, "localhost", &Trust::Verified).await.unwrap();
    heard(&mut stream, "TLSv1.3\n").await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn plain_bytes_in_place_of_a_handshake_never_reach_the_session() {
    let (_stop, terms, folder) = secured("inject");
    let mut stream = start(Echo::default(), terms);
    say(&mut stream, "tls\n").await;
    tokio::task::yield_now().await;
    say(&mut stream, "injected\n").await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.windows(8).any(|bytes| bytes == b"injected"));
    std::fs::remove_dir_all(folder).unwrap();
}
