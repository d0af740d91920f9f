//! Logging in to the pages, where a password is set: a cookie that stands for it.
//!
//! It is a random word that the server remembers, never the password; another site's page cannot
//! have it sent. It ends when its time is over, when its owner says so, and with the password.
//! Source: RFC 6265, and its `SameSite`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use mailwright_words::Timestamp;
use maud::html;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    form::{Form, has_forms},
    whole,
};
use crate::sandbox::{Inner, Sandbox};

/// The name of the cookie.
const COOKIE: &str = "mailwright";
/// Logins that are remembered; the oldest ends.
const SESSIONS_MAX: usize = 200;
/// How long one holds.
const HOLDS: Duration = Duration::from_hours(12);
/// How long a wrong password takes.
const WRONG: Duration = Duration::from_millis(500);
/// Octets of a form.
const FORM_MAX: usize = 4096;

/// Who is logged in, by words that the server drew.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<VecDeque<Session>>);

#[derive(Debug)]
struct Session {
    word: String,
    until: Timestamp,
    /// The sum of the password by which it was made: with that it ends.
    by: Sum,
}

type Sum = [u8; 32];

fn sum(password: &str) -> Sum {
    Sha256::digest(password.as_bytes()).into()
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, word: String, password: &str, now: Timestamp) {
        let mut all = self.lock();
        all.push_back(Session { word, until: now.plus(HOLDS), by: sum(password) });
        while all.len() > SESSIONS_MAX {
            all.pop_front();
        }
    }

    /// Whether a request comes from one of them.
    fn knows(&self, headers: &HeaderMap, password: &str, now: Timestamp) -> bool {
        let (words, by) = (words(headers), sum(password));
        self.lock().iter().any(|one| {
            let is_same = words.iter().any(|word| is_word(one, word));
            one.until > now && one.by == by && is_same
        })
    }

    /// Ends that from which a request comes.
    fn end(&self, headers: &HeaderMap) {
        let words = words(headers);
        self.lock().retain(|one| !words.iter().any(|word| is_word(one, word)));
    }
}

fn is_word(session: &Session, word: &str) -> bool {
    bool::from(word.as_bytes().ct_eq(session.word.as_bytes()))
}

/// The words that a request shows.
fn words(headers: &HeaderMap) -> Vec<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let words = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    words.take(4).collect()
}

impl Inner {
    /// Whether a request comes from somebody who logged in by the password in force.
    pub(crate) fn is_logged_in(&self, headers: &HeaderMap) -> bool {
        let config = self.backing.config.now();
        let password = config.sandbox.token.as_ref();
        password.is_some_and(|one| self.sessions.knows(headers, one.expose(), self.now()))
    }
}

/// Whether a request is that of somebody who wants to see a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let has_word = headers.contains_key(header::AUTHORIZATION);
    !has_word && accepts.is_some_and(|text| text.contains("text/html"))
}

/// The form; or, where that was filled in, the way out.
pub(crate) async fn page(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    if !sandbox.is_logged_in(&headers) {
        return form(StatusCode::OK, "");
    }
    let body = html! {
        main class="login" {
            h1 { "Mailwright sandbox" }
            p { "You are logged in. " a href="/" { "To the inbox" } }
            form method="post" action="/logout" class="login" { button { "Log out" } }
        }
    };
    has_forms(whole("Log out", &body).into_response())
}

/// Ends the login from which it comes.
pub(crate) async fn log_out(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    sandbox.sessions.end(&headers);
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, gone)], Redirect::to("/login")).into_response()
}

/// The form, with what is wrong.
pub(crate) fn form(code: StatusCode, wrong: &str) -> Response {
    let body = html! {
        main class="login" {
            h1 { "Mailwright sandbox" }
            form method="post" action="/login" class="login" {
                label for="password" { "Password" }
                input type="password" id="password" name="password" autocomplete="current-password"
                    required autofocus;
                button { "Log in" }
                @if !wrong.is_empty() { p role="alert" { (wrong) } }
            }
        }
    };
    let mut response = whole("Log in", &body).into_response();
    *response.status_mut() = code;
    has_forms(response)
}

/// Takes the time of a wrong password, which many that are tried at once share.
pub(crate) async fn slow_down(sandbox: &Sandbox) {
    let place = sandbox.wrong.acquire().await;
    sandbox.backing.clock.sleep(WRONG).await;
    drop(place);
}

pub(crate) async fn log_in(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let bytes = axum::body::to_bytes(request.into_body(), FORM_MAX).await.unwrap_or_default();
    let fields = Form::read(&bytes);
    let given = fields.whole("password");
    let config = sandbox.backing.config.now();
    let Some(token) = &config.sandbox.token else { return Redirect::to("/").into_response() };
    if !bool::from(given.as_bytes().ct_eq(token.expose().as_bytes())) {
        slow_down(&sandbox).await;
        return form(StatusCode::UNAUTHORIZED, "That is not the password.");
    }
    let Ok(word) = mailwright_directory::generate() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let cookie = format!("{COOKIE}={word}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    sandbox.sessions.add(word, token.expose(), sandbox.now());
    let mut response = Redirect::to("/").into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, text.parse().unwrap());
        headers
    }

    #[test]
    fn a_login_ends_with_its_time_its_owner_and_its_password() {
        let (all, now) = (Sessions::default(), Timestamp::new(1_000_000));
        for word in ["one", "two"] {
            all.add(word.to_owned(), "secret", now);
        }
        let one = cookie("other=x; mailwright=one");
        assert!(all.knows(&one, "secret", now));
        assert!(!all.knows(&one, "changed", now), "the password is another one");
        assert!(!all.knows(&one, "secret", now.plus(HOLDS)), "its time is over");
        for odd in ["mailwright=on", "mailwright=", "mailwright", "Mailwright=one", "x=one"] {
            assert!(!all.knows(&cookie(odd), "secret", now), "{odd}");
        }
        all.end(&one);
        assert!(!all.knows(&one, "secret", now), "its owner ended it");
        assert!(all.knows(&cookie("mailwright=two"), "secret", now), "and no other one");
    }
}
