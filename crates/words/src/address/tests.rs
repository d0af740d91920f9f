//! Addresses: what parses, what does not, and that printing comes back.

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn well_formed_addresses_parse() {
    for (text, local, domain, printed) in [
        ("ann@example.com", "ann", "example.com", "ann@example.com"),
        ("Ann.B@EXAMPLE.com", "Ann.B", "example.com", "Ann.B@example.com"),
        ("\"ann\"@example.com", "ann", "example.com", "ann@example.com"),
        ("\"a b\"@example.com", "a b", "example.com", "\"a b\"@example.com"),
        ("\"a@b\"@example.com", "a@b", "example.com", "\"a@b\"@example.com"),
        (r#""a\"b\\c\d"@x.org"#, r#"a"b\cd"#, "x.org", r#""a\"b\\cd"@x.org"#),
        ("\"\"@example.com", "", "example.com", "\"\"@example.com"),
        ("\"a..b\"@example.com", "a..b", "example.com", "\"a..b\"@example.com"),
        (
            "j\u{f6}rg@b\u{fc}cher.example",
            "j\u{f6}rg",
            "xn--bcher-kva.example",
            "j\u{f6}rg@xn--bcher-kva.example",
        ),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
        (
            "!#$%&'*+-/=?^_`{|}~@localhost",
            "!#$%&'*+-/=?^_`{|}~",
            "localhost",
            "!#$%&'*+-/=?^_`{|}~@localhost",
        ),
    ] {
        let parsed = address(text);
        assert_eq!((parsed.local(), parsed.domain().as_str()), (local, domain), "{text}");
        assert_eq!(parsed.to_string(), printed, "{text}");
    }
}

#[test]
fn malformed_addresses_do_not() {
    use AddressError::{At, Domain as D, Literal, Local};
    for (text, error) in [
        ("", At),
        ("ann", At),
        ("@example.com", At),
        ("ann@", At),
        ("\"ann\"example.com", At),
        (".ann@example.com", Local),
        ("ann.@example.com", Local),
        ("a..b@example.com", Local),
        ("a b@example.com", Local),
        ("a<b@example.com", Local),
        ("\"a@example.com", Local),
        ("a\r\nb@example.com", Local),
        ("\"a\r\nb\"@example.com", Local),
        ("\"a\0\"@x.org", Local),
        ("a\u{85}b@example.com", Local),
        ("\"a\\\u{e9}\"@example.com", Local),
        ("a@b@c", D),
        ("a@b..c", D),
        ("a@.b", D),
        ("a@b.", D),
        ("a@-b.c", D),
        ("a@b-.c", D),
        ("a@b_c.d", D),
        ("a@b c", D),
        ("a@192.0.2.1", D),
        ("a@xn--a.example", D),
        ("a@b\u{0}", D),
        ("a@[192.0.2]", Literal),
        ("a@[1.2.3.4", Literal),
        ("a@[2001:db8::1]", Literal),
        ("a@[x:y]", Literal),
        ("a@[IPv6:fe80::1%1]", Literal),
    ] {
        assert_eq!(Address::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn lengths_are_limited() {
    assert!(Address::parse(&format!("{}@x.org", "a".repeat(64))).is_ok());
    let long = Err(AddressError::TooLong);
    assert_eq!(Address::parse(&format!("{}@x.org", "a".repeat(65))), long);
    assert_eq!(Address::parse(&format!("\"{} \"@x.org", "a".repeat(62))), long);
    assert_eq!(Address::parse(&format!("a@{}.org", "b".repeat(64))), long);
    let domain = format!("{0}.{0}.{0}.{1}", "b".repeat(60), "c".repeat(40));
    assert!(Address::parse(&format!("{}@{domain}", "a".repeat(30))).is_ok());
    assert_eq!(Address::parse(&format!("{}@{domain}", "a".repeat(31))), long);
    assert_eq!(Address::parse(&format!("a@{}", "b.".repeat(9000))), long);
}

#[test]
fn a_key_folds_case_and_a_subaddress_is_split_off() {
    assert_eq!(address("PostMaster@Example.COM").key(), "postmaster@example.com");
    let ann = address("ann+a+b@x.org");
    assert_eq!(ann.subaddress('+'), (address("ann@x.org"), Some("a+b")));
    assert_eq!(ann.subaddress('-'), (ann.clone(), None));
    let odd = address("+a@x.org");
    assert_eq!(odd.subaddress('+'), (odd.clone(), None));
    assert!(ann.is_ascii() && !address("\u{e9}@x.org").is_ascii());
}

#[test]
fn domains_know_their_other_forms() {
    let domain = Domain::parse("B\u{dc}CHER.example").unwrap();
    assert_eq!(domain.as_str(), "xn--bcher-kva.example");
    assert_eq!(domain.unicode(), "b\u{fc}cher.example");
    assert_eq!(domain.literal(), None);
    let literal = Domain::parse("[IPv6:::1]").unwrap();
    assert_eq!(literal.literal(), Some("::1".parse().unwrap()));
    assert_eq!(Domain::from_ip("192.0.2.1".parse().unwrap()).unicode(), "[192.0.2.1]");
}

#[test]
fn reverse_paths_print_with_brackets() {
    assert_eq!(ReversePath::parse("").unwrap().to_string(), "<>");
    let path = ReversePath::parse("a@x.org").unwrap();
    assert_eq!(path.to_string(), "<a@x.org>");
    assert_eq!(path.address(), Some(&address("a@x.org")));
    assert!(ReversePath::parse(" ").is_err());
}

proptest! {
    #[test]
    fn what_an_address_prints_parses_to_an_equal_one(
        local in r#"[a-zA-Z0-9. "@\\+\u{e4}\u{4e2d}-]{0,20}"#,
        domain in "[a-zA-Z0-9\u{e4}\u{df}\u{4e2d}\u{3002}-]{1,12}(\\.[a-z0-9-]{1,8}){0,3}",
    ) {
        let Ok(local) = LocalPart::new(&local) else { return Ok(()) };
        let Ok(domain) = Domain::parse(&domain) else { return Ok(()) };
        let Ok(address) = Address::new(local, domain) else { return Ok(()) };
        prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
    }

    #[test]
    fn no_text_panics_and_all_that_parses_comes_back(
        text in "\\PC{0,80}|[\"a.@\\\\\\[\\]:0-9 -]{0,40}",
    ) {
        if let Ok(address) = Address::parse(&text) {
            prop_assert!(address.to_string().len() <= ADDRESS_MAX);
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()));
            for separator in ['+', '-', '.'] {
                let (base, _) = address.subaddress(separator);
                prop_assert_eq!(Address::parse(&base.to_string()), Ok(base));
            }
        }
    }

    #[test]
    fn no_domain_panics(text in any::<String>()) {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(Domain::parse(domain.as_str()), Ok(domain.clone()));
            prop_assert!(!domain.unicode().is_empty());
        }
    }
}
