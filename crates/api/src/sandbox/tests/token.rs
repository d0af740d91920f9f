//! Tokens of inboxes: what each opens, and that it opens nothing else.

use base64::Engine as _;
use std::time::Duration;
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::sandbox::mailpit::swagger;

/// A world with two inboxes, a message of `alpha`, and a token of each.
async fn two() -> (World, String, [String; 2]) {
    two_in(world().await).await
}

async fn two_in(world: World) -> (World, String, [String; 2]) {
    let mut tokens = Vec::new();
    for name in ["alpha", "beta"] {
        world.json("post", "/api/inboxes", Some(json!({ "name": name }))).await;
        let place = format!("/api/inboxes/{name}/tokens");
        let made = world.json("post", &place, Some(json!({ "label": "ci" }))).await;
        tokens.push(format!("Bearer {}", made["token"].as_str().unwrap()));
    }
    let id = world.send("alpha", "Quiet words", "x").await;
    let tokens = tokens.try_into().unwrap();
    (world, id, tokens)
}

fn body_of(operation: &openapi::Operation) -> Option<Value> {
    operation.body.map(|schema| match schema {
        "NewInbox" | "InboxSettings" | "Check" => json!({}),
        "NewToken" => json!({ "label": "more" }),
        "NewWebhook" => json!({ "url": "https://hooks.example/x" }),
        "InboxChanges" => json!({ "ttl": 3600 }),
        "Release" => json!({ "to": ["ann@real.example"] }),
        _ => json!({ "read": true }),
    })
}

#[tokio::test]
async fn the_token_of_another_inbox_opens_no_route() {
    let (world, id, [alpha, beta]) = two().await;
    let hook = json!({ "url": "https://hooks.example/x" });
    let hook = world.json("post", "/api/inboxes/alpha/webhooks", Some(hook)).await;
    let fill = |path: &str, inbox: &str| {
        path.replace("{inbox}", inbox)
            .replace("{id}", &id)
            .replace("{part}", "1.1")
            .replace("{webhook}", hook["id"].as_str().unwrap())
            .replace("{delivery}", "1")
            .replace("{token}", "ci")
    };
    let number = world.json("get", "/api/inboxes/alpha", None).await["number"].to_string();
    for one in &openapi::OPERATIONS {
        for inbox in ["alpha", &number] {
            let (path, body) = (fill(one.path, inbox), body_of(one));
            let field = Some(("authorization", beta.as_str()));
            let (code, bytes) = world.ask_as(field, one.method, &path, body).await;
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("Quiet words"), "{} {path}: {text}", one.method);
            let is_common = !one.path.contains('{') && one.method == "get";
            if is_common {
                assert_eq!(code.as_u16(), one.success, "{} {path}: {text}", one.method);
                assert!(!text.contains("\"alpha\""), "{} {path}: {text}", one.method);
            } else {
                let shut = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&code);
                assert!(shut, "{} {path}: {code} {text}", one.method);
            }
        }
    }
    // Its own opens what is only read, but for tokens.
    for one in openapi::OPERATIONS.iter().filter(|one| one.method == "get") {
        let query = if one.path.ends_with("/wait") { "?timeout=0" } else { "" };
        let path = fill(one.path, "alpha") + query;
        let field = Some(("authorization", alpha.as_str()));
        let (code, _) = world.ask_as(field, one.method, &path, None).await;
        let wanted = if one.path.ends_with("/tokens") { 403 } else { one.success };
        assert_eq!(code.as_u16(), wanted, "{path}");
    }
    let told = world.json("get", &format!("/api/messages/{id}"), None).await;
    assert_eq!(told["subject"], "Quiet words", "nothing was done to it");
}

