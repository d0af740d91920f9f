//! Names of folders as names of files, and back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The name of a folder as a path below another; nothing in it leads out of that.
pub(super) fn to_path(name: &str) -> PathBuf {
    name.split('/').map(part).collect()
}

/// One level: a dot in front, control letters and `%` are written as `%` and two digits.
fn part(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.char_indices() {
        if letter == '%' || letter.is_ascii_control() || (place == 0 && letter == '.') {
            let code = u32::from(letter);
            let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
            out.extend(['%', digit(code >> 4), digit(code & 15)]);
        } else {
            out.push(letter);
        }
    }
    if out.is_empty() { "%".to_owned() } else { out }
}

/// The name that a path was made from.
pub(super) fn from_path(path: &Path) -> String {
    let parts = path.iter().map(|part| plain(&part.to_string_lossy()));
    parts.collect::<Vec<_>>().join("/")
}

fn plain(part: &str) -> String {
    let mut out = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let coded = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match coded.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None if part == "%" => return String::new(),
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The files below a folder whose names end so, with the folder each is in, in order.
pub(super) fn files(folder: &Path, end: &str) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    collect(folder, Path::new(""), end, &mut found)?;
    Ok(found)
}

fn collect(
    root: &Path,
    below: &Path,
    end: &str,
    found: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<()> {
    let mut entries = fs::read_dir(root.join(below))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            collect(root, &below.join(&name), end, found)?;
        } else if kind.is_file() && name.to_ascii_lowercase().ends_with(end) {
            found.push((below.to_owned(), entry.path()));
        }
    }
    Ok(())
}

/// A name of a folder in a Maildir++: levels parted by dots, in modified UTF-7.
pub(super) fn to_maildir(name: &str) -> String {
    let mut out = String::from(".");
    let mut units = Vec::new();
    for letter in name.chars() {
        match letter {
            '/' => {
                flush(&mut units, &mut out);
                out.push('.');
            }
            '&' => {
                flush(&mut units, &mut out);
                out.push_str("&-");
            }
            // A dot of a name would be the end of a level.
            _ if letter == '.' || !(letter.is_ascii_graphic() || letter == ' ') => {
                units.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
            }
            _ => {
                flush(&mut units, &mut out);
                out.push(letter);
            }
        }
    }
    flush(&mut units, &mut out);
    out
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn flush(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    let bits: Vec<bool> = units
        .drain(..)
        .flat_map(|unit| (0..16).rev().map(move |bit| unit >> bit & 1 == 1))
        .collect();
    out.push('&');
    for six in bits.chunks(6) {
        let value =
            six.iter().fold(0, |value, bit| value << 1 | usize::from(*bit)) << (6 - six.len());
        out.push(LETTERS.get(value).map_or('A', |letter| char::from(*letter)));
    }
    out.push('-');
}

/// The name of the folder that a directory of a Maildir++ is; bytes that are not coded stay.
pub(super) fn from_maildir(directory: &str) -> String {
    let name = directory.strip_prefix('.').unwrap_or(directory).replace('.', "/");
    let mut out = String::new();
    let mut rest = name.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let coded = after.split_once('-');
        if let Some((text, tail)) = coded.and_then(|(coded, tail)| Some((run(coded)?, tail))) {
            out.push_str(&text);
            rest = tail;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn run(coded: &str) -> Option<String> {
    if coded.is_empty() {
        return Some("&".to_owned());
    }
    let mut bits = Vec::new();
    for letter in coded.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let unit = |bits: &[bool]| bits.iter().fold(0_u16, |unit, bit| unit << 1 | u16::from(*bit));
    let units: Vec<u16> = bits.chunks_exact(16).map(unit).collect();
    String::from_utf16(&units).ok().filter(|text| !text.is_empty() && !text.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_as_paths_and_stay_below() {
        for name in ["INBOX", "a/b", "../../etc", "a//b", ".x", "50%", "%41", "\u{fc}ber/\n", "%"] {
            let path = to_path(name);
            assert_eq!(from_path(&path), name);
            assert!(path.components().all(|one| matches!(one, std::path::Component::Normal(_))));
        }
    }

    #[test]
    fn names_survive_in_a_maildir() {
        for (name, directory) in [
            ("Sent", ".Sent"),
            ("a/b", ".a.b"),
            ("v1.2", ".v1&AC4-2"),
            ("Entw\u{fc}rfe", ".Entw&APw-rfe"),
            ("A&B", ".A&-B"),
            ("\u{1f600}", ".&2D3eAA-"),
        ] {
            assert_eq!(to_maildir(name), directory);
            assert_eq!(from_maildir(directory), name);
        }
        assert_eq!(from_maildir(".odd&name"), "odd&name");
    }
}
