//! Step 5: what the chart and the values render to.

use std::collections::BTreeSet;
use std::sync::Arc;

use helmapp_helm::capabilities::Capabilities;
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::Manifest;
use helmapp_helm::plan::Document;
use helmapp_helm::release::{ChartRecord, Hook};
use helmapp_helm::render::{
    Asked, CompiledCharts, Limit, Memo, PrepareError, Questions, Recorder, ReleaseOptions, RenderInput,
    check_kube_version, check_release_name, prepare_within,
};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::api::conditions::reason;
use crate::cluster::lookup::Lookup;
use crate::settings::Limits;
use crate::store::KeptMemo;

use super::inputs::Gathered;
use super::policy::{Again, Error};
use super::redact::Redactor;
use super::subject::Subject;
use super::{Context, asked, memo};

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
    pub documents: Vec<Document>,
    /// What was looked up, and the digest of each answer.
    pub lookups: Map<String, Value>,
    /// What made its random values, if there are any.
    pub memo: Option<KeptMemo>,
}

/// Renders the chart with the values, under the rights of the release. What it asks of the capabilities becomes part
/// of the digest.
///
/// # Errors
/// Values that break the chart's schema, a template that fails, a document that is none; a chart that may not be the
/// newest; a lookup or the companion that can't be read now.
pub async fn render(
    ctx: &Context,
    subject: &Subject,
    gathered: &mut Gathered,
    revision: i64,
    is_install: bool,
) -> Result<Wanted, Error> {
    gathered.require_fresh()?;
    let kept = memo::of(ctx, subject, revision).await?;
    let place = ctx.renderers.enter(subject.app.home()).await?;
    // What it may take of the clock begins now.
    let render_limits = ctx.settings.limits.of_render();
    let lookup = Arc::new(Lookup::new(
        subject.tenant.clone(),
        ctx.discovery.clone(),
        Handle::current(),
        render_limits.deadline,
        ctx.settings.limits.lookups.bytes,
    ));
    let lookups = Arc::new(Recorder::new(lookup.clone(), ctx.settings.limits.lookups));
    let asked = Arc::<Asked>::default();
    let work = Work {
        chart: gathered.chart.clone(),
        values: gathered.values.clone(),
        release: ReleaseOptions {
            name: subject.release.name.clone(),
            namespace: subject.release.namespace.clone(),
            revision,
            is_install,
            is_upgrade: !is_install,
        },
        capabilities: gathered.capabilities.clone(),
        asked: asked.clone(),
        lookup: lookups.clone(),
        memo: kept.memo.clone(),
        limits: Limits {
            render: render_limits,
            ..ctx.settings.limits.clone()
        },
        compiled: ctx.compiled.clone(),
    };
    let rendered = place.run(move || work.done()).await;
    // A rendering that failed has read and asked as well.
    let redactor = hide(ctx, subject, &lookup.secrets());
    let questions = without_secrets(asked.questions(), redactor.as_deref());
    gathered.digest = asked::digest(&gathered.inputs, &questions, &gathered.capabilities);
    asked::learn(ctx, subject, &gathered.digest, &questions);
    ctx.attempts
        .insert(&subject.key, Arc::new(gathered.digest.clone()));
    let rendered = rendered.map_err(|_| Error::Input {
        reason: reason::RENDER_FAILED,
        message: "rendering ended early".to_owned(),
        again: Again::Seldom,
    })?;
    let (manifest, documents) = rendered.map_err(|error| unanswered(error, &lookup))?;
    let lookups = lookups.recorded().into_iter();
    Ok(Wanted {
        chart: ctx.chart_record(&gathered.chart_status.digest, &gathered.chart)?,
        config: gathered.values.clone(),
        manifest: manifest.text,
        hooks: manifest.hooks,
        notes: manifest.notes.unwrap_or_default(),
        documents,
        lookups: lookups
            .map(|recorded| (recorded.question.to_string(), recorded.digest.into()))
            .collect(),
        memo: asked.is_left_to_chance().then_some(kept),
    })
}

