//! The keys of domains: made where there are none, put to use once they can be found, retired.

use std::collections::BTreeSet;

use mailwright_directory::{DirectoryError, Key, KeyState};
use mailwright_net::dns::{Answer, Resolver, System};
use mailwright_words::Domain;
use tokio::{sync::watch, task::JoinSet};

use super::{ROUND, repeat};
use crate::office::Office;

/// Starts it.
pub(super) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let office = office.clone();
    repeat(tasks, stopping, move || {
        let office = office.clone();
        async move {
            if let Err(error) = round(&office).await {
                tracing::warn!(%error, "Keys not looked after.");
            }
            let wait = office.config.now().dkim.look_every;
            office.clock.sleep(if wait.is_zero() { ROUND } else { wait }).await;
        }
    });
}

async fn round(office: &Office) -> Result<(), DirectoryError> {
    let (directory, config) = (&office.directory, office.config.now());
    let made = directory.complete_keys(office.now()).await?;
    if made > 0 {
        tracing::info!(domains = made, "Keys made; `domain records` shows what to publish.");
    }
    directory.retire_keys(config.dkim.old_kept, office.now()).await?;
    let mut keys = directory.keys().await?;
    keys.retain(|key| key.state == KeyState::Pending);
    if keys.is_empty() {
        return Ok(());
    }
    let dns = match System::new(&config.dns) {
        Ok(dns) => dns,
        Err(error) => {
            tracing::warn!(%error, "Records of new keys not looked up.");
            return Ok(());
        }
    };
    let names: BTreeSet<&str> = keys.iter().map(|key| key.domain.as_str()).collect();
    for name in names {
        let waiting: Vec<&Key> = keys.iter().filter(|key| key.domain == name).collect();
        if !all_found(&dns, &waiting).await {
            continue;
        }
        if let Ok(domain) = Domain::parse(name) {
            directory.activate_keys(&domain, office.now()).await?;
        }
    }
    Ok(())
}

/// Whether the record of each key can be found: of the newest of each kind.
async fn all_found(dns: &dyn Resolver, keys: &[&Key]) -> bool {
    for algorithm in ["rsa", "ed25519"] {
        let newest = keys.iter().rfind(|key| key.algorithm == algorithm);
        if let Some(key) = newest
            && !is_found(dns, key).await
        {
            return false;
        }
    }
    true
}

async fn is_found(dns: &dyn Resolver, key: &Key) -> bool {
    let public = |text: &str| {
        let tag = text.split(';').find_map(|tag| tag.trim().strip_prefix("p="));
        tag.map(|value| value.split_ascii_whitespace().collect::<String>())
    };
    let Answer::Found(texts) = dns.txt(&key.name()).await else { return false };
    let wanted = public(&key.record);
    texts.iter().any(|text| public(&String::from_utf8_lossy(text)) == wanted)
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;
    use mailwright_words::Timestamp;

    use super::*;

    fn key(selector: &str, algorithm: &str) -> Key {
        Key {
            domain: "home.example".to_owned(),
            selector: selector.to_owned(),
            algorithm: algorithm.to_owned(),
            state: KeyState::Pending,
            record: format!("v=DKIM1; k={algorithm}; p={selector}=="),
            created: Timestamp::new(0),
            changed: Timestamp::new(0),
        }
    }

    #[tokio::test]
    async fn keys_are_found_when_the_newest_of_each_kind_is() {
        let dns = Fake::new();
        let (old, rsa, ed) = (key("a", "rsa"), key("b", "rsa"), key("c", "ed25519"));
        let keys = [&old, &rsa, &ed];
        assert!(!all_found(&dns, &keys).await);
        dns.add_txt("b._domainkey.home.example", "v=DKIM1; k=rsa; p=b =\t=");
        assert!(!all_found(&dns, &keys).await);
        dns.add_txt("c._domainkey.home.example", "v=DKIM1; k=ed25519; p=x");
        assert!(!all_found(&dns, &keys).await, "another key");
        dns.add_txt("c._domainkey.home.example", &ed.record);
        assert!(all_found(&dns, &keys).await);
        dns.set_broken("b._domainkey.home.example", true);
        assert!(!all_found(&dns, &keys).await);
    }
}
