//! What may leave an inbox, and how often.

use mailwright_config::{Config, Role};
use mailwright_store::queue;
use mailwright_words::Id;

use super::*;
use crate::{Asked, NoRelease, Released};

const MESSAGE: &[u8] = b"Received: not ours\r\nSubject: t\xc3\xa4st\r\n\r\n..dot\r\n\xff\r\n";

fn asked(to: &[&str], key: &str) -> Asked {
    let to = to.iter().map(ToString::to_string).collect();
    Asked { to, key: key.to_owned(), ..Asked::default() }
}

/// A world that releases to those, and the number of a message in its inbox.
async fn caught(allowed: &[&str]) -> (World, Id) {
    let world = world().await;
    allow(&world, allowed, None);
    let client = client(Role::Sandbox, None);
    let of = world.transaction(client, &["someone@shop.example"]).await;
    world.accept(of, MESSAGE).await.unwrap();
    let all = |tx: &mut Tx<'_>| tx.query("SELECT message FROM capture", &[], |row| row.get(0));
    let ids: Vec<Id> = world.store.read_blocking(all).unwrap();
    assert_eq!(world.count("spool"), 0, "what is caught does not wait to leave");
    (world, ids[0])
}

fn allow(world: &World, allowed: &[&str], from: Option<&str>) {
    let mut config = Config::default();
    config.intake.free_space_min = 0;
    config.sandbox.release.to = allowed.iter().map(|text| text.parse().unwrap()).collect();
    config.sandbox.release.from = from.map(str::to_owned);
    config.sandbox.release.recipients_max = 4;
    config.sandbox.release.times_max = 5;
    world.intake.reload(Settings::of(&config).unwrap());
}

impl World {
    fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.store.read_blocking(|tx| tx.query_one(&sql, &[], |row| row.get(0))).unwrap()
    }

    async fn release(&self, message: Id, asked: Asked) -> Result<Released, NoRelease> {
        let release = self.intake.releasing(&asked, NOW).await?;
        self.intake.release(&release, message, NOW).await
    }
}

#[tokio::test]
async fn nothing_leaves_but_to_those_who_are_allowed() {
    let allowed = ["eve@elsewhere.example", "here.example", "box.example", "*.below.example"];
    let (world, message) = caught(&allowed).await;
    let box_domain = Domain::parse("box.example").unwrap();
    world.intake.0.directory.add_domain(&box_domain, DomainKind::Sandbox, NOW).await.unwrap();
    for (to, why) in [
        (vec![], "has an address"),
        (vec!["ann@elsewhere.example"], "<ann@elsewhere.example> is not among"),
        (vec!["eve@elsewhere.example", "mallory@evil.example"], "<mallory@evil.example> is not"),
        (vec!["eve@elsewhere.example.evil.example"], "is not among"),
        (vec!["x@below.example"], "is not among"),
        (vec!["x@[192.0.2.1]"], "is not among"),
        (vec!["\"eve@elsewhere.example\"@evil.example"], "is not among"),
        (vec!["no address"], "is no address"),
        (vec!["eve@elsewhere.example\r\nRCPT TO:<m@evil.example>"], "is no address"),
        (vec!["nobody@here.example"], "there is no mailbox"),
        (vec!["list@here.example"], "is a list or a forward"),
        (vec!["away@here.example"], "is a list or a forward"),
        (vec!["any@box.example"], "leads into an inbox"),
        (vec!["deep0@here.example"], "leads too far"),
        (
            vec![
                "a@here.example",
                "b@here.example",
                "c@here.example",
                "d@here.example",
                "e@here.example",
            ],
            "goes to 4 addresses at most",
        ),
    ] {
        let error = world.release(message, asked(&to, "")).await.unwrap_err().to_string();
        assert!(error.contains(why), "{to:?}: {error}");
    }
    assert_eq!((world.count("spool"), world.count("release")), (0, 0));
    // An alias leads beyond what is allowed, once that is taken back.
    allow(&world, &["here.example"], None);
    let error = world.release(message, asked(&["team@here.example"], "")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "<team@here.example> leads to <eve@elsewhere.example>, which is not among the addresses \
         of sandbox.release.to"
    );
    assert!(error.is_forbidden());
    allow(&world, &[], None);
    let off = world.release(message, asked(&["ann@here.example"], "")).await.unwrap_err();
    assert!(matches!(off, NoRelease::Off), "{off}");
    assert_eq!((world.count("spool"), world.count("release")), (0, 0));
}

