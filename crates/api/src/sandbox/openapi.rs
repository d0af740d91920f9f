//! The description of our own API, made of one table; a test compares it with what the server does.
//!
//! Source: `OpenAPI` Specification 3.1.

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
pub(crate) const OPERATIONS: [Operation; 38] = [
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
            ("online", "`true` asks whether links work"),
            ("format", "`json`, `sarif`, `junit` or `text`"),
        ],
        ..operation("get", "/api/messages/{id}/check", "Checks a message")
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
            "schemas": schemas(),
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

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

fn list_of(schema: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{schema}") } })
}

fn inbox_settings() -> Value {
    let number = json!({ "type": "integer" });
    object(
        &json!({ "messagesMax": number, "octetsMax": number, "kept": { "type": "string" },
            "magic": { "type": "boolean" }, "faults": list_of("Fault") }),
        &[],
    )
}

/// A rule; what its fields mean stands in docs/guide/sandbox.md.
fn fault() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer", "minimum": 1 });
    let phases = ["connect", "tls", "ehlo", "auth", "mail", "rcpt", "data", "body", "message"];
    object(
        &json!({
            "at": { "type": "string", "enum": phases },
            "client": text, "hello": text, "sender": text, "recipient": text,
            "largerThan": { "type": "integer" },
            "nth": number, "every": number, "first": number,
            "rate": object(&json!({ "count": number, "per": text }), &["count", "per"]),
            "probability": { "type": "number", "minimum": 0, "maximum": 1 },
            "seed": { "type": "integer" },
            "reply": text, "delay": text, "throttle": number, "drop": { "type": "boolean" },
            "breakTls": { "type": "string", "enum": ["close", "alert", "garbage"] },
            "greylist": text, "keep": { "type": "boolean" },
        }),
        &["at"],
    )
}

