//! Maildir, with subfolders as in Maildir++.
//!
//! Flags are letters at the end of a file's name, keywords small letters whose meaning stands in a
//! file `dovecot-keywords`; the file's time is when the message was received.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::{
    Head, MESSAGE_MAX,
    name::{from_maildir, to_maildir},
    pen::Pen,
};

/// The file that says what small letters mean.
const KEYWORDS: &str = "dovecot-keywords";
/// Letters of flags, in the order in which they are written.
const FLAGS: [(char, &str); 6] = [
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('P', "$Forwarded"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];

/// Reads a Maildir and the folders in it.
pub(super) fn read(source: &Path, pen: &mut Pen) -> io::Result<()> {
    folder(source, "", pen)?;
    let mut entries = fs::read_dir(source)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && entry.path().join("cur").is_dir() {
            folder(&entry.path(), &from_maildir(&name), pen)?;
        }
    }
    Ok(())
}

fn folder(path: &Path, name: &str, pen: &mut Pen) -> io::Result<()> {
    let keywords = fs::read_to_string(path.join(KEYWORDS)).unwrap_or_default();
    let keywords: Vec<String> =
        keywords.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect();
    let mut files = Vec::new();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(path.join(part))? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_file() && !file.starts_with('.') {
                files.push((delivered(&file), file, entry.path()));
            }
        }
    }
    files.sort();
    for (_, file, path) in files {
        let metadata = fs::metadata(&path)?;
        pen.read(metadata.len());
        if metadata.len() > MESSAGE_MAX {
            pen.leave_out(&format!("{} is too large", path.display()))?;
            continue;
        }
        let letters = file.rsplit_once(":2,").map_or("", |(_, letters)| letters);
        let flags = flags(letters, &keywords);
        pen.put(name, (flags, modified(&metadata)), &fs::read(&path)?)?;
    }
    Ok(())
}

/// The second in which a file was delivered, which its name begins with.
fn delivered(name: &str) -> u64 {
    name.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// The flags that letters stand for.
pub(super) fn flags(letters: &str, keywords: &[String]) -> Vec<String> {
    let of = |letter: char| {
        if letter.is_ascii_lowercase() {
            let place = usize::try_from(u32::from(letter) - u32::from('a')).ok()?;
            return keywords.get(place).cloned();
        }
        FLAGS.iter().find(|(known, _)| *known == letter).map(|(_, flag)| (*flag).to_owned())
    };
    letters.chars().filter_map(of).collect()
}

/// The letters for flags; keywords have none.
pub(super) fn letters(flags: &[String]) -> String {
    let is_set = |flag: &str| flags.iter().any(|one| one.eq_ignore_ascii_case(flag));
    FLAGS.iter().filter(|(_, flag)| is_set(flag)).map(|(letter, _)| letter).collect()
}

/// When a file was last written, in milliseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// Gives a file the time at which the message was received.
pub(super) fn set_modified(file: &File, head: &Head) -> io::Result<()> {
    let Some(ms) = head.date.and_then(|ms| u64::try_from(ms).ok()) else { return Ok(()) };
    file.set_modified(UNIX_EPOCH + Duration::from_millis(ms))
}

/// Writes a Maildir.
pub(super) struct Writer {
    target: PathBuf,
    /// The keywords of each folder that was begun, in the order of their letters.
    folders: HashMap<PathBuf, Vec<String>>,
}

impl Writer {
    pub(super) fn new(target: &Path) -> Self {
        Self { target: target.to_owned(), folders: HashMap::new() }
    }

    /// Writes one message.
    pub(super) fn write(&mut self, head: &Head, bytes: &mut impl Read) -> io::Result<()> {
        let folder = match head.folder.as_str() {
            "INBOX" => self.target.clone(),
            name => self.target.join(to_maildir(name)),
        };
        if !self.folders.contains_key(&folder) {
            self.begin(&self.target.clone())?;
            self.begin(&folder)?;
        }
        let mut letters = letters(&head.flags);
        letters.push_str(&self.keywords(&folder, &head.flags)?);
        let seconds = head.date.unwrap_or(0).div_euclid(1000);
        let (uid, length) = (head.uid, head.length);
        let name = format!("{seconds}.U{uid:010}.mailwright,S={length}:2,{letters}");
        let mut file = File::create_new(folder.join("cur").join(name))?;
        io::copy(bytes, &mut file)?;
        set_modified(&file, head)
    }

    fn begin(&mut self, folder: &Path) -> io::Result<()> {
        if self.folders.contains_key(folder) {
            return Ok(());
        }
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(part))?;
        }
        if folder != self.target {
            File::create(folder.join("maildirfolder"))?;
        }
        self.folders.insert(folder.to_owned(), Vec::new());
        Ok(())
    }

    /// The letters of keywords, of which a folder has 26; further ones are left out.
    fn keywords(&mut self, folder: &Path, flags: &[String]) -> io::Result<String> {
        let Some(known) = self.folders.get_mut(folder) else { return Ok(String::new()) };
        let before = known.len();
        let mut letters = String::new();
        for flag in flags.iter().filter(|flag| !flag.starts_with('\\') && *flag != "$Forwarded") {
            let place = known.iter().position(|one| one.eq_ignore_ascii_case(flag));
            let place = place.unwrap_or_else(|| {
                known.push(flag.clone());
                known.len() - 1
            });
            letters.extend(('a'..='z').nth(place));
        }
        known.truncate(26);
        if known.len() > before {
            let lines = known.iter().enumerate().map(|(place, name)| format!("{place} {name}\n"));
            fs::write(folder.join(KEYWORDS), lines.collect::<String>())?;
        }
        Ok(letters)
    }
}
