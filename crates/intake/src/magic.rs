//! Recipients whose name says what is to become of their mail, in an inbox.
//!
//! `slow+5s@`, `defer+3x@` and `reject+550-5.1.1@` do it at `RCPT`; `bounce+550-5.1.1@` and
//! `complaint@` are taken, and a report comes back to the sender: into the inbox, as all that a
//! session sends which is caught.

use std::time::Duration;

use mailwright_store::spool::Class;
use mailwright_words::dsn::{Action, Original, Outcome, Report};
use mailwright_words::{
    Address, Envelope, HeaderBlock, Id, Notify, Recipient, Reply, ReversePath, Status, Timestamp,
    arf::Complaint,
};

use crate::fault::inboxes;
use crate::notice::{HEADER_MAX, Notice};
use crate::{Intake, Transaction};

/// What becomes of a recipient's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Magic {
    /// It is taken, and a report says that it came back with this reply.
    Bounce(Reply),
    /// It is refused with this reply.
    Reject(Reply),
    /// It is put off so many times.
    Defer(u32),
    /// It is taken after this time.
    Slow(Duration),
    /// It is taken, and somebody complains.
    Complaint,
}

/// Most times that a recipient is put off.
const DEFER_MAX: u32 = 100;
/// Longest wait, in seconds.
const SLOW_MAX: u64 = 600;

/// What the name of a recipient asks for.
pub(crate) fn of(recipient: &Address) -> Option<Magic> {
    let local = recipient.local().to_ascii_lowercase();
    let (word, detail) = local.split_once('+').unwrap_or((&local, ""));
    match word {
        "bounce" => reply(detail, recipient).map(Magic::Bounce),
        "reject" => reply(detail, recipient).map(Magic::Reject),
        "defer" => number(detail, 'x', u64::from(DEFER_MAX))
            .and_then(|times| u32::try_from(times).ok())
            .map(Magic::Defer),
        "slow" => number(detail, 's', SLOW_MAX).map(|n| Magic::Slow(Duration::from_secs(n))),
        "complaint" => Some(Magic::Complaint),
        _ => None,
    }
}

/// What is said to a recipient that is put off.
pub(crate) fn deferred() -> Reply {
    Reply::new(451, Some(Status::new(4, 7, 1)), "Put off as its name says, try again")
}

/// A reply such as `550-5.1.1`, or `550`.
fn reply(detail: &str, recipient: &Address) -> Option<Reply> {
    let (code, status) = detail.split_once('-').unwrap_or((detail, ""));
    let code: u16 = code.parse().ok().filter(|code| (400..600).contains(code))?;
    let class = u8::try_from(code / 100).ok()?;
    let status = match status {
        "" => Status::new(class, 0, 0),
        status => status.parse().ok()?,
    };
    Some(Reply::new(code, Some(status), format!("<{recipient}> is refused as its name says")))
}

fn number(detail: &str, unit: char, most: u64) -> Option<u64> {
    detail.strip_suffix(unit)?.parse().ok().filter(|number| (1..=most).contains(number))
}

impl Intake {
    /// What comes back of a message at once: reports that recipients bounced, and complaints.
    pub(crate) async fn echoes(
        &self,
        transaction: &Transaction,
        header: &HeaderBlock<'_>,
        now: Timestamp,
    ) -> Vec<Notice> {
        let (client, mut all) = (&transaction.client, Vec::new());
        let Some(sender) = transaction.envelope.from.address() else { return all };
        let is_asked = |target: &crate::Target| of(&target.recipient.address).is_some();
        if !client.is_caught() || !transaction.targets.iter().any(is_asked) {
            return all;
        }
        for inbox in inboxes(&transaction.targets) {
            let is_magic = self.lab_or_none(inbox).await.is_none_or(|lab| lab.settings.magic);
            if !is_magic {
                continue;
            }
            let mut asked: Vec<(&Recipient, Magic)> = Vec::new();
            for target in &transaction.targets {
                let is_here = target.direct.iter().any(
                    |(_, class)| matches!(class, Class::Capture { inbox: of } if *of == inbox),
                );
                let magic = of(&target.recipient.address).filter(|_| is_here);
                asked.extend(magic.map(|magic| (&target.recipient, magic)));
            }
            let echo = Echo { transaction, sender, inbox, header, now };
            all.extend(self.bounce(&echo, &asked));
            let complaints = asked.iter().filter(|(_, magic)| *magic == Magic::Complaint);
            all.extend(complaints.map(|(recipient, _)| self.complaint(&echo, recipient)));
        }
        all
    }

