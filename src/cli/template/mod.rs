//! `helmapp template`: renders a chart without a cluster, as `helm template` does (cmd/helm/template.go of Helm 3.19).

mod arguments;
mod content;
mod match_path;
mod messages;
mod output;
mod source;
#[cfg(test)]
mod tests;
mod unused;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use helmapp_helm::capabilities::{Capabilities, KubeVersion};
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::{Manifest, source_block};
use helmapp_helm::render::{self, CompiledChart, FunctionSet, Limits, Prepared, ReleaseOptions, RenderInput};
use helmapp_helm::values::{Layers, Shared};

pub use arguments::Arguments;
use messages::log_line;
use output::Output;

/// Room for templates that include each other a thousand deep, which Helm allows.
const STACK_BYTES: usize = 64 << 20;

/// The namespace of a release that was given none.
const DEFAULT_NAMESPACE: &str = "default";

/// The name of a release that was given none.
const DEFAULT_NAME: &str = "release-name";

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let work = move || template(&arguments, &mut std::io::stdout().lock(), &mut std::io::stderr());
    let thread = std::thread::Builder::new()
        .name("template".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work)?;
    thread
        .join()
        .map_err(|_| anyhow!("rendering ended unexpectedly"))?
}

/// Renders what the arguments ask for into `out`; warnings go to `messages`. Needs a thread with 64 MiB of stack.
///
/// # Errors
/// In Helm's words.
pub fn template(
    arguments: &Arguments,
    out: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<()> {
    // Helm's texts hold their causes already; a closed output must stay recognisable.
    let whole = |e: anyhow::Error| {
        if e.is::<std::io::Error>() {
            e
        } else {
            anyhow!("{e}")
        }
    };
    print(arguments, out, messages).map_err(whole)
}

fn print(arguments: &Arguments, out: &mut impl Write, messages: &mut impl Write) -> anyhow::Result<()> {
    let job = Job::new(arguments)?;
    let layers = Layers {
        value_files: given(&arguments.values),
        json_values: arguments.set_json.clone(),
        values: arguments.set.clone(),
        string_values: arguments.set_string.clone(),
        file_values: arguments.set_file.clone(),
        literal_values: arguments.set_literal.clone(),
    };
    let path = source::locate(&job.chart)?;
    let values = layers.merge(source::read)?;
    let chart = source::load(&path)?;
    for warning in chart.load_warnings() {
        writeln!(messages, "{}", log_line(warning))?;
    }
    render::check_installable(&chart)?;
    if chart.metadata.deprecated {
        writeln!(messages, "WARNING: This chart is deprecated")?;
    }
    render::check_release_name(&job.release.name)?;
    let mut warnings = Vec::new();
    let documents = Arc::default();
    let schemas = (!arguments.skip_schema_validation).then_some(&documents);
    let prepared = render::prepare(&chart, &values, schemas, &mut warnings);
    for warning in warnings {
        writeln!(messages, "{}", log_line(&warning))?;
    }
    let Prepared { chart, values } = prepared?;
    let (manifest, failure) = job.render(&chart, &values);
    for warning in &manifest.warnings {
        writeln!(messages, "{}", log_line(warning))?;
    }
    if let Some(error) = failure.as_ref().filter(|_| !arguments.debug) {
        bail!("{error}\n\nUse --debug flag to render out invalid YAML");
    }
    let release = &job.release.name;
    Output {
        arguments,
        release,
        chart: &chart,
        manifest: &manifest,
        partial: failure.is_some(),
    }
    .write(out)?;
    failure.map_or(Ok(()), Err)
}

/// What the arguments come to.
struct Job {
    chart: String,
    release: ReleaseOptions,
    capabilities: Arc<Capabilities>,
    functions: FunctionSet,
}

impl Job {
    fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let kube_version = match &arguments.kube_version {
            Some(text) if !text.is_empty() => {
                KubeVersion::parse(text).map_err(|e| anyhow!("invalid kube version '{text}': {e}"))?
            }
            _ => KubeVersion::default(),
        };
        if let Some(refused) = &arguments.unused.refused {
            bail!("{refused}");
        }
        let (name, chart) = name_and_chart(arguments)?;
        Ok(Job {
            chart,
            release: ReleaseOptions {
                name,
                namespace: match arguments.namespace.as_str() {
                    "" => DEFAULT_NAMESPACE.to_owned(),
                    namespace => namespace.to_owned(),
                },
                revision: 1,
                is_install: !arguments.is_upgrade,
                is_upgrade: arguments.is_upgrade,
            },
            capabilities: Arc::new(Capabilities::without_cluster(
                kube_version,
                &arguments.api_versions,
            )),
            functions: arguments.template_functions,
        })
    }

    /// The manifest, and why it is not whole: then it has what could be rendered, as text only.
    fn render(&self, chart: &Chart, values: &Shared) -> (Manifest, Option<anyhow::Error>) {
        let files = match self.render_files(chart, values) {
            Ok(files) => files,
            Err(error) => return (Manifest::default(), Some(error)),
        };
        match Manifest::build(chart.name(), files.clone()) {
            Ok(manifest) => (manifest, None),
            Err(error) => {
                let filled = files.iter().filter(|(_, content)| !content.trim().is_empty());
                let text = filled
                    .map(|(path, content)| source_block(path, content))
                    .collect();
                (
                    Manifest {
                        text,
                        ..Manifest::default()
                    },
                    Some(error.into()),
                )
            }
        }
    }

    fn render_files(&self, chart: &Chart, values: &Shared) -> anyhow::Result<BTreeMap<String, String>> {
        render::check_kube_version(chart, &self.capabilities)?;
        let input = RenderInput {
            limits: Limits {
                stack_bytes: STACK_BYTES - (1 << 20),
                ..Limits::default()
            },
            ..RenderInput::new(values, &self.release, Arc::clone(&self.capabilities))
        };
        Ok(CompiledChart::compile_with(chart, self.functions)?.render(input)?)
    }
}

/// An empty list of files is an empty text on the command line.
fn given(files: &[String]) -> Vec<String> {
    files.iter().filter(|name| !name.is_empty()).cloned().collect()
}

fn name_and_chart(arguments: &Arguments) -> anyhow::Result<(String, String)> {
    match arguments.positional.as_slice() {
        [] => bail!("a chart is needed: helmapp template [NAME] CHART"),
        [chart] => match &arguments.name_template {
            Some(template) => Ok((render::name_from_template(template)?, chart.clone())),
            None => Ok((DEFAULT_NAME.to_owned(), chart.clone())),
        },
        [_, _] if arguments.generate_name => {
            bail!("cannot set --generate-name and also specify a name")
        }
        [_, _] if arguments.name_template.is_some() => {
            bail!("cannot set --name-template and also specify a name")
        }
        [name, chart] => Ok((name.clone(), chart.clone())),
        [_, _, more @ ..] => {
            bail!(
                "expected at most two arguments, unexpected arguments: {}",
                more.join(", ")
            )
        }
    }
}
