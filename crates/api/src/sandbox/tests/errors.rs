//! What is wrong with a request is told at once, in one form.

use super::*;

async fn told(world: &World, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let (code, bytes) = world.ask(method, path, body).await;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let error = answer["error"].as_str().unwrap_or_default().to_owned();
    (code.as_u16(), error)
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_why() {
    let world = world().await;
    world.send("default", "Hello", "x").await;
    let wait = "/api/inboxes/default/wait?timeout=60";
    let messages = "/api/inboxes/default/messages";
    for (method, path, body, code, why) in [
        ("post", "/api/inboxes", Some(json!({ "ttl": -5 })), 400, "ttl"),
        ("post", "/api/inboxes", Some(json!({ "tll": 5 })), 400, "unknown field `tll`"),
        ("post", "/api/inboxes", Some(json!({ "name": "default" })), 409, "there already"),
        ("put", "/api/inboxes", None, 405, "no such method"),
        ("get", &format!("{messages}?limit=x"), None, 400, "limit"),
        ("get", &format!("{messages}?querry=x"), None, 400, "querry"),
        ("delete", &format!("{messages}?querry=never"), None, 400, "querry"),
        ("delete", &format!("{messages}?query=after:never"), None, 400, "after:never is no date"),
        ("get", &format!("{messages}?query=regex:%5B"), None, 400, "is no pattern"),
        ("patch", messages, Some(json!({ "read": "x" })), 400, "read"),
        ("get", &format!("{wait}&query=never&select=p%5B%5B"), None, 400, "no CSS selector"),
        ("get", &format!("{wait}&query=never&regex=("), None, 400, "the pattern is none"),
        ("get", &format!("{wait}&query=never&selec=p"), None, 400, "selec"),
        ("get", &format!("{wait}&query=larger:big"), None, 400, "is no size"),
        ("get", &format!("{wait}&count=x"), None, 400, "count is a number"),
        ("get", &format!("{wait}&{}", "regex=x&".repeat(21)), None, 400, "20 selectors"),
        ("get", "/api/inboxes/none/wait", None, 404, "there is no inbox none"),
        ("get", "/api/messages/none", None, 404, "no such message"),
        ("post", "/api/inboxes/default/release?qury=", Some(json!({})), 400, "qury"),
        ("post", "/api/inboxes/default/webhooks", Some(json!({ "odd": 1 })), 400, "odd"),
    ] {
        let (got, error) = told(&world, method, path, body).await;
        assert_eq!(got, code, "{method} {path}: {error}");
        assert!(error.contains(why), "{method} {path}: {error}");
    }
    assert_eq!(world.json("get", "/api/inboxes/default", None).await["messages"], 1);
    // Other kinds of bodies are told of in that form, too.
    let request = Request::patch(messages).header("host", "localhost");
    let request = request.header("content-type", "text/plain");
    let mut request = request.body(Body::from("{}")).unwrap();
    let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = world.routes.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let bytes = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert!(answer["error"].as_str().unwrap().contains("application/json"), "{answer}");
}