#[tokio::test]
async fn a_released_copy_has_the_octets_that_came_and_makes_no_report() {
    let (world, message) = caught(&["here.example", "*.elsewhere.example"]).await;
    allow(&world, &["here.example", "elsewhere.example", "x.example"], None);
    let done = world.release(message, asked(&["team@here.example"], "")).await.unwrap();
    assert_eq!(done.to, ["team@here.example"]);
    let rows = "SELECT sender || ' ' || confined || ' ' || length(head) || ' ' || body_type
                    || ' ' || ifnull(sign_as, '-') || ' ' || depth FROM spool";
    assert_eq!(world.texts(rows), ["<> 0 0 8bitmime - 0"]);
    let rows = "SELECT address || ' ' || class || ' ' || notify FROM recipient ORDER BY address";
    let never = Notify::NEVER.as_bits();
    assert_eq!(
        world.texts(rows),
        [format!("ann@here.example local {never}"), format!("eve@elsewhere.example relay {never}")]
    );
    assert_eq!(
        world.texts("SELECT kind || ' ' || address FROM event WHERE kind = 'released'"),
        ["released team@here.example"]
    );
    let spool = done.spool.unwrap();
    let stored = world.store.read_blocking(|tx| queue::message(tx, spool)).unwrap().unwrap();
    let bytes = world.store.bodies().range(stored.body, 0..u64::MAX).await.unwrap();
    assert_eq!(bytes, MESSAGE);
    // The body is shared: it outlives the inbox's copy.
    let holders = "SELECT CAST(refs AS TEXT) FROM body";
    assert_eq!(world.texts(holders), ["2"]);
}

#[tokio::test]
async fn the_reverse_path_is_the_configured_one_or_one_that_is_allowed() {
    let (world, message) = caught(&["x.example"]).await;
    allow(&world, &["x.example"], Some("tests@ours.example"));
    let ask = |from: Option<&str>, key: &str| {
        let from = from.map(str::to_owned);
        world.release(message, Asked { from, ..asked(&["ann@x.example"], key) })
    };
    ask(None, "1").await.unwrap();
    ask(Some(""), "2").await.unwrap();
    ask(Some("me@x.example"), "3").await.unwrap();
    for wrong in ["ceo@bank.example", "tests@ours.example", "no address"] {
        assert!(ask(Some(wrong), "4").await.is_err(), "{wrong}");
    }
    assert_eq!(
        world.texts("SELECT sender FROM spool ORDER BY id"),
        ["<tests@ours.example>", "<>", "<me@x.example>"]
    );
}

#[tokio::test]
async fn a_request_that_comes_again_releases_nothing_twice() {
    let (world, message) = caught(&["x.example"]).await;
    let release = |to: &'static [&'static str], key| world.release(message, asked(to, key));
    let (one, two) = tokio::join!(
        release(&["ann@x.example", "ANN@x.example"], "k"),
        release(&["ann@x.example"], "k"),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.to.len() + two.to.len(), 1, "{one:?} {two:?}");
    assert_eq!(one.before.len() + two.before.len(), 1);
    // Only who had it not gets it; another key is another release.
    let more = release(&["ann@x.example", "bob@x.example"], "k").await.unwrap();
    assert_eq!(
        (more.to, more.before),
        (vec!["bob@x.example".to_owned()], vec!["ann@x.example".to_owned()])
    );
    let again = release(&["ann@x.example"], "l").await.unwrap();
    assert_eq!(again.to, ["ann@x.example"]);
    assert_eq!(world.count("recipient"), 3);
    // At most so often.
    let over = release(&["c@x.example", "d@x.example", "e@x.example"], "k").await.unwrap_err();
    assert!(matches!(over, NoRelease::Often(_)), "{over}");
    assert_eq!((world.count("recipient"), world.count("release")), (3, 3));
    let before = release(&["ann@x.example"], "l").await.unwrap();
    assert_eq!(before.spool, None, "that was released before");
    for key in ["\n", "\u{e4}", &"k".repeat(201)] {
        let error = world.release(message, asked(&["ann@x.example"], key)).await.unwrap_err();
        assert!(matches!(error, NoRelease::Key), "{error}");
    }
    let none = world.release(Id::from_i64(7), asked(&["ann@x.example"], "")).await.unwrap_err();
    assert!(matches!(none, NoRelease::Gone), "{none}");
}

#[tokio::test]
async fn a_store_that_does_not_wait_for_the_disk_releases_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { is_volatile: true, ..Options::new(folder.path()) };
    let store = Store::open(options, NOW).unwrap();
    let mut config = Config::default();
    config.sandbox.release.to = vec!["x.example".parse().unwrap()];
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let intake = Intake::new(store, directory, Settings::of(&config).unwrap());
    assert!(matches!(intake.may_release(), Err(NoRelease::Volatile)));
    let asked = asked(&["ann@x.example"], "");
    assert!(matches!(intake.releasing(&asked, NOW).await, Err(NoRelease::Volatile)));
}
