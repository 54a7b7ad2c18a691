//! Steps 1 to 3 and 5: the chart, the values and what they render to.

use std::sync::Arc;

use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::{Manifest, parse_stored};
use helmapp_helm::release::{ChartRecord, Hook};
use helmapp_helm::render::{
    Asked, CompiledChart, Limit, Limits, PrepareError, Questions, ReleaseOptions, RenderInput,
    check_kube_version, check_release_name, prepare,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::api::conditions::reason;
use crate::api::{ChartStatus, HelmApp};
use crate::cluster::discovery::hex;
use crate::cluster::lookup::Lookup;
use crate::source;

use super::memory::Reference;
use super::policy::{Again, Error};
use super::redact::Redactor;
use super::subject::Subject;
use super::values::{self, Contents};
use super::{Context, asked};

/// Everything that a rendering is made from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// Identity of all of it together, with what a rendering of it asked of the capabilities.
    pub digest: String,
    /// The same without the capabilities.
    pub inputs: String,
    /// What the cluster offers.
    capabilities: Arc<Capabilities>,
    /// Why the chart is an earlier copy, when its source could not be asked.
    stale: Option<String>,
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
    /// What was looked up, and the digest of each answer.
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
    asked::recall(ctx, subject).await?;
    let inputs = digest(subject, &fetched.digest, &contents);
    let snapshot = ctx.discovery.snapshot().await?;
    // What is wrong with the inputs themselves is so whatever the cluster offers.
    let nothing = asked::digest(&inputs, &Questions::default(), &Capabilities::default());
    ctx.attempts.insert(&subject.key, Arc::new(nothing.clone()));
    let values = values::compose(spec, &fetched.chart, &contents).map_err(values_error)?;
    let crds = crds(&fetched.chart)?;
    let capabilities = Arc::new(asked::capabilities(&snapshot, &crds));
    let table = asked::known(ctx, subject);
    let digest = asked::find(&table, &inputs, &capabilities).unwrap_or(nothing);
    ctx.attempts.insert(&subject.key, Arc::new(digest.clone()));
    Ok(Gathered {
        digest,
        inputs,
        capabilities,
        stale: fetched.stale,
        chart_status,
        crds,
        values,
        chart: fetched.chart,
    })
}

impl Gathered {
    /// Refuses to make a revision from a chart that may not be the newest.
    ///
    /// # Errors
    /// Why the chart's source can't be asked.
    fn require_fresh(&self) -> Result<(), Error> {
        match &self.stale {
            None => Ok(()),
            Some(why) => Err(Error::Input {
                reason: reason::ARTIFACT_FAILED,
                message: format!("{why}; no revision is made from the copy that was downloaded before"),
                again: Again::Soon(None),
            }),
        }
    }
}

