//! Timestamps of release records: RFC 3339 as Go's `time.Time` writes it, or the empty string for "never".
//!
//! The text is kept as it was read, so that a record written elsewhere keeps its own offset and precision.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment in a release record; the default is "never" (written as `""`, as Helm 3 does).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "String")]
pub struct Time(String);

impl Time {
    /// Whether the moment never came.
    pub fn is_zero(&self) -> bool {
        self.0.is_empty() || self.0.starts_with("0001-01-01T00:00:00Z")
    }

    /// The moment as a timestamp; `None` for "never" and for text that is no RFC 3339 time.
    pub fn timestamp(&self) -> Option<Timestamp> {
        if self.is_zero() { None } else { self.0.parse().ok() }
    }

    /// The text as it stands in the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Timestamp> for Time {
    fn from(t: Timestamp) -> Self {
        Time(t.to_string())
    }
}

impl From<Option<String>> for Time {
    fn from(text: Option<String>) -> Self {
        Time(text.unwrap_or_default())
    }
}

impl From<Time> for String {
    fn from(t: Time) -> Self {
        t.0
    }
}
