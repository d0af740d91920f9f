//! Whether links work: each target is asked for, redirects are followed, nothing is clicked.
//!
//! What asks is behind a trait, and decides what may be dialled: `net::egress`. A `HEAD`
//! comes first, and a `GET`
//! where a server does not like it. Links that unsubscribe are never asked for: there are servers
//! that take a visit for a click.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use http::Method as HttpMethod;
use mailwright_net::egress::{Ask, Egress, EgressError};

use super::extract::Link;
use super::url::Url;

/// What a fetcher's method gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a target is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// What it would say, without its body.
    Head,
    /// The target itself; the body is not kept.
    Get,
}

impl Method {
    const fn of_http(self) -> HttpMethod {
        match self {
            Self::Head => HttpMethod::HEAD,
            Self::Get => HttpMethod::GET,
        }
    }
}

/// What a server said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where redirects led; the last one answered.
    pub redirects: Vec<String>,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct FetchError {
    /// The kind of failure.
    pub kind: FetchErrorKind,
    /// What happened.
    pub text: String,
    /// Where redirects led before.
    pub redirects: Vec<String>,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchErrorKind {
    /// We may not ask there.
    Forbidden,
    /// The certificate is not good.
    Certificate,
    /// There is no such name, nobody answers, or not in time.
    Unreachable,
}

/// Asks web servers.
pub trait Fetch: Sync {
    /// Asks, and follows redirects.
    fn fetch<'a>(&'a self, method: Method, url: &'a str) -> Later<'a, Result<Answer, FetchError>>;
}

impl Fetch for Egress {
    fn fetch<'a>(&'a self, method: Method, url: &'a str) -> Later<'a, Result<Answer, FetchError>> {
        Box::pin(asked(self, Ask::new(method.of_http(), url)))
    }
}

/// Asks as the guarded client does, and takes a redirect for the answer.
#[derive(Debug, Clone, Copy)]
pub struct Unled<'e>(pub &'e Egress);

impl Fetch for Unled<'_> {
    fn fetch<'a>(&'a self, method: Method, url: &'a str) -> Later<'a, Result<Answer, FetchError>> {
        let ask = Ask { redirects_max: 0, ..Ask::new(method.of_http(), url) };
        Box::pin(asked(self.0, ask))
    }
}

async fn asked(egress: &Egress, ask: Ask) -> Result<Answer, FetchError> {
    match egress.ask(ask).await {
        Ok(answered) => Ok(Answer {
            status: answered.status.as_u16(),
            redirects: answered.hops.into_iter().map(|hop| hop.url).collect(),
        }),
        Err(unanswered) => Err(FetchError {
            kind: match &unanswered.error {
                error if error.is_forbidden() => FetchErrorKind::Forbidden,
                EgressError::Certificate { .. } => FetchErrorKind::Certificate,
                _ => FetchErrorKind::Unreachable,
            },
            text: unanswered.error.to_string(),
            redirects: unanswered.hops.into_iter().map(|hop| hop.url).collect(),
        }),
    }
}

/// What came of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Works,
    /// It does not: the server says so, or nobody answers.
    Broken,
    /// Its certificate is not good.
    Certificate,
    /// The server does not tell a program.
    Refused,
    /// It leads to where we may not ask.
    Forbidden,
    /// It was not asked for, so as not to unsubscribe anybody.
    Unsubscribes,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Broken => "broken",
            Self::Certificate => "certificate",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::Unsubscribes => "not asked",
        }
    }

    /// Whether the link does not work for a reader.
    pub const fn is_broken(self) -> bool {
        matches!(self, Self::Broken | Self::Certificate)
    }
}

/// The status of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// The target.
    pub url: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The last status that a server gave.
    pub status: Option<u16>,
    /// Where redirects led, the last one being what answered.
    pub redirects: Vec<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// The status of one target.
pub async fn status(fetch: &dyn Fetch, url: &str) -> LinkStatus {
    let answer = match fetch.fetch(Method::Head, url).await {
        Ok(answer) if answer.status < 400 => Ok(answer),
        Err(error) if error.kind != FetchErrorKind::Unreachable => Err(error),
        // Some refuse it with any status, some just hang up.
        Ok(_) | Err(_) => fetch.fetch(Method::Get, url).await,
    };
    let url = url.to_owned();
    let (verdict, status, redirects, error) = match answer {
        Ok(Answer { status, redirects }) => {
            let verdict = judge(status);
            let error = (verdict != Verdict::Works).then(|| format!("the server says {status}"));
            (verdict, Some(status), redirects, error)
        }
        Err(FetchError { kind, text, redirects }) => {
            let verdict = match kind {
                FetchErrorKind::Forbidden => Verdict::Forbidden,
                FetchErrorKind::Certificate => Verdict::Certificate,
                FetchErrorKind::Unreachable => Verdict::Broken,
            };
            (verdict, None, redirects, Some(text))
        }
    };
    LinkStatus { url, verdict, status, redirects, error }
}

/// What a status says of a link. Many keep programs out of what people may see.
const fn judge(status: u16) -> Verdict {
    match status {
        200..=299 | 304 => Verdict::Works,
        401..=403 | 405 | 407 | 429 | 451 | 503 | 999 => Verdict::Refused,
        _ => Verdict::Broken,
    }
}

