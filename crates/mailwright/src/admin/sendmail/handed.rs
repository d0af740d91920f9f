//! A message from a program of this machine, handed to a server by SMTP: that of a sandbox, or of
//! another machine. No store is needed.
//!
//! It succeeds when the server took the message for every recipient.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use mailwright_config::Config;
use mailwright_doctor::send::{self, Leave, Order, Place, Target, Tls};
use mailwright_smtp::client::Habits;
use mailwright_words::{BodyType, Envelope, HeaderBlock, Recipient, ReversePath};

use super::{Lines, keeps_dots, recipients, sender};
use crate::{Failure, cli::Sendmail, world};

/// Where a server listens that was named without its port.
const PORT: u16 = 25;
/// How long a step of the session may take.
const STEP: Duration = Duration::from_mins(1);

/// Hands the message on standard input to `server`.
///
/// Errors: there is no such message, or the server did not take it for everybody.
pub(crate) async fn run(
    command: &Sendmail,
    server: &Place,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let size_max = config.limits.message_size_max;
    let mut octets = Vec::new();
    std::io::stdin().lock().take(size_max.saturating_add(1)).read_to_end(&mut octets)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > size_max {
        return Err(Failure::new(format!("the message is over {size_max} octets")));
    }
    let mut lines = Lines::new(keeps_dots(command));
    let mut message = lines.take(&octets);
    message.extend(lines.end());
    let recipients = recipients(command, &message)?;
    let from = sender(command, &message)?;
    let world = world::plain(config, STEP)?;
    let sent =
        send::send(&world, &order(server, from, recipients, unblinded(&message)), None).await;
    if let Some(trouble) = sent.trouble {
        return Err(Failure::new(format!("{server}: {}", trouble.reason)));
    }
    match sent.recipients.iter().find(|answered| !answered.taken) {
        Some(refused) => Err(Failure::new(format!("{}: {}", refused.recipient, refused.reply))),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn order(server: &Place, from: ReversePath, recipients: Vec<Recipient>, message: Vec<u8>) -> Order {
    let needs_utf8 = recipients.iter().any(|recipient| !recipient.address.is_ascii())
        || from.address().is_some_and(|address| !address.is_ascii());
    let mut envelope = Envelope::new(from, recipients);
    envelope.smtputf8 = needs_utf8;
    if !message.is_ascii() {
        envelope.body = BodyType::EightBitMime;
    }
    Order {
        target: Target::Server(server.clone()),
        port: PORT,
        tls: Tls::Opportunistic,
        verify: false,
        tls_name: None,
        lmtp: false,
        habits: Habits::default(),
        proxy: None,
        xclient: Vec::new(),
        xclient_first: false,
        xclient_optional: false,
        credentials: None,
        login_optional: false,
        envelope,
        message,
        stop: None,
        leave: Leave::Quit,
    }
}

/// The message without its `Bcc`, which its readers are not to see.
fn unblinded(message: &[u8]) -> Vec<u8> {
    let block = HeaderBlock::new(message);
    let (mut out, mut from) = (Vec::with_capacity(message.len()), 0);
    let blind = block.fields().filter(|field| field.name.eq_ignore_ascii_case("bcc"));
    for range in blind.map(|field| field.range) {
        out.extend_from_slice(message.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    out.extend_from_slice(message.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_to_be_seen_is_left_out() {
        let message = b"To: a@b\r\nBCC: x@y,\r\n z@y\r\nSubject: s\r\n\r\nBcc: stays\r\n";
        let wanted = b"To: a@b\r\nSubject: s\r\n\r\nBcc: stays\r\n";
        assert_eq!(unblinded(message), wanted);
        assert_eq!(unblinded(wanted), wanted);
    }
}
