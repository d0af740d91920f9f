//! Reports to senders: what is due, and the message that says it.
//!
//! Invariant: nothing is ever reported about a message with the null reverse-path.
//! Source: RFC 3461 section 5, RFC 3464, RFC 5321 section 4.5.5.

use mailwright_store::{
    Store, StoreError,
    body::Body,
    queue::{Claimed, Message},
    spool::{Accepted, Class, Content, Origin, Rows, Terms},
};
use mailwright_words::{
    Address, Domain, Envelope, Notify, Recipient, Ret, ReversePath, Status, Timestamp,
    dsn::{Action, Original, Outcome as Said, Report},
};

use crate::{
    delivery::{End, Outcome},
    run::Settings,
};

/// A report that is ready to be written with what it reports.
pub(crate) struct Ready {
    pub(crate) rows: Rows,
    pub(crate) body: Body,
}

/// Who is told about a message; `None` for one that is a report itself.
pub(crate) fn sender(message: &Message) -> Option<Address> {
    let path = message.sender.trim_start_matches('<').trim_end_matches('>');
    ReversePath::parse(path).ok()?.address().cloned()
}

/// What the sender asked to be told about this end of a recipient.
pub(crate) fn due(notify: Notify, end: &End, message: &Message) -> Option<Action> {
    let is_traced = message.deliver_by.is_some_and(|(_, _, trace)| trace);
    match end {
        _ if notify.never => None,
        // Each relay on the way is told. Source: RFC 2852 section 4.1.4.
        End::Relayed { .. } if is_traced => Some(Action::Relayed),
        End::Failed => notify.failure.then_some(Action::Failed),
        End::Delivered => notify.success.then_some(Action::Delivered),
        End::Relayed { dsn: false } => notify.success.then_some(Action::Relayed),
        End::Relayed { dsn: true }
        | End::Expanded(_)
        | End::Deferred
        | End::Postponed
        | End::Held => None,
    }
}

/// What a report says about one recipient.
pub(crate) fn said(
    claimed: &Claimed,
    action: Action,
    outcome: &Outcome,
    at: Timestamp,
) -> Option<Said> {
    let fallback = match action {
        Action::Failed => Status::new(5, 0, 0),
        Action::Delayed(_) => Status::new(4, 0, 0),
        Action::Delivered | Action::Relayed | Action::Expanded => Status::new(2, 0, 0),
    };
    let status = outcome.reply.as_ref().and_then(|reply| reply.status);
    Some(Said {
        address: claimed.address.parse().ok()?,
        orcpt: claimed.orcpt.clone(),
        action,
        // A reply may carry a status of another class, as when a temporary failure expires.
        status: status.map_or(fallback, |status| Status { class: fallback.class, ..status }),
        remote: outcome.host.clone(),
        reply: outcome.reply.as_ref().map(ToString::to_string),
        attempted: Some(at),
    })
}

/// A report on `message` to `to`, whose class is `class`.
///
/// Errors: those of the store, when the report cannot be kept.
pub(crate) async fn build(
    (store, settings): (&Store, &Settings),
    message: &Message,
    (to, class): (&Address, Class),
    outcomes: &[Said],
    now: Timestamp,
) -> Result<Option<Ready>, StoreError> {
    let Ok(host) = Domain::parse(&settings.hostname) else {
        return Ok(None);
    };
    let (original, is_readable) = match original(store, settings, message).await {
        Ok(original) => (original, true),
        // What cannot be read keeps nobody from hearing of it.
        Err(error) => {
            tracing::error!(%error, spool = %message.id, "A report goes without its message.");
            (message.head.clone(), false)
        }
    };
    let failed = outcomes.iter().any(|said| said.action == Action::Failed);
    let whole = failed && is_readable && message.ret != Some(Ret::Hdrs);
    let report = Report {
        id: store.ids().next(now),
        at: now,
        host: &host,
        sender: to,
        envid: message.envid.as_deref(),
        arrived: message.arrived,
        smtputf8: message.smtputf8,
        outcomes,
        original: if whole && message.size <= settings.report_original_max {
            Original::Message(&original)
        } else {
            Original::Header(&original)
        },
    };
    let built = report.build();
    let mut writer = store.body(now);
    writer.push(&built.bytes).await?;
    let body = writer.finish().await?;
    let recipient = Recipient { address: to.clone(), notify: Notify::NEVER, orcpt: None };
    let mut envelope = Envelope::new(ReversePath::Null, vec![recipient]);
    envelope.body = built.body;
    envelope.smtputf8 = built.smtputf8;
    // What it brings back was not for everybody's eyes. Source: RFC 8689 section 5.
    envelope.tls = message.tls;
    let mut terms = Terms::new(now, now.plus(settings.report_lifetime));
    terms.tenant = message.tenant;
    terms.parent = Some(message.id);
    terms.depth = message.depth.saturating_add(1);
    terms.confined = message.confined;
    // A report is from us, whoever wrote the message.
    terms.sign_as = Some(host.to_string());
    // Source: RFC 6710.
    terms.priority = message.priority;
    let accepted = Accepted {
        envelope,
        classes: vec![class],
        head: Vec::new(),
        head_skip: 0,
        content: Content::New(body),
        origin: Origin { listener: "report".to_owned(), ..Origin::default() },
        terms,
    };
    let Ok(rows) = Rows::new(store.ids(), &accepted) else { return Ok(None) };
    Ok(match accepted.content {
        Content::New(body) => Some(Ready { rows, body }),
        Content::Stored { .. } => None,
    })
}

/// The copy as it would have gone out, up to the limit.
async fn original(
    store: &Store,
    settings: &Settings,
    message: &Message,
) -> Result<Vec<u8>, StoreError> {
    let mut copy = message.head.clone();
    let head = u64::try_from(copy.len()).unwrap_or(u64::MAX);
    let rest = message.size.saturating_sub(head).min(settings.report_original_max);
    let range = message.head_skip..message.head_skip.saturating_add(rest);
    copy.extend(store.bodies().range(message.body, range).await?);
    Ok(copy)
}
