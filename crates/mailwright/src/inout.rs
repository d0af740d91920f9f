//! `mailwright import` and `mailwright export`: messages from and to files of other programs, and
//! from other servers.
//!
//! This process reads and writes the files, with the person's rights, and speaks with the other
//! server; a part of it, or the running server, has the store. Messages keep their bytes, but that
//! a line ends with CRLF in a store: an import writes it so where a file has LF alone.

mod eml;
mod maildir;
mod mbox;
mod name;
mod pen;
mod server;
mod wire;

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use mailwright_config::Config;
use mailwright_net::control::Frame;
use tokio::{runtime::Handle, sync::mpsc};

use self::pen::{Pen, Progress};
pub(crate) use self::wire::{HEAD_MAX, Head, KNOWN};
use crate::{
    Failure,
    cli::{Export, Format, Import},
    files,
    output::Output,
    remote,
    stdout::stdout,
};

/// Octets on their way to the part that has the store.
const PIPE: usize = 1 << 20;
/// Messages up to this size are imported; each is in memory once.
const MESSAGE_MAX: u64 = 256 << 20;

/// Puts messages into an account.
pub(crate) async fn import(import: Import, config: Config) -> Result<ExitCode, Failure> {
    if let Some(place) = server::Place::of(&import.source) {
        return Box::pin(server::import(import, place?, config)).await;
    }
    let shown = import.source.display().to_string();
    let failed = |error: io::Error| Failure::of(&format!("cannot read {shown}"), &error);
    let format = import.format.map_or_else(|| guess(&import.source), Ok).map_err(failed)?;
    let progress = Arc::new(Progress::new(size(&import.source).map_err(failed)?));
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let frames = remote::part(&take(&import), config, theirs).await?;
    let mut pen = Pen::new(ours, Handle::current(), Arc::clone(&progress), import.folder);
    let source = import.source;
    let reading = tokio::task::spawn_blocking(move || {
        match format {
            Format::Mbox => mbox::read(&source, &mut pen),
            Format::Maildir => maildir::read(&source, &mut pen),
            Format::Eml => eml::read(&source, &mut pen),
        }?;
        pen.finish()
    });
    let counts = listen(frames, &progress, None).await;
    let read = reading.await.map_err(|error| Failure::of("reading the source", &error))?;
    let counts = counts?;
    tell(&counts, read.map_err(failed)?)
}

/// The command that takes what is imported.
fn take(import: &Import) -> Vec<&str> {
    let mut arguments = vec!["take", import.address.as_str()];
    arguments.extend(import.again.then_some("--again"));
    arguments
}

/// Says what an import came to.
fn tell(counts: &Counts, skipped: u64) -> Result<ExitCode, Failure> {
    let &Counts { new, before, refused } = counts;
    let mut sum = format!("{new} messages imported, {before} were there before");
    for (count, what) in [(refused, "refused"), (skipped, "left out")] {
        if count > 0 {
            sum = format!("{sum}, {count} {what}");
        }
    }
    writeln!(stdout(), "{sum}")?;
    Ok(if refused + skipped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What became of the messages.
#[derive(Debug, Default)]
struct Counts {
    new: u64,
    before: u64,
    refused: u64,
}

/// Hears what becomes of each message, to the end; answers to questions go to `asked`.
async fn listen(
    mut frames: mpsc::Receiver<Frame>,
    progress: &Progress,
    asked: Option<mpsc::Sender<String>>,
) -> Result<Counts, Failure> {
    let (mut counts, mut rest) = (Counts::default(), Vec::new());
    while let Some(frame) = frames.recv().await {
        match frame {
            Frame::Output(bytes) => rest.extend_from_slice(&bytes),
            Frame::Error(text) => {
                progress.clear()?;
                io::stderr().write_all(text.as_bytes())?;
            }
            Frame::Exit(0) => {
                progress.clear()?;
                return Ok(counts);
            }
            Frame::Exit(_) => break,
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match (line.trim_end(), &asked) {
                ("new", _) => counts.new += 1,
                ("before", _) => counts.before += 1,
                (answer, Some(asked)) if answer.starts_with(KNOWN) => {
                    // Who asked may be gone; the messages before still count.
                    asked.send(answer.replacen(KNOWN, "", 1)).await.unwrap_or_default();
                }
                (other, _) => {
                    counts.refused += 1;
                    progress.clear()?;
                    writeln!(io::stderr(), "{other}")?;
                }
            }
        }
        progress.draw(counts.new + counts.before + counts.refused)?;
    }
    progress.clear()?;
    Err(Failure::new("the import stopped; run again, it goes on where it was"))
}

/// What a source looks like.
fn guess(source: &Path) -> io::Result<Format> {
    if source.is_dir() {
        if source.join("cur").is_dir() {
            return Ok(Format::Maildir);
        }
        let mboxes = name::files(source, ".mbox")?;
        return Ok(if mboxes.is_empty() { Format::Eml } else { Format::Mbox });
    }
    let mut start = Vec::new();
    fs::File::open(source)?.take(5).read_to_end(&mut start)?;
    Ok(if start == b"From " || start.is_empty() { Format::Mbox } else { Format::Eml })
}

/// Octets of a file, or of all below a folder.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0_u64;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let below = if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
        sum = sum.saturating_add(below);
    }
    Ok(sum)
}

/// Writes an account's messages to files.
pub(crate) async fn export(export: Export, config: Config) -> Result<ExitCode, Failure> {
    files::new_folder(&export.target)?;
    let mut arguments = vec!["give", &export.address];
    if let Some(folder) = &export.folder {
        arguments.extend(["--folder", folder]);
    }
    let frames = remote::part(&arguments, config, tokio::io::empty()).await?;
    let (format, target) = (export.format, export.target);
    let shown = target.display().to_string();
    let count = tokio::task::spawn_blocking(move || write(frames, format, &target))
        .await
        .map_err(|error| Failure::of("writing", &error))?
        .map_err(|error| Failure::of(&format!("cannot write all to {shown}"), &error))?;
    writeln!(stdout(), "{count} messages written to {shown}")?;
    Ok(ExitCode::SUCCESS)
}

fn write(frames: mpsc::Receiver<Frame>, format: Format, target: &Path) -> io::Result<u64> {
    let mut input = BufReader::with_capacity(PIPE, Output::new(frames));
    let mut maildir = maildir::Writer::new(target);
    let mut count = 0;
    while let Some(head) = Head::next(&mut input)? {
        let mut bytes = input.by_ref().take(head.length);
        match format {
            Format::Mbox => mbox::write(target, &head, &mut bytes)?,
            Format::Maildir => maildir.write(&head, &mut bytes)?,
            Format::Eml => eml::write(target, &head, &mut bytes)?,
        }
        if bytes.limit() > 0 && bytes.fill_buf()?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        count += 1;
    }
    Ok(count)
}
