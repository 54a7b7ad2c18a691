//! What comes before rendering: names, sub-charts switched on and off, values merged and checked
//! (`pkg/action/install.go`, `chartutil.ToRenderValues`).

use std::sync::Arc;

use helmapp_gotmpl::{Functions, Limits, State, TemplateSet, Value, sprig};

use crate::capabilities::{Capabilities, Incompatible};
use crate::chart::Chart;
use crate::schema::{self, Documents};
use crate::values::{self, Merger, Shared, Table, ValueLimits};

/// A chart and values that are ready to be rendered.
#[derive(Debug)]
pub struct Prepared {
    /// The chart with the sub-charts that these values leave on.
    pub chart: Chart,
    /// The values with the charts' own below them.
    pub values: Shared,
}

/// Why a chart and values do not go together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The values can not be merged.
    #[error(transparent)]
    Values(#[from] values::Error),
    /// The values break the schema of the chart or of a sub-chart.
    #[error(transparent)]
    Schema(#[from] schema::Error),
}

/// Settles which sub-charts are on, merges the charts' values below the given ones, and checks them by the charts'
/// schemas, unless that is to be skipped: `schemas` has the documents that schemas may refer to. `warnings` gets what
/// Helm would say on standard error.
///
/// # Errors
/// In Helm's words.
pub fn prepare(
    chart: &Chart,
    values: &Table,
    schemas: Option<&Arc<Documents>>,
    warnings: &mut Vec<String>,
) -> Result<Prepared, PrepareError> {
    prepare_within(chart, values, schemas, ValueLimits::default(), warnings)
}

/// [`prepare`] within the caller's limits.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_within(
    chart: &Chart,
    values: &Table,
    schemas: Option<&Arc<Documents>>,
    limits: ValueLimits,
    warnings: &mut Vec<String>,
) -> Result<Prepared, PrepareError> {
    let mut merger = Merger {
        limits,
        ..Merger::default()
    };
    let settled = merger.settle(chart, values);
    warnings.append(&mut merger.warnings);
    let (chart, values) = settled?;
    if let Some(documents) = schemas {
        schema::validate_within(&chart, &values, documents, limits.schema_steps)?;
    }
    Ok(Prepared { chart, values })
}

/// Checks the chart's `kubeVersion`.
///
/// # Errors
/// The chart is not for this version of Kubernetes.
pub fn check_kube_version(chart: &Chart, capabilities: &Capabilities) -> Result<(), Incompatible> {
    capabilities.kube_version.check(&chart.metadata.kube_version)
}

/// Why a chart can not be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotInstallable {
    /// It is a library, or something else that is no application.
    #[error("{0} charts are not installable")]
    Type(String),
    /// `charts/` lacks what Chart.yaml declares.
    #[error(
        "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to \
         fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    Missing(Vec<String>),
}

/// Checks that a loaded chart is an application and has the sub-charts that it declares.
///
/// # Errors
/// [`NotInstallable`], in Helm's words.
pub fn check_installable(chart: &Chart) -> Result<(), NotInstallable> {
    let kind = chart.metadata.r#type.as_str();
    if !matches!(kind, "" | "application") {
        return Err(NotInstallable::Type(kind.to_owned()));
    }
    let has = |name: &str| chart.dependencies.iter().any(|d| d.name() == name);
    let declared = chart.metadata.dependencies.iter().map(|d| d.name.as_str());
    let missing: Vec<String> = declared.filter(|name| !has(name)).map(str::to_owned).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(NotInstallable::Missing(missing))
    }
}

/// A release's name is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseNameError {
    /// There is none.
    #[error("release name \"\": no name provided")]
    Missing,
    /// It is too long, or no DNS name.
    #[error(
        "release name {0:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    )]
    Invalid(String),
}

/// Longest name of a release, as Helm allows.
const MAX_RELEASE_NAME: usize = 53;

/// Checks a release's name.
///
/// # Errors
/// [`ReleaseNameError`], in Helm's words.
pub fn check_release_name(name: &str) -> Result<(), ReleaseNameError> {
    if name.is_empty() {
        return Err(ReleaseNameError::Missing);
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(inner);
    if name.len() > MAX_RELEASE_NAME || !name.split('.').all(label) {
        return Err(ReleaseNameError::Invalid(name.to_owned()));
    }
    Ok(())
}

/// A release's name from a template, which may use sprig's functions (`--name-template`).
///
/// # Errors
/// The template does not parse or fails.
pub fn name_from_template(template: &str) -> Result<String, helmapp_gotmpl::Error> {
    const NAME: &str = "name-template";
    let mut functions = Functions::new();
    sprig::register(&mut functions, &sprig::Options::default());
    let mut set = TemplateSet::new(NAME, Arc::new(functions));
    set.add(NAME, template)?;
    Arc::new(set).execute(NAME, &Value::Nil, &mut State::new(Limits::default()))
}