    /// The report about all recipients that bounced, if there are any.
    fn bounce(&self, echo: &Echo<'_>, asked: &[(&Recipient, Magic)]) -> Option<Notice> {
        let host = self.0.settings.now().host.clone();
        let outcome = |(recipient, magic): &(&Recipient, Magic)| match magic {
            Magic::Bounce(reply) if recipient.notify.failure => Some(Outcome {
                address: recipient.address.clone(),
                orcpt: recipient.orcpt.clone(),
                action: Action::Failed,
                status: reply.status.unwrap_or(Status::new(5, 0, 0)),
                remote: Some(recipient.address.domain().to_string()),
                reply: Some(reply.to_string()),
                attempted: Some(echo.now),
            }),
            _ => None,
        };
        let outcomes: Vec<Outcome> = asked.iter().filter_map(outcome).collect();
        if outcomes.is_empty() {
            return None;
        }
        let envelope = &echo.transaction.envelope;
        let built = Report {
            id: self.0.store.ids().next(echo.now),
            at: echo.now,
            host: &host,
            sender: echo.sender,
            envid: envelope.envid.as_deref(),
            arrived: echo.now,
            smtputf8: envelope.smtputf8,
            outcomes: &outcomes,
            original: Original::Header(echo.header()),
        }
        .build();
        Some(echo.notice(built))
    }

    fn complaint(&self, echo: &Echo<'_>, recipient: &Recipient) -> Notice {
        let built = Complaint {
            id: self.0.store.ids().next(echo.now),
            at: echo.now,
            host: &self.0.settings.now().host,
            to: echo.sender,
            recipient: &recipient.address,
            arrived: echo.now,
            source: echo.transaction.client.peer.map(|peer| peer.ip().to_canonical()),
            header: echo.header(),
        }
        .build();
        echo.notice(built)
    }
}

/// What reports about a message are made of.
struct Echo<'a> {
    transaction: &'a Transaction,
    sender: &'a Address,
    inbox: Id,
    header: &'a HeaderBlock<'a>,
    now: Timestamp,
}

impl Echo<'_> {
    fn header(&self) -> &[u8] {
        let bytes = self.header.as_bytes();
        bytes.get(..HEADER_MAX).unwrap_or(bytes)
    }

    /// The report on its way into the inbox.
    fn notice(&self, built: mailwright_words::dsn::Built) -> Notice {
        let to = Recipient { notify: Notify::NEVER, ..Recipient::new(self.sender.clone()) };
        let mut envelope = Envelope::new(ReversePath::Null, vec![to]);
        envelope.body = built.body;
        envelope.smtputf8 = built.smtputf8;
        Notice::confined(envelope, self.inbox, built.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_to_be_done() {
        let said = |local: &str| of(&Address::parse(&format!("{local}@x.example")).unwrap());
        let code = |magic: Option<Magic>| match magic {
            Some(Magic::Bounce(reply) | Magic::Reject(reply)) => {
                format!("{} {}", reply.code, reply.status.unwrap())
            }
            other => format!("{other:?}"),
        };
        assert_eq!(code(said("bounce+550-5.1.1")), "550 5.1.1");
        assert_eq!(code(said("Bounce+452-4.2.2")), "452 4.2.2");
        assert_eq!(code(said("reject+554")), "554 5.0.0");
        assert_eq!(said("defer+3x"), Some(Magic::Defer(3)));
        assert_eq!(said("slow+5s"), Some(Magic::Slow(Duration::from_secs(5))));
        assert_eq!(said("complaint"), Some(Magic::Complaint));
        for local in [
            "bounce",
            "bounce+",
            "bounce+x",
            "bounce+250-2.0.0",
            "bounce+550-5",
            "defer+0x",
            "defer+3",
            "defer+9999x",
            "slow+5",
            "slow+9999s",
            "slow+-1s",
            "complaints",
            "ann",
        ] {
            assert_eq!(said(local), None, "{local}");
        }
    }
}
