//! The one error type of this crate. Its text is what go-yaml and sigs.k8s.io/yaml print for the same input.

use std::borrow::Cow;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a document could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not YAML. `line` is the line that go-yaml names, absent where it names none.
    #[error("yaml: {}{message}", line.map(|n| format!("line {n}: ")).unwrap_or_default())]
    Syntax {
        /// Line as go-yaml counts it: 1-based for scanner errors, one less for parser errors.
        line: Option<u32>,
        /// go-yaml's words for the problem.
        message: Cow<'static, str>,
    },
    /// The text is YAML, but its meaning can't be had: unknown anchor, bad merge, a tag that does not fit.
    #[error("yaml: {0}")]
    Document(String),
    /// Duplicate keys found by a strict read, one line each.
    #[error("yaml: unmarshal errors:\n  {}", .0.join("\n  "))]
    Duplicates(Vec<String>),
    /// More nodes come from aliases than go-yaml allows for a document of this size.
    #[error("yaml: document contains excessive aliasing")]
    ExcessiveAliasing,
    /// The document has more nodes than [`Limits::nodes`](crate::Limits::nodes).
    #[error("yaml: the document has more than {limit} nodes (limit nodes)")]
    Nodes {
        /// The limit in force.
        limit: usize,
    },
    /// Scalars reached through aliases add up to more than [`Limits::expanded_bytes`](crate::Limits::expanded_bytes).
    #[error("yaml: aliases expand the document to more than {limit} bytes (limit expanded_bytes)")]
    ExpandedBytes {
        /// The limit in force.
        limit: usize,
    },
    /// Nesting is deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("yaml: {}exceeded max depth of {limit} (limit depth)", line.map(|n| format!("line {n}: ")).unwrap_or_default())]
    Depth {
        /// Line where the limit was passed, when it is known.
        line: Option<u32>,
        /// The limit in force.
        limit: usize,
    },
    /// The text is longer than [`Limits::input_bytes`](crate::Limits::input_bytes).
    #[error("yaml: input of {size} bytes exceeds the limit of {limit} bytes (limit input_bytes)")]
    InputBytes {
        /// Length of the text.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A value has no JSON form: not-a-number, infinity, or a key of a kind that sigs.k8s.io/yaml refuses.
    #[error("{0}")]
    NotJson(String),
    /// sigs.k8s.io/yaml failed before it had JSON.
    #[error("error converting YAML to JSON: {0}")]
    ToJson(#[source] Box<Error>),
    /// sigs.k8s.io/yaml had JSON, but not of the wanted type.
    #[error("error unmarshaling JSON: while decoding JSON: {0}")]
    FromJson(String),
    /// A value could not be turned into JSON on its way to YAML.
    #[error("error marshaling into JSON: {0}")]
    MarshalJson(String),
}

impl Error {
    /// Whether a limit of [`Limits`](crate::Limits) was passed, rather than the text being wrong.
    pub fn is_limit(&self) -> bool {
        match self {
            Error::Nodes { .. }
            | Error::ExpandedBytes { .. }
            | Error::Depth { .. }
            | Error::InputBytes { .. } => true,
            Error::ToJson(cause) => cause.is_limit(),
            _ => false,
        }
    }

    pub(crate) fn document(message: impl Into<String>) -> Self {
        Error::Document(message.into())
    }
}
