//! Mbox: many messages in a file, each behind a line that begins with `From `.
//!
//! What is written is mboxrd: a line of a body that begins with `From `, or with `>` and it, gets
//! one `>` more. What is read may also be mboxo, or mboxcl2, whose bodies are as long as their
//! Content-Length says and are not quoted. Flags stand in Status, X-Status and X-Keywords fields,
//! which belong to the file and not to the message. Source: RFC 4155.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use mailwright_mime::sent_date;
use mailwright_words::Timestamp;

use super::{
    Head, MESSAGE_MAX,
    name::{files, from_path, to_path},
    pen::Pen,
};

/// What a message begins with in the file.
const FROM: &[u8] = b"From ";
/// Octets of a header that are looked at.
const HEADER_MAX: usize = 1 << 20;
/// Flags of the standard, by field and letter.
const LETTERS: [(&str, char, &str); 5] = [
    ("Status", 'R', "\\Seen"),
    ("X-Status", 'A', "\\Answered"),
    ("X-Status", 'F', "\\Flagged"),
    ("X-Status", 'T', "\\Draft"),
    ("X-Status", 'D', "\\Deleted"),
];

/// Reads one file, or all `.mbox` files below a folder.
pub(super) fn read(source: &Path, pen: &mut Pen) -> io::Result<()> {
    if !source.is_dir() {
        return mbox(BufReader::new(File::open(source)?), "", pen);
    }
    for (folder, path) in files(source, ".mbox")? {
        let name = path.file_stem().map_or_else(|| Path::new(""), Path::new);
        mbox(BufReader::new(File::open(&path)?), &from_path(&folder.join(name)), pen)?;
    }
    Ok(())
}

/// A message that is being read.
#[derive(Default)]
struct Open {
    /// The line that began it.
    from: Vec<u8>,
    bytes: Vec<u8>,
    /// Where its body begins, once it does.
    body: Option<usize>,
    is_too_large: bool,
}

fn mbox<R: BufRead + Seek>(mut input: R, folder: &str, pen: &mut Pen) -> io::Result<()> {
    let (mut open, mut line): (Option<Open>, Vec<u8>) = (None, Vec::new());
    let mut after_blank = true;
    while read_line(&mut input, &mut line)? > 0 {
        pen.read(octets(&line));
        let begins = line.starts_with(FROM)
            && after_blank
            && (open.is_none() || is_dated(&line) || field_follows(&mut input)?);
        if begins {
            if let Some(done) = open.take() {
                finish(done, folder, pen)?;
            }
            open = Some(Open { from: line.clone(), ..Open::default() });
            after_blank = false;
            continue;
        }
        let is_blank = matches!(line.as_slice(), b"\n" | b"\r\n");
        let Some(message) = &mut open else {
            if is_blank {
                continue;
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no mbox: no line `From `"));
        };
        let header_ends = is_blank && message.body.is_none();
        take_line(message, &line);
        after_blank = is_blank;
        if header_ends {
            message.body = Some(message.bytes.len());
            after_blank = by_length(&mut input, message, pen)? || after_blank;
        }
    }
    open.map_or(Ok(()), |done| finish(done, folder, pen))
}

fn octets(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Reads a line, or a part of one that is longer than any message.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    input.take(MESSAGE_MAX).read_until(b'\n', line)
}

fn take_line(message: &mut Open, line: &[u8]) {
    if octets(&message.bytes).saturating_add(octets(line)) > MESSAGE_MAX {
        message.is_too_large = true;
        return;
    }
    let is_quoted = message.body.is_some() && line.starts_with(b">") && is_from(line);
    message.bytes.extend_from_slice(line.get(usize::from(is_quoted)..).unwrap_or_default());
}

/// Whether a line is `From `, behind any number of `>`.
fn is_from(line: &[u8]) -> bool {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    line.get(quotes..).is_some_and(|rest| rest.starts_with(FROM))
}

/// Whether a line has a time of day and a date, as one that begins a message should.
fn is_dated(line: &[u8]) -> bool {
    date(line).is_some()
}

/// The time in a line that begins a message; the sender may have blanks in it.
fn date(line: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_time =
        |word: &&str| word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit());
    words.iter().any(is_time).then_some(())?;
    (1..words.len().min(20)).find_map(|at| sent_date(words.get(at..)?.join(" ").as_bytes()))
}

