//! The transcripts of one protocol, as a test plays them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::play::{Actor, Cut, play, rewrite};
use super::{Act, Transcript};

/// The files of `tests/transcripts/` and the name of a protocol.
#[derive(Debug)]
pub struct Folder {
    files: Vec<PathBuf>,
}

impl Folder {
    /// The transcripts of this protocol; none when they are not where they are looked for.
    pub fn of(protocol: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts");
        let entries = fs::read_dir(folder.join(protocol)).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        Self { files }
    }

    /// The names of the files.
    pub fn names(&self) -> BTreeSet<String> {
        self.files.iter().map(|file| name(file)).collect()
    }

    /// Plays all, each whole, octet by octet and in pieces of `seeds` kinds; says what is wrong.
    ///
    /// `UPDATE=1` first rewrites the `S:` lines to what the session says.
    pub fn play_all<A: Actor>(&self, seeds: u64) -> Vec<String> {
        #[expect(clippy::disallowed_methods, reason = "a switch of tests, not of the program")]
        let update = std::env::var("UPDATE").is_ok();
        let wrong = |file: &PathBuf| {
            let found = if update { update_one::<A>(file) } else { Ok(()) };
            let found = found.and_then(|()| play_one::<A>(file, seeds));
            found.err().map(|found| format!("{} {found}", name(file)))
        };
        self.files.iter().filter_map(wrong).collect()
    }

    /// The names of those that do not say why and from where, or expect nothing.
    pub fn unexplained(&self) -> Vec<String> {
        let files = self.files.iter().filter(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let says = text.starts_with("# ") && text.contains("\n# Source: ");
            let expects = |act: &Act| matches!(act, Act::Line(_) | Act::Code(_) | Act::Like(_));
            let transcript = Transcript::parse(&text);
            !says || !transcript.is_ok_and(|it| it.entries.iter().any(|e| expects(&e.act)))
        });
        files.map(|file| name(file)).collect()
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn update_one<A: Actor>(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let said = rewrite::<A>(&text).map_err(|mismatch| mismatch.to_string())?;
    if said != text {
        fs::write(file, said).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn play_one<A: Actor>(file: &Path, seeds: u64) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let transcript = Transcript::parse(&text).map_err(|mismatch| mismatch.to_string())?;
    let cuts = [Cut::Whole, Cut::Octets].into_iter().chain((0..seeds).map(Cut::Seed));
    for cut in cuts {
        play::<A>(&transcript, cut).map_err(|mismatch| format!("{cut:?} {mismatch}"))?;
    }
    Ok(())
}
