//! What a reply means, who says it so, and what to do.
//!
//! Pure: three tables, read once. The general ones are by code; the one of providers goes by pieces
//! of text, too, as they give the same code for different things. Where nobody is known, the
//! meaning of the code is told and no more: a guess would be a false alarm.
//! Source: RFC 5321 section 4.2, RFC 3463, and the pages that the tables name.

use std::sync::OnceLock;

use mailwright_words::{Reply, Status};
use serde::{Deserialize, Serialize};

/// The most octets of a reply that are looked at.
const TEXT_MAX: usize = 8 * 1024;

/// One meaning of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// What it is the meaning of: a code, or who said it.
    pub of: String,
    /// What it means.
    pub means: String,
    /// What to do; empty when there is nothing to do.
    pub mend: String,
    /// Where that is from.
    pub source: String,
}

/// All that can be said about a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The reply code.
    pub code: Option<u16>,
    /// The enhanced status code.
    pub status: Option<String>,
    /// Who says it so.
    pub speaker: Option<String>,
    /// Whether it is tried again by itself: temporary refusals are.
    pub temporary: Option<bool>,
    /// Its meanings, the closest first.
    pub meanings: Vec<Meaning>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statuses {
    status: Vec<StatusEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusEntry {
    code: String,
    means: String,
    mend: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replies {
    reply: Vec<ReplyEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyEntry {
    code: u16,
    means: String,
    #[serde(default)]
    mend: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Providers {
    provider: Vec<Provider>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    name: String,
    signs: Vec<String>,
    /// Status codes that nobody else uses.
    #[serde(default)]
    unique: Vec<String>,
    source: String,
    entry: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    status: Option<String>,
    status_range: Option<[String; 2]>,
    #[serde(default)]
    words: Vec<String>,
    means: String,
    mend: String,
    source: Option<String>,
}

struct Book {
    statuses: Vec<StatusEntry>,
    replies: Vec<ReplyEntry>,
    providers: Vec<Provider>,
}

/// The tables. That they can be read is tested; a program without them still tells classes.
fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| Book {
        statuses: toml::from_str::<Statuses>(STATUS).unwrap_or_default().status,
        replies: toml::from_str::<Replies>(REPLY).unwrap_or_default().reply,
        providers: toml::from_str::<Providers>(PROVIDER).unwrap_or_default().provider,
    })
}

const STATUS: &str = include_str!("code/status.toml");
const REPLY: &str = include_str!("code/reply.toml");
const PROVIDER: &str = include_str!("code/provider.toml");

/// Explains a reply, as it stands in a log or a report: what is around it does not matter.
pub fn explain(text: &str) -> Explanation {
    let text: String = text.chars().take(TEXT_MAX).collect();
    let (code, status) = codes(&text);
    let lower = text.to_lowercase();
    let mut meanings = Vec::new();
    let provider = speaker(&lower, status);
    let found = provider.and_then(|provider| {
        let entry = provider.entry.iter().find(|entry| entry.fits(&lower, status))?;
        Some((provider, entry))
    });
    if let Some((provider, entry)) = found {
        meanings.push(Meaning {
            of: provider.name.clone(),
            means: entry.means.clone(),
            mend: entry.mend.clone(),
            source: entry.source.clone().unwrap_or_else(|| provider.source.clone()),
        });
    }
    // A code says less than the status beside it, but for those that only name a subject.
    let is_vague = status.is_none_or(|status| status.subject == 0 || status.detail == 0);
    if is_vague {
        meanings.extend(code.and_then(of_code));
    }
    meanings.extend(status.and_then(of_status));
    Explanation {
        code,
        status: status.map(|status| status.to_string()),
        speaker: provider.map(|provider| provider.name.clone()),
        temporary: temporary(code, status),
        meanings,
    }
}

/// What a refusal means and what to do, for a check.
pub(crate) fn advice(reply: &Reply) -> (String, String) {
    told(&reply.to_string())
}

/// What a line means, and what to do.
pub(crate) fn told(line: &str) -> (String, String) {
    let explanation = explain(line);
    let first = explanation.meanings.into_iter().next();
    first.map_or_else(
        || {
            let means = "The host gives no reason that is known here; its own words say why.";
            (means.to_owned(), "Ask whoever runs the host.".to_owned())
        },
        |meaning| (meaning.means, meaning.mend),
    )
}

impl Explanation {
    /// For people.
    pub fn text(&self) -> String {
        let codes: Vec<String> =
            self.code.map(|code| code.to_string()).into_iter().chain(self.status.clone()).collect();
        let class = match self.temporary {
            Some(true) => "a temporary refusal: it is tried again by itself",
            Some(false) => "a permanent refusal: the same message will not be taken later",
            None if !codes.is_empty() => "no refusal",
            None => "there is no reply code in this text",
        };
        let mut lines = vec![codes.join(" ")];
        lines.retain(|codes| !codes.is_empty());
        lines = vec![lines.into_iter().chain([class.to_owned()]).collect::<Vec<_>>().join(": ")];
        lines.extend(self.speaker.as_ref().map(|speaker| format!("Said by: {speaker}")));
        for meaning in &self.meanings {
            lines.extend([
                String::new(),
                meaning.of.clone(),
                format!("  means: {}", meaning.means),
            ]);
            if !meaning.mend.is_empty() {
                lines.push(format!("  to do: {}", meaning.mend));
            }
            lines.push(format!("  source: {}", meaning.source));
        }
        if self.meanings.is_empty() {
            lines.push("Nothing more is known about it.".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Entry {
    fn fits(&self, lower: &str, status: Option<Status>) -> bool {
        let by_status = match (&self.status, &self.status_range) {
            (Some(pattern), _) => status.is_some_and(|status| matches(pattern, status)),
            (None, Some([from, to])) => status.is_some_and(|status| within(status, from, to)),
            (None, None) => true,
        };
        by_status && (self.words.is_empty() || self.words.iter().any(|word| lower.contains(word)))
    }
}

fn matches(pattern: &str, status: Status) -> bool {
    match pattern.strip_prefix("x.") {
        Some(rest) => format!("{}.{}", status.subject, status.detail) == rest,
        None => pattern == status.to_string(),
    }
}

fn within(status: Status, from: &str, to: &str) -> bool {
    let (Ok(from), Ok(to)) = (from.parse::<Status>(), to.parse::<Status>()) else { return false };
    status.class == from.class
        && status.subject == from.subject
        && (from.detail..=to.detail).contains(&status.detail)
}

/// Who says it so: by a sign in the text, or by a status that nobody else uses.
fn speaker(lower: &str, status: Option<Status>) -> Option<&'static Provider> {
    let providers = &book().providers;
    let signed = |provider: &&Provider| provider.signs.iter().any(|sign| lower.contains(sign));
    providers.iter().find(signed).or_else(|| {
        let status = status?.to_string();
        providers.iter().find(|provider| provider.unique.contains(&status))
    })
}

fn of_status(status: Status) -> Option<Meaning> {
    let code = format!("{}.{}", status.subject, status.detail);
    let entry = book().statuses.iter().find(|entry| entry.code == code)?;
    Some(Meaning {
        of: status.to_string(),
        means: entry.means.clone(),
        mend: entry.mend.clone(),
        source: "https://www.iana.org/assignments/smtp-enhanced-status-codes/".to_owned(),
    })
}

fn of_code(code: u16) -> Option<Meaning> {
    let entry = book().replies.iter().find(|entry| entry.code == code)?;
    Some(Meaning {
        of: code.to_string(),
        means: entry.means.clone(),
        mend: entry.mend.clone(),
        source: "https://www.rfc-editor.org/rfc/rfc5321#section-4.2".to_owned(),
    })
}

const fn temporary(code: Option<u16>, status: Option<Status>) -> Option<bool> {
    match (code, status) {
        (Some(400..=499), _) => Some(true),
        (Some(500..=599), _) => Some(false),
        (None, Some(status)) if status.class == 4 => Some(true),
        (None, Some(status)) if status.class == 5 => Some(false),
        _ => None,
    }
}

/// The reply code and the enhanced status in a text: the first of each that stands by itself.
fn codes(text: &str) -> (Option<u16>, Option<Status>) {
    let mut code = None;
    let mut status = None;
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(c, '-' | '"' | ',' | ';' | '(' | ')' | '<' | '>' | '[' | ']' | '\'')
    };
    for word in text.split(ends).filter(|word| !word.is_empty()) {
        let word = word.trim_end_matches([':', '.']).trim_start_matches('#');
        if code.is_none() && word.len() == 3 {
            code = word.parse::<u16>().ok().filter(|code| (200..600).contains(code));
        }
        if status.is_none() {
            status = word.parse::<Status>().ok();
        }
        if status.is_some() && code.is_some() {
            break;
        }
    }
    (code, status)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_tables_can_be_read_and_say_something_about_each_entry() {
        let statuses: Statuses = toml::from_str(STATUS).unwrap();
        let codes: HashSet<&str> =
            statuses.status.iter().map(|entry| entry.code.as_str()).collect();
        assert_eq!(codes.len(), statuses.status.len(), "no code twice");
        for detail in 0..=30 {
            assert!(codes.contains(format!("7.{detail}").as_str()), "7.{detail}");
        }
        let replies: Replies = toml::from_str(REPLY).unwrap();
        assert!(replies.reply.iter().all(|entry| (200..600).contains(&entry.code)));
        let providers: Providers = toml::from_str(PROVIDER).unwrap();
        for provider in &providers.provider {
            let sources = provider.entry.iter().filter_map(|entry| entry.source.as_deref());
            for source in sources.chain([provider.source.as_str()]) {
                // Some are named by replies, which know no other form; of some codes no page tells.
                let starts = ["https://", "http://", "what its replies say; no page"];
                let is_told = starts.iter().any(|start| source.starts_with(start));
                assert!(is_told, "{}: {source}", provider.name);
            }
            assert!(!provider.signs.is_empty() && !provider.entry.is_empty(), "{}", provider.name);
            for text in provider.signs.iter().chain(provider.entry.iter().flat_map(|e| &e.words)) {
                assert_eq!(text, &text.to_lowercase(), "{}", provider.name);
            }
            for entry in &provider.entry {
                assert!(entry.means.ends_with('.') && entry.mend.ends_with('.'), "{}", entry.means);
                let known = entry
                    .status
                    .iter()
                    .all(|status| status.replace("x.", "5.").parse::<Status>().is_ok());
                let range = entry.status_range.iter().flatten();
                let ranged = range.clone().all(|status| status.parse::<Status>().is_ok());
                assert!(known && ranged, "{}: {}", provider.name, entry.means);
            }
        }
    }

    /// Text, who says it, and a piece of its first meaning.
    const REPLIES: &[(&str, Option<&str>, &str)] = &[
        ("550 5.1.1 No such user here", None, "no mailbox"),
        (
            "550-5.7.26 Your email has been blocked because the sender is unauthenticated. - gsmtp",
            Some("Gmail"),
            "Neither SPF nor DKIM",
        ),
        ("421-4.7.28 unusual rate of mail from your IP address. gsmtp", Some("Gmail"), "Unusually"),
        ("550 5.7.1 example.com email policy - gcdp x - gsmtp", Some("Gmail"), "administrator"),
        ("504 5.7.40 Unrecognized authentication type. gsmtp", Some("Gmail"), "mechanism"),
        ("550 5.7.40 blocked: no DMARC record. - gsmtp", Some("Gmail"), "no DMARC record"),
        ("421 4.7.0 192.0.2.1 does not have a PTR record - gsmtp", Some("Gmail"), "no PTR"),
        (
            "550 5.7.1 This message is not RFC 5322 compliant: it has duplicate headers. gsmtp",
            Some("Gmail"),
            "A field of the header",
        ),
        (
            "550 5.7.1 not RFC 5322 compliant because it has multiple From: headers. - gsmtp",
            Some("Gmail"),
            "The From field",
        ),
        ("550 5.7.507 Access denied [x.outlook.com]", Some("Microsoft"), "organization blocks"),
        ("554 5.2.2 mailbox full; x.outlook.com; submission quota exceeded", None, "may send"),
        ("554 Excessive unknown recipients - yahoo", Some("Yahoo and AOL"), "do not exist"),
        ("550 5.7.515 Access denied", Some("Microsoft"), "Outlook.com wants SPF"),
        (
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your \
             Internet service provider since part of their network is on our block list (S3150).",
            Some("Microsoft"),
            "blocks the sending address",
        ),
        ("550 5.7.620 Access denied [x.outlook.com]", Some("Microsoft"), "Exchange Online blocks"),
        ("451 4.7.500 Server busy (AS843) x.protection.outlook.com", Some("Microsoft"), "slows"),
        (
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected \
             volume",
            Some("Yahoo and AOL"),
            "marked mail",
        ),
        ("550 5.7.1 [CS01] Message rejected due to local policy.", Some("Apple iCloud"), "filter"),
        (
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using \
             zen.spamhaus.org; Error: open resolver; \
             https://www.spamhaus.org/returnc/pub/192.0.2.9",
            Some("Spamhaus, by way of the receiver"),
            "no list",
        ),
        ("450 4.2.0 Greylisted, see http://postgrey.example", Some("greylisting"), "second try"),
        ("host mx.example said: 554 5.7.1 <b@x>: Relay access denied", None, "own"),
        (
            "550 SC-001 (BAY004-MC4F49) Unfortunately, messages from 192.0.2.1 weren't sent. \
             Please contact your Internet service provider since part of their network is on our \
             block list. http://mail.live.com/mail/troubleshooting.aspx#errors",
            Some("Microsoft"),
            "what was sent from it",
        ),
        ("550 OU-002 (COL004-MC1F15) Unfortunately, weren't sent", Some("Microsoft"), "bad names"),
        (
            "421 Deferred - see https://ipcheck.proofpoint.com/?ip=192.0.2.1",
            Some("Proofpoint"),
            "delays it",
        ),
        (
            "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1",
            Some("Proofpoint"),
            "blocks the address",
        ),
        (
            "451 Internal resource temporarily unavailable - \
             https://community.mimecast.com/docs/DOC-1369#451 [x.uk85]",
            Some("Mimecast"),
            "second try",
        ),
        (
            "550 Rejected by header based Anti-Spoofing policy: x - \
             https://community.mimecast.com/docs/DOC-1369#550",
            Some("Mimecast"),
            "name of a domain of the receiver's own",
        ),
        (
            "554-gmx.net (mxgmx104) Nemesis ESMTP Service not available 554-No SMTP service \
             554-IP address is block listed. 554 For explanation visit \
             https://postmaster.gmx.net/en/case?c=r0201&i=ip&v=198.51.100.42",
            Some("GMX, WEB.DE and mail.com"),
            "on a block list there",
        ),
        (
            "554 imta28.emeryville.ca.mail.comcast.net comcast 192.0.2.1 Comcast block for spam. \
             Please see http://postmaster.comcast.net/smtp-error-codes.php#BL000001",
            Some("Comcast"),
            "Spamhaus ZEN",
        ),
        (
            "550 5.1.6 recipient no longer on server: inactive email address, apple.com",
            Some("Apple iCloud"),
            "switched this",
        ),
        ("452 too many recipients", None, "no room"),
        ("Remote server said: \"535\"", None, "password is wrong"),
    ];

    #[test]
    fn replies_are_explained() {
        for (text, speaker, piece) in REPLIES {
            let found = explain(text);
            if speaker.is_some() {
                assert_eq!(found.speaker.as_deref(), *speaker, "{text}");
            }
            let first = &found.meanings.first().unwrap_or_else(|| panic!("{text}")).means;
            assert!(first.contains(piece), "{text}: {first}");
        }
    }

    #[test]
    fn what_is_no_reply_has_no_meaning() {
        for text in ["", "hello", "12345", "5.7", "999 x", "\u{e4}\u{e4}\u{e4}"] {
            let found = explain(text);
            assert_eq!(
                (found.code, found.temporary, found.meanings.len()),
                (None, None, 0),
                "{text}"
            );
        }
        assert_eq!(explain("250 2.0.0 Ok").temporary, None);
        assert_eq!(explain("450 x").temporary, Some(true));
        assert_eq!(explain("5.4.6").temporary, Some(false));
    }
}
