//! The keywords of the reply to `EHLO`.
//!
//! What is announced here is done completely; what is not done completely is absent.
//! Source: RFC 5321 section 4.1.1.1, and the extensions.

use mailwright_words::Reply;

use super::{Peer, Role, Settings};

/// The reply to `EHLO` and `LHLO`: our name, then a line for each keyword.
pub(super) fn reply(settings: &Settings, peer: Peer, secure: bool) -> Reply {
    let mut lines = vec![settings.hostname.as_str().to_owned()];
    lines.extend(keywords(settings, peer, secure));
    Reply { code: 250, status: None, lines }
}

fn keywords(settings: &Settings, peer: Peer, secure: bool) -> Vec<String> {
    let mut keywords: Vec<String> =
        ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"]
            .map(str::to_owned)
            .into();
    keywords.push(format!("SIZE {}", settings.message_size_max));
    let transactions = settings.transactions_max;
    let transactions = transactions.map(|most| format!(" MAILMAX={most}")).unwrap_or_default();
    keywords.push(format!("LIMITS RCPTMAX={}{transactions}", settings.recipients_max));
    if settings.binary_mime {
        keywords.push("BINARYMIME".to_owned());
    }
    if settings.role != Role::Lmtp {
        keywords.push("DSN".to_owned());
        keywords.push("MT-PRIORITY".to_owned());
    }
    if let Some(shortest) = settings.deliver_by {
        keywords.push(format!("DELIVERBY {}", shortest.as_secs()));
    }
    if let Some(limits) = settings.future_release {
        let (longest, latest) = (limits.longest.as_secs(), limits.latest.rfc3339());
        keywords.push(format!("FUTURERELEASE {longest} {latest}"));
    }
    if settings.tls && !secure {
        keywords.push("STARTTLS".to_owned());
    }
    if requires_tls(settings, secure) {
        keywords.push("REQUIRETLS".to_owned());
    }
    let mechanisms = mechanisms(settings, peer, secure);
    if !mechanisms.is_empty() {
        keywords.push(format!("AUTH {}", mechanisms.join(" ")));
    }
    keywords
}

/// Whether a message may ask to go on encrypted alone. Source: RFC 8689 section 2.
pub(super) fn requires_tls(settings: &Settings, secure: bool) -> bool {
    secure && settings.role != Role::Lmtp
}

/// The mechanisms a client may use on its connection as it is.
pub(super) fn mechanisms(settings: &Settings, peer: Peer, secure: bool) -> Vec<&str> {
    let allowed = secure || peer.trusted;
    let bound = |name: &str| name.ends_with("-PLUS");
    let names = settings.auth.iter().map(String::as_str);
    names.filter(|name| allowed && (secure || !bound(name))).collect()
}
