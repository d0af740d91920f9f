//! What the server can do, as `CAPA` tells it.
//!
//! What is announced here is done completely; what is not done completely is absent: there is no
//! APOP. The list depends on the connection and not on who is logged in.
//! Source: RFC 2449 section 6, RFC 2595 section 4, RFC 3206, RFC 6856.

use crate::settings::{Peer, Settings};

/// The lines of the list.
pub(crate) fn list(settings: &Settings, peer: Peer, secure: bool) -> Vec<String> {
    let mut list: Vec<String> =
        ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"].map(str::to_owned).into();
    if secure || peer.trusted {
        list.push("USER".to_owned());
    }
    let mechanisms = mechanisms(settings, peer, secure);
    if !mechanisms.is_empty() {
        list.push(format!("SASL {}", mechanisms.join(" ")));
    }
    if settings.tls && !secure {
        list.push("STLS".to_owned());
    }
    if !settings.login_delay.is_zero() {
        list.push(format!("LOGIN-DELAY {}", settings.login_delay.as_secs().max(1)));
    }
    list.push(match settings.keep_days {
        None => "EXPIRE NEVER".to_owned(),
        Some(days) => format!("EXPIRE {days}"),
    });
    list.extend(["UTF8 USER", "LANG", "IMPLEMENTATION Mailwright"].map(str::to_owned));
    list
}

/// The mechanisms a client may use on its connection as it is.
pub(crate) fn mechanisms(settings: &Settings, peer: Peer, secure: bool) -> Vec<&str> {
    let allowed = secure || peer.trusted;
    let bound = |name: &str| name.ends_with("-PLUS");
    let names = settings.auth.iter().map(String::as_str);
    names.filter(|name| allowed && (secure || !bound(name))).collect()
}
