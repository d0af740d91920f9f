//! How programs and people reach an inbox: its login, the ports, and lines to copy.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use mailwright_config::{Config, Role};
use mailwright_directory::Inbox;
use maud::{Markup, html};

use super::{Broken, form::Form, inboxes, settings, settings::Told};
use crate::sandbox::{ApiError, Sandbox};

/// A port of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Port {
    role: Role,
    host: String,
    number: u16,
    /// Whether TLS begins with the first octet.
    is_tls: bool,
}

/// The ports for these purposes, as clients reach them.
fn ports(config: &Config, roles: &[Role]) -> Vec<Port> {
    let fitting = config.listeners.values().filter(|one| roles.contains(&one.role));
    let each = fitting.flat_map(|one| {
        one.addresses.iter().map(|address| Port {
            role: one.role,
            host: match address.ip() {
                ip if !ip.is_unspecified() => ip.to_string(),
                _ if config.sandbox.is_open => "localhost".to_owned(),
                _ => config.server.hostname.clone(),
            },
            number: one.public_port.unwrap_or_else(|| address.port()),
            is_tls: one.implicit_tls,
        })
    });
    let mut all: Vec<Port> = each.collect();
    // Where nothing is asked first, as a program under test likes it.
    all.sort_by_key(|port| (port.role != Role::Sandbox, port.is_tls, port.number));
    all
}

/// What a program needs to know to send here, in one line.
pub(super) fn hint(config: &Config, inbox: &Inbox) -> Markup {
    let port = ports(config, &[Role::Sandbox, Role::Msa]).into_iter().next();
    html! {
        @if let Some(port) = port {
            p { "Send to " code { (port.host) ":" (port.number) } " as user "
                code { (inbox.name) }
                @if port.role == Role::Sandbox { ", with any password." }
                @else { ", with the password of this inbox." }
            }
        }
    }
}

/// Does what the form says, and shows the settings again.
pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let (form, now) = (Form::read(&body), sandbox.now());
    let directory = &sandbox.backing.directory;
    match form.value("do") {
        "password" => {
            let secret = directory.set_inbox_password(&inbox, now).await;
            let secret = secret.map_err(ApiError::from)?;
            let told = Told { password: secret.expose(), ..Told::default() };
            settings::shown(&sandbox, &inbox, told).await
        }
        "life" => match inboxes::lifetime(&form) {
            Ok(time) => {
                let (owner, ends) = (inbox.principal, time.map(|time| now.plus(time)));
                sandbox
                    .write(move |tx| mailwright_store::capture::set_expires(tx, owner, ends))
                    .await?;
                Ok(Redirect::to(&settings::place(&inbox)).into_response())
            }
            Err(error) => wrong(&sandbox, &inbox, &error).await,
        },
        "remove" => {
            directory.remove_inbox(&inbox, now).await?;
            Ok(Redirect::to("/inboxes").into_response())
        }
        _ => wrong(&sandbox, &inbox, &ApiError::bad("there is nothing to do")).await,
    }
}