/// A lookup that has no answer says when it may have one; a rendering that fails by itself fails until it is another.
fn unanswered(error: Error, lookup: &Lookup) -> Error {
    match (error, lookup.failure()) {
        (Error::Input { reason, message, .. }, Some(failure)) => Error::Input {
            reason,
            message,
            again: Error::Cluster(failure).again(),
        },
        (error, _) => error,
    }
}

/// Keeps what was read from Secrets out of all messages about the HelmApp.
fn hide(ctx: &Context, subject: &Subject, secrets: &BTreeSet<String>) -> Option<Arc<Redactor>> {
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
    let bytes: usize = questions.api_versions.iter().map(|version| version.len()).sum();
    let finder = redactor.map(|redactor| redactor.finder(bytes));
    let quotes = |version: &String| finder.as_ref().is_some_and(|finder| finder.finds(version));
    if questions.api_versions.iter().any(quotes) {
        questions.all_api_versions = true;
        questions.api_versions.clear();
    }
    questions
}

/// One rendering, which is pure computation but for lookups: they wait for the API server.
struct Work {
    chart: Arc<Chart>,
    values: Map<String, Value>,
    release: ReleaseOptions,
    capabilities: Arc<Capabilities>,
    asked: Arc<Asked>,
    lookup: Arc<Recorder>,
    memo: Memo,
    limits: Limits,
    compiled: Arc<CompiledCharts>,
}

