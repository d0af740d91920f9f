//! The directory over a real store: accounts, logins by every mechanism, and resolving.

use std::net::IpAddr;
use std::time::Duration;

use mailwright_sasl::{ChannelBinding, Mechanism, Nonce, Secret, client};
use mailwright_store::{Options, Store, StoreError};
use mailwright_words::{Address, Domain, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const BCRYPT: &str = "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

struct World {
    directory: Directory,
    _folder: tempfile::TempDir,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn text(password: &str) -> NewPassword {
    NewPassword::Text(Secret::new(password))
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let settings = Settings {
        inboxes_max: 3,
        open_inboxes: false,
        separator: Some('+'),
        catch_all: true,
        backup: vec![Domain::parse("backup.example").unwrap()],
        throttle_after: 3,
        throttle_wait: Duration::from_secs(5),
        block_after: 0,
        block_sites: 0,
        block_time: Duration::from_hours(1),
        never_block: Vec::new(),
        cache: Duration::from_mins(5),
        checks_max: 2,
        srs_lifetime: Duration::from_hours(24),
        return_path: Some("bounces".to_owned()),
    };
    let directory = Directory::open(store, settings).await.unwrap();
    let domain = Domain::parse("mw.example").unwrap();
    directory.add_domain(&domain, DomainKind::Local, NOW).await.unwrap();
    directory.add_account(&address("Ann@mw.example"), text("open sesame"), NOW).await.unwrap();
    World { directory, _folder: folder }
}

fn connection(host: u8) -> Connection {
    Connection {
        address: IpAddr::from([203, 0, 113, host]),
        hostname: "mx.mw.example".into(),
        is_tls: true,
        is_trusted: false,
        binding: ChannelBinding { exporter: Some(vec![1; 32]), server_end_point: None },
    }
}

impl World {
    async fn login(&self, by: Mechanism, name: &str, password: &str, host: u8) -> Turn {
        let connection = connection(host);
        let binding =
            if by.is_bound() { connection.binding.clone() } else { ChannelBinding::default() };
        let who = client::Login { name: name.into(), password: Secret::new(password) };
        let mut client = client::Exchange::new(by, who, binding, Nonce::random().unwrap());
        let mut login = Login::begin(&self.directory, by.name(), &connection).unwrap();
        let mut turn = login.start(client.initial().as_deref(), NOW).await;
        while let Turn::Challenge(challenge) = &turn {
            let response = client.step(challenge).unwrap();
            turn = login.respond(&response, NOW).await;
        }
        turn
    }

    async fn resolve(&self, text: &str) -> Resolved {
        self.directory.resolve(&address(text), NOW).await.unwrap()
    }

    async fn add_alias(&self, from: &str, kind: AliasKind, to: &str) {
        self.directory.add_alias(&address(from), kind, &[address(to)], NOW).await.unwrap();
    }
}

fn name(turn: &Turn) -> &str {
    match turn {
        Turn::Done(who) => &who.name,
        Turn::Challenge(_) => "(challenge)",
        Turn::Denied(denied) => match denied.status().0 {
            535 => "(credentials)",
            454 => "(later)",
            _ => "(other)",
        },
    }
}

#[tokio::test]
async fn every_mechanism_but_cram_md5_takes_the_password() {
    let world = world().await;
    for mechanism in Mechanism::ALL {
        let works = mechanism != Mechanism::CramMd5;
        let turn = world.login(mechanism, "ANN@mw.example", "open sesame", 1).await;
        let expected = if works { "ann@mw.example" } else { "(credentials)" };
        assert_eq!(name(&turn), expected, "{mechanism}");
        let turn = world.login(mechanism, "ann@mw.example", "wrong", 2).await;
        assert!(matches!(turn, Turn::Denied(_)), "{mechanism}");
    }
}

#[tokio::test]
async fn app_passwords_open_the_account_until_they_are_revoked() {
    let world = world().await;
    let ann = address("ann@mw.example");
    let phone = world.directory.add_app_password(&ann, "phone", true, NOW).await.unwrap();
    let again = world.directory.add_app_password(&ann, "phone", false, NOW).await;
    assert!(matches!(again, Err(DirectoryError::Store(StoreError::Exists(_)))));
    let tablet = world.directory.add_app_password(&ann, "tablet", false, NOW).await.unwrap();
    for mechanism in Mechanism::ALL {
        let turn = world.login(mechanism, "ann@mw.example", phone.expose(), 1).await;
        assert_eq!(name(&turn), "ann@mw.example", "{mechanism}");
    }
    let turn = world.login(Mechanism::CramMd5, "ann@mw.example", tablet.expose(), 1).await;
    assert_eq!(name(&turn), "(credentials)", "not kept readable");
    let list = world.directory.app_passwords(&ann).await.unwrap();
    let used: Vec<_> = list.iter().map(|p| (p.label.as_str(), p.last_used)).collect();
    assert_eq!(used, [("phone", Some(NOW)), ("tablet", None)]);
    world.directory.revoke_app_password(&ann, "phone").await.unwrap();
    for mechanism in [Mechanism::Plain, Mechanism::ALL[0]] {
        let turn = world.login(mechanism, "ann@mw.example", phone.expose(), 2).await;
        assert_eq!(name(&turn), "(credentials)", "{mechanism}");
    }
    assert!(world.directory.revoke_app_password(&ann, "phone").await.is_err());
}

#[tokio::test]
async fn an_imported_hash_is_upgraded_at_the_first_login() {
    let world = world().await;
    let bob = address("bob@mw.example");
    world.directory.add_account(&bob, NewPassword::Hash(BCRYPT.into()), NOW).await.unwrap();
    let scram = Mechanism::ALL[0];
    let turn = world.login(scram, "bob@mw.example", "U*U", 1).await;
    assert_eq!(name(&turn), "(credentials)", "SCRAM needs keys");
    let turn = world.login(Mechanism::Plain, "bob@mw.example", "U*V", 1).await;
    assert_eq!(name(&turn), "(credentials)");
    for mechanism in [Mechanism::Plain, scram, Mechanism::Plain] {
        let turn = world.login(mechanism, "bob@mw.example", "U*U", 1).await;
        assert_eq!(name(&turn), "bob@mw.example", "{mechanism}");
    }
}

#[tokio::test]
async fn a_changed_password_is_the_only_one() {
    let world = world().await;
    let ann = address("ann@mw.example");
    assert_eq!(
        name(&world.login(Mechanism::Plain, "ann@mw.example", "open sesame", 1).await),
        "ann@mw.example"
    );
    world.directory.set_password(&ann, text("shut sesame"), NOW).await.unwrap();
    for mechanism in [Mechanism::Plain, Mechanism::ALL[0]] {
        let turn = world.login(mechanism, "ann@mw.example", "open sesame", 2).await;
        assert_eq!(name(&turn), "(credentials)", "{mechanism}");
        let turn = world.login(mechanism, "ann@mw.example", "shut sesame", 3).await;
        assert_eq!(name(&turn), "ann@mw.example", "{mechanism}");
    }
    let bad = world.directory.set_password(&ann, text("tab\there"), NOW).await;
    assert!(matches!(bad, Err(DirectoryError::Password(_))));
}

#[tokio::test]
async fn known_and_unknown_names_are_told_the_same() {
    let world = world().await;
    for mechanism in [Mechanism::Plain, Mechanism::ALL[0]] {
        let known = world.login(mechanism, "ann@mw.example", "wrong", 1).await;
        let unknown = world.login(mechanism, "eve@mw.example", "wrong", 2).await;
        assert_eq!(name(&known), name(&unknown), "{mechanism}");
    }
    let clients = std::cell::Cell::new(2);
    let salt = |name: &'static str| {
        let world = &world;
        // Each from a client of its own: logins that are begun count.
        clients.set(clients.get() + 1);
        let from = connection(clients.get());
        async move {
            let mut login = Login::begin(&world.directory, "SCRAM-SHA-256", &from).unwrap();
            let first = format!("n,,n={name},r=c");
            match login.start(Some(first.as_bytes()), NOW).await {
                Turn::Challenge(bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    text.split_once(",s=").unwrap().1.to_owned()
                }
                other => panic!("no challenge: {other:?}"),
            }
        }
    };
    let before = salt("bob@mw.example").await;
    world.directory.add_account(&address("bob@mw.example"), text("pw"), NOW).await.unwrap();
    assert_eq!(before, salt("bob@mw.example").await, "an account changes nothing for onlookers");
    assert_ne!(before, salt("ann@mw.example").await);
    assert_eq!(before, salt("\"bob\"@mw.example").await, "spellings tell nothing apart");
    let unknown = salt("nobody@mw.example").await;
    assert_eq!(unknown, salt("\"nobody\"@mw.example").await);
}

#[tokio::test]
async fn failures_make_the_next_login_wait() {
    let world = world().await;
    for who in ["ann@mw.example", "eve@mw.example"] {
        for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ALL[0]] {
            let host = if who.starts_with('a') { 1 } else { 2 };
            assert_eq!(name(&world.login(mechanism, who, "wrong", host).await), "(credentials)");
        }
        let turn = world.login(Mechanism::Plain, who, "open sesame", 3).await;
        assert_eq!(name(&turn), "(later)", "{who}");
    }
}

