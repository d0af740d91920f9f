//! How urgent a message is: what its client asked for, as far as it may.
//!
//! Pure. Who may submit may be urgent, anybody may have less than ordinary priority. Bulk mail is
//! ordinary, and a stream of its own, so that nobody waits behind it.
//! Source: RFC 6710, RFC 6758 (the header field).

use mailwright_words::headers::HeaderBlock;

use crate::settings::Settings;
use crate::{Client, Intake};

/// Where a priority goes through servers that do not know the extension.
pub(crate) const FIELD: &str = "MT-Priority";
/// The stream of mail that calls itself bulk.
pub(crate) const BULK: &str = "bulk";

impl Intake {
    /// The priority that a message of `client` gets for the one it asked for.
    pub fn priority(&self, client: &Client, asked: i8) -> i8 {
        granted(client, asked, &self.0.settings.now())
    }
}

fn granted(client: &Client, asked: i8, settings: &Settings) -> i8 {
    let most = if client.may_be_urgent() { settings.priority_max } else { 0 };
    asked.clamp(-9, most)
}

/// What holds for a message whose transaction `asked` for a priority, or did not.
pub(crate) fn of(
    client: &Client,
    asked: Option<i8>,
    block: &HeaderBlock<'_>,
    settings: &Settings,
) -> Option<i8> {
    let asked = asked.or_else(|| tunnelled(block));
    asked.map(|asked| granted(client, asked, settings))
}

/// The priority that the header tells; nothing when it tells more than one.
fn tunnelled(block: &HeaderBlock<'_>) -> Option<i8> {
    let text = block.find(FIELD).filter(|_| block.count(FIELD) == 1)?.text().trim().to_owned();
    let priority = text.parse::<i8>().ok()?;
    (-9..=9).contains(&priority).then_some(priority)
}

/// Whether a message says that it is one of many.
pub(crate) fn is_bulk(block: &HeaderBlock<'_>) -> bool {
    block.find("Precedence").is_some_and(|field| {
        let text = field.text();
        ["bulk", "list", "junk"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_one_priority_or_none() {
        for (header, expected) in [
            ("MT-Priority: 5\r\n", Some(5)),
            ("mt-priority:-9\r\n", Some(-9)),
            ("MT-Priority: 10\r\n", None),
            ("MT-Priority: high\r\n", None),
            ("MT-Priority: 1\r\nMT-Priority: 2\r\n", None),
            ("Priority: urgent\r\n", None),
        ] {
            assert_eq!(tunnelled(&HeaderBlock::new(header.as_bytes())), expected, "{header}");
        }
    }

    #[test]
    fn bulk_calls_itself_so() {
        for (header, expected) in [
            ("Precedence: BULK\r\n", true),
            ("precedence: list \r\n", true),
            ("Precedence: first-class\r\n", false),
            ("Subject: bulk\r\n", false),
        ] {
            assert_eq!(is_bulk(&HeaderBlock::new(header.as_bytes())), expected, "{header}");
        }
    }
}
