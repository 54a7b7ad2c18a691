//! Why there is no chart.

use helmapp_helm::chart;

use crate::{api::conditions::reason, cluster};

/// When the same source may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It passes by itself.
    Soon,
    /// A person has to act, and we may not see it.
    Seldom,
    /// When the spec changes.
    OnChange,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("spec.chart names no source: set one of path, url, configMap and secret")]
    NoSource,
    #[error(
        "spec.chart.path is not allowed: no directory for charts is set; name one with --chart-dir, or take another source"
    )]
    PathsOff,
    #[error(
        "spec.chart.path {path:?} contains \"..\": name a chart below one of the directories of --chart-dir"
    )]
    PathParent { path: String },
    /// The same words for what is not there and what is outside, so that nobody can feel their way around.
    #[error("spec.chart.path {path:?} is not a chart below one of the directories of --chart-dir")]
    PathNotFound { path: String },
    #[error("spec.chart.path {path:?} can not be read: {source}")]
    PathUnreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("spec.chart.url is not an http or https address of a chart: {message}")]
    Url { message: String },
    #[error("{url} answered {status}: there is no chart")]
    UrlNotFound { url: String, status: u16 },
    #[error("{url} answered {status}: the operator may not read it")]
    UrlForbidden { url: String, status: u16 },
    #[error("{url} answered {status}")]
    UrlStatus { url: String, status: u16 },
    #[error("{url} can not be downloaded: {message}")]
    Download { url: String, message: String },
    /// Without the address, which may be known to the operator only.
    #[error(
        "{url} leads to an address that is not public; such charts are read only from hosts and networks that the operator's settings name (flag --fetch-allow)"
    )]
    NotPublic { url: String },
    /// Other HelmApps of the namespace download, or wait for servers that do not answer.
    #[error(
        "as many charts are being downloaded as may be at once, {limit} for namespace \"{namespace}\" (flag --fetch-per-namespace) and half of --workers in all"
    )]
    Busy { namespace: String, limit: u16 },
    #[error("{url} answered 304 although nothing of it is known")]
    NotModified { url: String },
    #[error("the HTTP client can not be made: {message}")]
    Client { message: String },
    #[error(
        "{name} has more than {limit} bytes, the largest archive that is read (flag --max-archive-bytes)"
    )]
    TooLarge { name: String, limit: u64 },
    #[error("{kind} \"{name}\" of namespace \"{namespace}\" does not exist; spec.chart refers to it")]
    ObjectNotFound {
        kind: &'static str,
        namespace: String,
        name: String,
    },
    #[error("{kind} \"{name}\" of namespace \"{namespace}\" has no key {key:?}; spec.chart refers to it")]
    NoKey {
        kind: &'static str,
        namespace: String,
        name: String,
        key: String,
    },
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("{name} is not a chart: {}", told(source))]
    Invalid {
        name: String,
        #[source]
        source: Box<chart::Error>,
    },
    #[error("loading the chart was interrupted")]
    Interrupted,
}

impl Error {
    pub(super) fn invalid(name: String, source: chart::Error) -> Self {
        Self::Invalid {
            name,
            source: Box::new(source),
        }
    }

    /// The reason for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PathsOff | Self::UrlForbidden { .. } | Self::NotPublic { .. } => reason::FORBIDDEN,
            Self::PathNotFound { .. } | Self::UrlNotFound { .. } | Self::ObjectNotFound { .. } => {
                reason::CHART_NOT_FOUND
            }
            Self::NoKey { .. } => reason::CHART_NOT_FOUND,
            Self::NoSource | Self::PathParent { .. } | Self::Url { .. } => reason::CHART_INVALID,
            Self::TooLarge { .. } => reason::CHART_TOO_LARGE,
            Self::Invalid { source, .. } if is_too_large(source) => reason::CHART_TOO_LARGE,
            Self::Invalid { .. } => reason::CHART_INVALID,
            Self::Cluster(error) if error.is_forbidden() => reason::FORBIDDEN,
            Self::Cluster(_)
            | Self::PathUnreadable { .. }
            | Self::UrlStatus { .. }
            | Self::Download { .. }
            | Self::Busy { .. }
            | Self::NotModified { .. }
            | Self::Client { .. }
            | Self::Interrupted => reason::ARTIFACT_FAILED,
        }
    }

    pub fn retry(&self) -> Retry {
        match self {
            Self::UrlStatus { status, .. } => match status {
                408 | 425 | 429 | 500..=599 => Retry::Soon,
                _ => Retry::Seldom,
            },
            Self::Download { .. }
            | Self::Busy { .. }
            | Self::NotModified { .. }
            | Self::Client { .. }
            | Self::Interrupted => Retry::Soon,
            Self::Cluster(error) if error.is_transient() => Retry::Soon,
            // Somebody may put a chart, a file or a right there without a change that we see.
            Self::Cluster(_)
            | Self::PathNotFound { .. }
            | Self::PathUnreadable { .. }
            | Self::UrlNotFound { .. }
            | Self::UrlForbidden { .. }
            | Self::NotPublic { .. }
            | Self::ObjectNotFound { .. }
            | Self::NoKey { .. } => Retry::Seldom,
            // What stands at a URL, in a file or in an object may be put right there.
            Self::TooLarge { .. } | Self::Invalid { .. } => Retry::Seldom,
            Self::NoSource | Self::PathsOff | Self::PathParent { .. } | Self::Url { .. } => Retry::OnChange,
        }
    }
}

/// What is wrong with a chart; Helm's words about archives alone would be short of sense.
fn told(error: &chart::Error) -> String {
    match error {
        chart::Error::NotGzip => format!("it is not a gzipped archive ({error})"),
        chart::Error::NoBytes | chart::Error::CutShort => {
            format!("cannot unpack the archive, which ends too soon ({error})")
        }
        _ => error.to_string(),
    }
}

fn is_too_large(error: &chart::Error) -> bool {
    matches!(
        error,
        chart::Error::ArchiveTooLarge { .. }
            | chart::Error::UnpackedTooLarge { .. }
            | chart::Error::FileTooLarge { .. }
            | chart::Error::TooManyFiles { .. }
            | chart::Error::ChartsTooDeep { .. }
            | chart::Error::DirectoriesTooDeep { .. }
    )
}
