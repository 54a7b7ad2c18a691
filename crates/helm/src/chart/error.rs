//! Why a chart could not be loaded.

use std::{io, path::PathBuf};

/// Loading a chart failed. Where Helm refuses the same chart, the text is Helm's; what it adds (the limit's
/// name, the file) stands after it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive does not start as a gzip file does.
    #[error("gzip: invalid header")]
    NotGzip,
    /// The archive has no bytes.
    #[error("EOF")]
    NoBytes,
    /// The archive ends before it should.
    #[error("unexpected EOF")]
    CutShort,
    /// Behind the block of zeros that ends the archive comes more.
    #[error("archive/tar: invalid tar header")]
    BehindEnd,
    /// The archive could not be unpacked: it is damaged.
    #[error("cannot unpack the chart archive: {0}")]
    Unpack(#[source] io::Error),
    /// The archive, packed, is over [`Limits::archive_bytes`](crate::limits::Limits::archive_bytes).
    #[error("the chart archive has {size} bytes, more than the maximum of {limit} (limit archive_bytes)")]
    ArchiveTooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The files together are over [`Limits::unpacked_bytes`](crate::limits::Limits::unpacked_bytes).
    #[error("decompressed chart is larger than the maximum file size {limit} (limit unpacked_bytes)")]
    UnpackedTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A file is over [`Limits::file_bytes`](crate::limits::Limits::file_bytes).
    #[error(
        "decompressed chart file {file:?} is larger than the maximum file size {limit} (limit file_bytes)"
    )]
    FileTooLarge {
        /// The file.
        file: String,
        /// The limit.
        limit: u64,
    },
    /// More files than [`Limits::file_count`](crate::limits::Limits::file_count).
    #[error("the chart has more than {limit} files (limit file_count)")]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// Sub-charts nest deeper than [`Limits::chart_depth`](crate::limits::Limits::chart_depth).
    #[error("sub-charts nest deeper than {limit} charts (limit chart_depth)")]
    ChartsTooDeep {
        /// The limit.
        limit: usize,
    },
    /// Directories nest deeper than [`Limits::directory_depth`](crate::limits::Limits::directory_depth).
    #[error("the directory {path} is more than {limit} levels deep (limit directory_depth)")]
    DirectoriesTooDeep {
        /// The directory.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A path in the archive is absolute below the chart's directory.
    #[error("chart illegally contains absolute paths: {0:?}")]
    AbsolutePath(String),
    /// A path in the archive has nothing below the chart's directory.
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    OutsideBase(String),
    /// A path in the archive leaves the chart's directory.
    #[error("chart illegally references parent directory: {0:?}")]
    ParentPath(String),
    /// A path in the archive starts with a drive letter.
    #[error("chart contains illegally named files: {0:?}")]
    DrivePath(String),
    /// A path in the archive is not UTF-8.
    #[error("the chart archive contains a file whose name is not UTF-8: {0:?}")]
    PathNotUtf8(String),
    /// `Chart.yaml` stands at the top of the archive instead of in the chart's directory.
    #[error("chart yaml not in base directory")]
    ChartYamlNotInBase,
    /// The archive contains a symbolic or hard link. Helm reads these as empty files; we refuse them.
    #[error("the chart archive contains a link, {0:?}; package the chart again with the file itself")]
    Link(String),
    /// The archive or directory contains a device, socket or pipe.
    #[error("cannot load irregular file {0} as it has file mode type bits set")]
    Irregular(String),
    /// The archive has no files.
    #[error("no files in chart archive")]
    Empty,
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// There are several `Chart.yaml` in one chart. Helm reads them over one another; we refuse them.
    #[error("the chart contains Chart.yaml more than once")]
    DuplicateChartYaml,
    /// A YAML file of the chart could not be read.
    #[error("cannot load {file}: {message}")]
    File {
        /// The file, as Helm names it.
        file: &'static str,
        /// Why, with the line where it is known.
        message: String,
    },
    /// `Chart.yaml` says something that is not allowed.
    #[error("validation: {0}")]
    Validation(String),
    /// A sub-chart's archive holds something else than its name says.
    #[error("error unpacking subchart tar in {parent}: expected {expected}, got {got}")]
    SubchartName {
        /// The chart around it.
        parent: String,
        /// The archive's name.
        expected: String,
        /// The file found.
        got: String,
    },
    /// A sub-chart could not be loaded.
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart {
        /// The sub-chart's file or directory.
        name: String,
        /// The chart around it.
        parent: String,
        /// Why.
        source: Box<Error>,
    },
    /// A directory or file could not be read.
    #[error("error reading {}: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A pattern of `.helmignore` can not be used.
    #[error(".helmignore line {line}: {message}")]
    Ignore {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: &'static str,
    },
    /// Telling the chart's files apart by `.helmignore` takes more than
    /// [`MAX_IGNORE_STEPS`](super::MAX_IGNORE_STEPS).
    #[error(".helmignore takes more than {limit} steps for the chart's files (limit ignore_steps)")]
    IgnoreSteps {
        /// The limit.
        limit: u64,
    },
    /// A symbolic link leads out of the chart's directory, and [`Symlinks::Inside`](super::Symlinks::Inside)
    /// was asked for.
    #[error("the link {path} leads out of the chart's directory")]
    LinkEscapes {
        /// The link, below the chart's directory.
        path: String,
    },
    /// A symbolic link leads to a directory that contains it.
    #[error("the link {path} leads back to a directory around it")]
    LinkLoop {
        /// The link, below the chart's directory.
        path: String,
    },
}

/// The result of loading a chart.
pub type Result<T, E = Error> = std::result::Result<T, E>;