impl Work {
    /// The manifest, and its objects.
    fn done(self) -> Result<(Manifest, Vec<Document>), Error> {
        let refused = |reason, message: String| Error::Input {
            reason,
            message,
            again: Again::OnChange,
        };
        check_release_name(&self.release.name)
            .map_err(|error| refused(reason::RELEASE_NAME_INVALID, error.to_string()))?;
        if !self.chart.metadata.kube_version.is_empty() {
            self.asked.kube_version();
        }
        check_kube_version(&self.chart, &self.capabilities)
            .map_err(|error| refused(reason::CHART_INVALID, error.to_string()))?;
        let prepared = prepare_within(
            &self.chart,
            &self.values,
            Some(&Arc::default()),
            self.limits.values,
            &mut Vec::new(),
        )
        .map_err(|error| {
            let reason = match error {
                PrepareError::Schema(_) => reason::SCHEMA_VIOLATION,
                _ => reason::VALUES_ERROR,
            };
            refused(reason, error.to_string())
        })?;
        let failed = |message| refused(reason::RENDER_FAILED, message);
        let compiled = self
            .compiled
            .get(&prepared.chart)
            .map_err(|error| failed(error.to_string()))?;
        let input = RenderInput {
            asked: self.asked,
            lookup: self.lookup,
            limits: self.limits.render.clone(),
            yaml: self.limits.yaml,
            ..RenderInput::new(&prepared.values, &self.release, self.capabilities)
        };
        let files = compiled.render(input.with_memo(&self.memo)).map_err(|error| {
            let mut refused = failed(error.to_string());
            // Whether the clock runs out depends on more than the chart.
            if let (Error::Input { again, .. }, Some(Limit::Deadline)) =
                (&mut refused, error.template_error().limit())
            {
                *again = Again::Seldom;
            }
            refused
        })?;
        let manifest = Manifest::build_within(self.chart.name(), files, &self.limits.of_manifest())
            .map_err(|error| failed(error.to_string()))?;
        let objects = manifest.objects.iter().filter(|object| !object.object.is_null());
        let documents = objects.cloned().map(Document::from).collect();
        Ok((manifest, documents))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use helmapp_helm::chart::File;
    use helmapp_helm::render::Lookup;
    use serde_json::json;

    use super::*;

    /// Answers with a little, and counts.
    #[derive(Default)]
    struct Little(AtomicUsize);

    impl Lookup for Little {
        fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Map<String, Value>, String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Map::from_iter([("found".to_owned(), json!("something"))]))
        }
    }

    fn work(template: &str, limits: &Limits) -> Work {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
            ("values.yaml", "own: [1, 2]\n"),
            ("templates/a.yaml", template),
        ];
        let files = files
            .map(|(name, text)| File::new(name, text.as_bytes()))
            .to_vec();
        Work {
            chart: Arc::new(Chart::load_files(files, &limits.of_chart(1 << 20)).unwrap()),
            values: Map::new(),
            release: ReleaseOptions {
                name: "r".to_owned(),
                namespace: "n".to_owned(),
                revision: 1,
                is_install: true,
                is_upgrade: false,
            },
            capabilities: Arc::default(),
            asked: Arc::default(),
            lookup: Arc::new(Recorder::new(Arc::new(Little::default()), limits.lookups)),
            memo: Memo::new([1; 32], 1_795_266_227),
            limits: limits.clone(),
            compiled: Arc::new(CompiledCharts::new(1 << 20)),
        }
    }

    /// Sets one limit.
    type Set = fn(&mut Limits);

    #[test]
    fn each_setting_stops_a_rendering_and_is_named() {
        const DEEP: &str = "{{ define \"d\" }}{{ if . }}{{ include \"d\" (sub . 1 | int) }}{{ end }}{{ end }}{{ include \"d\" 30 }}";
        const OBJECTS: &str = "{{ range until 3 }}\n---\nkind: A\nn: {{ . }}\n{{ end }}";
        const LOOKUPS: &str = "{{ range list \"a\" \"b\" }}{{ $_ := lookup \"v1\" \"A\" \"\" . }}{{ end }}";
        let table: [(Set, &str, &str); 19] = [
            (
                |l| l.render.steps = 100,
                "{{ range until 200 }}{{ end }}",
                "steps limit",
            ),
            (
                |l| l.render.template_depth = 5,
                DEEP,
                "maximum template depth (5)",
            ),
            (|l| l.render.stack_bytes = 20_000, DEEP, "stack limit"),
            (
                |l| l.render.output_bytes = 5,
                "a: {{ print 1234567 }}",
                "output size limit",
            ),
            (
                |l| l.render.text_bytes = 5,
                "{{ $x := repeat 6 \"a\" }}",
                "text size limit",
            ),
            (
                |l| l.render.memory_bytes = 100_000,
                "{{ $x := until 10000 }}",
                "memory limit",
            ),
            (
                |l| l.render.list_items = 5,
                "{{ $x := until 6 }}",
                "list items limit",
            ),
            (
                |l| l.render.key_work = 5,
                "{{ $x := bcrypt \"a\" }}",
                "key work limit",
            ),
            (
                |l| l.render.regex_bytes = 5,
                "{{ $x := regexMatch \"aaaaaa\" \"a\" }}",
                "regex size limit",
            ),
            (|l| l.lookups.count = 1, LOOKUPS, "lookups limit"),
            (|l| l.lookups.bytes = 30, LOOKUPS, "lookup bytes limit"),
            (
                |l| l.yaml.nodes = 6,
                "{{ $x := fromYaml \"a: [1, 2, 3, 4, 5, 6]\" }}",
                "limit nodes",
            ),
            (
                |l| l.yaml.expanded_bytes = 3,
                "{{ $x := fromYaml \"a: &a long\\nb: *a\" }}",
                "limit expanded_bytes",
            ),
            (
                |l| l.yaml.input_bytes = 60,
                "{{ $x := fromYaml \"a: the text of a value that is longer than sixty bytes, keys and all\" }}",
                "limit input_bytes",
            ),
            (|l| l.values.entries = 0, "", "limit entries"),
            (|l| l.values.bytes = 2, "", "limit values_bytes"),
            (|l| l.values.steps = 2, "", "limit values_steps"),
            (|l| l.values.charts = 0, "", "limit charts"),
            (|l| l.manifest_nodes = 8, OBJECTS, "limit manifest nodes"),
        ];
        for (set, template, name) in table {
            let mut limits = Limits::default();
            let usual = work(template, &limits).done();
            assert!(usual.is_ok(), "{name}: {usual:?}");
            set(&mut limits);
            let error = work(template, &limits).done().unwrap_err().to_string();
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}
