//! Steps 1 to 3: the chart and the values, and what identifies them.

use std::sync::Arc;

use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::parse_stored;
use helmapp_helm::render::{Questions, check_installable};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::conditions::reason;
use crate::api::{ChartStatus, CrdsPolicy, HelmApp};
use crate::cluster::discovery::hex;
use crate::source;

use super::memory::Reference;
use super::policy::{Again, Error};
use super::redact::Redactor;
use super::subject::Subject;
use super::values::{self, Contents};
use super::{Context, asked, crds};

/// Everything that a rendering is made from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// Identity of all of it together, with what a rendering of it asked of the capabilities.
    pub digest: String,
    /// The same without the capabilities.
    pub inputs: String,
    /// What the cluster offers.
    pub(super) capabilities: Arc<Capabilities>,
    /// Why the chart is an earlier copy, when its source could not be asked.
    stale: Option<String>,
    /// The chart.
    pub chart: Arc<Chart>,
    /// The chart, for status.
    pub chart_status: ChartStatus,
    /// Documents of the chart's crds/ directories, where something is to be done with them.
    pub crds: Vec<Value>,
    /// The user's values, merged.
    pub values: Map<String, Value>,
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
    let redactor = Redactor::of(spec, &contents);
    if redactor.is_empty() {
        ctx.redactors.remove(&subject.key);
    } else {
        ctx.redactors.insert(&subject.key, Arc::new(redactor));
    }
    check_installable(&fetched.chart).map_err(|error| Error::Input {
        reason: reason::CHART_INVALID,
        message: error.to_string(),
        again: Again::OnChange,
    })?;
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
    let values =
        values::compose(spec, &fetched.chart, &contents, &ctx.settings.limits.yaml).map_err(values_error)?;
    let crds = match crds::policy(ctx, subject) {
        CrdsPolicy::Skip => Vec::new(),
        CrdsPolicy::Create | CrdsPolicy::CreateReplace => documents_of_crds(&fetched.chart)?,
    };
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
    pub(super) fn require_fresh(&self) -> Result<(), Error> {
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
/// resourceVersion, never by content, so that nothing can be guessed from the digest. The annotation that has random
/// values made anew is in it where it is set.
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
    let mut parts = vec![
        json!(chart),
        json!(subject.spec_digest()),
        json!(contents),
        json!(subject.release),
    ];
    if let Some(renewal) = subject.app.renewal() {
        parts.push(json!(renewal));
    }
    let parts = Value::from(parts);
    hex(&Sha256::digest(parts.to_string().as_bytes()))
}

/// The documents of the chart's crds/ directories and its sub-charts'.
fn documents_of_crds(chart: &Chart) -> Result<Vec<Value>, Error> {
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
