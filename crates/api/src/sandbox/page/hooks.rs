//! The webhooks of an inbox, as a part of its settings.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use mailwright_directory::Inbox;
use mailwright_store::capture::hook::{CAUGHT, Hook, REFUSED, hooks};
use maud::{Markup, html};

use super::{Broken, access, form::Form, link, moment, settings, settings::Told};
use crate::sandbox::{ApiError, Sandbox, hook};

/// Does what the form says, and shows the settings again.
pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let form = Form::read(&body);
    match done(&sandbox, &inbox, &form).await {
        Ok(None) => Ok(Redirect::to(&settings::place(&inbox)).into_response()),
        Ok(Some(secret)) => {
            let told = Told { webhook: &secret, ..Told::default() };
            settings::shown(&sandbox, &inbox, told).await
        }
        Err(error) => access::wrong(&sandbox, &inbox, &error).await,
    }
}

/// Does what the form says; gives the secret of a webhook that was made.
async fn done(sandbox: &Sandbox, inbox: &Inbox, form: &Form) -> Result<Option<String>, ApiError> {
    let mut wanted = hook::Wanted::default();
    if form.value("do") == "add" {
        let kinds = [CAUGHT, REFUSED].into_iter().filter(|kind| form.value(kind) == "on");
        wanted.kinds = Some(kinds.map(str::to_owned).collect());
        wanted.url = form.given("url").map(str::to_owned);
        let made = sandbox.add_hook(&inbox.name, wanted).await?;
        return Ok(Some(hook::shown(&made.secret)));
    }
    let place = Path((inbox.name.clone(), form.value("webhook").to_owned()));
    let sandbox = State(sandbox.clone());
    match form.value("do") {
        "remove" => drop(hook::remove(sandbox, place).await?),
        "test" => drop(hook::test(sandbox, place).await?),
        word @ ("on" | "off") => {
            wanted.enabled = Some(word == "on");
            drop(hook::change(sandbox, place, Json(wanted)).await?);
        }
        _ => return Err(ApiError::bad("there is nothing to do")),
    }
    Ok(None)
}

/// The webhooks of an inbox, with what can be done with each; a secret is shown once.
pub(super) async fn section(
    sandbox: &Sandbox,
    inbox: &Inbox,
    secret: &str,
) -> Result<Markup, ApiError> {
    let owner = inbox.principal;
    let all = sandbox.store().look(|tx| hooks(tx, owner)).await?;
    let path = format!("/inbox/{}/webhooks#webhooks-title", link(&inbox.name));
    Ok(html! {
        h2 id="webhooks-title" { "Webhooks" }
        p class="note" { "Each message that is caught, or refusal, is a signed POST to these "
            "addresses; it is tried again until it arrives." }
        @if !secret.is_empty() {
            p role="status" id="secret" class="once" {
                "The secret of the new webhook, shown this once: "
                code { (secret) } }
        }
        @for one in &all { (row(&path, one)) }
        form method="post" action=(path) class="fields-form" {
            label { "Address" input type="url" name="url" required
                placeholder="https://hooks.example/mail" autocomplete="off"; }
            label class="check" { input type="checkbox" name=(CAUGHT) checked; " What is caught" }
            label class="check" { input type="checkbox" name=(REFUSED); " What is refused" }
            button name="do" value="add" { "Add a webhook" }
        }
    })
}

fn row(path: &str, one: &Hook) -> Markup {
    let id = one.id.to_string();
    html! {
        article class="webhook" {
            h3 { (one.url) }
            p class="note" {
                (one.kinds.join(", ")) ", " (one.waiting) " waiting"
                @if let Some(since) = one.failing { ", failing since " (moment(since.ms())) }
                @if let Some((at, why)) = &one.disabled {
                    ", off since " (moment(at.ms())) ": " (why)
                }
            }
            form method="post" action=(path) class="actions" {
                input type="hidden" name="webhook" value=(id);
                button name="do" value="test" aria-label={ "Try " (one.url) } { "Try" }
                @if one.disabled.is_some() {
                    button name="do" value="on" aria-label={ "Switch on " (one.url) } {
                        "Switch on"
                    }
                } @else {
                    button name="do" value="off" aria-label={ "Switch off " (one.url) } {
                        "Switch off"
                    }
                }
                button name="do" value="remove" aria-label={ "Remove " (one.url) } { "Remove" }
            }
        }
    }
}
