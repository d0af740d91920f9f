//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a while.
//!
//! Built with the stable compiler and libFuzzer, without a sanitizer: memory is safe here, what is
//! looked for is what does not hold. With a fixed seed a run tells the same twice. What a run finds
//! lies in `target/fuzz`; put the small ones into `fuzz/corpus`, which the ordinary tests play.

use std::path::Path;

use crate::run::{Failure, read, root, run_with, say};

/// Edges, comparisons and counters, as libFuzzer wants them.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";
/// Largest input that is tried.
const LENGTH_MAX: u32 = 4096;

/// Builds the targets and runs each, or the one of this name, for `seconds`.
///
/// Errors: something does not hold; the input that shows it lies in `target/fuzz`.
pub(crate) fn fuzz(name: Option<&str>, seconds: u32) -> Result<(), Failure> {
    let host = host()?;
    let folder = root().join("target/fuzz");
    let build = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host];
    let place = folder.display().to_string();
    run_with("cargo", &build, &[("RUSTFLAGS", FLAGS), ("CARGO_TARGET_DIR", &place)])?;
    let names = targets()?;
    let chosen: Vec<&String> = names.iter().filter(|one| name.is_none_or(|n| n == *one)).collect();
    if chosen.is_empty() {
        return Err(Failure(format!("no such target; there are: {}", names.join(", "))));
    }
    for target in chosen {
        one(&folder, &host, target, seconds)?;
    }
    say(&format!("Nothing found in {seconds} s each."));
    Ok(())
}

fn one(folder: &Path, host: &str, target: &str, seconds: u32) -> Result<(), Failure> {
    let (found, own) = (folder.join("corpus").join(target), folder.join("artifacts"));
    std::fs::create_dir_all(&found)?;
    std::fs::create_dir_all(&own)?;
    let program = folder.join(host).join("release").join(target).display().to_string();
    let seed = root().join("fuzz/corpus").join(target);
    let seed = seed.is_dir().then(|| seed.display().to_string());
    let arguments = [
        "-seed=1".to_owned(),
        format!("-max_total_time={seconds}"),
        format!("-max_len={LENGTH_MAX}"),
        "-timeout=10".to_owned(),
        "-rss_limit_mb=1024".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/{target}-", own.display()),
        found.display().to_string(),
    ];
    let arguments: Vec<&str> = arguments.iter().chain(&seed).map(String::as_str).collect();
    run_with(&program, &arguments, &[])
}

/// The targets, which are the binaries of `fuzz/`.
fn targets() -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The machine the compiler builds for. Named, so that build scripts are not instrumented.
fn host() -> Result<String, Failure> {
    let told = read("rustc", &["-vV"])?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure("rustc does not tell its host".to_owned()))
}
