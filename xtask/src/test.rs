//! `cargo xtask test`: everything that has to be green.

use std::time::Instant;

use crate::run::{Failure, cargo, is_root, run, say};
use crate::{breaks, browser, docs, fuzz, install, tidy};

type Step = (&'static str, fn(bool) -> Result<(), Failure>);

const STEPS: [Step; 10] = [
    ("install", |_| install::install()),
    ("format", |_| cargo(&["fmt", "--all", "--check"])),
    ("clippy", |_| cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])),
    ("test", |_| cargo(&["test", "--workspace"])),
    ("tidy", |_| tidy::tidy()),
    ("docs", |_| docs::docs(true)),
    ("interop", interop),
    ("browser", browser::browser),
    ("fuzz", |long| if long { fuzz::fuzz(None, 30) } else { Ok(()) }),
    ("break", |long| if long { breaks::breaks(None) } else { Ok(()) }),
];

/// Runs all steps; the first failure ends it.
pub(crate) fn test(long: bool) -> Result<(), Failure> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        #[expect(clippy::disallowed_methods, reason = "a tool that tells how long it took")]
        let start = Instant::now();
        step(long).map_err(|failure| Failure(format!("{name}: {failure}")))?;
        times.push(format!("{name} {}s", start.elapsed().as_secs()));
    }
    say(&format!("\nAll green: {}.", times.join(", ")));
    Ok(())
}

/// Real programs against the built binary, in a network namespace of their own (which needs root).
fn interop(long: bool) -> Result<(), Failure> {
    cargo(&["build", "--package", "mailwright"])?;
    let script = ["tests/interop/run.py", if long { "--long" } else { "--short" }];
    if is_root() {
        return run("python3", &script);
    }
    say("With sudo: the programs run in a network namespace of their own.");
    run("sudo", &["-n", "python3", script[0], script[1]])
}
