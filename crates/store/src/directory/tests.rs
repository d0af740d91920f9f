//! The rows of the directory over a real folder.

use mailwright_words::{Id, Timestamp};

use super::*;
use crate::{Lane, Options, Store, StoreError, mailbox};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

fn id(n: i64) -> Id {
    Id::from_i64(n)
}

fn person(n: i64, name: &str) -> NewPrincipal {
    NewPrincipal { id: id(n), kind: PrincipalKind::Person, name: name.into(), quota_bytes: None }
}

#[test]
fn accounts_addresses_and_grants_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            add_domain(tx, id(2), "example.com", DomainKind::Local, NOW)?;
            let again = add_domain(tx, id(3), "example.com", DomainKind::Local, NOW);
            assert!(matches!(again, Err(StoreError::Exists("domain"))));
            add_principal(tx, &person(10, "ann@example.com"), NOW)?;
            mailbox::create_folders(tx, id(10), &[11, 12, 13, 14, 15, 16].map(id), NOW)?;
            let new = NewAddress {
                id: id(20),
                address: "ann@example.com".into(),
                domain: "example.com".into(),
                kind: AddressKind::Mailbox,
                principal: Some(id(10)),
            };
            add_address(tx, &new, NOW)?;
            grant_send_as(tx, id(10), "@other.example")?;
            add_credential(
                tx,
                &Credential {
                    id: id(30),
                    principal: id(10),
                    kind: CredentialKind::Password,
                    label: String::new(),
                    hash: "old".into(),
                    keys: Keys::default(),
                    created: NOW,
                    last_used: None,
                },
            )?;
            replace_hash(tx, id(30), "stale", "wrong", &Keys::default())?;
            replace_hash(tx, id(30), "old", "new", &Keys::default())?;
            touch_credential(tx, id(30), NOW)
        })
        .unwrap();
    store
        .read_blocking(|tx| {
            assert_eq!(address(tx, "ann@example.com")?.unwrap().principal, Some(id(10)));
            assert!(has_send_as(tx, id(10), "bob@other.example")?);
            assert!(!has_send_as(tx, id(10), "bob@example.com")?);
            let credential = credentials(tx, id(10))?.remove(0);
            assert_eq!((credential.hash.as_str(), credential.last_used), ("new", Some(NOW)));
            assert_eq!(principals(tx, "", 10)?.len(), 1);
            Ok(())
        })
        .unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            assert!(matches!(remove_domain(tx, "example.com"), Err(StoreError::Exists(_))));
            mailbox::remove_folders(tx, id(10), NOW)?;
            remove_principal(tx, id(10))?;
            remove_domain(tx, "example.com")
        })
        .unwrap();
}

#[test]
fn an_alias_keeps_its_targets() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            add_domain(tx, id(2), "example.com", DomainKind::Local, NOW)?;
            let new = NewAddress {
                id: id(20),
                address: "team@example.com".into(),
                domain: "example.com".into(),
                kind: AddressKind::Alias,
                principal: None,
            };
            add_address(tx, &new, NOW)?;
            set_targets(tx, id(20), &["b@example.com".into(), "a@example.com".into()])?;
            assert_eq!(targets(tx, id(20))?, ["a@example.com", "b@example.com"]);
            remove_address(tx, "team@example.com")?;
            assert!(targets(tx, id(20))?.is_empty());
            Ok(())
        })
        .unwrap();
}
