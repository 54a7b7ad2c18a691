//! What this crate makes of a case, in the steps of `helm template`.

use std::path::Path;
use std::sync::Arc;

use helmapp_helm::capabilities::{Capabilities, KubeVersion};
use helmapp_helm::chart::{Chart, DirOptions, File, Symlinks};
use helmapp_helm::limits::Limits;
use helmapp_helm::manifest::{Manifest, source_block};
use helmapp_helm::render::{self, CompiledChart, FunctionSet, Prepared, ReleaseOptions, RenderInput};
use helmapp_helm::values::{Layers, Shared};
use helmapp_oracle::helm::{Answer, Case};

/// Templates may include each other a thousand deep.
pub(crate) const STACK_BYTES: usize = 64 << 20;

type Error = Box<dyn std::error::Error>;

/// The answer to a `template` case. Needs a thread with [`STACK_BYTES`] of stack.
pub(crate) fn answer(case: &Case) -> Answer {
    answer_with(case, FunctionSet::default())
}

/// The same with the functions of a choice.
pub(crate) fn answer_with(case: &Case, functions: FunctionSet) -> Answer {
    let mut answer = Answer::default();
    if let Err(error) = template(case, functions, &mut answer) {
        answer.out.clear();
        answer.notes.clear();
        answer.err = error.to_string();
    }
    answer
}

fn template(case: &Case, functions: FunctionSet, answer: &mut Answer) -> Result<(), Error> {
    let version = match case.kube_version.as_str() {
        "" => KubeVersion::default(),
        text => KubeVersion::parse(text).map_err(|e| format!("invalid kube version '{text}': {e}"))?,
    };
    let capabilities = Arc::new(Capabilities::without_cluster(version, &case.api_versions));
    let layers = Layers {
        value_files: (0..case.values.len()).map(|i| format!("case:{i}")).collect(),
        json_values: case.set_json.clone(),
        values: case.set.clone(),
        string_values: case.set_string.clone(),
        file_values: case.set_file.clone(),
        literal_values: case.set_literal.clone(),
    };
    let values = layers.merge(|name| read(case, name))?;
    let chart = load(case)?;
    answer
        .warnings
        .extend(chart.load_warnings().into_iter().map(str::to_owned));
    render::check_installable(&chart)?;
    render::check_release_name(&case.name)?;
    let documents = Arc::default();
    let schemas = (!case.skip_schema).then_some(&documents);
    let prepared = render::prepare(&chart, &values, schemas, &mut answer.warnings);
    let Prepared { chart, values } = prepared?;
    let manifest = manifest(case, functions, &chart, &values, capabilities)
        .map_err(|e| format!("{e}\n\nUse --debug flag to render out invalid YAML"))?;
    answer.warnings.extend(manifest.warnings.iter().cloned());
    answer.out = text(case, &chart, &manifest);
    answer.notes = manifest.notes.unwrap_or_default();
    Ok(())
}

fn manifest(
    case: &Case,
    functions: FunctionSet,
    chart: &Chart,
    values: &Shared,
    capabilities: Arc<Capabilities>,
) -> Result<Manifest, Error> {
    render::check_kube_version(chart, &capabilities)?;
    let release = ReleaseOptions {
        name: case.name.clone(),
        namespace: case.namespace.clone(),
        revision: 1,
        is_install: !case.upgrade,
        is_upgrade: case.upgrade,
    };
    let input = RenderInput {
        limits: render::Limits {
            stack_bytes: STACK_BYTES - (1 << 20),
            ..render::Limits::default()
        },
        ..RenderInput::new(values, &release, capabilities)
    };
    let files = CompiledChart::compile_with(chart, functions)?.render(input)?;
    Ok(Manifest::build(chart.name(), files)?)
}

fn text(case: &Case, chart: &Chart, manifest: &Manifest) -> String {
    let mut text = String::new();
    if case.include_crds {
        for crd in chart.crd_objects() {
            text.push_str(&source_block(
                &crd.filename,
                &String::from_utf8_lossy(&crd.file.data),
            ));
        }
    }
    text.push_str(&manifest.text);
    let mut text = text.trim().to_owned();
    text.push('\n');
    for hook in &manifest.hooks {
        text.push_str(&source_block(&hook.path, &hook.manifest));
    }
    text
}

fn load(case: &Case) -> Result<Chart, Error> {
    if !case.path.is_empty() {
        let path = Path::new(&case.path);
        if !path.is_dir() {
            return Ok(Chart::load_archive(&std::fs::read(path)?, &Limits::default())?);
        }
        let options = DirOptions {
            symlinks: Symlinks::Anywhere,
            ..DirOptions::default()
        };
        return Ok(Chart::load_dir(path, &options)?);
    }
    let files = case
        .files
        .iter()
        .map(|f| File::new(f.name.as_str(), f.data()))
        .collect();
    Ok(Chart::load_files(files, &Limits::default())?)
}

fn read(case: &Case, name: &str) -> Result<Vec<u8>, String> {
    let name = name.strip_prefix("case:").unwrap_or(name);
    let values = case.values.iter().enumerate();
    let file = values
        .map(|(at, text)| (at.to_string(), text))
        .chain(case.inputs.iter().map(|f| (f.name.clone(), &f.text)))
        .find(|(known, _)| known == name);
    match file {
        Some((_, text)) => Ok(text.clone().into_bytes()),
        None => Err(format!("no input {name}")),
    }
}
