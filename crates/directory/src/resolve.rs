//! Where an address leads, and who may send from it.

use mailwright_store::directory::{self as row, AddressKind, AddressRow, DomainKind, DomainRow};
use mailwright_store::{StoreError, Tx};
use mailwright_words::{Address, Id, ReversePath, Timestamp};

use crate::srs::Srs;
use crate::{Directory, Identity};

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// To an account here.
    Local {
        /// Whose it is.
        principal: Id,
        /// Who owns the principal.
        tenant: i64,
        /// The name of the account, to which the message is delivered.
        account: Address,
        /// What came behind the separator: the folder the sender asked for.
        detail: Option<String>,
    },
    /// To other addresses, as children of the same message.
    Alias {
        /// They may be anywhere.
        targets: Vec<Address>,
    },
    /// To the members of a list, as a new message under the list's own reverse-path.
    List {
        /// The list's own address.
        address: Address,
        /// Its members.
        targets: Vec<Address>,
    },
    /// To addresses elsewhere, as a new message whose reverse-path is ours.
    Forward {
        /// The address that forwards.
        address: Address,
        /// Where to.
        targets: Vec<Address>,
    },
    /// To an inbox of the sandbox.
    Capture {
        /// Whose mailbox it is.
        inbox: Id,
        /// Who owns it.
        tenant: i64,
    },
    /// To an inbox that is found, or made, by its name.
    Sandbox {
        /// Its name.
        name: String,
    },
    /// The domain is one we keep mail for while its own servers are away.
    Backup,
    /// The domain is not ours.
    Relay,
    /// The domain is ours, and there is no such address.
    Unknown,
}

impl Directory {
    /// Where mail to `address` goes. An address of its own wins over a subaddress, that over the
    /// postmaster every domain has, and that over a catch-all. The reverse-path of a forwarded
    /// message stands for the first sender, while it is not too old.
    ///
    /// Errors: the store does not answer.
    pub async fn resolve(&self, address: &Address, now: Timestamp) -> Result<Resolved, StoreError> {
        self.0.store.look(|tx| self.find(tx, address, now)).await
    }

    /// The reverse-path of a message of `from` that the address `via` forwards.
    ///
    /// A sender of a domain of ours stays as it is: we may send for it. `None` when a stranger's
    /// address has no room in one of ours.
    ///
    /// Errors: the store does not answer.
    pub async fn forward_path(
        &self,
        from: &Address,
        via: &Address,
        now: Timestamp,
    ) -> Result<Option<ReversePath>, StoreError> {
        let own = self.0.store.look(|tx| row::domain(tx, from.domain().as_str())).await?;
        let is_ours = own.is_some_and(|domain| domain.kind == DomainKind::Local);
        let path =
            if is_ours { Some(from.clone()) } else { self.0.srs.rewrite(from, via.domain(), now) };
        Ok(path.map(ReversePath::Sender))
    }

    /// Where mail to `postmaster` without a domain goes: to the administrator.
    ///
    /// Errors: the store does not answer. Source: RFC 5321 section 4.5.1.
    pub async fn postmaster(&self) -> Result<Resolved, StoreError> {
        self.0.store.look(administrator).await
    }

