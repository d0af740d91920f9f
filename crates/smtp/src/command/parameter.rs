//! The parameters of `MAIL` and `RCPT`.
//!
//! Each comes once at most, and each value is checked here, so that what goes on is sound.
//! Source: RFC 5321 section 4.1.2 (form), and the extension named at each.

use std::time::Duration;

use mailwright_words::Timestamp;
use mailwright_words::{BodyType, ByMode, Notify, Ret, ReversePath};

use super::{MailFrom, Malformed, RcptTo, path, xtext};

/// The time by which a message is to be delivered. Source: RFC 2852 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// Seconds from now; with [`ByMode::Notify`] it may have passed.
    pub seconds: i64,
    /// What follows when it has passed.
    pub mode: ByMode,
    /// Whether each relay reports.
    pub trace: bool,
}

/// How long a message is to be held. Source: RFC 4865 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// `HOLDFOR`: so long from now.
    For(Duration),
    /// `HOLDUNTIL`: until then.
    Until(Timestamp),
}

/// One `KEYWORD` or `KEYWORD=value`.
struct Parameter<'a> {
    /// In upper case.
    keyword: String,
    value: Option<&'a str>,
}

impl<'a> Parameter<'a> {
    /// Reads the parameters behind a path.
    fn all(text: &'a str, syntax: &'static str) -> impl Iterator<Item = Result<Self, Malformed>> {
        text.split(' ').filter(|word| !word.is_empty()).map(move |word| {
            let (keyword, value) = match word.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (word, None),
            };
            let sound = keyword.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-');
            if !sound || !(1..=32).contains(&keyword.len()) || keyword.starts_with('-') {
                return Err(Malformed::Argument(syntax));
            }
            Ok(Self { keyword: keyword.to_ascii_uppercase(), value })
        })
    }
}

/// Puts what `read` makes of a value into `slot`, which must be empty.
fn once<T>(
    slot: &mut Option<T>,
    name: &'static str,
    value: Option<&str>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), Malformed> {
    if slot.is_some() {
        return Err(Malformed::Twice(name));
    }
    *slot = Some(value.and_then(read).ok_or(Malformed::Value(name))?);
    Ok(())
}

/// Reads what follows `MAIL`.
pub(super) fn mail(rest: &str) -> Result<MailFrom, Malformed> {
    const SYNTAX: &str = "MAIL FROM:<address> [parameters]";
    let (text, parameters) = path::split(rest, "FROM:", SYNTAX)?;
    let mut mail = MailFrom::new(path::reverse(text)?);
    let (mut body, mut smtputf8, mut require_tls) = (None, None, None);
    for parameter in Parameter::all(parameters, SYNTAX) {
        let Parameter { keyword, value } = parameter?;
        match keyword.as_str() {
            "SIZE" => once(&mut mail.size, "SIZE", value, |text| decimal(text, 20))?,
            "BODY" => once(&mut body, "BODY", value, body_type)?,
            "SMTPUTF8" if value.is_some() => return Err(Malformed::Value("SMTPUTF8")),
            "SMTPUTF8" => once(&mut smtputf8, "SMTPUTF8", Some(""), |_| Some(()))?,
            "REQUIRETLS" if value.is_some() => return Err(Malformed::Value("REQUIRETLS")),
            "REQUIRETLS" => once(&mut require_tls, "REQUIRETLS", Some(""), |_| Some(()))?,
            "RET" => once(&mut mail.ret, "RET", value, ret)?,
            "ENVID" => once(&mut mail.envid, "ENVID", value, envid)?,
            "AUTH" => once(&mut mail.auth, "AUTH", value, submitter)?,
            "BY" => once(&mut mail.deliver_by, "BY", value, by)?,
            "HOLDFOR" => once(&mut mail.hold, "HOLDFOR", value, hold_for)?,
            "HOLDUNTIL" => once(&mut mail.hold, "HOLDUNTIL", value, hold_until)?,
            "MT-PRIORITY" => once(&mut mail.priority, "MT-PRIORITY", value, priority)?,
            _ => return Err(Malformed::Unknown(keyword)),
        }
    }
    mail.body = body.unwrap_or(BodyType::SevenBit);
    mail.smtputf8 = smtputf8.is_some();
    mail.require_tls = require_tls.is_some();
    if mail.smtputf8 || rest.is_ascii() { Ok(mail) } else { Err(Malformed::NotAscii) }
}

