//! The project's own tools: `cargo xtask test`, `tidy`, `docs`, `bench`, `fuzz`, `break` and `dev`.
//!
//! `test` is what the continuous integration runs, and all that it runs.

mod bench;
mod breaks;
mod browser;
mod caniemail;
mod docs;
mod fuzz;
mod install;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::{Failure, cargo, say};

/// The project's own tools.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Tools {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Install what the tests need, then run all of them
    Test {
        /// More rounds of the tests that kill the server
        #[arg(long)]
        long: bool,
    },
    /// Check the rules of the house
    Tidy,
    /// Write the reference pages
    Docs {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Write the table of what mail clients support, from the npm package `caniemail`
    Caniemail,
    /// Measure the release build, and keep the result under bench/results
    Bench {
        /// Which measurement: a script of bench/, such as `smtp`
        name: String,
        /// Arguments of the script
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzz what reads bytes from the network
    Fuzz {
        /// One target of fuzz/ only, such as `smtp_session`
        name: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 30)]
        seconds: u32,
    },
    /// Break promises on purpose, and see that the tests turn red
    Break {
        /// One break only, such as `no-sync`
        name: Option<String>,
    },
    /// Look at the pages of the sandbox in a real browser
    Browser {
        /// One inbox of 100,000 messages, too
        #[arg(long)]
        long: bool,
    },
    /// Run a server with its data in .dev/
    Dev,
}

fn main() -> ExitCode {
    let done = match Tools::parse().tool {
        Tool::Test { long } => test::test(long),
        Tool::Tidy => tidy::tidy(),
        Tool::Docs { check } => docs::docs(check),
        Tool::Caniemail => caniemail::caniemail(),
        Tool::Bench { name, arguments } => bench::bench(&name, &arguments),
        Tool::Fuzz { name, seconds } => fuzz::fuzz(name.as_deref(), seconds),
        Tool::Browser { long } => browser::browser(long),
        Tool::Break { name } => breaks::breaks(name.as_deref()),
        Tool::Dev => dev(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("FAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn dev() -> Result<(), Failure> {
    cargo(&["run", "--package", "mailwright", "--", "--data", ".dev", "serve"])
}
