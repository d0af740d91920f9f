//! How a report leaves: as a message through intake and the queue, or over HTTPS.
//!
//! Where to is the word of a stranger's DNS, so the web is asked on its own port alone, and for a
//! host with a name, which has to prove that name by its certificate. A message takes the road of
//! every other one, so that it is signed and kept like one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header::CONTENT_TYPE};
use mailwright_intake::{Refusal, Taken, Transaction};
use mailwright_net::{dns::Resolver, tls::Client, web::Browser};
use mailwright_words::{Address, Envelope, Notify, Recipient, ReversePath};
use tokio::time::timeout;

use super::{Desk, Due, ReportError, compose};
use crate::{Failure, admin, office::Office};

/// Octets of a report, as it is attached, beyond which nobody takes it.
pub(super) const OCTETS_MAX: usize = 10 << 20;
/// Octets of a server's answer that are read.
const ANSWER_MAX: usize = 64 << 10;
/// How long a server of the web may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What asks the web.
pub(super) type Web = Browser;

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
    let domain = &due.domain;
    let handed = match place {
        Place::Mail { to, octets_max } if report.octets.len() <= *octets_max => {
            mail(desk, due, report, to).await
        }
        Place::Mail { .. } => Err((Outcome::Never, "it is too large".to_owned())),
        Place::Web(to) => {
            let posted = post(&desk.web, to, report).await;
            posted.map_err(|failure| (Outcome::Later, failure.to_string()))
        }
    };
    match handed {
        Ok(()) => {
            tracing::info!(domain, day = due.day, id = report.id, ?place, "Report sent.");
            Ok(Outcome::Sent)
        }
        Err((outcome, why)) => {
            tracing::warn!(domain, day = due.day, ?place, why, "A report is not sent.");
            Ok(outcome)
        }
    }
}

/// Hands a message to the queue, which tries as long as with any other.
///
/// Errors: it is not taken.
async fn mail(
    desk: &Desk<'_>,
    due: &Due,
    report: &Report,
    to: &Address,
) -> Result<(), (Outcome, String)> {
    let message = compose::message((desk.host(), &desk.from), due, report, to);
    let recipient = Recipient { notify: Notify::NEVER, ..Recipient::new(to.clone()) };
    hand_in(desk, recipient, &message).await.map_err(|refusal| {
        let reply = refusal.reply();
        let outcome = if reply.code >= 500 { Outcome::Never } else { Outcome::Later };
        (outcome, reply.to_string())
    })
}

async fn hand_in(desk: &Desk<'_>, recipient: Recipient, message: &[u8]) -> Result<(), Refusal> {
    let (intake, now) = (&desk.office.intake, desk.now);
    let client = admin::local_client(desk.office, "report");
    let from = ReversePath::Sender(desk.from.clone());
    intake.sender(&client, &from, None, now).await?;
    let target = intake.recipient(&client, recipient.clone(), Taken::default(), now).await?;
    let mut incoming = intake.begin(&client, now)?;
    incoming.push(message).await;
    let envelope = Envelope::new(from, vec![recipient]);
    let transaction = Transaction { client, envelope, targets: vec![target] };
    Box::pin(intake.accept(incoming, transaction, now)).await.map(drop)
}

/// Sends a report to a server of the web.
///
/// Errors: it was not reached, or did not take the file.
async fn post(web: &Web, to: &Uri, report: &Report) -> Result<(), Failure> {
    let request = Request::post(to.clone())
        .header(CONTENT_TYPE, report.media)
        .body(Bytes::from(report.octets.clone()))
        .map_err(|error| Failure::of("the request", &error))?;
    let answer = timeout(PATIENCE, web.send(request, ANSWER_MAX))
        .await
        .map_err(|late| Failure::of(&to.to_string(), &late))?
        .map_err(|error| Failure::of(&to.to_string(), &error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Failure::new(format!("{to} says {status}")))
}

/// What asks the web: over the DNS, from the addresses and with the authorities of a delivery.
///
/// Errors: one of these cannot be used.
pub(super) fn web(office: &Office, dns: Arc<dyn Resolver>) -> Result<Web, Failure> {
    let config = office.config.now();
    let relay = &config.relay;
    let client = Client::new(&relay.authorities, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("relay.authorities", &error))?;
    let sources = relay.source_ipv6.into_iter().chain(relay.source_ipv4).collect();
    Ok(Browser::new(dns, client, sources))
}
