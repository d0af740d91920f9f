//! All inboxes: what is in them, and the making and the end of one.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mailwright_directory::Inbox;
use maud::{Markup, html};

use super::{
    Broken, bar,
    form::{Form, has_forms},
    link, moment, names, settings, size, whole,
};
use crate::sandbox::{ApiError, Sandbox, native};

/// How long an inbox may be made for, in seconds, and how that reads.
const LIVES: [(&str, &str); 5] = [
    ("", "for ever"),
    ("3600", "one hour"),
    ("86400", "one day"),
    ("604800", "one week"),
    ("2592000", "30 days"),
];

/// How long an inbox is to live by a form; none for ever.
pub(super) fn lifetime(form: &Form) -> Result<Option<Duration>, ApiError> {
    let seconds = form.given("life").map(str::parse).transpose();
    let seconds = seconds.ok().ok_or_else(|| ApiError::bad("life is a number of seconds"))?;
    seconds.map(native::lifetime).transpose()
}

/// The choice of how long.
pub(super) fn lives() -> Markup {
    html! {
        label { "It is there" select name="life" {
            @for (seconds, called) in LIVES { option value=(seconds) { (called) } }
        } }
    }
}

pub(super) async fn page(State(sandbox): State<Sandbox>) -> Result<Response, Broken> {
    shown(&sandbox, "", None).await
}

/// Makes an inbox, and shows its password this once.
pub(super) async fn add(State(sandbox): State<Sandbox>, body: Bytes) -> Result<Response, Broken> {
    let form = Form::read(&body);
    match made(&sandbox, &form).await {
        Ok((inbox, secret)) => shown(&sandbox, "", Some((&inbox, &secret))).await,
        Err(error) => {
            let mut response = shown(&sandbox, &error.to_string(), None).await?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

async fn made(sandbox: &Sandbox, form: &Form) -> Result<(Inbox, String), ApiError> {
    let lifetime = lifetime(form)?;
    let directory = &sandbox.backing.directory;
    let (inbox, secret) = directory.add_inbox(form.given("name"), lifetime, sandbox.now()).await?;
    Ok((inbox, secret.expose().to_owned()))
}

async fn shown(
    sandbox: &Sandbox,
    wrong: &str,
    made: Option<(&Inbox, &str)>,
) -> Result<Response, Broken> {
    let all = names(sandbox).await?;
    let is_open = sandbox.backing.config.now().sandbox.is_open;
    let body = html! {
        (bar(None))
        main class="alone" {
            h1 { "Inboxes" }
            @if !wrong.is_empty() { p role="alert" class="wrong" { (wrong) } }
            @if let Some((inbox, secret)) = made { (told(inbox, secret, is_open)) }
            (table(&all))
            section aria-labelledby="new-title" {
                h2 id="new-title" { "New inbox" }
                p class="note" { "A program that logs in by a new name makes one, too." }
                form method="post" action="/inboxes" class="fields-form" {
                    label { "Name" input name="name" maxlength="200" autocomplete="off"
                        placeholder="one is made up" spellcheck="false"; }
                    (lives())
                    button name="do" value="add" { "Make an inbox" }
                }
            }
        }
    };
    Ok(has_forms(whole("Inboxes", &body).into_response()))
}

/// What there is to know of a new inbox.
fn told(inbox: &Inbox, secret: &str, is_open: bool) -> Markup {
    html! {
        p role="status" id="made" class="once" {
            a href={ "/inbox/" (link(&inbox.name)) } { (inbox.name) }
            " is there. One logs in by its name"
            @if is_open { ", with any password." }
            @else { " and this password, shown this once: " code { (secret) } }
            " "
            a href=(settings::place(inbox)) { "How to send to it" }
        }
    }
}

fn table(all: &[Inbox]) -> Markup {
    html! {
        div class="wide" tabindex="0" role="group" aria-label="Inboxes" {
            table class="faults inboxes" {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Messages" }
                    th scope="col" { "Unread" } th scope="col" { "Size" }
                    th scope="col" { "Made" } th scope="col" { "Goes" } td { } } }
                tbody { @for one in all {
                    tr {
                        th scope="row" {
                            a href={ "/inbox/" (link(&one.name)) } { bdi { (one.name) } }
                        }
                        td { (one.total) }
                        td { (one.unseen) }
                        td { (size(one.bytes)) }
                        td { (moment(one.created.ms())) }
                        td { @match one.expires {
                            Some(at) => (moment(at.ms())),
                            None => { "never" }
                        } }
                        td { a href=(settings::place(one))
                            aria-label={ "Settings of " (one.name) } { "Settings" } }
                    }
                } }
            }
        }
    }
}
