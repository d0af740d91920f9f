//! A search finds the same with an index, with half of one and with none; and the index decides.

use std::time::Duration;

use mailwright_store::{
    capture,
    index::{Indexer, Step},
};
use mailwright_view::Row;
use mailwright_words::Timestamp;
use serde_json::{Value, json};

use super::{World, encoded, world};
use crate::sandbox::{find::Narrow, query::Query};

const QUERIES: [&str; 31] = [
    "",
    "shop",
    "needle",
    "sh",
    "-shop",
    "from:ann",
    "from:\"ann b\"",
    "from:shop.example -subject:number",
    "to:bob@b.example",
    "to:hidden",
    "bcc:hidden",
    "addressed:hidden",
    "addressed:bob",
    "rcpt:hidden",
    "envelope:ann",
    "sender:ann",
    "user:nobody",
    "subject:\"number 7\"",
    "subject:caf\u{e9}",
    "header:X-Odd=yes",
    "header:X-Odd",
    "message-id:absent",
    "has:attachment",
    "has:inline",
    "is:unread",
    "is:read",
    "tag:one",
    "is:tagged -tag:one",
    "needle OR subject:caf\u{e9}",
    "-(from:ann OR needle)",
    "regex:needle\\d",
];

async fn fill(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let odd = if number % 5 == 0 { json!({ "X-Odd": "yes" }) } else { json!({}) };
        let name = if number % 2 == 0 { "Ann B" } else { "Shop" };
        let files = if number % 4 == 0 {
            json!([{ "Content": "aGVsbG8=", "Filename": "a.txt" }])
        } else {
            json!([])
        };
        let body = json!({
            "From": { "Email": "app@shop.example", "Name": name },
            "To": [{ "Email": "bob@b.example" }],
            "Bcc": if number % 3 == 0 { vec!["hidden@c.example"] } else { vec![] },
            "Subject": format!("Caf\u{e9} number {number}"),
            "Text": if number % 6 == 1 { "a needle5 here" } else { "nothing much" },
            "Headers": odd,
            "Tags": match number % 7 { 0 => vec!["one"], 1 => vec!["two"], _ => vec![] },
            "Attachments": files,
        });
        let sent = world.json("post", "/api/v1/send?inbox=many", Some(body)).await;
        if number % 8 == 0 {
            let id = sent["ID"].as_str().unwrap();
            world.json("get", &format!("/api/v1/message/{id}?inbox=many"), None).await;
        }
    }
}

fn index(world: &World) {
    let mut indexer = Indexer::new(world.store.clone());
    while indexer.step(Duration::ZERO).unwrap() == Step::Done {}
}

async fn found(world: &World, query: &str, more: &str) -> Value {
    let path = format!("/api/inboxes/many/messages?limit=1000&query={}{more}", encoded(query));
    world.json("get", &path, None).await
}

/// What each query finds: subjects, and their count.
async fn all(world: &World) -> Vec<(Vec<String>, u64)> {
    let mut all = Vec::new();
    for query in QUERIES {
        let told = found(world, query, "&count=true").await;
        let subjects = told["messages"].as_array().unwrap().iter();
        let subjects = subjects.map(|one| one["subject"].as_str().unwrap().to_owned());
        all.push((subjects.collect(), told["total"].as_u64().unwrap()));
    }
    all
}

#[tokio::test]
async fn an_index_that_is_behind_changes_no_answer() {
    let world = world().await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "many" }))).await;
    fill(&world, 0..20).await;
    index(&world);
    fill(&world, 20..40).await;
    let half = all(&world).await;
    index(&world);
    let whole = all(&world).await;
    for ((query, half), whole) in QUERIES.iter().zip(&half).zip(&whole) {
        assert_eq!(half, whole, "{query}");
        assert_eq!(u64::try_from(whole.0.len()).unwrap(), whole.1, "{query}");
    }
    let count = |query: &str| whole[QUERIES.iter().position(|one| *one == query).unwrap()].1;
    for (query, wanted) in [
        ("shop", 40),
        ("needle", 7),
        ("from:ann", 20),
        ("bcc:hidden", 14),
        ("to:hidden", 0),
        ("has:attachment", 10),
        ("header:X-Odd=yes", 8),
        ("is:read", 5),
        ("tag:one", 6),
        ("subject:caf\u{e9}", 40),
        ("-(from:ann OR needle)", 13),
    ] {
        assert_eq!(count(query), wanted, "{query}");
    }
}

#[tokio::test]
async fn the_index_decides_without_a_look_at_the_messages() {
    let world = world().await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "many" }))).await;
    fill(&world, 0..20).await;
    index(&world);
    let named = |tx: &mut mailwright_store::Tx<'_>| capture::inbox_named(tx, "many");
    let inbox = world.store.read_blocking(named).unwrap().unwrap();
    let snapshot = world.store.view(inbox.mailbox).await.unwrap().latest().unwrap();
    let rows: Vec<Row> = snapshot.rows().copied().collect();
    for (query, open) in [
        ("shop", 0),
        ("absent-everywhere", 0),
        ("from:ann is:unread -findable", 0),
        ("to:bob@user.example", 0),
        ("rcpt:hidden has:attachment", 0),
        ("tag:one OR is:read", 0),
        ("message-id:absent", 0),
        // In the body, where a signature does not say that it is.
        ("needle5", 4),
        ("ab", 20),
    ] {
        let query = Query::parse(query, Timestamp::new(1), 0);
        let narrow = Narrow::new(&world.store, (inbox.principal, &query), true).unwrap();
        let known = narrow.known(&rows);
        assert_eq!(known.iter().filter(|known| known.is_none()).count(), open, "{query:?}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_without_gaps() {
    let world = world().await;
    world.json("post", "/api/inboxes", Some(json!({ "name": "many" }))).await;
    fill(&world, 0..23).await;
    for query in ["", "shop", "from:ann"] {
        let whole = found(&world, query, "").await;
        let (mut pieces, mut before) = (Vec::new(), u64::from(u32::MAX));
        loop {
            let path = format!(
                "/api/inboxes/many/messages?limit=4&before={before}&query={}",
                encoded(query)
            );
            let told = world.json("get", &path, None).await;
            pieces.extend(told["messages"].as_array().unwrap().clone());
            match told["next"].as_u64() {
                Some(next) => before = next,
                None => break,
            }
        }
        assert_eq!(Value::Array(pieces), whole["messages"], "{query}");
        // By places, as other programs ask.
        let route = if query.is_empty() { "messages" } else { "search" };
        let path = format!("/api/v1/{route}?inbox=many&start=5&limit=3&query={}", encoded(query));
        let told = world.json("get", &path, None).await;
        let ids = |all: &Value, key: &str| -> Vec<String> {
            let all = all["messages"].as_array().unwrap().iter();
            all.map(|one| one[key].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(&told, "ID"), ids(&whole, "id")[5..8], "{query}");
    }
}
