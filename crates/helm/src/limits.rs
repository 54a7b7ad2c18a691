//! What a chart may cost: the limits on reading one, each with a name and a default.

/// Limits on loading a chart. A chart that goes over one is refused with an error that names the limit.
///
/// `file_bytes` has Helm's default. Unlike in Helm, `unpacked_bytes` holds for the chart with all
/// the sub-chart archives inside it, so that nesting archives does not multiply what a chart may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the packed archive. Default 64 MiB.
    pub archive_bytes: u64,
    /// Bytes of all files together, unpacked. Default 64 MiB (Helm: 100 MiB).
    pub unpacked_bytes: u64,
    /// Bytes of one file, unpacked. Default 5 MiB, as Helm's.
    pub file_bytes: u64,
    /// Number of files. Default 10,000.
    pub file_count: usize,
    /// How deep sub-charts may nest, the chart itself being 1. Default 32.
    pub chart_depth: usize,
    /// How deep the directories of an unpacked chart may nest. Default 64.
    pub directory_depth: usize,
    /// What `values.yaml` may cost to read. Default: that of [`helmapp_goyaml`].
    pub yaml: helmapp_goyaml::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            archive_bytes: 64 * MIB,
            unpacked_bytes: 64 * MIB,
            file_bytes: 5 * MIB,
            file_count: 10_000,
            chart_depth: 32,
            directory_depth: 64,
            yaml: helmapp_goyaml::Limits::default(),
        }
    }
}

/// What loading has used up of its [`Limits`], over a chart and the archives nested in it.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    pub(crate) remaining_bytes: u64,
    pub(crate) remaining_files: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            remaining_bytes: limits.unpacked_bytes,
            remaining_files: limits.file_count,
        }
    }
}
