//! Rules about the fields that writers write.

use super::word::{capitals, has_any, is_disguised};
use super::{Rule, rule};
use crate::facts::Facts;
use crate::message::Person;

/// Providers where anybody gets an address.
const FREE: &[&str] = &[
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "hotmail.com",
    "outlook.com",
    "live.com",
    "aol.com",
    "icloud.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "mail.ru",
    "yandex.ru",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "163.com",
    "mail.com",
    "yahoo.co.uk",
    "yahoo.fr",
];

pub(super) const RULES: &[Rule] = &[
    rule(
        "MISSING_DATE",
        1.4,
        |f| !f.has("date"),
        "There is no Date field; every message needs one.",
    ),
    rule(
        "INVALID_DATE",
        1.1,
        |f| f.has("date") && f.sent().is_none(),
        "The Date field is no date; write it as RFC 5322 demands.",
    ),
    rule(
        "MISSING_MID",
        0.5,
        |f| !f.has("message-id"),
        "There is no Message-ID; let the sending program make one.",
    ),
    rule(
        "INVALID_MSGID",
        2.6,
        |f| f.has("message-id") && !is_message_id(f.value("message-id")),
        "The Message-ID is not <left@right>; let the sending program make one.",
    ),
    rule(
        "MSGID_LOCALHOST",
        0.6,
        |f| {
            let id = f.value("message-id").to_ascii_lowercase();
            id.contains("@localhost") || id.ends_with(".local>") || id.contains("@127.0.0.1")
        },
        "The Message-ID names no host of the Internet; set the sending program's host name.",
    ),
    rule(
        "MSGID_SPAM_CAPS",
        2.4,
        |f| {
            let id = f.value("message-id");
            let left = id.trim_start_matches('<').split('@').next().unwrap_or_default();
            left.len() >= 12 && left.chars().all(|c| c.is_ascii_uppercase())
        },
        "The Message-ID is all capitals, as a program of spammers makes it.",
    ),
    rule(
        "MISSING_FROM",
        1.0,
        |f| !f.has("from"),
        "There is no From field; every message needs one.",
    ),
    rule(
        "FROM_NO_USER",
        2.6,
        |f| f.from.iter().any(|p| p.local.is_empty()),
        "From has no mailbox before the @.",
    ),
    rule(
        "FROM_STARTS_WITH_NUMS",
        1.9,
        |f| {
            let local = f.from.first().map_or("", |p| p.local.as_str());
            local.chars().take_while(char::is_ascii_digit).count() >= 3
                && local.chars().any(|c| c.is_ascii_alphabetic())
        },
        "The address in From begins with three digits or more; choose a name that people know.",
    ),
    rule(
        "FROM_BLANK_NAME",
        2.1,
        |f| {
            let raw = f.message.field("from").map_or(&b""[..], |field| field.raw).trim_ascii();
            raw.starts_with(b"\"\"") || raw.starts_with(b"\" ")
        },
        "The name in From is blank; give one, or leave the quotes out.",
    ),
    rule(
        "FROM_ILLEGAL_CHARS",
        2.2,
        |f| has_bare_octets(f, "from", 20),
        "From is full of characters past ASCII that are neither UTF-8 nor encoded (RFC 2047).",
    ),
    rule(
        "FROM_IS_ADDRESS_OF_OTHER",
        1.5,
        |f| f.from.iter().any(|p| other_address(p).is_some()),
        "The name in From is another address than the real one; filters take it for a disguise.",
    ),
    rule(
        "FROM_NO_REPLY",
        0.1,
        |f| {
            let local = f.from.first().map_or(String::new(), |p| p.local.to_ascii_lowercase());
            matches!(local.as_str(), "noreply" | "no-reply" | "donotreply" | "do-not-reply")
        },
        "Nobody can answer; readers trust mail more that they can reply to.",
    ),
    rule(
        "FROM_SEVERAL",
        1.0,
        |f| f.message.all("from").count() > 1,
        "There are several From fields; one is allowed (RFC 5322).",
    ),
    rule(
        "FREEMAIL_FROM",
        0.01,
        |f| is_free(f.author_domain()),
        "The author has an address of a free provider; use a domain of your own.",
    ),
    rule(
        "FREEMAIL_REPLYTO",
        1.0,
        |f| {
            let reply = f.message.people("reply-to");
            let other = |p: &Person| {
                is_free(&p.domain) && f.from.iter().all(|own| own.address() != p.address())
            };
            is_free(f.author_domain()) && reply.iter().any(other)
        },
        "Reply-To and From are different addresses of free providers.",
    ),
    rule(
        "FREEMAIL_FORGED_REPLYTO",
        2.1,
        |f| {
            let reply = f.message.people("reply-to");
            !f.author_domain().is_empty()
                && !is_free(f.author_domain())
                && reply.iter().any(|p| is_free(&p.domain))
        },
        "Replies go to a free provider, though From is a domain of its own; use that domain.",
    ),
    rule(
        "REPLYTO_OTHER_DOMAIN",
        0.3,
        |f| {
            let own = crate::links::site(f.author_domain());
            let reply = f.message.people("reply-to");
            reply.iter().any(|p| !is_free(&p.domain) && crate::links::site(&p.domain) != own)
        },
        "Replies go to another domain than that of From.",
    ),
    rule(
        "HEADER_FROM_DIFFERENT_DOMAINS",
        0.25,
        |f| {
            let path = f.context.reverse_path.as_deref().unwrap_or_default();
            let domain =
                path.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
            !domain.is_empty() && domain != f.author_domain()
        },
        "The envelope's sender has another domain than From; align them for SPF and DMARC.",
    ),
    rule("MISSING_SUBJECT", 1.8, |f| !f.has("subject"), "There is no Subject field."),
    rule(
        "SUBJECT_EMPTY",
        1.0,
        |f| f.has("subject") && f.value("subject").trim().is_empty(),
        "The subject is empty.",
    ),
    rule(
        "SUBJ_ALL_CAPS",
        1.5,
        |f| capitals(f.value("subject"), 10).is_some_and(|c| c >= 95),
        "The subject is all capitals; write it as a sentence.",
    ),
    rule(
        "SUBJ_ILLEGAL_CHARS",
        1.1,
        |f| has_bare_octets(f, "subject", 0),
        "The subject has characters past ASCII that are neither UTF-8 nor encoded (RFC 2047).",
    ),
    rule(
        "SUBJ_EXCLAIMS",
        0.8,
        |f| f.value("subject").matches('!').count() >= 3,
        "The subject has three exclamation marks or more.",
    ),
    rule(
        "PLING_QUERY",
        0.3,
        |f| f.value("subject").contains('!') && f.value("subject").contains('?'),
        "The subject both asks and exclaims.",
    ),
    rule(
        "SUBJ_DOLLARS",
        0.6,
        |f| {
            let sum = f.value("subject").trim_start().strip_prefix('$').unwrap_or_default();
            sum.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        },
        "The subject begins with a sum of dollars.",
    ),
    rule(
        "SUBJ_FREE_CAP",
        0.4,
        |f| {
            let subject = f.value("subject");
            subject.split(|c: char| !c.is_alphanumeric()).any(|word| word == "FREE")
        },
        "The subject says FREE in capitals.",
    ),
    rule(
        "SUBJ_LONG",
        0.3,
        |f| f.value("subject").chars().count() > 120,
        "The subject is longer than 120 characters; clients cut it off much earlier.",
    ),
    rule(
        "GAPPY_SUBJECT",
        0.8,
        |f| is_gappy(f.value("subject")),
        "The subject has its letters spaced out.",
    ),
    rule(
        "SUBJ_SPAM_WORDS",
        1.2,
        |f| {
            has_any(
                &f.value("subject").to_lowercase(),
                &[
                    "act now",
                    "winner",
                    "you won",
                    "viagra",
                    "cialis",
                    "casino",
                    "lottery",
                    "earn money",
                    "work from home",
                    "lose weight",
                    "risk free",
                    "cheap meds",
                    "extra income",
                    "free gift",
                ],
            )
        },
        "The subject has words that spam is full of.",
    ),
    rule(
        "FUZZY_SUBJECT",
        1.5,
        |f| {
            let subject = f.value("subject").to_lowercase();
            ["viagra", "cialis", "casino", "credit"].iter().any(|word| is_disguised(&subject, word))
        },
        "The subject has a word of spam in disguise.",
    ),
    rule(
        "FAKE_REPLY",
        0.7,
        |f| {
            let subject = f.value("subject").to_ascii_lowercase();
            let is_reply = subject.starts_with("re:") || subject.starts_with("fwd:");
            is_reply && !f.has("references") && !f.has("in-reply-to")
        },
        "The subject is that of a reply, yet it answers nothing.",
    ),
    rule(
        "SUBJECT_PLACEHOLDER",
        1.0,
        |f| crate::links::placeholder(f.value("subject")).is_some(),
        "A variable of the template was left in the subject.",
    ),
    rule(
        "TO_IN_SUBJ",
        0.1,
        |f| {
            let subject = f.value("subject").to_lowercase();
            let is_in =
                |p: &Person| p.local.len() > 2 && subject.contains(&p.address().to_lowercase());
            f.to.iter().any(is_in)
        },
        "The subject has the recipient's address.",
    ),
    rule("MISSING_HEADERS", 1.2, |f| f.value("to").trim().is_empty(), "There is no To field."),
    rule(
        "UNDISC_RECIPS",
        0.8,
        |f| f.value("to").to_ascii_lowercase().contains("undisclosed"),
        "The recipients are not named; write to each by name.",
    ),
    rule(
        "TO_MALFORMED",
        0.1,
        |f| {
            let is_name = |p: &Person| p.domain.contains('.') || p.domain.starts_with('[');
            let is_bad = |p: &Person| p.local.is_empty() || !is_name(p) || p.domain.contains("..");
            f.to.iter().any(is_bad)
        },
        "To has what is no address.",
    ),
    rule(
        "MANY_RECIPIENTS",
        1.0,
        |f| f.to.len() + f.message.people("cc").len() > 20,
        "More than twenty recipients see one another; write to each alone.",
    ),
    rule(
        "SORTED_RECIPS",
        1.8,
        |f| {
            let cc = f.message.people("cc");
            let all = f.to.iter().chain(&cc).map(Person::address);
            let mut all: Vec<String> = all.collect();
            all.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
            all.len() >= 7 && all.is_sorted()
        },
        "The recipients are in the order of the alphabet, as of a list that was bought.",
    ),
    rule(
        "PRIORITY_HIGH",
        0.5,
        |f| {
            f.value("x-priority").starts_with('1')
                || f.value("importance").eq_ignore_ascii_case("high")
        },
        "The message says it is urgent; only people should say so.",
    ),
    rule(
        "LIST_UNSUB_MISSING",
        0.4,
        |f| {
            f.value("precedence").eq_ignore_ascii_case("bulk") && !f.has("list-unsubscribe")
                || f.has("list-id") && !f.has("list-unsubscribe")
        },
        "A mailing has no List-Unsubscribe; large providers demand it.",
    ),
    rule(
        "LIST_ONECLICK_MISSING",
        0.3,
        |f| {
            f.has("list-unsubscribe")
                && !f
                    .value("list-unsubscribe-post")
                    .eq_ignore_ascii_case("List-Unsubscribe=One-Click")
        },
        "Readers cannot unsubscribe with one click (RFC 8058); large providers demand it.",
    ),
    rule(
        "HEADERS_TWICE",
        0.8,
        |f| {
            ["date", "subject", "to", "message-id", "reply-to", "mime-version", "content-type"]
                .iter()
                .any(|name| f.message.all(name).count() > 1)
        },
        "A field that may stand once stands twice (RFC 5322 section 3.6).",
    ),
];

