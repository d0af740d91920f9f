//! What strangers send and clients ask for, where it would take more than it is worth.

use axum::http::header;

use super::*;

#[tokio::test]
async fn html_that_grows_without_end_is_shown_in_part() {
    let world = world().await;
    let open = (0..1500).map(|n| format!("<b x{n}>")).collect::<Vec<_>>().concat();
    let html = format!("<p>{open}{}", "<p>x".repeat(1500));
    let send = json!({ "From": { "Email": "a@a.example" }, "To": [{ "Email": "b@b.example" }],
        "Subject": "x", "HTML": html });
    let id = world.json("post", "/api/v1/send", Some(send)).await["ID"].clone();
    let id = id.as_str().unwrap();
    for path in [
        format!("/api/messages/{id}?select=p"),
        format!("/render/{id}?remote=1"),
        format!("/view/{id}.html"),
        format!("/email/{id}/html"),
        "/messages/1.html".to_owned(),
        "/api/sandboxes/default/messages/1/body.html".to_owned(),
        format!("/inbox/default/message/{id}"),
        format!("/inbox/default/message/{id}/checks"),
        format!("/api/messages/{id}/check"),
    ] {
        let (code, bytes) = world.ask("get", &path, None).await;
        assert_eq!(code, StatusCode::OK, "{path}");
        assert!(bytes.len() < 12 << 20, "{path}: {} octets", bytes.len());
    }
}

#[tokio::test]
async fn a_request_names_so_many_messages_and_no_more() {
    let world = world().await;
    let ids = vec!["x"; 10_001];
    for (method, path, body) in [
        ("put", "/api/v1/messages", json!({ "IDs": ids })),
        ("delete", "/api/v1/messages", json!({ "IDs": ids })),
        ("put", "/api/v1/tags", json!({ "IDs": ids, "Tags": ["a"] })),
        ("post", "/api/email/delete", json!({ "ids": ids })),
    ] {
        let (code, _) = world.ask(method, path, Some(body)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{method} {path}");
    }
    let (code, _) = world.ask("put", "/api/v1/messages", Some(json!({ "IDs": ids[1..] }))).await;
    assert_eq!(code, StatusCode::OK);
}

#[tokio::test]
async fn a_batch_writes_no_more_than_some_messages_may_hold() {
    let world = world_with(|config| config.limits.message_size_max = 100_000).await;
    let base = json!({ "from": { "email": "a@a.example" }, "subject": "x",
        "text": "x".repeat(60_000) });
    let one = json!({ "to": [{ "email": "b@b.example" }] });
    let batch = json!({ "base": base, "requests": vec![one; 50] });
    let told = world.json("post", "/api/batch/1", Some(batch)).await;
    let all = told["responses"].as_array().unwrap();
    let taken = all.iter().filter(|one| one["success"] == true).count();
    assert_eq!((all.len(), taken), (50, 6), "{told}");
}

#[tokio::test]
async fn a_login_over_the_page_ends_when_its_owner_says_so() {
    let world = world_with(|config| config.sandbox.token = Some("open sesame".into())).await;
    let ask = |method: &str, path: &str, cookie: &str, body: &'static str| {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("host", "localhost")
            .header("accept", "text/html")
            .header("cookie", cookie);
        let mut request = request.body(Body::from(body)).unwrap();
        let peer: SocketAddr = "192.0.2.7:9".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        world.routes.clone().oneshot(request)
    };
    let answer = ask("POST", "/login", "", "password=open+sesame").await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let code = |answer: Result<axum::response::Response, _>| -> StatusCode {
        let answer: Result<_, std::convert::Infallible> = answer;
        answer.unwrap().status()
    };
    assert_eq!(code(ask("GET", "/inbox/default", cookie, "").await), StatusCode::OK);
    assert_eq!(code(ask("GET", "/login", cookie, "").await), StatusCode::OK);
    assert_eq!(code(ask("POST", "/logout", cookie, "").await), StatusCode::SEE_OTHER);
    assert_eq!(code(ask("GET", "/inbox/default", cookie, "").await), StatusCode::UNAUTHORIZED);
    assert_eq!(code(ask("POST", "/logout", cookie, "").await), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_address_of_a_request_names_its_host() {
    let world = world().await;
    let (code, _) = world.ask("get", "http://localhost/api/inboxes", None).await;
    assert_eq!(code, StatusCode::OK);
    let (code, _) = world.ask("get", "http://rebound.example/api/inboxes", None).await;
    assert_eq!(code, StatusCode::FORBIDDEN, "whatever its field says");
}

#[tokio::test]
async fn pictures_of_a_preview_are_shown_to_its_reader_alone() {
    let world = world().await;
    let send = json!({ "From": { "Email": "a@a.example" }, "To": [{ "Email": "b@b.example" }],
        "Subject": "x", "HTML": "<img src=cid:p>", "Attachments": [{ "Content": "iVBORw0KGgo=",
        "Filename": "p.png", "ContentType": "image/png", "ContentID": "p" }] });
    let sent = world.json("post", "/api/v1/send", Some(send)).await;
    let path = format!("/render/{}", sent["ID"].as_str().unwrap());
    let (_, bytes) = world.ask("get", &path, None).await;
    let shown = String::from_utf8(bytes).unwrap();
    let source = shown.split_once("src=\"").unwrap().1.split('"').next().unwrap();
    let source = &*source.replace("&amp;", "&");
    // As a browser asks for the pictures of a document that is a stranger to us.
    let ask = async |address: &str, dest: &str| {
        let mut request = Request::get(address)
            .header("host", "localhost")
            .header("origin", "null")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", dest)
            .body(Body::empty())
            .unwrap();
        let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        world.routes.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask(source, "image").await, StatusCode::OK, "{source}");
    assert_ne!(ask(source, "iframe").await, StatusCode::OK);
    let (bare, _) = source.split_once('?').unwrap();
    assert_eq!(ask(bare, "image").await, StatusCode::FORBIDDEN, "another site does not know it");
}
