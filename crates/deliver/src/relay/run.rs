//! The book of one attempt: who is settled, who is left, what was said.

use std::sync::Arc;

use mailwright_net::tls::{PeerCertificate, hex};
use mailwright_smtp::client::{Cause, Lacking, Loss, Phase, Verdict};
use mailwright_store::queue::Transport;
use mailwright_words::TlsWish;
use mailwright_words::envelope::Envelope;
use mailwright_words::reply::Reply;
use mailwright_words::status::Status;

use crate::connection::{Connection, Fault};
use crate::ledger::Failure;
use crate::mx::Unroutable;
use crate::outcome::{Contact, Content, Job, Outcome, Reason, RecipientOutcome};
use crate::route::Target;
use crate::sign::Signing;
use crate::tls::{Basis, Level, Refused};

use super::{Hurry, is_too_many};

/// Source: RFC 8689 section 4.2.1.
const REQUIRE_TLS: Status = Status::new(5, 7, 30);

/// Octets of conversation kept over all hosts of an attempt.
const CONVERSATION_MAX: usize = 64 * 1024;
/// Connections of one attempt, over all hosts and addresses.
const CONNECTIONS_MAX: usize = 10;

pub(super) struct Run {
    job: Job,
    outcomes: Vec<Option<Outcome>>,
    /// How safe the road was that led to each outcome.
    roads: Vec<Option<Transport>>,
    /// That of the last host.
    road: Option<Transport>,
    contact: Contact,
    /// What stands against those that are left, and whether it is permanent.
    trouble: Option<Reason>,
    /// Whether any trouble was one that may pass.
    temporary: bool,
    conversation: String,
    hurry: Hurry,
    /// Connections that may still be tried.
    connections: usize,
    /// Whether a host was left alone because many others are with it.
    crowded: bool,
}

impl Run {
    pub(super) fn new(job: Job) -> Self {
        Self {
            outcomes: vec![None; job.envelope.recipients.len()],
            roads: vec![None; job.envelope.recipients.len()],
            road: None,
            job,
            contact: Contact::None,
            trouble: None,
            temporary: false,
            conversation: String::new(),
            hurry: Hurry::default(),
            connections: CONNECTIONS_MAX,
            crowded: false,
        }
    }

    pub(super) fn hurry(&self) -> Hurry {
        self.hurry.clone()
    }

    /// Counts one more connection; says whether it may be tried.
    pub(super) fn may_connect(&mut self) -> bool {
        let may = self.connections > 0;
        self.connections = self.connections.saturating_sub(1);
        may
    }

    /// Enough connections to a host are at work already.
    pub(super) fn crowded(&mut self, target: &Target) {
        self.crowded = true;
        let text = format!("{}: too many connections at once", target.name);
        self.trouble(Reason::ours(451, Status::new(4, 4, 5), text), true);
    }

    /// The time is over for who is left, or the server stops.
    pub(super) fn broken_off(&mut self, is_stopped: bool) {
        if is_stopped {
            let reason = Reason::ours(451, Status::new(4, 3, 2), "this server stops");
            return self.settle_rest(&Outcome::Postponed(reason));
        }
        if self.contact == Contact::None {
            self.contact = Contact::Failed;
        }
        let reason = Reason::ours(451, Status::new(4, 4, 2), "the servers took too long");
        self.settle_rest(&Outcome::Deferred(reason));
    }

    /// What the message asks of the road.
    pub(super) fn wish(&self) -> TlsWish {
        self.job.envelope.tls
    }

    /// A host that gets no message, because of what its domain or the message says of TLS.
    pub(super) fn refused_for_tls(&mut self, host: &str, refused: &Refused) {
        let (code, status) =
            if refused.is_permanent { (550, REQUIRE_TLS) } else { (451, Status::new(4, 7, 5)) };
        self.said(&format!("*  {host}: {}\n", refused.text));
        let mut reason = Reason::ours(code, status, format!("{host}: {}", refused.text));
        reason.host = Some(host.to_owned());
        let asked = refused.failure.map_or("requiretls", Failure::as_str).to_owned();
        self.road = Some(Transport { asked, got: None, why: refused.text.clone() });
        self.trouble(reason, !refused.is_permanent);
    }

    pub(super) fn content(&self) -> Arc<dyn Content> {
        Arc::clone(&self.job.content)
    }

    /// Who vouches for the message.
    pub(super) fn signing(&self) -> Option<&Signing> {
        self.job.signing.as_ref()
    }

    /// Whether somebody is left for another host.
    pub(super) fn may_try_others(&self) -> bool {
        !self.hurry.is_over() && self.outcomes.iter().any(Option::is_none)
    }

