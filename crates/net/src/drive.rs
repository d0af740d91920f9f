//! The only connection loop: reads the socket, feeds a conversation, writes its answers.
//!
//! Writes gather until the peer has to speak, or until an answer takes long. Nothing read before a
//! handshake reaches the conversation after it: all bytes are fed as they come, and a conversation
//! that holds some when it asks for TLS ends instead. A connection that is silent holds no buffer.

mod pool;

use std::{
    future::pending,
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{Conversation, Event, Step, Stream, tls::Acceptor};

/// Octets written gather to this.
const WRITE_BYTES: usize = 64 * 1024;
/// A buffer for what is written that is larger does not outlast its use.
const WRITE_KEPT: usize = 2 * 1024;
/// News that follow others wait this long, and are told as one.
const NEWS_APART: Duration = Duration::from_millis(10);
/// How long an answer may take before what was written is sent ahead of it.
const SLOW_ANSWER: Duration = Duration::from_millis(20);
/// Octets that the peer may say while an answer is sought, before its silence is no longer watched.
const AHEAD_BYTES: usize = 32 * 1024;
/// How often a conversation is asked anew how long its peer may be silent: the more peers there
/// are, the less each may.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long the peer's last words are awaited, so that a reset does not eat ours.
const LINGER: Duration = Duration::from_secs(1);
/// Most of the peer's last words.
const LINGER_READS: usize = 64;

/// The terms of a connection.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What shakes hands; without it a conversation that asks for TLS ends.
    pub acceptor: Option<Arc<Acceptor>>,
    /// Whether the handshake comes first.
    pub implicit_tls: bool,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// How long the peer may take no bytes.
    pub write_timeout: Duration,
    /// How long the session may last in all.
    pub session_timeout: Duration,
    /// How long the peer is watched for talking before it is greeted; zero for not at all.
    pub greeting_delay: Duration,
    /// Becomes true when the server stops.
    pub shutdown: watch::Receiver<bool>,
}

/// Holds `conversation` over `stream` to its end.
///
/// Errors: the connection broke, or a handshake failed; the conversation was told of its end.
pub async fn drive<S, C>(stream: S, mut conversation: C, terms: Terms) -> io::Result<()>
where
    S: Stream + 'static,
    C: Conversation,
{
    let deadline = Instant::now() + terms.session_timeout;
    let stream: Option<Box<dyn Stream>> = Some(Box::new(stream));
    let quiet_until = Instant::now();
    let mut line =
        Line { stream, terms, deadline, out: Vec::new(), ended: false, told: false, quiet_until };
    let result = line.hold(&mut conversation).await;
    if result.is_err() {
        conversation.event(Event::Eof);
        line.wind_up(&mut conversation).await;
    }
    result
}

struct Line {
    /// `None` only during a handshake, and after a failed one.
    stream: Option<Box<dyn Stream>>,
    terms: Terms,
    deadline: Instant,
    out: Vec<u8>,
    /// Whether the peer sends no more.
    ended: bool,
    /// Whether the conversation knows that the server stops.
    told: bool,
    /// When the next news may be told.
    quiet_until: Instant,
}

impl Line {
    async fn hold<C: Conversation>(&mut self, conversation: &mut C) -> io::Result<()> {
        if self.terms.implicit_tls {
            self.secure(conversation).await?;
        }
        self.watch_silence(conversation).await?;
        let mut over = false;
        loop {
            match conversation.next() {
                Some(Step::Write(bytes)) => {
                    self.out.extend_from_slice(&bytes);
                    if self.out.len() >= WRITE_BYTES {
                        self.flush().await?;
                    }
                }
                Some(Step::Ask(question)) => self.ask(conversation, question).await?,
                Some(Step::StartTls) => {
                    self.flush().await?;
                    self.secure(conversation).await?;
                }
                Some(Step::Close) => return self.close().await,
                None if over => return self.close().await,
                None => {
                    self.flush().await?;
                    over = self.read(conversation).await;
                }
            }
        }
    }

    /// Answers; when that takes long, what was written goes out first, and a peer that hangs up is
    /// told of to a conversation that wants to know.
    async fn ask<C: Conversation>(
        &mut self,
        conversation: &mut C,
        question: C::Question,
    ) -> io::Result<()> {
        let watch = conversation.watch(&question);
        let (flushed, ahead) = self.answer(conversation, question, watch).await;
        if !ahead.is_empty() {
            conversation.feed(&ahead);
        }
        flushed
    }

    /// Answers; gives what was said meanwhile to a conversation that watches.
    async fn answer<C: Conversation>(
        &mut self,
        conversation: &mut C,
        question: C::Question,
        watch: Option<Arc<Notify>>,
    ) -> (io::Result<()>, Vec<u8>) {
        let mut ahead = Vec::new();
        let mut answer = pin!(conversation.answer(question));
        if self.out.is_empty() && watch.is_none() {
            answer.await;
            return (Ok(()), ahead);
        }
        if timeout(SLOW_ANSWER, &mut answer).await.is_ok() {
            return (Ok(()), ahead);
        }
        let (flushed, is_answered) = self.flush_beside(answer.as_mut()).await;
        match watch.filter(|_| flushed.is_ok()) {
            _ if is_answered => {}
            None => answer.await,
            Some(gone) => tokio::select! {
                () = &mut answer => {}
                () = self.listen(&mut ahead, &gone) => answer.await,
            },
        }
        (flushed, ahead)
    }

