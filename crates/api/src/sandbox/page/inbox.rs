//! An inbox: its list, newest first, page by page, and what was refused.

use axum::{
    extract::{Path, Query as Params, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mailwright_directory::Inbox;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Broken, Page, message, moment, names, size, whole};
use crate::sandbox::{
    Sandbox,
    find::{self, Item},
    query::Query,
};

/// Rows of a page.
const ROWS: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    query: String,
    before: Option<u32>,
    message: Option<String>,
}

/// Rows, and the number behind which more come.
struct Rows {
    items: Vec<Item>,
    next: Option<u32>,
}

async fn some(sandbox: &Sandbox, inbox: &Inbox, asked: &Asked) -> Result<Rows, Broken> {
    let query = Query::parse(&asked.query, sandbox.now(), 0);
    let page = find::Page { before: asked.before.unwrap_or(u32::MAX), ..find::Page::newest(ROWS) };
    let items = sandbox.find(inbox, query, page).await?.items;
    let next = items.last().filter(|_| items.len() == ROWS).map(|item| item.entry.uid);
    Ok(Rows { items, next })
}

pub(super) async fn page(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Page, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let all = names(&sandbox).await?;
    let found = some(&sandbox, &inbox, &asked).await?;
    let shown = match &asked.message {
        Some(id) => Some(message::shown(&sandbox, &inbox, id).await?),
        None => None,
    };
    let title = match inbox.unseen {
        0 => inbox.name.clone(),
        unread => format!("({unread}) {}", inbox.name),
    };
    let body = html! {
        header class="bar" {
            a class="brand" href="/" { "Mailwright" }
            (choice(&inbox, &all))
            (search(&inbox, &asked))
            span id="live" class="live" role="status" aria-live="polite" { "" }
            button type="button" id="read-all" { "Mark all read" }
            button type="button" id="delete-all" { "Delete all" }
            a href="/refusals" { "Refusals" }
            button type="button" id="help" aria-haspopup="dialog" title="Keys" { "?" }
        }
        main class={ "split" @if shown.is_some() { " reading" } } data-inbox=(inbox.name)
            data-query=(asked.query) data-unread=(inbox.unseen) {
            section class="list" aria-label="Messages" {
                ol id="rows" { @for item in &found.items { (row(&inbox, item, &asked)) } }
                @if found.items.is_empty() { (nothing(&asked)) }
                @if let Some(next) = found.next { (more(&inbox, &asked, next)) }
            }
            section class="pane" id="pane" aria-label="Message" tabindex="-1" {
                @match shown {
                    Some(shown) => (shown),
                    None => { p class="none" { "No message is open." } }
                }
            }
        }
        (keys())
    };
    Ok(whole(&title, &body))
}

/// More rows, for the module that appends them.
pub(super) async fn rows(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let found = some(&sandbox, &inbox, &asked).await?;
    if found.items.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let markup = html! {
        @for item in &found.items { (row(&inbox, item, &asked)) }
        @if let Some(next) = found.next { li class="next" data-before=(next) hidden {} }
    };
    Ok(Page(markup).into_response())
}

fn choice(inbox: &Inbox, all: &[Inbox]) -> Markup {
    html! {
        label class="choice" {
            span class="hidden" { "Inbox" }
            select id="inbox" {
                @for one in all {
                    option value=(one.name) selected[one.name == inbox.name] {
                        (one.name) " (" (one.total) ")"
                    }
                }
            }
        }
    }
}

fn search(inbox: &Inbox, asked: &Asked) -> Markup {
    html! {
        form class="search" role="search" action={ "/inbox/" (link(&inbox.name)) } {
            input type="search" name="query" value=(asked.query) aria-label="Search"
                placeholder="Search: from: to: subject: has:attachment is:unread OR -word"
                autocomplete="off" spellcheck="false";
        }
    }
}

/// A name as a part of a path.
pub(in crate::sandbox) fn link(name: &str) -> String {
    let each = name.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@' | b'+' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    });
    each.collect()
}

fn row(inbox: &Inbox, item: &Item, asked: &Asked) -> Markup {
    let (entry, summary) = (&item.entry, &item.summary);
    let id = entry.message.to_string();
    let is_open = asked.message.as_deref() == Some(id.as_str());
    let from = summary
        .from
        .first()
        .map(|one| if one.name.is_empty() { one.address.clone() } else { one.name.clone() });
    let from = from.unwrap_or_else(|| entry.sender.clone());
    let to = entry.recipients.join(", ");
    let subject = if summary.subject.is_empty() { "(no subject)" } else { &summary.subject };
    let query = if asked.query.is_empty() {
        String::new()
    } else {
        format!("&query={}", link(&asked.query))
    };
    html! {
        li class={ "row" @if !item.is_read() { " unread" } } data-id=(id)
            data-number=(entry.uid) aria-current=[is_open.then_some("true")] {
            input type="checkbox" class="pick" aria-label="Select";
            a href={ "/inbox/" (link(&inbox.name)) "?message=" (id) (query) } {
                span class="from" { (from) }
                (moment(entry.received.ms()))
                span class="subject" { (subject) }
                span class="to" { "to " (to) }
                span class="snippet" { (summary.snippet) }
                span class="facts" {
                    @if summary.attachments > 0 {
                        span title="Attachments" { (summary.attachments) " files" }
                    }
                    @for tag in &entry.tags { span class="tag" { (tag) } }
                    span { (size(entry.size)) }
                }
            }
        }
    }
}

fn nothing(asked: &Asked) -> Markup {
    html! {
        p class="none" id="empty" {
            @if asked.query.is_empty() { "Nothing was caught yet." }
            @else { "Nothing matches." }
        }
    }
}

fn more(inbox: &Inbox, asked: &Asked, next: u32) -> Markup {
    html! {
        a id="more" data-before=(next)
            href={ "/inbox/" (link(&inbox.name)) "?before=" (next)
                "&query=" (link(&asked.query)) } {
            "Older messages"
        }
    }
}

fn keys() -> Markup {
    let all = [
        ("j", "next message"),
        ("k", "previous message"),
        ("o", "open the message"),
        ("u", "back to the list"),
        ("x", "select the message"),
        ("#", "delete what is selected, or the message"),
        ("/", "search"),
        ("?", "these keys"),
    ];
    html! {
        dialog id="keys" aria-label="Keys" {
            h2 { "Keys" }
            dl { @for (key, what) in all { dt { kbd { (key) } } dd { (what) } } }
            h2 { "Search" }
            p { "Words are looked for anywhere. from: to: cc: subject: tag: header:Name=value \
                envelope: user: after: before: larger: smaller: is:unread has:attachment \
                regex: narrow it; - negates; OR and parentheses join." }
            form method="dialog" { button { "Close" } }
        }
    }
}

pub(super) async fn refusals(State(sandbox): State<Sandbox>) -> Page {
    let (list, total) = sandbox.backing.intake.refusals().list();
    let body = html! {
        header class="bar" { a class="brand" href="/" { "Mailwright" } }
        main class="alone" {
            h1 { "Refusals" }
            p { (total) " in all; the newest come first." }
            @for refused in &list {
                article class="refusal" {
                    h2 { (refused.reply) }
                    p { (moment(refused.at.ms())) " from " (refused.peer)
                        @if let Some(user) = &refused.username { " as " (user) } }
                    p { code { (refused.command) } }
                    details { summary { "Conversation" } pre { (refused.conversation) } }
                }
            }
        }
    };
    whole("Refusals", &body)
}
