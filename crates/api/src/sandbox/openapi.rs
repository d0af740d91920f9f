//! The description of our own API, made of one table; a test compares it with what the server does.
//!
//! Source: `OpenAPI` Specification 3.1.

mod schema;

use axum::Json;
use serde_json::{Map, Value, json};

/// An operation: method, path, what it does, parameters behind the question mark, answers.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) does: &'static str,
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// The code of success.
    pub(crate) success: u16,
    /// The schema of its body.
    pub(crate) answer: Option<&'static str>,
    /// The schema of what is sent.
    pub(crate) body: Option<&'static str>,
}

const fn operation(method: &'static str, path: &'static str, does: &'static str) -> Operation {
    Operation { method, path, does, query: &[], success: 200, answer: None, body: None }
}

const QUERY: (&str, &str) = ("query", "which messages, in the search language");
const SELECT: (&str, &str) = ("select", "a CSS selector whose elements are told; may come again");
const REGEX: (&str, &str) = ("regex", "a pattern whose matches are told; may come again");

const HOOK: &str = "/api/inboxes/{inbox}/webhooks/{webhook}";

/// Every operation.
pub(crate) const OPERATIONS: [Operation; 42] = [
    Operation { answer: Some("Inboxes"), ..operation("get", "/api/inboxes", "Lists the inboxes") },
    Operation {
        success: 201,
        answer: Some("Inbox"),
        body: Some("NewInbox"),
        ..operation("post", "/api/inboxes", "Makes an inbox; its password is told this once")
    },
    Operation {
        answer: Some("Inbox"),
        ..operation("get", "/api/inboxes/{inbox}", "Tells of an inbox")
    },
    Operation {
        success: 204,
        ..operation("delete", "/api/inboxes/{inbox}", "Removes an inbox with all that is in it")
    },
    Operation {
        answer: Some("Inbox"),
        body: Some("InboxChanges"),
        ..operation("patch", "/api/inboxes/{inbox}", "Changes how long an inbox lives")
    },
    Operation {
        answer: Some("Settings"),
        ..operation(
            "get",
            "/api/inboxes/{inbox}/settings",
            "Tells what an inbox goes by, and how often each fault struck",
        )
    },
    Operation {
        success: 204,
        body: Some("InboxSettings"),
        ..operation(
            "put",
            "/api/inboxes/{inbox}/settings",
            "Has an inbox go by these settings; its faults count anew",
        )
    },
    Operation {
        query: &[
            QUERY,
            ("limit", "messages of a page, 50 without"),
            ("before", "only messages with smaller numbers: `next` of the page before"),
            ("count", "`true` counts all matches, not those of the page alone"),
        ],
        answer: Some("Messages"),
        ..operation("get", "/api/inboxes/{inbox}/messages", "Lists messages, newest first")
    },
    Operation {
        query: &[QUERY],
        answer: Some("Deleted"),
        ..operation(
            "delete",
            "/api/inboxes/{inbox}/messages",
            "Deletes all messages, or those that match",
        )
    },
    Operation {
        query: &[QUERY],
        success: 204,
        body: Some("Changes"),
        ..operation(
            "patch",
            "/api/inboxes/{inbox}/messages",
            "Marks all messages, or those that match",
        )
    },
    Operation {
        query: &[
            QUERY,
            ("count", "how many messages have to be there, 1 without"),
            ("after", "only messages with greater numbers count"),
            ("timeout", "seconds, 30 without"),
            SELECT,
            REGEX,
        ],
        answer: Some("Waited"),
        ..operation("get", "/api/inboxes/{inbox}/wait", "Waits for messages, and tells them whole")
    },
    operation("get", "/api/inboxes/{inbox}/events", "Tells what happens, as server-sent events"),
    Operation {
        answer: Some("Tags"),
        ..operation("get", "/api/inboxes/{inbox}/tags", "Counts the tags")
    },
    Operation {
        query: &[SELECT, REGEX],
        answer: Some("Message"),
        ..operation("get", "/api/messages/{id}", "Tells a message whole")
    },
    Operation { success: 204, ..operation("delete", "/api/messages/{id}", "Deletes a message") },
    Operation {
        success: 204,
        body: Some("Changes"),
        ..operation("patch", "/api/messages/{id}", "Marks a message, or gives it tags")
    },
    Operation {
        answer: Some("Released"),
        body: Some("Release"),
        ..operation(
            "post",
            "/api/messages/{id}/release",
            "Releases a message to real addresses that are allowed, once to each by the same key",
        )
    },
    Operation {
        answer: Some("Releases"),
        ..operation(
            "get",
            "/api/messages/{id}/releases",
            "Tells what was released of a message, and what became of it",
        )
    },
    Operation {
        query: &[QUERY],
        answer: Some("Released"),
        body: Some("Release"),
        ..operation(
            "post",
            "/api/inboxes/{inbox}/release",
            "Releases all messages that match, oldest first",
        )
    },
    Operation {
        answer: Some("Tokens"),
        ..operation("get", "/api/inboxes/{inbox}/tokens", "Lists the tokens of an inbox")
    },
    Operation {
        success: 201,
        answer: Some("Token"),
        body: Some("NewToken"),
        ..operation(
            "post",
            "/api/inboxes/{inbox}/tokens",
            "Makes a token that opens this inbox alone; it is told this once",
        )
    },
    Operation {
        success: 204,
        ..operation("delete", "/api/inboxes/{inbox}/tokens/{token}", "Makes a token worthless")
    },
    Operation {
        answer: Some("Webhooks"),
        ..operation("get", "/api/inboxes/{inbox}/webhooks", "Lists the webhooks of an inbox")
    },
    Operation {
        success: 201,
        answer: Some("Webhook"),
        body: Some("NewWebhook"),
        ..operation("post", "/api/inboxes/{inbox}/webhooks", "Makes a webhook; tells its secret")
    },
    Operation { answer: Some("Webhook"), ..operation("get", HOOK, "Tells of a webhook") },
    Operation {
        answer: Some("Webhook"),
        body: Some("NewWebhook"),
        ..operation("patch", HOOK, "Changes a webhook, or switches it on or off")
    },
    Operation {
        answer: Some("Webhook"),
        ..operation(
            "post",
            "/api/inboxes/{inbox}/webhooks/{webhook}/rotate",
            "Makes a new secret, and tells it; the old one signs, too, for a while",
        )
    },
    Operation {
        success: 202,
        answer: Some("Tested"),
        ..operation(
            "post",
            "/api/inboxes/{inbox}/webhooks/{webhook}/test",
            "Sends something to see whether it arrives",
        )
    },
    Operation {
        query: &[("before", "only those with smaller numbers"), ("limit", "50 without")],
        answer: Some("Deliveries"),
        ..operation(
            "get",
            "/api/inboxes/{inbox}/webhooks/{webhook}/deliveries",
            "Lists deliveries, newest first, and how they went",
        )
    },
    Operation {
        success: 202,
        ..operation(
            "post",
            "/api/inboxes/{inbox}/webhooks/{webhook}/deliveries/{delivery}/retry",
            "Has a delivery that has ended be tried again",
        )
    },
    Operation { success: 204, ..operation("delete", HOOK, "Removes a webhook") },
    Operation {
        answer: Some("ReleaseRules"),
        ..operation("get", "/api/release", "Tells whom messages may be released to")
    },
    operation("get", "/api/messages/{id}/raw", "Gives the octets of a message, as they came"),
    Operation {
        answer: Some("Headers"),
        ..operation("get", "/api/messages/{id}/headers", "Gives the fields of its header")
    },
    Operation {
        query: &[
            ("clients", "whose clients count, as `mailwright check --clients` has it"),
            ("fail_on", "conditions that are told of when they hold"),
            ("online", "`true` asks whether links work, and the DNS for its origin"),
            ("format", "`json`, `sarif`, `junit` or `text`"),
            ("ip", "the address that will send, in place of the client's"),
            ("helo", "how it will name itself"),
            ("from", "the reverse-path, in place of the envelope's"),
            ("records", "records of the DNS that are taken for published, as in a zone file"),
        ],
        ..operation("get", "/api/messages/{id}/check", "Checks a message")
    },
    Operation {
        body: Some("Check"),
        ..operation("post", "/api/messages/{id}/check", "Checks a message, asked by a body")
    },
    operation("get", "/api/messages/{id}/parts/{part}", "Gives a part, decoded"),
    operation("get", "/api/messages/{id}/parts/{part}/thumb", "Gives a small picture of a part"),
    Operation {
        answer: Some("Refusals"),
        ..operation("get", "/api/refusals", "Lists what was refused lately")
    },
    Operation { success: 204, ..operation("delete", "/api/refusals", "Forgets what was refused") },
    operation("get", "/api/openapi.json", "Gives this description"),
    Operation {
        query: &[("dark", "`scheme`, `partial` or `full`: as clients show it in the dark")],
        ..operation(
            "get",
            "/render/{id}",
            "Gives the HTML of a message as a document in which nothing runs",
        )
    },
];

