//! Where the recipients of a transaction lead.
//!
//! Aliases are followed here, once: what stands behind them becomes recipients of the same
//! message. Lists and forwards make a message of their own on the same body, under a reverse-path
//! that is ours, so that their failures do not go to a stranger. Source: RFC 5321 section 3.9, and
//! RFC 3461 section 5.2.7 for what becomes of the requests for reports.

use std::collections::{HashSet, VecDeque};

use mailwright_directory::Resolved;
use mailwright_store::directory::DEFAULT_TENANT;
use mailwright_store::spool::Class;
use mailwright_words::dsn::Action;
use mailwright_words::{Address, Id, Notify, Recipient, Timestamp};

use crate::Intake;
use crate::refusal::Refusal;

/// The deepest chain of aliases, lists and forwards.
const DEPTH_MAX: usize = 10;

/// Where one recipient leads.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the client asked for.
    pub recipient: Recipient,
    /// Whom the message itself goes to, in the end.
    pub direct: Vec<(Recipient, Class)>,
    /// Lists and forwards on the way, each a message of its own.
    pub onward: Vec<Onward>,
    /// Addresses on the way whose sender is to be told what became of them.
    pub told: Vec<(Address, Action)>,
    /// Who owns the mailbox, where it leads to one.
    pub tenant: Option<i64>,
}

/// What the recipients of a transaction take up of its limits so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    /// How many recipients there are.
    pub recipients: usize,
    /// How many addresses they lead to, all together.
    pub ends: usize,
    /// The octets that the message is said to have.
    pub size: Option<u64>,
}

impl Taken {
    /// Counts one more.
    pub fn add(&mut self, target: &Target) {
        self.recipients = self.recipients.saturating_add(1);
        self.ends = self.ends.saturating_add(target.ends());
    }
}

/// A list or forward, and whom it goes on to.
#[derive(Debug, Clone)]
pub struct Onward {
    /// The address of the list or forward.
    pub address: Address,
    /// Which of both it is.
    pub kind: OnwardKind,
    /// Whom it goes to, in the end.
    pub recipients: Vec<(Recipient, Class)>,
}

/// Who answers for a message that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnwardKind {
    /// The list: its failures are no matter of the first sender's.
    List,
    /// Still the first sender.
    Forward,
}

/// An address that is still to be followed.
struct Step {
    address: Address,
    depth: usize,
    /// Which of the lists and forwards met so far it stands behind.
    behind: Option<usize>,
    /// What of it the sender wants to be told.
    notify: Notify,
}

impl Target {
    fn new(recipient: Recipient) -> Self {
        let (direct, onward, told) = (Vec::new(), Vec::new(), Vec::new());
        Self { recipient, direct, onward, told, tenant: None }
    }

