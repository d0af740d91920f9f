//! Names of another server's folders as names of ours.

use mailwright_imap::client::{Listed, read_name};
use sha2::{Digest as _, Sha256};

/// What folders of ours may be for.
const USES: [&str; 5] = ["\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"];
/// Uses of folders that show what others have.
const SHOWN_ELSEWHERE: [&str; 3] = ["\\All", "\\Flagged", "\\Important"];
/// Octets of a name; a longer one is cut, and told apart by a checksum.
const NAME_MAX: usize = 200;
/// Levels of a name; those below are joined.
const LEVELS_MAX: usize = 20;

/// The name of ours for a folder, without what stands before all personal names there.
pub(super) fn ours(listed: &Listed, prefix: &[u8]) -> String {
    if listed.name.eq_ignore_ascii_case(b"INBOX") {
        return "INBOX".to_owned();
    }
    let name = listed.name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    let name = name.unwrap_or(&listed.name);
    let separator = listed.separator.and_then(|letter| u8::try_from(letter).ok());
    // Parted as it came: a letter that is coded parts nothing.
    let levels = name.split(|octet| Some(*octet) == separator).map(level);
    let mut levels: Vec<String> = levels.collect();
    if levels.len() > LEVELS_MAX {
        let below = levels.split_off(LEVELS_MAX - 1);
        levels.push(below.join("_"));
    }
    if let Some(first) = levels.first_mut().filter(|first| first.eq_ignore_ascii_case("INBOX")) {
        "INBOX".clone_into(first);
    }
    short(levels.join("/"))
}

/// A level that a folder of ours can have.
fn level(octets: &[u8]) -> String {
    let may_be = |letter: char| !letter.is_control() && !matches!(letter, '/' | '%' | '*');
    let name = read_name(octets);
    let name: String = name.chars().map(|c| if may_be(c) { c } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

fn short(name: String) -> String {
    if name.len() <= NAME_MAX {
        return name;
    }
    let sum = Sha256::digest(name.as_bytes());
    let sum = sum.first_chunk::<4>().map_or(0, |octets| u32::from_be_bytes(*octets));
    let end = name.floor_char_boundary(NAME_MAX);
    format!("{}~{sum:08x}", name.get(..end).unwrap_or_default().trim_end_matches('/'))
}

/// What a folder is for, as ours are.
pub(super) fn special_use(listed: &Listed) -> Option<String> {
    USES.iter().find(|name| listed.is(name)).map(|name| (*name).to_owned())
}

/// Whether a folder only shows what others have.
pub(super) fn is_shown_elsewhere(listed: &Listed) -> bool {
    SHOWN_ELSEWHERE.iter().any(|name| listed.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8], separator: Option<char>, prefix: &[u8]) -> String {
        ours(&Listed { attributes: Vec::new(), separator, name: name.to_vec() }, prefix)
    }

    #[test]
    fn names_keep_their_levels_and_letters() {
        for (name, separator, prefix, want) in [
            (&b"inbox"[..], Some('.'), &b"INBOX."[..], "INBOX"),
            (b"INBOX.Sent.2024", Some('.'), b"INBOX.", "Sent/2024"),
            (b"Inbox/Work", Some('/'), b"", "INBOX/Work"),
            (b"a/b.c", Some('.'), b"", "a_b/c"),
            (b"v1&AC4-2", Some('.'), b"", "v1.2"),
            (b"Entw&APw-rfe", Some('/'), b"", "Entw\u{fc}rfe"),
            (b"R&D", Some('/'), b"", "R&D"),
            (b"50%*", None, b"", "50__"),
            (b"a//b", Some('/'), b"", "a/_/b"),
            (b"a\\b", Some('\\'), b"", "a/b"),
            ("\u{fc}".as_bytes(), Some('/'), b"", "\u{fc}"),
        ] {
            assert_eq!(named(name, separator, prefix), want);
        }
        let deep = named(&b"x.".repeat(30), Some('.'), b"");
        assert_eq!(deep.split('/').count(), LEVELS_MAX);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = ("\u{fc}".repeat(150), format!("{}x", "\u{fc}".repeat(150)));
        let (one, two) = (named(one.as_bytes(), None, b""), named(two.as_bytes(), None, b""));
        assert!(one != two && one.len() <= NAME_MAX + 9 && two.len() <= NAME_MAX + 9);
    }
}
