//! The API over a real store, without a socket.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request, StatusCode},
};
use mailwright_config::{Config, Live};
use mailwright_directory::Directory;
use mailwright_intake::Intake;
use mailwright_net::{Clock, System, dns::Fake, egress::Egress, tls::Inspector};
use mailwright_store::{Options, Store};
use mailwright_words::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Backing, openapi, router};

mod checks;
mod errors;
mod hook;
mod hostile;
mod mailpit;
mod release;
mod search;
mod token;

struct World {
    _folder: tempfile::TempDir,
    routes: Router,
    /// The DNS that is asked.
    dns: Arc<Fake>,
    store: Store,
}

async fn world() -> World {
    world_with(|_| ()).await
}

async fn world_with(change: impl FnOnce(&mut Config)) -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let mut config = Config::default();
    config.server.data = folder.path().to_owned();
    config.intake.free_space_min = 0;
    config.sandbox.is_open = true;
    config.sandbox.release.to = vec!["real.example".parse().unwrap()];
    change(&mut config);
    let store = Store::open(Options::new(folder.path()), Timestamp::new(1)).unwrap();
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let settings = mailwright_intake::Settings::of(&config).unwrap();
    let intake = Intake::new(store.clone(), directory.clone(), settings);
    let config = Live::new(config);
    let dns = Arc::new(Fake::new());
    let resolver = Arc::<Fake>::clone(&dns);
    let inspector = Inspector::new(&[], Arc::clone(&clock)).unwrap();
    let egress = Egress::new(resolver, inspector, config.clone());
    let hooks = Some(egress.clone().picking(Config::webhook_egress, 8));
    let egress = Some(egress);
    let backing = Backing { store: store.clone(), directory, intake, clock, config, egress, hooks };
    World { _folder: folder, routes: router(backing), dns, store }
}

