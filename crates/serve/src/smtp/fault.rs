//! The faults of an inbox, where a session meets them.
//!
//! Invariant: nothing happens here to a session of which anything is not caught: each way in asks
//! [`Client::is_caught`](mailwright_intake::Client::is_caught) first.

use std::sync::Arc;
use std::time::Duration;

use mailwright_config::{BreakTls, Phase};
use mailwright_intake::{Moment, Refused, Strike};
use mailwright_smtp::server::{Answer, ForwardPath, Question};
use tokio::sync::Notify;

use super::conversation::Conversation;

/// Octets that are no TLS, for a client that expects it.
const GARBAGE: &[u8] = b"This is no TLS.\r\n";
/// A fatal alert `handshake_failure`. Source: RFC 8446 section 6.2.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];

/// What of a session its faults go by.
#[derive(Debug, Default)]
pub(super) struct Lab {
    /// Whether the connection is to be closed without another word.
    cut: bool,
    /// Told when the client hangs up, so that nobody waits on.
    gone: Arc<Notify>,
    /// What befalls the message that is open.
    body: Strike,
    /// Octets of it so far.
    octets: u64,
}

impl Lab {
    /// Whether the connection is to be closed without another word.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Where a question stands; those that are about nothing new stand nowhere.
const fn phase(question: &Question) -> Option<Phase> {
    Some(match question {
        Question::Connect => Phase::Connect,
        Question::Hello(_) => Phase::Ehlo,
        Question::Mail(_) => Phase::Mail,
        Question::Rcpt(_) => Phase::Rcpt,
        Question::Begin => Phase::Data,
        Question::Chunk(_) => Phase::Body,
        Question::Message => Phase::Message,
        Question::Auth { .. }
        | Question::AuthResponse(_)
        | Question::AuthCancel
        | Question::Abandon => return None,
    })
}

impl Conversation {
    /// What is told when the client hangs up during this question.
    pub(super) fn watched(&self) -> Option<Arc<Notify>> {
        let may_wait = self.client.is_caught() && self.door.intake.may_have_faults();
        may_wait.then(|| Arc::clone(&self.lab.gone))
    }

    /// Answers, under the faults of the inbox that catches what this session sends.
    pub(super) async fn answered(&mut self, question: Question) -> Answer {
        let may_strike = self.client.is_caught()
            && (self.door.intake.may_have_faults() || matches!(question, Question::Rcpt(_)));
        // On the heap, so that no session is larger for what few of them meet.
        if let Some(phase) = phase(&question).filter(|_| may_strike) {
            return Box::pin(self.under_faults(phase, question)).await;
        }
        let answer = self.found(question).await;
        // Only now is it known who it is.
        if self.client.is_caught() && matches!(answer, Answer::Authenticated { .. }) {
            return Box::pin(self.logged_in(answer)).await;
        }
        answer
    }

    async fn under_faults(&mut self, phase: Phase, question: Question) -> Answer {
        if phase == Phase::Body {
            return self.under_body(question).await;
        }
        let strike = self.strike(phase, &question).await;
        if phase == Phase::Data {
            self.lab.octets = 0;
            self.lab.body = self.strike(Phase::Body, &question).await;
        }
        if strike.is_nothing() {
            return self.found(question).await;
        }
        self.under(strike, question).await
    }

    /// What befalls a session at this question.
    async fn strike(&self, at: Phase, question: &Question) -> Strike {
        let intake = &self.door.intake;
        let (mut size, mut recipients) = (None, self.recipients());
        let sender = match question {
            Question::Mail(mail) => {
                size = mail.size;
                Some(mail.from.to_string())
            }
            _ => self.sender(),
        };
        let hello = match question {
            Question::Hello(name) => name,
            _ => &self.client.hello,
        };
        if at == Phase::Message {
            size = Some(self.lab.octets);
        }
        let asked = match question {
            Question::Rcpt(rcpt) => match &rcpt.to {
                ForwardPath::Recipient(address) => Some(address),
                ForwardPath::Postmaster => None,
            },
            _ => None,
        };
        if let Some(asked) = asked {
            recipients = vec![asked.to_string()];
        }
        let sender =
            sender.map(|sender| sender.trim_start_matches('<').trim_end_matches('>').to_owned());
        let moment = Moment {
            at,
            client: Some(self.peer.ip()),
            hello,
            sender: sender.as_deref(),
            recipients: &recipients,
            size,
            now: self.door.clock.now(),
        };
        match (at, asked) {
            (Phase::Rcpt, Some(asked)) => {
                intake.strike_recipient(&self.client, asked, &moment).await
            }
            (Phase::Data | Phase::Body | Phase::Message, _) => {
                intake.strike_message(self.targets(), &moment).await
            }
            _ => intake.strike(&self.client, &moment).await,
        }
    }

