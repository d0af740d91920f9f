//! Webhooks and their deliveries in a database.

use std::time::Duration;

use mailwright_words::{Id, Timestamp};

use super::*;
use crate::{Lane, Options, Store, capture, capture::NewInbox};

const DAY: Duration = Duration::from_hours(24);

fn at(ms: i64) -> Timestamp {
    Timestamp::new(ms)
}

fn hooked(id: i64, inbox: Id, kinds: &[&str]) -> Hook {
    Hook {
        id: Id::from_i64(id),
        inbox,
        url: "https://a.example/".to_owned(),
        kinds: kinds.iter().map(ToString::to_string).collect(),
        secret: vec![1; 32],
        old_secret: None,
        created: at(1),
        waiting: 0,
        failing: None,
        disabled: None,
    }
}

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    inbox: Id,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(1)).unwrap();
        let inbox = Id::from_i64(10);
        let new = NewInbox {
            principal: inbox,
            mailbox: Id::from_i64(11),
            name: "run".to_owned(),
            expires: None,
        };
        store
            .write_blocking(Lane::Quick, move |tx| capture::add_inbox(tx, &new, 9, at(1)).map(drop))
            .unwrap();
        Self { _folder: folder, store, inbox }
    }

    fn write<T: Send + 'static>(
        &self,
        closure: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.store.write_blocking(Lane::Quick, closure)
    }

    fn hook(&self, id: i64) -> Hook {
        self.store.read_blocking(|tx| hook(tx, Id::from_i64(id))).unwrap().unwrap()
    }

    fn try_it(&self, id: u64, error: Option<&str>, again: Option<i64>, now: i64) -> Outcome {
        let attempt = Attempt {
            status: Some(if error.is_some() { 500 } else { 204 }),
            error: error.map(str::to_owned),
            again: again.map(at),
            is_gone: false,
        };
        self.write(move |tx| attempted(tx, id, &attempt, (DAY, at(now)))).unwrap()
    }
}

#[test]
fn a_delivery_waits_until_it_arrived_or_is_given_up() {
    let world = World::new();
    let inbox = world.inbox;
    world.write(move |tx| add_hook(tx, &hooked(1, inbox, &[CAUGHT, REFUSED]), 2)).unwrap();
    world.write(move |tx| add_hook(tx, &hooked(2, inbox, &[CAUGHT]), 2)).unwrap();
    let third = world.write(move |tx| add_hook(tx, &hooked(3, inbox, &[]), 2));
    assert!(matches!(third, Err(StoreError::Cannot(_))));
    world.write(move |tx| announce_to(tx, inbox, (REFUSED, "{}"), at(100))).unwrap();
    let due_at = |now| world.store.read_blocking(|tx| due(tx, at(now), 5)).unwrap();
    let ids = |now| due_at(now).iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(due_at(99), []);
    let [one] = ids(100)[..] else { panic!("one webhook wants it") };
    assert_eq!(world.try_it(one, Some("no"), Some(500), 100), Outcome::Again);
    assert_eq!((ids(499), ids(500)), (vec![], vec![one]));
    assert_eq!(world.store.read_blocking(next_due).unwrap(), Some(at(500)));
    assert_eq!(world.hook(1).failing, Some(at(100)));
    assert_eq!(world.try_it(one, None, None, 500), Outcome::Arrived);
    assert_eq!(world.try_it(one, None, None, 501), Outcome::Gone, "that has ended");
    let hook = world.hook(1);
    assert_eq!((hook.waiting, hook.failing), (0, None));
    assert_eq!(world.store.read_blocking(next_due).unwrap(), None);
}

#[test]
fn a_delivery_that_has_ended_is_tried_once_more_by_hand() {
    let world = World::new();
    let inbox = world.inbox;
    let id = Id::from_i64(1);
    world.write(move |tx| add_hook(tx, &hooked(1, inbox, &[TEST]), 2)).unwrap();
    let one = world.write(move |tx| announce(tx, id, (TEST, "{}"), at(1))).unwrap();
    world.try_it(one, None, None, 500);
    world.write(move |tx| again(tx, (id, one), at(600))).unwrap();
    assert!(world.write(move |tx| again(tx, (id, one), at(600))).is_err(), "it waits");
    let other = Id::from_i64(2);
    assert!(world.write(move |tx| again(tx, (other, one), at(600))).is_err(), "another's");
    assert_eq!(world.try_it(one, Some("no"), None, 700), Outcome::GivenUp);
    let all = world.store.read_blocking(|tx| deliveries(tx, id, (u64::MAX >> 1, 9))).unwrap();
    assert_eq!((all[0].attempts, all[0].status, all[0].due), (1, Some(500), None));
}

#[test]
fn a_webhook_that_is_dead_for_long_is_switched_off() {
    let world = World::new();
    let inbox = world.inbox;
    world.write(move |tx| add_hook(tx, &hooked(1, inbox, &[TEST]), 2)).unwrap();
    let id = Id::from_i64(1);
    let tell = |now| world.write(move |tx| announce(tx, id, (TEST, "{}"), at(now)));
    let (one, two) = (tell(1).unwrap(), tell(2).unwrap());
    let day = i64::try_from(DAY.as_millis()).unwrap();
    assert_eq!(world.try_it(one, Some("no"), Some(9), 10), Outcome::Again);
    assert_eq!(world.try_it(one, Some("no"), Some(9), 9 + day), Outcome::Again);
    assert_eq!(world.try_it(one, Some("no"), Some(9), 10 + day), Outcome::Disabled);
    let hook = world.hook(1);
    assert_eq!((hook.waiting, hook.disabled.map(|(at, _)| at)), (0, Some(at(10 + day))));
    assert_eq!(world.try_it(two, None, None, 11 + day), Outcome::Gone, "nothing waits any more");
    assert!(tell(3).is_err());
    let kinds =
        |tx: &mut Tx<'_>| tx.query("SELECT kind FROM event", &[], |row| row.get::<String>(0));
    assert_eq!(world.store.read_blocking(kinds).unwrap(), ["webhook_disabled"]);
    let on = Hook { disabled: None, ..world.hook(1) };
    world.write(move |tx| set_hook(tx, &on, at(5))).unwrap();
    let hook = world.hook(1);
    assert_eq!((hook.disabled, hook.failing), (None, None));
    let three = tell(4).unwrap();
    assert!(three > two, "a number is not used twice");
    let gone = Attempt { status: Some(410), error: Some("x".into()), again: None, is_gone: true };
    let outcome = world.write(move |tx| attempted(tx, three, &gone, (DAY, at(5)))).unwrap();
    assert_eq!(outcome, Outcome::Disabled);
}

#[test]
fn what_has_ended_is_bounded_and_goes_with_the_inbox() {
    let world = World::new();
    let inbox = world.inbox;
    world.write(move |tx| add_hook(tx, &hooked(1, inbox, &[TEST]), 2)).unwrap();
    let id = Id::from_i64(1);
    for now in 0..250 {
        let one = world.write(move |tx| announce(tx, id, (TEST, "{}"), at(now))).unwrap();
        world.try_it(one, None, None, now);
    }
    let count = |tx: &mut Tx<'_>| {
        tx.query_one("SELECT count(*) FROM webhook_delivery", &[], |row| row.get::<u64>(0))
    };
    assert_eq!(world.store.read_blocking(count).unwrap(), 200);
    world.write(move |tx| forget_hooks(tx, inbox)).unwrap();
    assert_eq!(world.store.read_blocking(count).unwrap(), 0);
}
