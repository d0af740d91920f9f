//! The messages of an account, printed for an export.

use mailwright_store::mailbox::{self, Content, Listed};

use super::{address, blocking};
use crate::{Failure, console::Console, inout::Head, office::Office};

/// Messages that are listed at a time.
const LISTED: usize = 500;
/// Octets that are read at a time.
const PIECE: u64 = 256 << 10;

pub(super) async fn run(
    name: &str,
    folder: Option<&str>,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let missing = || Failure::new(format!("there is no account {name}"));
    let account = office.directory.account(&address(name)?).await?.ok_or_else(missing)?.principal;
    let folders = office.store.read(move |tx| mailbox::folders(tx, account)).await?;
    let is_inbox = |name: &str| name.eq_ignore_ascii_case("INBOX");
    let wanted =
        |name: &str| folder.is_none_or(|only| only == name || is_inbox(only) && is_inbox(name));
    let folders: Vec<_> = folders.into_iter().filter(|folder| wanted(&folder.name)).collect();
    if let (true, Some(only)) = (folders.is_empty(), folder) {
        return Err(Failure::new(format!("{name} has no folder {only}")));
    }
    let mut damaged = 0_u64;
    for folder in folders {
        let mut after = 0;
        loop {
            let of = folder.name.clone();
            let some = office
                .store
                .read(move |tx| mailbox::list(tx, account, Some(&of), Some((&of, after)), LISTED))
                .await?;
            let Some(last) = some.last() else { break };
            after = last.uid;
            for listed in some {
                damaged += u64::from(!send(office, console, listed).await?);
            }
        }
    }
    match damaged {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} damaged messages were left out"))),
    }
}

/// Sends one message; false when its bytes are damaged.
async fn send(office: &Office, console: &Console, listed: Listed) -> Result<bool, Failure> {
    let (store, id) = (office.store.clone(), listed.id);
    let opened = blocking(move || Ok(store.content(id))).await?;
    let content = match opened {
        Ok(Some(content)) => content,
        // It was expunged meanwhile.
        Ok(None) => return Ok(true),
        Err(error) => {
            console.note(&format!("message {id}: {error}")).await?;
            return Ok(false);
        }
    };
    let length = content.len();
    let head = Head {
        folder: listed.folder,
        uid: listed.uid,
        flags: listed.flags,
        date: Some(listed.received.ms()),
        length,
        ..Head::default()
    };
    console.write(head.line()?).await?;
    pieces(console, content, length).await?;
    Ok(true)
}

async fn pieces(console: &Console, mut content: Content, length: u64) -> Result<(), Failure> {
    let mut at = 0;
    while at < length {
        let (back, bytes) = blocking(move || {
            let bytes = content.range(at..at.saturating_add(PIECE))?;
            Ok((content, bytes))
        })
        .await?;
        content = back;
        if bytes.is_empty() {
            return Err(Failure::new("a message is shorter than it was"));
        }
        at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        console.write(bytes).await?;
    }
    Ok(())
}
