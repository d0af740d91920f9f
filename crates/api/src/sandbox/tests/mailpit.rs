//! What Mailpit's clients ask, operation by operation.

use super::*;
use crate::sandbox::mailpit::swagger;

#[tokio::test]
async fn each_operation_that_is_described_is_there() {
    let world = world().await;
    for (method, path, _, _) in swagger::OPERATIONS {
        let id = world.send("default", "Hello", "x").await;
        let message = world.json("get", &format!("/api/v1/message/{id}"), None).await;
        let part = message["Attachments"][0]["PartID"].as_str().unwrap().to_owned();
        let mut path = path.replace("{ID}", &id).replace("{PartID}", &part).replace("{Tag}", "one");
        if path == "/api/v1/search" {
            path.push_str("?query=hello");
        }
        let body = match (method, path.as_str()) {
            ("put", path) if path.starts_with("/api/v1/tags/") => Some(json!({ "Name": "two" })),
            ("put", "/api/v1/chaos") => Some(json!({})),
            ("put", "/api/v1/tags") => Some(json!({ "IDs": [id], "Tags": ["x"] })),
            ("put", _) => Some(json!({ "IDs": [id], "Read": true })),
            ("post", path) if path.ends_with("/release") => {
                Some(json!({ "To": ["a@real.example"] }))
            }
            ("post", _) => Some(json!({ "From": { "Email": "a@a.example" },
                "To": [{ "Email": "b@b.example" }], "Subject": "s", "Text": "t" })),
            _ => None,
        };
        let (code, bytes) = world.ask(method, &path, body).await;
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(code, StatusCode::OK, "{method} {path}: {text}");
        if method == "get" {
            let (code, bytes) = world.ask("head", &path, None).await;
            assert!(code == StatusCode::OK && bytes.is_empty(), "head {path}");
        }
    }
    let described = world.json("get", "/api/v1/swagger.json", None).await;
    assert!(described["paths"]["/api/v1/message/{ID}/raw"]["get"]["parameters"][1]["name"] == "dl");
    let (code, _) = world.ask("options", "/api/v1/messages", None).await;
    assert_eq!(code, StatusCode::OK);
    let (code, _) = world.ask("options", "/api/v1/message/latest", None).await;
    assert_eq!(code, StatusCode::OK);
}

