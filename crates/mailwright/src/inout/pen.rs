//! Handing read messages on, and showing how far it is.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    runtime::Handle,
};

use super::Head;

/// Letters of the bar.
const BAR: u64 = 40;

/// How far an import is; drawn on standard error where that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    total: AtomicU64,
    done: AtomicU64,
    drawn: AtomicU64,
    is_shown: bool,
}

impl Progress {
    /// Of a source of so much: octets of files, messages of a server.
    pub(super) fn new(total: u64) -> Self {
        let is_shown = io::stderr().is_terminal();
        let (done, drawn) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { total: AtomicU64::new(total), done, drawn, is_shown }
    }

    /// So much more of the source was read.
    pub(super) fn add(&self, octets: u64) {
        self.done.fetch_add(octets, Ordering::Relaxed);
    }

    /// Draws it, when it is another than before.
    pub(super) fn draw(&self, messages: u64) -> io::Result<()> {
        let total = self.total.load(Ordering::Relaxed).max(1);
        let done = self.done.load(Ordering::Relaxed).min(total);
        let percent = u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100);
        let mark = (percent << 32) | (messages / 64);
        if !self.is_shown || self.drawn.swap(mark, Ordering::Relaxed) == mark {
            return Ok(());
        }
        let full = usize::try_from(percent * BAR / 100).unwrap_or(0);
        let bar = format!("{:-<40}", "#".repeat(full));
        write!(io::stderr(), "\r[{bar}] {percent:3} %  {messages} messages")
    }

    /// Takes it away again.
    pub(super) fn clear(&self) -> io::Result<()> {
        let is_drawn = self.drawn.swap(u64::MAX, Ordering::Relaxed) != u64::MAX;
        if self.is_shown && is_drawn { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}

/// Hands messages to the part that has the store.
pub(super) struct Pen {
    to: DuplexStream,
    handle: Handle,
    progress: Arc<Progress>,
    /// Where INBOX and all other folders go.
    root: String,
    left_out: u64,
}

impl Pen {
    pub(super) fn new(
        to: DuplexStream,
        handle: Handle,
        progress: Arc<Progress>,
        root: String,
    ) -> Self {
        Self { to, handle, progress, root, left_out: 0 }
    }

    /// Hands on a message of a folder of the source; an empty name is the source's own.
    pub(super) fn put(
        &mut self,
        folder: &str,
        (flags, date): (Vec<String>, Option<i64>),
        bytes: &[u8],
    ) -> io::Result<()> {
        let head = Head { folder: folder.to_owned(), flags, date, ..Head::default() };
        self.handle.clone().block_on(self.send(head, bytes))
    }

    /// As [`Pen::put`], with all that is known of the message.
    pub(super) async fn send(&mut self, head: Head, bytes: &[u8]) -> io::Result<()> {
        let bytes = with_crlf(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.say(Head { length, ..head }).await?;
        self.to.write_all(&bytes).await
    }

    /// Says something that is followed by nothing: makes a folder, and asks what is known in it.
    pub(super) async fn say(&mut self, head: Head) -> io::Result<()> {
        let is_inbox = self.root.eq_ignore_ascii_case("INBOX");
        // Below another folder, a folder keeps its name whatever it is for.
        let special_use = head.special_use.filter(|_| is_inbox);
        let folder = match (head.folder.as_str(), is_inbox) {
            ("" | "INBOX", _) => self.root.clone(),
            (name, true) => name.to_owned(),
            (name, false) => format!("{}/{name}", self.root),
        };
        let line = Head { folder, special_use, ..head }.line()?;
        self.to.write_all(&line).await
    }

    /// Says that so much of the source was read.
    pub(super) fn read(&self, octets: u64) {
        self.progress.add(octets);
    }

    /// Leaves a message out, and says why.
    pub(super) fn leave_out(&mut self, what: &str) -> io::Result<()> {
        self.left_out += 1;
        self.progress.clear()?;
        writeln!(io::stderr(), "left out: {what}")
    }

    /// Ends the messages; says how many were left out.
    pub(super) fn finish(self) -> io::Result<u64> {
        self.handle.clone().block_on(self.end())
    }

    /// As [`Pen::finish`].
    pub(super) async fn end(mut self) -> io::Result<u64> {
        self.to.shutdown().await?;
        Ok(self.left_out)
    }
}

/// The bytes with CRLF where they have LF alone.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut before = 0;
    for &byte in bytes {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_lf_becomes_crlf_and_nothing_else_changes() {
        for (from, to) in [
            (&b"a\nb\r\n\nc\rd"[..], &b"a\r\nb\r\n\r\nc\rd"[..]),
            (b"", b""),
            (b"\n", b"\r\n"),
            (b"\r\r\n", b"\r\r\n"),
        ] {
            assert_eq!(with_crlf(from), to);
        }
    }
}
