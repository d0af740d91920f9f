//! A queue of two recipients that are claimed, for tests of what becomes of them.

use std::{path::Path, sync::Arc, time::Duration};

use mailwright_net::clock::{Clock as _, System};
use mailwright_store::{
    Lane, Options, Store, Tx,
    queue::{self, Claimed, Message},
    spool::{Accepted, Class, Content, Origin, Terms, commit},
};
use mailwright_words::{Address, Envelope, Recipient, ReversePath};

use crate::{
    delivery::{Attempted, Delivery},
    ready::{Batch, Contact},
    run::{Queue, Settings},
};

/// Delivers nothing, and sends reports to other servers.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Delivery for Nobody {
    async fn attempt(&self, _: Arc<Message>, _: Arc<Batch>) -> Attempted {
        Attempted { contact: Contact::Made, outcomes: Vec::new() }
    }

    async fn classify(&self, sender: &Address) -> Option<(Address, Class)> {
        Some((sender.clone(), Class::Relay { site: sender.domain().to_string() }))
    }
}

/// A queue whose two recipients, of one message of `from`, are claimed.
pub(crate) async fn claimed(
    folder: &Path,
    from: ReversePath,
) -> (Store, Queue<Nobody>, Vec<Claimed>) {
    let now = System::new().now();
    let store = Store::open(Options::new(folder), now).unwrap();
    let mut body = store.body(now);
    body.push(b"Subject: x\r\n\r\nHello\r\n").await.unwrap();
    let to = ["ann@b.example", "eve@b.example"].map(|to| Recipient::new(to.parse().unwrap()));
    let accepted = Accepted {
        envelope: Envelope::new(from, to.to_vec()),
        classes: vec![Class::Relay { site: "b.example".to_owned() }; 2],
        head: Vec::new(),
        head_skip: 0,
        content: Content::New(body.finish().await.unwrap()),
        origin: Origin::default(),
        terms: Terms::new(now, now.plus(Duration::from_hours(9))),
    };
    assert!(commit(&store, accepted).await.unwrap().id().get() > 0);
    let settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    let queue = Queue::new(store.clone(), Arc::new(System::new()), Nobody, settings);
    let owner = store.owner();
    let claim = move |tx: &mut Tx<'_>| queue::claim(tx, owner, "b.example", now, 9);
    let claimed = store.write(Lane::Quick, claim).await.unwrap();
    assert_eq!(claimed.len(), 2);
    (store, queue, claimed)
}

/// The state of each recipient, and whether somebody owns it.
pub(crate) fn states(store: &Store) -> Vec<(&'static str, bool)> {
    let all = store.read_blocking(|tx| queue::list(tx, None, 9)).unwrap();
    all.into_iter().map(|entry| (entry.state.as_str(), entry.is_active)).collect()
}
