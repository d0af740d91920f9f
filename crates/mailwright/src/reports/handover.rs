//! How a report leaves: as a message through intake and the queue, or over HTTPS.
//!
//! Where to is the word of a stranger's DNS, so the web is asked on its own port alone, and for a
//! host with a name, which has to prove that name by its certificate.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header::CONTENT_TYPE};
use mailwright_config::Config;
use mailwright_intake::{Refusal, Taken, Transaction};
use mailwright_net::{dns::System, tls::Client, web::Browser};
use mailwright_words::{Address, Envelope, Recipient, ReversePath};
use tokio::time::timeout;

use crate::{Failure, admin, office::Office};

/// Octets of a server's answer that are read.
const ANSWER_MAX: usize = 64 << 10;
/// How long a server of the web may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Hands a message of the part of the program called `name` to the queue, which tries as long as
/// with any other.
///
/// Errors: it is not taken.
pub(crate) async fn mail(
    (office, name): (&Office, &str),
    (from, recipient): (&Address, Recipient),
    message: &[u8],
) -> Result<(), Refusal> {
    let (intake, now) = (&office.intake, office.now());
    let client = admin::local_client(office, name);
    let from = ReversePath::Sender(from.clone());
    intake.sender(&client, &from, None, now).await?;
    let target = intake.recipient(&client, recipient.clone(), Taken::default(), now).await?;
    let mut incoming = intake.begin(&client, now)?;
    incoming.push(message).await;
    let envelope = Envelope::new(from, vec![recipient]);
    let transaction = Transaction { client, envelope, targets: vec![target] };
    Box::pin(intake.accept(incoming, transaction, now)).await.map(drop)
}

/// Sends a file to a server of the web.
///
/// Errors: it was not reached, or did not take the file.
pub(crate) async fn post(
    browser: &Browser,
    (to, kind): (&Uri, &'static str),
    file: Vec<u8>,
) -> Result<(), Failure> {
    let request = Request::post(to.clone())
        .header(CONTENT_TYPE, kind)
        .body(Bytes::from(file))
        .map_err(|error| Failure::of("the request", &error))?;
    let answer = timeout(PATIENCE, browser.send(request, ANSWER_MAX))
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
pub(crate) fn browser(
    config: &Config,
    office: &Office,
    dns: Arc<System>,
) -> Result<Browser, Failure> {
    let relay = &config.relay;
    let client = Client::new(&relay.authorities, Arc::clone(&office.clock))
        .map_err(|error| Failure::of("relay.authorities", &error))?;
    let sources = relay.source_ipv6.into_iter().chain(relay.source_ipv4).collect();
    Ok(Browser::new(dns, client, sources))
}
