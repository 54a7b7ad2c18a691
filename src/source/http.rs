//! Archives over HTTP: bounded in size, time and redirects, asked for again only when they changed.

use std::{
    collections::HashMap,
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use reqwest::{
    StatusCode, Url,
    header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
    redirect,
};

use super::{
    Error, Result,
    address::{Gate, NotPublic},
};
use crate::settings::Fetch;

/// URLs of which the digest and the validators are remembered.
const MAX_KNOWN: usize = 4096;

/// An address that was checked, and how messages show it: without a query, which may hold a token.
#[derive(Debug, PartialEq)]
pub(super) struct Location {
    url: Url,
    pub(super) shown: String,
}

impl Location {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse = |message: &str| Error::Url {
            message: message.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("only http and https are read"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(
                "it holds a user name or a password; a chart that needs one can be kept in a Secret",
            ));
        }
        let shown = show(&url);
        Ok(Self { url, shown })
    }
}

fn show(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    shown.set_query(url.query().map(|_| "…"));
    shown.to_string().replace("?%E2%80%A6", "?…")
}

/// What a server gave to recognise a content by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What is known of a URL.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) digest: Arc<str>,
    validators: Validators,
    checked: Instant,
}

#[derive(Debug)]
pub(super) enum Answer {
    NotModified,
    Body { bytes: Vec<u8>, validators: Validators },
}

#[derive(Debug)]
pub(super) struct Downloads {
    settings: Fetch,
    gate: Gate,
    client: OnceLock<reqwest::Client>,
    known: Mutex<HashMap<String, Known>>,
}

impl Downloads {
    pub(super) fn new(settings: &Fetch) -> Self {
        Self {
            settings: settings.clone(),
            gate: Gate::new(&settings.allowed),
            client: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    /// Made at the first download: it needs the machine's certificates, and most operators download nothing.
    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("helmapp/", env!("CARGO_PKG_VERSION")))
            .timeout(self.settings.timeout)
            .connect_timeout(self.settings.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .referer(false)
            .redirect(redirects(self.settings.max_redirects, self.gate.clone()))
            .dns_resolver(Arc::new(self.gate.clone()))
            .build()
            .map_err(|error| Error::Client {
                message: describe(error),
            })?;
        Ok(self.client.get_or_init(|| client))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self, url: &str) -> Option<Known> {
        self.lock().get(url).cloned()
    }

    pub(super) fn is_fresh(&self, known: &Known, now: Instant) -> bool {
        now.saturating_duration_since(known.checked) < self.settings.fresh
    }

    /// The server says that what is known still holds.
    pub(super) fn checked(&self, url: &str, now: Instant) {
        if let Some(known) = self.lock().get_mut(url) {
            known.checked = now;
        }
    }

    pub(super) fn remember(&self, url: &str, digest: Arc<str>, validators: Validators, now: Instant) {
        let mut all = self.lock();
        if all.len() >= MAX_KNOWN && !all.contains_key(url) {
            let oldest = all
                .iter()
                .min_by_key(|(_, known)| known.checked)
                .map(|(url, _)| url.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        all.insert(
            url.to_owned(),
            Known {
                digest,
                validators,
                checked: now,
            },
        );
    }

    /// Downloads what stands at `location`, unless it is still what is `known`.
    pub(super) async fn get(&self, location: &Location, known: Option<&Known>) -> Result<Answer> {
        let not_public = || Error::NotPublic {
            url: location.shown.clone(),
        };
        self.gate.check(&location.url).map_err(|NotPublic| not_public())?;
        let failed = |error| match is_not_public(&error) {
            true => not_public(),
            false => Error::Download {
                url: location.shown.clone(),
                message: describe(error),
            },
        };
        let mut request = self.client()?.get(location.url.clone());
        if let Some(Known { validators, .. }) = known {
            let conditions = [
                (IF_NONE_MATCH, &validators.etag),
                (IF_MODIFIED_SINCE, &validators.last_modified),
            ];
            for (header, value) in conditions {
                if let Some(value) = value {
                    request = request.header(header, value);
                }
            }
        }
        let response = request.send().await.map_err(failed)?;
        let url = location.shown.clone();
        let status = response.status();
        match status {
            StatusCode::NOT_MODIFIED => return Ok(Answer::NotModified),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Error::UrlNotFound {
                    url,
                    status: status.as_u16(),
                });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Error::UrlForbidden {
                    url,
                    status: status.as_u16(),
                });
            }
            StatusCode::OK => {}
            _ => {
                return Err(Error::UrlStatus {
                    url,
                    status: status.as_u16(),
                });
            }
        }
        let limit = self.settings.max_archive_bytes;
        let too_large = || Error::TooLarge {
            name: location.shown.clone(),
            limit,
        };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let validators = Validators::of(response.headers());
        let mut bytes = Vec::new();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.try_next().await.map_err(failed)? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer::Body { bytes, validators })
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        }
    }
}

