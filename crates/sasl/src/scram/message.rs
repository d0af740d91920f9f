//! The messages of SCRAM: text becomes values once. Source: RFC 5802 section 7.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Failure, prepare_name};

/// Longest nonce of a client, in octets.
const NONCE_MAX: usize = 256;

/// What a client says of channel binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flag {
    /// `n`: it knows none.
    Unsupported,
    /// `y`: it knows some, and believes that we offer none.
    NotOffered,
    /// `p=`: it uses the type of this name.
    Used(String),
}

/// `client-first-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    pub(crate) flag: Flag,
    pub(crate) authzid: Option<String>,
    pub(crate) name: String,
    pub(crate) nonce: String,
    /// `gs2-header` as it came: it is part of what the client signs.
    pub(crate) header: String,
    /// `client-first-message-bare` as it came.
    pub(crate) bare: String,
}

impl ClientFirst {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let (flag, rest) = text.split_once(',').ok_or(Failure::Malformed("gs2 header"))?;
        let (authzid, bare) = rest.split_once(',').ok_or(Failure::Malformed("gs2 header"))?;
        let header = text.strip_suffix(bare).ok_or(Failure::Malformed("gs2 header"))?;
        if bare.starts_with("m=") {
            return Err(Failure::Malformed("mandatory extension, unknown to us"));
        }
        let mut fields = bare.split(',');
        let name = field(fields.next(), "n=", "name")?;
        let nonce = field(fields.next(), "r=", "nonce")?;
        fields.try_for_each(extension)?;
        Ok(Self {
            flag: Flag::parse(flag)?,
            authzid: match authzid {
                "" => None,
                text => Some(unescape(field(Some(text), "a=", "authorization name")?)?),
            },
            name: unescape(name)?,
            nonce: printable(nonce)?.to_owned(),
            header: header.to_owned(),
            bare: bare.to_owned(),
        })
    }
}

impl Flag {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "n" => Ok(Self::Unsupported),
            "y" => Ok(Self::NotOffered),
            _ => field(Some(text), "p=", "channel binding flag").map(|n| Self::Used(n.to_owned())),
        }
    }
}

/// `server-first-message`, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFirst {
    pub(crate) nonce: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

impl ServerFirst {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut fields = text.split(',');
        let nonce = field(fields.next(), "r=", "nonce")?;
        let salt = field(fields.next(), "s=", "salt")?;
        let iterations = field(fields.next(), "i=", "iteration count")?;
        fields.try_for_each(extension)?;
        let salt = STANDARD.decode(salt).ok().ok_or(Failure::Malformed("salt"))?;
        if salt.is_empty() {
            return Err(Failure::Malformed("salt"));
        }
        Ok(Self {
            nonce: nonce.to_owned(),
            salt,
            iterations: iterations.parse().ok().ok_or(Failure::Malformed("iteration count"))?,
        })
    }
}

/// `client-final-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFinal {
    pub(crate) binding: Vec<u8>,
    pub(crate) nonce: String,
    pub(crate) proof: Vec<u8>,
    /// The message up to its proof, as it came.
    pub(crate) without_proof: String,
}

impl ClientFinal {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Failure::Malformed("proof"))?;
        let mut fields = without_proof.split(',');
        let binding = field(fields.next(), "c=", "channel binding")?;
        let nonce = field(fields.next(), "r=", "nonce")?;
        fields.try_for_each(extension)?;
        Ok(Self {
            binding: STANDARD.decode(binding).ok().ok_or(Failure::Malformed("channel binding"))?,
            nonce: nonce.to_owned(),
            proof: STANDARD.decode(proof).ok().ok_or(Failure::Malformed("proof"))?,
            without_proof: without_proof.to_owned(),
        })
    }
}

/// Reads `server-final-message` into the server's signature.
pub(crate) fn server_signature(text: &str) -> Result<Vec<u8>, Failure> {
    let first = text.split(',').next();
    if first.is_some_and(|field| field.starts_with("e=")) {
        return Err(Failure::Credentials);
    }
    let signature = field(first, "v=", "server signature")?;
    STANDARD.decode(signature).ok().ok_or(Failure::Malformed("server signature"))
}

/// Writes a name so that commas and equal signs survive.
pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(text: &str) -> Result<String, Failure> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        name.push_str(before);
        let (character, tail) = match (after.strip_prefix("2C"), after.strip_prefix("3D")) {
            (Some(tail), _) => (',', tail),
            (_, Some(tail)) => ('=', tail),
            (None, None) => return Err(Failure::Malformed("escape in a name")),
        };
        name.push(character);
        rest = tail;
    }
    name.push_str(rest);
    prepare_name(&name)?;
    Ok(name)
}

