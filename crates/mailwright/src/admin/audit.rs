//! `mailwright audit`, and what of commands goes into the audit log.

use mailwright_directory::Audit;
use serde::Serialize;

use super::{json, table, time};
use crate::{
    Failure,
    cli::{
        AccountCommand, AdminCommand, AliasCommand, AppPasswordCommand, AuditCommand, BlockCommand,
        DomainCommand, InboxCommand, MessageCommand, QueueCommand, ReportCommand, TlsCommand,
        TokenCommand,
    },
    console::Console,
    office::Office,
};

#[derive(Serialize)]
struct Row {
    at: String,
    kind: String,
    who: String,
    peer: String,
    detail: String,
}

pub(super) async fn run(
    command: AuditCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let AuditCommand::List { kind, limit, json: as_json } = command;
    let row = |audit: Audit| Row {
        at: time(audit.at),
        kind: audit.kind,
        who: audit.who,
        peer: audit.peer,
        detail: audit.detail,
    };
    let rows = office.directory.audits(kind, limit).await?;
    let rows: Vec<Row> = rows.into_iter().map(row).collect();
    if as_json {
        return json(console, &rows).await;
    }
    let line = |row: Row| vec![row.at, row.kind, row.who, row.peer, row.detail];
    table(console, &rows.into_iter().map(line).collect::<Vec<_>>()).await
}

/// What of a command is written down; nothing of one that only looks. Secrets come over standard
/// input, so that no command has one in it.
pub(super) fn told(command: &AdminCommand) -> Option<String> {
    let changes = match command {
        AdminCommand::Domain(command) => !matches!(
            command,
            DomainCommand::List { .. }
                | DomainCommand::Records { .. }
                | DomainCommand::Check { .. }
                | DomainCommand::Keys { .. }
        ),
        AdminCommand::Account(command) => !matches!(
            command,
            AccountCommand::List { .. }
                | AccountCommand::AppPassword(AppPasswordCommand::List { .. })
        ),
        AdminCommand::Alias(command) => !matches!(command, AliasCommand::List { .. }),
        AdminCommand::Inbox(command) => !matches!(
            command,
            InboxCommand::List { .. }
                | InboxCommand::Settings { .. }
                | InboxCommand::Token(TokenCommand::List { .. })
        ),
        AdminCommand::Block(command) => !matches!(command, BlockCommand::List { .. }),
        AdminCommand::Queue(command) => {
            !matches!(command, QueueCommand::List { .. } | QueueCommand::Show { .. })
        }
        AdminCommand::Report(command) => {
            matches!(command, ReportCommand::Import | ReportCommand::Send { .. })
        }
        AdminCommand::Tls(command) => matches!(command, TlsCommand::Roll { .. }),
        // Who reads or takes others' mail is told, too.
        AdminCommand::Message(command) => matches!(command, MessageCommand::Show { .. }),
        AdminCommand::Take { .. } | AdminCommand::Give { .. } | AdminCommand::Snapshot => true,
        AdminCommand::Audit(_)
        | AdminCommand::Doctor(_)
        | AdminCommand::Events { .. }
        | AdminCommand::Sendmail(_) => false,
    };
    changes.then(|| format!("{command:?}"))
}
