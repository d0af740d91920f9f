//! The settings of an inbox: its login, what it keeps, the faults that its programs meet, its
//! webhooks and tokens.

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use mailwright_config::{Fault, InboxSettings};
use mailwright_directory::Inbox;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{Broken, access, bar, form, form::Form, hooks, inboxes, link, moment, tokens, whole};
use crate::sandbox::{ApiError, Sandbox};

/// Where in a session a fault strikes, and how that reads.
const PHASES: [(&str, &str); 9] = [
    ("rcpt", "RCPT"),
    ("mail", "MAIL"),
    ("message", "after the message"),
    ("body", "while the message comes"),
    ("data", "DATA"),
    ("auth", "AUTH"),
    ("ehlo", "EHLO"),
    ("tls", "the TLS handshake"),
    ("connect", "the greeting"),
];

/// A field of the form: its name, how it is called, and an example.
type Field = (&'static str, &'static str, &'static str);

/// Whom a fault strikes, and how often.
const WHO: [Field; 11] = [
    ("sender", "Sender", "*@shop.example"),
    ("recipient", "Recipient", "*@busy.example"),
    ("client", "Network of the client", "10.0.0.0/8"),
    ("hello", "EHLO name", "*.example"),
    ("largerThan", "Larger than, in octets", "65536"),
    ("nth", "Only this one", "3"),
    ("every", "Only each such", "2"),
    ("first", "Only the first", "5"),
    ("count", "Only beyond this many", "10"),
    ("per", "in this time", "1m"),
    ("probability", "Only this share", "0.1"),
];
/// What it does.
const WHAT: [Field; 5] = [
    ("reply", "Reply", "450 4.2.0 Busy, try again"),
    ("delay", "Wait first", "2s"),
    ("throttle", "Octets a second", "1000"),
    ("greylist", "Put off for", "1m"),
    ("seed", "Seed of the share", "7"),
];
/// Fields that are numbers.
const NUMBERS: [&str; 7] =
    ["largerThan", "nth", "every", "first", "probability", "throttle", "seed"];

pub(super) async fn page(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    shown(&sandbox, &inbox, Told::default()).await
}

/// Does what the form says, and shows the page again.
pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let form = Form::read(&body);
    let (settings, _) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    match changed(settings, &form) {
        Ok(settings) => {
            sandbox.backing.intake.set_inbox_settings(inbox.principal, settings).await?;
            Ok(Redirect::to(&place(&inbox)).into_response())
        }
        Err(wrong) => access::wrong(&sandbox, &inbox, &ApiError::Bad(wrong)).await,
    }
}

/// The settings as a form changes them.
///
/// Errors: what is wrong, in a sentence.
fn changed(mut settings: InboxSettings, form: &Form) -> Result<InboxSettings, String> {
    match form.value("do") {
        "add" => settings.faults.push(fault(form)?),
        "remove" => {
            let place: usize = form.value("fault").parse().ok().ok_or("there is no such fault")?;
            if place >= settings.faults.len() {
                return Err("there is no such fault".to_owned());
            }
            settings.faults.remove(place);
        }
        "keep" => {
            let mut told = serde_json::to_value(&settings).map_err(|error| error.to_string())?;
            if let Value::Object(fields) = &mut told {
                for name in ["messagesMax", "octetsMax", "kept"] {
                    fields.remove(name);
                    fields
                        .extend(form.given(name).map(|text| (name.to_owned(), value(name, text))));
                }
                fields.insert("magic".to_owned(), (form.value("magic") == "on").into());
            }
            settings = InboxSettings::read(&told.to_string())?;
        }
        _ => return Err("there is nothing to do".to_owned()),
    }
    settings.check()?;
    Ok(settings)
}

/// A field's text as what it is.
fn value(name: &str, text: &str) -> Value {
    let is_number = NUMBERS.contains(&name) || matches!(name, "messagesMax" | "octetsMax");
    let number = || serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number);
    number().filter(|_| is_number).unwrap_or_else(|| text.into())
}

/// The fault that a form describes; read as the API reads it.
fn fault(form: &Form) -> Result<Fault, String> {
    let mut fields = Map::new();
    fields.insert("at".to_owned(), form.value("at").into());
    for (name, _, _) in
        WHO.iter().chain(&WHAT).filter(|(name, ..)| !["count", "per"].contains(name))
    {
        if let Some(text) = form.given(name) {
            fields.insert((*name).to_owned(), value(name, text));
        }
    }
    if let Some(count) = form.given("count") {
        let rate = json!({ "count": value("nth", count), "per": form.value("per") });
        fields.insert("rate".to_owned(), rate);
    }
    for name in ["drop", "keep"] {
        fields.insert(name.to_owned(), (form.value(name) == "on").into());
    }
    if let Some(how) = form.given("breakTls") {
        fields.insert("breakTls".to_owned(), how.into());
    }
    let read = InboxSettings::read(&json!({ "faults": [fields] }).to_string());
    let told = |error: String| error.replace("fault 1: ", "");
    read.map_err(told)?.faults.pop().ok_or_else(|| "there is no fault".to_owned())
}