fn is_free(domain: &str) -> bool {
    FREE.contains(&domain)
}

/// `<left@right>`. Source: RFC 5322 section 3.6.4.
fn is_message_id(value: &str) -> bool {
    let inner = value.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|inner| {
        let parts: Vec<&str> = inner.split('@').collect();
        let is_part = |part: &&str| {
            !part.is_empty()
                && !part.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))
        };
        parts.len() == 2 && parts.iter().all(is_part)
    })
}

/// Two octets or more past ASCII, and this share of all, in percent. UTF-8 is fine by RFC 6532.
fn has_bare_octets(facts: &Facts<'_>, name: &str, share: usize) -> bool {
    facts.message.all(name).any(|field| {
        let bare = field.raw.iter().filter(|octet| !octet.is_ascii()).count();
        let is_text = std::str::from_utf8(field.raw).is_ok();
        !is_text && bare >= 2 && bare * 100 >= field.raw.trim_ascii().len() * share
    })
}

/// The address that stands where the name should, when it is not the person's own.
fn other_address(person: &Person) -> Option<&str> {
    let name = person.name.trim();
    let is_address = name.contains('@') && !name.contains(' ') && name.contains('.');
    (is_address && !name.eq_ignore_ascii_case(&person.address())).then_some(name)
}

/// Five letters in a row or more, each a word of its own.
fn is_gappy(text: &str) -> bool {
    let mut run = 0;
    text.split(' ').any(|word| {
        run = if word.chars().count() == 1 && word.chars().all(char::is_alphabetic) {
            run + 1
        } else {
            0
        };
        run >= 5
    })
}