#[tokio::test]
async fn the_language_of_searches_has_its_meaning() {
    let world = world().await;
    let id = world.send("default", "Hello World", "unique words").await;
    world.json("put", "/api/v1/messages", Some(json!({ "IDs": [id], "Read": true }))).await;
    let other = world.send("default", "Other", "nothing").await;
    world.json("put", "/api/v1/tags", Some(json!({ "IDs": [other], "Tags": [] }))).await;
    let (one, two) = (vec![id.as_str()], vec![other.as_str()]);
    let both = vec![other.as_str(), id.as_str()];
    for (query, found) in [
        ("unique", &one),
        ("UNIQUE words", &one),
        ("\"unique words\"", &one),
        ("!unique", &two),
        ("-\"unique words\"", &two),
        ("to:bob", &both),
        ("!to:bob", &vec![]),
        ("from:\"Ann\"", &both),
        ("from:ann@a.example", &both),
        ("cc:bob", &vec![]),
        ("bcc:hidden", &both),
        ("-bcc:hidden", &vec![]),
        ("reply-to:nobody", &vec![]),
        ("addressed:bob", &both),
        ("subject:hello", &one),
        ("subject:\"hello world\"", &one),
        ("\"subject:hello world\"", &one),
        ("message-id:@", &both),
        ("tag:ONE", &one),
        ("-tag:one", &two),
        ("is:read", &one),
        ("is:unread", &two),
        ("-is:unread", &one),
        ("is:tagged", &one),
        ("has:attachment", &both),
        ("has:attachments subject:other", &two),
        ("has:inline", &vec![]),
        ("-has:inlines", &both),
        ("after:2020-01-01", &both),
        ("after:\"2020-01-01 10:00\" before:2099/12/31", &both),
        ("before:2020-01-01", &vec![]),
        ("larger:0.1kb", &both),
        ("smaller:1.5M", &both),
        ("larger:1m", &vec![]),
        ("- hello", &one),
    ] {
        let path = format!("/api/v1/search?tz=Europe/Berlin&query={}", encoded(query));
        let answer = world.json("get", &path, None).await;
        let ids: Vec<&str> = answer["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["ID"].as_str().unwrap())
            .collect();
        assert_eq!(&ids, found, "{query}");
        assert_eq!(answer["messages_count"], found.len(), "{query}");
    }
    let (code, bytes) = world.ask("get", "/api/v1/search?query=%20", None).await;
    assert_eq!((code, &bytes[..]), (StatusCode::BAD_REQUEST, &b"Error: no search query"[..]));
}

#[tokio::test]
async fn what_is_told_of_the_server_moves_with_what_happens() {
    let world = world().await;
    let before = world.json("get", "/api/v1/info", None).await;
    assert_eq!(before["RuntimeStats"]["SMTPAccepted"], 0);
    let id = world.send("default", "Hello", "x").await;
    world.send("default", "Hello", "y").await;
    world.json("delete", "/api/v1/messages", Some(json!({ "IDs": [id] }))).await;
    // The count follows what happened by a moment.
    let mut after = Value::Null;
    for _ in 0..1000 {
        after = world.json("get", "/api/v1/info", None).await;
        if after["RuntimeStats"]["MessagesDeleted"] == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let stats = &after["RuntimeStats"];
    assert_eq!((&stats["SMTPAccepted"], &stats["MessagesDeleted"]), (&json!(2), &json!(1)));
    assert!(stats["SMTPAcceptedSize"].as_u64().unwrap() > 500, "{stats}");
    assert!(stats["Memory"].as_u64().unwrap() > 1 << 20, "{stats}");
    assert!(after["DatabaseSize"].as_u64().unwrap() > 4096, "{after}");
    assert_eq!(after["Tags"], json!({ "one": 1 }));
}

#[tokio::test]
async fn a_form_deletes_what_it_names_and_no_more() {
    let world = world().await;
    let id = world.send("default", "Hello", "x").await;
    let other = world.send("default", "Other", "x").await;
    let form = |text: String| {
        let request = Request::builder().method("DELETE").uri("/api/v1/messages");
        let request = request.header("host", "localhost");
        request.header("content-type", "application/x-www-form-urlencoded").body(text.into())
    };
    let mut request: Request<Body> = form(format!("ids={id}")).unwrap();
    let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    assert_eq!(world.routes.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    let left = world.json("get", "/api/v1/messages", None).await;
    assert_eq!((&left["total"], &left["messages"][0]["ID"]), (&json!(1), &json!(other)));
    let both = json!({ "IDs": [other], "Search": "x" });
    let (code, _) = world.ask("put", "/api/v1/messages", Some(both)).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_prefix_names_the_inbox() {
    let world = world().await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "run 1" }))).await;
    world.send("run%201", "Mine", "x").await;
    world.send("default", "Another's", "x").await;
    let list = world.json("get", "/mailpit/run%201/api/v1/messages?limit=1", None).await;
    assert_eq!((&list["total"], &list["messages"][0]["Subject"]), (&json!(1), &json!("Mine")));
    let (code, _) = world.ask("get", "/mailpit/none/api/v1/messages", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    let (code, _) = world.ask("get", "/mailpit/run%201/inbox/default", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND, "our pages are not below it");
    let (code, _) = world.ask("get", "/view/latest", None).await;
    assert_eq!(code, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn chaos_is_faults_of_the_inbox() {
    let world = world().await;
    let usual = world.json("get", "/api/v1/chaos", None).await;
    assert_eq!(usual["Authentication"], json!({ "ErrorCode": 535, "Probability": 0 }));
    let given = json!({ "Sender": { "ErrorCode": 452, "Probability": 29 } });
    let set = world.json("put", "/api/v1/chaos", Some(given.clone())).await;
    assert_eq!((&set["Sender"], &set["Recipient"]["Probability"]), (&given["Sender"], &json!(0)));
    assert_eq!(world.json("get", "/api/v1/chaos", None).await, set);
    let own = world.json("get", "/api/inboxes/default/settings", None).await;
    assert_eq!(own["settings"]["faults"].as_array().unwrap().len(), 1, "{own}");
    for odd in [(399, 1), (600, 1), (451, 101)] {
        let body = json!({ "Sender": { "ErrorCode": odd.0, "Probability": odd.1 } });
        let (code, _) = world.ask("put", "/api/v1/chaos", Some(body)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{odd:?}");
    }
    assert_eq!(world.json("put", "/api/v1/chaos", Some(json!({}))).await, usual);
}
