//! The operator: watches, the memory that they fill, and the flow that each HelmApp goes through.

mod access;
mod advice;
mod asked;
mod base;
mod causes;
mod claim;
mod compare;
mod crds;
mod deploy;
mod digests;
mod drift;
mod finalize;
pub mod health;
mod history;
mod hooks;
pub mod inputs;
mod leaves;
mod leftover;
mod lifecycle;
mod memo;
pub mod memory;
mod namespace;
pub mod planning;
pub mod policy;
mod preflight;
pub mod preview;
mod readiness;
mod reconcile;
mod record;
pub mod redact;
mod release;
mod remediation;
mod renderers;
pub mod rendering;
mod report;
mod restore;
mod resume;
pub mod revision;
mod rollback;
mod rules;
mod settle;
mod slots;
mod stages;
pub mod subject;
mod taken;
mod testing;
pub mod values;
pub mod veil;
mod watching;

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::stream::select;
use futures::{Stream, StreamExt, TryStreamExt, future};
use helmapp_helm::chart::Chart;
use helmapp_helm::release::ChartRecord;
use helmapp_helm::render::CompiledCharts;
use kube::Client;
use kube::api::{Api, ResourceExt};
use kube::runtime::controller::{Action, Config, Error as Failure};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{PredicateConfig, WatchStreamExt, applier, watcher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::Instant;
use tracing::error;

use crate::api::HelmApp;
use crate::api::conditions::reason;
use crate::cluster::discovery::Discovery;
use crate::cluster::identity::Identities;
use crate::cluster::watches::Watches;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::source::{self, Sources};
use crate::status::StatusWriter;
use crate::store::Store;

use memory::{Basis, Memory, Observer};
use readiness::Course;
use redact::Redactor;
use renderers::Renderers;
use settle::Settling;
use slots::{Companions, Slots, Timers};
use subject::Subject;
use watching::kinds;

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sources of charts can't be set up.
    #[error(transparent)]
    Sources(#[from] source::Error),
    /// The system gives no threads to render charts on.
    #[error("can not start threads to render charts on: {0}")]
    Threads(#[from] std::io::Error),
    /// The cluster does not answer.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::Error),
    /// Something that must be watched can't be.
    #[error("can not watch {what}: {why}; give the operator the right to list and watch it")]
    Watch {
        /// What.
        what: &'static str,
        /// Why not.
        why: String,
    },
}

/// Everything that the flow uses.
#[derive(Debug)]
pub struct Context {
    settings: Settings,
    identities: Identities,
    discovery: Arc<Discovery>,
    sources: Sources,
    store: Store,
    companions: Companions,
    chunked: history::Chunked,
    status: StatusWriter,
    events: Events,
    metrics: Arc<Metrics>,
    memory: Arc<Memory>,
    watches: Watches,
    apps: reflector::Store<HelmApp>,
    settling: Slots<Settling>,
    attempts: Slots<String>,
    asked: Slots<asked::Table>,
    begun: Slots<Basis>,
    conflicts: Slots<report::Conflicts>,
    /// When revisions are given up whose apply was interrupted.
    deadlines: Slots<(i64, Instant)>,
    redactors: Slots<Redactor>,
    /// What is under way has so much in its own Secrets.
    own_secrets: Slots<Redactor>,
    uninstalling: Timers,
    suspended: Timers,
    /// Deployed releases of which something is unready for now.
    unwell: Timers,
    asking: Slots<causes::Asking>,
    rules: Slots<rules::Rules>,
    /// When all objects were last looked at for drift.
    inspected: Timers,
    /// UIDs of pending revisions that another operator has taken over from this one.
    lost: Slots<String>,
    /// Tests of deployed revisions.
    testing: Slots<hooks::Course>,
    /// Hooks of releases that go.
    removing: Slots<hooks::Course>,
    guarded: Slots<()>,
    access: access::Answers,
    renderers: Renderers,
    compiled: Arc<CompiledCharts>,
    charts: Mutex<HashMap<String, Weak<ChartRecord>>>,
}

/// An operator that is set up and not running yet.
#[derive(Debug)]
pub struct Operator {
    context: Arc<Context>,
    writer: reflector::store::Writer<HelmApp>,
    woken: mpsc::UnboundedReceiver<ObjectRef<HelmApp>>,
    ready: watch::Sender<bool>,
}

/// Runs the operator until `shutdown`, then lets what is under way end.
///
/// # Errors
/// When it can't start.
pub async fn run(
    client: Client,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), Error> {
    Operator::new(client, settings)?.run(shutdown).await
}

impl Operator {
    /// Sets up an operator with the identity of `client`.
    ///
    /// # Errors
    /// When the settings can't be used.
    pub fn new(client: Client, settings: Settings) -> Result<Self, Error> {
        let (memory, woken) = Memory::new();
        let discovery = Arc::new(Discovery::new(client.clone()));
        let (apps, writer) = reflector::store();
        let observer = Observer {
            memory: memory.clone(),
            discovery: discovery.clone(),
            apps: apps.clone(),
        };
        let context = Arc::new(Context {
            sources: Sources::new(&settings),
            store: Store::new(client.clone()),
            companions: Companions::default(),
            chunked: history::Chunked::default(),
            status: StatusWriter::new(client.clone()),
            events: Events::new(client.clone(), &settings.identity),
            metrics: Arc::default(),
            watches: Watches::new(client.clone(), Arc::new(observer), settings.slow_retry.most),
            identities: Identities::new(client),
            settling: Slots::default(),
            attempts: Slots::default(),
            asked: Slots::default(),
            begun: Slots::default(),
            conflicts: Slots::default(),
            deadlines: Slots::default(),
            redactors: Slots::default(),
            own_secrets: Slots::default(),
            uninstalling: Timers::default(),
            suspended: Timers::default(),
            unwell: Timers::default(),
            asking: Slots::default(),
            rules: Slots::default(),
            inspected: Timers::default(),
            lost: Slots::default(),
            testing: Slots::default(),
            removing: Slots::default(),
            guarded: Slots::default(),
            access: access::Answers::default(),
            renderers: Renderers::new(settings.renderers, settings.limits.render.stack_bytes)?,
            compiled: Arc::new(
                CompiledCharts::new(settings.compiled_cache_bytes)
                    .with_functions(settings.template_functions),
            ),
            charts: Mutex::default(),
            settings,
            discovery,
            memory,
            apps,
        });
        Ok(Self {
            context,
            writer,
            woken,
            ready: watch::Sender::new(false),
        })
    }

    /// What the operator counts; whoever serves metrics asks it.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.context.metrics.clone()
    }

    /// Whether HelmApps and release records are listed, and their watches do not fail.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until `shutdown`, then lets what is under way end and writes what status still waits.
    ///
    /// # Errors
    /// When it can't start.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + Sync + 'static) -> Result<(), Error> {
        let Self {
            context,
            writer,
            woken,
            ready,
        } = self;
        let client = context.identities.operator();
        context.discovery.snapshot().await?;
        let records = context.watch_records().await?;
        let (course, of_apps) = watch::channel(Course::default());
        let apps = watcher(Api::<HelmApp>::all(client), watcher::Config::default())
            .default_backoff()
            .modify(|app| app.managed_fields_mut().clear())
            .reflect(writer)
            .inspect(move |said| {
                course.send_if_modified(|course| course.saw(said, Instant::now()));
            })
            .inspect_ok({
                let context = context.clone();
                move |event| match event {
                    watcher::Event::InitDone => context.memory.retain(|app| app.is_in(&context.apps)),
                    watcher::Event::Delete(app) => context.gone(app),
                    _ => {}
                }
            })
            .applied_objects()
            .predicate_filter(what_counts, PredicateConfig::default());
        let config = Config::default().concurrency(context.settings.workers);
        let (stop, mut stopping) = watch::channel(false);
        let stopped = stop.subscribe();
        tokio::spawn(async move {
            shutdown.await;
            stop.send_replace(true);
        });
        let changed = apps.map_ok(|app| ObjectRef::from_obj(&app));
        // An error means that the sender is gone, which is a stop as well.
        let until = async move { _ = stopping.wait_for(|stop| *stop).await };
        let queue = select(changed, received(woken).map(Ok)).take_until(Box::pin(until));
        let flow = applier(
            spawned,
            again,
            context.clone(),
            context.apps.clone(),
            queue,
            config,
        )
        .for_each(|result| {
            if let Err(error) = result {
                log(&error);
            }
            future::ready(())
        });
        let writing = tokio::spawn({
            let (context, mut stopped) = (context.clone(), stopped);
            async move {
                context
                    .status
                    .run(async move { _ = stopped.wait_for(|stop| *stop).await })
                    .await;
            }
        });
        let telling = tokio::spawn(asked::tell(context.clone()));
        let readying = tokio::spawn(readiness::tell(ready, of_apps, records));
        let forgetting = tokio::spawn(forget_unused(context.compiled.clone()));
        flow.await;
        telling.abort();
        readying.abort();
        forgetting.abort();
        // The task only fails by a panic, which has been reported where it happened.
        let _ = writing.await;
        context.events.drain(EVENTS_LIMIT).await;
        Ok(())
    }
}

