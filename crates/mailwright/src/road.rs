//! What the queue would do with a message to an address: the part of `doctor deliver` that decides
//! as a delivery does, with the same lookups, policies and connections.

use std::sync::Arc;

use mailwright_config::Config;
use mailwright_deliver::{Deliverer, Seen, ledger::Uncounted, sts::Unkept};
use mailwright_doctor::{Check, Report, Section};
use mailwright_net::Clock;
use mailwright_words::{Address, Reply, ReversePath, TlsWish};

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
    if !report.examined {
        // Nothing is known of the way, and so nothing of what the queue would do.
        return Ok(report);
    }
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
                .tried("the route, or the MX records")
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
                .tried("TLSA records, the MTA-STS policy, and what the server offers")
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
                .tried("a connection as the queue makes it")
        }
        Seen::Fault { host, why } => {
            stopped(("queue.open", format!("Connection to {host}")), why, has_word)
                .tried("a connection as the queue makes it")
                .means("The next address or server is tried; with none left, the message waits.")
                .mend("The checks of this server above say what is wrong with it.")
        }
        Seen::Said { host, mail, rcpt, .. } => said(&host, &rcpt.unwrap_or(mail)),
    }
}

/// The last word on the recipient.
fn said(host: &str, reply: &Reply) -> Check {
    let (title, found) = (format!("{host} to the envelope"), reply.to_string());
    let check = if reply.is_positive() {
        Check::right("queue.said", title, found)
            .means("It is the last word on the recipient, unless the message is refused.")
    } else if reply.is_temporary() {
        Check::warning("queue.said", title, found).means(end(true)).mend(
            "Nothing, if it is taken then; if the reply stays so, `mailwright doctor code` \
             explains it.",
        )
    } else {
        Check::wrong("queue.said", title, found)
            .means(end(false))
            .mend("The reply says why; `mailwright doctor code` explains it.")
    };
    check.tried("MAIL and RCPT; nothing was sent")
}

fn policy(mode: Option<&str>, trouble: Option<&str>) -> Check {
    const ID: &str = "queue.policy";
    const TITLE: &str = "MTA-STS policy";
    let check = match (mode, trouble) {
        (Some(mode), _) => Check::right(ID, TITLE, format!("its mode is {mode:?}")),
        (None, None) => Check::right(ID, TITLE, "the domain has none"),
        (None, Some(trouble)) => {
            Check::warning(ID, TITLE, format!("announced, and not to be had: {trouble}"))
                .means("Mail goes as if there were none; who stands between may have seen to that.")
                .mend("The owner of the domain has to mend its policy's server.")
        }
    };
    check.tried("the record at _mta-sts, and the policy that it announces")
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

#[cfg(test)]
mod tests {
    use mailwright_doctor::Verdict;

    use super::*;

    /// Each check, silent on a road that is sound and speaking on one that differs in one thing.
    #[test]
    fn each_check_of_the_queue_is_silent_and_speaks() {
        use Verdict::{CannotKnow, Right, Warning, Wrong};
        let host = || "mx.example".to_owned();
        let why = || "no answer".to_owned();
        let servers = Seen::Servers { names: vec![host()], set: false };
        let gone = Seen::NoServer { why: why(), is_temporary: false };
        let unknown = Seen::NoServer { why: why(), is_temporary: true };
        let policy = |mode, trouble| Seen::Policy { mode, trouble };
        let asked = || Seen::Asked { host: host(), word: "opportunistic", why: why() };
        let refused = || Seen::Refused { host: host(), why: why(), is_permanent: false };
        let opened = || Seen::Opened { host: host(), address: host(), tls: None, doubt: None };
        let fault = || Seen::Fault { host: host(), why: why() };
        for (id, seen, has_word, verdict) in [
            ("queue.servers", servers, false, Right),
            ("queue.servers", gone, false, Wrong),
            ("queue.servers", unknown, false, CannotKnow),
            ("queue.policy", policy(Some("enforce"), None), false, Right),
            ("queue.policy", policy(None, None), false, Right),
            ("queue.policy", policy(None, Some("webpki-invalid")), false, Warning),
            ("queue.tls", asked(), false, Right),
            ("queue.tls", refused(), false, Wrong),
            ("queue.tls", refused(), true, Warning),
            ("queue.open", opened(), false, Right),
            ("queue.open", fault(), false, Wrong),
            ("queue.open", fault(), true, Warning),
        ] {
            tells(&check(seen, has_word), id, verdict);
        }
        for (code, verdict) in [(250, Right), (450, Warning), (550, Wrong)] {
            tells(&said("mx.example", &Reply::new(code, None, "word")), "queue.said", verdict);
        }
    }

    fn tells(check: &Check, id: &str, verdict: Verdict) {
        assert_eq!((check.id, check.verdict), (id, verdict), "{check:?}");
        let lacks = [&check.tried, &check.means, &check.mend].iter().any(|text| text.is_empty());
        assert!(verdict == Verdict::Right || !lacks, "{check:?}");
        assert!(!check.tried.is_empty(), "{check:?}");
    }
}
