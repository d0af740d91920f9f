//! The fuzzers' corpora, played at every run: what was found once stays mended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mailwright_testkit::fuzz::TARGETS;

/// Inputs of a corpus that the ordinary tests have time for.
const INPUTS_MAX: usize = 200;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_of_the_corpora_holds() {
    let mut wrong = Vec::new();
    for (target, check) in TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let inputs = names(&folder);
        assert!((3..=INPUTS_MAX).contains(&inputs.len()), "{target}: {} inputs", inputs.len());
        for name in inputs {
            let input = fs::read(folder.join(&name)).unwrap();
            if catch_unwind(|| check(&input)).is_err() {
                wrong.push(format!("{target}/{name}: {}", input.escape_ascii()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names(&fuzz().join("fuzz_targets"));
    let programs: BTreeSet<String> =
        programs.iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert!(targets.is_subset(&programs), "{targets:?} {programs:?}");
    assert_eq!(targets, names(&fuzz().join("corpus")));
}
