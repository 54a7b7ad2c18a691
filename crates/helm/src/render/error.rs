//! Why a chart could not be rendered, in Helm's words (`cleanupParseError`, `cleanupExecError`).

use super::{WARN_END, WARN_START};

/// A template that could not be parsed or executed. Its text is Helm's; the source has the place and the chain of
/// templates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A template does not parse.
    #[error("{text}")]
    Parse {
        /// Helm's text.
        text: String,
        /// The template engine's error.
        #[source]
        source: helmapp_gotmpl::Error,
    },
    /// A template failed.
    #[error("{text}")]
    Execute {
        /// Helm's text; of `fail` and `required` only the message.
        text: String,
        /// The template engine's error.
        #[source]
        source: helmapp_gotmpl::Error,
    },
}

impl Error {
    pub(super) fn parse(file: &str, source: helmapp_gotmpl::Error) -> Error {
        let text = source.to_string();
        let text = match text.split(": ").collect::<Vec<_>>().as_slice() {
            [_, location, .., message] => format!("parse error at ({location}): {message}"),
            [_, location] => format!("parse error at ({location}): {location}"),
            _ => format!("parse error in ({file}): {text}"),
        };
        Error::Parse { text, source }
    }

    pub(super) fn execute(file: &str, source: helmapp_gotmpl::Error) -> Error {
        let text = source.to_string();
        let mut parts = text.splitn(3, ": ");
        let text = match (parts.next(), parts.next(), parts.next()) {
            (_, Some(location), Some(rest)) => match warning(rest) {
                Some(message) => format!("execution error at ({location}): {message}"),
                None => text,
            },
            _ => format!("execution error in ({file}): {text}"),
        };
        Error::Execute { text, source }
    }

    /// A file was rendered to bytes that are no text, which its reading as YAML would stumble over.
    pub(super) fn no_text(file: &str, bytes: &[u8]) -> Error {
        let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        // Each document is read alone, without the ends of lines behind it.
        let documents = lines.split(|line| line.starts_with(b"---"));
        let problem = documents
            .filter_map(|lines| helmapp_goyaml::sigs::decode_text(lines.join(&b'\n').trim_ascii_end()).err())
            .next();
        let reason = problem.map_or_else(|| "not UTF-8".to_owned(), |error| error.to_string());
        Error::Execute {
            text: format!("YAML parse error on {file}: {reason}"),
            source: helmapp_gotmpl::Error::new(reason),
        }
    }

    /// The template engine's error: place, chain, limit.
    pub fn template_error(&self) -> &helmapp_gotmpl::Error {
        match self {
            Error::Parse { source, .. } | Error::Execute { source, .. } => source,
        }
    }
}

/// The message between the first start mark and the last end mark.
fn warning(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(WARN_START)?;
    rest.rsplit_once(WARN_END).map(|(message, _)| message)
}
