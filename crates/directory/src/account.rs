//! Accounts and their passwords, as the command line changes them.

use mailwright_sasl::scram::Hash;
use mailwright_sasl::{Secret, prepare_password};
use mailwright_store::directory::{
    self as row, AddressKind, Credential, CredentialKind, Keys, NewAddress, NewPrincipal,
    Principal, PrincipalKind,
};
use mailwright_store::mailbox;
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::{Address, AddressError, Id, Timestamp};

use crate::password::{self, Stored};
use crate::scram::{self, salts};
use crate::{Directory, DirectoryError};

/// Accounts read at once.
const PAGE: usize = 1000;
/// Longest label of an app password, in characters.
const LABEL_MAX: usize = 64;

/// A password as an administrator gives it.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// The password itself.
    Text(Secret),
    /// A hash from another server: `{BLF-CRYPT}`, `{SHA512-CRYPT}` or `{ARGON2ID}` and the hash. It
    /// is replaced by one of ours, and SCRAM becomes possible, at the first login with PLAIN or
    /// LOGIN.
    Hash(String),
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its principal.
    pub principal: Id,
    /// Its address, which is also its login name.
    pub address: String,
    /// Whether it answers for the server.
    pub is_administrator: bool,
    /// When it was added.
    pub created: Timestamp,
}

/// A password for one program, by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPassword {
    /// What the owner calls it.
    pub label: String,
    /// Whether it can be used with CRAM-MD5, for which it is kept readable.
    pub has_cram_md5: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last opened the account, to five minutes.
    pub last_used: Option<Timestamp>,
}

impl Directory {
    /// Adds an account with its address; its domain has to be there. The first account of a server
    /// is its administrator.
    ///
    /// Errors: the address is taken, its domain is not ours, or the password is none.
    pub async fn add_account(
        &self,
        address: &Address,
        password: NewPassword,
        now: Timestamp,
    ) -> Result<Account, DirectoryError> {
        let name = plain_key(address)?;
        let salts = [Hash::Sha1, Hash::Sha256].map(|h| scram::salt(&self.0.decoy, h, &name));
        let principal = self.id(now);
        let credential = self.credential((principal, &salts), password, now).await?;
        let account = Account {
            principal,
            address: name,
            is_administrator: self.0.store.read(row::administrator).await?.is_none(),
            created: now,
        };
        let address = NewAddress {
            id: self.id(now),
            address: account.address.clone(),
            domain: address.domain().to_string(),
            kind: AddressKind::Mailbox,
            principal: Some(principal),
        };
        let folders = mailbox::DEFAULT_FOLDERS.map(|_| self.id(now));
        let added = account.clone();
        self.0
            .store
            .write(Lane::Quick, move |tx| {
                let [sha1, sha256] = &salts;
                row::add_principal(tx, &new_principal(&added), now)?;
                row::set_salts(tx, principal, sha1, sha256)?;
                row::add_credential(tx, &credential)?;
                row::add_address(tx, &address, now)?;
                mailbox::create_folders(tx, principal, &folders, now)
            })
            .await?;
        tracing::info!(account = account.address, "Account added.");
        Ok(account)
    }

    /// Every account, by address.
    pub async fn accounts(&self) -> Result<Vec<Account>, DirectoryError> {
        Ok(self.0.store.read(accounts).await?)
    }

    /// Whether there is an account, or ever was one.
    pub async fn had_account(&self) -> Result<bool, DirectoryError> {
        Ok(self.0.store.read(row::had_account).await?)
    }

    /// The account of this address, if there is one.
    pub async fn account(&self, address: &Address) -> Result<Option<Account>, DirectoryError> {
        let key = address.key();
        let found = self.0.store.read(move |tx| row::principal_named(tx, &key)).await?;
        Ok(found.map(account))
    }

    /// Removes an account with its passwords, its address and its mail.
    ///
    /// Errors: there is no such account. A crash on the way leaves an account that nobody can log
    /// in to or send to; removing it again goes on.
    pub async fn remove_account(
        &self,
        address: &Address,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let principal = self.existing(address).await?;
        let id = principal.id;
        let store = &self.0.store;
        store.write(Lane::Quick, move |tx| row::set_disabled(tx, id, true)).await?;
        self.remove_principal(id, now).await?;
        self.recount().await?;
        tracing::info!(account = principal.name, "Account removed.");
        Ok(())
    }

