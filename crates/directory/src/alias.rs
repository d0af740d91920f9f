//! Domains, and addresses that lead elsewhere, as the command line changes them.

use std::fmt;
use std::str::FromStr;

use mailwright_store::directory::{self as row, AddressKind, DomainKind, DomainRow, NewAddress};
use mailwright_store::{Lane, StoreError, Tx};
use mailwright_words::{Address, Domain as DomainName, Timestamp};

use crate::account::plain_key;
use crate::{Directory, DirectoryError};

/// Addresses read at once.
const PAGE: usize = 1000;

/// A domain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// What we are to it.
    pub kind: DomainKind,
    /// Where mail to its unknown addresses goes.
    pub catch_all: Option<String>,
    /// When it was added.
    pub created: Timestamp,
}

/// How an address leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasKind {
    /// The same message, to other addresses.
    Alias,
    /// A new message from the list, to its members.
    List,
    /// A new message under a reverse-path of ours, to addresses elsewhere.
    Forward,
}

impl AliasKind {
    const ALL: [Self; 3] = [Self::Alias, Self::List, Self::Forward];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        self.address().as_str()
    }

    const fn address(self) -> AddressKind {
        match self {
            Self::Alias => AddressKind::Alias,
            Self::List => AddressKind::List,
            Self::Forward => AddressKind::Forward,
        }
    }

    fn of(kind: AddressKind) -> Option<Self> {
        Self::ALL.into_iter().find(|ours| ours.address() == kind)
    }
}

impl fmt::Display for AliasKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AliasKind {
    type Err = DirectoryError;

    fn from_str(text: &str) -> Result<Self, DirectoryError> {
        let wrong = DirectoryError::Target("the kind has to be alias, list or forward");
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(wrong)
    }
}

/// An address that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The address.
    pub address: String,
    /// How it leads there.
    pub kind: AliasKind,
    /// Where it leads.
    pub targets: Vec<String>,
    /// When it was added.
    pub created: Timestamp,
}

impl Directory {
    /// Adds a domain.
    ///
    /// Errors: it is there already.
    pub async fn add_domain(
        &self,
        name: &DomainName,
        kind: DomainKind,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let (id, name) = (self.id(now), name.to_string());
        let domain = name.clone();
        let write = move |tx: &mut Tx<'_>| row::add_domain(tx, id, &name, kind, now);
        self.0.store.write(Lane::Quick, write).await?;
        tracing::info!(domain, "Domain added.");
        Ok(())
    }

    /// Every domain, by name.
    pub async fn domains(&self) -> Result<Vec<Domain>, DirectoryError> {
        let rows = self.0.store.read(row::domains).await?;
        let domain = |row: DomainRow| Domain {
            name: row.name,
            kind: row.kind,
            catch_all: row.catch_all,
            created: row.created,
        };
        Ok(rows.into_iter().map(domain).collect())
    }

    /// Removes a domain that has no addresses any more.
    ///
    /// Errors: it is not there, or has addresses.
    pub async fn remove_domain(&self, name: &DomainName) -> Result<(), DirectoryError> {
        let name = name.to_string();
        let domain = name.clone();
        self.0.store.write(Lane::Quick, move |tx| row::remove_domain(tx, &name)).await?;
        self.load_signers().await?;
        tracing::info!(domain, "Domain removed.");
        Ok(())
    }

    /// Sets where mail to unknown addresses of a domain goes; `None` refuses it.
    ///
    /// Errors: the domain is not there.
    pub async fn set_catch_all(
        &self,
        name: &DomainName,
        target: Option<&Address>,
    ) -> Result<(), DirectoryError> {
        let (name, target) = (name.to_string(), target.map(Address::to_string));
        self.0
            .store
            .write(Lane::Quick, move |tx| row::set_catch_all(tx, &name, target.as_deref()))
            .await?;
        Ok(())
    }

    /// Adds an address that leads to `targets`; its domain has to be there.
    ///
    /// Errors: the address is taken, its domain is not ours, or it leads nowhere or to itself.
    pub async fn add_alias(
        &self,
        address: &Address,
        kind: AliasKind,
        targets: &[Address],
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let key = plain_key(address)?;
        if targets.is_empty() {
            return Err(DirectoryError::Target("an alias needs an address to lead to"));
        }
        if targets.iter().any(|target| target.key() == key) {
            return Err(DirectoryError::Target("an alias cannot lead to itself"));
        }
        let targets: Vec<String> = targets.iter().map(Address::to_string).collect();
        let (id, domain, alias) = (self.id(now), address.domain().to_string(), key.clone());
        self.0
            .store
            .write(Lane::Quick, move |tx| {
                let (address, domain) = (key.clone(), domain.clone());
                let kind = kind.address();
                let new = NewAddress { id, address, domain, kind, principal: None };
                row::add_address(tx, &new, now)?;
                row::set_targets(tx, id, &targets)
            })
            .await?;
        tracing::info!(address = alias, kind = kind.as_str(), "Alias added.");
        Ok(())
    }

    /// Every alias, list and forward, by address.
    pub async fn aliases(&self) -> Result<Vec<Alias>, DirectoryError> {
        Ok(self.0.store.read(aliases).await?)
    }

    /// Removes an alias, list or forward.
    ///
    /// Errors: there is no such alias; the address of an account goes with its account.
    pub async fn remove_alias(&self, address: &Address) -> Result<(), DirectoryError> {
        let key = address.key();
        let alias = key.clone();
        self.0
            .store
            .write(Lane::Quick, move |tx| {
                let found = row::address(tx, &key)?.filter(|row| row.principal.is_none());
                found.ok_or(StoreError::Missing("alias"))?;
                row::remove_address(tx, &key)
            })
            .await?;
        tracing::info!(address = alias, "Alias removed.");
        Ok(())
    }

    /// Lets an account send from an address that does not lead to it.
    ///
    /// Errors: there is no such account.
    pub async fn grant_send_as(
        &self,
        account: &Address,
        address: &Address,
    ) -> Result<(), DirectoryError> {
        let (name, key) = (account.key(), address.key());
        self.0
            .store
            .write(Lane::Quick, move |tx| {
                let owner = row::principal_named(tx, &name)?;
                let owner = owner.ok_or(StoreError::Missing("account"))?;
                row::grant_send_as(tx, owner.id, &key)
            })
            .await?;
        Ok(())
    }
}

fn aliases(tx: &mut Tx<'_>) -> Result<Vec<Alias>, StoreError> {
    let mut aliases = Vec::new();
    let mut after = String::new();
    loop {
        let rows = row::addresses(tx, &after, PAGE)?;
        let Some(last) = rows.last() else { return Ok(aliases) };
        after.clone_from(&last.address);
        for row in rows {
            // Addresses of accounts and inboxes are no alias.
            let Some(kind) = AliasKind::of(row.kind) else { continue };
            let targets = row::targets(tx, row.id)?;
            aliases.push(Alias { address: row.address, kind, targets, created: row.created });
        }
    }
}
