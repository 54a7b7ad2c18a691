//! Packed charts: a gzipped tar archive, with what it may cost and where its paths may lead.

use std::{
    cell::Cell,
    io::{self, Read},
};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{
    Chart, File,
    error::{Error, Result},
    load, path,
};
use crate::limits::{Budget, Limits};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What an archive may need before each of its files' contents: headers, a long name, padding, directories.
const OVERHEAD: u64 = 1024 * 1024;

/// How many bytes a header of an archive has.
const BLOCK: u64 = 512;

/// How many bytes a gzip file begins with at least.
const GZIP_HEADER: usize = 10;

impl Chart {
    /// Loads a packed chart.
    ///
    /// # Errors
    /// [`Error`], with Helm's text where Helm refuses the archive too. Links, which Helm reads as empty files,
    /// are refused.
    pub fn load_archive(archive: &[u8], limits: &Limits) -> Result<Self> {
        let mut budget = Budget::new(limits);
        let files = read(archive, &mut budget)?;
        load::load(files, &mut budget)
    }
}

/// Unpacks an archive into files whose names are paths below its first directory.
pub(super) fn read(archive: &[u8], budget: &mut Budget) -> Result<Vec<File>> {
    let Limits {
        archive_bytes,
        unpacked_bytes,
        ..
    } = budget.limits;
    let size = archive.len() as u64;
    if size > archive_bytes {
        return Err(Error::ArchiveTooLarge {
            size,
            limit: archive_bytes,
        });
    }
    match archive {
        [] => return Err(Error::NoBytes),
        _ if archive.len() < GZIP_HEADER => return Err(Error::CutShort),
        [0x1F, 0x8B, 0x08, ..] => {}
        _ => return Err(Error::NotGzip),
    }
    let left = Cell::new(OVERHEAD);
    let exhausted = Cell::new(false);
    let mut tar = Archive::new(Capped {
        inner: MultiGzDecoder::new(archive),
        left: &left,
        exhausted: &exhausted,
    });
    let unpack = |error: io::Error| match error.kind() {
        _ if exhausted.get() => Error::UnpackedTooLarge {
            limit: unpacked_bytes,
        },
        io::ErrorKind::UnexpectedEof => Error::CutShort,
        _ => Error::Unpack(error),
    };
    let mut files = Vec::new();
    for entry in tar.entries().map_err(unpack)? {
        let mut entry = entry.map_err(unpack)?;
        let full_name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|error| Error::PathNotUtf8(String::from_utf8_lossy(error.as_bytes()).into_owned()))?;
        let Some(name) = admit(entry.header().entry_type(), &full_name)? else {
            continue;
        };
        budget.take_file(&full_name, entry.size())?;
        left.set(OVERHEAD.saturating_add(entry.size()));
        let mut data = Vec::new();
        let read = entry.read_to_end(&mut data).map_err(unpack)?;
        if (read as u64) < entry.size() {
            return Err(Error::CutShort);
        }
        let data = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&data);
        files.push(File::new(name, data));
    }
    left.set(OVERHEAD);
    check_end(tar.into_inner()).map_err(|error| error.map_or(Error::BehindEnd, unpack))?;
    if files.is_empty() {
        Err(Error::Empty)
    } else {
        Ok(files)
    }
}

/// Checks what comes behind the end of the entries, be that the end of the file or a block of zeros: nothing, or another
/// such block. The error is none where something else comes.
fn check_end(mut rest: impl Read) -> std::result::Result<(), Option<io::Error>> {
    let mut block = Vec::new();
    rest.by_ref().take(BLOCK).read_to_end(&mut block)?;
    match block.len() as u64 {
        0 => Ok(()),
        BLOCK if block.iter().all(|byte| *byte == 0) => Ok(()),
        BLOCK => Err(None),
        _ => Err(Some(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// The path below the archive's first directory, or nothing for an entry that is no file.
fn admit(kind: EntryType, full_name: &str) -> Result<Option<String>> {
    match kind {
        EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if full_name.ends_with('/') => {
            return Ok(None);
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
        EntryType::Symlink | EntryType::Link => return Err(Error::Link(full_name.to_owned())),
        _ => return Err(Error::Irregular(full_name.to_owned())),
    }
    // Helm drops the first part of the path before it looks, and would take /etc/x for the chart's etc/x.
    if full_name.starts_with(['/', '\\']) {
        return Err(Error::AbsolutePath(full_name.to_owned()));
    }
    if is_on_a_drive(full_name) {
        return Err(Error::DrivePath(full_name.to_owned()));
    }
    // Archives made on Windows may have backslashes between the parts.
    let delimiter = if full_name.contains('\\') { '\\' } else { '/' };
    let (first, below) = full_name.split_once(delimiter).unwrap_or((full_name, ""));
    let below = below.replace(delimiter, "/");
    if below.starts_with('/') {
        return Err(Error::AbsolutePath(full_name.to_owned()));
    }
    let name = path::clean(&below);
    if name == "." {
        return Err(Error::OutsideBase(full_name.to_owned()));
    }
    if name.starts_with("..") {
        return Err(Error::ParentPath(full_name.to_owned()));
    }
    if is_on_a_drive(&name) {
        return Err(Error::DrivePath(full_name.to_owned()));
    }
    if first == "Chart.yaml" {
        return Err(Error::ChartYamlNotInBase);
    }
    Ok(Some(name))
}

fn is_on_a_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic())
}

/// A reader that fails after so many bytes, and says that this was why: an archive's headers can ask for as
/// much memory as its contents. What is left is set anew for each file.
struct Capped<'c, R> {
    inner: R,
    left: &'c Cell<u64>,
    exhausted: &'c Cell<bool>,
}

impl<R: Read> Read for Capped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            self.exhausted.set(true);
            return Err(io::Error::other("limit unpacked_bytes"));
        }
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.inner.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        self.left.set(left - read as u64);
        Ok(read)
    }
}
