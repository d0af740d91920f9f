//! The log: one line a decision, on standard error, as text or as JSON.

use std::io::IsTerminal as _;

use mailwright_config::{Format, Level, Log};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use crate::Failure;

/// Which lines are written, to be changed while the server runs.
#[derive(Clone)]
pub(crate) struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Writes lines of this level and above from now on.
    ///
    /// Errors: the log is gone.
    pub(crate) fn set(&self, level: Level) -> Result<(), Failure> {
        self.0.reload(filter(level)).map_err(|error| Failure::of("log.level", &error))
    }
}

/// Starts the log as configured.
///
/// Errors: there is one already.
pub(crate) fn start(log: &Log) -> Result<Filter, Failure> {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let all = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        Format::Json => all.with(lines.json().flatten_event(true)).try_init(),
        Format::Text => all.with(lines.compact()).try_init(),
    };
    started.map_err(|error| Failure::of("the log does not start", &error))?;
    Ok(Filter(handle))
}

/// What others' libraries say below a warning is of no use to an operator.
fn filter(level: Level) -> EnvFilter {
    EnvFilter::new(format!("warn,{}", ours(level.as_str())))
}

fn ours(level: &str) -> String {
    let crates = ["net", "store", "directory", "intake", "deliver", "queue", "serve", "api"];
    let each = crates.map(|name| format!("mailwright_{name}={level}"));
    format!("mailwright={level},{}", each.join(","))
}
