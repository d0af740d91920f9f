//! `mailwright backup` and `mailwright restore`.
//!
//! The server prints an archive; this process, which has the person's rights, writes it or what is
//! in it. What is written has another name until all of it is on stable storage.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use mailwright_config::Config;
use mailwright_net::{Clock as _, System};
use mailwright_store::backup;

use crate::{Failure, archive, files, output::Output, privilege, remote, stdout::stdout};

/// Writes a backup to a new folder or file.
pub(crate) async fn backup(target: PathBuf, config: Config) -> Result<ExitCode, Failure> {
    if target.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("{} is there already", target.display())));
    }
    let frames = remote::part(&["snapshot"], config, tokio::io::empty()).await?;
    let output = Output::new(frames);
    let shown = target.display().to_string();
    let written = tokio::task::spawn_blocking(move || write(output, &target))
        .await
        .map_err(|error| Failure::of("writing the backup", &error))?;
    written.map_err(|error| Failure::of(&format!("cannot write {shown}"), &error))?;
    Ok(ExitCode::SUCCESS)
}

fn write(mut output: Output, target: &Path) -> io::Result<()> {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let as_file = target.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
    let done = if as_file {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
        file.and_then(|mut file| {
            io::copy(&mut output, &mut file)?;
            file.sync_all()
        })
    } else {
        unpack(&mut output, &part)
    };
    if let Err(error) = done {
        let removed = if as_file { fs::remove_file(&part) } else { fs::remove_dir_all(&part) };
        // The first error is the one that tells what happened.
        return removed.and(Err(error));
    }
    fs::rename(&part, target)?;
    let above = target.parent().filter(|above| !above.as_os_str().is_empty());
    files::sync_folder(above.unwrap_or_else(|| Path::new(".")))
}

/// Makes the files of an archive in a folder, all of them on stable storage at the end.
fn unpack(from: &mut impl Read, folder: &Path) -> io::Result<()> {
    files::make_folder(folder)?;
    while let Some(entry) = archive::next(from)? {
        let path = files::below(folder, &entry.name)?;
        if let Some(above) = path.parent() {
            files::make_folder(above)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(entry.mode).open(&path)?;
        if io::copy(&mut from.take(entry.length), &mut file)? < entry.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.sync_all()?;
        let padding = u64::try_from(archive::padding(entry.length).len()).unwrap_or(0);
        io::copy(&mut from.take(padding), &mut io::sink())?;
    }
    // To the very end: what comes there says whether all went well.
    io::copy(from, &mut io::sink())?;
    files::sync_tree(folder)
}

/// Fills the data folder, which must be empty, from a backup.
pub(crate) fn restore(
    source: &Path,
    config: &Config,
    same_uids: bool,
) -> Result<ExitCode, Failure> {
    let data = &config.server.data;
    files::new_folder(data)?;
    let shown = source.display();
    let failed = |error: io::Error| Failure::of(&format!("cannot restore {shown}"), &error);
    if source.is_dir() {
        copy(source, data).map_err(failed)?;
        files::sync_tree(data)?;
    } else {
        let mut file = io::BufReader::new(File::open(source).map_err(failed)?);
        unpack(&mut file, data).map_err(failed)?;
    }
    if !data.join("mailwright.db").is_file() {
        return Err(Failure::new(format!("{shown} is no backup: it has no mailwright.db")));
    }
    backup::forget_index(data).map_err(|error| Failure::of("cannot remove the index", &error))?;
    if !same_uids {
        backup::adopt(data, System::new().now())
            .map_err(|error| Failure::of("cannot use the restored data", &error))?;
    }
    privilege::hand_over(&config.server)?;
    let data = data.display();
    writeln!(stdout(), "Restored to {data}. Next:\n  mailwright doctor store")?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the files of a folder and those below it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    files::make_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}
