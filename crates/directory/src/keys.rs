//! Keys that our domains sign with: made, brought along, changed with an overlap.
//!
//! A new key waits as pending until its record can be found; then it signs, and the one before it
//! stays published as old for as long as mail signed with it may be on its way. Keys that sign are
//! held ready in memory; every change of them goes through here. Source: RFC 6376 section 3.1.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mailwright_mailauth::sign::{self, Algorithm, Selected, Signer, SigningKey};
use mailwright_store::directory::{self as row, KeyRow, KeyState, NewKey};
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::{Domain, Timestamp};

use crate::{Directory, DirectoryError};

/// How long a retired key is still shown.
const RETIRED_SHOWN: Duration = Duration::from_hours(30 * 24);
/// Letters behind a selector when others of its day are taken.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// A key of a domain, without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The domain.
    pub domain: String,
    /// The name of its record below `_domainkey`.
    pub selector: String,
    /// `rsa` or `ed25519`.
    pub algorithm: String,
    /// What it is used for.
    pub state: KeyState,
    /// The text of its TXT record.
    pub record: String,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it is in its state.
    pub changed: Timestamp,
}

impl Key {
    /// The name of its record, with the last dot.
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}.", self.selector, self.domain)
    }
}

/// Who signs for which domain.
pub(crate) type Signers = HashMap<String, Arc<Signer>>;

