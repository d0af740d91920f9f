//! The real door: a data folder, a directory and intake behind a listener.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailwright_config::{BareNewlines, Config, Listener, Role};
use mailwright_directory::{Directory, DomainKind, NewPassword, Settings};
use mailwright_intake::Intake;
use mailwright_net::clock::Manual;
use mailwright_sasl::Secret;
use mailwright_serve::smtp::{Conversation, Door};
use mailwright_store::body::BodyId;
use mailwright_store::engine::Column;
use mailwright_store::{Lane, Options, Store, Tx, directory};
use mailwright_testkit::transcript::{Transcript, decode};
use mailwright_words::{Address, Domain, Timestamp};

use super::line::Way;

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
/// Accounts of `mailwright.example`; `full` holds less than any message.
const ACCOUNTS: [&str; 4] = ["ann", "bob", "full", "postmaster"];

/// A server's data, which all sessions share.
pub(crate) struct House {
    store: Store,
    directory: Directory,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), NOW).unwrap();
        let settings = Settings::of(&Config::default());
        let people = Directory::open(store.clone(), settings).await.unwrap();
        let domain = Domain::parse("mailwright.example").unwrap();
        people.add_domain(&domain, DomainKind::Local, NOW).await.unwrap();
        for name in ACCOUNTS {
            let address = Address::parse(&format!("{name}@mailwright.example")).unwrap();
            let password = NewPassword::Text(Secret::new("secret"));
            let account = people.add_account(&address, password, NOW).await.unwrap();
            if name == "full" {
                let owner = account.principal;
                let set = move |tx: &mut Tx<'_>| directory::set_quota(tx, owner, Some(1));
                store.write(Lane::Quick, set).await.unwrap();
            }
        }
        Self { store, directory: people, _folder: folder }
    }

    /// The listener that the line of `@listener` describes; `None` for what no configuration asks
    /// for.
    pub(crate) fn room(&self, transcript: &Transcript, way: Way) -> Option<Room<'_>> {
        // An MTA holds no mail for strangers, so only an MSA offers it.
        let is_msa = transcript.has("msa");
        if transcript.has("futurerelease") && !is_msa {
            return None;
        }
        let role = match transcript.listener.first().unwrap().as_str() {
            "mta" => Role::Mta,
            "msa" => Role::Msa,
            _ => Role::Lmtp,
        };
        let mut config = Config::default();
        "mx.mailwright.example".clone_into(&mut config.server.hostname);
        config.intake.free_space_min = 0;
        let seconds = |word: &str| transcript.value(word)?.parse().map(Duration::from_secs).ok();
        config.intake.deliver_by_min = seconds("deliverby").unwrap_or(Duration::from_mins(1));
        config.intake.hold_max = seconds("futurerelease").unwrap_or_default();
        if transcript.has("normalise") {
            config.intake.bare_newlines = BareNewlines::Normalise;
        }
        let mut listener = Listener::new(role, Vec::new());
        listener.implicit_tls = transcript.has("implicit") || way == Way::Tls;
        let number = |word: &str| transcript.value(word)?.parse::<usize>().ok();
        listener.message_size_max = number("size").and_then(|size| size.try_into().ok());
        listener.recipients_max = number("recipients");
        config.limits.errors_max = number("errors").unwrap_or(config.limits.errors_max);
        config.limits.commands_max = number("commands").unwrap_or(config.limits.commands_max);
        config.limits.messages_max = number("messages").unwrap_or(config.limits.messages_max);
        let settings = mailwright_intake::Settings::of(&config).unwrap();
        let intake = Intake::new(self.store.clone(), self.directory.clone(), settings);
        let door = Door::new(
            ("test", &listener),
            Arc::new(config),
            (self.directory.clone(), intake),
            Arc::new(Manual::new(NOW)),
            !transcript.has("plain"),
        );
        let peer: IpAddr = transcript.value("peer").unwrap().parse().unwrap();
        let (door, before) = (Arc::new(door.unwrap()), self.newest());
        let implicit = listener.implicit_tls;
        Some(Room { house: self, door, peer, implicit, before })
    }

    fn newest(&self) -> i64 {
        self.rows("SELECT coalesce(max(id), 0) FROM body", 0).into_iter().next().unwrap()
    }

    /// Rows of a statement in which `:after` stands for a number.
    fn rows<T: Column>(&self, sql: &str, after: i64) -> Vec<T> {
        let sql = sql.replace(":after", &after.to_string());
        self.store.read_blocking(|tx| tx.query(&sql, &[], |row| row.get(0))).unwrap()
    }
}

/// One listener, and what was in the store before its session.
pub(crate) struct Room<'a> {
    house: &'a House,
    door: Arc<Door>,
    peer: IpAddr,
    implicit: bool,
    before: i64,
}

impl Room<'_> {
    /// The session, and whether its connection begins with a handshake.
    pub(crate) fn session(&self) -> (Conversation, bool) {
        let peer = SocketAddr::new(self.peer, 49_152);
        (Conversation::new(Arc::clone(&self.door), peer, self.implicit), self.implicit)
    }

    /// Compares a state with what the store has.
    pub(crate) fn check(&self, noun: &str, want: &str) -> Result<(), String> {
        let found = match noun {
            // Nothing of a transaction that was given up can be seen, which `spool` shows.
            "abandoned" => return Ok(()),
            "spool" => self.bodies().len().to_string(),
            "recipients" => self.recipients().join(" "),
            "protocol" => self.protocol().unwrap_or_default(),
            "octets" => self.last().len().to_string(),
            "body" => {
                let last = self.last();
                let same = decode(want).is_some_and(|want| want == last);
                return same.then_some(()).ok_or_else(|| last.escape_ascii().to_string());
            }
            _ => return Err("no such state".to_owned()),
        };
        if found == want { Ok(()) } else { Err(format!("wanted {want}\n   found {found}")) }
    }

    /// The bodies that came since.
    fn bodies(&self) -> Vec<i64> {
        self.house.rows("SELECT id FROM body WHERE id > :after ORDER BY id", self.before)
    }

    /// Those of the last message: some are in the queue, some were delivered by its commit.
    fn recipients(&self) -> Vec<String> {
        let sql = "SELECT address FROM (
                SELECT spool, id, address FROM recipient
                UNION SELECT spool, recipient, address FROM event WHERE kind = 'delivered')
            WHERE spool = (SELECT max(spool) FROM
                (SELECT id AS spool FROM spool UNION SELECT spool FROM event))
            AND spool > :after GROUP BY address ORDER BY min(id)";
        self.house.rows(sql, self.before)
    }

    /// The protocol that the trace field of the last message names.
    fn protocol(&self) -> Option<String> {
        let sql = "SELECT head FROM (
                SELECT id, head FROM spool UNION SELECT id, head FROM message)
            WHERE id > :after ORDER BY id DESC LIMIT 1";
        let heads: Vec<Vec<u8>> = self.house.rows(sql, self.before);
        let head = String::from_utf8(heads.into_iter().next()?).ok()?;
        let (_, rest) = head.split_once(" with ").or_else(|| head.split_once("\twith "))?;
        Some(rest.split_whitespace().next()?.trim_end_matches(';').to_owned())
    }

    fn last(&self) -> Vec<u8> {
        let Some(id) = self.bodies().last().copied() else { return Vec::new() };
        let reader = self.house.store.body_reader(BodyId::from_i64(id)).unwrap();
        reader.piece(0..reader.length()).unwrap()
    }
}
