//! A transaction: sender, recipients, message; judged and stored by intake.

use std::{sync::Arc, time::Duration};

use mailwright_config::Role;
use mailwright_intake::{Incoming, Refusal, Taken, Target, Transaction};
use mailwright_smtp::server::{Answer, By, ForwardPath, Hold, MailFrom, RcptTo};
use mailwright_words::{
    ByMode, DeliverBy, Envelope, Id, Recipient, Reply, Status, Timestamp, TlsWish, metric,
};

use super::{conversation::Conversation, lists};

/// A transaction that is open.
#[derive(Debug)]
pub(super) struct Open {
    envelope: Envelope,
    targets: Vec<Target>,
    /// What they take up of the limits of a transaction.
    taken: Taken,
    /// The priority that is given, where it is not the one that was asked for.
    changed: Option<i8>,
    incoming: Option<Incoming>,
}

impl Conversation {
    /// The reverse-path of the transaction that is open.
    pub(super) fn sender(&self) -> Option<String> {
        self.open.as_ref().map(|open| open.envelope.from.to_string())
    }

    /// The forward-paths that were taken.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.targets().iter().map(|target| target.recipient.address.to_string()).collect()
    }

    /// Where they lead.
    pub(super) fn targets(&self) -> &[Target] {
        self.open.as_ref().map(|open| open.targets.as_slice()).unwrap_or_default()
    }

    pub(super) async fn mail(&mut self, mail: MailFrom) -> Reply {
        self.client.protocol = self.spoken();
        let now = self.door.clock.now();
        let judged = self.door.intake.sender(&self.client, &mail.from, mail.size, now).await;
        let intake = &self.door.intake;
        let judged = match judged {
            Ok(()) => intake.check_sender_rate(&self.client, &mail.from, now).await,
            refused => refused,
        };
        if let Err(refusal) = judged {
            return self.refused(&refusal, &mail.from.to_string());
        }
        let taken = Taken { size: mail.size, ..Taken::default() };
        let mut envelope = envelope(mail, now);
        let given = envelope.priority.map(|n| self.door.intake.priority(&self.client, n));
        let changed = given.filter(|_| given != envelope.priority);
        envelope.priority = given;
        if is_late_when_released(&envelope) {
            return self.refused(&Refusal::Hold, &envelope.from.to_string());
        }
        self.open = Some(Open { envelope, targets: Vec::new(), taken, changed, incoming: None });
        Reply::new(250, Some(Status::new(2, 1, 0)), "Sender ok")
    }

    pub(super) async fn rcpt(&mut self, rcpt: RcptTo) -> Reply {
        if self.open.is_none() {
            return out_of_order();
        }
        let name = match &rcpt.to {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Recipient(address) => address.to_string(),
        };
        // Who is listed by mistake finds somebody to tell.
        if !is_postmaster(&name)
            && let Err(refusal) = self.listed().await
        {
            return self.refused(&refusal, &name);
        }
        let Some(open) = &self.open else {
            return out_of_order();
        };
        let (taken, now) = (open.taken, self.door.clock.now());
        let (intake, client) = (&self.door.intake, &self.client);
        let judged = match rcpt.to {
            ForwardPath::Postmaster => intake.postmaster(client, taken, now).await,
            ForwardPath::Recipient(address) => {
                let recipient = Recipient { address, notify: rcpt.notify, orcpt: rcpt.orcpt };
                intake.recipient(client, recipient, taken, now).await
            }
        };
        let is_trusted = self.standing.as_ref().is_some_and(|one| one.allowed.is_some());
        let judged = match judged {
            Ok(target) => intake
                .check_recipient_rate(
                    (client, is_trusted),
                    (&open.envelope.from, &name, taken.recipients),
                    now,
                )
                .await
                .map(|()| target),
            Err(refusal) => Err(refusal),
        };
        match (judged, &mut self.open) {
            (Ok(target), Some(open)) => {
                open.taken.add(&target);
                open.targets.push(target);
                recipient_ok()
            }
            (Err(refusal), _) => self.refused(&refusal, &name),
            (Ok(_), None) => out_of_order(),
        }
    }

    /// Asks the lists about a stranger, once a session.
    async fn listed(&mut self) -> Result<(), Refusal> {
        let door = Arc::clone(&self.door);
        let Some(dns) = door.dns.as_ref().filter(|_| door.role == Role::Mta) else { return Ok(()) };
        if self.standing.is_none() {
            let standing = lists::judge(dns, &door.config.door, self.peer.ip()).await;
            self.client.marks.clone_from(&standing.marks);
            self.standing = Some(standing);
        }
        let zone = self.standing.as_ref().and_then(|standing| standing.refused.clone());
        let client = self.peer.ip().to_canonical().to_string();
        zone.map_or(Ok(()), |zone| Err(Refusal::Listed { client, zone }))
    }

    pub(super) fn begin(&mut self) -> Reply {
        let begun = self.door.intake.begin(&self.client, self.door.clock.now());
        match (begun, &mut self.open) {
            (Ok(incoming), Some(open)) => {
                open.incoming = Some(incoming);
                Reply::new(250, None, "")
            }
            (Err(refusal), _) => self.refused(&refusal, ""),
            (Ok(_), None) => out_of_order(),
        }
    }

    pub(super) async fn chunk(&mut self, chunk: &[u8]) {
        if let Some(incoming) = self.open.as_mut().and_then(|open| open.incoming.as_mut()) {
            incoming.push(chunk).await;
        }
    }

    pub(super) async fn message(&mut self) -> Answer {
        let Some(open) = self.open.take() else { return Answer::Reply(out_of_order()) };
        let Open { envelope, targets, changed, incoming: Some(incoming), .. } = open else {
            return Answer::Reply(out_of_order());
        };
        let sender = envelope.from.to_string();
        if self.client.is_caught() {
            self.client.session.protocol = self.session.protocol();
            self.client.session.conversation = self.session.transcript();
        }
        let transaction = Transaction::new(self.client.clone(), envelope, targets);
        if self.door.role == Role::Lmtp {
            return self.delivered(incoming, transaction, &sender).await;
        }
        let (now, begun) = (self.door.clock.now(), self.door.clock.elapsed());
        match self.door.intake.accept(incoming, transaction, now).await {
            Ok(durable) => {
                self.accepted(begun);
                Answer::Reply(accepted_as(durable.id(), changed))
            }
            Err(refusal) => Answer::Reply(self.refused(&refusal, &sender)),
        }
    }

    async fn delivered(
        &self,
        incoming: Incoming,
        transaction: Transaction,
        sender: &str,
    ) -> Answer {
        let (now, begun) = (self.door.clock.now(), self.door.clock.elapsed());
        let names: Vec<String> =
            transaction.targets.iter().map(|target| target.recipient.address.to_string()).collect();
        match self.door.intake.deliver(incoming, transaction, now).await {
            Ok((durable, outcomes)) => {
                let id = durable.id();
                self.accepted(begun);
                let reply = |(name, outcome): (&String, Result<(), Refusal>)| match outcome {
                    Ok(()) => {
                        tracing::info!(spool = %id, recipient = name, "Message delivered.");
                        let text = format!("Delivered as {id}");
                        Reply::new(250, Some(Status::new(2, 0, 0)), text)
                    }
                    Err(refusal) => self.refused(&refusal, name),
                };
                Answer::Replies(names.iter().zip(outcomes).map(reply).collect())
            }
            Err(refusal) => {
                let reply = self.refused(&refusal, sender);
                Answer::Replies(names.iter().map(|_| reply.clone()).collect())
            }
        }
    }

    /// Counts a message that is durable, and how long its client waited for that.
    fn accepted(&self, begun: Duration) {
        let listener = self.door.name.clone();
        let waited = self.door.clock.elapsed().saturating_sub(begun);
        metrics::histogram!(metric::ACCEPT_SECONDS, "listener" => listener.clone()).record(waited);
        metrics::counter!(metric::MESSAGES_ACCEPTED, "listener" => listener).increment(1);
    }

    /// The one line and the one count of a refusal; `about` is the address it speaks of.
    fn refused(&self, refusal: &Refusal, about: &str) -> Reply {
        let reply = refusal.reply();
        tracing::info!(
            listener = self.door.name,
            peer = %self.peer,
            about,
            code = reply.code,
            %refusal,
            "Refused."
        );
        metrics::counter!(
            metric::REFUSALS,
            "listener" => self.door.name.clone(),
            "class" => if reply.is_temporary() { "temporary" } else { "permanent" }
        )
        .increment(1);
        reply
    }
}

