//! Time limits of a connection: for what a client sends as a body, and for what it takes.

use std::{
    future::{Future as _, Pending, pending},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Timeout, timeout},
};

/// A moment that is to come.
type Moment = Pin<Box<Timeout<Pending<()>>>>;

fn moment(time: Duration) -> Moment {
    Box::pin(timeout(time, pending()))
}

/// A body that has to be there in time.
pub(super) struct TimedBody {
    body: Incoming,
    time: Duration,
    ends: Option<Moment>,
}

impl TimedBody {
    pub(super) const fn new(body: Incoming, time: Duration) -> Self {
        Self { body, time, ends: None }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let time = self.time;
        let ends = self.ends.get_or_insert_with(|| moment(time));
        let late = ready!(ends.as_mut().poll(context)).is_err();
        debug_assert!(late, "what never is done ends late");
        let error = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose other end has to take what it is sent.
pub(super) struct Paced {
    stream: TcpStream,
    time: Duration,
    /// When a write that waits has waited too long.
    ends: Option<Moment>,
}

impl Paced {
    pub(super) const fn new(stream: TcpStream, time: Duration) -> Self {
        Self { stream, time, ends: None }
    }

    /// What became of a write: one that goes on starts the time anew.
    fn paced<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.ends = None;
            return done;
        }
        let time = self.time;
        let ends = self.ends.get_or_insert_with(|| moment(time));
        let late = ready!(ends.as_mut().poll(context)).is_err();
        debug_assert!(late, "what never is done ends late");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, octets);
        self.paced(done, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.paced(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.paced(done, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.paced(done, context)
    }
}
