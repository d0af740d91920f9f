//! A command line as a value: every verb and parameter of ESMTP, read once.
//!
//! Whether a command may come now, and whether what it asks for is offered, is the session's
//! question. The null reverse-path, `Postmaster` without a domain and source routes (dropped) are
//! read here; addresses themselves are `words`'s.
//! Source: RFC 5321 section 4.1, and the extensions each parameter names.

mod malformed;
mod parameter;
mod path;
mod xtext;

use mailwright_words::{BodyType, Notify, Ret, ReversePath};

pub use malformed::Malformed;
pub use parameter::{By, Hold};
pub use path::ForwardPath;

/// A command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `EHLO`: the client's name; it knows extensions.
    Ehlo(String),
    /// `HELO`: the client's name; it knows none.
    Helo(String),
    /// `LHLO`: the client's name, of LMTP.
    Lhlo(String),
    /// `MAIL`: a transaction begins.
    Mail(Box<MailFrom>),
    /// `RCPT`: one more recipient.
    Rcpt(Box<RcptTo>),
    /// `DATA`: the message follows, up to a lone dot.
    Data,
    /// `BDAT`: so many octets of the message follow.
    Bdat {
        /// How many.
        size: u64,
        /// Whether the message ends with them.
        last: bool,
    },
    /// `RSET`: the transaction is given up.
    Rset,
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `VRFY`, with its argument.
    Vrfy(String),
    /// `EXPN`.
    Expn,
    /// `HELP`.
    Help,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`.
    Auth {
        /// The mechanism's name, in upper case.
        mechanism: String,
        /// The initial response, decoded; `Some` of nothing when it was `=`.
        initial: Option<Vec<u8>>,
    },
}

/// What `MAIL` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    /// Where failures are reported.
    pub from: ReversePath,
    /// How large the message will be, in octets. Source: RFC 1870.
    pub size: Option<u64>,
    /// What octets the message has. Source: RFC 6152, RFC 3030.
    pub body: BodyType,
    /// Whether addresses and header fields may be UTF-8. Source: RFC 6531.
    pub smtputf8: bool,
    /// How much of the message reports give back. Source: RFC 3461.
    pub ret: Option<Ret>,
    /// The sender's name for this transaction, decoded. Source: RFC 3461.
    pub envid: Option<String>,
    /// Who first submitted the message, as the client says. Source: RFC 4954 section 5.
    pub auth: Option<ReversePath>,
    /// When the message loses its worth. Source: RFC 2852.
    pub deliver_by: Option<By>,
    /// When the message may leave. Source: RFC 4865.
    pub hold: Option<Hold>,
    /// How urgent the message is, from -9 to 9. Source: RFC 6710.
    pub priority: Option<i8>,
    /// Whether the message may go on encrypted alone, to hosts that ask the same. Source: RFC 8689.
    pub require_tls: bool,
}

impl MailFrom {
    /// A transaction from `from` that asks for nothing more.
    pub const fn new(from: ReversePath) -> Self {
        Self {
            from,
            size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            auth: None,
            deliver_by: None,
            hold: None,
            priority: None,
            require_tls: false,
        }
    }
}

/// What `RCPT` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptTo {
    /// Whom it names.
    pub to: ForwardPath,
    /// When the sender wants a report. Source: RFC 3461 section 4.1.
    pub notify: Notify,
    /// The address the sender first gave, decoded, such as `rfc822;ann@example.com`.
    pub orcpt: Option<String>,
}

/// Longest line of `AUTH` and of its dialogue. Source: RFC 4954 section 4.
pub const AUTH_LINE_MAX: usize = 12_288;

/// Longest line of a command that starts with `line`, in octets with its CRLF.
///
/// Source: RFC 5321 section 4.5.3.1.4 gives 512; to `MAIL` add SIZE 26, BODY 17, SMTPUTF8 10,
/// RET and ENVID 116, AUTH 500, BY 17, HOLDUNTIL 34, MT-PRIORITY 15, REQUIRETLS 11; to `RCPT`
/// NOTIFY 29, ORCPT 508.
pub fn line_max(line: &[u8]) -> usize {
    match line.get(..4) {
        Some(verb) if verb.eq_ignore_ascii_case(b"MAIL") => {
            512 + 26 + 17 + 10 + 116 + 500 + 17 + 34 + 15 + 11
        }
        Some(verb) if verb.eq_ignore_ascii_case(b"RCPT") => 512 + 29 + 508,
        Some(verb) if verb.eq_ignore_ascii_case(b"AUTH") => AUTH_LINE_MAX,
        _ => 512,
    }
}

impl Command {
    /// Reads one line, given without its CRLF.
    ///
    /// Errors: what is wrong with it; the reply is [`Malformed::reply`].
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(Malformed::Octet);
        }
        let line = str::from_utf8(line).map_err(|_invalid| Malformed::Encoding)?;
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start_matches(' ');
        if !verb.is_ascii() {
            return Err(Malformed::Verb);
        }
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => name(rest, "EHLO name").map(Self::Ehlo),
            "HELO" => name(rest, "HELO name").map(Self::Helo),
            "LHLO" => name(rest, "LHLO name").map(Self::Lhlo),
            "MAIL" => parameter::mail(rest).map(|mail| Self::Mail(Box::new(mail))),
            "RCPT" => parameter::rcpt(rest).map(|rcpt| Self::Rcpt(Box::new(rcpt))),
            "DATA" => bare(rest, Self::Data, "DATA"),
            "BDAT" => bdat(rest),
            "RSET" => bare(rest, Self::Rset, "RSET"),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => bare(rest, Self::Quit, "QUIT"),
            "VRFY" if rest.is_empty() => Err(Malformed::Argument("VRFY name")),
            "VRFY" => Ok(Self::Vrfy(rest.to_owned())),
            "EXPN" => Ok(Self::Expn),
            "HELP" => Ok(Self::Help),
            "STARTTLS" => bare(rest, Self::StartTls, "STARTTLS"),
            "AUTH" => auth(rest),
            "TURN" | "ETRN" | "ATRN" | "SEND" | "SOML" | "SAML" => Err(Malformed::NotOffered),
            "GET" | "POST" | "PUT" | "CONNECT" | "OPTIONS" => Err(Malformed::Foreign),
            _ => Err(Malformed::Verb),
        }
    }
}

/// `command`, when nothing follows its verb.
fn bare(rest: &str, command: Command, syntax: &'static str) -> Result<Command, Malformed> {
    if rest.is_empty() { Ok(command) } else { Err(Malformed::Argument(syntax)) }
}

/// The name a client gives itself: a domain, loosely, or an address literal.
///
/// The underscore is no letter of a host name, but is too common in what clients say of
/// themselves to refuse it.
fn name(rest: &str, syntax: &'static str) -> Result<String, Malformed> {
    let literal = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    let sound = match literal {
        Some(address) => !address.is_empty() && address.bytes().all(|o| known(o) || o == b':'),
        None => !rest.is_empty() && rest.bytes().all(known),
    };
    if sound && rest.len() <= 255 { Ok(rest.to_owned()) } else { Err(Malformed::Argument(syntax)) }
}

/// Source: RFC 3030 section 2.
fn bdat(rest: &str) -> Result<Command, Malformed> {
    const SYNTAX: Malformed = Malformed::Argument("BDAT size [LAST]");
    let (size, last) = rest.split_once(' ').unwrap_or((rest, ""));
    let last = last.trim_start_matches(' ');
    let last = match last {
        "" => false,
        last if last.eq_ignore_ascii_case("LAST") => true,
        _ => return Err(SYNTAX),
    };
    let size = parameter::decimal(size, 18).ok_or(SYNTAX)?;
    Ok(Command::Bdat { size, last })
}

/// Source: RFC 4954 section 4.
fn auth(rest: &str) -> Result<Command, Malformed> {
    const SYNTAX: Malformed = Malformed::Argument("AUTH mechanism [initial-response]");
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (rest, None),
    };
    let sound = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    if !(1..=20).contains(&mechanism.len()) || !mechanism.bytes().all(sound) {
        return Err(SYNTAX);
    }
    let initial = match initial {
        None => None,
        Some("=") => Some(Vec::new()),
        Some(text) => Some(base64(text.as_bytes())?),
    };
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

/// What `text` says in base64, padded and without anything beside it.
///
/// Errors: [`Malformed::Base64`].
pub fn base64(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_invalid| Malformed::Base64)
}
