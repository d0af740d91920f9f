//! Standard output of a command, whose reader may have had enough.
//!
//! `mailwright queue list | head -1` ends without a word, as other tools do: with the exit code
//! that a shell gives to a program which SIGPIPE ended. Source: POSIX.1-2017, XCU section 2.8.2.

use std::{
    error::Error,
    io::{self, StdoutLock, Write},
};

/// What a shell says of a program that SIGPIPE ended: 128 and the number of the signal.
pub(crate) const UNREAD: u8 = 141;

/// Nobody reads standard output any more.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct Unread;

/// Standard output; its error, where nobody reads, is told from that of any other pipe.
pub(crate) struct Stdout(StdoutLock<'static>);

/// Standard output, for this thread alone until it is dropped.
pub(crate) fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

/// Prints what a server says when it starts; it runs on where nobody reads that.
///
/// Errors: it cannot be written for another reason.
pub(crate) fn greet(text: &str) -> io::Result<()> {
    let mut output = stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if is_unread(&error) => Ok(()),
        result => result,
    }
}

/// An error of standard output, marked where it says that nobody reads.
pub(crate) fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Unread),
        _ => error,
    }
}

/// Whether an error says that nobody reads standard output.
pub(crate) fn is_unread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Unread>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_standard_output_is_quiet() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_unread(&marked(broken())));
        assert!(!is_unread(&broken()), "a peer that went away is told of");
        assert!(!is_unread(&marked(io::ErrorKind::StorageFull.into())));
    }
}
