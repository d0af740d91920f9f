//! Whether a host takes mail of strangers for strangers: up to `RCPT`, and no further.
//!
//! Asked for by `--thorough` alone: hosts write such a try down, and some shut out who makes it.
//! Source: RFC 5321 section 7.9, RFC 2505 section 2.1.

use mailwright_net::egress::address::{Closed, public};
use mailwright_smtp::client::{Extent, Rehearsed, Session, Settings, Step, Transaction};
use mailwright_smtp::reply::Bounds;
use mailwright_words::{Address, Envelope, Recipient, Reply, ReversePath};

use super::Line;
use crate::{Check, dialogue::Dialogue};

/// Nobody's, and nobody's domain. Source: RFC 2606 section 3.
const STRANGERS: (&str, &str) = ("nobody@example.com", "nobody@example.net");

const ID: &str = "smtp.relay";
const TITLE: &str = "Relaying for strangers";

/// The check; none where the host may well trust us.
pub(super) async fn check(line: &Line<'_>, name: Option<&str>) -> Option<Check> {
    if matches!(
        public(line.place.ip()).err(),
        Some(Closed::Loopback | Closed::Private | Closed::Shared | Closed::LinkLocal)
    ) {
        return None;
    }
    let own = name.filter(|name| name.contains('.')).map(|name| format!("postmaster@{name}"));
    let to = Address::parse(STRANGERS.1).ok()?;
    let mut refusal = None;
    for from in std::iter::once(STRANGERS.0).chain(own.as_deref()) {
        let Ok(sender) = ReversePath::parse(from) else { continue };
        let Some(reply) = reply(line, sender, &to).await else {
            return Some(unknown().tried(tried(from)));
        };
        if reply.is_positive() {
            return Some(taken(&reply).tried(tried(from)));
        }
        refusal = Some((reply, from.to_owned()));
    }
    let (reply, from) = refusal?;
    Some(Check::right(ID, TITLE, format!("refused: {reply}")).tried(tried(&from)))
}

fn tried(from: &str) -> String {
    format!("MAIL from {from}, RCPT to {}; nothing was sent", STRANGERS.1)
}

fn unknown() -> Check {
    Check::unknown(ID, TITLE, "the session broke")
        .means("The host hung up, or said no more, before it came to that.")
        .mend("Try again later, and from another address.")
}

fn taken(reply: &Reply) -> Check {
    Check::warning(ID, TITLE, format!("taken: {reply}"))
        .means(
            "If the host sends it on, spammers will find it, and blocklists soon after. It may \
             also trust your address, or refuse it only once it has the message: nothing was \
             sent, so that cannot be told apart.",
        )
        .mend(
            "If the host is yours, take mail for its own domains and of users who logged in alone; \
             then try from a network that it does not know.",
        )
}

/// What the host says to the recipient, or to the sender where that is refused.
async fn reply(line: &Line<'_>, from: ReversePath, to: &Address) -> Option<Reply> {
    let stream = line.again().await?;
    let session = Session::new(Settings {
        hostname: line.world.hostname.clone(),
        lmtp: false,
        command_timeout: line.world.timeout,
        final_timeout: line.world.timeout,
        bounds: Bounds::default(),
    });
    let mut dialogue = Dialogue::new(stream, session, None);
    let step = dialogue.advance().await;
    if step != Step::Ready {
        dialogue.hang_up().await;
        return None;
    }
    let envelope = Envelope::new(from, vec![Recipient::new(to.clone())]);
    let transaction = Transaction { envelope, bytes: 1024, by: None };
    dialogue.session.rehearse(&transaction, Extent::Rcpt);
    let reply = match dialogue.advance().await {
        Step::Rehearsed(Rehearsed { mail, recipients, .. }) => {
            Some(recipients.into_iter().next().unwrap_or(mail))
        }
        Step::Failed(mailwright_smtp::client::Failure::Refused(_, reply)) => Some(reply),
        _ => None,
    };
    dialogue.quit().await;
    reply
}
