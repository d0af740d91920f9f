//! What the queue would do with a message to an address: the part of `doctor deliver` that decides
//! as a delivery does, with the same lookups, policies and connections.

use std::sync::Arc;

use mailwright_config::Config;
use mailwright_deliver::{Deliverer, Seen, ledger::Uncounted, sts::Unkept};
use mailwright_doctor::{Check, Report, Section};
use mailwright_net::Clock;
use mailwright_words::{Address, ReversePath, TlsWish};

use crate::{Failure, outgoing};

/// The report with what the queue would do at its end.
///
/// Errors: the network cannot be used as configured.
pub(crate) async fn decided(
    report: Report,
    config: &Config,
    clock: &Arc<dyn Clock>,
    (from, to): (&ReversePath, &Address),
) -> Result<Report, Failure> {
    let Report { subject, examined, mut sections, .. } = report;
    let (shelf, ledger) = (Arc::new(Unkept), Arc::new(Uncounted));
    let setup = outgoing::setup(config, clock, (shelf, ledger), &[])?;
    let seen = Deliverer::new(setup).rehearse(from, to, TlsWish::None).await;
    let mut section = Section::new("what the queue would do");
    let has_word = seen.iter().any(|seen| matches!(seen, Seen::Said { .. }));
    section.checks.extend(seen.into_iter().map(|seen| check(seen, has_word)));
    sections.push(section);
    Ok(Report::new(subject, sections, examined))
}

fn check(seen: Seen, has_word: bool) -> Check {
    match seen {
        Seen::Servers { names, set } => {
            let tried = if set { "the route" } else { "the MX records" };
            Check::right("queue.servers", "Servers", names.join(", ")).tried(tried)
        }
        Seen::NoServer { why, is_temporary } => {
            let check = if is_temporary { Check::unknown } else { Check::wrong };
            check("queue.servers", "Servers", why)
                .means(end(is_temporary))
                .mend("Look at the domain, or at the route that names the server.")
        }
        Seen::Policy { mode, trouble } => policy(mode, trouble),
        Seen::Asked { host, word, why } => {
            Check::right("queue.tls", format!("TLS asked of {host}"), format!("{word}: {why}"))
                .tried("`relay.tls` or the route, TLSA records, the MTA-STS policy")
        }
        Seen::Refused { host, why, is_permanent } => {
            stopped(("queue.tls", format!("TLS asked of {host}")), why, has_word)
                .means(end(!is_permanent))
                .mend("The owner of the domain has to mend it; a route of yours may ask for less.")
        }
        Seen::Opened { host, address, tls, doubt } => {
            let found = match (tls, doubt) {
                (None, _) => format!("{address}: not encrypted"),
                (Some(tls), None) => format!("{address}: {tls}, with a certificate that is good"),
                (Some(tls), Some(doubt)) => {
                    format!("{address}: {tls}; of the certificate, {doubt}")
                }
            };
            Check::right("queue.open", format!("Connection to {host}"), found)
        }
        Seen::Fault { host, why } => {
            stopped(("queue.open", format!("Connection to {host}")), why, has_word)
                .means("The next address or server is tried; with none left, the message waits.")
                .mend("The checks of this server above say what is wrong with it.")
        }
        Seen::Said { host, mail, rcpt, .. } => {
            let is_taken = rcpt.as_ref().is_some_and(mailwright_words::Reply::is_positive);
            let found = rcpt.map_or_else(|| mail.to_string(), |rcpt| rcpt.to_string());
            let check = if is_taken { Check::right } else { Check::wrong };
            check("queue.said", format!("{host} to the envelope"), found)
                .means("It is the last word on the recipient, unless the message is refused.")
                .mend("The reply says why.")
        }
    }
}

fn policy(mode: Option<&str>, trouble: Option<&str>) -> Check {
    const ID: &str = "queue.policy";
    const TITLE: &str = "MTA-STS policy";
    match (mode, trouble) {
        (Some(mode), _) => Check::right(ID, TITLE, format!("its mode is {mode:?}")),
        (None, None) => Check::right(ID, TITLE, "the domain has none"),
        (None, Some(trouble)) => {
            Check::warning(ID, TITLE, format!("announced, and not to be had: {trouble}"))
                .means("Mail goes as if there were none; who stands between may have seen to that.")
                .mend("The owner of the domain has to mend its policy's server.")
        }
    }
}

/// Another server may have given its word.
fn stopped((id, title): (&'static str, String), found: String, has_word: bool) -> Check {
    let check = if has_word { Check::warning } else { Check::wrong };
    check(id, title, found)
}

const fn end(waits: bool) -> &'static str {
    if waits {
        "The message would wait, and be tried again."
    } else {
        "The message would come back to its sender."
    }
}
