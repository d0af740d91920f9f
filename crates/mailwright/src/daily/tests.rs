use super::*;

fn due(day: i64, domain: &str) -> Due {
    Due { kind: Kind::Tls, day, domain: domain.to_owned() }
}

#[test]
fn each_domain_has_its_moment_in_the_first_hours_of_the_next_day() {
    let next = transport::day_begins(20_001);
    let moments: Vec<Timestamp> =
        (0..50).map(|n| due(20_000, &format!("d{n}.example")).moment("mx.example")).collect();
    let end = next.plus(MARGIN).plus(SPREAD);
    assert!(moments.iter().all(|at| *at >= next.plus(MARGIN) && *at < end));
    assert!(moments.iter().any(|at| *at > next.plus(SPREAD / 2)));
    assert_eq!(moments[0], due(20_000, "d0.example").moment("mx.example"));
}

#[test]
fn a_report_has_the_same_name_as_long_as_it_says_the_same() {
    let id = due(20_000, "x.example").id("mx.example", "a");
    assert_eq!(id, due(20_000, "x.example").id("mx.example", "a"));
    assert!(id.starts_with("20000.") && id.ends_with("@mx.example"), "{id}");
    for (day, domain, contents) in
        [(20_001, "x.example", "a"), (20_000, "y.example", "a"), (20_000, "x.example", "b")]
    {
        assert_ne!(id, due(day, domain).id("mx.example", contents));
    }
}
