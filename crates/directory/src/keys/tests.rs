//! The life of keys, over a real store.

use mailwright_store::{Options, Store};

use super::*;
use crate::{DomainKind, Settings};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const DAY: Duration = Duration::from_hours(24);

async fn world() -> (Directory, Domain, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let settings = Settings::of(&mailwright_config::Config::default());
    let directory = Directory::open(store, settings).await.unwrap();
    let domain = Domain::parse("home.example").unwrap();
    directory.add_domain(&domain, DomainKind::Local, NOW).await.unwrap();
    (directory, domain, folder)
}

impl Directory {
    async fn states(&self) -> Vec<String> {
        let keys = self.keys().await.unwrap();
        keys.iter().map(|key| format!("{} {}", key.selector, key.state.as_str())).collect()
    }

    fn selectors(&self, domain: &str) -> Vec<String> {
        let signer = self.signer(domain);
        signer.iter().flat_map(|s| &s.keys).map(|key| key.selector.clone()).collect()
    }
}

#[tokio::test]
async fn keys_change_with_an_overlap() {
    let (directory, domain, _folder) = world().await;
    assert!(directory.signer("home.example").is_none());
    assert_eq!(directory.complete_keys(NOW).await.unwrap(), 1);
    assert_eq!(directory.complete_keys(NOW).await.unwrap(), 0);
    assert_eq!(directory.selectors("home.example"), ["rsa-20261124", "ed25519-20261124"]);
    assert_eq!(directory.selectors("app.home.example").len(), 2, "a domain below it");
    assert!(directory.signer("example").is_none() && directory.signer("xhome.example").is_none());

    directory.make_keys(&domain, NOW).await.unwrap();
    assert_eq!(directory.selectors("home.example"), ["rsa-20261124", "ed25519-20261124"]);
    assert_eq!(directory.activate_keys(&domain, NOW.plus(DAY)).await.unwrap(), 2);
    assert_eq!(directory.selectors("home.example"), ["rsa-20261124a", "ed25519-20261124a"]);
    let states = [
        "rsa-20261124 old",
        "ed25519-20261124 old",
        "rsa-20261124a active",
        "ed25519-20261124a active",
    ];
    assert_eq!(directory.states().await, states);
    assert_eq!(directory.activate_keys(&domain, NOW.plus(DAY)).await.unwrap(), 0, "none waits");
    assert_eq!(directory.selectors("home.example").len(), 2, "and those that sign go on");

    assert_eq!(directory.retire_keys(7 * DAY, NOW.plus(7 * DAY)).await.unwrap(), 0);
    assert_eq!(directory.retire_keys(7 * DAY, NOW.plus(9 * DAY)).await.unwrap(), 2);
    assert_eq!(directory.states().await.first().unwrap(), "rsa-20261124 retired");
    assert_eq!(directory.retire_keys(7 * DAY, NOW.plus(40 * DAY)).await.unwrap(), 2);
    assert_eq!(directory.states().await.len(), 2);
}

#[tokio::test]
async fn of_keys_that_wait_the_newest_is_meant() {
    let (directory, domain, _folder) = world().await;
    for _ in 0..3 {
        directory.make_keys(&domain, NOW).await.unwrap();
    }
    assert_eq!(directory.activate_keys(&domain, NOW).await.unwrap(), 2);
    assert_eq!(directory.selectors("home.example"), ["rsa-20261124b", "ed25519-20261124b"]);
    assert_eq!(directory.states().await.len(), 4, "those between never signed");
}

#[tokio::test]
async fn a_key_is_brought_along_and_goes_with_its_domain() {
    let (directory, domain, _folder) = world().await;
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    directory.import_key(&domain, "Brisbane", pem, NOW).await.unwrap();
    assert_eq!(directory.selectors("home.example"), ["brisbane"]);
    let key = directory.keys().await.unwrap().remove(0);
    assert_eq!(key.name(), "brisbane._domainkey.home.example.");
    let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert_eq!(key.record, format!("v=DKIM1; k=ed25519; p={public}"));
    for (selector, text) in [("brisbane", pem), ("a b", pem), ("", pem), ("x", "no key")] {
        assert!(directory.import_key(&domain, selector, text, NOW).await.is_err(), "{selector}");
    }
    directory.remove_domain(&domain).await.unwrap();
    assert_eq!(directory.states().await, Vec::<String>::new());
    assert!(directory.signer("home.example").is_none());
}