/// Charts that nobody renders take up nothing after twice this.
const COMPILED_IDLE: Duration = Duration::from_secs(2 * 60);

/// Drops compiled charts that are not rendered any more, as long as the operator runs.
async fn forget_unused(compiled: Arc<CompiledCharts>) {
    loop {
        tokio::time::sleep(COMPILED_IDLE).await;
        compiled.forget_unused();
    }
}

/// What of a HelmApp has it reconciled: what a person or a controller asks for. Its own status does not, or every
/// failure would be tried again at once.
fn what_counts(app: &HelmApp) -> Option<u64> {
    let metadata = &app.metadata;
    let deleted = metadata.deletion_timestamp.is_some();
    let mut hash = DefaultHasher::new();
    let leaves = app.leaves_behind();
    let asked = (leaves, app.renewal(), app.asks_tests());
    (metadata.generation, deleted, asked, &metadata.finalizers).hash(&mut hash);
    Some(hash.finish())
}

/// What waits when the operator ends has so long to be written.
const EVENTS_LIMIT: Duration = Duration::from_secs(2);

type Reconciled = future::BoxFuture<'static, Result<Action, JoinError>>;

/// Each reconcile is a task of its own, so that all threads share the work and a panic ends only itself.
fn spawned(app: Arc<HelmApp>, context: Arc<Context>) -> Reconciled {
    Box::pin(tokio::spawn(reconcile::reconcile(app, context)))
}