    /// Flushes to its end while an answer is sought; says whether that came, too.
    async fn flush_beside(
        &mut self,
        mut answer: Pin<&mut impl Future<Output = ()>>,
    ) -> (io::Result<()>, bool) {
        // Neither is dropped half-way: an answer under way may be a commit.
        let (mut flush, mut is_answered) = (pin!(self.flush()), false);
        loop {
            tokio::select! {
                flushed = &mut flush => return (flushed, is_answered),
                () = &mut answer, if !is_answered => is_answered = true,
            }
        }
    }

    /// Reads what the peer says while an answer is sought; ends when it may say no more ahead.
    async fn listen(&mut self, ahead: &mut Vec<u8>, gone: &Notify) {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.ended) else { return };
        while ahead.len() < AHEAD_BYTES {
            match pool::read(stream).await {
                Ok(read) if !read.bytes().is_empty() => ahead.extend_from_slice(read.bytes()),
                Ok(_) | Err(_) => {
                    self.ended = true;
                    return gone.notify_one();
                }
            }
        }
    }

    /// Reads once; true when nothing more will come.
    async fn read<C: Conversation>(&mut self, conversation: &mut C) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.ended) else {
            conversation.event(Event::Eof);
            return true;
        };
        let (told, shutdown) = (self.told, &mut self.terms.shutdown);
        let stopped = async {
            // Told once already, or nobody is left who could stop us.
            if told || shutdown.wait_for(|stop| *stop).await.is_err() {
                pending::<()>().await;
            }
        };
        let (mut stopped, silent_since) = (pin!(stopped), Instant::now());
        let quiet_until = self.quiet_until;
        let read = loop {
            let until = self.deadline.min(silent_since + conversation.timeout());
            let moment = until.min(Instant::now() + ASK_AGAIN);
            let news = async {
                if quiet_until > Instant::now() {
                    sleep_until(quiet_until).await;
                }
                conversation.notified().await;
            };
            let read = tokio::select! {
                read = timeout_at(moment, pool::read(stream)) => read,
                () = news => {
                    self.quiet_until = Instant::now() + NEWS_APART;
                    conversation.event(Event::News);
                    return false;
                }
                () = &mut stopped => {
                    self.told = true;
                    conversation.event(Event::Shutdown);
                    return false;
                }
            };
            if read.is_ok() || until <= Instant::now() {
                break read;
            }
        };
        match read {
            Ok(Ok(read)) if !read.bytes().is_empty() => {
                conversation.feed(read.bytes());
                return false;
            }
            Ok(_) => conversation.event(Event::Eof),
            Err(_) => conversation.event(Event::TimedOut),
        }
        true
    }

    /// Waits before the greeting; who talks into the wait is told on.
    async fn watch_silence<C: Conversation>(&mut self, conversation: &mut C) -> io::Result<()> {
        if *self.terms.shutdown.borrow() {
            self.told = true;
            conversation.event(Event::Shutdown);
        }
        let delay = self.terms.greeting_delay;
        let Some(stream) = self.stream.as_mut().filter(|_| !delay.is_zero()) else {
            return Ok(());
        };
        let Ok(read) = timeout(delay, pool::read(stream)).await else { return Ok(()) };
        let read = read?;
        if read.bytes().is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        conversation.event(Event::Early);
        conversation.feed(read.bytes());
        Ok(())
    }

    async fn secure<C: Conversation>(&mut self, conversation: &mut C) -> io::Result<()> {
        let (Some(acceptor), Some(stream)) = (&self.terms.acceptor, self.stream.take()) else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "no TLS here"));
        };
        if let Some(bytes) = conversation.breaks_tls().await {
            self.stream = Some(stream);
            self.out = bytes;
            self.close().await?;
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "TLS broken on purpose"));
        }
        // On the heap, so that the session's own memory is not as large as a handshake's.
        let shake = Box::pin(acceptor.accept(stream));
        let shaken = timeout(self.terms.handshake_timeout, shake).await;
        let (stream, facts) =
            shaken.map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
        self.stream = Some(Box::new(stream));
        conversation.tls(facts);
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(self.terms.write_timeout, async {
            stream.write_all(&self.out).await?;
            stream.flush().await
        })
        .await;
        self.out.clear();
        if self.out.capacity() > WRITE_KEPT {
            self.out = Vec::new();
        }
        written.map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))?
    }

    async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let end = timeout(LINGER, async {
            stream.shutdown().await?;
            for _ in 0..LINGER_READS {
                if pool::read(stream).await?.bytes().is_empty() {
                    break;
                }
            }
            io::Result::Ok(())
        });
        let end = end.await;
        tracing::trace!(?end, "Connection closed.");
        Ok(())
    }

    /// Lets a conversation whose connection is gone answer what it still asks.
    async fn wind_up<C: Conversation>(&mut self, conversation: &mut C) {
        while let Some(step) = conversation.next() {
            match step {
                Step::Ask(question) => conversation.answer(question).await,
                Step::Write(_) => {}
                Step::StartTls | Step::Close => break,
            }
        }
    }
}

#[cfg(test)]
mod tests;
