//! What others say of a caught message, as programs are told.

use super::*;

const RECORDS: &str = "shop.test TXT v=spf1 ip4:192.0.2.1 -all\n\
    _dmarc.shop.test TXT v=DMARC1; p=reject\n";

async fn sent(world: &World) -> String {
    let send = json!({ "From": { "Email": "news@shop.test" }, "To": [{ "Email": "b@b.test" }],
        "Subject": "News", "Text": "See https://www.partner.test/x and http://gone.test/" });
    let told = world.json("post", "/api/v1/send", Some(send)).await;
    told["ID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_origin_is_judged_by_what_the_request_says() {
    let world = world().await;
    let path = format!("/api/messages/{}/check", sent(&world).await);
    let told = world.json("get", &path, None).await;
    assert_eq!((&told["auth"], &told["lists"]), (&Value::Null, &Value::Null), "nobody is asked");
    let mut body = json!({ "ip": "192.0.2.1", "records": RECORDS, "helo": "mail.shop.test",
        "from": "news@shop.test", "fail_on": "auth.spf<1,auth.dmarc<1,auth.dkim<1" });
    let told = world.json("post", &path, Some(body.clone())).await;
    assert_eq!(told["auth"]["spf"]["result"], "pass", "{told}");
    assert_eq!(told["auth"]["dmarc"]["aligned"], json!({ "dkim": false, "spf": true }));
    assert_eq!(told["failures"], json!(["auth.dkim is 0, which is below 1"]));
    body["ip"] = json!("198.51.100.1");
    let told = world.json("post", &path, Some(body.clone())).await;
    assert_eq!(told["auth"]["dmarc"]["result"], "fail", "{told}");
    assert_eq!(told["failures"].as_array().unwrap().len(), 3);
    // Without an address the client's counts, which here is none that sends mail.
    body["ip"] = Value::Null;
    let told = world.json("post", &path, Some(body.clone())).await;
    assert_eq!(told["auth"]["spf"]["result"], "temperror", "{told}");
    assert_eq!(told["numbers"]["auth.spf"], Value::Null);
    // The same behind the question mark, and what the DNS says where it is asked.
    let asked = "ip=192.0.2.9&from=a%40other.test&online=true";
    world.dns.add_txt("other.test", "v=spf1 ip4:192.0.2.9 -all");
    let told = world.json("get", &format!("{path}?{asked}"), None).await;
    assert_eq!(told["auth"]["spf"]["result"], "pass", "{told}");
    assert_eq!(told["auth"]["dmarc"]["result"], "none", "{told}");
    for wrong in [
        json!({ "records": "x" }),
        json!({ "ip": "here" }),
        json!({ "unknown": 1 }),
        json!({ "online": "yes" }),
    ] {
        let (code, _) = world.ask("post", &path, Some(wrong.clone())).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn blocklists_are_told_in_each_form() {
    let world = world_with(|config| {
        config.checks.dns = true;
        config.checks.send_from = Some([192, 0, 2, 1].into());
        config.checks.address_lists = vec!["good.test".to_owned(), "dead.test".to_owned()];
        config.checks.domain_lists = vec!["names.test".to_owned()];
    })
    .await;
    let [two, four] = [[127, 0, 0, 2], [127, 0, 0, 4]].map(std::net::IpAddr::from);
    for name in ["2.0.0.127.good.test", "test.names.test"] {
        world.dns.add_address(name, two);
    }
    let id = sent(&world).await;
    let inboxes = world.json("get", "/api/inboxes", None).await;
    let inbox = &inboxes["inboxes"][0]["number"];
    let messages = format!("/api/accounts/1/inboxes/{inbox}/messages");
    let number = world.json("get", &messages, None).await[0]["id"].clone();
    let one = format!("{messages}/{number}");
    let info = world.json("get", &one, None).await["blacklists_report_info"].clone();
    assert_eq!(info["result"], "success", "{info}");
    assert_eq!((&info["ip"], &info["domain"]), (&json!("192.0.2.1"), &json!("shop.test")));
    let names = |info: &Value| -> Vec<(String, bool)> {
        let all = info["report"].as_array().unwrap().iter();
        let each = all.map(|one| (one["name"].as_str().unwrap(), &one["in_black_list"]));
        each.map(|(name, is)| (name.to_owned(), is.as_bool().unwrap())).collect()
    };
    let (good, domains) = ("good.test".to_owned(), "names.test".to_owned());
    let expected = [(good.clone(), false), (domains.clone(), false)];
    assert_eq!(names(&info), expected, "one that is dead says nothing");
    world.dns.add_address("1.2.0.192.good.test", four);
    world.dns.add_address("partner.test.names.test", two);
    let info = world.json("get", &one, None).await["blacklists_report_info"].clone();
    assert_eq!(info["result"], "not_successful", "{info}");
    assert_eq!(names(&info), [(good, true), (domains, true)]);
    let told = world.json("get", &format!("/api/messages/{id}/check"), None).await;
    assert_eq!(told["numbers"]["lists"], 2.0, "{told}");
    assert_eq!(told["lists"][0]["entries"][0]["codes"], json!(["127.0.0.4"]));
    let path = format!("/inbox/default/message/{id}/checks");
    let (code, page) = world.ask("get", &path, None).await;
    let page = String::from_utf8(page).unwrap();
    assert!(code == StatusCode::OK && page.contains("good.test</th>"), "{page}");
    assert!(page.contains("listed</span> 192.0.2.1 (127.0.0.4)"), "{page}");
    assert!(page.contains("unsound</span>"), "{page}");
}

#[tokio::test]
async fn links_that_nobody_may_ask_are_told_to_mailpits_clients() {
    let world = world().await;
    world.dns.add_address("www.partner.test", [10, 0, 0, 1].into());
    let id = sent(&world).await;
    let told = world.json("get", &format!("/api/v1/message/{id}/link-check"), None).await;
    let links = told["Links"].as_array().unwrap();
    let codes: Vec<u64> = links.iter().map(|one| one["StatusCode"].as_u64().unwrap()).collect();
    assert_eq!((codes, &told["Errors"]), (vec![451, 0], &json!(2)), "{told}");
    let told = world.json("get", &format!("/api/v1/message/{id}/sa-check"), None).await;
    assert!(told["Rules"].as_array().unwrap().iter().any(|one| one["Score"].is_number()), "{told}");
}

#[tokio::test]
async fn a_spamd_speaks_for_itself_and_its_silence_is_told() {
    let world = world_with(|config| {
        config.checks.spamd = Some("/nowhere/spamd.sock".to_owned());
        config.checks.rspamd = Some("http://127.0.0.1:1".to_owned());
    })
    .await;
    let id = sent(&world).await;
    let told = world.json("get", &format!("/api/v1/message/{id}/sa-check"), None).await;
    assert!(!told["Error"].as_str().unwrap().is_empty(), "{told}");
    let told = world.json("get", &format!("/api/messages/{id}/check"), None).await;
    let filters: Vec<&Value> =
        told["filters"].as_array().unwrap().iter().map(|one| &one["filter"]).collect();
    assert_eq!(filters, ["spamd", "rspamd"], "{told}");
    assert!(told["filters"].as_array().unwrap().iter().all(|one| one["error"].is_string()));
}
