//! Reading mailboxes: lists of messages, and where the bytes of a copy are.

use mailwright_mime::{CommonHeaders, unfold};
use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};

use crate::{body::BodyId, engine::Tx, error::StoreError, params};

/// A message as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The message.
    pub id: Id,
    /// The name of its folder.
    pub folder: String,
    /// Its UID there.
    pub uid: u32,
    /// The value of `From`, unfolded, as it stands in the message.
    pub from: String,
    /// The value of `To`.
    pub to: String,
    /// The value of `Subject`.
    pub subject: String,
    /// Octets of the copy.
    pub size: u64,
    /// When it was accepted.
    pub received: Timestamp,
    /// Its flags, such as `\Seen`, then its keywords.
    pub flags: Vec<String>,
}

/// The messages of one folder, or of all, by folder and UID: up to `limit`, those after `after`.
pub fn list(
    tx: &mut Tx<'_>,
    account: Id,
    folder: Option<&str>,
    after: Option<(&str, u32)>,
    limit: usize,
) -> Result<Vec<Listed>, StoreError> {
    let folder = folder.map(|name| if name.eq_ignore_ascii_case("INBOX") { "INBOX" } else { name });
    let (after_folder, after_uid) = after.unwrap_or(("", 0));
    tx.query(
        "SELECT mm.message, m.name, mm.uid, meta.headers, mm.size, mm.internal_date, mm.flags,
             (SELECT group_concat(name, ' ') FROM keyword k
                 WHERE k.mailbox = m.id AND mm.keywords >> k.bit & 1)
         FROM mailbox m JOIN mailbox_msg mm ON mm.mailbox = m.id
              LEFT JOIN message_meta meta ON meta.message = mm.message
         WHERE m.account = :account AND (:folder IS NULL OR m.name = :folder)
           AND (m.name, mm.uid) > (:after_folder, :after_uid)
         ORDER BY m.name, mm.uid LIMIT :limit",
        params! { account, folder, after_folder, after_uid, limit },
        |row| {
            let headers = row.get::<Option<Vec<u8>>>(3)?.unwrap_or_default();
            let keywords = row.get::<Option<String>>(7)?.unwrap_or_default();
            let flags = Flags::system(row.get(6)?);
            let set = Flags::NAMES.iter().filter(|(bit, _)| flags.has(*bit)).map(|(_, name)| *name);
            Ok(Listed {
                id: row.get(0)?,
                folder: row.get(1)?,
                uid: row.get(2)?,
                from: field(&headers, "From"),
                to: field(&headers, "To"),
                subject: field(&headers, "Subject"),
                size: row.get(4)?,
                received: row.get(5)?,
                flags: set.chain(keywords.split_whitespace()).map(str::to_owned).collect(),
            })
        },
    )
}

fn field(headers: &[u8], name: &str) -> String {
    if let Some(common) = CommonHeaders::from_bytes(headers) {
        let value = common.value(name.as_bytes()).map(unfold).unwrap_or_default();
        return String::from_utf8_lossy(&value).trim().to_owned();
    }
    String::from_utf8_lossy(headers)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Where the bytes of a copy are: the head, then the body from `head_skip` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Whose message it is.
    pub account: Id,
    /// What stands in front.
    pub head: Vec<u8>,
    /// The bytes as they came.
    pub body: BodyId,
    /// Where in them the copy goes on.
    pub head_skip: u64,
    /// Octets of the copy.
    pub size: u64,
    /// The message of the spool that it came from.
    pub origin: Option<Id>,
}

/// The copy of a message in a mailbox.
pub fn copy(tx: &mut Tx<'_>, message: Id) -> Result<Option<Copy>, StoreError> {
    tx.query_opt(
        "SELECT account, head, body, head_skip, size, origin FROM message WHERE id = :message",
        params! { message },
        |row| {
            Ok(Copy {
                account: row.get(0)?,
                head: row.get(1)?,
                body: row.get(2)?,
                head_skip: row.get(3)?,
                size: row.get(4)?,
                origin: row.get(5)?,
            })
        },
    )
}
