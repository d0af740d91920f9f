//! The log: one line a decision, on standard error, as text or as JSON.

use std::io::IsTerminal as _;

use mailwright_config::{Format, Log};
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::Failure;

/// Starts the log as configured.
///
/// Errors: there is one already.
pub(crate) fn start(log: &Log) -> Result<(), Failure> {
    // What others' libraries say below a warning is of no use to an operator.
    let level = log.level.as_str();
    let filter = EnvFilter::new(format!("warn,{}", ours(level)));
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let started = match log.format {
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
        Format::Text => lines.compact().finish().try_init(),
    };
    started.map_err(|error| Failure::of("the log does not start", &error))
}

fn ours(level: &str) -> String {
    let crates = ["net", "store", "directory", "intake", "deliver", "queue", "serve", "api"];
    let each = crates.map(|name| format!("mailwright_{name}={level}"));
    format!("mailwright={level},{}", each.join(","))
}
