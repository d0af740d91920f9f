//! Releases over the API, and how long inboxes live.

use super::*;

#[tokio::test]
async fn messages_are_released_once_and_it_is_told() {
    let world = world().await;
    let id = world.send("default", "Hello", "x").await;
    let other = world.send("default", "Other", "y").await;
    let rules = world.json("get", "/api/release", None).await;
    assert_eq!((&rules["enabled"], &rules["to"]), (&json!(true), &json!(["real.example"])));
    let (path, order) =
        (format!("/api/messages/{id}/release"), json!({ "to": ["a@real.example"] }));
    let done = world.json("post", &path, Some(order.clone())).await;
    assert_eq!(done["released"][0]["to"], json!(["a@real.example"]));
    let queue = done["released"][0]["queueId"].clone();
    let done = world.json("post", &path, Some(order)).await;
    assert_eq!(done["released"][0]["before"], json!(["a@real.example"]));
    assert_eq!(done["released"][0]["queueId"], Value::Null);
    let all = "/api/inboxes/default/release?query=";
    let order = json!({ "to": ["a@real.example"], "again": true });
    let done = world.json("post", all, Some(order)).await;
    let ids: Vec<&str> = done["released"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&id, &other], "oldest first");
    let told = world.json("get", &format!("/api/messages/{id}/releases"), None).await;
    assert_eq!(told["releases"].as_array().unwrap().len(), 2);
    assert_eq!(told["releases"][0]["queueId"], queue);
    let waits = json!([{ "address": "a@real.example", "state": "queued", "reply": null }]);
    assert_eq!(told["releases"][0]["outcomes"], waits);
}

#[tokio::test]
async fn nothing_is_released_elsewhere_and_it_is_said_why() {
    let world = world().await;
    let id = world.send("default", "Hello", "x").await;
    let one = format!("/api/messages/{id}/release");
    let all = "/api/inboxes/default/release?query=";
    for (path, order, code, why) in [
        (one.as_str(), json!({ "to": ["a@evil.example"] }), 403, "sandbox.release.to"),
        (all, json!({ "to": ["a@real.example", "a@evil.example"] }), 403, "a@evil.example"),
        (&one, json!({ "to": [] }), 400, "an address"),
        (&one, json!({ "to": ["x"] }), 400, "no address"),
        (&one, json!({ "to": ["a@real.example"], "from": "a@b.example" }), 403, "reverse-path"),
        (&one, json!({ "to": ["a@real.example"], "key": "\u{e4}" }), 400, "a key"),
        ("/api/inboxes/default/release", json!({ "to": ["a@real.example"] }), 400, "query"),
        ("/api/inboxes/none/release?query=", json!({ "to": ["a@real.example"] }), 404, "no inbox"),
        ("/api/messages/none/release", json!({ "to": ["a@real.example"] }), 404, "no such message"),
    ] {
        let (got, bytes) = world.ask("post", path, Some(order.clone())).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!((got.as_u16(), text.contains(why)), (code, true), "{path} {order}: {text}");
    }
    let told = world.json("get", &format!("/api/messages/{id}/releases"), None).await;
    assert_eq!(told["releases"], json!([]));
}

#[tokio::test]
async fn an_inbox_lives_as_long_as_it_is_told_to() {
    let world = world().await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "run" }))).await;
    let change = |changes| world.json("patch", "/api/inboxes/run", Some(changes));
    assert_eq!(change(json!({})).await["expires"], Value::Null);
    let soon = change(json!({ "ttl": 60 })).await["expires"].as_str().unwrap().to_owned();
    let later = change(json!({ "ttl": 3600 })).await["expires"].as_str().unwrap().to_owned();
    assert!(soon < later, "{soon} {later}");
    assert_eq!(change(json!({})).await["expires"], later);
    assert_eq!(change(json!({ "ttl": null })).await["expires"], Value::Null);
    for wrong in [json!({ "ttl": 0 }), json!({ "ttl": u64::MAX })] {
        let (code, _) = world.ask("patch", "/api/inboxes/run", Some(wrong)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST);
    }
}
