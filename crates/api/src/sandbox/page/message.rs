//! One message: preview, text, source, header, parts, octets, and how it came.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use mailwright_directory::Inbox;
use mailwright_mime::Structure;
use mailwright_sandbox::support::table;
use mailwright_store::capture::{self, Caught};
use mailwright_view::NumberSet;
use maud::{Markup, html};
use serde_json::Value;

use super::{Broken, Page, link, moment, size, source};
use crate::sandbox::{
    ApiError, Sandbox, code,
    find::Item,
    remote,
    summary::Contact,
    whole::{self, Leaf, Role, Texts},
};

/// Widths of a preview, and their classes.
const WIDTHS: [(&str, &str); 4] =
    [("320", "w320"), ("375", "w375"), ("600", "w600"), ("Full", "wfull")];
/// Octets of a source that are shown.
const SHOWN_MAX: usize = 512 << 10;

/// A message alone, for the module that puts it beside the list.
pub(super) async fn pane(
    State(sandbox): State<Sandbox>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Page, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    Ok(Page(shown(&sandbox, &inbox, &id).await?))
}

/// A message, which is read by that.
pub(super) async fn shown(sandbox: &Sandbox, inbox: &Inbox, id: &str) -> Result<Markup, ApiError> {
    let entry = sandbox.entry(inbox, id).await?;
    let (message, uid) = (entry.message, entry.uid);
    let bytes = sandbox.bytes(message).await?;
    let caught = sandbox.store().look(|tx| capture::caught(tx, message)).await?;
    let item = sandbox.item(entry).await?;
    if !item.is_read() {
        sandbox.mark(inbox, NumberSet::range(uid..=uid), true).await?;
    }
    let may = May {
        fetch: sandbox.backing.egress.is_some() && sandbox.signer.is_some(),
        release: !sandbox.backing.config.now().sandbox.release.to.is_empty(),
    };
    let (inbox, caught) = (inbox.name.clone(), caught.unwrap_or_default());
    sandbox.apart(move || markup(&inbox, &item, &bytes, (&caught, may))).await
}

/// What may be done here.
#[derive(Debug, Clone, Copy)]
struct May {
    /// Pictures of the web may be fetched.
    fetch: bool,
    /// Messages may be released.
    release: bool,
}

fn markup(inbox: &str, item: &Item, bytes: &[u8], (caught, may): (&Caught, May)) -> Markup {
    let structure = Structure::parse(bytes);
    let leaves = whole::leaves(&structure);
    let texts = whole::texts(&structure, &leaves);
    let id = item.entry.message.to_string();
    let has_html = !texts.html.is_empty();
    html! {
        article class="message" data-id=(id) {
            (head(item, caught))
            @if may.release { (release(item)) }
            (files(&id, &structure, &leaves))
            div class="tabs" {
                @if has_html { (tab("Preview", true, &preview(&id, &texts.html, may.fetch))) }
                (tab("Text", !has_html, &plain(&texts)))
                @if has_html {
                    (tab("HTML source", false, &source::marked(bytes, &texts.html)))
                }
                (tab("Checks", false, &later(inbox, &id)))
                (tab("Header", false, &header(&structure)))
                (tab("Parts", false, &parts(&structure)))
                (tab("Raw", false, &raw(&id, bytes)))
                (tab("Conversation", false, &conversation(caught)))
            }
        }
    }
}

/// What is made when somebody asks for it.
fn later(inbox: &str, id: &str) -> Markup {
    let path = format!("/inbox/{}/message/{id}/checks", link(inbox));
    html! { div class="checks" data-load=(path) { a href=(path) { "Run the checks" } } }
}

/// A tab: a radio that shows what follows it, so that it works without the module.
fn tab(name: &str, is_open: bool, content: &Markup) -> Markup {
    let id = format!("tab-{}", name.to_lowercase().replace(' ', "-"));
    html! {
        input type="radio" name="tab" id=(id) checked[is_open];
        label for=(id) { (name) }
        div class="tab" { (content) }
    }
}

fn people(contacts: &[Contact]) -> Markup {
    html! {
        @for (place, one) in contacts.iter().enumerate() {
            @if place > 0 { ", " }
            @if one.name.is_empty() { (one.address) }
            @else { (one.name) " <" (one.address) ">" }
        }
    }
}