fn again(_: Arc<HelmApp>, error: &JoinError, context: Arc<Context>) -> Action {
    error!(%error, "a reconcile ended early");
    Action::requeue(context.settings.retry.most)
}

fn log(error: &Failure<JoinError, watcher::Error>) {
    match error {
        // The HelmApp went while its reconcile was queued.
        Failure::ObjectNotFound(_) => {}
        Failure::QueueError(error) => error!(%error, "watching HelmApps fails"),
        Failure::ReconcilerFailed(..) | Failure::RunnerError(_) => error!(%error, "reconciling fails"),
    }
}

fn received(receiver: mpsc::UnboundedReceiver<ObjectRef<HelmApp>>) -> impl Stream<Item = ObjectRef<HelmApp>> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    })
}

/// A number between 0 and 1 that spreads retries.
fn random(seed: u32) -> f64 {
    (RandomState::new().hash_one(seed) % 1024) as f64 / 1024.0
}

impl Context {
    /// What a decision about the HelmApp rests on now.
    async fn basis(&self, subject: &Subject) -> Result<Basis, policy::Error> {
        let references = inputs::references(&subject.app);
        self.memory.refer(&subject.key, &references);
        for reference in &references {
            self.follow_reference(reference).await?;
        }
        let with_versions = references.into_iter().map(|reference| {
            let version = self.memory.reference_version(&reference);
            (reference, version)
        });
        for revision in self.memory.doubtful(&subject.release) {
            let found = self.store.head(&subject.release, revision).await?;
            self.memory.checked(&subject.release, revision, found);
        }
        let newest = self.memory.records(&subject.release).into_iter().next();
        Ok(Basis {
            uid: subject.uid().to_owned(),
            generation: subject.generation(),
            renewal: subject.app.renewal().map(Box::from),
            references: with_versions.collect(),
            newest: newest.map(|head| (head.revision, head.resource_version)),
            capabilities: asked::answers(self, subject).await?.into(),
        })
    }