/// Identity of everything that a rendering is made from but the capabilities. What the spec refers to is in it by UID and
/// resourceVersion, never by content, so that nothing can be guessed from the digest.
fn digest(subject: &Subject, chart: &str, contents: &Contents) -> String {
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
    let parts = json!([chart, subject.spec_digest(), contents, subject.release]);
    hex(&Sha256::digest(parts.to_string().as_bytes()))
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

/// Renders the chart with the values, under the rights of the release. What it asks of the capabilities becomes part
/// of the digest.
///
/// # Errors
/// Values that break the chart's schema, a template that fails, a document that is none; a chart that may not be the
/// newest.
pub async fn render(
    ctx: &Context,
    subject: &Subject,
    gathered: &mut Gathered,
    revision: i64,
    is_install: bool,
) -> Result<Wanted, Error> {
    gathered.require_fresh()?;
    let capabilities = gathered.capabilities.clone();
    let asked = Arc::<Asked>::default();
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
    let (chart, values) = (gathered.chart.clone(), gathered.values.clone());
    let host = Host {
        capabilities,
        asked: asked.clone(),
        lookup: lookup.clone(),
        limits: ctx.settings.limits.of_render(),
    };
    // Rendering is pure computation, but for lookups, which wait for the API server.
    let work = move || rendered(&chart, &values, &release, host);
    let manifest = tokio::task::spawn_blocking(work).await;
    // A rendering that failed has read and asked as well.
    let redactor = hide(ctx, subject, &lookup.secrets());
    let questions = without_secrets(asked.questions(), redactor.as_deref());
    gathered.digest = asked::digest(&gathered.inputs, &questions, &gathered.capabilities);
    asked::learn(ctx, subject, &gathered.digest, &questions);
    ctx.attempts
        .insert(&subject.key, Arc::new(gathered.digest.clone()));
    let manifest = manifest.map_err(|_| Error::Input {
        reason: reason::RENDER_FAILED,
        message: "rendering ended early".to_owned(),
        again: Again::Seldom,
    })??;
    Ok(Wanted {
        chart: ctx.chart_record(&gathered.chart_status.digest, &gathered.chart)?,
        config: gathered.values.clone(),
        documents: manifest.parse_objects(),
        manifest: manifest.text,
        hooks: manifest.hooks,
        notes: manifest.notes.unwrap_or_default(),
        lookups: lookup.answers(),
    })
}

/// Keeps what was read from Secrets out of all messages about the HelmApp.
fn hide(ctx: &Context, subject: &Subject, secrets: &[String]) -> Option<Arc<Redactor>> {
    let known = ctx.redactors.get(&subject.key);
    if secrets.is_empty() {
        return known;
    }
    let secrets = secrets.iter().map(String::as_str);
    let redactor = Arc::new(known.unwrap_or_default().and(secrets));
    ctx.redactors.insert(&subject.key, redactor.clone());
    Some(redactor)
}

/// Status names the questions: one that quotes a Secret is not remembered by its words.
fn without_secrets(mut questions: Questions, redactor: Option<&Redactor>) -> Questions {
    let quotes = |version: &String| redactor.is_some_and(|redactor| redactor.clean(version) != *version);
    if questions.api_versions.iter().any(quotes) {
        questions.all_api_versions = true;
        questions.api_versions.clear();
    }
    questions
}

/// What a rendering asks.
struct Host {
    capabilities: Arc<Capabilities>,
    asked: Arc<Asked>,
    lookup: Arc<Lookup>,
    limits: Limits,
}

fn rendered(
    chart: &Chart,
    values: &Map<String, Value>,
    release: &ReleaseOptions,
    host: Host,
) -> Result<Manifest, Error> {
    let refused = |reason, message: String| Error::Input {
        reason,
        message,
        again: Again::OnChange,
    };
    check_release_name(&release.name)
        .map_err(|error| refused(reason::RELEASE_NAME_INVALID, error.to_string()))?;
    if !chart.metadata.kube_version.is_empty() {
        host.asked.kube_version();
    }
    check_kube_version(chart, &host.capabilities)
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
    let mut input = RenderInput::new(&prepared.values, release, host.capabilities);
    input.asked = host.asked;
    input.lookup = host.lookup;
    input.limits = host.limits;
    let files = compiled.render(input).map_err(|error| {
        let mut refused = failed(error.to_string());
        // Whether the clock runs out depends on more than the chart.
        if let (Error::Input { again, .. }, Some(Limit::Deadline)) =
            (&mut refused, error.template_error().limit())
        {
            *again = Again::Seldom;
        }
        refused
    })?;
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

#[cfg(test)]
mod tests {
    use helmapp_helm::chart::File;
    use helmapp_helm::limits::Limits;

    use super::*;

    #[test]
    fn no_revision_is_made_from_a_chart_that_may_be_old() {
        let file = File::new(
            "Chart.yaml",
            b"apiVersion: v2\nname: web\nversion: 1.0.0\n".to_vec(),
        );
        let mut gathered = Gathered {
            digest: String::new(),
            inputs: String::new(),
            capabilities: Arc::default(),
            stale: None,
            chart: Arc::new(Chart::load_files(vec![file], &Limits::default()).unwrap()),
            chart_status: ChartStatus::default(),
            crds: Vec::new(),
            values: Map::new(),
        };
        assert!(gathered.require_fresh().is_ok());
        gathered.stale = Some("https://charts.example/web.tgz answered 503".to_owned());
        let error = gathered.require_fresh().unwrap_err();
        assert_eq!(
            (error.reason(), error.again()),
            (reason::ARTIFACT_FAILED, Again::Soon(None))
        );
        assert!(
            error.to_string().contains("answered 503; no revision is made"),
            "{error}"
        );
    }
}
