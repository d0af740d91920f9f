//! `cargo xtask break`: promises broken on purpose, to see that the tests turn red.
//!
//! Each break changes a line or two in a copy of the tree under `target/break` and runs the tests
//! there. A break that no test notices is the failure. The list is in CONTRIBUTING.md, too.

use std::path::Path;
use std::process::Command;

use crate::run::{Failure, read, root, say};

/// A promise, how it is broken, and who has to notice.
struct Break {
    name: &'static str,
    promise: &'static str,
    /// File, what stands there once, what takes its place.
    changes: &'static [(&'static str, &'static str, &'static str)],
    /// Packages whose tests are run.
    packages: &'static [&'static str],
    /// A test that has to turn red.
    red: &'static str,
}

const BREAKS: [Break; 8] = [
    Break {
        name: "no-sync",
        promise: "a 250 comes after the message is on stable storage",
        changes: &[(
            "crates/store/src/body/append.rs",
            "if let Err(error) = open.file.sync() {",
            "if let Err(error) = io::Result::Ok(()) {",
        )],
        packages: &["mailwright-store"],
        red: "a_power_cut_at_any_step_loses_nothing_acknowledged",
    },
    Break {
        name: "bare-newline",
        promise: "only CRLF ends a line",
        changes: &[(
            "crates/smtp/src/body.rs",
            "BareNewlines::Refuse => self.flaw = self.flaw.or(Some(Flaw::BareNewline)),",
            "BareNewlines::Refuse => out.extend_from_slice(b\"\\r\\n\"),",
        )],
        packages: &["mailwright-smtp", "mailwright-testkit"],
        red: "every_transcript_plays_however_its_input_is_cut",
    },
    Break {
        name: "open-relay",
        promise: "strangers may not relay",
        changes: &[(
            "crates/intake/src/policy.rs",
            "Resolved::Relay if !client.may_relay() => {",
            "Resolved::Relay if client.recipients_max == 0 => {",
        )],
        packages: &["mailwright-intake", "mailwright-serve"],
        red: "recipients_are_taken_by_role",
    },
    Break {
        name: "stranger-settles",
        promise: "a claim is settled by its owner alone",
        changes: &[(
            "crates/store/src/queue/settle.rs",
            "\"DELETE FROM recipient
         WHERE id = :id AND owner_node = :node AND owner_epoch = :epoch\",",
            "\"DELETE FROM recipient
         WHERE id = :id AND (owner_node = :node OR owner_epoch <> :epoch OR 1 = 1)\",",
        )],
        packages: &["mailwright-store"],
        red: "a_claim_settled_by_a_stranger_changes_nothing",
    },
    Break {
        name: "duplicate",
        promise: "a message is once in a mailbox, also when its settling was lost in a crash",
        changes: &[
            (
                "crates/store/src/mailbox/delivery.rs",
                "ON CONFLICT (origin, first_mailbox) DO NOTHING",
                "ON CONFLICT (id) DO NOTHING",
            ),
            (
                "crates/store/migrations/0001_first.sql",
                "UNIQUE (origin, first_mailbox)",
                "UNIQUE (id, origin, first_mailbox)",
            ),
        ],
        packages: &["mailwright-store"],
        red: "a_message_of_the_spool_arrives_once_in_a_folder",
    },
    Break {
        name: "sign-early",
        promise: "a signature is over the octets that are sent",
        changes: &[(
            "crates/deliver/src/sign.rs",
            "let cell = self.cell((signing.message, room, self.turn(signing.lifetime)));",
            "let cell = self.cell((signing.message, room.and(None), self.turn(signing.lifetime)));",
        )],
        packages: &["mailwright-deliver"],
        red: "a_signature_is_over_the_octets_that_are_sent",
    },
    Break {
        name: "bogus-tlsa",
        promise: "nothing of the DNS counts that is signed wrongly",
        changes: &[(
            "crates/net/src/dns/proof.rs",
            "if all.any(|record| record.proof.is_bogus()) {",
            "if all.any(|record| record.proof.is_bogus() && !record.proof.is_bogus()) {",
        )],
        packages: &["mailwright-net"],
        red: "a_bogus_record_is_no_answer",
    },
    Break {
        name: "skip-alignment",
        promise: "what is proved counts for the author's own domain alone",
        changes: &[(
            "crates/mailauth/src/dmarc/walk.rs",
            "        if identifier == author {",
            "        if identifier == author || !identifier.is_empty() {",
        )],
        packages: &["mailwright-mailauth"],
        red: "alignments_come_out_as_the_table_says",
    },
];

