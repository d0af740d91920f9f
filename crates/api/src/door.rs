//! The accept loop of the HTTP door, and what a client may take of it.
//!
//! Connections are counted, in all and by address. A client that sends its header or its body drop
//! by drop, asks for nothing, or takes nothing of what it is sent, loses its connection. Whoever is
//! turned away is told so where that costs nothing.

mod gate;
mod paced;
#[cfg(test)]
mod tests;

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mailwright_config::{Config, Http, Live};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt as _;

pub(crate) use self::gate::{Gate, Place};
use self::paced::{Paced, TimedBody};

/// How long to wait when the system has no more sockets for us.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);
/// What a client is told that may not come in.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    Retry-After: 1\r\nConnection: close\r\nContent-Length: 31\r\n\r\n\
    too many connections from here\n";

/// Tells those who answer a request for as long as they like that the server ends.
#[derive(Debug, Clone)]
pub(crate) struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Waits until it does.
    pub(crate) async fn comes(&mut self) {
        ended(&mut self.0).await;
    }

    /// Whether it does.
    pub(crate) fn has_come(&self) -> bool {
        *self.0.borrow()
    }
}

/// Serves `router` until `stop` is done, then lets running requests finish, for so long as
/// `timeouts.shutdown` says.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: Live<Config>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let (gate, mut connections) = (Arc::new(Gate::default()), JoinSet::new());
    let (ending, ends) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let limits = config.now().http.clone();
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = listener.accept(), if connections.len() < limits.connections_max => {
                match accepted {
                    Ok((stream, peer)) => {
                        let place = gate.enter(peer.ip(), limits.connections_per_address_max);
                        let Some(place) = place else { turn_away(&stream, peer); continue };
                        let client = Client { peer, limits, ends: ends.clone(), _place: place };
                        connections.spawn(client.serve(stream, router.clone()));
                    }
                    Err(error) => exhausted(&error).await,
                }
            }
        }
    }
    ending.send_replace(true);
    // Who comes now is told at once that nobody is there.
    drop(listener);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    if timeout(config.now().timeouts.shutdown, all).await.is_err() {
        tracing::info!(connections = connections.len(), "HTTP connections cut off at the end.");
        connections.shutdown().await;
    }
}

/// A client with its connection.
struct Client {
    peer: SocketAddr,
    limits: Http,
    ends: watch::Receiver<bool>,
    _place: Place,
}

impl Client {
    async fn serve(mut self, stream: TcpStream, router: Router) {
        // What is written is small or whole; waiting for more helps nobody.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A socket does not send at once.");
        }
        let (peer, body_time) = (self.peer, self.limits.body_time_max);
        let ending = Ending(self.ends.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, ending) = (router.clone(), ending.clone());
            async move {
                let mut request = request.map(|body| Body::new(TimedBody::new(body, body_time)));
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(ending);
                router.oneshot(request).await
            }
        });
        let size_max = usize::try_from(self.limits.header_size_max).unwrap_or(usize::MAX);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_time_max)
            .max_buf_size(size_max)
            .max_headers(self.limits.headers_max);
        let stream = TokioIo::new(Paced::new(stream, self.limits.write_time_max));
        let mut served = pin!(builder.serve_connection(stream, service).with_upgrades());
        let outcome = tokio::select! {
            outcome = &mut served => outcome,
            () = ended(&mut self.ends) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "HTTP connection ended badly.");
        }
    }
}

/// Waits until the server ends.
async fn ended(ends: &mut watch::Receiver<bool>) {
    ends.wait_for(|ends| *ends).await.map(drop).unwrap_or_default();
}

/// Says why, if that can be done without waiting, and hangs up.
fn turn_away(stream: &TcpStream, peer: SocketAddr) {
    let told = stream.try_write(TURNED_AWAY);
    tracing::debug!(%peer, told = told.is_ok(), "HTTP connection turned away.");
}

async fn exhausted(error: &io::Error) {
    tracing::warn!(%error, "HTTP connection not accepted.");
    timeout(EXHAUSTED_WAIT, std::future::pending::<()>()).await.unwrap_or_default();
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "An HTTP connection ended by a panic.");
    }
}
