//! An inbox: its list, newest first, page by page, and what was refused.

use axum::{
    extract::{Path, Query as Params, State},
    http::HeaderName,
    response::{IntoResponse, Response},
};
use mailwright_directory::Inbox;
use mailwright_words::percent::escaped;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Broken, Page, access, bar, message, moment, names, places, size, whole};
use crate::sandbox::{
    Sandbox,
    find::{self, Item},
    query::Query,
};

/// Rows of a page.
const ROWS: usize = 50;
/// Tags that a row shows.
const TAGS_MAX: usize = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    query: String,
    before: Option<u32>,
    skip: usize,
    count: bool,
    message: Option<String>,
}

/// Rows, and the number behind which more come.
struct Rows {
    items: Vec<Item>,
    next: Option<u32>,
    total: Option<u64>,
    unread: u64,
}

async fn some(sandbox: &Sandbox, inbox: &Inbox, asked: &Asked) -> Result<Rows, Broken> {
    let query = Query::parse(&asked.query, sandbox.now(), 0);
    let (before, skip, counts) = (asked.before.unwrap_or(u32::MAX), asked.skip, asked.count);
    let page = find::Page { before, skip, counts, ..find::Page::newest(ROWS) };
    let find::Found { items, total, unread, is_cut } = sandbox.find(inbox, query, page).await?;
    let next = items.last().filter(|_| items.len() == ROWS).map(|item| item.entry.uid);
    // Without a count it is known only where the page has all.
    let is_counted =
        counts && !is_cut || asked.query.is_empty() || before == u32::MAX && next.is_none();
    let total = is_counted.then_some(total);
    Ok(Rows { items, next, total, unread })
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
    let total = found.total;
    let counted = total.map_or_else(|| "many".to_owned(), |total| total.to_string());
    let config = sandbox.backing.config.now();
    let body = html! {
        header class="bar" {
            a class="brand" href="/" { "Mailwright" }
            (choice(&inbox, &all))
            (search(&inbox, &asked))
            span id="live" class="live" role="status" aria-live="polite" { "" }
            (places(Some(&inbox)))
            @if config.sandbox.token.is_some() { a href="/login" { "Log out" } }
            button type="button" id="help" aria-haspopup="dialog" aria-label="Keys"
                title="Keys" { "?" }
        }
        main class={ "split" @if shown.is_some() { " reading" } } data-inbox=(inbox.name)
            data-query=(asked.query) data-unread=(inbox.unseen) {
            section class="list" aria-label="Messages" tabindex="0" {
                (tools(&inbox, &counted))
                ol id="rows" data-total=[total] data-before=[asked.before] {
                    @for item in &found.items { (row(&inbox, item, &asked)) }
                }
                (nothing(&asked, !found.items.is_empty()))
                @if let Some(next) = found.next { (more(&inbox, &asked, next)) }
            }
            section class="pane" id="pane" aria-label="Message" tabindex="-1" {
                @match shown {
                    Some(shown) => (shown),
                    None => {
                        div class="none" { p { "No message is open." }
                            (access::hint(&config, &inbox)) }
                    }
                }
            }
        }
        (keys())
        dialog id="palette" aria-label="Commands" {
            input type="text" aria-label="Find a command" placeholder="What is to be done?"
                autocomplete="off" spellcheck="false";
            ul {}
        }
    };
    Ok(whole(&title, &body))
}

/// What is above the list: how long it is, and what is done to all of it, or to what is selected.
fn tools(inbox: &Inbox, counted: &str) -> Markup {
    html! {
        div class="tools" {
            div class="all" id="all" {
                h1 { span class="hidden" { "Inbox " (inbox.name) ", " }
                    span id="count" { (counted) } " "
                    span id="counted" { @if counted == "1" { "message" } @else { "messages" } } }
                button type="button" id="read-all" { "Mark all read" }
                button type="button" id="delete-all" { "Delete all" }
            }
            (bulk())
        }
    }
}

/// More rows, for the module that appends them.
pub(super) async fn rows(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, Broken> {
    let inbox = sandbox.inbox(&name).await?;
    let found = some(&sandbox, &inbox, &asked).await?;
    let markup = html! { @for item in &found.items { (row(&inbox, item, &asked)) } };
    let mut response = Page(markup).into_response();
    if let Some(total) = found.total {
        for (name, number) in [("mailwright-total", total), ("mailwright-unread", found.unread)] {
            response.headers_mut().insert(HeaderName::from_static(name), number.into());
        }
    }
    Ok(response)
}

/// What is done to all that is selected.
fn bulk() -> Markup {
    html! {
        div class="bulk" id="bulk" role="group" aria-label="Selected messages" hidden {
            span id="picked" role="status" { "" }
            button type="button" id="read-picked" { "Mark read" }
            button type="button" id="delete-picked" { "Delete" }
            button type="button" id="clear-picked" { "Clear" }
        }
    }
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
            button type="button" id="search-help" class="hint" aria-haspopup="dialog"
                title="What can be searched for" { "Help" }
        }
    }
}

/// A name as a part of a path.
pub(in crate::sandbox) fn link(name: &str) -> String {
    escaped(name, b"@+")
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
                span class="snippet" {
                    span class="to" { "to " bdi { (to) } }
                    @if !summary.snippet.is_empty() { " \u{2013} " bdi { (summary.snippet) } }
                }
                span class="facts" {
                    @if summary.attachments > 0 {
                        span title="Attachments" { (summary.attachments)
                            @if summary.attachments == 1 { " file" } @else { " files" } }
                    }
                    @for tag in entry.tags.iter().take(TAGS_MAX) {
                        span class="tag" { (tag) }
                    }
                    span { (size(entry.size)) }
                }
            }
        }
    }
}

fn nothing(asked: &Asked, has_some: bool) -> Markup {
    html! {
        p class="none" id="empty" hidden[has_some] {
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
        ("Ctrl K", "all commands, found by typing"),
        ("?", "these keys"),
    ];
    let terms = [
        ("word, \"a phrase\"", "anywhere in the message"),
        ("from: to: cc: bcc: reply-to:", "an address or a name; addressed: is any of them"),
        ("subject: message-id:", "a field"),
        ("header:Name=value", "any field, or that it is there"),
        ("sender: rcpt: envelope:", "who the client said it is from and for"),
        ("user:", "as whom the client logged in"),
        ("tag: is:tagged", "marks"),
        ("is:read is:unread", "whether it was read"),
        ("has:attachment has:inline", "parts"),
        ("after:2026-11-25 before:5m", "when it came"),
        ("larger:10k smaller:2m", "its size"),
        ("regex:\\d{6}", "a pattern over subject, text and HTML"),
        ("-term, OR, ( )", "not, either, together"),
    ];
    html! {
        dialog id="keys" aria-label="Keys" {
            h2 { "Keys" }
            dl { @for (key, what) in all { dt { kbd { (key) } } dd { (what) } } }
            h2 { "Search" }
            dl { @for (term, what) in terms { dt { code { (term) } } dd { (what) } } }
            form method="dialog" { button { "Close" } }
        }
    }
}

pub(super) async fn refusals(State(sandbox): State<Sandbox>) -> Page {
    let (list, total) = sandbox.backing.intake.refusals().list();
    let body = html! {
        (bar(None))
        main class="alone" {
            h1 { "Refusals" }
            p class="note" {
                @if list.is_empty() { "Nothing was refused yet: what an application does wrong "
                    "in its sessions is told here." }
                @else { (total) " in all; the newest come first." }
            }
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