/// Breaks each promise, or the one of this name, and tells which tests turn red.
///
/// Errors: a break that its test does not notice.
pub(crate) fn breaks(name: Option<&str>) -> Result<(), Failure> {
    let chosen: Vec<&Break> =
        BREAKS.iter().filter(|one| name.is_none_or(|name| name == one.name)).collect();
    if chosen.is_empty() {
        let names = BREAKS.map(|one| one.name).join(", ");
        return Err(Failure(format!("no such break; there are: {names}")));
    }
    let tree = root().join("target/break/tree");
    copy(&tree)?;
    for one in chosen {
        let red = one.run(&tree)?;
        say(&format!("{}: {}\n  red: {}", one.name, one.promise, red.join(", ")));
    }
    Ok(())
}

impl Break {
    /// The tests that turn red.
    fn run(&self, tree: &Path) -> Result<Vec<String>, Failure> {
        for (file, old, new) in self.changes {
            let text = std::fs::read_to_string(tree.join(file))?;
            if text.matches(old).count() != 1 {
                return Err(Failure(format!("{}: {file} has not once: {old}", self.name)));
            }
            std::fs::write(tree.join(file), text.replace(old, new))?;
        }
        let outcome = self.test(tree);
        for (file, ..) in self.changes {
            std::fs::copy(root().join(file), tree.join(file))?;
        }
        let red = outcome?;
        if red.iter().any(|test| test.ends_with(self.red)) {
            return Ok(red);
        }
        Err(Failure(format!("{} is broken, and {} does not notice", self.name, self.red)))
    }

    fn test(&self, tree: &Path) -> Result<Vec<String>, Failure> {
        let mut command = Command::new("cargo");
        command.args(["test", "--no-fail-fast"]);
        command.args(self.packages.iter().flat_map(|package| ["--package", package]));
        let target = root().join("target/break/target");
        let output = command
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", target)
            .env("RUST_BACKTRACE", "0")
            .output()
            .map_err(|error| Failure(format!("cannot run cargo test: {error}")))?;
        let told = String::from_utf8_lossy(&output.stdout);
        if !told.contains("test result: ") {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure(format!("{}: it does not compile:\n{errors}", self.name)));
        }
        let red = |line: &str| {
            let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
            Some(name.to_owned())
        };
        Ok(told.lines().filter_map(red).collect())
    }
}

/// Copies what git knows or would add. A file that is the same keeps its time, so that only what
/// changed is built again.
fn copy(tree: &Path) -> Result<(), Failure> {
    let list = read("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    for path in list.lines() {
        let (from, to) = (root().join(path), tree.join(path));
        if !from.is_file() || std::fs::read(&to).ok() == std::fs::read(&from).ok() {
            continue;
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(&from, &to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_break_finds_what_it_breaks_and_names_a_test_that_is_there() {
        let sources = crate::tidy::sources().unwrap();
        for one in BREAKS {
            for (file, old, new) in one.changes {
                let text = std::fs::read_to_string(root().join(file)).unwrap();
                assert_eq!(text.matches(old).count(), 1, "{}: {file}: {old}", one.name);
                assert!(!text.contains(new), "{}: {file}", one.name);
            }
            let test = format!("fn {}()", one.red);
            assert!(sources.iter().any(|source| source.text.contains(&test)), "{test}");
        }
    }

    #[test]
    fn the_list_for_people_has_every_break() {
        let page = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
        for one in BREAKS {
            assert!(page.contains(&format!("| `{}` |", one.name)), "{}", one.name);
            assert!(page.contains(one.red), "{}", one.red);
        }
    }
}