    /// That of a recipient whose mail an inbox catches.
    pub(crate) fn captured(recipient: Recipient, inbox: Id) -> Self {
        let direct = vec![(recipient.clone(), Class::Capture { inbox })];
        Self { direct, ..Self::new(recipient) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends() == 0
    }

    /// How many addresses it leads to in the end.
    pub fn ends(&self) -> usize {
        let onward = self.onward.iter().map(|onward| onward.recipients.len());
        self.direct.len().saturating_add(onward.sum())
    }

    /// Whether all of it goes to mailboxes here.
    pub(crate) fn is_local(&self) -> bool {
        self.onward.is_empty()
            && self.direct.iter().all(|(_, class)| !matches!(class, Class::Relay { .. }))
    }

    /// Takes what an address is, or says where it leads.
    fn take(&mut self, step: &Step, resolved: Resolved) -> Vec<Step> {
        let (behind, notify, targets) = match resolved {
            Resolved::Local { principal, tenant, detail, .. } => {
                self.tenant = self.tenant.or(Some(tenant));
                self.add(step, Class::Local { principal, folder: detail });
                return Vec::new();
            }
            Resolved::Capture { inbox, tenant } => {
                self.tenant = self.tenant.or(Some(tenant));
                self.add(step, Class::Capture { inbox });
                return Vec::new();
            }
            // Its inbox was found before.
            Resolved::Sandbox { .. } => return Vec::new(),
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
            Resolved::Alias { targets } => (step.behind, self.spread(step, &targets), targets),
            Resolved::Forward { address, targets } => {
                let notify = self.spread(step, &targets);
                (self.behind(address, OnwardKind::Forward, step), notify, targets)
            }
            Resolved::List { address, targets } => {
                if step.notify.success {
                    self.told.push((step.address.clone(), Action::Delivered));
                }
                (self.behind(address, OnwardKind::List, step), Notify::DEFAULT, targets)
            }
        };
        let depth = step.depth + 1;
        targets.into_iter().map(|address| Step { address, depth, behind, notify }).collect()
    }

    /// What of each of `targets` the sender is told. Success of several is told once, as that of
    /// their alias.
    ///
    /// Source: RFC 3461 section 5.2.7.3 (b).
    fn spread(&mut self, step: &Step, targets: &[Address]) -> Notify {
        if targets.len() < 2 || !step.notify.success {
            return step.notify;
        }
        self.told.push((step.address.clone(), Action::Expanded));
        let rest = Notify { success: false, ..step.notify };
        if rest.failure || rest.delay { rest } else { Notify::NEVER }
    }

    fn add(&mut self, step: &Step, class: Class) {
        let mut recipient = Recipient {
            address: step.address.clone(),
            notify: step.notify,
            orcpt: self.recipient.orcpt.clone(),
        };
        if recipient.address != self.recipient.address && recipient.orcpt.is_none() {
            let kind = if self.recipient.address.is_ascii() { "rfc822" } else { "utf-8" };
            recipient.orcpt = Some(format!("{kind};{}", self.recipient.address));
        }
        let group = step.behind.and_then(|at| self.onward.get_mut(at));
        match group {
            Some(onward) => {
                if onward.kind == OnwardKind::List {
                    recipient.orcpt = None;
                }
                onward.recipients.push((recipient, class));
            }
            None => self.direct.push((recipient, class)),
        }
    }

    fn behind(&mut self, address: Address, kind: OnwardKind, step: &Step) -> Option<usize> {
        if step.behind.is_some() {
            return step.behind;
        }
        self.onward.push(Onward { address, kind, recipients: Vec::new() });
        self.onward.len().checked_sub(1)
    }
}

impl Intake {
    /// Follows `recipient`, whose address has `resolved` so, to its ends.
    ///
    /// Errors: it leads too far or to too many, or the store does not answer.
    pub(crate) async fn follow(
        &self,
        recipient: Recipient,
        resolved: Resolved,
        now: Timestamp,
    ) -> Result<Target, Refusal> {
        let first = Step {
            address: recipient.address.clone(),
            depth: 0,
            behind: None,
            notify: recipient.notify,
        };
        let mut target = Target::new(recipient);
        let mut seen = HashSet::from([first.address.key()]);
        let mut steps = VecDeque::from([(first, Some(resolved))]);
        while let Some((step, resolved)) = steps.pop_front() {
            let resolved = match resolved {
                Some(resolved) => resolved,
                None => self.0.directory.resolve(&step.address, now).await?,
            };
            let resolved = match resolved {
                Resolved::Sandbox { name } => {
                    let (inbox, tenant) = (self.inbox(&name, now).await?, DEFAULT_TENANT);
                    Resolved::Capture { inbox, tenant }
                }
                other => other,
            };
            for next in target.take(&step, resolved) {
                if !seen.insert(next.address.key()) {
                    continue;
                }
                if next.depth > DEPTH_MAX || seen.len() > self.0.settings.now().limits.expansion_max
                {
                    let recipient = target.recipient.address.to_string();
                    return Err(Refusal::Expansion { recipient });
                }
                steps.push_back((next, None));
            }
        }
        Ok(target)
    }
}
