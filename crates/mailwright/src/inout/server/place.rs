//! Where another server is, written as a URL.
//!
//! Source: RFC 5092, of which this is the part that names a server, a login and a mailbox.

use std::path::Path;

use crate::Failure;

/// Where another server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `imaps`: the handshake comes first.
    pub(super) implicit_tls: bool,
    /// Its name or address.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// Who logs in.
    pub(super) user: Option<String>,
    /// The only folder that is read.
    pub(super) folder: Option<String>,
}

impl Place {
    /// The server that a source is; `None` when it is a path.
    pub(crate) fn of(source: &Path) -> Option<Result<Self, Failure>> {
        let text = source.to_str()?;
        let (scheme, rest) = text.split_once("://")?;
        let implicit_tls = match scheme.to_ascii_lowercase().as_str() {
            "imaps" => true,
            "imap" => false,
            _ => return None,
        };
        let form =
            "a server is written imaps://USER@HOST, imaps://USER@HOST:PORT/FOLDER or imap://";
        let place = Self::parse(implicit_tls, rest);
        Some(place.ok_or_else(|| Failure::new(format!("{text} is no server: {form}"))))
    }

    fn parse(implicit_tls: bool, rest: &str) -> Option<Self> {
        let (server, folder) = rest.split_once('/').unwrap_or((rest, ""));
        // Whoever writes an address with its own @ means the last one to stand before the host.
        let (user, host) = server.rsplit_once('@').map_or((None, server), |(u, h)| (Some(u), h));
        let (host, port) = match host.strip_prefix('[') {
            Some(literal) => {
                let (address, port) = literal.split_once(']')?;
                (address, if port.is_empty() { port } else { port.strip_prefix(':')? })
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        let usual = if implicit_tls { 993 } else { 143 };
        let port = if port.is_empty() { usual } else { port.parse().ok()? };
        let host = plain(host)?;
        let user = user.map(plain).map_or(Some(None), |user| user.map(Some))?;
        if host.is_empty() || host.contains(char::is_whitespace) || port == 0 {
            return None;
        }
        let folder = Some(plain(folder)?).filter(|folder| !folder.is_empty());
        let user = user.filter(|user| !user.is_empty());
        Some(Self { implicit_tls, host, port, user, folder })
    }
}

/// The text with each `%` and two digits as the octet they say.
fn plain(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        octets.extend_from_slice(before.as_bytes());
        let (digits, tail) = after.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<Place> {
        Place::of(Path::new(text))?.ok()
    }

    #[test]
    fn servers_are_read_with_login_port_and_folder() {
        let some = |text: &str| Some(text.to_owned());
        for (text, want) in [
            ("imaps://h.example", (true, "h.example", 993, None, None)),
            ("IMAP://ann@h.example/", (false, "h.example", 143, some("ann"), None)),
            ("imaps://a%40b.c@h:1993/A%2FB/C", (true, "h", 1993, some("a@b.c"), some("A/B/C"))),
            (
                "imaps://a@b.c@[::1]:99/%5BGmail%5D",
                (true, "::1", 99, some("a@b.c"), some("[Gmail]")),
            ),
            ("imap://[::1]", (false, "::1", 143, None, None)),
        ] {
            let (implicit_tls, host, port, user, folder) = want;
            let host = host.to_owned();
            let want = Place { implicit_tls, host, port, user, folder };
            assert_eq!(place(text), Some(want), "{text}");
        }
        for text in
            ["imaps://", "imaps://h:x", "imaps://h:0", "imaps://h/%zz", "imap://[::1", "imap://a b"]
        {
            assert!(Place::of(Path::new(text)).is_some_and(|place| place.is_err()), "{text}");
        }
        for text in ["mail.mbox", "http://h", "/imaps:/h"] {
            assert!(Place::of(Path::new(text)).is_none(), "{text}");
        }
    }
}