/// The description.
pub(crate) async fn document() -> Json<Value> {
    Json(description())
}

pub(crate) fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for one in &OPERATIONS {
        let path = paths.entry(one.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(one.method.to_owned(), described(one));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Mailwright sandbox", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": schema::schemas(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "token": [] }],
    })
}

fn described(one: &Operation) -> Value {
    let names = one.path.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
    let named = names.map(|(name, _)| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let asked = one.query.iter().map(|(name, what)| {
        json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string" } })
    });
    let of = |schema: &str| {
        let place = format!("#/components/schemas/{schema}");
        json!({ "application/json": { "schema": { "$ref": place } } })
    };
    let mut success = json!({ "description": "Done." });
    let mut told = Map::new();
    if let (Some(answer), Value::Object(success)) = (one.answer, &mut success) {
        success.insert("content".to_owned(), of(answer));
    }
    told.insert("summary".to_owned(), one.does.into());
    told.insert("parameters".to_owned(), named.chain(asked).collect());
    if let Some(body) = one.body {
        told.insert("requestBody".to_owned(), json!({ "content": of(body) }));
    }
    let mut answers = Map::new();
    answers.insert(one.success.to_string(), success);
    let failed = json!({ "description": "It was not done.", "content": of("Error") });
    answers.insert("default".to_owned(), failed);
    told.insert("responses".to_owned(), answers.into());
    told.into()
}
