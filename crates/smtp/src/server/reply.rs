//! The replies a session gives of its own.
//!
//! Source: RFC 5321 section 4.2, RFC 3463, and the extensions.

use mailwright_words::{Reply, Status};

/// `code` with the enhanced status code its class and `detail` make.
fn reply(code: u16, detail: (u16, u16), text: &str) -> Reply {
    let class = match code / 100 {
        2 => 2,
        4 => 4,
        _ => 5,
    };
    Reply::new(code, Some(Status::new(class, detail.0, detail.1)), text)
}

/// A command came where it must not.
pub(super) fn sequence(text: &str) -> Reply {
    reply(503, (5, 1), text)
}

pub(super) fn bye() -> Reply {
    reply(221, (0, 0), "Bye")
}

pub(super) fn ok(text: &str) -> Reply {
    reply(250, (0, 0), text)
}

/// A recipient that the transaction has already.
pub(super) fn recipient_known() -> Reply {
    reply(250, (1, 5), "Recipient ok already")
}

pub(super) fn vrfy() -> Reply {
    reply(252, (0, 0), "Cannot verify; send a message and see")
}

pub(super) fn expn() -> Reply {
    reply(502, (5, 1), "EXPN is not offered")
}

pub(super) fn help(hello: &str) -> Reply {
    let verbs = "MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH";
    reply(214, (0, 0), &format!("{hello} {verbs}"))
}

/// The other protocol's greeting.
pub(super) fn hello(verb: &str) -> Reply {
    reply(500, (5, 1), &format!("Say {verb} here"))
}

/// The server is at its limits with this client, or stops.
pub(super) fn closing(detail: (u16, u16), text: &str) -> Reply {
    reply(421, detail, text)
}

/// What asked was answered with something that is no answer to it.
pub(super) fn local_error() -> Reply {
    reply(451, (3, 0), "Local error, try again later")
}

pub(super) fn go_ahead() -> Reply {
    Reply::new(354, None, "End the message with <CRLF>.<CRLF>")
}

pub(super) fn no_recipients() -> Reply {
    reply(554, (5, 1), "No valid recipients")
}

pub(super) fn too_many_recipients() -> Reply {
    reply(452, (5, 3), "Too many recipients in one transaction")
}

pub(super) fn too_large(limit: u64) -> Reply {
    reply(552, (3, 4), &format!("The message is over the limit of {limit} octets"))
}

pub(super) fn bare_newline() -> Reply {
    reply(550, (6, 0), "The message has a CR or LF that is no part of a CRLF")
}

pub(super) fn long_line(limit: usize) -> Reply {
    reply(550, (6, 0), &format!("A line of the message is over {limit} octets"))
}

pub(super) fn received(octets: u64) -> Reply {
    reply(250, (0, 0), &format!("{octets} octets received"))
}

pub(super) fn not_offered(what: &str) -> Reply {
    reply(555, (5, 4), &format!("Parameter {what} is not offered"))
}

pub(super) fn beyond(what: &str) -> Reply {
    reply(501, (5, 4), &format!("{what} is beyond what is announced"))
}

pub(super) fn start_tls() -> Reply {
    reply(220, (0, 0), "Ready to start TLS")
}

pub(super) fn no_command(what: &str) -> Reply {
    reply(502, (5, 1), &format!("{what} is not offered"))
}

pub(super) fn encryption_required() -> Reply {
    reply(538, (7, 11), "Authentication needs an encrypted connection")
}

pub(super) fn unknown_mechanism() -> Reply {
    reply(504, (5, 4), "Authentication mechanism not offered")
}

pub(super) fn cancelled() -> Reply {
    reply(501, (0, 0), "Authentication cancelled")
}

pub(super) fn endless_dialogue() -> Reply {
    reply(535, (7, 8), "Authentication does not come to an end")
}
