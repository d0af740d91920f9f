//! A login over IMAP or POP3: by SASL where the host has it, else by `LOGIN` or `USER` and `PASS`.
//!
//! A password in readable form goes only to a host that is believed, or to loopback.
//! Source: RFC 9051 section 6.2.3, RFC 1939 section 7, RFC 5034.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_sasl::{ChannelBinding, Mechanism};

use super::{Offer, Visit};
use crate::{
    Check, Credentials, Scheme, Section, dialogue::binding, host::login_check, login::Bar,
};

const ID: &str = "login";
const TITLE: &str = "Login";
/// Lines before the answer to a login.
const LINES_MAX: usize = 50;

fn broken() -> Check {
    Check::wrong(ID, TITLE, "the session broke")
        .tried("the login")
        .means("The host hung up, or said no more.")
        .mend("Look at the log of the host, which may say why.")
}

impl Visit<'_> {
    pub(super) async fn log_in(&mut self, section: &mut Section, offered: &Offer) {
        let Some(credentials) = &self.line.question.credentials else { return };
        let shown = self.tls.as_ref();
        let binding = shown.map(|tls| binding(&tls.facts)).unwrap_or_default();
        let is_private = shown.is_some_and(|tls| tls.trust.is_ok())
            || self.line.place.ip().to_canonical().is_loopback();
        let is_plain = offered.plain_login && credentials.scheme == Scheme::Best;
        let check = match credentials.mechanism(&offered.mechanisms, &binding, is_private) {
            Ok(mechanism) => self.exchange(credentials, mechanism, binding).await,
            Err(Bar::Mechanism) if is_plain && (is_private || credentials.anywhere) => {
                self.plain(credentials).await
            }
            Err(Bar::Mechanism) if !is_plain => {
                Check::unknown(ID, TITLE, "no mechanism in common; not tried")
                    .means("The host offers none that this program knows.")
                    .mend("--auth tries one that is not offered.")
            }
            Err(_) => Check::unknown(ID, TITLE, "not tried: others could read the password")
                .means("The connection is not encrypted, or the certificate is not good.")
                .mend("Mend that first; --insecure tries all the same."),
        };
        let check = if check.tried.is_empty() { check.tried("the login") } else { check };
        section.push(check);
    }

    /// By the commands that are older than SASL.
    async fn plain(&mut self, credentials: &Credentials) -> Check {
        let (user, password) = (credentials.user.as_str(), credentials.password.expose());
        let is_plain = |text: &str| text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if !is_plain(user) || !is_plain(password) {
            return Check::unknown(ID, TITLE, "not tried: it is not plain ASCII")
                .tried("LOGIN, as the host knows no SASL")
                .means("A host without SASL has no way to say such a name or password.")
                .mend("Use a password of plain ASCII for this host.");
        }
        let (name, lines) = if self.is_imap() {
            let line = format!("l LOGIN {} {}", quoted(user), quoted(password));
            ("LOGIN", vec![(line, format!("l LOGIN {} ***", quoted(user)))])
        } else {
            let user = format!("USER {user}");
            let password = (format!("PASS {password}"), "PASS ***".to_owned());
            ("USER and PASS", vec![(user.clone(), user), password])
        };
        for (line, shown) in lines {
            if self.wire.say(&line, &shown).await.is_err() {
                return broken();
            }
            let Some(answer) = self.answer().await else { return broken() };
            if !is_good(&answer) {
                return login_check(name, Err(&answer)).tried(name);
            }
        }
        login_check(name, Ok(())).tried(name)
    }

    /// The next line that answers, or asks for more.
    async fn answer(&mut self) -> Option<String> {
        for _ in 0..LINES_MAX {
            let line = self.wire.line().await.ok()?;
            if !self.is_imap() || line.starts_with("l ") || line.starts_with('+') {
                return Some(line);
            }
        }
        None
    }

    async fn exchange(
        &mut self,
        credentials: &Credentials,
        mechanism: Mechanism,
        binding: ChannelBinding,
    ) -> Check {
        let Some(mut exchange) = credentials.exchange(mechanism, binding) else { return broken() };
        let mut initial = exchange.initial();
        let verb = if self.is_imap() { "l AUTHENTICATE" } else { "AUTH" };
        let line = format!("{verb} {mechanism}");
        if self.wire.say(&line, &line).await.is_err() {
            return broken();
        }
        for _ in 0..LINES_MAX {
            let Some(line) = self.answer().await else { return broken() };
            let Some(challenge) = line.strip_prefix('+').filter(|_| !line.starts_with("+OK"))
            else {
                return match (is_good(&line), exchange.is_complete()) {
                    (true, true) => login_check(mechanism.name(), Ok(())),
                    (true, false) => {
                        login_check(mechanism.name(), Err("the host did not prove itself"))
                    }
                    (false, _) => login_check(mechanism.name(), Err(&line)),
                };
            };
            let answer = match (initial.take(), STANDARD.decode(challenge.trim())) {
                (Some(initial), _) => Some(initial),
                (None, Ok(challenge)) => exchange.step(&challenge).ok(),
                (None, Err(_)) => None,
            };
            let answer = answer.map_or_else(|| "*".to_owned(), |bytes| STANDARD.encode(bytes));
            if self.wire.say(&answer, "***").await.is_err() {
                return broken();
            }
        }
        broken()
    }
}

fn is_good(line: &str) -> bool {
    line.starts_with("+OK") || line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("l OK"))
}

/// Source: RFC 9051 section 4.3.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