#[tokio::test]
async fn what_a_connection_allows_is_what_is_offered() {
    let world = world().await;
    let offered = |connection: Connection| -> Vec<&str> {
        world.directory.mechanisms(&connection).into_iter().map(Mechanism::name).collect()
    };
    let secure = connection(1);
    assert_eq!(
        offered(secure.clone()),
        [
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-1-PLUS",
            "SCRAM-SHA-256",
            "SCRAM-SHA-1",
            "PLAIN",
            "LOGIN"
        ]
    );
    let open = Connection { is_tls: false, binding: ChannelBinding::default(), ..secure };
    assert!(offered(open.clone()).is_empty());
    let denied = Login::begin(&world.directory, "PLAIN", &open).unwrap_err();
    assert_eq!(denied.status(), (538, "5.7.11"));
    let trusted = Connection { is_trusted: true, ..open };
    assert_eq!(offered(trusted.clone()), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]);
    for unknown in ["GSSAPI", "SCRAM-SHA-256-PLUS"] {
        let denied = Login::begin(&world.directory, unknown, &trusted).unwrap_err();
        assert_eq!(denied.status(), (504, "5.5.4"), "{unknown}");
    }
    let ann = address("ann@mw.example");
    world.directory.add_app_password(&ann, "old", true, NOW).await.unwrap();
    assert!(offered(trusted).contains(&"CRAM-MD5"));
}

