//! What strangers may ask for over the web: MTA-STS policies, and answers to an authority.
//!
//! Nothing else is here, so that these ports may be open to all. One request a connection, each
//! with its time; so many connections at once. Source: RFC 8461 section 3.3, RFC 8555 section 8.3.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use mailwright_net::{Stream, acme::Challenges, tls::Acceptor};
use mailwright_words::Domain;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::door::Gate;

/// Connections at once, of each listener.
const CONNECTIONS_MAX: usize = 200;
/// Those of one address, so that none holds all.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 20;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(30);
/// How long to wait when the system has no more sockets for us.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// A text that is looked for.
pub type Text = Pin<Box<dyn Future<Output = Option<String>> + Send>>;
/// The policy of a domain, where it is one of ours and has one.
pub type PolicyOf = Arc<dyn Fn(Domain) -> Text + Send + Sync>;

/// What is shown.
#[derive(Clone)]
pub struct Shown {
    /// Policies.
    pub policy: PolicyOf,
    /// Answers to challenges over HTTP.
    pub challenges: Challenges,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// Serves policies over TLS until `stop` is done.
pub async fn serve_https(
    listener: TcpListener,
    (acceptor, shown): (Arc<Acceptor>, Shown),
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let router = policies(shown);
    let session = move |stream: TcpStream| {
        let (acceptor, router) = (Arc::clone(&acceptor), router.clone());
        async move {
            match timeout(HANDSHAKE, acceptor.accept_web(stream)).await {
                Ok(Ok(Some(stream))) => exchange(stream, router).await,
                Ok(Ok(None)) => tracing::debug!("An authority has seen its challenge."),
                Ok(Err(error)) => tracing::debug!(%error, "HTTPS handshake broke."),
                Err(_) => tracing::debug!("HTTPS handshake took too long."),
            }
        }
    };
    accept(listener, session, stop).await;
}

/// Serves answers to challenges, in the open, until `stop` is done.
pub async fn serve_challenges(
    listener: TcpListener,
    shown: Shown,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let router = challenges(shown);
    accept(listener, move |stream: TcpStream| exchange(stream, router.clone()), stop).await;
}

fn policies(shown: Shown) -> Router {
    Router::new().route("/.well-known/mta-sts.txt", get(policy_page)).with_state(shown)
}

fn challenges(shown: Shown) -> Router {
    let path = "/.well-known/acme-challenge/{token}";
    Router::new().route(path, get(challenge_page)).with_state(shown)
}

async fn policy_page(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let Some(domain) = asked_domain(&headers) else { return missing() };
    plain((shown.policy)(domain).await)
}

async fn challenge_page(State(shown): State<Shown>, Path(token): Path<String>) -> Response {
    plain(shown.challenges.text(&token))
}

fn plain(text: Option<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    text.map_or_else(missing, |text| (kind, text).into_response())
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response()
}

/// The domain whose policy is asked for, by the server's name. Source: RFC 8461 section 3.3.
fn asked_domain(headers: &HeaderMap) -> Option<Domain> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    Domain::parse(name.trim_end_matches('.').strip_prefix("mta-sts.")?).ok()
}

async fn exchange<S: Stream + 'static>(stream: S, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).keep_alive(false);
    let service = TowerToHyperService::new(router);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "HTTP connection ended badly."),
        Err(_) => tracing::debug!("HTTP connection took too long."),
    }
}

async fn accept<F, S>(listener: TcpListener, session: F, stop: impl Future<Output = ()> + Send)
where
    F: Fn(TcpStream) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let (mut sessions, gate) = (JoinSet::new(), Arc::new(Gate::default()));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = sessions.join_next() => log_panic(ended),
            accepted = listener.accept(), if sessions.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = gate.enter(peer.ip(), CONNECTIONS_PER_ADDRESS_MAX) {
                        let session = session(stream);
                        sessions.spawn(async move {
                            session.await;
                            drop(place);
                        });
                    }
                }
                Err(error) => exhausted(&error).await,
            },
        }
    }
    while let Some(ended) = sessions.join_next().await {
        log_panic(ended);
    }
}

async fn exhausted(error: &io::Error) {
    tracing::warn!(%error, "Connection of the web not accepted.");
    timeout(EXHAUSTED_WAIT, std::future::pending::<()>()).await.unwrap_or_default();
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "A connection of the web ended by a panic.");
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    fn shown() -> Shown {
        let policy = |domain: Domain| -> Text {
            let is_ours = domain.as_str() == "ours.example";
            Box::pin(async move { is_ours.then(|| "version: STSv1\n".to_owned()) })
        };
        Shown { policy: Arc::new(policy), challenges: Challenges::default() }
    }

    async fn ask(router: Router, host: &str, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
        (response.status(), kind.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_policy_is_found_by_the_name_of_its_server() {
        let path = "/.well-known/mta-sts.txt";
        for (host, status) in [
            ("mta-sts.ours.example", StatusCode::OK),
            ("MTA-STS.Ours.Example:443", StatusCode::OK),
            ("mta-sts.ours.example.", StatusCode::OK),
            ("mta-sts.theirs.example", StatusCode::NOT_FOUND),
            ("ours.example", StatusCode::NOT_FOUND),
            ("mta-sts.", StatusCode::NOT_FOUND),
            ("mta-sts.a b", StatusCode::NOT_FOUND),
        ] {
            let (found, kind) = ask(policies(shown()), host, path).await;
            assert_eq!(found, status, "{host}");
            assert!(kind.starts_with("text/plain"), "{kind}");
        }
        let (found, _) = ask(policies(shown()), "mta-sts.ours.example", "/.well-known/").await;
        assert_eq!(found, StatusCode::NOT_FOUND, "and nothing else");
    }

    #[tokio::test]
    async fn one_address_does_not_hold_all_places() {
        use tokio::io::AsyncReadExt as _;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve_challenges(listener, shown(), async {
            stopped.await.ok();
        }));
        let mut all = Vec::new();
        for _ in 0..=CONNECTIONS_PER_ADDRESS_MAX {
            all.push(TcpStream::connect(address).await.unwrap());
        }
        let mut last = all.pop().unwrap();
        assert_eq!(last.read(&mut [0]).await.unwrap_or(0), 0, "one more is turned away");
        let waits = timeout(Duration::from_millis(100), all[0].read(&mut [0])).await;
        assert!(waits.is_err(), "the others stay");
        drop(all);
        stop.send(()).unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_challenge_nobody_asked_for_has_no_answer() {
        let path = "/.well-known/acme-challenge/x";
        let (found, _) = ask(challenges(shown()), "ours.example", path).await;
        assert_eq!(found, StatusCode::NOT_FOUND);
        let path = "/.well-known/acme-challenge/..%2f..%2faccount.json";
        let (found, _) = ask(challenges(shown()), "ours.example", path).await;
        assert_eq!(found, StatusCode::NOT_FOUND);
    }
}
