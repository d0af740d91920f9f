//! What a part of a command says, as a stream of bytes to read where waiting is allowed.

use std::io::{self, Read, Write};

use mailwright_net::control::Frame;
use tokio::sync::mpsc;

/// The output of a part; its notes go to standard error, its failure is an error.
pub(crate) struct Output {
    frames: mpsc::Receiver<Frame>,
    chunk: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl Output {
    pub(crate) fn new(frames: mpsc::Receiver<Frame>) -> Self {
        Self { frames, chunk: Vec::new(), at: 0, has_ended: false }
    }
}

impl Read for Output {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() && !self.has_ended {
            match self.frames.blocking_recv() {
                Some(Frame::Output(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Some(Frame::Error(text)) => io::stderr().write_all(text.as_bytes())?,
                Some(Frame::Exit(0)) => self.has_ended = true,
                Some(Frame::Exit(_)) | None => {
                    return Err(io::Error::other("it could not be done"));
                }
            }
        }
        let left = self.chunk.get(self.at..).unwrap_or_default();
        let count = left.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(left) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}