impl World {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Vec<u8>) {
        self.ask_as(None, method, path, body).await
    }

    /// As [`ask`](Self::ask), with a field, from elsewhere.
    async fn ask_as(
        &self,
        field: Option<(&str, &str)>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Vec<u8>) {
        let body_text = body.map(|body| body.to_string());
        let mut request = Request::builder()
            .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
            .uri(path)
            .header("host", "localhost");
        if body_text.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some((name, value)) = field {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(body_text.unwrap_or_default())).unwrap();
        let peer = if field.is_some() { "192.0.2.7:9" } else { "127.0.0.1:9" };
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let code = answer.status();
        if answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            return (code, Vec::new());
        }
        (code, to_bytes(answer.into_body(), 1 << 24).await.unwrap().to_vec())
    }

    async fn json(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (code, bytes) = self.ask(method, path, body).await;
        assert!(code.is_success(), "{method} {path}: {code} {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// Puts a message into an inbox; gives its id.
    async fn send(&self, inbox: &str, subject: &str, text: &str) -> String {
        let body = json!({
            "From": { "Email": "ann@a.example", "Name": "Ann" },
            "To": [{ "Email": "bob@b.example", "Name": "Bob" }],
            "Bcc": ["hidden@c.example"],
            "Subject": subject,
            "Text": text,
            "HTML": format!("<p class=code>{text}</p><a href='https://a.example/x'>Go</a>"),
            "Tags": ["one"],
            "Attachments": [{ "Content": "aGVsbG8=", "Filename": "a.txt" }],
        });
        let answer = self.json("post", &format!("/api/v1/send?inbox={inbox}"), Some(body)).await;
        answer["ID"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_message_is_found_by_all_that_is_known_of_it() {
    let world = world().await;
    let id = world.send("default", "Hello", "Your code is 123456").await;
    let other = world.send("default", "Other", "nothing").await;
    for (query, found) in [
        ("", vec![&other, &id]),
        ("hello", vec![&id]),
        ("123456", vec![&id]),
        ("subject:hello", vec![&id]),
        ("-subject:hello", vec![&other]),
        ("from:ann to:bob", vec![&other, &id]),
        ("rcpt:hidden", vec![&other, &id]),
        ("to:hidden", vec![]),
        ("hello OR nothing", vec![&other, &id]),
        ("tag:one has:attachment is:unread", vec![&other, &id]),
        ("is:read", vec![]),
        ("header:Subject=hello", vec![&id]),
        ("header:X-None", vec![]),
        ("regex:\\d{6}", vec![&id]),
        ("larger:1m", vec![]),
        ("smaller:1m after:1d", vec![&other, &id]),
        ("before:1d", vec![]),
        ("a.txt", vec![&other, &id]),
    ] {
        let path = format!("/api/inboxes/default/messages?query={}", encoded(query));
        let answer = world.json("get", &path, None).await;
        let ids: Vec<&str> = answer["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, found, "{query}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_wait_is_answered_the_moment_the_message_is_there() {
    let world = Arc::new(world().await);
    world.json("post", "/api/inboxes", Some(json!({ "name": "run", "ttl": 60 }))).await;
    let waiting = Arc::clone(&world);
    let path = "/api/inboxes/run/wait?query=subject:welcome&timeout=60&select=p.code\
        &regex=code%20is%20(%5Cd%2B)";
    let wait = tokio::spawn(async move { waiting.json("get", path, None).await });
    world.send("run", "Not this", "x").await;
    world.send("run", "Welcome", "Your code is 123456").await;
    let message = &wait.await.unwrap()["message"];
    assert_eq!(message["subject"], "Welcome");
    assert_eq!(message["codes"], json!(["123456"]));
    assert_eq!(message["links"][0]["url"], "https://a.example/x");
    assert_eq!(message["selected"]["p.code"][0]["text"], "Your code is 123456");
    assert_eq!(message["matched"]["code is (\\d+)"], json!(["123456"]));
    assert_eq!(message["envelope"]["to"], json!(["bob@b.example", "hidden@c.example"]));
    let (code, _) = world.ask("get", "/api/inboxes/run/wait?query=never&timeout=0", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn messages_are_read_tagged_and_deleted() {
    let world = world().await;
    let id = world.send("default", "Hello", "x").await;
    world.send("default", "Second", "y").await;
    let changes = json!({ "read": true, "tags": ["a", "A", "b c"] });
    world.json("patch", &format!("/api/messages/{id}"), Some(changes)).await;
    let message = world.json("get", &format!("/api/messages/{id}"), None).await;
    assert_eq!((&message["read"], &message["tags"]), (&json!(true), &json!(["a", "b c"])));
    assert_eq!(message["attachments"][0]["name"], "a.txt");
    let part = message["attachments"][0]["part"].as_str().unwrap();
    let (_, octets) = world.ask("get", &format!("/api/messages/{id}/parts/{part}"), None).await;
    assert_eq!(octets, b"hello");
    let inbox = world.json("get", "/api/inboxes/default", None).await;
    assert_eq!((&inbox["messages"], &inbox["unread"]), (&json!(2), &json!(1)));
    let deleted = world.json("delete", "/api/inboxes/default/messages?query=second", None).await;
    assert_eq!(deleted["deleted"], 1);
    world.json("delete", &format!("/api/messages/{id}"), None).await;
    let (code, _) = world.ask("get", &format!("/api/messages/{id}"), None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    world.json("delete", "/api/inboxes/default", None).await;
    let (code, _) = world.ask("get", "/api/inboxes/other", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_show_messages_and_their_html_apart() {
    let world = world().await;
    let id = world.send("default", "<b>Hello", "<script>alert(1)</script>").await;
    let world = &world;
    let page = |path: String| async move {
        let (code, bytes) = world.ask("get", &path, None).await;
        assert_eq!(code, StatusCode::OK, "{path}");
        String::from_utf8(bytes).unwrap()
    };
    let list = page("/inbox/default".to_owned()).await;
    assert!(list.contains("&lt;b&gt;Hello") && !list.contains("<b>Hello"), "{list}");
    let one = page(format!("/inbox/default?message={id}")).await;
    assert!(one.contains("aria-current") && !one.contains("<script>alert"), "{one}");
    let pane = page(format!("/inbox/default/message/{id}")).await;
    assert!(pane.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""), "{pane}");
    let shown = page(format!("/render/{id}")).await;
    assert!(!shown.contains("alert"), "{shown}");
    for path in ["/assets/sandbox.js", "/assets/sandbox.css", "/refusals"] {
        page(path.to_owned()).await;
    }
    let (code, _) = world.ask("get", "/inbox/none", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
}

/// Whether a value is as a schema says: the parts of JSON Schema that we use.
fn fits(value: &Value, schema: &Value, all: &Value) -> Result<(), String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap();
        return fits(value, &all[name], all).map_err(|error| format!("{name}: {error}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        return Err(format!("{value} is {kind}, not {kinds:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    if let (Some(known), Value::Object(own)) = (schema["properties"].as_object(), value) {
        for (name, one) in own {
            let schema = known.get(name).ok_or_else(|| format!("{name} is not described"))?;
            fits(one, schema, all).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    for one in value.as_array().into_iter().flatten() {
        fits(one, &schema["items"], all)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_message_is_checked_in_each_form() {
    let world = world().await;
    let id = world.send("default", "Hello {{ name }}", "x").await;
    let path = format!("/api/messages/{id}/check?fail_on=structure.errors%3E0");
    let report = world.json("get", &path, None).await;
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report}");
    assert!(report["structure"].to_string().contains("placeholder-left"), "{report}");
    let log = world.json("get", &format!("{path}&format=sarif"), None).await;
    assert_eq!(log["version"], "2.1.0");
    for (format, start) in [("junit", "<?xml "), ("text", "HTML and CSS: ")] {
        let (code, bytes) = world.ask("get", &format!("{path}&format={format}"), None).await;
        assert_eq!(code, StatusCode::OK);
        assert!(String::from_utf8(bytes).unwrap().starts_with(start), "{format}");
    }
    for wrong in ["format=x", "fail_on=x", "clients=x", "ip=x", "records=x"] {
        let (code, _) = world.ask("get", &format!("/api/messages/{id}/check?{wrong}"), None).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn what_is_described_is_what_the_server_does() {
    let world = world().await;
    let description = world.json("get", "/api/openapi.json", None).await;
    let schemas = &description["components"]["schemas"];
    for one in &openapi::OPERATIONS {
        let id = world.send("default", "Hello", "x").await;
        let mut path = one.path.replace("{id}", &id).replace("{part}", "1.1");
        if one.method == "delete" && one.path == "/api/inboxes/{inbox}" {
            world.json("post", "/api/inboxes", Some(json!({ "name": "gone" }))).await;
            path = "/api/inboxes/gone".to_owned();
        }
        path = path.replace("{inbox}", "default");
        if path.contains("{webhook}") {
            path = world.with_hook(&path).await;
        }
        // The operation before made it.
        path = path.replace("{token}", "test");
        if one.path.ends_with("/release") && one.method == "post" {
            path.push_str("?query=subject:hello");
        }
        let body = one.body.map(|schema| match schema {
            "NewInbox" => json!({}),
            "Check" => json!({ "fail_on": "spam>9", "online": true }),
            "InboxSettings" => json!({ "faults": [{ "at": "mail", "delay": "1ms" }] }),
            "NewToken" => json!({ "label": "test" }),
            "NewWebhook" => json!({ "url": "https://hooks.example/x" }),
            "InboxChanges" => json!({ "ttl": 3600 }),
            "Release" => json!({ "to": ["ann@real.example"] }),
            _ => json!({ "read": true }),
        });
        let (code, bytes) = world.ask(one.method, &path, body).await;
        assert_eq!(code.as_u16(), one.success, "{} {path}", one.method);
        if let Some(schema) = one.answer {
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            let outcome = fits(&value, &schemas[schema], schemas);
            assert_eq!(outcome, Ok(()), "{} {path}: {value}", one.method);
        }
    }
}

#[tokio::test]
async fn an_inbox_goes_by_its_settings_from_then_on() {
    let world = world().await;
    let fault = json!({ "at": "rcpt", "nth": 2, "reply": "450 4.2.0 later" });
    let new = json!({ "name": "shop", "settings": { "octetsMax": 5, "faults": [fault] } });
    world.json("post", "/api/inboxes", Some(new)).await;
    let told = world.json("get", "/api/inboxes/shop/settings", None).await;
    assert_eq!(told["settings"]["faults"][0]["nth"], 2, "{told}");
    assert_eq!((&told["struck"], &told["settings"]["magic"]), (&json!([0]), &json!(true)));
    let send = json!({ "From": { "Email": "a@a.example" }, "To": [{ "Email": "b@b.example" }] });
    let (code, bytes) = world.ask("post", "/api/v1/send?inbox=shop", Some(send)).await;
    assert!(!code.is_success(), "it has no room: {}", String::from_utf8_lossy(&bytes));
    world.json("put", "/api/inboxes/shop/settings", Some(json!({}))).await;
    world.send("shop", "Now", "x").await;
    for odd in [json!({ "odd": 1 }), json!({ "faults": [{ "at": "rcpt" }] }), json!("x")] {
        let (code, bytes) = world.ask("put", "/api/inboxes/shop/settings", Some(odd)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8(bytes).unwrap().contains("error"));
    }
}

#[tokio::test]
async fn mailpit_clients_find_what_they_know() {
    let world = world().await;
    let id = world.send("default", "Hello", "x").await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "other" }))).await;
    world.send("other", "Elsewhere", "x").await;
    let list = world.json("get", "/api/v1/messages", None).await;
    assert_eq!((&list["total"], &list["messages_count"]), (&json!(1), &json!(1)));
    let first = &list["messages"][0];
    assert_eq!(first["ID"], id);
    assert_eq!(first["From"], json!({ "Name": "Ann", "Address": "ann@a.example" }));
    assert_eq!(first["Bcc"], json!([{ "Name": "", "Address": "hidden@c.example" }]));
    let found = world.json("get", "/api/v1/search?query=subject%3Aelse&inbox=other", None).await;
    assert_eq!(found["messages_count"], 1);
    let message = world.json("get", "/api/v1/message/latest", None).await;
    assert_eq!((&message["ID"], &message["ReturnPath"]), (&json!(id), &json!("ann@a.example")));
    assert_eq!(message["Attachments"][0]["FileName"], "a.txt");
    let headers = world.json("get", &format!("/api/v1/message/{id}/headers"), None).await;
    assert_eq!(headers["Subject"], json!(["Hello"]));
    let (_, raw) = world.ask("get", &format!("/api/v1/message/{id}/raw"), None).await;
    assert!(String::from_utf8(raw).unwrap().contains("Subject: Hello"));
    assert_eq!(world.json("get", "/api/v1/tags", None).await, json!(["one"]));
    world.ask("put", "/api/v1/tags/one", Some(json!({ "Name": "two" }))).await;
    assert_eq!(world.json("get", "/api/v1/info", None).await["Tags"], json!({ "two": 1 }));
    world.ask("put", "/api/v1/messages", Some(json!({ "IDs": [id], "Read": false }))).await;
    assert_eq!(world.json("get", "/api/v1/messages", None).await["unread"], 1);
    let (code, _) = world.ask("delete", "/api/v1/messages", None).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(world.json("get", "/api/v1/messages", None).await["total"], 0);
    let (code, bytes) = world.ask("get", "/api/v1/message/latest", None).await;
    assert_eq!((code, bytes.first()), (StatusCode::NOT_FOUND, Some(&b'E')));
}
