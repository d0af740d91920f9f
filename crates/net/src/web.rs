//! A client of the web: one request on one connection, of bounded size.
//!
//! Certificates are always looked at. It follows no redirect and keeps no cookie; how long an
//! exchange may take is its caller's to say. Source: RFC 9110, RFC 9112.

use std::{
    error::Error as _,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::{
    connect,
    dns::{Answer, Resolver},
    tls::{Client, Trust},
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Asks servers of the web. Cheap to clone.
#[derive(Clone)]
pub struct Browser {
    resolver: Arc<dyn Resolver>,
    client: Client,
    sources: Vec<IpAddr>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is not one of `https`.
    #[error("{0} is no https address")]
    Address(Uri),
    /// The server was not found.
    #[error("{host} was not found: {why}")]
    Name {
        /// The server.
        host: String,
        /// What the DNS said.
        why: String,
    },
    /// No connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The server is not believed, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The answer is larger than was allowed.
    #[error("the answer is over {0} octets")]
    TooLarge(usize),
    /// What the server says is no HTTP, or the connection broke.
    #[error("HTTP: {0}")]
    Broken(String),
}

impl Browser {
    /// Finds servers through `resolver`, believes whom `client` believes, and connects from
    /// `sources`.
    pub fn new(resolver: Arc<dyn Resolver>, client: Client, sources: Vec<IpAddr>) -> Self {
        Self { resolver, client, sources }
    }

    /// Sends `request` and reads its answer, of at most `size_max` octets.
    ///
    /// Errors: [`HttpError`]. A status that says no is an answer.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        size_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().clone();
        let secure = uri.scheme_str() == Some("https");
        let Some(authority) = uri.authority().filter(|_| secure).cloned() else {
            return Err(HttpError::Address(uri));
        };
        let port = authority.port_u16().unwrap_or(443);
        let addresses = self.addresses(authority.host(), port).await?;
        let (stream, _) = connect::dial(&addresses, &self.sources, CONNECT_TIMEOUT)
            .await
            .map_err(HttpError::Connect)?;
        let (stream, _) = self
            .client
            .connect(stream, authority.host(), &Trust::Verified)
            .await
            .map_err(HttpError::Tls)?;
        let request = origin_form(request, authority.as_str())?;
        exchange(TokioIo::new(stream), request, size_max).await
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let bare = host.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let why = match self.resolver.addresses(bare).await {
            Answer::Found(found) => {
                return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
            }
            Answer::NoSuchDomain => "there is no such name".to_owned(),
            Answer::NoData => "it has no address".to_owned(),
            Answer::Temporary(why) => why,
        };
        Err(HttpError::Name { host: host.to_owned(), why })
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// The request as a server wants it: only a path, and a field with the server's name.
fn origin_form(
    request: Request<Bytes>,
    authority: &str,
) -> Result<Request<Full<Bytes>>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let broken = |error: &dyn fmt::Display| HttpError::Broken(error.to_string());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().map_err(|error: http::uri::InvalidUri| broken(&error))?;
    let host = HeaderValue::from_str(authority).map_err(|error| broken(&error))?;
    parts.headers.insert(HOST, host);
    Ok(Request::from_parts(parts, Full::new(body)))
}

async fn exchange<S>(
    stream: TokioIo<S>,
    request: Request<Full<Bytes>>,
    size_max: usize,
) -> Result<Response<Bytes>, HttpError>
where
    S: crate::Stream + 'static,
{
    let broken = |error: hyper::Error| HttpError::Broken(error.to_string());
    let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
    let asking = async move {
        let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, size_max).collect().await.map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                HttpError::TooLarge(size_max)
            } else {
                HttpError::Broken(error.to_string())
            }
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    // The connection ends by itself once nobody asks any more.
    let (answer, ended) = tokio::join!(asking, connection);
    if let Err(error) = ended {
        tracing::trace!(source = ?error.source(), %error, "HTTP connection ended badly.");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_path_and_the_name_of_its_server() {
        let request = Request::get("https://x.example:14000/a/b?c=d").body(Bytes::new()).unwrap();
        let request = origin_form(request, "x.example:14000").unwrap();
        assert_eq!(request.uri(), "/a/b?c=d");
        assert_eq!(request.headers()[HOST], "x.example:14000");
        let request = Request::get("https://x.example").body(Bytes::new()).unwrap();
        assert_eq!(origin_form(request, "x.example").unwrap().uri(), "/");
    }

    async fn answered(
        answer: &'static [u8],
        size_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let mut bytes = [0; 1024];
            let read = theirs.read(&mut bytes).await.unwrap();
            theirs.write_all(answer).await.unwrap();
            theirs.shutdown().await.unwrap();
            String::from_utf8(bytes[..read].to_vec()).unwrap()
        });
        let request = Request::get("https://x.example/p").body(Bytes::new()).unwrap();
        let request = origin_form(request, "x.example").unwrap();
        let response = exchange(TokioIo::new(ours), request, size_max).await;
        assert!(server.await.unwrap().starts_with("GET /p HTTP/1.1\r\nhost: x.example\r\n"));
        response
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_or_not_at_all() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(answered(ok, 5).await.unwrap().body(), "hello");
        assert!(matches!(answered(ok, 4).await, Err(HttpError::TooLarge(4))));
        let open = b"HTTP/1.1 200 OK\r\n\r\nhello";
        assert_eq!(answered(open, 100).await.unwrap().body(), "hello");
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
        assert!(matches!(answered(cut, 100).await, Err(HttpError::Broken(_))));
        let moved =
            b"HTTP/1.1 301 Moved\r\nlocation: https://y.example/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answered(moved, 100).await.unwrap().status(), 301, "it is not followed");
        assert!(answered(b"220 mx.example ESMTP\r\n", 100).await.is_err());
    }
}