fn redirects(most: usize, gate: Gate) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if let Err(refusal) = gate.check(attempt.url()) {
            return attempt.error(refusal);
        }
        if attempt.previous().len() > most {
            return attempt.error(format!("more than {most} redirects"));
        }
        let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
        match attempt.url().scheme() {
            "https" => attempt.follow(),
            "http" if !secure => attempt.follow(),
            "http" => attempt.error("redirected from https to http"),
            _ => attempt.error("redirected to something else than http and https"),
        }
    })
}

fn is_not_public(error: &reqwest::Error) -> bool {
    std::iter::successors(error.source(), |&cause| cause.source()).any(|cause| cause.is::<NotPublic>())
}

/// The error and its causes without the address, which may hold a token.
fn describe(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "the server did not answer in time".to_owned();
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    for _ in 0..8 {
        let Some(cause) = source else { break };
        let cause_text = cause.to_string();
        // By which layers the client got there helps nobody.
        if error.is_connect() {
            text = cause_text;
        } else if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_shown_without_secrets() {
        for (text, expected) in [
            (
                "https://charts.example/web-1.0.0.tgz",
                Ok("https://charts.example/web-1.0.0.tgz"),
            ),
            (
                "http://charts.example:8080/a%20b.tgz#x",
                Ok("http://charts.example:8080/a%20b.tgz"),
            ),
            (
                "https://charts.example/web.tgz?token=hunter2",
                Ok("https://charts.example/web.tgz?…"),
            ),
            ("ftp://charts.example/web.tgz", Err("only http and https")),
            ("file:///etc/passwd", Err("only http and https")),
            (
                "https://me:hunter2@charts.example/web.tgz",
                Err("a user name or a password"),
            ),
            ("https://", Err("empty host")),
        ] {
            match (Location::parse(text), expected) {
                (Ok(location), Ok(shown)) => assert_eq!(location.shown, shown),
                (Err(error), Err(part)) => {
                    let message = error.to_string();
                    assert!(
                        message.contains(part) && !message.contains("hunter2"),
                        "{message}"
                    );
                }
                (result, _) => panic!("{text}: {result:?}"),
            }
        }
    }

    #[test]
    fn the_url_that_was_not_asked_for_longest_is_forgotten() {
        let downloads = Downloads::new(&Fetch::default());
        let start = Instant::now();
        for index in 0..=MAX_KNOWN {
            let at = start + Duration::from_secs(index as u64);
            downloads.remember(&format!("u{index}"), "d".into(), Validators::default(), at);
        }
        assert_eq!(downloads.lock().len(), MAX_KNOWN);
        assert_eq!(downloads.known("u0"), None);
        assert!(downloads.known("u1").is_some());
    }

    #[test]
    fn freshness_ends() {
        let downloads = Downloads::new(&Fetch {
            fresh: Duration::from_secs(60),
            ..Fetch::default()
        });
        let start = Instant::now();
        downloads.remember("u", "d".into(), Validators::default(), start);
        let after = |seconds| start + Duration::from_secs(seconds);
        let known = downloads.known("u").unwrap();
        assert!(downloads.is_fresh(&known, after(59)));
        assert!(!downloads.is_fresh(&known, after(60)));
        downloads.checked("u", after(60));
        assert!(downloads.is_fresh(&downloads.known("u").unwrap(), after(119)));
    }
}
