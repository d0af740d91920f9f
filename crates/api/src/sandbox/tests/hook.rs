//! Webhooks over the API; what is sent is a matter of tests with real servers.

use super::*;

impl World {
    /// A path with the numbers of a webhook, and of a delivery that has ended.
    pub(super) async fn with_hook(&self, path: &str) -> String {
        let place = "/api/inboxes/default/webhooks";
        let new = json!({ "url": "https://hooks.example/x" });
        let made = self.json("post", place, Some(new)).await;
        let place = format!("{place}/{}", made["id"].as_str().unwrap());
        let tested = self.json("post", &format!("{place}/test"), None).await;
        for enabled in [false, true] {
            self.json("patch", &place, Some(json!({ "enabled": enabled }))).await;
        }
        path.replace("{webhook}", made["id"].as_str().unwrap())
            .replace("{delivery}", &tested["delivery"].to_string())
    }
}

#[tokio::test]
async fn a_webhook_is_made_changed_and_looked_at() {
    let world = world().await;
    let place = "/api/inboxes/default/webhooks";
    for (wrong, why) in [
        (json!({}), "a webhook has a url"),
        (json!({ "url": "ftp://a.example/" }), "no address of the web"),
        (json!({ "url": "https://a:b@a.example/" }), "a name or a password"),
        (json!({ "url": format!("https://a.example/{}", "x".repeat(2000)) }), "2000 octets"),
        (json!({ "url": "https://a.example/", "kinds": ["x"] }), "is no kind"),
        (json!({ "url": "https://a.example/", "kinds": [] }), "kinds names none"),
    ] {
        let (code, bytes) = world.ask("post", place, Some(wrong.clone())).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!((code.as_u16(), text.contains(why)), (400, true), "{wrong} {text}");
    }
    let new = json!({ "url": "https://a.example/x", "kinds": ["session.refused"] });
    let made = world.json("post", place, Some(new)).await;
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let one = format!("{place}/{}", made["id"].as_str().unwrap());
    let told = world.json("get", &one, None).await;
    assert_eq!((&told["secret"], &told["kinds"]), (&Value::Null, &json!(["session.refused"])));
    world.send("default", "Hello", "x").await;
    assert_eq!(world.json("get", &one, None).await["waiting"], 0, "it does not want messages");
    let changes = json!({ "kinds": ["message.caught"], "url": "https://b.example/" });
    world.json("patch", &one, Some(changes)).await;
    let id = world.send("default", "Hello", "x").await;
    let deliveries = world.json("get", &format!("{one}/deliveries"), None).await;
    assert_eq!(deliveries["deliveries"][0]["messageId"], id);
    assert_eq!(deliveries["deliveries"][0]["state"], "waiting");
    let fresh = world.json("post", &format!("{one}/rotate"), None).await;
    assert_ne!(fresh["secret"], made["secret"]);
    // It is of its inbox alone.
    world.json("post", "/api/inboxes", Some(json!({ "name": "other" }))).await;
    let (code, _) = world.ask("get", &one.replace("default", "other"), None).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    let (code, _) = world.ask("delete", &one, None).await;
    assert_eq!(code, StatusCode::NO_CONTENT);
    assert_eq!(world.json("get", place, None).await["webhooks"], json!([]));
}
