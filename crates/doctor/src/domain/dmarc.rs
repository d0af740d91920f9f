//! What is to become of mail that does not prove itself.
//!
//! Source: RFC 9989, RFC 9990 section 4; draft-brand-indicators-for-message-identification.

use mailwright_mailauth::{Policy, Publication, Published, published};
use mailwright_net::dns::Answer;

use super::Question;
use crate::{Check, world::World};

const ID: &str = "dmarc.record";
const TITLE: &str = "DMARC";

pub(super) async fn examine(world: &World, question: &Question) -> Vec<Check> {
    let domain = &question.domain;
    let tried = format!("the TXT records of _dmarc.{domain}, and of domains above it");
    let record = match published(domain, &*world.resolver).await {
        Err(why) => Err(Check::unknown(ID, TITLE, format!("no answer: {why}"))
            .means(
                "The resolver here failed, or name servers of the domain, or of where reports go.",
            )
            .mend("Try again later.")),
        Ok(Publication::Nothing) => Err(Check::warning(ID, TITLE, "none")
            .means(
                "Nobody is told what to do with mail that forges the domain; Gmail, Yahoo and \
                 Microsoft refuse mail to many without it.",
            )
            .mend(format!(
                "Add the TXT record `v=DMARC1; p=none; rua=mailto:...` at _dmarc.{domain}, read \
                 the reports, then ask for `quarantine` and `reject`."
            ))),
        Ok(Publication::Several { at, count }) => {
            Err(Check::wrong(ID, TITLE, format!("{count} records at _dmarc.{at}"))
                .means("Several count as none: there is no policy.")
                .mend("Keep one of them."))
        }
        Ok(Publication::One(record)) => Ok(record),
    };
    let record = match record {
        Ok(record) => record,
        Err(check) => return vec![check.tried(tried)],
    };
    let above = if record.at == *domain { String::new() } else { format!(", of {}", record.at) };
    let found = format!("{}{above}", record.text);
    let asked = record.policy.map(|(own, below)| if above.is_empty() { own } else { below });
    let mut checks = vec![Check::right(ID, TITLE, found).tried(tried), policy(&record, asked)];
    checks.push(reports(&record));
    checks.extend(logo(world, domain, asked.filter(|_| !record.is_testing)).await);
    checks
}

fn policy(record: &Published, asked: Option<Policy>) -> Check {
    const ID: &str = "dmarc.policy";
    const TITLE: &str = "DMARC: what is asked for";
    let check = match asked {
        None => Check::wrong(ID, TITLE, "nothing that makes sense")
            .means("A record without `p=none`, `quarantine` or `reject` has no policy.")
            .mend("Write `p=` with one of these behind `v=DMARC1;`."),
        Some(Policy::None) => {
            let blind = if record.reports.is_empty() {
                " Nobody is told of it either, so that the record does nothing at all."
            } else {
                ""
            };
            Check::warning(ID, TITLE, "none: mail that forges the domain is delivered")
                .means(format!("It is meant for the time in which reports are read.{blind}"))
                .mend("When the reports show that all of your own mail is proved, ask for more.")
        }
        Some(asked) if record.is_testing => {
            Check::warning(ID, TITLE, format!("{}, only to try it out (t=y)", asked.as_str()))
                .means("Receivers do less than is asked for.")
                .mend("Take `t=y` out once the reports are good.")
        }
        Some(asked) => Check::right(ID, TITLE, asked.as_str()),
    };
    check.tried("`p`, and `sp` where the record is of a domain above")
}

fn reports(record: &Published) -> Check {
    const ID: &str = "dmarc.reports";
    const TITLE: &str = "DMARC: reports";
    let check = if let Some(address) = record.unwilling.first() {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        Check::wrong(ID, TITLE, format!("{address} takes none for this domain"))
            .means("Another domain has to agree to get them; without that nobody sends them there.")
            .mend(format!(
                "{domain} has to have the TXT record `v=DMARC1` at {}._report._dmarc.{domain}.",
                record.at
            ))
    } else if record.reports.is_empty() {
        Check::right(ID, TITLE, "go nowhere, as is asked for")
    } else {
        Check::right(ID, TITLE, format!("go to {}", record.reports.join(", ")))
    };
    check.tried("`rua`, and whether other domains in it agree")
}

/// The logo that some receivers show, where the domain has one.
async fn logo(world: &World, domain: &str, asked: Option<Policy>) -> Option<Check> {
    const ID: &str = "bimi.record";
    const TITLE: &str = "BIMI";
    let name = format!("default._bimi.{domain}");
    let Answer::Found(texts) = world.resolver.txt(&name).await else { return None };
    let texts: Vec<String> =
        texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let is_bimi =
        |text: &&String| text.to_ascii_lowercase().replace(' ', "").starts_with("v=bimi1");
    let text = texts.iter().find(is_bimi)?;
    let location =
        text.split(';').filter_map(|tag| tag.split_once('=')).find_map(|(tag, value)| {
            tag.trim().eq_ignore_ascii_case("l").then(|| value.trim().to_owned())
        });
    let check = match location.as_deref() {
        Some("") => Check::right(ID, TITLE, "none, and it says so"),
        Some(place) if place.starts_with("https://") => {
            if matches!(asked, Some(Policy::Quarantine | Policy::Reject)) {
                Check::right(ID, TITLE, place)
            } else {
                Check::warning(ID, TITLE, format!("{place}, with DMARC that asks for nothing"))
                    .means("No receiver shows a logo unless DMARC asks for quarantine or reject.")
                    .mend("Ask for more by DMARC first.")
            }
        }
        _ => Check::warning(ID, TITLE, text.clone())
            .means("A logo has to be at an https address, in `l=`; no receiver shows this one.")
            .mend("Put the address of an SVG file into `l=`."),
    };
    Some(check.tried(format!("the TXT record of {name}")))
}
