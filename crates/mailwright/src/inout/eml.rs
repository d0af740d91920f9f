//! A file for each message.
//!
//! An export names a file after UID and flags, `0000000012,FS.eml`, with the letters that Maildir
//! has for flags, and gives it the time at which the message was received.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use super::{
    Head, MESSAGE_MAX, maildir, mbox,
    name::{files, from_path, to_path},
    pen::Pen,
};

/// Reads one file, or all below a folder.
pub(super) fn read(source: &Path, pen: &mut Pen) -> io::Result<()> {
    if !source.is_dir() {
        return message(source, "", pen);
    }
    for (folder, path) in files(source, ".eml")? {
        message(&path, &from_path(&folder), pen)?;
    }
    Ok(())
}

fn message(path: &Path, folder: &str, pen: &mut Pen) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    pen.read(metadata.len());
    if metadata.len() > MESSAGE_MAX {
        return pen.leave_out(&format!("{} is too large", path.display()));
    }
    let bytes = fs::read(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let received = maildir::modified(&metadata);
    match name.as_deref().and_then(letters) {
        Some(letters) => pen.put(folder, (maildir::flags(letters, &[]), received), &bytes),
        None => pen.put(folder, (Vec::new(), mbox::sent(&bytes).or(received)), &bytes),
    }
}

/// The flags in a name of ours.
fn letters(name: &str) -> Option<&str> {
    let (uid, letters) = name.strip_suffix(".eml")?.split_once(',')?;
    let ours = uid.len() == 10 && uid.bytes().all(|byte| byte.is_ascii_digit());
    (ours && letters.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(letters)
}

/// Writes one message.
pub(super) fn write(target: &Path, head: &Head, bytes: &mut impl Read) -> io::Result<()> {
    let folder = target.join(to_path(&head.folder));
    fs::create_dir_all(&folder)?;
    let letters = maildir::letters(&head.flags);
    let mut file = File::create_new(folder.join(format!("{:010},{letters}.eml", head.uid)))?;
    io::copy(bytes, &mut file)?;
    maildir::set_modified(&file, head)
}
