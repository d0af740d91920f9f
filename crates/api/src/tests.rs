//! The pages over a real socket.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use mailwright_words::metric;
use serde_json::json;

use super::*;

async fn page(accepting: bool, path: &str, metrics: &Metrics) -> String {
    asked(accepting, path, "localhost", metrics).await
}

async fn asked(accepting: bool, path: &str, host: &str, metrics: &Metrics) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    said(accepting, &request, metrics).await
}

/// What a request in its own words is answered.
async fn said(accepting: bool, request: &str, metrics: &Metrics) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = move || Health {
        version: "1",
        accepting,
        problems: if accepting {
            Vec::new()
        } else {
            vec![Problem { name: "disk_full", detail: "free some space".into() }]
        },
    };
    let refresh = || -> Refreshed {
        metrics::gauge!(metric::QUEUE_BLOCKED).set(3.0);
        Box::pin(std::future::ready(()))
    };
    let sources = Sources {
        config: Live::new(Config::default()),
        metrics: metrics.clone(),
        refresh: Arc::new(refresh),
        health: Arc::new(health),
        setup: None,
        examine: Some(Arc::new(|asked| -> Examined {
            Box::pin(std::future::ready(match asked {
                Examination::Server => Ok("{\"verdict\":\"right\"}".to_owned()),
                Examination::Code { reply } => Ok(json!(reply).to_string()),
                other => Err(Unexamined::Wrong(format!("{other:?}"))),
            }))
        })),
        sandbox: None,
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, sources, async {
        stopped.await.ok();
    }));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap();
    answer
}

#[tokio::test]
async fn health_and_metrics_are_told() {
    let metrics = Metrics::install().unwrap();
    metrics::counter!(metric::SESSIONS, "listener" => "mta").increment(2);
    metrics::histogram!(metric::COMMIT_GROUP).record(3.0);
    let well = page(true, "/health", &metrics).await;
    assert!(well.starts_with("HTTP/1.1 200") && well.contains("\"accepting\":true"), "{well}");
    let full = page(false, "/health", &metrics).await;
    assert!(full.starts_with("HTTP/1.1 503") && full.contains("disk_full"), "{full}");
    let text = page(true, "/metrics", &metrics).await;
    for told in [
        "mailwright_sessions_total{listener=\"mta\"} 2\n",
        "# HELP mailwright_sessions_total Sessions that began, by listener.\n",
        "# TYPE mailwright_commit_group_writes histogram\n",
        "mailwright_commit_group_writes_bucket{le=\"4\"} 1\n",
        "mailwright_queue_blocked_destinations 3\n",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    assert!(page(true, "/nothing", &metrics).await.starts_with("HTTP/1.1 404"));
    let answer = page(true, "/doctor", &metrics).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("application/json"), "{answer}");
    assert!(answer.ends_with("{\"verdict\":\"right\"}"), "{answer}");
    let stranger = asked(true, "/doctor", "mx.example", &metrics).await;
    assert!(stranger.starts_with("HTTP/1.1 403"), "{stranger}");
    for (fields, body, code, told) in [
        ("", r#"{"examine":"code","reply":"550 no"}"#, 200, "\"550 no\""),
        ("", r#"{"examine":"server"}"#, 200, "{\"verdict\":\"right\"}"),
        ("", r#"{"examine":"imap","host":"a.example"}"#, 400, "Imap"),
        ("", r#"{"examine":"imap","host":"a.example","hots":"b"}"#, 422, "hots"),
        ("", r#"{"examine":"nothing"}"#, 422, "nothing"),
        ("", "{", 400, "error"),
        ("Origin: http://evil.example\r\n", r#"{"examine":"server"}"#, 403, ""),
        ("X-Forwarded-For: 192.0.2.1\r\n", r#"{"examine":"server"}"#, 403, ""),
    ] {
        let json = "Content-Type: application/json\r\n";
        let answer = said(true, &post(&format!("{json}{fields}"), body), &metrics).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{body}: {answer}");
        assert!(answer.contains(told), "{body}: {answer}");
    }
    // A page of another site may send this unasked, but not JSON.
    let plain = post("Content-Type: text/plain\r\n", r#"{"examine":"server"}"#);
    assert!(said(true, &plain, &metrics).await.starts_with("HTTP/1.1 415"));
    let names = vec!["a@a.example"; 51];
    let many = json!({ "examine": "smtp", "host": "a.example", "to": names }).to_string();
    let many = post("Content-Type: application/json\r\n", &many);
    assert!(said(true, &many, &metrics).await.starts_with("HTTP/1.1 400"));
}

fn post(fields: &str, body: &str) -> String {
    format!(
        "POST /doctor HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