/// Whether the next line is a header field, without taking it.
fn field_follows(input: &mut impl BufRead) -> io::Result<bool> {
    let next = input.fill_buf()?;
    let name = next.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
    Ok(name > 0 && next.get(name) == Some(&b':'))
}

/// Takes a body by its Content-Length, when that leads to the end of the message. Says whether.
fn by_length<R: BufRead + Seek>(input: &mut R, message: &mut Open, pen: &Pen) -> io::Result<bool> {
    let length = field(&message.bytes, "Content-Length").and_then(|text| text.parse::<u64>().ok());
    let room = MESSAGE_MAX.saturating_sub(octets(&message.bytes));
    let Some(length) = length.filter(|length| (1..=room).contains(length)) else {
        return Ok(false);
    };
    let here = input.stream_position()?;
    let Some(there) = here.checked_add(length).filter(|there| i64::try_from(*there).is_ok()) else {
        return Ok(false);
    };
    input.seek(SeekFrom::Start(there))?;
    let mut after = Vec::new();
    input.by_ref().take(9).read_to_end(&mut after)?;
    let end = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(here))?;
    let rest = after.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n'));
    let rest: Vec<u8> = rest.take(FROM.len()).copied().collect();
    let is_end = there == end || (there < end && (rest.is_empty() || rest == FROM));
    if !is_end {
        return Ok(false);
    }
    input.by_ref().take(length).read_to_end(&mut message.bytes)?;
    pen.read(length);
    // The blank line behind it is not the body's: one is put here, to be taken away at the end.
    if !message.bytes.ends_with(b"\n") {
        message.bytes.push(b'\n');
    }
    Ok(true)
}

/// The value of a field in a header.
fn field(bytes: &[u8], name: &str) -> Option<String> {
    let header = bytes.get(..bytes.len().min(HEADER_MAX)).unwrap_or_default();
    let mut lines = header.split_inclusive(|byte| *byte == b'\n');
    lines
        .by_ref()
        .take_while(|line| !matches!(*line, b"\n" | b"\r\n"))
        .find_map(|line| value(line, name))
}

/// The value in a line, if it is of that field.
fn value(line: &[u8], name: &str) -> Option<String> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let rest = start.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.strip_prefix(b":"))??;
    Some(String::from_utf8_lossy(rest).trim().to_owned())
}

/// When a message says it was sent.
pub(super) fn sent(bytes: &[u8]) -> Option<i64> {
    field(bytes, "Date").and_then(|text| sent_date(text.as_bytes())).map(Timestamp::ms)
}

/// Hands on a message that was read to its end.
fn finish(message: Open, folder: &str, pen: &mut Pen) -> io::Result<()> {
    let Open { from, mut bytes, is_too_large, .. } = message;
    if is_too_large {
        let line = String::from_utf8_lossy(&from).trim_end().to_owned();
        return pen.leave_out(&format!("a message that is too large, behind {line:?}"));
    }
    for end in [&b"\r\n"[..], b"\n"] {
        if let Some(rest) = bytes.strip_suffix(end)
            && (rest.ends_with(b"\n") || rest.is_empty())
        {
            bytes.truncate(rest.len());
            break;
        }
    }
    let (flags, bytes) = without_status(&bytes);
    let date = date(&from).map(Timestamp::ms).or_else(|| sent(&bytes));
    pen.put(folder, (flags, date), &bytes)
}

