//! Apple's configuration profile for a mail account.
//!
//! Its identifiers follow from the address, so that a profile fetched again takes the place of the
//! old one. It is not signed.
//! Source: Apple's Device Management, payload `com.apple.mail.managed`.

use std::fmt::Write as _;

use mailwright_config::ServiceKind;
use mailwright_words::Address;
use sha2::{Digest, Sha256};

use super::{Offer, xml::escaped};

/// The profile of an account; `None` where it could not both read and send.
pub(super) fn render(offer: &Offer, address: &Address) -> Option<String> {
    let incoming = offer.best(ServiceKind::Imap).or_else(|| offer.best(ServiceKind::Pop3))?;
    let outgoing = offer.best(ServiceKind::Submission)?;
    let kind = if incoming.kind == ServiceKind::Imap { "EmailTypeIMAP" } else { "EmailTypePOP" };
    let (host, login) = (offer.hostname.as_str(), address.to_string());
    let account = [
        text("EmailAccountType", kind),
        text("EmailAccountDescription", &login),
        text("EmailAddress", &login),
        text("IncomingMailServerAuthentication", "EmailAuthPassword"),
        text("IncomingMailServerHostName", host),
        number("IncomingMailServerPortNumber", incoming.port),
        truth("IncomingMailServerUseSSL"),
        text("IncomingMailServerUsername", &login),
        text("OutgoingMailServerAuthentication", "EmailAuthPassword"),
        text("OutgoingMailServerHostName", host),
        number("OutgoingMailServerPortNumber", outgoing.port),
        truth("OutgoingMailServerUseSSL"),
        text("OutgoingMailServerUsername", &login),
        truth("OutgoingPasswordSameAsIncomingPassword"),
        payload("com.apple.mail.managed", "account", &login),
    ]
    .concat();
    let profile = [
        "    <key>PayloadContent</key>\n    <array>\n    <dict>\n".to_owned(),
        account,
        "    </dict>\n    </array>\n".to_owned(),
        text("PayloadDescription", "Mail settings"),
        text("PayloadOrganization", address.domain().as_str()),
        payload("Configuration", "profile", &login),
    ]
    .concat();
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \
         \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n{profile}</dict>\n</plist>\n"
    ))
}

/// What every payload has.
fn payload(kind: &str, part: &str, login: &str) -> String {
    let uuid = uuid(part, login);
    [
        text("PayloadDisplayName", login),
        text("PayloadIdentifier", &format!("mailwright.{part}.{uuid}")),
        text("PayloadType", kind),
        text("PayloadUUID", &uuid),
        number("PayloadVersion", 1),
    ]
    .concat()
}

fn text(key: &str, value: &str) -> String {
    format!("    <key>{key}</key>\n    <string>{}</string>\n", escaped(value))
}

fn number(key: &str, value: u16) -> String {
    format!("    <key>{key}</key>\n    <integer>{value}</integer>\n")
}

fn truth(key: &str) -> String {
    format!("    <key>{key}</key>\n    <true/>\n")
}

/// An identifier that follows from `login`. Source: RFC 9562 section 5.8.
fn uuid(part: &str, login: &str) -> String {
    let hash = Sha256::digest(format!("mailwright {part} {login}"));
    let mut text = String::new();
    for (place, octet) in hash.iter().take(16).enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let octet = match place {
            6 => octet & 0x0f | 0x80,
            8 => octet & 0x3f | 0x80,
            _ => *octet,
        };
        // Writing to a String does not fail.
        write!(text, "{octet:02X}").unwrap_or_default();
    }
    text
}