/// Tells a priority that is not the one that was asked for. Source: RFC 6710.
fn accepted_as(id: Id, changed: Option<i8>) -> Reply {
    let text = format!("Accepted as {id}");
    match changed {
        None => Reply::new(250, Some(Status::new(2, 0, 0)), text),
        Some(priority) => {
            let text = format!("{priority} is the priority of this message. {text}");
            Reply::new(250, Some(Status::new(2, 3, 6)), text)
        }
    }
}

/// Source: RFC 5321 section 4.5.1.
fn is_postmaster(recipient: &str) -> bool {
    let (local, _) = recipient.split_once('@').unwrap_or((recipient, ""));
    local.eq_ignore_ascii_case("postmaster")
}

fn recipient_ok() -> Reply {
    Reply::new(250, Some(Status::new(2, 1, 5)), "Recipient ok")
}

fn out_of_order() -> Reply {
    Reply::new(503, Some(Status::new(5, 5, 1)), "No transaction is open")
}

fn envelope(mail: MailFrom, now: Timestamp) -> Envelope {
    Envelope {
        ret: mail.ret,
        envid: mail.envid,
        body: mail.body,
        smtputf8: mail.smtputf8,
        priority: mail.priority,
        tls: if mail.require_tls { TlsWish::Required } else { TlsWish::None },
        deliver_by: mail.deliver_by.map(|by| deliver_by(by, now)),
        hold_until: mail.hold.map(|hold| match hold {
            Hold::For(time) => now.plus(time),
            Hold::Until(moment) => moment.max(now),
        }),
        ..Envelope::new(mail.from, Vec::new())
    }
}

fn deliver_by(by: By, now: Timestamp) -> DeliverBy {
    let wait = Duration::from_secs(by.seconds.unsigned_abs());
    let at = if by.seconds < 0 { now.minus(wait) } else { now.plus(wait) };
    DeliverBy { at, mode: by.mode, trace: by.trace }
}

/// Whether a message is to be back before it is to be sent.
fn is_late_when_released(envelope: &Envelope) -> bool {
    let back = envelope.deliver_by.filter(|by| by.mode == ByMode::Return).map(|by| by.at);
    envelope.hold_until.zip(back).is_some_and(|(release, back)| release >= back)
}