#[tokio::test]
async fn the_apis_of_others_keep_to_the_token_too() {
    let (world, id, [alpha, beta]) = two().await;
    let secret = |field: &str| field.strip_prefix("Bearer ").unwrap().to_owned();
    let number = world.json("get", "/api/inboxes/alpha", None).await["number"].to_string();
    for (method, path, _, _) in swagger::OPERATIONS {
        let path = path.replace("{ID}", &id).replace("{PartID}", "1.1").replace("{Tag}", "one");
        if ["/livez", "/readyz", "/api/v1/webui"].contains(&path.as_str()) {
            continue;
        }
        for path in [format!("{path}?inbox=alpha&query=x"), format!("/mailpit/alpha{path}?query=x")]
        {
            let field = Some(("authorization", beta.as_str()));
            let (code, bytes) = world.ask_as(field, method, &path, None).await;
            let text = String::from_utf8_lossy(&bytes);
            // A body that is missing is told before.
            let shut = code == StatusCode::NOT_FOUND || code.is_client_error() && method != "get";
            assert!(shut && !text.contains("Quiet"), "{method} {path}: {code} {text}");
        }
    }
    for path in [
        format!("/mailhog/alpha/api/v1/messages/{id}"),
        format!("/api/v1/messages/{id}"),
        "/mailhog/alpha/api/v2/messages".to_owned(),
        "/api/v2/messages?inbox=alpha".to_owned(),
        "/mailcatcher/alpha/messages".to_owned(),
        "/mailcatcher/alpha/messages/1.source".to_owned(),
        "/maildev/alpha/api/email".to_owned(),
        format!("/email/{id}"),
        format!("/api/accounts/1/inboxes/{number}/messages"),
        format!("/api/accounts/1/inboxes/{number}/messages/1/body.raw"),
        "/api/sandboxes/alpha/messages/1".to_owned(),
        "/api/sandboxes/4711/messages".to_owned(),
        "/api/projects".to_owned(),
        "/api/accounts/1/projects/1".to_owned(),
        "/inbox/alpha".to_owned(),
        "/inbox/beta".to_owned(),
        "/".to_owned(),
    ] {
        for field in [("authorization", beta.clone()), ("api-token", secret(&beta))] {
            let field = Some((field.0, field.1.as_str()));
            let (code, bytes) = world.ask_as(field, "get", &path, None).await;
            let shut = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&code);
            assert!(shut, "{path}: {code} {}", String::from_utf8_lossy(&bytes));
        }
    }
    // Without a name it is the inbox of the token, whichever way that is shown.
    let basic = |field: &str| {
        let pair = format!("any:{}", secret(field));
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    for (field, total) in [
        (("authorization", alpha.clone()), 1),
        (("authorization", beta.clone()), 0),
        (("authorization", basic(&alpha)), 1),
        (("authorization", basic(&beta)), 0),
        (("api-token", secret(&alpha)), 1),
    ] {
        let (name, value) = (field.0, field.1.as_str());
        let (code, bytes) =
            world.ask_as(Some((name, value)), "get", "/api/v1/messages", None).await;
        let told: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((code.as_u16(), &told["total"]), (200, &json!(total)), "{name}");
    }
    let field = Some(("authorization", beta.as_str()));
    let (code, bytes) = world.ask_as(field, "get", "/api/accounts/1/inboxes", None).await;
    let listed: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((code.as_u16(), listed.as_array().unwrap().len()), (200, 1));
}