#[expect(clippy::too_many_lines, reason = "a table, one schema a line")]
fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let truth = json!({ "type": "boolean" });
    let maybe = json!({ "type": ["string", "null"] });
    let maybe_number = json!({ "type": ["integer", "null"] });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let any = json!({ "type": "object" });
    let pairs = json!({ "type": "array", "items": texts });
    let entry = json!({
        "id": text, "inbox": text, "number": number, "received": text, "size": number,
        "read": truth, "tags": texts, "subject": text, "messageId": text, "date": maybe,
        "from": list_of("Contact"), "to": list_of("Contact"), "cc": list_of("Contact"),
        "bcc": list_of("Contact"), "replyTo": list_of("Contact"), "snippet": text,
        "attachmentCount": number, "envelope": any, "username": maybe,
    });
    let mut whole = entry.clone();
    let more = json!({
        "text": text, "html": text, "headers": pairs, "attachments": list_of("Attachment"),
        "parts": any, "links": list_of("Link"), "codes": texts, "session": any,
        "selected": any, "matched": any,
    });
    if let (Value::Object(whole), Value::Object(more)) = (&mut whole, more) {
        whole.extend(more);
    }
    let known = [
        "id",
        "inbox",
        "number",
        "received",
        "size",
        "read",
        "tags",
        "subject",
        "messageId",
        "date",
        "from",
        "to",
        "cc",
        "bcc",
        "replyTo",
        "snippet",
        "attachmentCount",
        "envelope",
        "username",
    ];
    let all = [
        &known[..],
        &["text", "html", "headers", "attachments", "parts", "links", "codes", "session"],
    ]
    .concat();
    json!({
        "Error": object(&json!({ "error": text }), &["error"]),
        "Contact": object(&json!({ "name": text, "address": text }), &["name", "address"]),
        "Link": object(&json!({ "url": text, "text": text }), &["url", "text"]),
        "NewInbox": object(
            &json!({ "name": text, "ttl": number,
                "settings": { "$ref": "#/components/schemas/InboxSettings" } }),
            &[],
        ),
        "InboxSettings": inbox_settings(),
        "Fault": fault(),
        "Settings": object(
            &json!({ "settings": { "$ref": "#/components/schemas/InboxSettings" },
                "struck": { "type": "array", "items": number } }),
            &["settings", "struck"],
        ),
        "Inbox": object(
            &json!({ "name": text, "number": number, "messages": number, "unread": number,
                "octets": number, "created": text, "expires": maybe, "password": text }),
            &["name", "number", "messages", "unread", "octets", "created", "expires"],
        ),
        "Inboxes": object(&json!({ "inboxes": list_of("Inbox") }), &["inboxes"]),
        "Entry": object(&entry, &known),
        "Messages": object(
            &json!({ "messages": list_of("Entry"), "total": maybe_number, "next": maybe_number }),
            &["messages", "total", "next"],
        ),
        "Message": object(&whole, &all),
        "Waited": object(
            &json!({ "message": { "$ref": "#/components/schemas/Message" },
                "messages": list_of("Message") }),
            &["message", "messages"],
        ),
        "Attachment": object(
            &json!({ "part": text, "name": text, "type": text, "contentId": text,
                "inline": truth, "size": number, "md5": text, "sha1": text, "sha256": text }),
            &["part", "name", "type", "contentId", "inline", "size", "md5", "sha1", "sha256"],
        ),
        "NewWebhook": object(&json!({ "url": text, "kinds": texts, "enabled": truth }), &[]),
        "Webhook": object(
            &json!({ "id": text, "url": text, "kinds": texts, "enabled": truth, "created": text,
                "waiting": number, "failingSince": maybe, "disabledAt": maybe, "reason": maybe,
                "secret": text }),
            &["id", "url", "kinds", "enabled", "created", "waiting", "failingSince",
                "disabledAt", "reason"],
        ),
        "Webhooks": object(&json!({ "webhooks": list_of("Webhook") }), &["webhooks"]),
        "Tested": object(&json!({ "delivery": number }), &["delivery"]),
        "Deliveries": object(&json!({ "deliveries": list_of("Delivery") }), &["deliveries"]),
        "Delivery": object(
            &json!({ "id": number, "webhookId": text, "kind": text, "messageId": maybe,
                "at": text, "state": text, "attempts": number, "next": maybe, "tried": maybe,
                "status": maybe_number, "error": maybe }),
            &["id", "webhookId", "kind", "messageId", "at", "state", "attempts", "next",
                "tried", "status", "error"],
        ),
        "InboxChanges": object(&json!({ "ttl": maybe_number }), &[]),
        "Release": object(
            &json!({ "to": texts, "from": text, "key": text, "again": truth }),
            &["to"],
        ),
        "Released": object(&json!({ "released": list_of("ReleasedOne") }), &["released"]),
        "ReleasedOne": object(
            &json!({ "id": text, "queueId": maybe, "to": texts, "before": texts }),
            &["id", "queueId", "to", "before"],
        ),
        "Releases": object(&json!({ "releases": list_of("ReleaseDone") }), &["releases"]),
        "ReleaseDone": object(
            &json!({ "queueId": text, "at": text, "from": text, "to": texts, "key": text,
                "outcomes": list_of("Outcome") }),
            &["queueId", "at", "from", "to", "key", "outcomes"],
        ),
        "Outcome": object(
            &json!({ "address": text, "state": text, "reply": maybe }),
            &["address", "state", "reply"],
        ),
        "ReleaseRules": object(
            &json!({ "enabled": truth, "reason": maybe, "to": texts, "from": text,
                "messagesMax": number, "recipientsMax": number }),
            &["enabled", "reason", "to", "from", "messagesMax", "recipientsMax"],
        ),
        "Deleted": object(&json!({ "deleted": number }), &["deleted"]),
        "Changes": object(&json!({ "read": truth, "tags": texts }), &[]),
        "Tags": object(&json!({ "tags": any }), &["tags"]),
        "Headers": object(&json!({ "headers": pairs }), &["headers"]),
        "Refusal": object(
            &json!({ "number": number, "at": text, "peer": text, "username": maybe,
                "command": text, "reply": text, "conversation": text }),
            &["number", "at", "peer", "username", "command", "reply", "conversation"],
        ),
        "Refusals": object(
            &json!({ "refusals": list_of("Refusal"), "total": number }),
            &["refusals", "total"],
        ),
    })
}
