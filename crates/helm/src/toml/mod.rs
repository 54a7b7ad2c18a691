//! TOML as Helm's `toToml` and `fromToml` write and read it.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::encode;

/// Levels of nesting that are written.
pub const MAX_DEPTH: usize = 200;

/// What can go wrong; the texts of the first four are the Go encoder's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array holds a nil.
    #[error("toml: cannot encode array with nil element")]
    NilElement,
    /// An array of tables stands alone.
    #[error("toml: top-level values must be Go maps or structs")]
    NoKey,
    /// A value of a kind that TOML does not have stands alone.
    #[error("unsupported type for key '': {0}")]
    NoDocument(&'static str),
    /// A value of a kind that TOML does not have.
    #[error("unsupported type: {0}")]
    NoForm(&'static str),
    /// The value nests deeper than [`MAX_DEPTH`].
    #[error("toml: values nest deeper than {MAX_DEPTH} (limit: max TOML depth)")]
    TooDeep,
    /// A limit of the render.
    #[error(transparent)]
    Limit(#[from] helmapp_gotmpl::Error),
    /// The text is not TOML.
    #[error("toml: {0}")]
    Syntax(String),
}
