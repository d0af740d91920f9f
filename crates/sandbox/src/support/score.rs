//! How well a message's HTML works: for current clients, for all, or for those of an audience.
//!
//! A client's score is the share of the features a message uses that it supports, a feature that
//! works in part counting half. What nobody tried is left out. The score of an audience is the mean
//! of its clients' scores, each weighed by its share of readers.

use super::check::Usage;
use super::table::{Client, Support, Tried, table};

/// Clients that are no longer there, and count in no current score.
const GONE: [(&str, &str); 1] = [("outlook", "windows-mail")];

/// Whose clients count.
#[derive(Debug, Clone, PartialEq)]
pub enum Audience {
    /// The newest version of every client, each as much as the other.
    Current,
    /// Every version of every client that was ever tried.
    All,
    /// These shares.
    Shares(Vec<Share>),
}

/// A share of readers.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The family; `*` is any.
    pub family: String,
    /// The platform; `*` is any.
    pub platform: String,
    /// How many readers, in any unit; clients that match share it.
    pub weight: f64,
}

/// Why text is no audience.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// It is not `family.platform=weight`.
    #[error("{0:?} is no share such as gmail.*=60")]
    Form(String),
    /// It is no client.
    #[error("{0:?} matches no client; families are {1}")]
    Client(String, String),
    /// It is no weight.
    #[error("{0:?} is no weight above 0")]
    Weight(String),
}

impl Audience {
    /// Reads `current`, `all`, or shares such as `gmail.*=60,outlook.windows=20`.
    pub fn parse(text: &str) -> Result<Self, AudienceError> {
        match text.trim() {
            "" | "current" => Ok(Self::Current),
            "all" => Ok(Self::All),
            shares => shares.split(',').map(share).collect::<Result<_, _>>().map(Self::Shares),
        }
    }

    /// The weight of each client of the table.
    fn weights(&self) -> Vec<f64> {
        let clients = &table().clients;
        let Self::Shares(shares) = self else {
            return clients.iter().map(|client| f64::from(u8::from(is_current(client)))).collect();
        };
        let mut weights = vec![0.0; clients.len()];
        for share in shares {
            let matching = clients.iter().filter(|client| share.has(client)).count();
            let each = share.weight / f64::from(u32::try_from(matching.max(1)).unwrap_or(1));
            for (weight, client) in weights.iter_mut().zip(clients) {
                if share.has(client) {
                    *weight += each;
                }
            }
        }
        weights
    }
}

impl Share {
    fn has(&self, client: &Client) -> bool {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        fits(&self.family, client.family)
            && fits(&self.platform, client.platform)
            && (self.platform != "*" || is_current(client))
    }
}

fn share(text: &str) -> Result<Share, AudienceError> {
    let form = || AudienceError::Form(text.trim().to_owned());
    let (client, weight) = text.trim().split_once('=').ok_or_else(form)?;
    let client = client.trim();
    let (family, platform) = client.split_once('.').unwrap_or((client, "*"));
    let number = weight.trim().trim_end_matches('%').parse().ok();
    let weight = number
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
        .ok_or_else(|| AudienceError::Weight(weight.trim().to_owned()))?;
    let share = Share { family: family.to_owned(), platform: platform.to_owned(), weight };
    if !table().clients.iter().any(|client| share.has(client)) {
        let mut families: Vec<&str> = table().clients.iter().map(|client| client.family).collect();
        families.dedup();
        return Err(AudienceError::Client(client.to_owned(), families.join(", ")));
    }
    Ok(share)
}

/// Whether people still use a client.
pub fn is_current(client: &Client) -> bool {
    !GONE.contains(&(client.family, client.platform))
}

/// How well a message works.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// 0 to 100 over all clients of the audience.
    pub total: f64,
    /// The share of the audience, 0 to 100, whose clients support all that the message uses.
    pub full: f64,
    /// Each client of the audience, in the order of the table.
    pub clients: Vec<ClientScore>,
}

