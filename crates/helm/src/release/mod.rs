//! Release records: what Helm keeps of every revision, and how it is packed into a Secret.

mod chart;
mod codec;
mod hook;
mod record;
mod secret;
mod time;

#[cfg(test)]
mod tests;

pub use chart::{ChartRecord, FileRecord};
pub use codec::{DecodeLimits, MAX_DECODED_BYTES, MAX_VALUES, decode, encode, pack, text, unpack};
pub use hook::{
    HOOK_ANNOTATION, HOOK_DELETE_ANNOTATION, HOOK_OUTPUT_LOG_ANNOTATION, HOOK_WEIGHT_ANNOTATION, Hook,
    HookDeletePolicy, HookEvent, HookExecution, HookOutputLogPolicy, HookPhase,
};
pub use record::{ApplyMethod, Info, Release, Status};
pub use secret::{
    OWNER, SECRET_KEY, SECRET_TYPE, SYSTEM_LABELS, WriteTime, parse_secret_name, secret_labels, secret_name,
    user_labels,
};
pub use time::Time;

use serde::{Deserialize, Deserializer};

/// What can go wrong with a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The record is not base64.
    #[error("release record is not base64: {0}")]
    Base64(#[source] base64::DecodeError),
    /// The record's compressed data are damaged.
    #[error("release record can not be decompressed: {0}")]
    Decompress(#[source] std::io::Error),
    /// The record is larger than the limit.
    #[error("release record is larger than {limit} bytes (limit: max decoded bytes)")]
    TooLarge {
        /// The limit it passes.
        limit: u64,
    },
    /// The record has more values than the limit.
    #[error("release record has more than {limit} values (limit: max values)")]
    TooManyValues {
        /// The limit it passes.
        limit: usize,
    },
    /// The record is not a release. The parser's text is left out: it could quote values.
    #[error("release record is not valid JSON of a release (line {line}, column {column})")]
    Json {
        /// Line of the decompressed JSON.
        line: usize,
        /// Column of the decompressed JSON.
        column: usize,
    },
    /// The record can not be written as JSON.
    #[error("release record can not be written: {0}")]
    Serialize(#[source] serde_json::Error),
    /// The record can not be compressed.
    #[error("release record can not be compressed: {0}")]
    Compress(#[source] std::io::Error),
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Reads `null` as the type's default, as Go does for slices and maps.
fn null_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}