    /// Removes a principal and, step by step, all that is in its folders.
    pub(crate) async fn remove_principal(&self, id: Id, now: Timestamp) -> Result<(), StoreError> {
        let step = move |tx: &mut Tx<'_>| {
            let empty = mailbox::remove_folders(tx, id, now)?;
            if empty {
                row::remove_principal(tx, id)?;
            }
            Ok(empty)
        };
        while !self.0.store.write(Lane::Bulk, step).await? {}
        Ok(())
    }

    /// Replaces the main password of an account; app passwords stay.
    ///
    /// Errors: there is no such account, or the password is none.
    pub async fn set_password(
        &self,
        address: &Address,
        password: NewPassword,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let principal = self.existing(address).await?;
        let salts = salts(&principal);
        let credential = self.credential((principal.id, &salts), password, now).await?;
        let write = move |tx: &mut Tx<'_>| row::add_credential(tx, &credential);
        self.0.store.write(Lane::Quick, write).await?;
        tracing::info!(account = principal.name, "Password changed.");
        Ok(())
    }

    /// Makes an app password, and gives it out this once. With `cram_md5` it is kept readable,
    /// which that mechanism cannot do without.
    ///
    /// Errors: there is no such account, the label is taken or is none.
    pub async fn add_app_password(
        &self,
        address: &Address,
        label: &str,
        cram_md5: bool,
        now: Timestamp,
    ) -> Result<Secret, DirectoryError> {
        if label.is_empty() || label.chars().count() > LABEL_MAX || label.contains(char::is_control)
        {
            return Err(DirectoryError::Label);
        }
        let principal = self.existing(address).await?;
        let text = password::generate()?;
        let (owned, secret) = (salts(&principal), text.clone());
        let mut keys = self.0.checker.run(move || scram::keys(&owned, &secret)).await?;
        keys.cram_md5 = cram_md5.then(|| text.clone().into_bytes());
        let credential = Credential {
            id: self.id(now),
            principal: principal.id,
            kind: CredentialKind::AppPassword,
            label: label.to_owned(),
            hash: Stored::random(&text)?.as_str().to_owned(),
            keys,
            created: now,
            last_used: None,
        };
        let write = move |tx: &mut Tx<'_>| {
            if app_password(tx, credential.principal, &credential.label)?.is_some() {
                return Err(StoreError::Exists("app password"));
            }
            row::add_credential(tx, &credential)
        };
        self.0.store.write(Lane::Quick, write).await?;
        self.recount().await?;
        tracing::info!(account = principal.name, label, "App password added.");
        Ok(Secret::new(text))
    }

    /// The app passwords of an account, by label.
    ///
    /// Errors: there is no such account.
    pub async fn app_passwords(
        &self,
        address: &Address,
    ) -> Result<Vec<AppPassword>, DirectoryError> {
        let id = self.existing(address).await?.id;
        let credentials = self.0.store.read(move |tx| row::credentials(tx, id)).await?;
        Ok(credentials
            .into_iter()
            .filter(|credential| credential.kind == CredentialKind::AppPassword)
            .map(|credential| AppPassword {
                label: credential.label,
                has_cram_md5: credential.keys.cram_md5.is_some(),
                created: credential.created,
                last_used: credential.last_used,
            })
            .collect())
    }

    /// Revokes an app password; what is logged in with it stays so until it disconnects.
    ///
    /// Errors: there is no such account or label.
    pub async fn revoke_app_password(
        &self,
        address: &Address,
        label: &str,
    ) -> Result<(), DirectoryError> {
        let (principal, text) = (self.existing(address).await?, label.to_owned());
        let id = principal.id;
        let write = move |tx: &mut Tx<'_>| {
            let found = app_password(tx, id, &text)?;
            row::remove_credential(tx, found.ok_or(StoreError::Missing("app password"))?.id)
        };
        self.0.store.write(Lane::Quick, write).await?;
        self.recount().await?;
        tracing::info!(account = principal.name, label, "App password revoked.");
        Ok(())
    }

    async fn existing(&self, address: &Address) -> Result<Principal, DirectoryError> {
        let key = address.key();
        let found = self.0.store.read(move |tx| row::principal_named(tx, &key)).await?;
        Ok(found.ok_or(StoreError::Missing("account"))?)
    }

    /// The row of a main password.
    async fn credential(
        &self,
        (principal, salts): (Id, &[Vec<u8>; 2]),
        password: NewPassword,
        now: Timestamp,
    ) -> Result<Credential, DirectoryError> {
        let (hash, keys) = match password {
            NewPassword::Hash(text) => (Stored::import(&text)?, Keys::default()),
            NewPassword::Text(secret) => {
                prepare_password(secret.expose())?;
                let salts = salts.clone();
                let work =
                    move || (Stored::hash(secret.expose()), scram::keys(&salts, secret.expose()));
                let (hash, keys) = self.0.checker.run(work).await?;
                (hash?, keys)
            }
        };
        Ok(Credential {
            id: self.id(now),
            principal,
            kind: CredentialKind::Password,
            label: String::new(),
            hash: hash.as_str().to_owned(),
            keys,
            created: now,
            last_used: None,
        })
    }
}

/// The key of an address that reads back as itself: a quoted local part makes no account.
pub(crate) fn plain_key(address: &Address) -> Result<String, DirectoryError> {
    let key = address.key();
    match Address::parse(&key) {
        Ok(read) if read.key() == key => Ok(key),
        Ok(_) | Err(_) => Err(AddressError::Local.into()),
    }
}

fn account(principal: Principal) -> Account {
    Account {
        principal: principal.id,
        address: principal.name,
        is_administrator: principal.kind == PrincipalKind::Administrator,
        created: principal.created,
    }
}

fn accounts(tx: &mut Tx<'_>) -> Result<Vec<Account>, StoreError> {
    let mut accounts: Vec<Account> = Vec::new();
    loop {
        let after = accounts.last().map_or("", |account| &account.address);
        let page = row::principals(tx, after, PAGE)?;
        if page.is_empty() {
            return Ok(accounts);
        }
        accounts.extend(page.into_iter().map(account));
    }
}

fn new_principal(account: &Account) -> NewPrincipal {
    let kind =
        if account.is_administrator { PrincipalKind::Administrator } else { PrincipalKind::Person };
    let (id, name) = (account.principal, account.address.clone());
    NewPrincipal { id, kind, name, quota_bytes: None }
}

fn app_password(
    tx: &mut Tx<'_>,
    principal: Id,
    label: &str,
) -> Result<Option<Credential>, StoreError> {
    let is_it = |row: &Credential| row.kind == CredentialKind::AppPassword && row.label == label;
    Ok(row::credentials(tx, principal)?.into_iter().find(is_it))
}