/// The value of a field that has to come here under this key, and not be empty.
fn field<'a>(text: Option<&'a str>, key: &str, what: &'static str) -> Result<&'a str, Failure> {
    text.and_then(|text| text.strip_prefix(key))
        .filter(|value| !value.is_empty())
        .ok_or(Failure::Malformed(what))
}

fn printable(nonce: &str) -> Result<&str, Failure> {
    let fits = nonce.len() <= NONCE_MAX && nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(nonce) } else { Err(Failure::Malformed("nonce")) }
}

/// An optional extension: a letter, an equal sign, something. It is read and ignored.
fn extension(text: &str) -> Result<(), Failure> {
    let mut bytes = text.bytes();
    let key = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if key && bytes.next() == Some(b'=') && bytes.next().is_some() {
        Ok(())
    } else {
        Err(Failure::Malformed("extension"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_is_read_whole() {
        let read = ClientFirst::parse("p=tls-exporter,a=boss,n=a=2Cb=3Dc,r=xyz,e=more").unwrap();
        assert_eq!(read.flag, Flag::Used("tls-exporter".into()));
        assert_eq!(read.authzid.as_deref(), Some("boss"));
        assert_eq!((read.name.as_str(), read.nonce.as_str()), ("a,b=c", "xyz"));
        assert_eq!(read.header, "p=tls-exporter,a=boss,");
        assert_eq!(read.bare, "n=a=2Cb=3Dc,r=xyz,e=more");
    }

    #[test]
    fn each_malformed_field_of_a_first_message_is_named() {
        let long = format!("n,,n=u,r={}", "x".repeat(NONCE_MAX + 1));
        for (text, what) in [
            ("", "gs2 header"),
            ("n", "gs2 header"),
            ("n,", "gs2 header"),
            ("x,,n=u,r=r", "channel binding flag"),
            ("p=,,n=u,r=r", "channel binding flag"),
            ("n,boss,n=u,r=r", "authorization name"),
            ("n,a=,n=u,r=r", "authorization name"),
            ("n,,m=ext,n=u,r=r", "mandatory extension, unknown to us"),
            ("n,,r=r,n=u", "name"),
            ("n,,n=,r=r", "name"),
            ("n,,n=u", "nonce"),
            ("n,,n=u,r=", "nonce"),
            ("n,,n=u,r=a b", "nonce"),
            ("n,,n=u,r=\u{e4}", "nonce"),
            (&long, "nonce"),
            ("n,,n=a=2c,r=r", "escape in a name"),
            ("n,,n=a=,r=r", "escape in a name"),
            ("n,,n=u,r=r,", "extension"),
            ("n,,n=u,r=r,1=x", "extension"),
            ("n,,n=u,r=r,xx", "extension"),
        ] {
            assert_eq!(ClientFirst::parse(text), Err(Failure::Malformed(what)), "{text}");
        }
        assert_eq!(ClientFirst::parse("n,,n=a\tb,r=r"), Err(Failure::Unprepared("name")));
    }

    #[test]
    fn each_malformed_field_of_the_later_messages_is_named() {
        for (text, what) in [
            ("", "proof"),
            ("c=biws,r=r", "proof"),
            ("c=biws,r=r,p=%", "proof"),
            ("c=%,r=r,p=AA==", "channel binding"),
            ("r=r,p=AA==", "channel binding"),
            ("c=biws,p=AA==", "nonce"),
            ("c=biws,r=,p=AA==", "nonce"),
            ("c=biws,r=r,x,p=AA==", "extension"),
        ] {
            assert_eq!(ClientFinal::parse(text), Err(Failure::Malformed(what)), "{text}");
        }
        for (text, what) in [
            ("", "nonce"),
            ("s=AA==,i=1", "nonce"),
            ("r=r,i=1", "salt"),
            ("r=r,s=%,i=1", "salt"),
            ("r=r,s=AA==", "iteration count"),
            ("r=r,s=AA==,i=-1", "iteration count"),
            ("r=r,s=AA==,i=4294967296", "iteration count"),
        ] {
            assert_eq!(ServerFirst::parse(text), Err(Failure::Malformed(what)), "{text}");
        }
        assert_eq!(server_signature("e=other-error"), Err(Failure::Credentials));
        assert_eq!(server_signature("v=%"), Err(Failure::Malformed("server signature")));
        assert_eq!(server_signature("x"), Err(Failure::Malformed("server signature")));
    }
}