/// The settings, with what is wrong.
pub(super) async fn wrong(
    sandbox: &Sandbox,
    inbox: &Inbox,
    error: &ApiError,
) -> Result<Response, Broken> {
    let wrong = error.to_string();
    let told = Told { wrong: &wrong, ..Told::default() };
    let mut response = settings::shown(sandbox, inbox, told).await?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// How an inbox is reached; a new password is shown once.
pub(super) fn section(config: &Config, inbox: &Inbox, path: &str, password: &str) -> Markup {
    let is_open = config.sandbox.is_open;
    html! {
        h2 id="access-title" { "Login" }
        @if !password.is_empty() {
            p role="status" id="password" class="once" { "The new password, shown this once: "
                code { (password) } }
        }
        table class="fields access" { tbody {
            tr { th scope="row" { "User" } td { code { (inbox.name) } } }
            tr { th scope="row" { "Password" } td {
                @if is_open { "any" } @else {
                    form method="post" action={ (path) "/access#access-title" } class="actions" {
                        span { "told when it was made" }
                        button name="do" value="password" { "Make a new one" }
                    }
                }
            } }
            (reached("SMTP", &ports(config, &[Role::Sandbox, Role::Msa])))
            (reached("IMAP", &ports(config, &[Role::Imap])))
            (reached("POP3", &ports(config, &[Role::Pop3])))
        } }
        (snippets(config, inbox, password))
    }
}

fn reached(name: &str, ports: &[Port]) -> Markup {
    html! {
        tr { th scope="row" { (name) } td {
            @if ports.is_empty() { "is not switched on" }
            @for port in ports {
                div { code { (port.host) ":" (port.number) }
                    @if port.is_tls { " TLS" }
                    @if port.role == Role::Sandbox { " takes any password, or none" } }
            }
        } }
    }
}

/// Lines that configure programs, to be copied.
fn snippets(config: &Config, inbox: &Inbox, password: &str) -> Markup {
    let word = |takes_any: bool| match password {
        _ if takes_any => "any",
        "" => "PASSWORD",
        given => given,
    };
    let smtp = ports(config, &[Role::Sandbox, Role::Msa]).into_iter().next();
    let mut all: Vec<(&str, String)> = Vec::new();
    if let Some(Port { role, host, number, is_tls }) = &smtp {
        let word = word(*role == Role::Sandbox);
        all.extend(sending(&inbox.name, word, (host, *number, *is_tls)));
    }
    for (called, role) in [("IMAP", Role::Imap), ("POP3", Role::Pop3)] {
        if let Some(Port { host, number, is_tls, .. }) = ports(config, &[role]).first() {
            let scheme = called.to_lowercase();
            let scheme = if *is_tls { format!("{scheme}s") } else { scheme };
            let user = quoted(&inbox.name);
            let word = quoted(word(config.sandbox.is_open));
            let line = format!("curl --user {user}:{word} {scheme}://{host}:{number}/");
            all.push((called, line));
        }
    }
    html! {
        div class="snippets" {
            @for (place, (name, text)) in all.iter().enumerate() {
                details open[place == 0] {
                    summary { (name) }
                    div class="copied" {
                        pre tabindex="0" { (text) }
                        button type="button" class="copy" aria-label={ "Copy " (name) } { "Copy" }
                    }
                }
            }
        }
    }
}

/// Lines for programs that send.
fn sending(
    user: &str,
    word: &str,
    (host, port, is_tls): (&str, u16, bool),
) -> [(&'static str, String); 5] {
    let (own, key) = (quoted(user), quoted(word));
    let (text, secret) = (written(user), written(word));
    let class = if is_tls { "SMTP_SSL" } else { "SMTP" };
    let tls = if is_tls { " --tls-on-connect" } else { "" };
    let encryption = if is_tls { "tls" } else { "null" };
    [
        (
            "Environment",
            format!("SMTP_HOST={host}\nSMTP_PORT={port}\nSMTP_USER={own}\nSMTP_PASSWORD={key}"),
        ),
        (
            "Laravel",
            format!(
                "MAIL_MAILER=smtp\nMAIL_HOST={host}\nMAIL_PORT={port}\nMAIL_USERNAME={text}\n\
                 MAIL_PASSWORD={secret}\nMAIL_ENCRYPTION={encryption}"
            ),
        ),
        (
            "Python",
            format!(
                "import smtplib\n\nwith smtplib.{class}(\"{host}\", {port}) as server:\n    \
                 server.login({text}, {secret})\n    server.send_message(message)"
            ),
        ),
        (
            "Node",
            format!(
                "nodemailer.createTransport({{\n  host: \"{host}\",\n  port: {port},\n  \
                 secure: {is_tls},\n  auth: {{ user: {text}, pass: {secret} }},\n}});"
            ),
        ),
        (
            "swaks",
            format!(
                "swaks --server {host}:{port}{tls} --auth-user {own} --auth-password {key} \
                 --from app@example.com --to ann@example.com"
            ),
        ),
    ]
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.@+/".contains(&octet));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A text as programs write it, which JSON does as well.
fn written(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use mailwright_config::Listener;

    use super::*;

    #[test]
    fn ports_are_told_as_clients_reach_them() {
        let mut config = Config::default();
        config.server.hostname = "mail.example".to_owned();
        config.listeners.clear();
        let mut add = |name: &str, role, address: &str, tls| {
            let listener = Listener::new(role, vec![address.parse().unwrap()]);
            config.listeners.insert(name.to_owned(), Listener { implicit_tls: tls, ..listener });
        };
        add("a", Role::Msa, "[::]:587", false);
        add("b", Role::Sandbox, "127.0.0.1:1465", true);
        add("c", Role::Sandbox, "127.0.0.1:1025", false);
        add("d", Role::Imap, "0.0.0.0:143", false);
        let told: Vec<String> = ports(&config, &[Role::Sandbox, Role::Msa])
            .iter()
            .map(|port| format!("{}:{} {}", port.host, port.number, port.is_tls))
            .collect();
        assert_eq!(told, ["127.0.0.1:1025 false", "127.0.0.1:1465 true", "mail.example:587 false"]);
        config.sandbox.is_open = true;
        assert_eq!(ports(&config, &[Role::Imap])[0].host, "localhost");
    }

    #[test]
    fn names_cannot_leave_the_lines_they_are_in() {
        assert_eq!(quoted("a.b@c"), "a.b@c");
        assert_eq!(quoted("a';rm -rf /;'"), r"'a'\'';rm -rf /;'\'''");
        assert_eq!(quoted(""), "''");
        let [_, laravel, python, ..] = sending("a\"+x+\"", "any", ("h", 1, false));
        assert!(laravel.1.contains(r#"MAIL_USERNAME="a\"+x+\"""#), "{}", laravel.1);
        assert!(python.1.contains(r#"login("a\"+x+\"", "any")"#), "{}", python.1);
    }
}
