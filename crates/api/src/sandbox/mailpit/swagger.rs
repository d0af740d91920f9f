//! The description of this API, made of one table that a test holds against the routes.
//!
//! Source: Swagger 2.0.

use axum::Json;
use serde_json::{Map, Value, json};

/// Method, path, what it does, and what may stand behind the question mark.
pub(crate) type Operation = (&'static str, &'static str, &'static str, &'static [&'static str]);

const LISTED: &[&str] = &["start", "limit"];
const FOUND: &[&str] = &["query", "start", "limit", "tz"];
const NONE: &[&str] = &[];

/// Every operation of this API.
pub(crate) const OPERATIONS: [Operation; 27] = [
    ("get", "/api/v1/info", "Tells of the server and the inbox", NONE),
    ("get", "/api/v1/webui", "Tells what a page may offer", NONE),
    ("get", "/api/v1/chaos", "Tells which share of sessions is refused", NONE),
    ("put", "/api/v1/chaos", "Has a share of sessions be refused", NONE),
    ("get", "/api/v1/messages", "Lists messages, newest first", LISTED),
    ("put", "/api/v1/messages", "Marks messages as read or unread", &["tz"]),
    ("get", "/api/v1/search", "Finds messages", FOUND),
    ("post", "/api/v1/send", "Puts a message into the inbox", NONE),
    ("get", "/api/v1/tags", "Lists the tags", NONE),
    ("put", "/api/v1/tags", "Gives messages tags", NONE),
    ("put", "/api/v1/tags/{Tag}", "Calls a tag otherwise", NONE),
    ("delete", "/api/v1/tags/{Tag}", "Drops a tag", NONE),
    ("get", "/api/v1/message/{ID}", "Tells a message, which is read by that", NONE),
    ("get", "/api/v1/message/{ID}/headers", "Gives the fields of its header", NONE),
    ("get", "/api/v1/message/{ID}/raw", "Gives its octets", &["dl"]),
    ("get", "/api/v1/message/{ID}/part/{PartID}", "Gives a part", NONE),
    ("get", "/api/v1/message/{ID}/part/{PartID}/thumb", "Gives a small picture of it", NONE),
    ("get", "/api/v1/message/{ID}/html-check", "Says which clients show its HTML", NONE),
    ("get", "/api/v1/message/{ID}/link-check", "Says whether its links work", &["follow"]),
    ("get", "/api/v1/message/{ID}/sa-check", "Says what filters think of it", NONE),
    ("post", "/api/v1/message/{ID}/release", "Lets it go to real addresses", NONE),
    ("get", "/view/{ID}.html", "Gives its HTML, made safe", &["embed"]),
    ("get", "/view/{ID}.txt", "Gives its text", NONE),
    ("get", "/livez", "Says that the server runs", NONE),
    ("get", "/readyz", "Says that the server answers", NONE),
    ("delete", "/api/v1/search", "Deletes what a search finds", FOUND),
    ("delete", "/api/v1/messages", "Deletes messages", NONE),
];

pub(super) async fn document() -> Json<Value> {
    Json(description())
}

fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, does, asked) in OPERATIONS {
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = entry {
            methods.insert(method.to_owned(), described(path, does, asked));
        }
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Mailpit API, as Mailwright has it",
            "version": env!("CARGO_PKG_VERSION") },
        "consumes": ["application/json"],
        "produces": ["application/json", "text/plain"],
        "schemes": ["http", "https"],
        "paths": paths,
    })
}

fn described(path: &str, does: &str, asked: &[&str]) -> Value {
    let names = path.split('{').skip(1).filter_map(|piece| piece.split_once('}'));
    let named = names
        .map(|(name, _)| json!({ "name": name, "in": "path", "required": true, "type": "string" }));
    let asked = asked.iter().map(|name| json!({ "name": name, "in": "query", "type": "string" }));
    json!({
        "summary": does,
        "parameters": named.chain(asked).collect::<Vec<_>>(),
        "responses": { "200": { "description": "Done." },
            "400": { "description": "It was not done." } },
    })
}
