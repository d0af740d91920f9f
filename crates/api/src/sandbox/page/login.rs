//! Logging in to the pages, where a password is set: a cookie that stands for it.
//!
//! It is a random word that the server remembers, never the password; another site's page cannot
//! have it sent. Source: RFC 6265, and its `SameSite`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use mailwright_words::Timestamp;
use maud::html;
use subtle::ConstantTimeEq as _;

use super::{
    form::{Form, has_forms},
    whole,
};
use crate::sandbox::Sandbox;

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

/// Who is logged in.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<VecDeque<(String, Timestamp)>>);

impl Sessions {
    fn add(&self, word: String, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((word, now.plus(HOLDS)));
        while all.len() > SESSIONS_MAX {
            all.pop_front();
        }
    }

    /// Whether a request comes from one of them.
    pub(crate) fn knows(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter();
        let pairs =
            cookies.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        let words = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        let words: Vec<&str> = words.take(4).collect();
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|(own, until)| {
            let same = |word: &&str| bool::from(word.as_bytes().ct_eq(own.as_bytes()));
            *until > now && words.iter().any(same)
        })
    }
}

/// Whether a request is that of somebody who wants to see a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let has_word = headers.contains_key(header::AUTHORIZATION);
    !has_word && accepts.is_some_and(|text| text.contains("text/html"))
}

/// The form.
pub(crate) async fn page() -> Response {
    form(StatusCode::OK, "")
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
    sandbox.sessions.add(word, sandbox.now());
    let mut response = Redirect::to("/").into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
