//! Outlook's autodiscover, as its POX protocol has it for accounts of IMAP and POP3.
//!
//! Source: [MS-OXDSCLI] sections 2.2.3 and 2.2.4.

use mailwright_config::{Service, ServiceKind};
use mailwright_words::Address;

use super::{
    Offer,
    xml::{escaped, text_of},
};

/// What kind of account it is; there is no other.
const KIND: &str = "      <AccountType>email</AccountType>\n";

/// The address that a question is about.
pub(super) fn asked(question: &str) -> Option<String> {
    text_of(question, "EMailAddress")
}

/// The settings of an account; one server of each kind, which is all that Outlook looks at.
pub(super) fn render(offer: &Offer, address: &Address) -> String {
    let kinds = [ServiceKind::Imap, ServiceKind::Pop3, ServiceKind::Submission];
    let services = kinds.into_iter().filter_map(|kind| offer.best(kind));
    let protocols: String =
        services.map(|service| protocol(&offer.hostname, service, address)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"\
         http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n  \
         <Response xmlns=\"\
         http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n    \
         <Account>\n{KIND}      <Action>settings</Action>\n\
         {protocols}    </Account>\n  </Response>\n</Autodiscover>\n"
    )
}

fn protocol(hostname: &str, service: Service, address: &Address) -> String {
    let kind = match service.kind {
        ServiceKind::Imap => "IMAP",
        ServiceKind::Pop3 => "POP3",
        ServiceKind::Submission => "SMTP",
    };
    let encryption = if service.implicit_tls { "SSL" } else { "TLS" };
    format!(
        "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{}</Server>\n        \
         <Port>{}</Port>\n        <DomainRequired>off</DomainRequired>\n        \
         <LoginName>{}</LoginName>\n        <SPA>off</SPA>\n        <SSL>on</SSL>\n        \
         <Encryption>{encryption}</Encryption>\n        <AuthRequired>on</AuthRequired>\n      \
         </Protocol>\n",
        escaped(hostname),
        service.port,
        escaped(&address.to_string()),
    )
}
