//! Messages that come over HTTP: into an inbox, on the ordinary way through acceptance.

use mailwright_config::Role;
use mailwright_directory::{Identity, Inbox};
use mailwright_intake::{Client, Session, Taken, Transaction};
use mailwright_store::capture::Entry;
use mailwright_words::{Address, Domain, Envelope, Recipient, ReversePath, trace::Protocol};

use super::{ApiError, Inner, compose::Draft};

impl Inner {
    /// Puts a message into an inbox, and gives it as it is there.
    ///
    /// Errors: the draft is none, or the message is refused.
    pub(crate) async fn submit(&self, inbox: &Inbox, draft: &Draft) -> Result<Entry, ApiError> {
        let now = self.now();
        let host = Domain::parse(&self.backing.config.now().server.hostname);
        let host = host.ok().ok_or_else(|| ApiError::bad("server.hostname is no domain"))?;
        let id = self.store().ids().next(now);
        let bytes = draft.build(id, &host, now)?;
        let from = super::compose::parse(&draft.from.address)?;
        self.take(inbox, (from, draft.recipients()?), &bytes).await
    }

    /// Puts the octets of a message into an inbox.
    ///
    /// Errors: the message is refused.
    pub(crate) async fn take(
        &self,
        inbox: &Inbox,
        (from, to): (Address, Vec<Address>),
        bytes: &[u8],
    ) -> Result<Entry, ApiError> {
        let (now, intake) = (self.now(), &self.backing.intake);
        let client = self.client(inbox);
        let (mut targets, mut taken) = (Vec::new(), Taken::default());
        for address in to {
            let target = intake.recipient(&client, Recipient::new(address), taken, now).await?;
            taken.add(&target);
            targets.push(target);
        }
        let mut incoming = intake.begin(&client, now)?;
        incoming.push(bytes).await;
        let envelope = Envelope::new(ReversePath::Sender(from), Vec::new());
        let transaction = Transaction::new(client, envelope, targets);
        let durable = intake.accept(incoming, transaction, now).await?;
        let origin = durable.id();
        let mailbox = inbox.mailbox;
        let found =
            self.read(move |tx| mailwright_store::capture::of_origin(tx, mailbox, origin)).await?;
        found.ok_or(ApiError::NoMessage)
    }

    fn client(&self, inbox: &Inbox) -> Client {
        let config = self.backing.config.now();
        Client {
            listener: "http".to_owned(),
            role: Role::Sandbox,
            peer: None,
            hello: String::new(),
            protocol: Protocol::Http,
            tls: None,
            identity: Some(Identity {
                principal: inbox.principal,
                tenant: mailwright_store::directory::DEFAULT_TENANT,
                name: inbox.name.clone(),
                is_inbox: true,
            }),
            is_trusted: true,
            size_max: config.limits.message_size_max,
            recipients_max: config.limits.recipients_max,
            marks: Vec::new(),
            session: Box::new(Session {
                protocol: "HTTP".to_owned(),
                username: Some(inbox.name.clone()),
                ..Session::default()
            }),
        }
    }
}