fn head(item: &Item, caught: &Caught) -> Markup {
    let (entry, summary) = (&item.entry, &item.summary);
    let subject = if summary.subject.is_empty() { "(no subject)" } else { &summary.subject };
    let lists = [
        ("From", &summary.from),
        ("To", &summary.to),
        ("Cc", &summary.cc),
        ("Reply-To", &summary.reply_to),
    ];
    html! {
        header class="head" {
            div class="title" {
                h2 { (subject) }
                p class="actions" {
                    button type="button" class="back" { "Back" }
                    a class="button" download href={ "/api/messages/" (entry.message) "/raw" } {
                        "Download"
                    }
                    button type="button" class="unread-one" { "Mark unread" }
                    button type="button" class="delete-one" { "Delete" }
                }
            }
            dl {
                @for (name, list) in lists {
                    @if !list.is_empty() { dt { (name) } dd { (people(list)) } }
                }
                dt { "Envelope" }
                dd { (entry.sender) " to " (entry.recipients.join(", ")) }
                dt { "Received" }
                dd { (moment(entry.received.ms())) ", " (size(entry.size))
                    @if let Some(user) = &caught.username { ", as " (user) } }
                @if !entry.tags.is_empty() { dt { "Tags" } dd { (entry.tags.join(", ")) } }
            }
        }
    }
}

/// Lets the message go to real addresses.
fn release(item: &Item) -> Markup {
    html! {
        details class="release" {
            summary { "Release" }
            p class="note" { "A copy goes to these addresses, where that is allowed." }
            label { "To " input type="text" class="release-to" autocomplete="off"
                value=(item.entry.recipients.join(", ")); }
            button type="button" class="release-one" { "Release" }
            p role="status" class="released" { "" }
        }
    }
}

fn files(id: &str, structure: &Structure<'_>, leaves: &[Leaf]) -> Markup {
    let files: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.role != Role::Text).collect();
    html! {
        @if !files.is_empty() {
            ul class="files" aria-label="Attachments" {
                @for leaf in files {
                    @if let Some(part) = structure.part(leaf.index) {
                        li {
                            a href={ "/api/messages/" (id) "/parts/" (leaf.path) }
                                download=(whole::file_name(part, leaf)) {
                                (whole::file_name(part, leaf))
                            }
                            " " span class="facts" { (whole::media(part)) ", "
                                (size(u64::try_from(part.decoded().len()).unwrap_or(u64::MAX)))
                                @if leaf.role == Role::Inline { ", inline" } }
                            @if whole::media(part).starts_with("image/") {
                                " " img alt="" loading="lazy" width="90" height="60"
                                    src={ "/api/messages/" (id) "/parts/" (leaf.path) "/thumb" };
                            }
                            (checksums(part))
                        }
                    }
                }
            }
        }
    }
}

fn checksums(part: &mailwright_mime::Part<'_>) -> Markup {
    let sums = whole::sums(&part.decoded());
    html! {
        details { summary { "Checksums" }
            @for (name, sum) in
                [("SHA-256", sums.sha256), ("SHA-1", sums.sha1), ("MD5", sums.md5)]
            {
                div { (name) " " code { (sum) } }
            }
        }
    }
}

/// How clients show a message in the dark, and what is said of it.
const DARK: [(&str, &str); 4] = [
    ("", "As sent"),
    ("scheme", "Dark: as the message says"),
    ("partial", "Dark: light colours turned"),
    ("full", "Dark: all colours turned"),
];

fn preview(id: &str, source: &str, fetches: bool) -> Markup {
    let pictures = remote::pictures(source);
    html! {
        div class="widths" {
            span class="segments" role="group" aria-label="Width" {
                @for (name, class) in WIDTHS {
                    button type="button" class="width" data-width=(class)
                        aria-pressed=(if class == "wfull" { "true" } else { "false" }) { (name) }
                }
            }
            label { "Colours " select id="dark" {
                @for (value, name) in DARK { option value=(value) { (name) } }
            } }
            label { "As seen in " select id="client" {
                option value="" { "a browser" }
                @for client in &table().clients {
                    option value={ (client.family) "." (client.platform) } {
                        (client.family_name) ", " (client.platform_name)
                    }
                }
            } }
        }
        (web(&pictures, fetches))
        iframe class="wfull" src={ "/render/" (id) } title="Preview of the message"
            sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer"
            loading="lazy" {}
    }
}

