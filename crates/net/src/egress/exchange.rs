//! One question and its answer on one connection, of bounded size.
//!
//! Source: RFC 9110, RFC 9112.

use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, Request, StatusCode, header::CONTENT_ENCODING};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::Builder};
use hyper_util::rt::TokioIo;

use super::EgressError;

/// Octets that are read ahead.
const BUFFER_MAX: usize = 128 << 10;
/// Octets of an answer's header.
const HEADER_MAX: usize = 64 << 10;
/// Fields of it.
const FIELDS_MAX: usize = 100;

/// An answer as it came.
pub(super) struct Raw {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Asks; the body is read up to `size_max`, or not at all.
///
/// Errors: [`EgressError::Http`], [`EgressError::TooLarge`].
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    size_max: Option<usize>,
) -> Result<Raw, EgressError>
where
    S: crate::Stream + 'static,
{
    let broken = |error: hyper::Error| EgressError::Http(error.to_string());
    let (mut sender, connection) = Builder::new()
        .max_buf_size(BUFFER_MAX)
        .max_header_size(HEADER_MAX)
        .max_headers(FIELDS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut asking = std::pin::pin!(async move {
        let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let body = match size_max {
            Some(most) if status.is_success() => read(body, &headers, most).await?,
            _ => Bytes::new(),
        };
        Ok(Raw { status, headers, body })
    });
    // The connection moves while somebody asks, and goes with the answer: nothing is drained.
    let mut connection = std::pin::pin!(connection);
    let mut is_over = false;
    loop {
        tokio::select! {
            answer = &mut asking => return answer,
            ended = &mut connection, if !is_over => {
                is_over = true;
                if let Err(error) = ended {
                    tracing::trace!(%error, "Web connection ended badly.");
                }
            }
        }
    }
}

async fn read(mut body: Incoming, headers: &HeaderMap, most: usize) -> Result<Bytes, EgressError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| EgressError::Http(error.to_string()))?;
        let Some(octets) = frame.data_ref() else { continue };
        if whole.len().saturating_add(octets.len()) > most {
            return Err(EgressError::TooLarge(most));
        }
        whole.extend_from_slice(octets);
    }
    unpack(whole.freeze(), headers, most)
}

/// The body without its packing, which is never more than `most` octets.
fn unpack(body: Bytes, headers: &HeaderMap, most: usize) -> Result<Bytes, EgressError> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, second) = (codings.next(), codings.next());
    let Some(coding) = first else { return Ok(body) };
    let coding = coding.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    let read = match coding.as_str() {
        "identity" if second.is_none() => return Ok(body),
        "gzip" | "x-gzip" if second.is_none() => {
            MultiGzDecoder::new(&*body).take(limit).read_to_end(&mut plain)
        }
        "deflate" if second.is_none() => {
            ZlibDecoder::new(&*body).take(limit).read_to_end(&mut plain)
        }
        _ => return Err(EgressError::Http("it is packed in a way that was not asked for".into())),
    };
    read.map_err(|error| EgressError::Http(format!("it cannot be unpacked: {error}")))?;
    if plain.len() > most { Err(EgressError::TooLarge(most)) } else { Ok(plain.into()) }
}
