//! `doctor message`: what a message tells of itself: its form, its hops, what servers stamped on
//! it, what it proves, and what a receiver would think.
//!
//! The stamps are the word of whoever wrote them, so each is told with its author; what can be
//! proved is checked anew. Source: RFC 5322 section 3.6, RFC 5321 section 4.4, RFC 8601.

mod carrier;
mod hops;
mod proof;
mod receiver;
mod stamps;

use mailwright_mime::{Entry, each_address, sent_date};
use mailwright_words::headers::{Ending, HeaderBlock};

pub use carrier::Carrier;

use crate::{Check, Report, Section, world::World};

/// Longest line of a message. Source: RFC 5322 section 2.1.1.
const LINE_MAX: usize = 998;

/// Examines a message, given with CRLF. What `carrier` leaves open is read from the message.
pub async fn examine(world: &World, name: &str, message: &[u8], carrier: &Carrier) -> Report {
    let known = carrier::read(message, carrier);
    let mut sections = vec![form(world, message), hops::examine(message)];
    sections.push(stamps::examine(message));
    let proof = proof::examine(world, message, &known).await;
    sections.push(proof.section);
    sections.push(receiver::examine(world, message, proof.examined.as_ref()).await);
    sections.retain(|section| !section.checks.is_empty());
    Report::new(name, sections, !message.is_empty())
}

/// The one author of a message, where there is one.
fn author(block: &HeaderBlock<'_>) -> Option<String> {
    let field = block.find("From")?;
    let mut first = None;
    each_address(field.value, |entry| {
        if let Entry::Mailbox(mailbox) = entry {
            let local = String::from_utf8_lossy(mailbox.local);
            let domain = String::from_utf8_lossy(mailbox.domain);
            first.get_or_insert_with(|| format!("{local}@{domain}"));
        }
    });
    first.filter(|address| !address.starts_with('@') && !address.ends_with('@'))
}

/// The domain of an address, in lower case.
fn domain_of(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    Some(domain.trim_end_matches('>').to_ascii_lowercase())
}

/// Its form.
fn form(world: &World, message: &[u8]) -> Section {
    let mut section = Section::new("form");
    let block = HeaderBlock::new(message);
    let header = match block.ending() {
        Ending::Junk => Check::wrong(
            "message.header",
            "Header",
            "it ends at a line that is no \
                                        field",
        )
        .means("Programs disagree where the body begins; signatures break by it.")
        .mend("Write an empty line behind the last field."),
        Ending::Message => Check::warning("message.header", "Header", "there is no body")
            .means("Some filters take a message without a body for spam.")
            .mend("Write an empty line behind the last field, and a text."),
        Ending::Blank => Check::right("message.header", "Header", "it ends as it should"),
    };
    section.push(header.tried("whether the header ends with an empty line"));
    section.push(from(&block));
    section.push(date(world, &block));
    let has_id = block.count("Message-ID") == 1;
    let id = if has_id {
        Check::right("message.id", "Message-ID", "one")
    } else {
        let found = if block.count("Message-ID") == 0 { "none" } else { "more than one" };
        Check::warning("message.id", "Message-ID", found)
            .means("Gmail and others refuse such messages, or take them for spam.")
            .mend("Have the program that writes the message set one.")
    };
    section.push(id.tried("the Message-ID fields"));
    let longest = message.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    if longest > LINE_MAX + 1 {
        section.push(
            Check::warning("message.lines", "Lines", format!("one has {longest} octets"))
                .tried("the longest line; 998 octets are allowed")
                .means("Servers on the way may cut it, which breaks signatures.")
                .mend("Send it as quoted-printable or base64."),
        );
    }
    section
}

fn from(block: &HeaderBlock<'_>) -> Check {
    const ID: &str = "message.from";
    const TITLE: &str = "From";
    let check = match (block.count("From"), author(block)) {
        (1, Some(author)) => Check::right(ID, TITLE, author),
        (count, _) => {
            let found = match count {
                0 => "none".to_owned(),
                1 => "one without an address".to_owned(),
                more => format!("{more} of them"),
            };
            Check::wrong(ID, TITLE, found)
                .means("Large providers refuse such messages; DMARC has no domain to go by.")
                .mend("Write one From field with one address.")
        }
    };
    check.tried("the From fields")
}

fn date(world: &World, block: &HeaderBlock<'_>) -> Check {
    const ID: &str = "message.date";
    const TITLE: &str = "Date";
    let Some(field) = block.find("Date") else {
        return Check::warning(ID, TITLE, "none")
            .tried("the Date field")
            .means("It is sorted by when it came, and filters take it for spam.")
            .mend("Have the program that writes the message set one.");
    };
    let check = match sent_date(field.value) {
        Some(at) if at.since(world.clock.now()).as_secs() > 86_400 => {
            Check::warning(ID, TITLE, format!("{at}, which is to come"))
                .means("The clock of the sender is wrong; filters take it for spam.")
                .mend("Look at the clock of the machine that wrote it.")
        }
        Some(at) => Check::right(ID, TITLE, at.to_string()),
        None => Check::warning(ID, TITLE, format!("{}, which is no date", field.text()))
            .means("It is sorted by when it came, and filters take it for spam.")
            .mend("Mend the program that writes the message."),
    };
    check.tried("the Date field")
}

#[cfg(test)]
pub(crate) mod tests;
