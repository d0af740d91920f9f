//! A pure session with the stand-in of `testkit`, as a conversation of the connection loop.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mailwright_net::{self as net, TlsFacts};
use mailwright_testkit::transcript::Transcript;
use mailwright_testkit::transcript::play::{Actor, Event, Move, compare};

use super::line::Way;

/// A session, which can be looked at while it runs.
pub(crate) struct StandIn<A> {
    actor: Arc<Mutex<A>>,
    implicit: bool,
}

/// The same session, where the connection loop has it.
pub(crate) struct Played<A>(StandIn<A>);

impl<A: Actor> StandIn<A> {
    /// What the line of `@listener` says.
    pub(crate) fn new(transcript: &Transcript, way: Way) -> Self {
        let mut transcript = transcript.clone();
        if way == Way::Tls && !transcript.has("implicit") {
            transcript.listener.push("implicit".to_owned());
        }
        let implicit = transcript.has("implicit");
        Self { actor: Arc::new(Mutex::new(A::enter(&transcript).unwrap())), implicit }
    }

    /// The session, and whether its connection begins with a handshake.
    pub(crate) fn session(&self) -> (Played<A>, bool) {
        let (actor, implicit) = (Arc::clone(&self.actor), self.implicit);
        (Played(Self { actor, implicit }), implicit)
    }

    /// Compares a state.
    pub(crate) fn check(&self, noun: &str, want: &str) -> Result<(), String> {
        compare(self.actor().state(noun), want)
    }

    fn actor(&self) -> MutexGuard<'_, A> {
        self.actor.lock().unwrap()
    }
}

impl<A: Actor + Send + 'static> net::Conversation for Played<A> {
    /// The stand-in answers its questions by itself.
    type Question = ();

    fn feed(&mut self, bytes: &[u8]) {
        self.0.actor().feed(bytes);
    }

    fn next(&mut self) -> Option<net::Step<()>> {
        Some(match self.0.actor().next()? {
            Move::Say(bytes) => net::Step::Write(bytes),
            Move::StartTls => net::Step::StartTls,
            Move::Close => net::Step::Close,
        })
    }

    async fn answer(&mut self, (): ()) {}

    fn tls(&mut self, _: TlsFacts) {
        // One that begins with a handshake was told so from the start.
        if !self.0.implicit {
            self.0.actor().tls();
        }
    }

    fn timeout(&self) -> Duration {
        self.0.actor().timeout()
    }

    fn event(&mut self, event: net::Event) {
        self.0.actor().event(match event {
            net::Event::Early | net::Event::News => return,
            net::Event::Eof => Event::Eof,
            net::Event::TimedOut => Event::TimedOut,
            net::Event::Shutdown => Event::Shutdown,
        });
    }
}
