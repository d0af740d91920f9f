//! What a domain says of the encryption of mail to it: MTA-STS, and reports about it.
//!
//! None of it has to be there; what is there has to be right. Source: RFC 8461, RFC 8460.

use std::time::Duration;

use mailwright_net::dns::Answer;

use super::{Announced, Exchange, Policy, Question};
use crate::{Check, world::World};

/// A policy that holds for less is of little use. Source: RFC 8461 section 3.2.
const AGE_MIN: Duration = Duration::from_hours(24);

pub(super) async fn examine(world: &World, question: &Question, hosts: &[Exchange]) -> Vec<Check> {
    let domain = &question.domain;
    let (sts, tlsrpt) = tokio::join!(
        record(world, ("sts.record", "MTA-STS"), format!("_mta-sts.{domain}"), ("STSv1", "id")),
        record(
            world,
            ("tlsrpt.record", "Reports about TLS"),
            format!("_smtp._tls.{domain}"),
            ("TLSRPTv1", "rua")
        )
    );
    let mut checks = vec![sts];
    checks.extend(policy(question, hosts));
    checks.push(tlsrpt);
    checks
}

/// One record of a version, with a tag that it has to have.
async fn record(
    world: &World,
    (id, title): (&'static str, &'static str),
    name: String,
    (version, tag): (&str, &str),
) -> Check {
    let texts = match world.resolver.txt(&name).await {
        Answer::Found(texts) => texts,
        Answer::NoData | Answer::NoSuchDomain => Vec::new(),
        Answer::Temporary(why) => {
            return Check::unknown(id, title, format!("no answer: {why}"))
                .tried(format!("the TXT records of {name}"))
                .means("The resolver here failed, or the domain's name servers.")
                .mend("Try again later.");
        }
    };
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned());
    let start = format!("v={version}");
    let is_ours = |text: &String| {
        let first = text.split(';').next().unwrap_or_default();
        first.split_whitespace().collect::<String>().eq_ignore_ascii_case(&start)
    };
    let texts: Vec<String> = texts.filter(is_ours).collect();
    let has = |text: &str| {
        let mut tags = text.split(';').filter_map(|one| one.split_once('='));
        tags.any(|(name, value)| name.trim() == tag && !value.trim().is_empty())
    };
    let check = match texts.as_slice() {
        [] => Check::right(id, title, "none"),
        [text] if has(text) => Check::right(id, title, text.clone()),
        [text] => Check::wrong(id, title, format!("{text}, without `{tag}=`"))
            .means("Senders go by none of it.")
            .mend(format!("Add `{tag}=` to the record.")),
        more => Check::wrong(id, title, format!("{} records", more.len()))
            .means("Several count as none.")
            .mend("Keep one of them."),
    };
    check.tried(format!("the TXT records of {name}"))
}

fn policy(question: &Question, hosts: &[Exchange]) -> Option<Check> {
    const ID: &str = "sts.policy";
    const TITLE: &str = "MTA-STS policy";
    let check = match &question.policy {
        Announced::Nothing => return None,
        Announced::Policy(policy) => shown(policy, hosts),
        Announced::Trouble(why) => Check::wrong(
            ID,
            TITLE,
            format!("announced, and not to be had: {why}"),
        )
        .means("Senders that know no older one go on as if there were none.")
        .mend(
            "See that the file is at that address, as text, with a certificate for the name \
                 mta-sts.; no redirection is followed.",
        ),
        Announced::Unknown => Check::unknown(ID, TITLE, "whether there is one is not known")
            .means("The DNS gives no answer.")
            .mend("Try again later."),
    };
    let domain = &question.domain;
    Some(check.tried(format!("https://mta-sts.{domain}/.well-known/mta-sts.txt")))
}

fn shown(policy: &Policy, hosts: &[Exchange]) -> Check {
    const ID: &str = "sts.policy";
    const TITLE: &str = "MTA-STS policy";
    let found = format!("its mode is {}", policy.mode);
    let names = hosts.iter().map(|host| host.name.as_str());
    let unlisted: Vec<&str> = names.filter(|name| !(policy.lists)(name)).collect();
    if policy.mode != "none" && !unlisted.is_empty() {
        let found = format!("{found}, and it does not list {}", unlisted.join(", "));
        let (check, means) = if policy.mode == "enforce" {
            let means = "Gmail, Microsoft and others send no mail to a host that it does not list.";
            (Check::wrong(ID, TITLE, found), means)
        } else {
            let means = "Mail goes there all the same, until the mode becomes enforce.";
            (Check::warning(ID, TITLE, found), means)
        };
        return check
            .means(means)
            .mend("Add an `mx:` line for each host, then change `id=` in the record.");
    }
    if policy.mode != "none" && policy.max_age < AGE_MIN {
        let seconds = policy.max_age.as_secs();
        return Check::warning(ID, TITLE, format!("{found}, for {seconds} s only"))
            .means("It protects only those who sent before, and not long ago: weeks are usual.")
            .mend("Raise `max_age`, such as to 1209600, which is two weeks.");
    }
    Check::right(ID, TITLE, found)
}
