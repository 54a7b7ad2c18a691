//! Logs: text for people, JSON for machines, filtered as in `RUST_LOG`.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the log filter {filter:?} is not one, such as \"info\" or \"info,helmapp::source=debug\": {message}"
    )]
    Filter { filter: String, message: String },
    #[error("logs are set up already")]
    Twice,
}

/// The client logs every refusal as an error, before we have judged it; what matters of them we say ourselves.
const QUIET: &str = "kube_client::client::builder=off";

fn directives(filter: &str) -> Result<EnvFilter, Error> {
    // What the filter says of the same target comes later and counts.
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|error| Error::Filter {
        filter: filter.to_owned(),
        message: error.to_string(),
    })
}

/// Sends logs to stderr from now on.
pub fn start(format: LogFormat, filter: &str) -> Result<(), Error> {
    let directives = directives(filter)?;
    let registry = tracing_subscriber::registry().with(directives);
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| Error::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_are_judged_elsewhere_are_not_logged_unless_asked_for() {
        for (filter, expected) in [
            ("info", "off"),
            ("info,kube_client::client::builder=debug", "debug"),
        ] {
            let shown = directives(filter).unwrap().to_string();
            let expected = format!("kube_client::client::builder={expected}");
            assert!(shown.contains(&expected), "{shown}");
        }
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let error = start(LogFormat::Text, "helmapp=loud").unwrap_err().to_string();
        assert!(
            error.starts_with("the log filter \"helmapp=loud\" is not one"),
            "{error}"
        );
    }
}
