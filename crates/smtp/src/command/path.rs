//! The paths of `MAIL` and `RCPT`: what stands between `<` and `>`.
//!
//! Source routes are read and dropped. Source: RFC 5321 sections 4.1.1.2, 4.1.1.3, appendix C.

use mailwright_words::{Address, ReversePath};

use super::Malformed;

/// Whom a `RCPT` names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>`, which every server takes without a domain. Source: RFC 5321 section 4.5.1.
    Postmaster,
    /// An address.
    Recipient(Address),
}

/// Longest path, with its `<` and `>`. Source: RFC 5321 section 4.5.3.1.3, and room for a source
/// route, which it does not limit.
const PATH_MAX: usize = 1000;

/// The text between `<` and `>` after `keyword`, and the parameters behind it.
///
/// Spaces after the colon are no syntax of SMTP, but many devices write them.
pub(super) fn split<'a>(
    text: &'a str,
    keyword: &str,
    syntax: &'static str,
) -> Result<(&'a str, &'a str), Malformed> {
    let path = text
        .split_at_checked(keyword.len())
        .filter(|(head, _)| head.eq_ignore_ascii_case(keyword))
        .and_then(|(_, tail)| tail.trim_start_matches(' ').strip_prefix('<'))
        .ok_or(Malformed::Argument(syntax))?;
    let (path, rest) = closing(path)
        .and_then(|end| path.split_at_checked(end))
        .ok_or(Malformed::Argument(syntax))?;
    match rest.strip_prefix('>') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => Ok((path, rest)),
        _ => Err(Malformed::Argument(syntax)),
    }
}

/// Where the `>` is that no quotes hold.
fn closing(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    path.bytes().position(|octet| {
        let found = octet == b'>' && !quoted;
        (quoted, escaped) = match octet {
            _ if escaped => (quoted, false),
            b'\\' => (quoted, quoted),
            b'"' => (!quoted, false),
            _ => (quoted, false),
        };
        found
    })
}

/// Reads the path of `MAIL`.
pub(super) fn reverse(path: &str) -> Result<ReversePath, Malformed> {
    if path.is_empty() {
        return Ok(ReversePath::Null);
    }
    address(path).map(ReversePath::Sender).ok_or(Malformed::Sender)
}

/// Reads the path of `RCPT`.
pub(super) fn forward(path: &str) -> Result<ForwardPath, Malformed> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    address(path).map(ForwardPath::Recipient).ok_or(Malformed::Recipient)
}

fn address(path: &str) -> Option<Address> {
    if path.len() > PATH_MAX {
        return None;
    }
    let mailbox = match path.strip_prefix('@') {
        Some(route) => {
            let (route, mailbox) = route.split_once(':')?;
            route_is_sound(route).then_some(mailbox)?
        }
        None => path,
    };
    Address::parse(mailbox).ok()
}

/// Whether `route`, without its first `@`, is `domain,@domain...`.
fn route_is_sound(route: &str) -> bool {
    route.split(',').enumerate().all(|(index, hop)| {
        let domain = if index == 0 { Some(hop) } else { hop.strip_prefix('@') };
        domain.is_some_and(|domain| {
            let octets = |o: u8| o.is_ascii_alphanumeric() || b".-_".contains(&o) || o >= 0x80;
            !domain.is_empty() && domain.bytes().all(octets)
        })
    })
}
