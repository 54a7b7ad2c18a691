//! Steps 1 to 3 and 5: the chart, the values and what they render to.

use std::sync::Arc;

use helmapp_helm::capabilities::{Capabilities, HelmVersion, KubeVersion};
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::{Manifest, parse_stored};
use helmapp_helm::release::{ChartRecord, Hook};
use helmapp_helm::render::{
    CompiledChart, PrepareError, ReleaseOptions, RenderInput, check_kube_version, check_release_name, prepare,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::api::conditions::reason;
use crate::api::{ChartStatus, HelmApp};
use crate::cluster::discovery::hex;
use crate::cluster::lookup::Lookup;
use crate::source;

use super::Context;
use super::memory::Reference;
use super::policy::{Again, Error};
use super::redact::Redactor;
use super::subject::Subject;
use super::values::{self, Contents};

/// Everything that a rendering is made from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// Identity of all of it together.
    pub digest: String,
    /// The chart.
    pub chart: Arc<Chart>,
    /// The chart, for status.
    pub chart_status: ChartStatus,
    /// Documents of the chart's crds/ directories.
    pub crds: Vec<Value>,
    /// The user's values, merged.
    pub values: Map<String, Value>,
}

/// What a rendering gave.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The chart, for the record.
    pub chart: Arc<ChartRecord>,
    /// The user's values.
    pub config: Map<String, Value>,
    /// The objects' text, as the record keeps it.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// The rendered notes.
    pub notes: String,
    /// The objects.
    pub documents: Vec<Value>,
    /// What lookups were answered, by digest.
    pub lookups: Map<String, Value>,
}

/// The ConfigMaps and Secrets that a spec names.
pub fn references(app: &HelmApp) -> Vec<Reference> {
    let named = values::references(&app.spec).into_iter();
    named
        .map(|reference| Reference {
            kind: reference.kind.as_str(),
            namespace: app.home().to_owned(),
            name: reference.name,
        })
        .collect()
}

/// Reads the chart and the values.
///
/// # Errors
/// A chart or values that can't be had or used.
pub async fn gather(ctx: &Context, subject: &Subject) -> Result<Gathered, Error> {
    ctx.attempts.remove(&subject.key);
    let (spec, home) = (&subject.app.spec, subject.app.home());
    let fetched = ctx
        .sources
        .fetch(&spec.chart, home, &subject.tenant)
        .await
        .map_err(source_error)?;
    ctx.metrics.charts(ctx.sources.cached());
    let contents = values::read(&subject.tenant, home, spec)
        .await
        .map_err(values_error)?;
    let redactor = Redactor::of(&contents);
    if redactor.is_empty() {
        ctx.redactors.remove(&subject.key);
    } else {
        ctx.redactors.insert(&subject.key, Arc::new(redactor));
    }
    let metadata = &fetched.chart.metadata;
    let chart_status = ChartStatus {
        name: metadata.name.clone(),
        version: metadata.version.clone(),
        app_version: Some(metadata.app_version.clone()).filter(|version| !version.is_empty()),
        digest: fetched.digest.to_string(),
    };
    let capabilities = ctx.discovery.snapshot().await?.digest.clone();
    let digest = digest(subject, &fetched.digest, &contents, &capabilities);
    ctx.attempts.insert(&subject.key, Arc::new(digest.clone()));
    let values = values::compose(spec, &fetched.chart, &contents).map_err(values_error)?;
    let crds = crds(&fetched.chart)?;
    Ok(Gathered {
        digest,
        chart_status,
        crds,
        values,
        chart: fetched.chart,
    })
}

/// Identity of everything that a rendering is made from. What the spec refers to is in it by UID and
/// resourceVersion, never by content, so that nothing can be guessed from the digest.
fn digest(subject: &Subject, chart: &str, contents: &Contents, capabilities: &str) -> String {
    let contents: Vec<_> = contents
        .iter()
        .map(|(reference, content)| {
            (
                reference.kind.as_str(),
                &reference.name,
                &content.uid,
                &content.resource_version,
            )
        })
        .collect();
    let parts = json!([
        chart,
        subject.spec_digest(),
        contents,
        capabilities,
        subject.release
    ]);
    format!("sha256:{}", hex(&Sha256::digest(parts.to_string().as_bytes())))
}

/// The documents of the chart's crds/ directories and its sub-charts'.
fn crds(chart: &Chart) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for crd in chart.crd_objects() {
        let documents = parse_stored(crd.file.text().unwrap_or_default()).map_err(|error| Error::Input {
            reason: reason::CHART_INVALID,
            message: format!("{}: {error}", crd.filename),
            again: Again::OnChange,
        })?;
        all.extend(
            documents
                .into_iter()
                .map(|document| document.object)
                .filter(|object| !object.is_null()),
        );
    }
    Ok(all)
}

