//! `cargo xtask bench NAME`: a script of `bench/` against the release build.

use std::path::Path;

use crate::run::{Failure, cargo, root, run};

/// Builds the release binary and runs `bench/NAME.py`.
///
/// Errors: there is no such script; the names that exist are listed.
pub(crate) fn bench(name: &str, arguments: &[String]) -> Result<(), Failure> {
    let folder = root().join("bench");
    let script = folder.join(format!("{name}.py"));
    if !script.is_file() {
        let names = names(&folder).join(", ");
        return Err(Failure(format!("no measurement `{name}`; there are: {names}")));
    }
    cargo(&["build", "--release", "--package", "mailwright"])?;
    let script = script.display().to_string();
    let mut line = vec![script.as_str()];
    line.extend(arguments.iter().map(String::as_str));
    run("python3", &line)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".py")?.to_owned()))
        .collect();
    names.sort();
    names
}
