//! `mailwright inbox`.

use clap::Subcommand;

/// Commands about inboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// Make an inbox, and print its password once
    Add {
        /// Its name, with which programs log in
        name: String,
        /// Seconds after which it goes with all that is in it
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u64>,
        /// An address of a domain of ours whose mail it catches
        #[arg(long)]
        address: Vec<String>,
    },
    /// List the inboxes
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what an inbox goes by, as JSON
    Settings {
        /// Its name
        name: String,
    },
    /// Have an inbox go by other settings: retention, room, faults
    Set {
        /// Its name
        name: String,
        /// The settings, as JSON
        settings: String,
    },
    /// Have an inbox go by itself, after so many seconds from now or never
    Expire {
        /// Its name
        name: String,
        /// Seconds
        #[arg(required_unless_present = "never", value_name = "SECONDS")]
        ttl: Option<u64>,
        /// Keep it until it is removed
        #[arg(long, conflicts_with = "ttl")]
        never: bool,
    },
    /// Let messages go to real addresses, which `sandbox.release.to` of the configuration allows
    ///
    /// An address gets a message once, however often that is asked for.
    Release {
        /// The inbox
        name: String,
        /// Whom to
        #[arg(long, required = true, value_name = "ADDRESS")]
        to: Vec<String>,
        /// Those messages, by their ids
        #[arg(long, value_name = "ID", required_unless_present = "query")]
        message: Vec<String>,
        /// All messages that match, in the search language of the page; an empty one finds all
        #[arg(long, conflicts_with = "message")]
        query: Option<String>,
        /// The envelope sender; empty for the null one [default: as configured]
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// Release to those again who had it before
        #[arg(long)]
        again: bool,
    },
    /// Tokens: each opens one inbox over HTTP, and nothing else
    #[command(subcommand)]
    Token(TokenCommand),
    /// Remove an inbox with all that is in it
    Remove {
        /// Its name
        name: String,
    },
}

/// Commands about tokens of inboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make one, and print it once
    Add {
        /// The inbox
        name: String,
        /// What it is for
        label: String,
    },
    /// List them with their last use
    List {
        /// The inbox
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make one worthless
    Revoke {
        /// The inbox
        name: String,
        /// What it was for
        label: String,
    },
}