/// Sites that are named of those whose pictures a message shows.
const SITES_MAX: usize = 5;

/// Pictures of the web: who would learn that the message was read, and the reader's permission.
fn web(pictures: &BTreeSet<String>, fetches: bool) -> Markup {
    let sites: BTreeSet<&str> = pictures.iter().filter_map(|url| site(url)).collect();
    let named: Vec<&str> = sites.iter().copied().take(SITES_MAX).collect();
    let more = sites.len().saturating_sub(named.len());
    html! {
        @if !pictures.is_empty() {
            p class="note" id="web" {
                (pictures.len())
                @if pictures.len() == 1 { " picture" } @else { " pictures" }
                " of the web, from " (named.join(", "))
                @if more > 0 { " and " (more) " more sites" }
                ". "
                @if fetches {
                    label { input type="checkbox" id="remote"; " Fetch them" }
                } @else {
                    "They are not fetched."
                }
            }
        }
    }
}

/// The host of an address.
fn site(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

fn plain(texts: &Texts) -> Markup {
    let text = if texts.plain.is_empty() {
        mailwright_mime::html_to_text(&texts.html)
    } else {
        texts.plain.clone()
    };
    let codes = code::codes(&text);
    html! {
        @if texts.plain.is_empty() && !texts.html.is_empty() {
            p class="note" { "The message has no text part; this is made of its HTML." }
        }
        @if !codes.is_empty() {
            p class="note" { "Codes: " @for code in &codes { code { (code) } " " } }
        }
        (shown_text(&text))
    }
}

fn shown_text(text: &str) -> Markup {
    let end = text.floor_char_boundary(SHOWN_MAX.min(text.len()));
    html! {
        pre tabindex="0" { (text.get(..end).unwrap_or_default()) }
        @if end < text.len() { p class="note" { "It goes on; download the message for the rest." } }
    }
}

fn header(structure: &Structure<'_>) -> Markup {
    html! {
        table class="fields" {
            @for (name, value) in whole::headers(structure) {
                tr { th scope="row" { (name) } td { (value) } }
            }
        }
    }
}

fn parts(structure: &Structure<'_>) -> Markup {
    html! { ul class="tree" { (node(&whole::tree(structure), 0)) } }
}

/// Levels of a tree that are drawn.
const LEVELS: usize = 40;

fn node(value: &Value, level: usize) -> Markup {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let octets = value.get("size").and_then(Value::as_u64).unwrap_or_default();
    let children = value.get("parts").and_then(Value::as_array).filter(|_| level < LEVELS);
    html! {
        li {
            code { (text("part")) } " " (text("type")) " " (text("name"))
            span class="facts" { " " (text("encoding")) ", " (size(octets)) }
            @if let Some(children) = children.filter(|children| !children.is_empty()) {
                ul { @for child in children { (node(child, level + 1)) } }
            }
        }
    }
}

fn raw(id: &str, bytes: &[u8]) -> Markup {
    let some = bytes.get(..SHOWN_MAX).unwrap_or(bytes);
    html! {
        p class="note" {
            a download href={ "/api/messages/" (id) "/raw" } { "Download the octets" }
        }
        (shown_text(&String::from_utf8_lossy(some)))
    }
}

fn conversation(caught: &Caught) -> Markup {
    let facts = [
        ("Client", Some(caught.peer.as_str())),
        ("Called itself", Some(caught.helo.as_str())),
        ("Protocol", Some(caught.protocol.as_str())),
        ("TLS", caught.tls.as_deref().or(Some("none"))),
        ("Mechanism", caught.mechanism.as_deref()),
        ("User", caught.username.as_deref()),
    ];
    html! {
        table class="fields" {
            @for (name, value) in facts {
                @if let Some(value) = value.filter(|value| !value.is_empty()) {
                    tr { th scope="row" { (name) } td { (value) } }
                }
            }
        }
        pre tabindex="0" { (caught.conversation) }
    }
}