fn source_error(error: source::Error) -> Error {
    let again = match error.retry() {
        source::Retry::Soon => Again::Soon(None),
        source::Retry::Seldom => Again::Seldom,
        source::Retry::OnChange => Again::OnChange,
    };
    Error::Input {
        reason: error.reason(),
        message: error.to_string(),
        again,
    }
}

fn values_error(error: values::Error) -> Error {
    let again = match &error {
        values::Error::Cluster(error) if error.is_transient() => Again::Soon(error.retry_after()),
        // Referenced objects are watched, but not where the right to watch them is missing.
        values::Error::Cluster(_) | values::Error::NotFound { .. } => Again::Seldom,
        _ => Again::OnChange,
    };
    Error::Input {
        reason: error.reason(),
        message: error.to_string(),
        again,
    }
}

/// Renders the chart with the values, under the rights of the release.
///
/// # Errors
/// Values that break the chart's schema, a template that fails, a document that is none.
pub async fn render(
    ctx: &Context,
    subject: &Subject,
    gathered: &Gathered,
    revision: i64,
    is_install: bool,
) -> Result<Wanted, Error> {
    let snapshot = ctx.discovery.snapshot().await?;
    let capabilities = Arc::new(Capabilities {
        kube_version: KubeVersion {
            version: snapshot.version.git_version.clone(),
            major: snapshot.version.major.clone(),
            minor: snapshot.version.minor.clone(),
        },
        api_versions: snapshot.api_versions.clone(),
        helm_version: HelmVersion::default(),
    });
    let lookup = Arc::new(Lookup::new(
        subject.tenant.clone(),
        ctx.discovery.clone(),
        Handle::current(),
    ));
    let release = ReleaseOptions {
        name: subject.release.name.clone(),
        namespace: subject.release.namespace.clone(),
        revision,
        is_install,
        is_upgrade: !is_install,
    };
    let (chart, values, asked) = (gathered.chart.clone(), gathered.values.clone(), lookup.clone());
    // Rendering is pure computation, but for lookups, which wait for the API server.
    let work = move || rendered(&chart, &values, &release, capabilities, lookup);
    let manifest = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Input {
            reason: reason::RENDER_FAILED,
            message: "rendering ended early".to_owned(),
            again: Again::Seldom,
        })??;
    let mut lookups = Map::new();
    if let Some(digest) = asked.digest() {
        lookups.insert("digest".to_owned(), digest.into());
    }
    Ok(Wanted {
        chart: ctx.chart_record(&gathered.chart_status.digest, &gathered.chart)?,
        config: gathered.values.clone(),
        documents: manifest.parse_objects(),
        manifest: manifest.text,
        hooks: manifest.hooks,
        notes: manifest.notes.unwrap_or_default(),
        lookups,
    })
}

fn rendered(
    chart: &Chart,
    values: &Map<String, Value>,
    release: &ReleaseOptions,
    capabilities: Arc<Capabilities>,
    lookup: Arc<Lookup>,
) -> Result<Manifest, Error> {
    let refused = |reason, message: String| Error::Input {
        reason,
        message,
        again: Again::OnChange,
    };
    check_release_name(&release.name)
        .map_err(|error| refused(reason::RELEASE_NAME_INVALID, error.to_string()))?;
    check_kube_version(chart, &capabilities)
        .map_err(|error| refused(reason::CHART_INVALID, error.to_string()))?;
    let prepared = prepare(chart, values, Some(&Arc::default()), &mut Vec::new()).map_err(|error| {
        let reason = match error {
            PrepareError::Schema(_) => reason::SCHEMA_VIOLATION,
            _ => reason::VALUES_ERROR,
        };
        refused(reason, error.to_string())
    })?;
    let failed = |message| refused(reason::RENDER_FAILED, message);
    let compiled = CompiledChart::compile(&prepared.chart).map_err(|error| failed(error.to_string()))?;
    let mut input = RenderInput::new(&prepared.values, release, capabilities);
    input.lookup = lookup;
    let files = compiled
        .render(input)
        .map_err(|error| failed(error.to_string()))?;
    Manifest::build(chart.name(), files).map_err(|error| failed(error.to_string()))
}

impl helmapp_helm::render::Lookup for Lookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, String> {
        match self.answer(api_version, kind, namespace, name)? {
            Value::Object(found) => Ok(found),
            _ => Ok(Map::new()),
        }
    }
}
