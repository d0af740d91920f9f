//! What the bodies of our API look like, as JSON Schema.

use serde_json::{Value, json};

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
pub(super) fn schemas() -> Value {
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
    let mut all_of_them = json!({
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
            &json!({ "messages": list_of("Entry"), "total": maybe_number, "totalIsLeast": truth,
                "next": maybe_number }),
            &["messages", "total", "totalIsLeast", "next"],
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
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut all_of_them, outgoing()) {
        all.extend(more);
    }
    all_of_them
}

/// What leaves an inbox: releases, webhooks, tokens; and what a check is asked for.
fn outgoing() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let truth = json!({ "type": "boolean" });
    let maybe = json!({ "type": ["string", "null"] });
    let maybe_number = json!({ "type": ["integer", "null"] });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "Check": object(
            &json!({ "clients": text, "fail_on": text, "online": { "type": "boolean" },
                "format": text, "ip": text, "helo": text, "from": text, "records": text }),
            &[],
        ),
        "NewToken": object(&json!({ "label": text }), &["label"]),
        "Token": object(
            &json!({ "label": text, "created": text, "lastUsed": maybe, "token": text }),
            &["label", "created", "lastUsed"],
        ),
        "Tokens": object(&json!({ "tokens": list_of("Token") }), &["tokens"]),
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
    })
}