/// Where the settings of an inbox are.
pub(super) fn place(inbox: &Inbox) -> String {
    format!("/inbox/{}/settings", link(&inbox.name))
}

/// What is told once, and not again.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told<'a> {
    /// What is wrong.
    pub(super) wrong: &'a str,
    /// The secret of a webhook that was made.
    pub(super) webhook: &'a str,
    /// A token that was made.
    pub(super) token: &'a str,
    /// A new password.
    pub(super) password: &'a str,
}

/// The page, with what is told once.
pub(super) async fn shown(
    sandbox: &Sandbox,
    inbox: &Inbox,
    told: Told<'_>,
) -> Result<Response, Broken> {
    let base = format!("/inbox/{}", link(&inbox.name));
    let webhooks = hooks::section(sandbox, inbox, told.webhook).await?;
    let tokens = tokens::section(sandbox, inbox, (&base, told.token)).await?;
    let (settings, struck) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    let path = place(inbox);
    let config = sandbox.backing.config.now();
    let body = html! {
        (bar(Some(inbox)))
        main class="alone settings" data-path=(path) {
            h1 { "Settings of " bdi { (inbox.name) } }
            @if !told.wrong.is_empty() { p role="alert" class="wrong" { (told.wrong) } }
            section aria-labelledby="access-title" {
                (access::section(&config, inbox, &base, told.password))
            }
            section aria-labelledby="kept-title" {
                (kept(&format!("{path}#kept-title"), &settings))
            }
            section aria-labelledby="faults-title" {
                h2 id="faults-title" { "Faults" }
                p class="note" { "What programs meet that send to this inbox. The first rule "
                    "that fits decides; a rule that is added comes last." }
                (faults(&format!("{path}#faults-title"), &settings, &struck))
                (new_fault(&format!("{path}#faults-title")))
            }
            section aria-labelledby="webhooks-title" { (webhooks) }
            section aria-labelledby="tokens-title" { (tokens) }
            section aria-labelledby="end-title" { (end(&base, inbox)) }
        }
    };
    Ok(form::has_forms(whole(&format!("Settings of {}", inbox.name), &body).into_response()))
}

/// How long the inbox is there.
fn end(base: &str, inbox: &Inbox) -> Markup {
    let path = format!("{base}/access#end-title");
    html! {
        h2 id="end-title" { "Lifetime" }
        p class="note" { @match inbox.expires {
            Some(at) => { "It goes by itself, with all that is in it, at " (moment(at.ms())) "." }
            None => { "It stays until it is removed." }
        } }
        form method="post" action=(path) class="fields-form" {
            (inboxes::lives())
            button name="do" value="life" { "Save" }
        }
        details class="end" {
            summary { "Remove this inbox" }
            form method="post" action=(path) {
                p { "It goes with its " (inbox.total) " messages, for good." }
                button class="danger" name="do" value="remove" { "Remove it" }
            }
        }
    }
}

fn kept(path: &str, settings: &InboxSettings) -> Markup {
    let told = serde_json::to_value(settings).unwrap_or_default();
    let text = |name: &str| match told.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let fields = [
        ("messagesMax", "Most messages", "100000"),
        ("octetsMax", "Most octets", "100000000"),
        ("kept", "How long messages are kept", "1d"),
    ];
    html! {
        h2 id="kept-title" { "What is kept" }
        form method="post" action=(path) class="fields-form" {
            @for (name, called, example) in fields {
                label { (called)
                    input name=(name) value=(text(name)) placeholder=(example) autocomplete="off"; }
            }
            label class="check" { input type="checkbox" name="magic" checked[settings.magic];
                " Names of recipients do what they say, such as " code { "bounce+550-5.1.1@" } }
            button name="do" value="keep" { "Save" }
        }
    }
}

