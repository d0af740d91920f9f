//! The questions of a session before there is a message: client, sender, recipients.
//!
//! Source: RFC 6409 sections 4.3 and 6.1 (MSA), RFC 5321 sections 3.6.2 and 4.5.1 (MTA).

use mailwright_config::Role;
use mailwright_directory::Resolved;
use mailwright_store::directory::principal;
use mailwright_words::{Address, Id, LocalPart, Recipient, ReversePath, Timestamp};

use crate::refusal::Refusal;
use crate::target::{Taken, Target};
use crate::{Client, Intake};

impl Intake {
    /// Whether `client` may send from `from`, a message it says has `size` octets.
    pub async fn sender(
        &self,
        client: &Client,
        from: &ReversePath,
        size: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if client.role == Role::Msa && !client.may_relay() {
            return Err(Refusal::Authentication);
        }
        if size.is_some_and(|size| size > client.size_max) {
            return Err(Refusal::TooLarge { limit: client.size_max });
        }
        self.check_space(now)?;
        let (Some(identity), Some(address)) = (&client.identity, from.address()) else {
            return Ok(());
        };
        if client.role != Role::Msa
            || client.is_caught()
            || self.0.directory.may_send_as(identity, address).await?
        {
            return Ok(());
        }
        let (account, sender) = (identity.name.clone(), address.to_string());
        Err(Refusal::Sender { account, sender })
    }

    /// Where `recipient` leads, if `client` may send there beside those that are `taken` already.
    pub async fn recipient(
        &self,
        client: &Client,
        recipient: Recipient,
        taken: Taken,
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        if client.is_caught() {
            return self.caught(client, recipient, taken, now).await;
        }
        let resolved = self.0.directory.resolve(&recipient.address, now).await?;
        self.admit(client, (recipient, resolved), taken, now).await
    }

    /// Where it leads for one of whom all is caught, whomever it is for.
    async fn caught(
        &self,
        client: &Client,
        recipient: Recipient,
        taken: Taken,
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        check_count(client, taken)?;
        self.captured(client, (recipient, taken.size), now).await
    }

    /// As [`recipient`](Self::recipient) for `postmaster` without a domain, which every server
    /// has. Its `address` only stands for who it is.
    ///
    /// Source: RFC 5321 section 4.5.1.
    pub async fn postmaster(
        &self,
        client: &Client,
        taken: Taken,
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        let local = LocalPart::new("postmaster").or(Err(Refusal::Internal("postmaster")))?;
        let address = Address::new(local, self.0.settings.now().host.clone());
        let address = address.or(Err(Refusal::Internal("the host's name is too long")))?;
        if client.is_caught() {
            return self.caught(client, Recipient::new(address), taken, now).await;
        }
        let resolved = self.0.directory.postmaster().await?;
        self.admit(client, (Recipient::new(address), resolved), taken, now).await
    }

    async fn admit(
        &self,
        client: &Client,
        (recipient, resolved): (Recipient, Resolved),
        taken: Taken,
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        check_count(client, taken)?;
        let domain = || recipient.address.domain().to_string();
        match &resolved {
            Resolved::Relay if client.role == Role::Lmtp => {
                return Err(Refusal::Remote { domain: domain() });
            }
            Resolved::Relay if !client.may_relay() => {
                return Err(Refusal::Relay { domain: domain() });
            }
            Resolved::Local { principal, .. } => {
                self.check_quota(&recipient, *principal, taken.size).await?;
            }
            _ => {}
        }
        let target = self.follow(recipient, resolved, now).await?;
        if target.is_empty() {
            return Err(Refusal::Unknown { recipient: target.recipient.address.to_string() });
        }
        if client.role == Role::Lmtp && !target.is_local() {
            let domain = target.recipient.address.domain().to_string();
            return Err(Refusal::Remote { domain });
        }
        // The first one is bounded by itself.
        let limit = self.0.settings.now().limits.expansion_sum_max;
        if taken.recipients > 0 && taken.ends.saturating_add(target.ends()) > limit {
            return Err(Refusal::Ends { limit });
        }
        Ok(target)
    }

    async fn check_quota(
        &self,
        recipient: &Recipient,
        owner: Id,
        size: Option<u64>,
    ) -> Result<(), Refusal> {
        let account = self.0.store.look(|tx| principal(tx, owner)).await?;
        let is_over = account.is_some_and(|account| {
            let next = account.used_bytes.saturating_add(size.unwrap_or(0).max(1));
            account.quota_bytes.is_some_and(|quota| next > quota)
        });
        if is_over { Err(self.over_quota(&recipient.address)) } else { Ok(()) }
    }

    pub(crate) fn over_quota(&self, address: &Address) -> Refusal {
        let temporary = self.0.settings.now().over_quota_temporary;
        Refusal::OverQuota { recipient: address.to_string(), temporary }
    }
}

fn check_count(client: &Client, taken: Taken) -> Result<(), Refusal> {
    match client.recipients_max {
        limit if taken.recipients >= limit => Err(Refusal::Recipients { limit }),
        _ => Ok(()),
    }
}