/// The flags that the header tells, and the message without the fields that tell them.
fn without_status(bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
    let (mut flags, mut out) = (Vec::new(), Vec::with_capacity(bytes.len()));
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for line in lines.by_ref() {
        let letters = ["Status", "X-Status"].map(|name| (name, value(line, name)));
        let told = letters.into_iter().find_map(|(name, value)| Some((name, value?)));
        if let Some((name, value)) = told {
            let of = LETTERS.iter().filter(|(field, ..)| *field == name);
            let set = of.filter(|(_, letter, _)| value.contains(*letter));
            flags.extend(set.map(|(.., flag)| (*flag).to_owned()));
        } else if let Some(names) = value(line, "X-Keywords") {
            let names = names.split([' ', ',']).filter(|name| !name.is_empty());
            flags.extend(names.map(str::to_owned));
        } else {
            out.extend_from_slice(line);
        }
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    for line in lines {
        out.extend_from_slice(line);
    }
    (flags, out)
}

/// Appends one message to the file of its folder.
pub(super) fn write(target: &Path, head: &Head, bytes: &mut impl BufRead) -> io::Result<()> {
    let mut path = target.join(to_path(&head.folder)).into_os_string();
    path.push(".mbox");
    if let Some(above) = Path::new(&path).parent() {
        fs::create_dir_all(above)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut out = BufWriter::new(file);
    writeln!(out, "From MAILER-DAEMON {}", asctime(head.date.unwrap_or(0)))?;
    out.write_all(status(&head.flags).as_bytes())?;
    let (mut line, mut in_body, mut ends) = (Vec::new(), false, true);
    while bytes.read_until(b'\n', &mut line)? > 0 {
        if in_body && is_from(&line) {
            out.write_all(b">")?;
        }
        in_body |= matches!(line.as_slice(), b"\n" | b"\r\n");
        ends = line.ends_with(b"\n");
        out.write_all(&line)?;
        line.clear();
    }
    out.write_all(if ends { b"\n" } else { b"\n\n" })?;
    out.flush()
}

/// A time as `Tue Nov 24 06:15:37 2026`, in UTC.
fn asctime(ms: i64) -> String {
    let text = Timestamp::new(ms).rfc5322();
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let word = |place: usize| words.get(place).copied().unwrap_or_default();
    let day = word(1).trim_start_matches('0');
    format!("{} {} {day:>2} {} {}", word(0), word(2), word(4), word(3))
}

/// The fields that tell the flags.
fn status(flags: &[String]) -> String {
    let is_set = |flag: &str| flags.iter().any(|one| one.eq_ignore_ascii_case(flag));
    let letters = |name: &str| -> String {
        let of = LETTERS.iter().filter(|(field, _, flag)| *field == name && is_set(flag));
        of.map(|(_, letter, _)| letter).collect()
    };
    let (seen, others) = (letters("Status"), letters("X-Status"));
    let keywords: Vec<&str> =
        flags.iter().map(String::as_str).filter(|flag| !flag.starts_with('\\')).collect();
    let mut out = String::new();
    for (name, value) in [
        ("Status", if seen.is_empty() { seen } else { format!("{seen}O") }),
        ("X-Status", others),
        ("X-Keywords", keywords.join(" ")),
    ] {
        if !value.is_empty() {
            out.extend([name, ": ", &value, "\r\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_messages_have_a_date_in_any_form() {
        for line in [
            "From ann@example.com Tue Nov 24 06:15:37 2026",
            "From MAILER-DAEMON Tue Nov  4 06:15:37 2026 +0100",
            "From \"a b\"@example.com Tue Nov 24 06:15:37 2026",
            "From - Tue Nov 24 06:15:37 2026",
        ] {
            assert!(is_dated(line.as_bytes()), "{line}");
        }
        assert!(!is_dated(b"From here on it is dark"));
    }

    #[test]
    fn a_time_is_written_as_asctime_does() {
        assert_eq!(asctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(date(b"From a Thu Jan  1 00:00:07 1970"), Some(Timestamp::new(7000)));
    }

    #[test]
    fn status_fields_are_read_and_taken_away() {
        let flags = ["\\Seen", "\\Flagged", "work"].map(str::to_owned);
        let message = format!("{}Subject: x\r\n\r\nStatus: A\r\n", status(&flags));
        let (read, rest) = without_status(message.as_bytes());
        assert_eq!(read, flags);
        assert_eq!(rest, b"Subject: x\r\n\r\nStatus: A\r\n");
    }
}
