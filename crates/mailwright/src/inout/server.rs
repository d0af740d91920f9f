//! Another server as a source, read over IMAP: all folders with their messages, flags and dates.
//!
//! What a message is known by is its server, login, folder, UIDVALIDITY and UID; the store is asked
//! which of them it has before any content is fetched, so an import that was interrupted goes on
//! where it was. Nothing is changed at the other server. Passwords go over TLS with a certificate
//! that is believed, or to this machine itself.

mod link;
mod names;
mod place;
mod walk;

use std::{io::Write, process::ExitCode, sync::Arc};

use mailwright_config::Config;
use mailwright_sasl::{Secret, client::Login};
use tokio::{runtime::Handle, sync::mpsc};

pub(super) use self::place::Place;
use self::{
    link::Link,
    walk::{Walk, folders},
};
use super::{
    Counts, PIPE, listen,
    pen::{Pen, Progress},
    take, tell,
};
use crate::{Failure, cli::Import, console::Console, remote};

/// Puts the messages of another server into an account.
pub(super) async fn import(
    import: Import,
    place: Place,
    config: Config,
) -> Result<ExitCode, Failure> {
    if !import.password_stdin {
        let text = "say --password-stdin, and give the password on standard input";
        return Err(Failure::new(text));
    }
    let name = place.user.clone().unwrap_or_else(|| import.address.clone());
    let (mut console, _frames) = Console::new(tokio::io::stdin());
    let login = Login { name, password: Secret::new(console.secret().await?) };
    let mut link = Link::open(&place, &login, (&config, import.authority.as_deref())).await?;
    let listed = folders(&mut link, place.folder.as_deref()).await?;
    for note in &listed.notes {
        writeln!(std::io::stderr(), "{note}")?;
    }
    let progress = Arc::new(Progress::new(listed.messages()));
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let frames = remote::part(&take(&import), config, theirs).await?;
    let pen = Pen::new(ours, Handle::current(), Arc::clone(&progress), import.folder);
    let (asked, known) = mpsc::channel(1);
    let walk = Walk::new((link, pen, known), &place, &login.name);
    let (counts, walked) =
        tokio::join!(listen(frames, &progress, Some(asked)), walk.all(&listed.folders));
    let (counts, walked) = (counts?, walked);
    let (left_out, before) = match &walked {
        Ok(walked) => (walked.left_out, walked.before),
        Err(broken) => (0, broken.before),
    };
    let code = tell(&Counts { before: counts.before + before, ..counts }, left_out)?;
    match walked {
        Ok(_) => Ok(code),
        Err(broken) => {
            let again = "run again, it goes on where it was";
            Err(Failure::new(format!("{}; {again}", broken.failure)))
        }
    }
}