fn faults(path: &str, settings: &InboxSettings, struck: &[u64]) -> Markup {
    html! {
        @if settings.faults.is_empty() { p id="no-faults" { "There are none." } }
        @else {
            div class="wide" tabindex="0" role="group" aria-label="Faults" {
                table class="faults" {
                    thead { tr { th scope="col" { "At" } th scope="col" { "Which" }
                        th scope="col" { "What happens" } th scope="col" { "Struck" }
                        td { } } }
                    tbody {
                        @for (place, fault) in settings.faults.iter().enumerate() {
                            tr {
                                th scope="row" { (phase(fault)) }
                                td { (told(fault, &WHICH)) }
                                td { (told(fault, &DOES)) }
                                td { (struck.get(place).copied().unwrap_or(0)) }
                                td { form method="post" action=(path) {
                                    input type="hidden" name="fault" value=(place);
                                    button name="do" value="remove"
                                        aria-label={ "Remove fault " (place + 1) } { "Remove" }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Fields that say which, and fields that say what.
const WHICH: [&str; 11] = [
    "client",
    "hello",
    "sender",
    "recipient",
    "largerThan",
    "nth",
    "every",
    "first",
    "rate",
    "probability",
    "seed",
];
const DOES: [&str; 7] = ["reply", "delay", "throttle", "drop", "breakTls", "greylist", "keep"];

fn phase(fault: &Fault) -> String {
    let told = serde_json::to_value(fault.at).unwrap_or_default();
    told.as_str().unwrap_or_default().to_owned()
}

/// What a fault says in these fields.
fn told(fault: &Fault, names: &[&str]) -> String {
    let told = serde_json::to_value(fault).unwrap_or_default();
    let each = names.iter().filter_map(|name| {
        Some(match told.get(*name)? {
            Value::Bool(false) | Value::Null => return None,
            Value::Bool(true) => (*name).to_owned(),
            Value::String(text) => format!("{name} {text}"),
            Value::Number(number) if *name == "seed" && number.as_u64() == Some(0) => return None,
            Value::Object(rate) => {
                let text =
                    |key: &str| rate.get(key).map(|value| value.to_string().replace('"', ""));
                format!("more than {} in {}", text("count")?, text("per")?)
            }
            other => format!("{name} {other}"),
        })
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { "all".to_owned() } else { each.join(", ") }
}

fn new_fault(path: &str) -> Markup {
    let input = |(name, called, example): &Field| {
        html! { label { (called)
        input name=(name) placeholder=(example) autocomplete="off" spellcheck="false"; } }
    };
    html! {
        details class="new-fault" {
            summary { "Add a fault" }
            form method="post" action=(path) {
                label { "At " select name="at" {
                    @for (value, called) in PHASES { option value=(value) { (called) } }
                } }
                fieldset class="fields-form" { legend { "Which of them; all where nothing is said" }
                    @for field in &WHO { (input(field)) } }
                fieldset class="fields-form" { legend { "What happens" }
                    @for field in &WHAT { (input(field)) }
                    label { "Handshake" select name="breakTls" {
                        option value="" { "is left alone" }
                        @for how in ["close", "alert", "garbage"] { option { (how) } }
                    } }
                    label class="check" { input type="checkbox" name="drop";
                        " Drop the connection" }
                    label class="check" { input type="checkbox" name="keep";
                        " Store the message nevertheless" }
                }
                button name="do" value="add" { "Add" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(text.as_bytes())
    }

    #[test]
    fn faults_are_added_and_removed() {
        let add = "do=add&at=rcpt&recipient=*%40busy.example&every=2&reply=450+4.2.0+Busy&nth=\
            &count=10&per=1m&probability=0.5&seed=7";
        let one = changed(InboxSettings::default(), &form(add)).unwrap();
        let fault = &one.faults[0];
        assert_eq!((fault.every, fault.seed, fault.nth), (Some(2), 7, None));
        assert_eq!(fault.reply.as_deref(), Some("450 4.2.0 Busy"));
        assert_eq!(fault.rate.as_ref().unwrap().count, 10);
        let which = told(fault, &WHICH);
        assert!(which.contains("recipient *@busy.example") && which.contains("more than 10 in 1m"));
        assert_eq!(told(fault, &DOES), "reply 450 4.2.0 Busy");
        let two = changed(one, &form("do=add&at=message&drop=on&keep=on")).unwrap();
        assert_eq!(told(&two.faults[1], &WHICH), "all");
        let left = changed(two, &form("do=remove&fault=0")).unwrap();
        assert_eq!((left.faults.len(), left.faults[0].keep), (1, true));
        assert!(changed(left, &form("do=remove&fault=1")).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, why) in [
            ("do=add&at=rcpt", "does nothing"),
            ("do=add&at=odd&drop=on", "odd"),
            ("do=add&at=rcpt&drop=on&nth=x", "u64"),
            ("do=keep&kept=x", "x"),
            ("do=odd", "nothing"),
            ("", "nothing"),
        ] {
            let told = changed(InboxSettings::default(), &form(text)).unwrap_err();
            assert!(told.contains(why) && !told.contains("fault 1:"), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_kept_is_set_and_taken_back() {
        let text = "do=keep&messagesMax=5&octetsMax=&kept=1h&magic=on";
        let set = changed(InboxSettings::default(), &form(text)).unwrap();
        assert_eq!((set.messages_max, set.octets_max, set.magic), (Some(5), None, true));
        let back = changed(set, &form("do=keep&messagesMax=&octetsMax=&kept=")).unwrap();
        assert_eq!((back.messages_max, back.kept, back.magic), (None, None, false));
    }
}
