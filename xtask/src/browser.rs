//! `cargo xtask browser`: the pages of the sandbox in a real browser, Debian's chromium.
//!
//! It starts the built binary, a browser, and a small web server that counts what reaches it. The
//! HTML of hostile messages may neither run nor ask for anything; the same HTML on a page without
//! walls has to do both, or the proof proves nothing. Pictures of it all are in `target/browser`.

mod driver;
mod hostile;
mod post;
mod scene;
mod world;

use std::path::Path;

use crate::run::{Failure, root, say};

/// The programs that it needs.
const NEEDED: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromedriver"];

/// Claims, counted.
pub(crate) struct Claims {
    passed: usize,
    failed: Vec<String>,
}

impl Claims {
    /// Counts one, and says so when it does not hold.
    pub(crate) fn check(&mut self, name: &str, holds: bool, detail: &str) {
        if holds {
            self.passed += 1;
            say(&format!("browser: ok      {name}"));
        } else {
            let detail: String = detail.chars().take(1200).collect();
            say(&format!("browser: FAILED  {name}  {detail}"));
            self.failed.push(name.to_owned());
        }
    }
}

/// Runs all scenes.
///
/// Errors: a program is missing or stopped, or a claim does not hold.
///
/// A long run has an inbox of 100,000 messages, and tells how quick it is.
pub(crate) fn browser(is_long: bool) -> Result<(), Failure> {
    for program in NEEDED {
        if !Path::new(program).exists() {
            return Err(Failure(format!("{program} is missing; `cargo xtask test` installs it")));
        }
    }
    let pictures = root().join("target/browser");
    std::fs::create_dir_all(&pictures)?;
    let mut claims = Claims { passed: 0, failed: Vec::new() };
    scene::all(&mut claims, &pictures, is_long)?;
    say(&format!("browser: {} passed, {} failed", claims.passed, claims.failed.len()));
    say(&format!("browser: pictures are in {}", pictures.display()));
    if claims.failed.is_empty() { Ok(()) } else { Err(Failure(claims.failed.join("; "))) }
}
