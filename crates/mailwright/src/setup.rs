//! The first run: an account, and one screen that shows how to use it.

use std::{fmt::Write, net::SocketAddr, path::Path};

use mailwright_config::Role;

/// A listener that is open.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    /// What it is for; `None` is HTTP.
    pub(crate) role: Option<Role>,
    /// Where.
    pub(crate) address: SocketAddr,
    /// Whether TLS begins with the first octet.
    pub(crate) implicit_tls: bool,
}

/// The account that a first run makes.
#[derive(Debug, Clone)]
pub(crate) struct FirstAccount {
    /// Its address.
    pub(crate) address: String,
    /// Its password, told this once.
    pub(crate) password: String,
}

/// What the screen tells.
pub(crate) struct Screen<'a> {
    /// The data folder.
    pub(crate) data: &'a Path,
    /// The certificate that a client has to trust, where it is of our own making.
    pub(crate) certificate: Option<&'a Path>,
    /// This program, as it was started.
    pub(crate) program: &'a Path,
    /// The open listeners.
    pub(crate) listeners: &'a [Open],
    /// The account, on a first run.
    pub(crate) account: Option<&'a FirstAccount>,
}

impl Screen<'_> {
    /// The text, ended by a newline.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "Mailwright {} is ready. Data folder: {}\n\n",
            env!("CARGO_PKG_VERSION"),
            self.data.display()
        );
        for open in self.listeners {
            // Writing to a String does not fail.
            writeln!(text, "  {:<5} {:<22} {}", name(open), open.address, purpose(open))
                .unwrap_or_default();
        }
        if let Some(account) = self.account {
            text.push_str(&self.first_steps(account));
        }
        text
    }

    fn first_steps(&self, account: &FirstAccount) -> String {
        let FirstAccount { address, password } = account;
        let program = self.program.display();
        let data = self.data.display();
        format!(
            "\n  Account   {address}\n  Password  {password}   (told this once)\n\n\
             Send a first message:\n\n  {}\n\nSee that it arrived:\n\n  \
             {program} --data {data} message list {address}\n\n{}",
            self.first_message(account),
            self.first_reading(account)
        )
    }

    /// A line for a shell that reads the first message; nothing where nobody reads by IMAP here.
    fn first_reading(&self, account: &FirstAccount) -> String {
        let FirstAccount { address, password } = account;
        let imap = |tls| {
            let is_it = move |open: &&Open| {
                open.role == Some(Role::Imap) && open.implicit_tls == tls && open.address.is_ipv4()
            };
            self.listeners.iter().find(is_it).map(|open| open.address.port())
        };
        let url = match (imap(true), imap(false)) {
            (Some(port), _) => format!("imaps://localhost:{port}"),
            (None, Some(port)) => format!("imap://localhost:{port}"),
            (None, None) => return String::new(),
        };
        format!(
            "Read it by IMAP, as a mail client does:\n\n  curl -sS --ssl-reqd {}\
             --user '{address}:{password}' '{url}/INBOX;MAILINDEX=1'\n",
            self.trust()
        )
    }

    /// What makes curl believe our certificate.
    fn trust(&self) -> String {
        let trust = |file: &Path| format!("--cacert {} ", file.display());
        self.certificate.map(trust).unwrap_or_default()
    }

    /// A line for a shell that submits a message; curl verifies our certificate as any other.
    fn first_message(&self, account: &FirstAccount) -> String {
        let FirstAccount { address, password } = account;
        let msa = self.listeners.iter().find(|open| {
            open.role == Some(Role::Msa) && !open.implicit_tls && open.address.is_ipv4()
        });
        let port = msa.map_or(10587, |open| open.address.port());
        let trust = self.trust();
        format!(
            "printf 'From: {address}\\r\\nTo: {address}\\r\\nSubject: Hello\\r\\n\\r\\n\
             It works.\\r\\n' | curl -sS --ssl-reqd {trust}--url smtp://localhost:{port} \
             --user '{address}:{password}' --mail-from {address} --mail-rcpt {address} \
             --upload-file -"
        )
    }
}

fn name(open: &Open) -> &'static str {
    match open.role {
        Some(Role::Mta) => "MTA",
        Some(Role::Msa) => "MSA",
        Some(Role::Lmtp) => "LMTP",
        Some(Role::Imap) => "IMAP",
        Some(Role::Pop3) => "POP3",
        Some(Role::Sandbox) => "SMTP",
        None => "HTTP",
    }
}

fn purpose(open: &Open) -> &'static str {
    match (open.role, open.implicit_tls) {
        (Some(Role::Mta), _) => "mail from other servers",
        (Some(Role::Msa), true) => "mail from you, TLS from the start",
        (Some(Role::Msa), false) => "mail from you, STARTTLS",
        (Some(Role::Sandbox), _) => "mail that inboxes catch",
        (Some(Role::Lmtp), _) => "mail straight into mailboxes",
        (Some(Role::Imap | Role::Pop3), true) => "mail for you, TLS from the start",
        (Some(Role::Imap | Role::Pop3), false) => "mail for you, STARTTLS",
        (None, _) => "/health and /metrics",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_screen_tells_how_to_send_and_how_to_look() {
        let open = |role, port, implicit_tls| Open {
            role,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            implicit_tls,
        };
        let listeners = [
            open(Some(Role::Mta), 10025, false),
            open(Some(Role::Msa), 10587, false),
            open(Some(Role::Msa), 10465, true),
            open(Some(Role::Imap), 10143, false),
            open(Some(Role::Imap), 10993, true),
            open(None, 10080, false),
        ];
        let account = FirstAccount { address: "you@localhost".into(), password: "pw".into() };
        let screen = Screen {
            data: Path::new("data"),
            certificate: Some(Path::new("data/tls/cert.pem")),
            program: Path::new("mailwright"),
            listeners: &listeners,
            account: Some(&account),
        };
        let text = screen.text();
        assert!(text.contains("smtp://localhost:10587"), "{text}");
        assert!(text.contains("--cacert data/tls/cert.pem"), "{text}");
        assert!(text.contains("mailwright --data data message list you@localhost"), "{text}");
        assert!(text.contains("'imaps://localhost:10993/INBOX;MAILINDEX=1'"), "{text}");
        assert_eq!(text.matches("pw").count(), 3, "{text}");
        let screen = Screen { listeners: &listeners[..3], ..screen };
        assert!(!screen.text().contains("IMAP"), "nobody can read by it");
    }
}
