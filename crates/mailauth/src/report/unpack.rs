//! Takes a report out of its archive.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::{REPORT_MAX, ReportError};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZIP: &[u8] = b"PK\x03\x04";
/// The mark that some writers put before UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file is an archive.
pub(super) fn is_packed(file: &[u8]) -> bool {
    file.starts_with(GZIP) || file.starts_with(ZIP)
}

/// A text without the mark of its encoding.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The octets of the report in a file. A zip archive has one: its first file; what else is in it
/// is not unpacked.
pub(super) fn unpack(file: &[u8]) -> Result<Cow<'_, [u8]>, ReportError> {
    let broken =
        |error: &dyn std::fmt::Display| ReportError::Packed(super::plain(&error.to_string()));
    if file.starts_with(GZIP) {
        return read(MultiGzDecoder::new(file)).map(Cow::Owned);
    }
    if !file.starts_with(ZIP) {
        return if file.len() > REPORT_MAX { Err(ReportError::Large) } else { Ok(file.into()) };
    }
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|error| broken(&error))?;
    let names: Vec<&str> = archive.file_names().take(10).collect();
    let name = names.iter().find(|name| !name.ends_with('/')).map(|name| (*name).to_owned());
    let Some(name) = name else { return Err(ReportError::Unknown) };
    let entry = archive.by_name(&name).map_err(|error| broken(&error))?;
    read(entry).map(Cow::Owned)
}

/// Reads to the end, or to the limit.
fn read(reader: impl Read) -> Result<Vec<u8>, ReportError> {
    let mut text = Vec::new();
    let most = u64::try_from(REPORT_MAX).unwrap_or(u64::MAX);
    reader
        .take(most.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|error| ReportError::Packed(super::plain(&error.to_string())))?;
    if text.len() > REPORT_MAX { Err(ReportError::Large) } else { Ok(text) }
}
