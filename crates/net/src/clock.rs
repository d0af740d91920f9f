//! The clock: what stamps and what waits takes its time here.
//!
//! [`System`] is the machine's; [`Manual`] stands still until a test moves it.

use std::{
    fmt,
    pin::Pin,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use mailwright_words::time::Timestamp;

/// A wait.
pub type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Tells the time, and waits.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present, which an operator may set back.
    fn now(&self) -> Timestamp;

    /// Time since some moment of the past, which never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits this long.
    fn sleep(&self, wait: Duration) -> Wait<'_>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct System {
    start: Instant,
}

impl System {
    /// The machine's clock, whose elapsed time begins here.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn sleep(&self, wait: Duration) -> Wait<'_> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A clock that a test moves.
#[derive(Debug)]
pub struct Manual {
    start: Timestamp,
    elapsed: watch::Sender<Duration>,
}

impl Manual {
    /// A clock that shows `start`, and stands still.
    pub fn new(start: Timestamp) -> Self {
        Self { start, elapsed: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves it forward; whoever waited long enough goes on.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed = elapsed.saturating_add(by));
    }
}

impl Clock for Manual {
    fn now(&self) -> Timestamp {
        self.start.plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep(&self, wait: Duration) -> Wait<'_> {
        let mut moved = self.elapsed.subscribe();
        let until = self.elapsed().saturating_add(wait);
        Box::pin(async move {
            // It cannot fail: the sender is `self`, which this borrows.
            if moved.wait_for(|elapsed| *elapsed >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_who_waited_long_enough() {
        let clock = Manual::new(Timestamp::new(1_000));
        let mut wait = clock.sleep(Duration::from_mins(1));
        clock.advance(Duration::from_secs(59));
        let early = tokio::time::timeout(Duration::ZERO, &mut wait).await;
        assert!(early.is_err(), "a second is missing");
        clock.advance(Duration::from_secs(1));
        wait.await;
        assert_eq!(clock.now(), Timestamp::new(61_000));
    }
}
