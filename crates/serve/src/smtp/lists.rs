//! Lists of addresses in the DNS: who they have, and what follows.
//!
//! All are asked at once, each with its own time; a list that does not answer in it, or answers
//! with an error of its own, has not listed the client. Source: RFC 5782.

use std::net::IpAddr;

use mailwright_config::{DnsList, Door, ListAction};
use mailwright_net::dns::{
    Answer, Resolver,
    list::{ListWord, of_address},
};
use tokio::{task::JoinSet, time::timeout};

use std::sync::Arc;

/// What the lists say of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Standing {
    /// The list that vouches for it.
    pub(super) allowed: Option<String>,
    /// The list for which its mail is refused.
    pub(super) refused: Option<String>,
    /// What its mail is marked with.
    pub(super) marks: Vec<String>,
}

/// Asks every list about a client.
pub(super) async fn judge(dns: &Arc<dyn Resolver>, door: &Door, client: IpAddr) -> Standing {
    let mut asking = JoinSet::new();
    for (place, list) in door.lists.iter().cloned().enumerate() {
        let (dns, name) = (Arc::clone(dns), of_address(client, &list.zone));
        let limit = door.list_timeout;
        asking.spawn(async move {
            let answer = match timeout(limit, dns.addresses(&name)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Temporary("it took too long".to_owned()),
            };
            (place, listed(&list, answer))
        });
    }
    let mut found = vec![None; door.lists.len()];
    while let Some(asked) = asking.join_next().await {
        if let Ok((place, answer)) = asked
            && let Some(slot) = found.get_mut(place)
        {
            *slot = answer;
        }
    }
    standing(door, &found)
}

fn standing(door: &Door, found: &[Option<IpAddr>]) -> Standing {
    let mut standing = Standing::default();
    let mut score = 0_u32;
    for (list, answer) in door.lists.iter().zip(found) {
        let Some(answer) = answer else { continue };
        let mark = || format!("{}={answer}", list.zone);
        match list.action {
            ListAction::Allow => {
                standing.allowed.get_or_insert_with(|| list.zone.clone());
            }
            ListAction::Reject => {
                standing.refused.get_or_insert_with(|| list.zone.clone());
            }
            ListAction::Tag => standing.marks.push(mark()),
            ListAction::Score => {
                score = score.saturating_add(list.score);
                standing.marks.push(mark());
                if score >= door.list_score_max {
                    standing.refused.get_or_insert_with(|| list.zone.clone());
                }
            }
        }
    }
    if standing.allowed.is_some() {
        standing.refused = None;
        standing.marks.clear();
    }
    standing
}

/// The answer that lists the client.
fn listed(list: &DnsList, answer: Answer<Vec<IpAddr>>) -> Option<IpAddr> {
    let zone = list.zone.as_str();
    let codes = match ListWord::of(answer) {
        ListWord::Listed(codes) => codes,
        ListWord::Free => return None,
        ListWord::Silent(why) => {
            tracing::warn!(zone, why, "A list in the DNS does not answer.");
            return None;
        }
        ListWord::Refused(code) => {
            tracing::warn!(zone, %code, "A list in the DNS refuses to answer us.");
            return None;
        }
    };
    let counts = |address: &IpAddr| list.answers.iter().any(|network| network.contains(address));
    codes.into_iter().map(IpAddr::V4).find(counts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mailwright_net::dns::Fake;

    use super::*;

    fn list(zone: &str, action: ListAction, answers: &str, score: u32) -> DnsList {
        let answers = answers.split(' ').map(|one| one.parse().unwrap()).collect();
        DnsList { zone: zone.to_owned(), action, answers, score }
    }

    fn door() -> Door {
        Door {
            lists: vec![
                list("allow.example", ListAction::Allow, "127.0.0.0/8", 0),
                list("bad.example", ListAction::Reject, "127.0.0.2/32 127.0.0.4/30", 0),
                list("tag.example", ListAction::Tag, "127.0.0.0/8", 0),
                list("one.example", ListAction::Score, "127.0.0.0/8", 3),
                list("two.example", ListAction::Score, "127.0.0.0/8", 2),
            ],
            list_timeout: Duration::from_secs(1),
            ..Door::default()
        }
    }

    async fn says(answers: &[(&str, &str)], broken: &[&str]) -> Standing {
        let dns = Fake::new();
        for (zone, answer) in answers {
            dns.add_address(&format!("7.2.0.192.{zone}"), answer.parse().unwrap());
        }
        for zone in broken {
            dns.set_broken(&format!("7.2.0.192.{zone}"), true);
        }
        let dns: Arc<dyn Resolver> = Arc::new(dns);
        judge(&dns, &door(), "192.0.2.7".parse().unwrap()).await
    }

    #[tokio::test]
    async fn lists_refuse_mark_count_and_vouch() {
        assert_eq!(says(&[], &[]).await, Standing::default());
        let standing = says(&[("bad.example", "127.0.0.2")], &[]).await;
        assert_eq!(standing.refused.as_deref(), Some("bad.example"));
        let standing = says(&[("bad.example", "127.0.0.6")], &[]).await;
        assert_eq!(standing.refused.as_deref(), Some("bad.example"));
        let standing =
            says(&[("tag.example", "127.0.0.9"), ("one.example", "127.0.0.2")], &[]).await;
        assert_eq!(standing.marks, ["tag.example=127.0.0.9", "one.example=127.0.0.2"]);
        assert_eq!(standing.refused, None, "3 of 5");
        let scores = [("one.example", "127.0.0.2"), ("two.example", "127.0.0.2")];
        assert_eq!(says(&scores, &[]).await.refused.as_deref(), Some("two.example"));
        let all =
            [scores[0], scores[1], ("bad.example", "127.0.0.2"), ("allow.example", "127.0.1.1")];
        let standing = says(&all, &[]).await;
        assert_eq!((standing.refused, standing.marks), (None, vec![]));
        assert_eq!(standing.allowed.as_deref(), Some("allow.example"));
    }

    #[tokio::test]
    async fn what_is_no_listing_lists_nobody() {
        for answer in ["127.0.0.3", "127.255.255.254", "127.255.255.255", "192.0.2.1"] {
            let standing = says(&[("bad.example", answer)], &[]).await;
            assert_eq!(standing, Standing::default(), "{answer}");
        }
        assert_eq!(says(&[], &["bad.example", "allow.example"]).await, Standing::default());
        let standing = says(&[("tag.example", "127.255.255.252")], &[]).await;
        assert_eq!(standing, Standing::default(), "an error of the list");
    }
}
