//! How a report leaves: as a message through intake and the queue, or over HTTPS.
//!
//! Where to is the word of a stranger's DNS, so the web is asked by the guarded client, on its own
//! port alone, and for a host with a name, which has to prove that name by its certificate. A
//! message takes the road of every other one, so that it is signed and kept like one.
//!
//! Invariant: that a report went is stored with its message, so that it goes once whenever we are
//! cut off.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Uri, header::CONTENT_TYPE};
use mailwright_intake::{Refusal, Taken, Transaction};
use mailwright_net::{
    dns::Resolver,
    egress::{Ask, Egress},
    tls::Inspector,
};
use mailwright_store::{
    Lane, StoreError,
    sent::{self, Sent},
};
use mailwright_words::{Address, Envelope, Notify, Recipient, ReversePath};

use super::{Desk, Due, ReportError, compose};
use crate::{Failure, admin, office::Office};

/// Octets of a report, as it is attached, beyond which nobody takes it.
pub(super) const OCTETS_MAX: usize = 10 << 20;

/// A report as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// Its name, of our making.
    pub(super) id: String,
    /// Which kind of `multipart/report` it is; none makes an ordinary message.
    pub(super) kind: Option<&'static str>,
    /// Header fields of its own.
    pub(super) fields: Vec<(&'static str, String)>,
    /// A sentence for people, in ASCII.
    pub(super) text: String,
    /// The file's name.
    pub(super) file: String,
    /// Its media type.
    pub(super) media: &'static str,
    /// The file.
    pub(super) octets: Vec<u8>,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// To a mailbox.
    Mail {
        /// Which.
        to: Address,
        /// Octets that a report to it may have, as it is attached.
        octets_max: usize,
    },
    /// To a server of the web.
    Web(Uri),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in the queue, or there.
    Sent,
    /// It was sent before.
    Before,
    /// It may go later.
    Later,
    /// It does not go.
    Never,
}

/// Hands a report over to whoever takes it to a place.
///
/// Errors: the store does not answer.
pub(super) async fn hand_over(
    desk: &Desk<'_>,
    due: &Due,
    report: &Report,
    place: &Place,
) -> Result<Outcome, ReportError> {
    let (domain, sent) = (&due.domain, sent(due, report, place));
    let asked = sent.clone();
    if desk.office.store.read(move |tx| sent::is_sent(tx, &asked)).await? {
        return Ok(Outcome::Before);
    }
    let handed = match place {
        Place::Mail { to, octets_max } if report.octets.len() <= *octets_max => {
            mail(desk, (due, sent), report, to).await
        }
        Place::Mail { .. } => Err((Outcome::Never, "it is too large".to_owned())),
        Place::Web(to) => match post(&desk.web, to, report).await {
            // A crash before this makes it go again, under the same name.
            Ok(()) => note(desk, sent).await,
            unsent => unsent,
        },
    };
    match handed {
        Ok(()) => {
            tracing::info!(domain, day = due.day, id = report.id, ?place, "Report sent.");
            Ok(Outcome::Sent)
        }
        Err((Outcome::Before, _)) => Ok(Outcome::Before),
        Err((outcome, why)) => {
            tracing::warn!(domain, day = due.day, ?place, why, "A report is not sent.");
            Ok(outcome)
        }
    }
}

/// What is remembered of a report that went.
fn sent(due: &Due, report: &Report, place: &Place) -> Sent {
    Sent {
        kind: due.kind.as_str(),
        day: due.day,
        domain: due.domain.clone(),
        report: report.id.clone(),
        place: match place {
            Place::Mail { to, .. } => to.to_string(),
            Place::Web(to) => to.to_string(),
        },
    }
}

/// Remembers that a report went by another way than as a message.
async fn note(desk: &Desk<'_>, sent: Sent) -> Result<(), (Outcome, String)> {
    match desk.office.store.write(Lane::Bulk, move |tx| sent::note(tx, &sent)).await {
        Ok(()) | Err(StoreError::Exists(_)) => Ok(()),
        Err(error) => Err((Outcome::Later, error.to_string())),
    }
}

/// Hands a message to the queue, which tries as long as with any other.
///
/// Errors: it is not taken.
async fn mail(
    desk: &Desk<'_>,
    (due, sent): (&Due, Sent),
    report: &Report,
    to: &Address,
) -> Result<(), (Outcome, String)> {
    let message = compose::message((desk.host(), &desk.from), due, report, to);
    let recipient = Recipient { notify: Notify::NEVER, ..Recipient::new(to.clone()) };
    hand_in(desk, sent, recipient, &message).await.map_err(|refusal| {
        let reply = refusal.reply();
        let outcome = match refusal {
            Refusal::Store(StoreError::Exists(_)) => Outcome::Before,
            _ if reply.code >= 500 => Outcome::Never,
            _ => Outcome::Later,
        };
        (outcome, reply.to_string())
    })
}

/// Stores the message, and in the same transaction that it goes.
async fn hand_in(
    desk: &Desk<'_>,
    sent: Sent,
    recipient: Recipient,
    message: &[u8],
) -> Result<(), Refusal> {
    let (intake, now) = (&desk.office.intake, desk.now);
    let client = admin::local_client(desk.office, "report");
    let from = ReversePath::Sender(desk.from.clone());
    intake.sender(&client, &from, None, now).await?;
    let target = intake.recipient(&client, recipient.clone(), Taken::default(), now).await?;
    let mut incoming = intake.begin(&client, now)?;
    incoming.push(message).await;
    let envelope = Envelope::new(from, vec![recipient]);
    let transaction =
        Transaction { sent: Some(sent), ..Transaction::new(client, envelope, vec![target]) };
    Box::pin(intake.accept(incoming, transaction, now)).await.map(drop)
}

/// Sends a report to a server of the web.
///
/// Errors: it was not reached, or did not take the file.
async fn post(web: &Egress, to: &Uri, report: &Report) -> Result<(), (Outcome, String)> {
    let ask = Ask::new(Method::POST, &to.to_string()).with(CONTENT_TYPE, report.media);
    let ask = Ask { body: Bytes::from(report.octets.clone()), ..ask };
    match web.ask(ask).await {
        Ok(answered) if answered.status.is_success() => Ok(()),
        Ok(answered) => Err((Outcome::Later, format!("it says {}", answered.status))),
        Err(unanswered) if unanswered.error.is_forbidden() => {
            Err((Outcome::Never, unanswered.to_string()))
        }
        Err(unanswered) => Err((Outcome::Later, unanswered.to_string())),
    }
}

/// What asks the web: over the DNS, with the authorities of a delivery, and public addresses alone
/// unless `[egress]` opens others.
///
/// Errors: an authority cannot be read.
pub(super) fn web(office: &Office, dns: Arc<dyn Resolver>) -> Result<Egress, Failure> {
    let authorities = &office.config.now().relay.authorities;
    let inspector = Inspector::new(authorities, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("relay.authorities", &error))?;
    Ok(Egress::new(dns, inspector, office.config.clone()))
}
