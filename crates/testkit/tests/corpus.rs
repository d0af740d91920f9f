//! The fuzzers' corpora, played at every run: what was found once stays mended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mailwright_testkit::fuzz::{TARGETS, play};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_of_the_corpora_holds() {
    for (target, check) in TARGETS {
        play(target, check);
    }
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names(&fuzz().join("fuzz_targets"));
    let programs: BTreeSet<String> =
        programs.iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    // Other crates have targets of their own, whose corpora they play.
    let corpora = names(&fuzz().join("corpus"));
    assert!(targets.is_subset(&corpora), "{targets:?} {corpora:?}");
    assert!(corpora.is_subset(&programs), "{corpora:?} {programs:?}");
}
