//! The tokens of an inbox, as a part of its settings: each is shown once.

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use mailwright_directory::Inbox;
use maud::{Markup, html};

use super::{Broken, access, form::Form, moment, settings, settings::Told};
use crate::sandbox::{ApiError, Sandbox};

/// Does what the form says, and shows the settings again.
pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let (form, directory) = (Form::read(&body), &sandbox.backing.directory);
    let done = match form.value("do") {
        "add" => {
            let made = directory.add_inbox_token(&inbox, form.value("label"), sandbox.now()).await;
            made.map(Some).map_err(ApiError::from)
        }
        "revoke" => {
            let revoked = directory.revoke_inbox_token(&inbox, form.whole("label")).await;
            revoked.map(|()| None).map_err(ApiError::from)
        }
        _ => Err(ApiError::bad("there is nothing to do")),
    };
    match done {
        Ok(Some(secret)) => {
            let told = Told { token: secret.expose(), ..Told::default() };
            settings::shown(&sandbox, &inbox, told).await
        }
        Ok(None) => Ok(Redirect::to(&settings::place(&inbox)).into_response()),
        Err(error) => access::wrong(&sandbox, &inbox, &error).await,
    }
}

/// The tokens, with what can be done with each; a new one is shown once.
pub(super) async fn section(
    sandbox: &Sandbox,
    inbox: &Inbox,
    (path, token): (&str, &str),
) -> Result<Markup, ApiError> {
    let all = sandbox.backing.directory.inbox_tokens(inbox).await?;
    let path = format!("{path}/tokens#tokens-title");
    Ok(html! {
        h2 id="tokens-title" { "Tokens" }
        p class="note" { "A token opens the API of this inbox and nothing else, from anywhere: as "
            "a bearer token, as " code { "Api-Token" } ", or as the password of HTTP Basic." }
        @if !token.is_empty() {
            p role="status" id="token" class="once" { "The new token, shown this once: "
                code { (token) } }
        }
        @if !all.is_empty() {
            div class="wide" tabindex="0" role="group" aria-label="Tokens" {
                table class="faults tokens" {
                    thead { tr { th scope="col" { "Label" } th scope="col" { "Made" }
                        th scope="col" { "Used" } td { } } }
                    tbody { @for one in &all {
                        tr {
                            th scope="row" { (one.label) }
                            td { (moment(one.created.ms())) }
                            td { @match one.last_used {
                                Some(at) => (moment(at.ms())),
                                None => { "never" }
                            } }
                            td { form method="post" action=(path) {
                                input type="hidden" name="label" value=(one.label);
                                button name="do" value="revoke"
                                    aria-label={ "Revoke " (one.label) } { "Revoke" }
                            } }
                        }
                    } }
                }
            }
        }
        form method="post" action=(path) class="fields-form" {
            label { "What it is for" input name="label" required maxlength="64"
                placeholder="ci" autocomplete="off"; }
            button name="do" value="add" { "Make a token" }
        }
    })
}