    /// The chart as records keep it: one copy for all revisions of all releases that use it at the moment.
    fn chart_record(&self, digest: &str, chart: &Chart) -> Result<Arc<ChartRecord>, policy::Error> {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = charts.get(digest).and_then(Weak::upgrade) {
            return Ok(record);
        }
        charts.retain(|_, record| record.strong_count() > 0);
        let record = ChartRecord::of(chart).map_err(|error| policy::Error::Input {
            reason: reason::CHART_INVALID,
            message: format!("the chart can not be recorded: {error}"),
            again: policy::Again::OnChange,
        })?;
        let record = Arc::new(record);
        charts.insert(digest.to_owned(), Arc::downgrade(&record));
        Ok(record)
    }

    /// Remembers that a decision was made. What the spec refers to is taken as it was when the reconcile began:
    /// what changed since was not read.
    async fn decide(&self, subject: &Subject) {
        let mut basis = self.basis(subject).await.ok();
        if let (Some(basis), Some(begun)) = (&mut basis, self.begun.get(&subject.key)) {
            basis.references.clone_from(&begun.references);
        }
        self.memory.decided(&subject.key, basis);
    }

    /// A message about the HelmApp, without what its values have from Secrets and its objects have in Secrets.
    fn clean(&self, subject: &Subject, message: &str) -> String {
        let known = [&self.redactors, &self.own_secrets].map(|known| known.get(&subject.key));
        let redactors = known.into_iter().flatten();
        redactors.fold(message.to_owned(), |message, redactor| redactor.clean(&message))
    }

    /// A HelmApp is gone, by our finalizer or without it.
    fn gone(&self, app: &HelmApp) {
        let subject = Subject::new(Arc::new(app.clone()), &self.identities, &self.settings);
        self.forget(&subject);
        claim::wake_others(self, &subject);
    }

    /// Forgets a HelmApp, and stops the watches that only it needed.
    fn forget(&self, subject: &Subject) {
        // One that never had the release is not who the numbers are of.
        if self.memory.owner(&subject.release).as_ref() == Some(&subject.key) {
            self.metrics.forget(&subject.release);
        }
        self.memory.forget(&subject.key);
        self.status.forget(subject.uid());
        self.settling.remove(&subject.key);
        self.attempts.remove(&subject.key);
        self.asked.remove(&subject.key);
        self.begun.remove(&subject.key);
        self.conflicts.remove(&subject.key);
        self.deadlines.remove(&subject.key);
        self.redactors.remove(&subject.key);
        self.own_secrets.remove(&subject.key);
        self.lost.remove(&subject.key);
        self.testing.remove(&subject.key);
        self.removing.remove(&subject.key);
        self.guarded.remove(&subject.key);
        self.uninstalling.end(&subject.key);
        self.suspended.end(&subject.key);
        self.unwell.end(&subject.key);
        self.asking.remove(&subject.key);
        self.rules.remove(&subject.key);
        self.inspected.end(&subject.key);
        self.companions.forget(&subject.key);
        self.unfollow();
    }
}
