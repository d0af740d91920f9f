//! Which messages may hold reports of others about our domains, or about messages of ours.

use mailwright_config::Role;
use mailwright_mime::Feedback;
use mailwright_words::headers::HeaderBlock;

use crate::Client;

/// What subjects of reports have: the standards' own form, and what is seen beside it.
const SUBJECTS: [&str; 4] = ["report domain:", "dmarc", "tls report", "tls-rpt"];

/// Whether a message may hold a report. It costs a look into its parts to find out, and no more.
///
/// Source: RFC 9990 section 4.3, RFC 8460 section 5.3, RFC 3464 section 2, RFC 5965 section 2.
pub(crate) fn may_be(client: &Client, block: &HeaderBlock<'_>) -> bool {
    if !matches!(client.role, Role::Mta | Role::Lmtp) || client.is_caught() {
        return false;
    }
    let kind = block.find("Content-Type").map(|field| field.value).unwrap_or_default();
    let subject = block.find("Subject").map(|field| field.value).unwrap_or_default();
    let subject = String::from_utf8_lossy(subject).to_ascii_lowercase();
    Feedback::is_announced(kind)
        || block.find("TLS-Report-Domain").is_some()
        || SUBJECTS.iter().any(|form| subject.contains(form))
}
