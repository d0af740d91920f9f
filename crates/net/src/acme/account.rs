//! The account with an authority, made once and kept.

use std::{future::Future, path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{
    Account, AccountCredentials, BodyWrapper, BytesResponse, Error, HttpClient, NewAccount,
};
use tokio::time::timeout;

use crate::{disk, web::Browser};

/// Octets of an answer of the authority.
const ANSWER_MAX: usize = 1 << 20;
/// The file of the account.
const FILE: &str = "account.json";

/// An authority, and who we are to it.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its directory.
    pub directory: String,
    /// Where it may write to.
    pub contact: Vec<String>,
    /// How it is asked.
    pub browser: Browser,
    /// How long one answer of it may take, and a whole order.
    pub patience: (Duration, Duration),
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// What the authority said, or that it could not be asked.
    #[error("the authority: {0}")]
    Authority(#[from] Error),
    /// It looked, and is not convinced.
    #[error("the authority is not convinced: {0}")]
    Refused(String),
    /// It offers no challenge of the kind that we answer.
    #[error("the authority offers no challenge for {0} that is answered here")]
    NoChallenge(String),
    /// A key, a request or a challenge's certificate could not be made.
    #[error("making a key or a request: {0}")]
    Making(#[from] rcgen::Error),
    /// What the authority gave is no certificate for the key.
    #[error("what the authority gave is of no use: {0}")]
    Useless(String),
    /// It takes too long, with all its answers together.
    #[error("the authority has not given a certificate within {} seconds", .0.as_secs())]
    Late(Duration),
    /// A file could not be kept or read.
    #[error("{0}")]
    Disk(#[from] disk::DiskError),
}

impl AcmeError {
    /// Whether the authority does not know our account, so that another one is needed.
    ///
    /// Source: RFC 8555 section 6.7.
    pub(super) fn is_stranger(&self) -> bool {
        let Self::Authority(Error::Api(problem)) = self else { return false };
        let kind = problem.r#type.as_deref().unwrap_or_default();
        kind == "urn:ietf:params:acme:error:accountDoesNotExist"
    }
}

impl Authority {
    /// Our account: that of `folder`, or a new one, which is kept there.
    ///
    /// Errors: [`AcmeError`].
    pub(super) async fn account(&self, folder: &Path) -> Result<Account, AcmeError> {
        let path = folder.join(FILE);
        let http = || Box::new(Http(self.browser.clone(), self.patience.0));
        if let Some((directory, credentials)) = kept(&path)
            && directory == self.directory
        {
            let builder = Account::builder_with_http(http());
            return Ok(builder.from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self.contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(http());
        let (account, credentials) = builder.create(&new, self.directory.clone(), None).await?;
        let text = serde_json::json!({"directory": self.directory, "account": credentials});
        disk::keep(&path, 0o600, text.to_string().as_bytes())?;
        Ok(account)
    }
}

/// Gives the account up that is kept, so that the next order makes another one.
///
/// Errors: the file cannot be removed.
pub(super) fn forget(folder: &Path) -> Result<(), AcmeError> {
    let path = folder.join(FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(disk::DiskError { path, error }.into())
        }
        _ => Ok(()),
    }
}

/// The account of the file, and whose authority it is with. What makes no sense is as if there were
/// none: another account costs nothing.
fn kept(path: &Path) -> Option<(String, AccountCredentials)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut value: serde_json::Value = serde_json::from_str(&text).ok()?;
    let directory = value.get("directory")?.as_str()?.to_owned();
    let credentials = serde_json::from_value(value.get_mut("account")?.take()).ok()?;
    Some((directory, credentials))
}

/// The authority is asked over our own DNS and TLS.
struct Http(Browser, Duration);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let Self(browser, patience) = self;
        let (browser, patience) = (browser.clone(), *patience);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|error| Error::Other(Box::new(error)))?;
            let request = Request::from_parts(parts, body.to_bytes());
            let sent = timeout(patience, browser.send(request, ANSWER_MAX));
            let sent = sent.await.map_err(|late| Error::Other(Box::new(late)))?;
            let response = sent.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(Response::map(response, Full::new)))
        })
    }
}