/// How well a message works in one client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientScore {
    /// Its place in the table.
    pub client: usize,
    /// Its share of the audience.
    pub weight: f64,
    /// 0 to 100.
    pub score: f64,
    /// Features that work, work in part, do not work.
    pub counts: [usize; 3],
}

/// The score of a message that uses these features.
pub fn score(usages: &[Usage], audience: &Audience) -> Score {
    let weights = audience.weights();
    let mut clients = Vec::new();
    for (client, weight) in weights.into_iter().enumerate() {
        if weight > 0.0 || matches!(audience, Audience::All) {
            let all = matches!(audience, Audience::All);
            clients.push(one(usages, client, if all { 1.0 } else { weight }, all));
        }
    }
    let weight: f64 = clients.iter().map(|client| client.weight).sum();
    let mean = |value: &dyn Fn(&ClientScore) -> f64| match weight {
        0.0 => 100.0,
        _ => clients.iter().map(|client| client.weight * value(client)).sum::<f64>() / weight,
    };
    let is_full = |client: &ClientScore| client.counts[1..] == [0, 0];
    let total = mean(&|client| client.score);
    let full = mean(&|client| if is_full(client) { 100.0 } else { 0.0 });
    Score { total: round(total), full: round(full), clients }
}

fn one(usages: &[Usage], client: usize, weight: f64, all: bool) -> ClientScore {
    let mut counts = [0_usize; 3];
    for usage in usages {
        let Some(feature) = usage.feature() else { continue };
        let Some((_, versions)) = feature.tried.iter().find(|(place, _)| *place == client) else {
            continue;
        };
        let from = if all { 0 } else { versions.len().saturating_sub(1) };
        for tried in versions.get(from..).unwrap_or_default() {
            count(&mut counts, tried);
        }
    }
    let [yes, partly, no] = counts.map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    let sum = yes + partly + no;
    let score = if sum == 0.0 { 100.0 } else { 100.0 * (yes + partly / 2.0) / sum };
    ClientScore { client, weight, score: round(score), counts }
}

fn count(counts: &mut [usize; 3], tried: &Tried) {
    let [yes, partly, no] = counts;
    match tried.support {
        Support::Yes => *yes += 1,
        Support::Partly => *partly += 1,
        Support::No => *no += 1,
        Support::Unknown => {}
    }
}

/// To one digit behind the point, so that every form of a report says the same.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::scan;
    use crate::support::check;

    fn of(html: &str, audience: &str) -> Score {
        let page = scan(html);
        score(&check(Some(&page), &[], &[]), &Audience::parse(audience).unwrap())
    }

    #[test]
    fn a_plain_page_works_better_than_a_fancy_one() {
        let plain = of("<p>Hello <b>world</b></p>", "current").total;
        let fancy = of("<style>p{display:grid;gap:1px}p::after{content:''}</style><p>", "current");
        assert!(plain > 95.0, "{plain}");
        assert!(fancy.total < 90.0 && fancy.full < 60.0, "{} {}", fancy.total, fancy.full);
        assert!((of("", "current").total - 100.0).abs() < f64::EPSILON);
    }

    #[test]
    fn an_audience_is_weighed_by_its_shares() {
        let html = "<p style='border-radius:3px'>x</p>";
        let apple = of(html, "apple-mail.*=1").total;
        let outlook = of(html, "outlook.windows=1").total;
        assert!(apple > outlook, "{apple} {outlook}");
        let both = of(html, "apple-mail.*=75,outlook.windows=25").total;
        assert!((both - (apple * 0.75 + outlook * 0.25)).abs() < 0.2, "{both}");
        assert!(of(html, "all").clients.len() > of(html, "current").clients.len());
    }

    #[test]
    fn what_is_no_audience_is_told() {
        for bad in
            ["gmail", "nobody.*=1", "gmail.*=x", "gmail.*=-1", "gmail.windows=5", "gmail.*=0"]
        {
            assert!(Audience::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Audience::parse("current"), Ok(Audience::Current));
    }
}
