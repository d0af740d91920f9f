//! What a receiver would think of a message, beyond what is proved: its author's domain, fields
//! that may be there once, and what large providers want of whoever writes to many.
//!
//! Source: RFC 5322 section 3.6, RFC 2369, RFC 8058; the sender guidelines of Gmail and Yahoo.

use mailwright_mailauth::{Examined, Word};
use mailwright_net::dns::Answer;
use mailwright_words::HeaderBlock;

use super::{author, domain_of};
use crate::{Check, Section, reach::is_blind, world::World};

/// Fields of which there may be one.
const ONCE: [&str; 11] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
];

pub(super) async fn examine(world: &World, message: &[u8], examined: Option<&Examined>) -> Section {
    let mut section = Section::new("what a receiver would think");
    let block = HeaderBlock::new(message);
    if let Some(domain) = author(&block).and_then(|author| domain_of(&author)) {
        section.push(domain_is_there(world, &domain).await);
    }
    section.push(once(&block));
    if is_bulk(&block) {
        section.push(unsubscribe(&block, examined));
        section.checks.extend(examined.map(demands));
    }
    section
}

/// Whether the author can be answered at all.
async fn domain_is_there(world: &World, domain: &str) -> Check {
    const ID: &str = "message.domain";
    const TITLE: &str = "Domain in From";
    let silent = |why: &str| {
        Check::unknown(ID, TITLE, format!("the DNS gives no answer: {why}"))
            .means("Whether the domain takes mail cannot be known now; receivers wait, too.")
            .mend("Try again later; if it stays so, look at the domain's name servers.")
    };
    let check = match world.resolver.mx(domain).await {
        Answer::Found(records) if records.iter().all(|(_, host)| host == ".") => {
            Check::warning(ID, TITLE, format!("{domain} takes no mail (null MX)"))
                .means("Nobody can answer, nor tell it of a failure; filters mind that.")
                .mend("Write from a domain that takes mail.")
        }
        Answer::Found(_) => Check::right(ID, TITLE, format!("{domain} takes mail")),
        Answer::Temporary(why) => silent(&why),
        Answer::NoSuchDomain if is_blind(world, domain).await => {
            silent("the resolver here knows no name at all")
        }
        Answer::NoSuchDomain => gone(domain, "does not exist"),
        Answer::NoData => match world.resolver.addresses(domain).await {
            Answer::Found(_) => Check::right(ID, TITLE, format!("{domain} has an address")),
            Answer::Temporary(why) => silent(&why),
            _ => gone(domain, "has neither MX nor address"),
        },
    };
    check.tried(format!("the MX records of {domain}"))
}

fn gone(domain: &str, what: &str) -> Check {
    Check::wrong("message.domain", "Domain in From", format!("{domain} {what}"))
        .means("Many servers refuse mail in the name of a domain that takes none.")
        .mend("Write from a domain that exists, with an MX record.")
}

fn once(block: &HeaderBlock<'_>) -> Check {
    const ID: &str = "message.once";
    const TITLE: &str = "Fields";
    // Of From and Message-ID the form tells.
    let told = ["From", "Message-ID"];
    let twice: Vec<&str> =
        ONCE.into_iter().filter(|name| !told.contains(name) && block.count(name) > 1).collect();
    let check = if twice.is_empty() {
        Check::right(ID, TITLE, "none stands twice that may stand once")
    } else {
        Check::wrong(ID, TITLE, format!("more than one: {}", twice.join(", ")))
            .means("Gmail and others refuse it: programs disagree which of them counts.")
            .mend("Have the program that writes the message put one of each.")
    };
    check.tried("the fields that RFC 5322 allows once")
}

/// Whether it says of itself that it goes to many, and is not from a list that people write to.
fn is_bulk(block: &HeaderBlock<'_>) -> bool {
    let precedence = block.find("Precedence").map(|field| field.text().to_ascii_lowercase());
    let is_marked = ["List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"]
        .into_iter()
        .any(|name| block.count(name) > 0)
        || precedence.is_some_and(|word| word.contains("bulk"));
    is_marked && block.count("List-Post") == 0
}

