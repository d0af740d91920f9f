//! The pages against what they are to be, and against hostile questions.
//!
//! `UPDATE=1` rewrites the golden files, for review in the diff.

use std::path::Path;

use axum::{body::to_bytes, http::Request};
use mailwright_config::Service;
use tower::ServiceExt as _;

use super::*;

const fn service(kind: ServiceKind, implicit_tls: bool, port: u16) -> Service {
    Service { kind, implicit_tls, port }
}

fn setup() -> Setup {
    let is_ours = |domain: Domain| -> Checked {
        let ours = match domain.as_str() {
            "home.example" => Some(true),
            "broken.example" => None,
            _ => Some(false),
        };
        Box::pin(std::future::ready(ours))
    };
    let offer = || Offer {
        hostname: "mx.home.example".to_owned(),
        services: vec![
            service(ServiceKind::Imap, true, 993),
            service(ServiceKind::Imap, false, 143),
            service(ServiceKind::Pop3, true, 995),
            service(ServiceKind::Submission, true, 465),
            service(ServiceKind::Submission, false, 587),
        ],
    };
    Setup { offer: Arc::new(offer), is_ours: Arc::new(is_ours) }
}

async fn ask(method: &str, path: &str, host: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("host", host);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let answer = router(setup()).oneshot(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_page(path: &str) -> (u16, String) {
    ask("GET", path, "localhost", "").await
}

fn question(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover xmlns=\"http://schemas.microsoft.\
         com/exchange/autodiscover/outlook/requestschema/2006\"><Request><EMailAddress>{address}\
         </EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/\
         autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request>\
         </Autodiscover>"
    )
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/setup/golden").join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{name}");
}

#[tokio::test]
async fn thunderbird_is_told_by_address_and_by_name_of_the_server() {
    let (code, text) = get_page("/mail/config-v1.1.xml?emailaddress=ann%40home.example").await;
    assert_eq!(code, 200);
    golden("autoconfig.xml", &text);
    let path = "/.well-known/autoconfig/mail/config-v1.1.xml";
    assert_eq!(get_page(&format!("{path}?emailaddress=x@home.example")).await, (200, text.clone()));
    for host in ["autoconfig.home.example", "home.example:8080", "HOME.example"] {
        assert_eq!(ask("GET", path, host, "").await, (200, text.clone()), "{host}");
    }
    assert_eq!(get_page(path).await.0, 404);
}

#[tokio::test]
async fn outlook_is_told_however_it_writes_the_path() {
    for path in ["/autodiscover/autodiscover.xml", "/Autodiscover/AutoDiscover.XML"] {
        let (code, text) = ask("POST", path, "h", &question("o&apos;neil@home.example")).await;
        assert_eq!(code, 200);
        golden("autodiscover.xml", &text);
        assert_eq!(get_page(path).await.0, 405);
    }
}

#[tokio::test]
async fn apple_is_given_a_profile() {
    let path = "/.well-known/mail/mobileconfig?email=o%27neil%26co@home.example";
    let (code, text) = get_page(path).await;
    assert_eq!(code, 200);
    golden("mail.mobileconfig", &text);
    assert_eq!(get_page(path).await, (200, text));
}

#[tokio::test]
async fn a_question_that_is_none_is_answered_with_its_code() {
    let long = question(&"x".repeat(20_000));
    for (method, path, body, want) in [
        ("GET", "/mail/config-v1.1.xml?emailaddress=ann", "", 400),
        ("GET", "/mail/config-v1.1.xml?emailaddress=ann@else.example", "", 404),
        ("GET", "/mail/config-v1.1.xml?emailaddress=ann@broken.example", "", 503),
        ("GET", "/.well-known/mail/mobileconfig", "", 400),
        ("GET", "/.well-known/mail/mobileconfig?email=%22%0d%0a@home.example", "", 400),
        ("POST", "/autodiscover/autodiscover.xml", "", 400),
        ("POST", "/autodiscover/autodiscover.xml", "<EMailAddress>&x;</EMailAddress>", 400),
        ("POST", "/autodiscover/autodiscover.xml", &question("ann@else.example"), 404),
        ("POST", "/autodiscover/autodiscover.xml", &long, 413),
        ("POST", "/autodiscover/other.xml", "", 404),
    ] {
        assert_eq!(ask(method, path, "localhost", body).await.0, want, "{method} {path}");
    }
}