#[tokio::test]
async fn nobody_acts_for_another() {
    let world = world().await;
    for (authzid, expected) in [
        ("", "ann@mw.example"),
        ("Ann@mw.example", "ann@mw.example"),
        ("bob@mw.example", "(credentials)"),
    ] {
        let mut login = Login::begin(&world.directory, "PLAIN", &connection(1)).unwrap();
        let message = format!("{authzid}\0ann@mw.example\0open sesame");
        let turn = login.start(Some(message.as_bytes()), NOW).await;
        assert_eq!(name(&turn), expected, "{authzid}");
    }
    let mut login = Login::begin(&world.directory, "PLAIN", &connection(1)).unwrap();
    match login.start(Some(b"nonsense"), NOW).await {
        Turn::Denied(denied) => assert_eq!(denied.status(), (501, "5.5.2")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn addresses_lead_where_they_should() {
    let world = world().await;
    let ann = world.directory.account(&address("ann@mw.example")).await.unwrap().unwrap();
    assert!(ann.is_administrator, "the first account");
    let local = |detail: Option<&str>| Resolved::Local {
        principal: ann.principal,
        tenant: mailwright_store::directory::DEFAULT_TENANT,
        account: address("ann@mw.example"),
        detail: detail.map(str::to_owned),
    };
    world.add_alias("sales@mw.example", AliasKind::Alias, "ann@mw.example").await;
    world.add_alias("all@mw.example", AliasKind::List, "x@else.example").await;
    world.add_alias("away@mw.example", AliasKind::Forward, "\"a b\"@else.example").await;
    world.add_alias("ann+own@mw.example", AliasKind::Alias, "x@else.example").await;
    let to = |text: &str| vec![address(text)];
    let from = |text: &str| address(text);
    for (text, expected) in [
        ("ANN@MW.example", local(None)),
        ("ann+Lists@mw.example", local(Some("Lists"))),
        ("ann+@mw.example", local(None)),
        ("ann+own@mw.example", Resolved::Alias { targets: to("x@else.example") }),
        ("Sales+x@mw.example", Resolved::Alias { targets: to("ann@mw.example") }),
        (
            "all@mw.example",
            Resolved::List { address: from("all@mw.example"), targets: to("x@else.example") },
        ),
        (
            "away@mw.example",
            Resolved::Forward {
                address: from("away@mw.example"),
                targets: to("\"a b\"@else.example"),
            },
        ),
        ("Postmaster@mw.example", local(None)),
        ("nobody@mw.example", Resolved::Unknown),
        ("nobody@backup.example", Resolved::Backup),
        ("nobody@else.example", Resolved::Relay),
    ] {
        assert_eq!(world.resolve(text).await, expected, "{text}");
    }
    assert_eq!(world.directory.postmaster().await.unwrap(), local(None));
    let domain = Domain::parse("mw.example").unwrap();
    let target = address("ann@mw.example");
    world.directory.set_catch_all(&domain, Some(&target)).await.unwrap();
    assert_eq!(world.resolve("nobody@mw.example").await, local(None));
    let far = address("x@else.example");
    world.directory.set_catch_all(&domain, Some(&far)).await.unwrap();
    let alias = Resolved::Alias { targets: vec![far] };
    assert_eq!(world.resolve("nobody@mw.example").await, alias);
}

#[tokio::test]
async fn one_sends_as_oneself_one_s_aliases_and_what_was_granted() {
    let world = world().await;
    let bob = address("bob@mw.example");
    world.directory.add_account(&bob, text("pw"), NOW).await.unwrap();
    world.add_alias("sales@mw.example", AliasKind::Alias, "Ann@mw.example").await;
    world.add_alias("all@mw.example", AliasKind::List, "ann@mw.example").await;
    let granted = address("boss@else.example");
    world.directory.grant_send_as(&address("ann@mw.example"), &granted).await.unwrap();
    let turn = world.login(Mechanism::Plain, "ann@mw.example", "open sesame", 1).await;
    let Turn::Done(ann) = turn else { panic!("{turn:?}") };
    for (text, may) in [
        ("ann@mw.example", true),
        ("Ann+tag@MW.example", true),
        ("sales@mw.example", true),
        ("boss@else.example", true),
        ("all@mw.example", false),
        ("bob@mw.example", false),
        ("nobody@mw.example", false),
        ("x@else.example", false),
    ] {
        let verdict = world.directory.may_send_as(&ann, &address(text)).await.unwrap();
        assert_eq!(verdict, may, "{text}");
    }
}

#[tokio::test]
async fn accounts_domains_and_aliases_come_and_go() {
    let world = world().await;
    let directory = &world.directory;
    let ann = address("ann@mw.example");
    let taken = directory.add_account(&ann, text("pw"), NOW).await;
    assert!(matches!(taken, Err(DirectoryError::Store(StoreError::Exists("account")))));
    let stray = directory.add_account(&address("a@else.example"), text("pw"), NOW).await;
    assert!(matches!(stray, Err(DirectoryError::Store(StoreError::Missing("domain")))));
    let quoted = directory.add_account(&address("\"a b\"@mw.example"), text("pw"), NOW).await;
    assert!(matches!(quoted, Err(DirectoryError::Address(_))));
    let own = directory.add_alias(&address("x@mw.example"), AliasKind::Alias, &[], NOW).await;
    assert!(matches!(own, Err(DirectoryError::Target(_))));
    world.add_alias("sales@mw.example", AliasKind::Alias, "ann@mw.example").await;
    let aliases = directory.aliases().await.unwrap();
    assert_eq!(aliases.len(), 1);
    assert_eq!(aliases[0].targets, ["ann@mw.example"]);
    assert!(directory.remove_alias(&ann).await.is_err(), "an account's address is no alias");
    directory.remove_alias(&address("sales@mw.example")).await.unwrap();
    let domain = Domain::parse("mw.example").unwrap();
    assert!(directory.remove_domain(&domain).await.is_err(), "it has an address");
    assert_eq!(directory.accounts().await.unwrap()[0].address, "ann@mw.example");
    directory.remove_account(&ann, NOW).await.unwrap();
    assert!(directory.accounts().await.unwrap().is_empty());
    directory.remove_domain(&domain).await.unwrap();
    assert!(directory.domains().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reverse_path_that_names_a_message_leads_to_its_sender() {
    let world = world().await;
    let of = async |text: &str, now| world.directory.resolve(&address(text), now).await.unwrap();
    let ann = address("ann@mw.example");
    let message = world.directory.0.store.ids().next(NOW);
    let path = world.directory.return_path(&ann, message).unwrap();
    assert_eq!(world.directory.returned(&path, NOW), Some((ann.clone(), message)));
    let text = path.to_string();
    assert_eq!(of(&text, NOW).await, Resolved::Alias { targets: vec![ann] });
    let late = NOW.plus(Duration::from_hours(25));
    assert_eq!(of(&text, late).await, Resolved::Unknown, "it is too old");
    assert_eq!(of(&text.replace("=ann@", "=eve@"), NOW).await, Resolved::Unknown);
    assert_eq!(of("ann@bounces.mw.example", NOW).await, Resolved::Unknown);
    assert_eq!(of("ann@bounces.other.example", NOW).await, Resolved::Relay);
    let postmaster = of("postmaster@bounces.mw.example", NOW).await;
    assert_eq!(postmaster, of("postmaster@mw.example", NOW).await);
}
