//! Charts from outside: fetched with limits, known by the digest of their content, loaded once.

mod address;
mod admission;
mod cache;
mod error;
mod http;
mod object;
mod path;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Instant};

use helmapp_helm::{
    chart::{Chart, DirOptions},
    limits::Limits,
};
use kube::Client;

use crate::{
    api::{ChartSource, ValuesKind},
    settings::Settings,
};

use self::admission::Admission;
use self::cache::{Cache, KeyedLocks};
pub use self::error::{Error, Retry};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A chart and what identifies it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// `sha256:…` over the archive, or over the files of a directory.
    pub digest: Arc<str>,
    pub chart: Arc<Chart>,
    /// Why the chart is an earlier copy, when the source could not be asked.
    pub stale: Option<String>,
}

/// All sources of charts, with their common cache.
#[derive(Debug)]
pub struct Sources {
    directories: Vec<PathBuf>,
    limits: Limits,
    http: http::Downloads,
    admission: Admission,
    cache: Cache,
    loading: KeyedLocks,
}

impl Sources {
    pub fn new(settings: &Settings) -> Self {
        Self {
            directories: settings.chart_dirs.clone(),
            limits: settings.limits.of_chart(settings.fetch.max_archive_bytes),
            http: http::Downloads::new(&settings.fetch),
            // Half of the workers stay for what needs no download.
            admission: Admission::new(settings.fetch.per_namespace, settings.workers / 2),
            cache: Cache::new(settings.fetch.cache_bytes),
            loading: KeyedLocks::default(),
        }
    }

    /// The chart of a HelmApp in the namespace `home`. `client` has the rights with which ConfigMaps and
    /// Secrets are read.
    pub async fn fetch(&self, source: &ChartSource, home: &str, client: &Client) -> Result<Fetched> {
        if let Some(path) = &source.path {
            return self.local(path).await;
        }
        if let Some(url) = &source.url {
            return self.download(url, home).await;
        }
        let (kind, reference) = match (&source.config_map, &source.secret) {
            (Some(reference), _) => (ValuesKind::ConfigMap, reference),
            (None, Some(reference)) => (ValuesKind::Secret, reference),
            (None, None) => return Err(Error::NoSource),
        };
        let archive = object::read(client, kind, home, reference, &self.limits).await?;
        self.load(archive.bytes, archive.name).await
    }

    /// Bytes of charts that are kept, and how many charts.
    pub fn cached(&self) -> (usize, usize) {
        self.cache.size()
    }

    async fn local(&self, path: &str) -> Result<Fetched> {
        let (directories, limits, path) = (self.directories.clone(), self.limits, path.to_owned());
        let found = blocking(move || path::read(&directories, &path, &limits)).await??;
        match found {
            path::Found::Archive { bytes, name } => self.load(bytes, name).await,
            path::Found::Directory { directory, name } => {
                let options = DirOptions {
                    limits: self.limits,
                    ..DirOptions::default()
                };
                let (digest, chart) = blocking(move || {
                    let chart = Chart::load_dir(&directory, &options)
                        .map_err(|source| Error::invalid(name, source))?;
                    Ok::<_, Error>((chart.files_digest(), chart))
                })
                .await??;
                let digest: Arc<str> = digest.into();
                // The copy in the cache is the same content, with what was already made from it.
                let chart = match self.cache.get(&digest) {
                    Some(chart) => chart,
                    None => self.keep(&digest, chart),
                };
                Ok(Fetched {
                    digest,
                    chart,
                    stale: None,
                })
            }
        }
    }

    async fn download(&self, url: &str, home: &str) -> Result<Fetched> {
        let location = http::Location::parse(url)?;
        if let Some(fetched) = self.fresh(url) {
            return Ok(fetched);
        }
        // Before the lock: who waits for another's download of the same chart holds a worker as well.
        let _admitted = self.admission.enter(home).await?;
        let _one = self.loading.lock(url).await;
        if let Some(fetched) = self.fresh(url) {
            return Ok(fetched);
        }
        let known = self.known(url);
        let answer = self
            .http
            .get(&location, known.as_ref().map(|(known, _)| known))
            .await;
        match (answer, known) {
            (Ok(http::Answer::NotModified), Some((known, chart))) => {
                self.http.checked(url, Instant::now());
                Ok(Fetched {
                    digest: known.digest,
                    chart,
                    stale: None,
                })
            }
            (Ok(http::Answer::NotModified), None) => Err(Error::NotModified { url: location.shown }),
            (Ok(http::Answer::Body { bytes, validators }), _) => {
                let fetched = self.load(bytes, location.shown).await?;
                self.http
                    .remember(url, fetched.digest.clone(), validators, Instant::now());
                Ok(fetched)
            }
            (Err(error), Some((known, chart))) if error.retry() == Retry::Soon => {
                tracing::warn!(%error, digest = %known.digest, "using the earlier copy of the chart");
                Ok(Fetched {
                    digest: known.digest,
                    chart,
                    stale: Some(error.to_string()),
                })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What was downloaded from the address, while it is still loaded.
    fn known(&self, url: &str) -> Option<(http::Known, Arc<Chart>)> {
        let known = self.http.known(url)?;
        let chart = self.cache.get(&known.digest)?;
        Some((known, chart))
    }

    /// What was downloaded so short ago that the server need not be asked.
    fn fresh(&self, url: &str) -> Option<Fetched> {
        let (known, chart) = self.known(url)?;
        self.http.is_fresh(&known, Instant::now()).then_some(Fetched {
            digest: known.digest,
            chart,
            stale: None,
        })
    }

    async fn load(&self, bytes: Vec<u8>, name: String) -> Result<Fetched> {
        let limits = self.limits;
        let digest: Arc<str> = Chart::archive_digest(&bytes).into();
        if let Some(chart) = self.cache.get(&digest) {
            return Ok(Fetched {
                digest,
                chart,
                stale: None,
            });
        }
        let _one = self.loading.lock(&digest).await;
        if let Some(chart) = self.cache.get(&digest) {
            return Ok(Fetched {
                digest,
                chart,
                stale: None,
            });
        }
        let chart = blocking(move || {
            Chart::load_archive(&bytes, &limits).map_err(|source| Error::invalid(name, source))
        })
        .await??;
        let chart = self.keep(&digest, chart);
        Ok(Fetched {
            digest,
            chart,
            stale: None,
        })
    }

    fn keep(&self, digest: &Arc<str>, chart: Chart) -> Arc<Chart> {
        let chart = Arc::new(chart);
        self.cache.put(digest.clone(), chart.clone());
        chart
    }
}

/// Unpacking and reading files keep a thread busy; the ones that serve watches must stay free.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Interrupted)
}
