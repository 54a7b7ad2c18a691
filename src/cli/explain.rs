//! An error as a person reads it: each cause once, and the API server's own words in place of the client's.

use std::error::Error;

use kube::runtime::watcher;

/// The error and its causes in one text.
pub(super) fn explain(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let (text, is_last) = words(cause);
        // Many errors repeat their cause's text in their own.
        if !said.contains(text.trim()) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&text);
        }
        if is_last {
            break;
        }
    }
    said
}

/// What a cause has to say, and whether its own causes only repeat it.
fn words(cause: &(dyn Error + 'static)) -> (String, bool) {
    match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => return (answer(status), true),
        Some(kube::Error::Service(_) | kube::Error::HyperError(_)) => return (String::new(), false),
        _ => {}
    }
    match cause.downcast_ref::<watcher::Error>() {
        Some(watcher::Error::WatchError(status)) => (answer(status), true),
        Some(watcher::Error::NoResourceVersion) | None => (cause.to_string(), false),
        Some(_) => (String::new(), false),
    }
}

fn answer(status: &kube::core::Status) -> String {
    if status.message.trim().is_empty() {
        format!("the API server answered {} {}", status.code, status.reason)
    } else {
        status.message.clone()
    }
}

/// The API server's answer somewhere in the causes, as an HTTP status code.
pub(super) fn code(error: &(dyn Error + 'static)) -> Option<u16> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(kube::Error::Api(status)) = error.downcast_ref() {
            return Some(status.code);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use kube::core::Status;

    use super::*;

    fn refusal(message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure(message, "Forbidden").with_code(403)))
    }

    #[test]
    fn causes_are_said_once_and_the_server_in_its_own_words() {
        let io = || std::io::Error::other("no such file");
        let cases = [
            (
                Err::<(), _>(refusal("helmapps is forbidden")).context("cannot list"),
                "cannot list: helmapps is forbidden",
            ),
            (
                Err(refusal("")).context("cannot list"),
                "cannot list: the API server answered 403 Forbidden",
            ),
            (
                Err(watcher::Error::WatchStartFailed(refusal("no right"))).context("cannot watch"),
                "cannot watch: no right",
            ),
            (
                Err(kube::Error::Service(Box::new(io()))).context("cannot list"),
                "cannot list: no such file",
            ),
            (
                // As Helm ends its texts about schemas.
                Err(anyhow::Error::from(std::io::Error::other("values don't fit\n"))),
                "values don't fit\n",
            ),
            (
                Err(io())
                    .context("reading failed: no such file")
                    .context("cannot start"),
                "cannot start: reading failed: no such file",
            ),
        ];
        for (result, expected) in cases {
            assert_eq!(explain(&result.unwrap_err()), expected);
        }
    }

    #[test]
    fn the_answers_code_is_found_below_other_errors() {
        let error = watcher::Error::InitialListFailed(refusal("no"));
        assert_eq!(code(&error), Some(403));
        assert_eq!(code(&watcher::Error::NoResourceVersion), None);
    }
}