/// The events of `alpha`, to whoever has this token; given when the stream ends.
fn followed(
    world: &Arc<World>,
    path: &'static str,
    token: &str,
) -> (oneshot::Receiver<()>, JoinHandle<String>) {
    let (routes, token) = (world.routes.clone(), token.to_owned());
    let (opened, is_open) = oneshot::channel();
    let read = tokio::spawn(async move {
        let request = Request::get(path).header("host", "localhost");
        let request = request.header("authorization", token).body(Body::empty()).unwrap();
        let answer = routes.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        opened.send(()).unwrap();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (is_open, read)
}

#[tokio::test]
async fn who_follows_by_a_token_is_cut_off_when_it_is_revoked() {
    let (world, ..) = two().await;
    let world = Arc::new(world);
    for path in ["/api/inboxes/alpha/events", "/mailhog/alpha/api/v1/events"] {
        let place = "/api/inboxes/alpha/tokens";
        let made = world.json("post", place, Some(json!({ "label": "short" }))).await;
        let token = format!("Bearer {}", made["token"].as_str().unwrap());
        let (is_open, read) = followed(&world, path, &token);
        is_open.await.unwrap();
        world.send("alpha", "Before", "x").await;
        world.json("delete", &format!("{place}/short"), None).await;
        world.send("alpha", "Behind", "x").await;
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        let text = read.expect("the stream ends").unwrap();
        assert!(!text.contains("Behind"), "{path}: {text}");
    }
}

/// Waits; as long as there is no place for it, it asks again.
async fn waits(world: &World, field: Option<(&str, &str)>, path: &str) -> (StatusCode, Vec<u8>) {
    loop {
        let answer = world.ask_as(field, "get", path, None).await;
        if answer.0 != StatusCode::TOO_MANY_REQUESTS {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

/// Asks until it is told that too many wait.
async fn until_busy(world: &World, field: Option<(&str, &str)>, path: &str) {
    while world.ask_as(field, "get", path, None).await.0 != StatusCode::TOO_MANY_REQUESTS {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_waits_by_a_token_is_told_when_it_is_revoked() {
    let world = world_with(|config| config.sandbox.waits_per_address_max = 1).await;
    let (world, _, [alpha, beta]) = two_in(world).await;
    let world = Arc::new(world);
    let waiting = Arc::clone(&world);
    let waits = tokio::spawn(async move {
        let field = Some(("authorization", alpha.as_str()));
        waits(&waiting, field, "/api/inboxes/alpha/wait?query=subject:last&timeout=60").await
    });
    let field = Some(("authorization", beta.as_str()));
    until_busy(&world, field, "/api/inboxes/beta/wait?timeout=0").await;
    world.json("delete", "/api/inboxes/alpha/tokens/ci", None).await;
    world.send("alpha", "Last", "x").await;
    let (code, text) = waits.await.unwrap();
    assert_eq!(code, StatusCode::FORBIDDEN, "{}", String::from_utf8_lossy(&text));
}

#[tokio::test]
async fn one_address_has_so_many_places_to_wait() {
    let world = Arc::new(world_with(|config| config.sandbox.waits_per_address_max = 2).await);
    world.json("post", "/api/inboxes", Some(json!({ "name": "alpha" }))).await;
    let wait = || {
        let world = Arc::clone(&world);
        let path = "/api/inboxes/alpha/wait?timeout=60";
        tokio::spawn(async move { waits(&world, None, path).await.0.as_u16() })
    };
    let waiting = [wait(), wait()];
    until_busy(&world, None, "/api/inboxes/alpha/wait?timeout=0").await;
    // Another address has its own.
    let place = "/api/inboxes/alpha/tokens";
    let made = world.json("post", place, Some(json!({ "label": "ci" }))).await;
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let field = Some(("authorization", token.as_str()));
    let other = "/api/inboxes/alpha/wait?timeout=0";
    assert_eq!(world.ask_as(field, "get", other, None).await.0, StatusCode::NOT_FOUND);
    world.send("alpha", "Hello", "x").await;
    for one in waiting {
        assert_eq!(one.await.unwrap(), 200);
    }
    let again = world.ask("get", "/api/inboxes/alpha/wait?timeout=0", None).await;
    assert_eq!(again.0, StatusCode::OK, "places are given back");
}

#[tokio::test]
async fn a_token_that_is_worth_nothing_opens_nothing() {
    let (world, _, [alpha, _]) = two().await;
    let ask = |token: String| {
        let world = &world;
        async move {
            let field = Some(("authorization", token.as_str()));
            world.ask_as(field, "get", "/api/inboxes/alpha", None).await.0.as_u16()
        }
    };
    assert_eq!(ask(alpha.clone()).await, 200);
    for wrong in [format!("{alpha}x"), alpha.replace("mwt_", "mwt_1"), "Bearer mwt_".to_owned()] {
        assert_eq!(ask(wrong.clone()).await, 401, "{wrong}");
    }
    // Also from this machine, which needs none.
    let mut told = world.json("get", "/api/inboxes/alpha/tokens", None).await;
    assert!(told["tokens"][0]["lastUsed"].is_string(), "{told}");
    let place = "/api/inboxes/alpha/tokens";
    for (label, code) in [("ci", 409), ("", 400), ("a\nb", 400), ("second", 201)] {
        let (got, _) = world.ask("post", place, Some(json!({ "label": label }))).await;
        assert_eq!(got.as_u16(), code, "{label:?}");
    }
    world.json("delete", &format!("{place}/ci"), None).await;
    assert_eq!(ask(alpha.clone()).await, 401, "it was revoked");
    told = world.json("get", place, None).await;
    assert_eq!(told["tokens"].as_array().unwrap().len(), 1);
    let made = world.json("post", place, Some(json!({ "label": "third" }))).await;
    let third = format!("Bearer {}", made["token"].as_str().unwrap());
    assert_eq!(ask(third.clone()).await, 200);
    world.json("delete", "/api/inboxes/alpha", None).await;
    assert_eq!(ask(third).await, 401, "it goes with its inbox");
}

#[tokio::test]
async fn a_token_gives_its_inbox_no_address_that_another_may_have() {
    let (world, _, [alpha, _]) = two().await;
    let field = Some(("authorization", alpha.as_str()));
    for path in ["/api/accounts/1/inboxes/alpha", "/api/sandboxes/alpha"] {
        let change = json!({ "inbox": { "email_username": "gamma" } });
        let (code, _) = world.ask_as(field, "patch", path, Some(change)).await;
        assert_eq!(code, StatusCode::FORBIDDEN, "{path}");
        let change = json!({ "inbox": { "name": "shown so" } });
        let (code, _) = world.ask_as(field, "patch", path, Some(change)).await;
        assert_eq!(code, StatusCode::OK, "{path}");
    }
}