/// The status of each target that `links` lead to over the web: at most `most`, and `at_once`
/// asked at a time.
///
/// `unsubscribes` are the targets of `List-Unsubscribe`.
pub async fn statuses(
    fetch: &dyn Fetch,
    links: &[Link],
    unsubscribes: &[String],
    (most, at_once): (usize, usize),
) -> Vec<LinkStatus> {
    let mut all: Vec<LinkStatus> = Vec::new();
    let mut places = Vec::new();
    for link in links {
        let is_web = Url::parse(&link.url).is_some_and(|url| url.is_web());
        if !is_web || all.iter().any(|known| known.url == link.url) {
            continue;
        }
        if all.len() >= most {
            break;
        }
        if !is_unsubscribe(link, unsubscribes) {
            places.push((all.len(), link.url.clone()));
        }
        all.push(LinkStatus {
            url: link.url.clone(),
            verdict: Verdict::Unsubscribes,
            status: None,
            redirects: Vec::new(),
            error: None,
        });
    }
    let mut waiting = places.into_iter();
    let mut running: Vec<(usize, Later<'_, LinkStatus>)> = Vec::new();
    loop {
        while running.len() < at_once.max(1)
            && let Some((place, url)) = waiting.next()
        {
            running.push((place, Box::pin(async move { status(fetch, &url).await })));
        }
        if running.is_empty() {
            return all;
        }
        let (place, status) = first(&mut running).await;
        if let Some(slot) = all.get_mut(place) {
            *slot = status;
        }
    }
}

/// Waits for whichever ends first, and takes it out.
async fn first(running: &mut Vec<(usize, Later<'_, LinkStatus>)>) -> (usize, LinkStatus) {
    poll_fn(|context| {
        let mut ended = None;
        for (index, (place, future)) in running.iter_mut().enumerate() {
            if let Poll::Ready(status) = future.as_mut().poll(context) {
                ended = Some((index, *place, status));
                break;
            }
        }
        let Some((index, place, status)) = ended else { return Poll::Pending };
        drop(running.swap_remove(index));
        Poll::Ready((place, status))
    })
    .await
}

/// Whether a visit to a link might take the reader off a list.
fn is_unsubscribe(link: &Link, unsubscribes: &[String]) -> bool {
    let words = ["unsubscribe", "optout", "opt-out", "opt_out", "unsub", "abmelden", "desabonn"];
    let is_named = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    unsubscribes.contains(&link.url) || is_named(&link.url) || is_named(&link.text)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    use super::*;
    use crate::links::Source;

    /// Servers that answer by their path.
    #[derive(Default)]
    struct Servers {
        asked: Mutex<Vec<String>>,
    }

    impl Fetch for Servers {
        fn fetch<'a>(
            &'a self,
            method: Method,
            url: &'a str,
        ) -> Later<'a, Result<Answer, FetchError>> {
            self.asked.lock().unwrap().push(format!("{method:?} {url}"));
            let path = Url::parse(url).unwrap().rest.to_owned();
            let to = |status, hops: usize| {
                Ok(Answer { status, redirects: vec!["https://h/x".to_owned(); hops] })
            };
            let fail =
                |kind| Err(FetchError { kind, text: "no".to_owned(), redirects: Vec::new() });
            let answer = match (path.as_str(), method) {
                ("/gone", _) => to(404, 0),
                ("/no-head", Method::Head) => to(405, 0),
                ("/robots", _) => to(403, 0),
                ("/moved", _) => to(200, 1),
                ("/moved-gone", _) => to(410, 2),
                ("/", _) => fail(FetchErrorKind::Forbidden),
                ("/expired", _) => fail(FetchErrorKind::Certificate),
                ("/hangs-up", Method::Head) | ("/down", _) => fail(FetchErrorKind::Unreachable),
                _ => to(200, 0),
            };
            Box::pin(std::future::ready(answer))
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(value) = polled {
                return value;
            }
        }
    }

    #[test]
    fn a_link_is_what_its_last_answer_says() {
        let servers = Servers::default();
        for (path, verdict, hops) in [
            ("/a", Verdict::Works, 0),
            ("/gone", Verdict::Broken, 0),
            ("/no-head", Verdict::Works, 0),
            ("/hangs-up", Verdict::Works, 0),
            ("/robots", Verdict::Refused, 0),
            ("/moved", Verdict::Works, 1),
            ("/moved-gone", Verdict::Broken, 2),
            ("/", Verdict::Forbidden, 0),
            ("/expired", Verdict::Certificate, 0),
            ("/down", Verdict::Broken, 0),
        ] {
            let status = wait(status(&servers, &format!("https://h{path}")));
            assert_eq!((status.verdict, status.redirects.len()), (verdict, hops), "{path}");
            assert_eq!(status.error.is_none(), verdict == Verdict::Works, "{path}");
        }
    }

    #[test]
    fn targets_are_asked_once_and_nobody_is_unsubscribed() {
        let servers = Servers::default();
        let link = |url: &str, text: &str| Link {
            url: url.to_owned(),
            source: Source::Anchor,
            at: 0,
            text: text.to_owned(),
            has_image: false,
        };
        let links = [
            link("https://h/a", ""),
            link("https://h/a", "again"),
            link("mailto:a@b", ""),
            link("https://h/leave?u=1", "Unsubscribe"),
            link("https://h/one-click", ""),
            link("https://h/gone", ""),
        ];
        let leave = ["https://h/one-click".to_owned()];
        let all = wait(statuses(&servers, &links, &leave, (9, 2)));
        let seen: Vec<(&str, Verdict)> =
            all.iter().map(|status| (status.url.as_str(), status.verdict)).collect();
        assert_eq!(
            seen,
            [
                ("https://h/a", Verdict::Works),
                ("https://h/leave?u=1", Verdict::Unsubscribes),
                ("https://h/one-click", Verdict::Unsubscribes),
                ("https://h/gone", Verdict::Broken),
            ]
        );
        let asked = servers.asked.lock().unwrap().join(" ");
        assert_eq!(asked, "Head https://h/a Head https://h/gone Get https://h/gone");
    }
}
