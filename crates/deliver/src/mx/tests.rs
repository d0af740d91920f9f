//! Servers of domains, from invented records.

use crate::fake::Zone;

use super::*;

fn asking(zone: &Zone) -> Asking<'_> {
    Asking { names: zone, limit: Duration::from_secs(5) }
}

async fn find(zone: &Zone, domain: &str) -> Result<Vec<String>, (u16, String)> {
    let mut number = 0;
    let mut random = || {
        number += 1;
        number
    };
    let domain = Domain::parse(domain).unwrap();
    servers(asking(zone), &domain, "me.example", 5, &mut random)
        .await
        .map(|servers| servers.into_iter().map(|server| server.name).collect())
        .map_err(|error| {
            let reply = error.reason().reply;
            (reply.code, reply.status.unwrap().to_string())
        })
}

fn zone() -> Zone {
    Zone::default()
        .mx("x.example", &[(20, "b.x.example"), (10, "A.x.example."), (20, "c.x.example")])
        .mx("null.example", &[(0, ".")])
        .mx("ours.example", &[(10, "me.example"), (20, "b.x.example")])
        .mx("backup.example", &[(10, "b.x.example"), (20, "me.example"), (30, "c.x.example")])
        .mx("hollow.example", &[(10, "nowhere.example")])
        .mx("half.example", &[(10, "nowhere.example"), (20, "b.x.example")])
        .mx("shaky.example", &[(10, "servfail.example")])
        .address("a.x.example", "192.0.2.1")
        .address("b.x.example", "192.0.2.2")
        .address("b.x.example", "2001:db8::2")
        .address("c.x.example", "192.0.2.3")
        .address("implicit.example", "192.0.2.4")
        .no_data("text-only.example")
        .temporary("servfail.example")
}

#[tokio::test]
async fn servers_come_by_preference() {
    let zone = zone();
    assert_eq!(
        find(&zone, "x.example").await.unwrap(),
        ["a.x.example", "b.x.example", "c.x.example"]
    );
    assert_eq!(find(&zone, "implicit.example").await.unwrap(), ["implicit.example"]);
    assert_eq!(find(&zone, "half.example").await.unwrap(), ["b.x.example"]);
    assert_eq!(find(&zone, "[192.0.2.9]").await.unwrap(), ["[192.0.2.9]"]);
    assert_eq!(find(&zone, "backup.example").await.unwrap(), ["b.x.example"], "none behind us");
}

#[tokio::test]
async fn negative_answers_are_told_apart() {
    let zone = zone();
    for (domain, code, status) in [
        ("null.example", 556, "5.1.10"),
        ("gone.example", 550, "5.1.2"),
        ("text-only.example", 550, "5.4.4"),
        ("hollow.example", 550, "5.4.4"),
        ("ours.example", 550, "5.4.6"),
        ("servfail.example", 451, "4.4.3"),
        ("shaky.example", 451, "4.4.3"),
    ] {
        assert_eq!(find(&zone, domain).await, Err((code, status.to_owned())), "{domain}");
    }
}

#[tokio::test]
async fn equals_are_shuffled_and_six_comes_first() {
    let zone = zone();
    let mut number = 10;
    let mut random = || {
        number -= 1;
        number
    };
    let domain = Domain::parse("x.example").unwrap();
    let servers = servers(asking(&zone), &domain, "me.example", 5, &mut random).await.unwrap();
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["a.x.example", "c.x.example", "b.x.example"]);
    assert!(servers[2].addresses[0].is_ipv6());
}

#[tokio::test]
async fn tlsa_records_are_looked_for_where_the_way_to_them_is_validated() {
    let zone = Zone::default()
        .mx("a.example", &[(10, "mx.a.example")])
        .mx("b.example", &[(10, "mx.b.example")])
        .mx("c.example", &[(10, "alias.c.example")])
        .mx("d.example", &[(10, "alias.d.example")])
        .mx("e.example", &[(10, "mx.e.example")])
        .address("mx.a.example", "192.0.2.1")
        .address("mx.b.example", "192.0.2.1")
        .alias("alias.c.example", "end.example", "192.0.2.1")
        .alias("alias.d.example", "end.example", "192.0.2.1")
        .address("mx.e.example", "192.0.2.1")
        .address("f.example", "192.0.2.1")
        .secure(&["a.example", "mx.a.example", "mx.b.example", "c.example", "alias.c.example"])
        .secure(&["end.example", "d.example", "alias.d.example", "e.example", "f.example"])
        .insecure_end("alias.d.example");
    for (domain, bases, sure) in [
        ("a.example", vec!["mx.a.example"], true),
        ("b.example", vec![], false),
        ("c.example", vec!["end.example", "alias.c.example"], true),
        ("d.example", vec!["alias.d.example"], true),
        ("e.example", vec![], true),
        ("f.example", vec!["f.example"], true),
    ] {
        let name = Domain::parse(domain).unwrap();
        let servers = servers(asking(&zone), &name, "me.example", 5, &mut || 0).await.unwrap();
        assert_eq!(servers[0].bases, bases, "{domain}");
        assert_eq!(servers[0].sure, sure, "{domain}");
    }
}

#[tokio::test]
async fn a_configured_host_without_address_is_our_fault() {
    assert!(named(asking(&zone()), "gone.example").await.unwrap_err().is_temporary());
    assert_eq!(named(asking(&zone()), "[2001:db8::1]").await.unwrap().addresses.len(), 1);
}

#[test]
fn of_many_addresses_a_few_of_each_family_are_tried() {
    let four = (0..2000).map(|n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
    let six = (0..2000).map(|n: u128| IpAddr::from(((0x2001_u128 << 112) + n).to_be_bytes()));
    let kinds = |addresses: Vec<IpAddr>| {
        let found = six_first(addresses);
        (found.iter().filter(|a| a.is_ipv6()).count(), found.iter().filter(|a| a.is_ipv4()).count())
    };
    assert_eq!(kinds(four.clone().chain(six.clone()).collect()), (3, 2));
    assert_eq!(kinds(six.collect()), (5, 0));
    assert_eq!(kinds(four.clone().collect()), (0, 5));
    assert_eq!(kinds(four.take(1).collect()), (0, 1));
}