    /// Whether a client that logged in may send from `address`: its own, one that leads to it, or
    /// one it was granted; a subaddress goes with its address.
    ///
    /// Errors: the store does not answer.
    pub async fn may_send_as(&self, who: &Identity, address: &Address) -> Result<bool, StoreError> {
        let base = self.0.settings.now().separator.map(|separator| address.subaddress(separator).0);
        let any_owned = |tx: &mut Tx<'_>| {
            for candidate in [Some(address), base.as_ref()].into_iter().flatten() {
                if owns(tx, who, candidate)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.0.store.look(any_owned).await
    }

    fn find(
        &self,
        tx: &mut Tx<'_>,
        address: &Address,
        now: Timestamp,
    ) -> Result<Resolved, StoreError> {
        let Some(domain) = row::domain(tx, address.domain().as_str())? else {
            if let Some(returned) = self.find_returned(tx, address, now)? {
                return Ok(returned);
            }
            let backup = self.0.settings.now().backup.contains(address.domain());
            return Ok(if backup { Resolved::Backup } else { Resolved::Relay });
        };
        if domain.kind == DomainKind::Backup {
            return Ok(Resolved::Backup);
        }
        let is_sandbox = domain.kind == DomainKind::Sandbox;
        if let Some(row) = row::address(tx, &address.key())? {
            return leads(tx, address, &row, None);
        }
        if let Some((base, Some(detail))) =
            self.0.settings.now().separator.map(|s| address.subaddress(s))
            && let Some(row) = row::address(tx, &base.key())?
        {
            return leads(tx, &base, &row, Some(detail));
        }
        if is_sandbox {
            return Ok(Resolved::Sandbox { name: domain.name });
        }
        if address.local().eq_ignore_ascii_case("postmaster") {
            return administrator(tx);
        }
        if Srs::is_rewritten(address) {
            let lifetime = self.0.settings.now().srs_lifetime;
            let sender = self.0.srs.reverse(address, lifetime, now);
            let alias = |sender| Resolved::Alias { targets: vec![sender] };
            return Ok(sender.map_or(Resolved::Unknown, alias));
        }
        self.catch(tx, &domain)
    }

    fn catch(&self, tx: &mut Tx<'_>, domain: &DomainRow) -> Result<Resolved, StoreError> {
        let in_use = self.0.settings.now().catch_all;
        let Some(target) = domain.catch_all.as_ref().filter(|_| in_use) else {
            return Ok(Resolved::Unknown);
        };
        let address = stored(target)?;
        match row::address(tx, &address.key())? {
            Some(row) => leads(tx, &address, &row, None),
            None => Ok(Resolved::Alias { targets: vec![address] }),
        }
    }
}

fn leads(
    tx: &mut Tx<'_>,
    address: &Address,
    row: &AddressRow,
    detail: Option<&str>,
) -> Result<Resolved, StoreError> {
    if row.kind == AddressKind::Mailbox {
        return row.principal.map_or(Ok(Resolved::Unknown), |id| local(tx, id, detail));
    }
    if row.kind == AddressKind::Inbox {
        return row.principal.map_or(Ok(Resolved::Unknown), |id| inbox(tx, id));
    }
    let targets = row::targets(tx, row.id)?;
    let targets = targets.iter().map(|text| stored(text)).collect::<Result<Vec<_>, _>>()?;
    let address = address.clone();
    Ok(match row.kind {
        AddressKind::Alias => Resolved::Alias { targets },
        AddressKind::List => Resolved::List { address, targets },
        AddressKind::Forward => Resolved::Forward { address, targets },
        AddressKind::Mailbox | AddressKind::Inbox => Resolved::Unknown,
    })
}

fn local(tx: &mut Tx<'_>, id: Id, detail: Option<&str>) -> Result<Resolved, StoreError> {
    let Some(owner) = row::principal(tx, id)?.filter(|owner| !owner.disabled) else {
        return Ok(Resolved::Unknown);
    };
    Ok(Resolved::Local {
        principal: owner.id,
        tenant: owner.tenant,
        account: stored(&owner.name)?,
        detail: detail.filter(|detail| !detail.is_empty()).map(str::to_owned),
    })
}

fn inbox(tx: &mut Tx<'_>, id: Id) -> Result<Resolved, StoreError> {
    let owner = row::principal(tx, id)?.filter(|owner| !owner.disabled);
    Ok(owner.map_or(Resolved::Unknown, |owner| Resolved::Capture {
        inbox: owner.id,
        tenant: owner.tenant,
    }))
}

pub(crate) fn administrator(tx: &mut Tx<'_>) -> Result<Resolved, StoreError> {
    row::administrator(tx)?.map_or(Ok(Resolved::Unknown), |id| local(tx, id, None))
}

fn owns(tx: &mut Tx<'_>, who: &Identity, address: &Address) -> Result<bool, StoreError> {
    let key = address.key();
    if row::has_send_as(tx, who.principal, &key)? {
        return Ok(true);
    }
    let Some(row) = row::address(tx, &key)? else { return Ok(false) };
    if row.kind == AddressKind::Alias {
        let targets = row::targets(tx, row.id)?;
        return Ok(targets.iter().any(|text| stored(text).is_ok_and(|to| to.key() == who.name)));
    }
    Ok(row.principal == Some(who.principal))
}

/// An address as it was stored: it was one when it was written.
fn stored(text: &str) -> Result<Address, StoreError> {
    Address::parse(text).ok().ok_or(StoreError::Corrupt("address"))
}
