//! Buffers to read into, held only while there is something to read.
//!
//! A connection that is silent has none: each attempt to read takes one of its thread's, and gives
//! it back at once when nothing came.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::Stream;

/// Octets read at once: a command line fits, and a body moves in few reads.
const READ_BYTES: usize = 32 * 1024;
/// Buffers that a thread keeps.
const KEPT_MAX: usize = 4;

thread_local! {
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with what was read into it; it goes back when dropped.
pub(super) struct Read {
    buffer: Vec<u8>,
    count: usize,
}

impl Read {
    fn take() -> Self {
        let idle = IDLE.with_borrow_mut(Vec::pop);
        Self { buffer: idle.unwrap_or_else(|| vec![0; READ_BYTES]), count: 0 }
    }

    /// What was read; nothing at the end of the stream.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.count).unwrap_or_default()
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // A thread that ends has no place for it any more.
        let kept = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < KEPT_MAX {
                idle.push(buffer);
            }
        });
        kept.unwrap_or_default();
    }
}

/// Reads once. It may be dropped and called again at any time.
pub(super) async fn read(stream: &mut Box<dyn Stream>) -> io::Result<Read> {
    poll_fn(|context| {
        let mut read = Read::take();
        let mut into = ReadBuf::new(&mut read.buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut into))?;
        read.count = into.filled().len();
        Poll::Ready(Ok(read))
    })
    .await
}
