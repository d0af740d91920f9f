//! SPF: whether a client may use a domain as its HELO name or as the reverse-path.
//!
//! Ours rather than the library's, which counts no void lookups, takes the first of two records and
//! brings its own resolver. Every limit of the standard is kept, and the whole ends in time because
//! whoever calls gives it a deadline. Source: RFC 7208.

mod eval;
mod macros;
mod record;
mod survey;

use std::net::IpAddr;

use mailwright_net::dns::Resolver;

use crate::Word;
use eval::Evaluation;

pub use survey::{Flaw, Survey, survey};

/// What is asked: may this client use this domain?
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Where the client is.
    pub ip: IpAddr,
    /// The domain that is checked, as A-labels.
    pub domain: &'a str,
    /// The local part of the sender; `postmaster` where it is empty.
    pub local: &'a str,
    /// How the client named itself.
    pub helo: &'a str,
    /// Our name, for explanations.
    pub host: &'a str,
    /// Seconds since 1970, for explanations.
    pub seconds: i64,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// The result.
    pub word: Word,
    /// The domain that was checked.
    pub domain: String,
    /// Why: the term that matched, or what went wrong.
    pub reason: String,
    /// What the domain says to those who fail.
    pub explanation: Option<String>,
}

impl Spf {
    /// A result without a check.
    pub fn of(word: Word, domain: &str, reason: &str) -> Self {
        Self { word, domain: domain.to_owned(), reason: reason.to_owned(), explanation: None }
    }
}

/// Checks a client. Source: RFC 7208 section 4.
pub async fn check(query: Query<'_>, resolver: &dyn Resolver) -> Spf {
    let query = Query {
        ip: query.ip.to_canonical(),
        local: if query.local.is_empty() { "postmaster" } else { query.local },
        ..query
    };
    let mut evaluation = Evaluation::new(query, resolver);
    let verdict = evaluation.check_host(query.domain.to_owned()).await;
    Spf {
        word: verdict.word,
        domain: query.domain.to_owned(),
        reason: verdict.reason,
        explanation: evaluation.explanation.filter(|_| verdict.word == Word::Fail),
    }
}
