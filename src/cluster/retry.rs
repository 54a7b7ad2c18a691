//! Short retries inside one step, and the jittered back-off that both they and the controller use.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::Error;

/// Attempts of one request before its error is passed on.
pub const ATTEMPTS: u32 = 4;
/// First wait between attempts of one request.
pub const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait between attempts of one request; a longer Retry-After is passed on instead of waited for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Runs a request again while its error is transient, at most [`ATTEMPTS`] times.
pub async fn transient<T, F>(mut request: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempt = 0;
    loop {
        let error = match request().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempt += 1;
        let wait = error
            .retry_after()
            .unwrap_or_else(|| backoff(attempt, FIRST_WAIT, LONGEST_WAIT));
        // Another object than we thought of needs another decision, not another try.
        let again = error.is_transient() && !error.is_replaced();
        if attempt >= ATTEMPTS || !again || wait > LONGEST_WAIT {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
    }
}

/// `first` doubled for each further attempt, at most `longest`, of which a random half is taken off: retries
/// of many releases that failed together spread out.
pub fn backoff(attempt: u32, first: Duration, longest: Duration) -> Duration {
    let full = first
        .saturating_mul(1 << attempt.saturating_sub(1).min(20))
        .min(longest);
    let random = RandomState::new().hash_one(attempt) % 1024;
    full / 2 + (full / 2).mul_f64(random as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failure(code: u16) -> Error {
        Error::Api {
            doing: "x".into(),
            code,
            reason: String::new(),
            message: String::new(),
            fields: vec![],
            retry_after: None,
        }
    }

    #[test]
    fn backoff_grows_to_its_limit() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        for (attempt, full) in [(1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let wait = backoff(attempt, first, longest);
            let full = Duration::from_secs(full);
            assert!(wait >= full / 2 && wait <= full, "attempt {attempt}: {wait:?}");
        }
    }

    #[tokio::test]
    async fn only_transient_errors_are_tried_again() {
        for (code, tries) in [(503, ATTEMPTS), (403, 1), (422, 1)] {
            let count = Cell::new(0);
            let result: Result<(), _> = transient(|| {
                count.set(count.get() + 1);
                async move { Err(failure(code)) }
            })
            .await;
            assert_eq!((result.unwrap_err().code(), count.get()), (Some(code), tries));
        }
    }
}
