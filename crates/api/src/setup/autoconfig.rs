//! Thunderbird's autoconfig, version 1.1.
//!
//! Source: <https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat>

use std::fmt::Write as _;

use mailwright_config::{Service, ServiceKind};
use mailwright_words::Domain;

use super::{Offer, xml::escaped};

/// The settings of a domain's accounts.
pub(super) fn render(offer: &Offer, domain: &Domain) -> String {
    let name = escaped(domain.as_str());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  \
         <emailProvider id=\"{name}\">\n    <domain>{name}</domain>\n    \
         <displayName>{name}</displayName>\n    \
         <displayShortName>{name}</displayShortName>\n"
    );
    for service in &offer.services {
        text.push_str(&server(&offer.hostname, *service));
    }
    text.push_str("  </emailProvider>\n</clientConfig>\n");
    text
}

fn server(hostname: &str, service: Service) -> String {
    let (element, kind) = match service.kind {
        ServiceKind::Imap => ("incomingServer", "imap"),
        ServiceKind::Pop3 => ("incomingServer", "pop3"),
        ServiceKind::Submission => ("outgoingServer", "smtp"),
    };
    let socket = if service.implicit_tls { "SSL" } else { "STARTTLS" };
    let mut text = String::new();
    // Writing to a String does not fail.
    write!(
        text,
        "    <{element} type=\"{kind}\">\n      <hostname>{}</hostname>\n      \
         <port>{}</port>\n      <socketType>{socket}</socketType>\n      \
         <authentication>password-cleartext</authentication>\n      \
         <username>%EMAILADDRESS%</username>\n    </{element}>\n",
        escaped(hostname),
        service.port,
    )
    .unwrap_or_default();
    text
}