impl Directory {
    /// Who signs for `domain`: it itself, or the nearest domain above it that has keys.
    pub fn signer(&self, domain: &str) -> Option<Arc<Signer>> {
        let signers = self.0.signers.now();
        let mut rest = domain;
        loop {
            if let Some(signer) = signers.get(rest) {
                return Some(Arc::clone(signer));
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// Every key, by domain and age.
    ///
    /// Errors: the store's.
    pub async fn keys(&self) -> Result<Vec<Key>, DirectoryError> {
        let rows = self.0.store.read(row::keys).await?;
        rows.into_iter().map(key).collect()
    }

    /// Makes a key of each kind for a domain. They sign at once when it has none that does; else
    /// they wait until [`activate_keys`](Self::activate_keys).
    ///
    /// Errors: there is no such domain, or no key can be made.
    pub async fn make_keys(&self, domain: &Domain, now: Timestamp) -> Result<(), DirectoryError> {
        let made = tokio::task::spawn_blocking(|| Algorithm::ALL.map(SigningKey::generate));
        let made = made.await.map_err(|panic| StoreError::Panicked(panic.to_string().into()))?;
        for made in made {
            let made = made?;
            let selector = self.free_selector(domain, made.algorithm(), now).await?;
            self.keep(domain, &selector, &made, now).await?;
        }
        Ok(())
    }

    /// Takes over a key that a domain has from elsewhere, in PEM form. It signs at once when no
    /// other of its kind does.
    ///
    /// Errors: the text holds no key, or the selector is taken or no label.
    pub async fn import_key(
        &self,
        domain: &Domain,
        selector: &str,
        pem: &str,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !selector.split('.').all(label) || selector.len() > 100 {
            return Err(DirectoryError::Selector);
        }
        let key = SigningKey::from_pem(pem)?;
        self.keep(domain, &selector.to_ascii_lowercase(), &key, now).await
    }

    /// Lets the keys that wait sign, in place of those that did; says how many.
    ///
    /// Errors: there is no such domain.
    pub async fn activate_keys(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<usize, DirectoryError> {
        let name = domain.to_string();
        let write = move |tx: &mut Tx<'_>| row::activate_keys(tx, &name, now);
        let count = self.0.store.write(Lane::Quick, write).await?;
        self.load_signers().await?;
        tracing::info!(%domain, count, "Keys sign now.");
        Ok(count)
    }

    /// Retires keys that have been old for as long as `kept`.
    ///
    /// Errors: the store's.
    pub async fn retire_keys(
        &self,
        kept: Duration,
        now: Timestamp,
    ) -> Result<usize, DirectoryError> {
        let before = (now.minus(kept), now.minus(RETIRED_SHOWN));
        let write = move |tx: &mut Tx<'_>| row::retire_keys(tx, before, now);
        Ok(self.0.store.write(Lane::Bulk, write).await?)
    }

    /// Makes keys for local domains that have never had any. One without a dot cannot publish
    /// them and gets none.
    ///
    /// Errors: the store's, or no key can be made.
    pub async fn complete_keys(&self, now: Timestamp) -> Result<usize, DirectoryError> {
        let names = self.0.store.read(row::keyless).await?;
        let mut count = 0;
        for name in names.iter().filter(|name| name.contains('.')) {
            let Ok(domain) = Domain::parse(name) else { continue };
            match self.make_keys(&domain, now).await {
                Ok(()) => count += 1,
                // It was removed meanwhile.
                Err(DirectoryError::Store(StoreError::Missing(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    async fn keep(
        &self,
        domain: &Domain,
        selector: &str,
        made: &SigningKey,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let kind = made.algorithm().as_str();
        let new = NewKey {
            id: self.id(now),
            domain: domain.to_string(),
            selector: selector.to_owned(),
            algorithm: kind,
            is_active: false,
            private: made.to_pkcs8()?,
            public: made.public()?,
        };
        let write = move |tx: &mut Tx<'_>| {
            let all = row::keys(tx)?;
            let signs = |row: &KeyRow| {
                row.domain == new.domain && row.algorithm == kind && row.state == KeyState::Active
            };
            row::add_key(tx, &NewKey { is_active: !all.iter().any(signs), ..new.clone() }, now)
        };
        self.0.store.write(Lane::Quick, write).await?;
        self.load_signers().await?;
        tracing::info!(%domain, selector, algorithm = kind, "Key added.");
        Ok(())
    }

    async fn free_selector(
        &self,
        domain: &Domain,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<String, DirectoryError> {
        let day: String = now.rfc3339().chars().filter(char::is_ascii_digit).take(8).collect();
        let first = format!("{algorithm}-{day}");
        let keys = self.keys().await?;
        let is_free = |name: &String| {
            !keys.iter().any(|key| key.domain == domain.as_str() && key.selector == *name)
        };
        let further = LETTERS.chars().map(|letter| format!("{first}{letter}"));
        let found = std::iter::once(first.clone()).chain(further).find(is_free);
        Ok(found.ok_or(StoreError::Limit("keys of a day"))?)
    }

    /// Holds the keys that sign ready.
    pub(crate) async fn load_signers(&self) -> Result<(), DirectoryError> {
        self.0.signers.set(signers(self.0.store.read(row::keys).await?));
        Ok(())
    }
}

/// The keys that sign, by domain. One that cannot be read is left out and told of.
pub(crate) fn signers(rows: Vec<KeyRow>) -> Signers {
    let mut found: HashMap<String, Vec<Selected>> = HashMap::new();
    for row in rows {
        let Some(private) = row.private.filter(|_| row.state == KeyState::Active) else { continue };
        match SigningKey::from_pkcs8(&private) {
            Ok(key) => {
                found.entry(row.domain).or_default().push(Selected { selector: row.selector, key });
            }
            Err(error) => {
                let (domain, selector) = (row.domain, row.selector);
                tracing::error!(domain, selector, %error, "A stored key is of no use.");
            }
        }
    }
    let signer = |(domain, mut keys): (String, Vec<Selected>)| {
        // The kind that everybody can check comes first.
        keys.sort_by_key(|selected| selected.key.algorithm() != Algorithm::Rsa);
        (domain.clone(), Arc::new(Signer { domain, keys }))
    };
    found.into_iter().map(signer).collect()
}

fn key(row: KeyRow) -> Result<Key, DirectoryError> {
    let algorithm: Algorithm = row.algorithm.parse()?;
    Ok(Key {
        record: sign::record(algorithm, &row.public),
        domain: row.domain,
        selector: row.selector,
        algorithm: row.algorithm,
        state: row.state,
        created: row.created,
        changed: row.changed,
    })
}

#[cfg(test)]
mod tests;