    /// Does what a fault says, and what was asked where it leaves room for that.
    async fn under(&mut self, strike: Strike, question: Question) -> Answer {
        self.wait(strike.delay).await;
        let is_message = matches!(question, Question::Message);
        let is_done = match &strike.reply {
            Some(reply) => reply.is_positive() || strike.keeps,
            None => !strike.drops || strike.keeps,
        };
        let answer = if is_done {
            self.found(question).await
        } else {
            if is_message {
                self.open = None;
            }
            Answer::Taken
        };
        if strike.drops {
            self.cut(is_message && strike.keeps);
            return answer;
        }
        match strike.reply {
            None => answer,
            // What went wrong by itself is not painted over.
            Some(reply) if reply.is_positive() => match answer {
                Answer::Reply(own) if !own.is_positive() => Answer::Reply(own),
                _ => Answer::Reply(reply),
            },
            Some(reply) => Answer::Reply(reply),
        }
    }

    /// Takes octets of a message, as slowly as a fault says, up to where it strikes.
    async fn under_body(&mut self, question: Question) -> Answer {
        let Question::Chunk(chunk) = &question else { return self.found(question).await };
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.lab.octets = self.lab.octets.saturating_add(count);
        let strike = &self.lab.body;
        if strike.is_nothing() {
            return self.found(question).await;
        }
        if let Some(rate) = strike.throttle {
            let millis = count.saturating_mul(1000) / rate.max(1);
            self.wait(Duration::from_millis(millis)).await;
        }
        if self.lab.octets <= self.lab.body.beyond {
            return self.found(question).await;
        }
        // The throttle goes on; the rest strikes once.
        let throttle = self.lab.body.throttle;
        let next = Strike { throttle, ..Strike::default() };
        let strike = std::mem::replace(&mut self.lab.body, next);
        if strike.delay.is_zero() && strike.reply.is_none() && !strike.drops {
            return self.found(question).await;
        }
        self.under(strike, question).await
    }

    /// Has a login that succeeded meet the faults of its inbox.
    async fn logged_in(&mut self, answer: Answer) -> Answer {
        let strike = self.strike(Phase::Auth, &Question::AuthCancel).await;
        self.wait(strike.delay).await;
        if strike.drops {
            self.cut(false);
        }
        match (answer, strike.reply) {
            (Answer::Authenticated { name, .. }, Some(reply)) if reply.is_positive() => {
                Answer::Authenticated { reply, name }
            }
            (_, Some(reply)) => {
                self.client.identity = None;
                *self.client.session = mailwright_intake::Session::default();
                Answer::Reply(reply)
            }
            (answer, None) => answer,
        }
    }

    /// How the next handshake is broken.
    pub(super) async fn broken_tls(&self) -> Option<Vec<u8>> {
        if !self.client.is_caught() {
            return None;
        }
        let strike = self.strike(Phase::Tls, &Question::AuthCancel).await;
        self.wait(strike.delay).await;
        let bytes = strike.breaks.map(|how| match how {
            BreakTls::Close => Vec::new(),
            BreakTls::Alert => ALERT.to_vec(),
            BreakTls::Garbage => GARBAGE.to_vec(),
        })?;
        self.note("(a handshake)", "(it was broken on purpose)");
        Some(bytes)
    }

    /// Waits, until the client hangs up.
    async fn wait(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        tokio::select! {
            () = self.door.clock.sleep(time) => {}
            () = self.lab.gone.notified() => self.lab.gone.notify_one(),
        }
    }

    /// Has the connection closed without another word.
    fn cut(&mut self, was_kept: bool) {
        self.lab.cut = true;
        let what = if was_kept {
            "(dropped on purpose; the message was kept)"
        } else {
            "(dropped on purpose)"
        };
        self.note("(the connection)", what);
    }

    fn note(&self, command: &str, reply: &str) {
        self.door.intake.refusals().push(Refused {
            number: 0,
            at: self.door.clock.now(),
            peer: self.peer.to_string(),
            username: self.client.session.username.clone(),
            command: command.to_owned(),
            reply: reply.to_owned(),
            conversation: self.session.transcript(),
        });
    }
}