    /// The next recipients that are left, and an envelope of them.
    pub(super) fn next(&self, most: usize) -> Option<(Vec<usize>, Envelope)> {
        let open = self.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_none());
        let indices: Vec<usize> = open.map(|(index, _)| index).take(most).collect();
        if indices.is_empty() || self.hurry.is_over() {
            return None;
        }
        let mut envelope = self.job.envelope.clone();
        envelope.recipients =
            indices.iter().filter_map(|i| self.job.envelope.recipients.get(*i).cloned()).collect();
        Some((indices, envelope))
    }

    /// The domain, or a server that was set, could not be found. `last` when no other is there.
    pub(super) fn unroutable(&mut self, error: &Unroutable, last: bool) {
        let reason = error.reason();
        if error.is_temporary() {
            self.trouble(reason, true);
        } else if last {
            self.settle_rest(&Outcome::Failed(reason));
        } else {
            self.trouble(reason, false);
        }
    }

    /// A host could not be spoken with.
    pub(super) fn fault(&mut self, target: &Target, fault: &Fault, conversation: &str) {
        if self.contact == Contact::None && !matches!(fault, Fault::Loop) {
            self.contact = Contact::Failed;
        }
        let text = format!("{}: {fault}", target.name);
        self.road = Some(road(target, None, Some(fault)));
        let mut reason = match fault {
            Fault::Connect(_) => Reason::ours(451, Status::new(4, 4, 1), text),
            Fault::Lost(_) => Reason::ours(451, Status::new(4, 4, 2), text),
            // What a host without TLS lacks is this, however it came to lack it.
            Fault::NoTls(_) if target.demand.basis == Basis::Message => {
                Reason::ours(550, REQUIRE_TLS, text)
            }
            Fault::Handshake(..) | Fault::NoTls(_) => Reason::ours(451, Status::new(4, 7, 5), text),
            // The operator has to see to it; the senders can do nothing.
            Fault::NoLogin | Fault::Login(_) => Reason::ours(451, Status::new(4, 7, 8), text),
            Fault::Loop => Reason::ours(550, Status::new(5, 4, 6), text),
            Fault::Refused(_, reply) => Reason { reply: reply.clone(), host: None },
        };
        reason.host = Some(target.name.clone());
        if conversation.is_empty() {
            self.said(&format!("*  {}: {fault}\n", target.name));
        } else {
            self.said(conversation);
        }
        let temporary = !reason.reply.is_permanent();
        self.trouble(reason, temporary);
    }

    /// What a host said to a transaction.
    pub(super) fn verdicts(
        &mut self,
        indices: &[usize],
        verdicts: Vec<Verdict>,
        target: &Target,
        connection: &Connection,
    ) {
        self.contact = Contact::Made;
        let host = format!("{} [{}]", target.name, connection.address.ip());
        let road = road(target, Some(connection), None);
        self.road = Some(road.clone());
        let some_taken = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Accepted(_)));
        for (index, verdict) in indices.iter().zip(verdicts) {
            // Those that were too many for this transaction go into the next.
            if some_taken && connection.is_ready() && is_too_many(&verdict) {
                continue;
            }
            let outcome = match verdict {
                Verdict::Accepted(reply) => Some(Outcome::Relayed {
                    reply,
                    host: host.clone(),
                    tls: connection.tls.clone(),
                    dsn: connection.has_dsn(),
                }),
                Verdict::Refused(reply) => self.refused(reply, &host),
                Verdict::Lost(loss) => self.lost(loss, &host, connection.unread),
            };
            if let Some(slot) = self.outcomes.get_mut(*index) {
                *slot = outcome;
            }
            if let Some(slot) = self.roads.get_mut(*index) {
                *slot = Some(road.clone());
            }
        }
    }

    /// A host said no: for good, for now, or (421) to the whole session.
    fn refused(&mut self, reply: Reply, host: &str) -> Option<Outcome> {
        let (code, permanent) = (reply.code, reply.is_permanent());
        let reason = Reason { reply, host: Some(host.to_owned()) };
        if code == 421 {
            self.trouble(reason, true);
            return None;
        }
        Some(if permanent { Outcome::Failed(reason) } else { Outcome::Deferred(reason) })
    }

    /// Before the message was sent another host may be asked; afterwards this one may have it.
    fn lost(&mut self, loss: Loss, host: &str, unread: bool) -> Option<Outcome> {
        let mut reason =
            Reason::ours(451, Status::new(4, 4, 2), format!("{host}: connection lost: {loss}"));
        if loss.phase == Phase::Body && loss.cause == Cause::Abandoned {
            // The bytes did not come from the store, or not those that were promised.
            reason = Reason::ours(451, Status::new(4, 3, 0), "the message could not be read");
            return Some(if unread { Outcome::Postponed(reason) } else { Outcome::Held(reason) });
        }
        reason.host = Some(host.to_owned());
        if matches!(loss.phase, Phase::Body | Phase::Final) {
            return Some(Outcome::Deferred(reason));
        }
        self.trouble(reason, true);
        None
    }

    /// The message cannot be made to fit the host.
    pub(super) fn refused_by_us(&mut self, indices: &[usize], outcome: &Outcome) {
        self.contact = Contact::Made;
        for index in indices {
            if let Some(slot) = self.outcomes.get_mut(*index) {
                *slot = Some(outcome.clone());
            }
        }
    }

    /// The host cannot take such a message. Says whether it can still be asked for other
    /// recipients; where it lacks REQUIRETLS another host may have it.
    pub(super) fn lacking(
        &mut self,
        indices: &[usize],
        lacking: Lacking,
        target: &Target,
        connection: &Connection,
    ) -> bool {
        self.road = Some(road(target, Some(connection), None));
        let (code, status) = match lacking {
            Lacking::RequireTls => (550, REQUIRE_TLS),
            Lacking::Size(_) => (552, Status::new(5, 3, 4)),
            Lacking::Smtputf8 => (553, Status::new(5, 6, 7)),
            Lacking::DeliverBy | Lacking::Late => (554, Status::new(5, 4, 7)),
            Lacking::EightBitMime | Lacking::BinaryMime => (554, Status::new(5, 6, 3)),
        };
        let mut reason = Reason::ours(code, status, format!("{}: {lacking}", target.name));
        reason.host = Some(target.name.clone());
        if lacking == Lacking::RequireTls {
            self.contact = Contact::Made;
            self.trouble(reason, false);
            return false;
        }
        self.refused_by_us(indices, &Outcome::Failed(reason));
        true
    }

    pub(super) fn said(&mut self, conversation: &str) {
        let room = CONVERSATION_MAX.saturating_sub(self.conversation.len());
        self.conversation.extend(conversation.chars().take(room));
    }

    fn trouble(&mut self, reason: Reason, temporary: bool) {
        // A passing trouble is the one to tell of: it decides what becomes of the recipient.
        if temporary || !self.temporary {
            self.trouble = Some(reason);
        }
        self.temporary |= temporary;
    }

    fn settle_rest(&mut self, outcome: &Outcome) {
        for slot in &mut self.outcomes {
            slot.get_or_insert_with(|| outcome.clone());
        }
    }

    /// One outcome each; who is left waits, unless every host said never.
    pub(super) fn finish(mut self) -> Vec<RecipientOutcome> {
        let rest = match self.trouble.take() {
            Some(reason) if !self.temporary => Outcome::Failed(reason),
            // The host was not asked, so this counts for nothing.
            Some(reason) if self.crowded && self.contact == Contact::None => {
                Outcome::Postponed(reason)
            }
            Some(reason) => Outcome::Deferred(reason),
            None => Outcome::Deferred(Reason::ours(
                451,
                Status::new(4, 4, 0),
                "no server could be tried",
            )),
        };
        self.settle_rest(&rest);
        let conversation: Arc<str> = self.conversation.into();
        let recipients = self.job.envelope.recipients.into_iter();
        recipients
            .zip(self.outcomes.into_iter().flatten())
            .zip(self.roads)
            .map(|((recipient, outcome), road)| RecipientOutcome {
                recipient: recipient.address,
                outcome,
                contact: self.contact,
                conversation: Arc::clone(&conversation),
                transport: road.or_else(|| self.road.clone()),
            })
            .collect()
    }
}

/// What was asked of a host, what came of it, and why it was asked.
fn road(target: &Target, connection: Option<&Connection>, fault: Option<&Fault>) -> Transport {
    let got = connection.and_then(|connection| {
        let tls = connection.tls.as_ref()?;
        let peer = connection.peer.as_ref().map(|peer| certificate(peer, target));
        Some(format!("{tls}{}", peer.unwrap_or_default()))
    });
    let fault = fault.map(|fault| format!("; {fault}")).unwrap_or_default();
    let why = format!("{}{fault}", target.demand.why);
    Transport { asked: target.demand.word().to_owned(), got, why }
}

fn certificate(peer: &PeerCertificate, target: &Target) -> String {
    let sure = match (&target.demand.level, peer.doubt) {
        (Level::Pinned(_), _) => "matched",
        (_, None) => "verified",
        (_, Some(doubt)) => doubt.as_str(),
    };
    let (whole, key) = (hex(&peer.digest), hex(&peer.key_digest));
    let expires = peer.expires.rfc3339();
    let issuer = &peer.issuer;
    format!("; certificate {whole}, key {key}, until {expires}, by {issuer}: {sure}")
}