/// Whether one click is enough. Source: RFC 8058 sections 3.1 and 4.
fn unsubscribe(block: &HeaderBlock<'_>, examined: Option<&Examined>) -> Check {
    const ID: &str = "message.unsubscribe";
    const TITLE: &str = "Unsubscribing";
    let field = block.find("List-Unsubscribe").map(|field| field.text().to_ascii_lowercase());
    let post = block.find("List-Unsubscribe-Post").map(|field| field.text().to_ascii_lowercase());
    let post = post.map(|text| text.split_whitespace().collect::<String>());
    let is_one_click = post.as_deref() == Some("list-unsubscribe=one-click");
    let found = match field {
        None => "a message to many, with no List-Unsubscribe field",
        Some(links) if !links.contains("<https://") => "no https link in List-Unsubscribe",
        Some(_) if !is_one_click => "no `List-Unsubscribe-Post: List-Unsubscribe=One-Click`",
        Some(_) if !is_covered(block, examined) => {
            "one click, and no signature that fits covers both fields"
        }
        Some(_) => {
            return Check::right(ID, TITLE, "one click is enough, and signed")
                .tried("List-Unsubscribe and List-Unsubscribe-Post");
        }
    };
    Check::warning(ID, TITLE, found)
        .tried("List-Unsubscribe and List-Unsubscribe-Post")
        .means(
            "Gmail and Yahoo want unsubscribing by one click in marketing mail to many; without \
             it, such mail is slowed down or goes to spam.",
        )
        .mend("Set both fields (RFC 8058), and have the DKIM signature cover them.")
}

/// Whether a signature that fits covers both fields.
fn is_covered(block: &HeaderBlock<'_>, examined: Option<&Examined>) -> bool {
    let is_signature = |name: &str| name.eq_ignore_ascii_case("DKIM-Signature");
    let fields = block.fields().filter(|field| is_signature(field.name));
    fields.into_iter().any(|field| {
        let text = field.text().to_ascii_lowercase();
        let tag = |wanted: &str| {
            let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
            let (_, value) = tags.find(|(name, _)| name.trim() == wanted)?;
            Some(value.split_whitespace().collect::<String>())
        };
        let list = tag("h").unwrap_or_default();
        let has = |name: &str| list.split(':').any(|one| one == name);
        let fits = examined.is_some_and(|examined| {
            examined.dkim.iter().any(|one| {
                let same = tag("d").as_deref() == Some(one.dkim.domain.as_str());
                one.dkim.word == Word::Pass && same
            })
        });
        fits && has("list-unsubscribe") && has("list-unsubscribe-post")
    })
}

/// What is wanted of whoever writes to many.
fn demands(examined: &Examined) -> Check {
    const ID: &str = "message.demands";
    const TITLE: &str = "Demands on mail to many";
    let spf = examined.mail_from.as_ref().map(|spf| spf.word);
    let has_dkim = examined.dkim.iter().any(|one| one.dkim.word == Word::Pass);
    let dmarc = examined.dmarc.as_ref().map(|dmarc| dmarc.word);
    let mut missing = Vec::new();
    if spf.is_some_and(|word| word != Word::Pass) {
        missing.push("SPF");
    }
    if !has_dkim {
        missing.push("DKIM");
    }
    if dmarc != Some(Word::Pass) && spf.is_some() {
        missing.push("DMARC");
    }
    let check = if !missing.is_empty() {
        Check::warning(ID, TITLE, format!("not met: {}", missing.join(", ")))
            .means("Gmail, Yahoo and Microsoft want SPF, DKIM and DMARC to pass, all three.")
            .mend("The checks above say why each does not.")
    } else if spf.is_none() {
        Check::unknown(ID, TITLE, "DKIM passes; SPF is not known")
            .means("They want SPF to pass, too, which depends on where the message came from.")
            .mend("Give what the receiver saw: --ip, --from, --helo.")
    } else {
        Check::right(ID, TITLE, "SPF, DKIM and DMARC pass")
    };
    check.tried("the sender guidelines of Gmail, Yahoo and Microsoft")
}
