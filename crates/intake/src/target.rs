//! Where the recipients of a transaction lead.
//!
//! Aliases are followed here, once: what stands behind them becomes recipients of the same
//! message. Lists and forwards make a message of their own on the same body, under a reverse-path
//! that is ours, so that their failures do not go to a stranger. Source: RFC 5321 section 3.9.

use std::collections::{HashSet, VecDeque};

use mailwright_directory::Resolved;
use mailwright_store::spool::Class;
use mailwright_words::{Address, Recipient};

use crate::Intake;
use crate::refusal::Refusal;

/// The deepest chain of aliases, lists and forwards.
const DEPTH_MAX: usize = 10;
/// The most addresses one recipient leads to.
const ADDRESSES_MAX: usize = 1000;

/// Where one recipient leads.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the client asked for.
    pub recipient: Recipient,
    /// Whom the message itself goes to, in the end.
    pub direct: Vec<(Recipient, Class)>,
    /// Lists and forwards on the way, each a message of its own.
    pub onward: Vec<Onward>,
    /// Who owns the mailbox, where it leads to one.
    pub tenant: Option<i64>,
}

/// A list or forward, and whom it goes on to.
#[derive(Debug, Clone)]
pub struct Onward {
    /// The address of the list or forward.
    pub address: Address,
    /// Whom it goes to, in the end.
    pub recipients: Vec<(Recipient, Class)>,
}

/// An address that is still to be followed.
struct Step {
    address: Address,
    depth: usize,
    /// Which of the lists and forwards met so far it stands behind.
    behind: Option<usize>,
}

impl Target {
    fn new(recipient: Recipient) -> Self {
        Self { recipient, direct: Vec::new(), onward: Vec::new(), tenant: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.onward.iter().all(|onward| onward.recipients.is_empty())
    }

    /// Whether all of it goes to mailboxes here.
    pub(crate) fn is_local(&self) -> bool {
        self.onward.is_empty()
            && self.direct.iter().all(|(_, class)| matches!(class, Class::Local { .. }))
    }

    /// Takes what an address is, or says where it leads.
    fn take(&mut self, step: &Step, resolved: Resolved) -> Vec<Step> {
        let (behind, targets) = match resolved {
            Resolved::Local { principal, tenant, detail, .. } => {
                self.tenant = self.tenant.or(Some(tenant));
                self.add(step, Class::Local { principal, folder: detail });
                return Vec::new();
            }
            Resolved::Backup | Resolved::Relay => {
                self.add(step, Class::Relay { site: step.address.domain().to_string() });
                return Vec::new();
            }
            Resolved::Unknown => {
                if step.depth > 0 {
                    tracing::warn!(address = %step.address, "An alias leads nowhere.");
                }
                return Vec::new();
            }
            Resolved::Alias { targets } => (step.behind, targets),
            Resolved::List { address, targets } | Resolved::Forward { address, targets } => {
                (self.behind(address, step), targets)
            }
        };
        let depth = step.depth + 1;
        targets.into_iter().map(|address| Step { address, depth, behind }).collect()
    }

    fn add(&mut self, step: &Step, class: Class) {
        let mut recipient = Recipient { address: step.address.clone(), ..self.recipient.clone() };
        if recipient.address != self.recipient.address && recipient.orcpt.is_none() {
            let kind = if self.recipient.address.is_ascii() { "rfc822" } else { "utf-8" };
            recipient.orcpt = Some(format!("{kind};{}", self.recipient.address));
        }
        let group = step.behind.and_then(|at| self.onward.get_mut(at));
        match group {
            Some(onward) => onward.recipients.push((recipient, class)),
            None => self.direct.push((recipient, class)),
        }
    }

    fn behind(&mut self, address: Address, step: &Step) -> Option<usize> {
        if step.behind.is_some() {
            return step.behind;
        }
        self.onward.push(Onward { address, recipients: Vec::new() });
        self.onward.len().checked_sub(1)
    }
}

impl Intake {
    /// Follows `recipient`, whose address has `resolved` so, to its ends.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn follow(
        &self,
        recipient: Recipient,
        resolved: Resolved,
    ) -> Result<Target, Refusal> {
        let first = Step { address: recipient.address.clone(), depth: 0, behind: None };
        let mut target = Target::new(recipient);
        let mut seen = HashSet::from([first.address.key()]);
        let mut steps = VecDeque::from([(first, Some(resolved))]);
        while let Some((step, resolved)) = steps.pop_front() {
            let resolved = match resolved {
                Some(resolved) => resolved,
                None => self.0.directory.resolve(&step.address).await?,
            };
            for next in target.take(&step, resolved) {
                let is_new = seen.len() < ADDRESSES_MAX && seen.insert(next.address.key());
                if next.depth <= DEPTH_MAX && is_new {
                    steps.push_back((next, None));
                }
            }
        }
        Ok(target)
    }
}
