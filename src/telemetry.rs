//! Logs: text for people, JSON for machines, filtered as in `RUST_LOG`.

use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

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

/// Here the client logs answers of the API server as they came, and they can be Secrets. No filter turns that on.
const TELLS_ANSWERS: &str = "kube_client::client";

fn is_discreet(metadata: &Metadata<'_>) -> bool {
    metadata.target() != TELLS_ANSWERS
}

fn directives(filter: &str) -> Result<EnvFilter, Error> {
    // What the filter says of the same target comes later and counts.
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|error| Error::Filter {
        filter: filter.to_owned(),
        message: error.to_string(),
    })
}

/// Sends logs to stderr from now on.
pub fn start(format: LogFormat, filter: &str) -> Result<(), Error> {
    let logger = logger(format, directives(filter)?, std::io::stderr);
    logger.try_init().map_err(|_| Error::Twice)
}

fn logger<W>(format: LogFormat, directives: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(directives)
        .with(lines.with_filter(filter_fn(is_discreet)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_of_the_api_server_are_never_logged_as_they_came() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = Written::default();
            let writer = written.clone();
            let logger = logger(format, directives("trace").unwrap(), move || writer.clone());
            tracing::subscriber::with_default(logger, || {
                tracing::warn!(target: "kube_client::client", "{{\"data\":{{\"password\":\"hidden\"}}}}, EOF");
                tracing::info!(target: "helmapp::controller", "said");
            });
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("said") && !text.contains("hidden"), "{text}");
        }
    }

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
