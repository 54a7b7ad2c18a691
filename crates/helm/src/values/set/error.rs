//! Why values could not be set.

/// A text of `--set` or its relatives could not be used; the text is Helm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    message: String,
    end: bool,
}

impl ParseError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            end: false,
        }
    }

    /// The text has ended. Where Helm lets this through, all that was set before stays.
    pub(super) fn end() -> Self {
        Self {
            message: "EOF".to_owned(),
            end: true,
        }
    }

    pub(super) fn is_end(&self) -> bool {
        self.end
    }
}