/// Reads what follows `RCPT`.
pub(super) fn rcpt(rest: &str) -> Result<RcptTo, Malformed> {
    const SYNTAX: &str = "RCPT TO:<address> [parameters]";
    let (text, parameters) = path::split(rest, "TO:", SYNTAX)?;
    let to = path::forward(text)?;
    let (mut notify, mut orcpt) = (None, None);
    for parameter in Parameter::all(parameters, SYNTAX) {
        let Parameter { keyword, value } = parameter?;
        match keyword.as_str() {
            "NOTIFY" => once(&mut notify, "NOTIFY", value, notify_of)?,
            "ORCPT" => once(&mut orcpt, "ORCPT", value, original)?,
            _ => return Err(Malformed::Unknown(keyword)),
        }
    }
    Ok(RcptTo { to, notify: notify.unwrap_or_default(), orcpt })
}

/// A number of 1 to `digits_max` decimal digits.
pub(super) fn decimal(text: &str, digits_max: usize) -> Option<u64> {
    let sound = (1..=digits_max).contains(&text.len()) && text.bytes().all(|o| o.is_ascii_digit());
    sound.then(|| text.parse().ok())?
}

fn body_type(text: &str) -> Option<BodyType> {
    match text.to_ascii_uppercase().as_str() {
        "7BIT" => Some(BodyType::SevenBit),
        "8BITMIME" => Some(BodyType::EightBitMime),
        "BINARYMIME" => Some(BodyType::BinaryMime),
        _ => None,
    }
}

fn ret(text: &str) -> Option<Ret> {
    match text.to_ascii_uppercase().as_str() {
        "FULL" => Some(Ret::Full),
        "HDRS" => Some(Ret::Hdrs),
        _ => None,
    }
}

/// Source: RFC 3461 section 4.4: at most 100 characters.
fn envid(text: &str) -> Option<String> {
    xtext::decode(text).filter(|_| (1..=100).contains(&text.len()))
}

/// Source: RFC 4954 section 5.
fn submitter(text: &str) -> Option<ReversePath> {
    if text == "<>" {
        return Some(ReversePath::Null);
    }
    xtext::decode(text).and_then(|address| path::reverse(&address).ok())
}

fn notify_of(text: &str) -> Option<Notify> {
    let mut notify = Notify { never: false, success: false, failure: false, delay: false };
    for word in text.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "NEVER" => &mut notify.never,
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    let other = notify.success || notify.failure || notify.delay;
    (notify.never != other).then_some(notify)
}

/// Source: RFC 3461 section 4.2: at most 500 characters; RFC 6533 for the type utf-8.
fn original(text: &str) -> Option<String> {
    let (kind, address) = text.split_once(';')?;
    let atom = |o: u8| o.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~".contains(&o);
    if kind.is_empty() || !kind.bytes().all(atom) || address.is_empty() || text.len() > 500 {
        return None;
    }
    let address = if kind.eq_ignore_ascii_case("utf-8") {
        xtext::decode_utf8(address)?
    } else {
        xtext::decode(address)?
    };
    Some(format!("{kind};{address}"))
}

/// `[-]seconds;mode[T]`, 1 to 9 digits. Source: RFC 2852 section 4.
fn by(text: &str) -> Option<By> {
    let (seconds, mode) = text.split_once(';')?;
    let (digits, sign) = match seconds.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (seconds.strip_prefix('+').unwrap_or(seconds), 1),
    };
    let seconds = sign * i64::try_from(decimal(digits, 9)?).ok()?;
    let (mode, trace) = match mode.to_ascii_uppercase().as_str() {
        "R" => (ByMode::Return, false),
        "RT" => (ByMode::Return, true),
        "N" => (ByMode::Notify, false),
        "NT" => (ByMode::Notify, true),
        _ => return None,
    };
    let passed = seconds <= 0 && mode == ByMode::Return;
    (!passed).then_some(By { seconds, mode, trace })
}

/// `0`, or a digit from 1 to 9 that may have a minus. Source: RFC 6710.
fn priority(text: &str) -> Option<i8> {
    let digit = text.strip_prefix('-').filter(|digit| *digit != "0").unwrap_or(text);
    let sound = digit.len() == 1 && digit.bytes().all(|o| o.is_ascii_digit());
    sound.then(|| text.parse().ok())?
}

/// 1 to 9 digits. Source: RFC 4865 section 4.
fn hold_for(text: &str) -> Option<Hold> {
    decimal(text, 9).filter(|&seconds| seconds > 0).map(|s| Hold::For(Duration::from_secs(s)))
}

/// A date-time of RFC 3339, as its section 5.6 writes it and no looser.
fn hold_until(text: &str) -> Option<Hold> {
    let plain = |o: u8| o.is_ascii_digit() || b"-+:.TtZz".contains(&o);
    let sound = (20..=35).contains(&text.len()) && text.bytes().all(plain);
    let at: jiff::Timestamp = sound.then(|| text.parse().ok())??;
    Some(Hold::Until(Timestamp::new(at.as_millisecond())))
}
