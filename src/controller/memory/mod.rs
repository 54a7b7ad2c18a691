//! What is remembered of every release, from watches and from our own writes: enough to know that nothing is
//! to be done, without a read.
//!
//! Each part says what an event changes in it and whether that wakes a HelmApp; here they are held together,
//! behind one lock.

mod attempts;
mod digest;
mod flat;
mod hint;
mod object;
mod objects;
mod observer;
mod records;
mod references;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helmapp_helm::health::expr::Checks;
use helmapp_helm::plan::ObjectId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::api::HelmApp;
use crate::cluster::watches::{Listed, Target};
use crate::store::{Head, ReleaseKey};

use super::drift::Correction;
use super::watching::Kinds;

pub use attempts::Basis;
pub use digest::InventoryDigest;
pub use object::{Health, Tracked};
pub use observer::Observer;
pub use references::Reference;

use attempts::Attempts;
use hint::Hint;
use object::{Pause, Sight, Wake};
use objects::Objects;
use records::Records;
use references::References;

/// Events of one release within this time lead to one look at its health, at the least.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// And at the most where the metadata tells nothing.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(1);

/// How long a workload is left alone whose metadata does not tell yet that it is not ready.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// How long a workload whose metadata tells that it is not ready is left alone.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Namespace and name of a HelmApp.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl AppKey {
    /// The key of a HelmApp.
    pub fn of(app: &HelmApp) -> Self {
        Self {
            namespace: app.home().to_owned(),
            name: app.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// Whether the HelmApp is among these.
    pub(super) fn is_in(&self, apps: &Store<HelmApp>) -> bool {
        apps.get(&self.reference()).is_some()
    }

    fn reference(&self) -> ObjectRef<HelmApp> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// What is remembered of one HelmApp.
#[derive(Debug, Default)]
struct Remembered {
    objects: Objects,
    attempts: Attempts,
    /// When an object of it was applied last.
    applied: Option<Instant>,
    /// When it will be woken to look at its objects.
    waking: Option<Instant>,
    /// Some objects may be left alone, and it will be woken within [`PATIENCE`].
    patient: bool,
}

impl Remembered {
    fn lasts(&self, pause: Pause) -> Duration {
        let passed = || self.applied.map(|applied| applied.elapsed()).unwrap_or_default();
        match pause {
            Pause::Short => DEBOUNCE,
            Pause::Growing => passed().clamp(DEBOUNCE, LONGEST_DEBOUNCE),
            Pause::Long => LONG_PAUSE,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    apps: HashMap<AppKey, Remembered>,
    owners: HashMap<ReleaseKey, AppKey>,
    records: Records,
    references: References,
    /// Objects of hooks whose end is waited for.
    awaited: HashMap<AppKey, Vec<ObjectId>>,
}

impl Inner {
    fn of(&mut self, app: &AppKey) -> &mut Remembered {
        self.apps.entry(app.clone()).or_default()
    }

    fn forget(&mut self, app: &AppKey) {
        self.apps.remove(app);
        self.owners.retain(|_, owner| owner != app);
        self.references.name(app, &[]);
        self.awaited.remove(app);
    }

    /// Whether what is seen of a hook's object can be the end that is waited for.
    fn ends_wait(&self, app: &AppKey, id: &ObjectId, sight: &Sight) -> Wake {
        let awaited = self.awaited.get(app).is_some_and(|ids| ids.contains(id));
        match (&sight.present, sight.hint) {
            _ if !awaited => Wake::No,
            (None, _) => Wake::Now,
            (Some(_), Hint::Unready(_)) => Wake::No,
            (Some(_), _) => Wake::After(Pause::Short),
        }
    }
}

/// The memory of the whole process.
#[derive(Debug)]
pub struct Memory {
    inner: Mutex<Inner>,
    wake: mpsc::UnboundedSender<ObjectRef<HelmApp>>,
}

impl Memory {
    /// An empty memory and the HelmApps that it wakes.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<ObjectRef<HelmApp>>) {
        let (wake, woken) = mpsc::unbounded_channel();
        let inner = Mutex::default();
        (Arc::new(Self { inner, wake }), woken)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the HelmApp reconciled.
    pub fn wake(&self, app: &AppKey) {
        // The receiver goes only when the process ends.
        let _ = self.wake.send(app.reference());
    }

    /// Has the HelmApp reconciled after a pause, once for all calls in between.
    fn wake_after(self: &Arc<Self>, inner: &mut Inner, app: &AppKey, pause: Pause) {
        let remembered = inner.of(app);
        let due = Instant::now() + remembered.lasts(pause);
        if remembered.waking.is_some_and(|waking| waking <= due) {
            return;
        }
        remembered.waking = Some(due);
        let (memory, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(due).await;
            // An earlier one may have taken its place.
            if memory.wakes_at(&app, due) {
                memory.wake(&app);
            }
        });
    }

    /// Whether it is this time at which the HelmApp was to be woken.
    fn wakes_at(&self, app: &AppKey, due: Instant) -> bool {
        match self.lock().apps.get_mut(app) {
            Some(remembered) => remembered.waking.take_if(|waking| *waking == due).is_some(),
            None => false,
        }
    }

    /// Has the HelmApp's objects looked at that were left alone, after [`PATIENCE`].
    fn wake_late(self: &Arc<Self>, inner: &mut Inner, app: &AppKey) {
        if std::mem::replace(&mut inner.of(app).patient, true) {
            return;
        }
        let (memory, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            memory.end_patience(&app);
            memory.wake(&app);
        });
    }

    /// No object of the HelmApp is left alone any longer.
    pub fn end_patience(&self, app: &AppKey) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.patient = false;
            remembered.objects.end_patience();
        }
    }

    /// Forgets a HelmApp that is gone.
    pub fn forget(&self, app: &AppKey) {
        self.lock().forget(app);
    }

    /// Forgets the HelmApps that went while nobody watched.
    pub(super) fn retain(&self, exists: impl Fn(&AppKey) -> bool) {
        let mut inner = self.lock();
        let gone: Vec<AppKey> = inner.apps.keys().filter(|app| !exists(app)).cloned().collect();
        gone.iter().for_each(|app| inner.forget(app));
    }

    // --- decisions ---

    /// The basis of the last decision.
    pub fn basis(&self, app: &AppKey) -> Option<Basis> {
        self.lock().apps.get(app)?.attempts.basis.clone()
    }

    /// Remembers what a decision rests on; `None` when it has to be made again.
    pub fn decided(&self, app: &AppKey, basis: Option<Basis>) {
        self.lock().of(app).attempts.basis = basis;
    }

    /// Counts a failure; returns how many there were in a row.
    pub fn failed(&self, app: &AppKey) -> u32 {
        self.lock().of(app).attempts.failed()
    }

    /// Ends a row of failures.
    pub fn succeeded(&self, app: &AppKey) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.attempts.succeeded();
        }
    }

    /// The corrections of an object; a new generation begins anew.
    pub fn correction(&self, app: &AppKey, id: &ObjectId, generation: i64) -> Correction {
        self.lock().of(app).attempts.correction(id, generation)
    }

    /// Remembers the corrections of an object.
    pub fn corrected(&self, app: &AppKey, id: &ObjectId, correction: Correction) {
        self.lock().of(app).attempts.corrected(id, correction);
    }

    // --- objects ---

    /// Says which objects the applied revision has. Others are followed no longer.
    pub fn want<'a>(
        &self,
        app: &AppKey,
        revision: i64,
        objects: impl IntoIterator<Item = (&'a ObjectId, &'a str)>,
    ) {
        self.lock().of(app).objects.want(revision, objects);
    }

    /// The revision that the wanted objects are of; 0 when none is known.
    pub fn revision(&self, app: &AppKey) -> i64 {
        self.read(app, |objects| objects.revision)
    }

    /// Remembers an object as the server answered to our apply, with its health.
    pub fn applied(&self, app: &AppKey, id: &ObjectId, live: &ObjectMeta, health: Health) {
        let mut inner = self.lock();
        let remembered = inner.of(app);
        remembered.applied = Some(Instant::now());
        remembered.objects.applied(id, live, health);
    }

    /// Remembers that an object with this UID was ours.
    pub fn made(&self, app: &AppKey, id: &ObjectId, uid: &str) {
        self.lock().of(app).objects.made(id, uid);
    }

    /// Remembers the health of an object that was read at a resourceVersion.
    pub fn looked(&self, app: &AppKey, id: &ObjectId, live: Option<&ObjectMeta>, health: Health) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.objects.looked(id, live, health);
        }
    }

    /// Has the health of a HelmApp's objects told by these expressions.
    pub fn check_by(&self, app: &AppKey, checks: Option<Arc<Checks>>) {
        self.lock().of(app).objects.check_by(checks);
    }

    /// The expressions that tell the health of a HelmApp's objects.
    pub fn checks(&self, app: &AppKey) -> Option<Arc<Checks>> {
        self.lock().apps.get(app)?.objects.checks.clone()
    }

    /// Whether the object is ready once it exists.
    pub fn is_lasting(&self, app: &AppKey, id: &ObjectId) -> bool {
        self.read(app, |objects| objects.is_lasting(id))
    }

    /// Takes an object as it was read for what we want it to be.
    pub fn accepted(&self, app: &AppKey, id: &ObjectId, live: &ObjectMeta, health: Health) {
        self.lock().of(app).objects.accepted(id, live, health);
    }

    /// An object is not there and is not to be: it had ended.
    pub fn done(&self, app: &AppKey, id: &ObjectId) {
        self.lock().of(app).objects.done(id);
    }

    /// Takes objects that are not seen for as healthy as they were.
    pub fn presume(&self, app: &AppKey, health: impl Fn(&ObjectId) -> Health) {
        self.lock().of(app).objects.presume(health);
    }

    /// Remembers why an object is not ready, unless it is by now.
    pub fn explained(&self, app: &AppKey, id: &ObjectId, health: Health) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.objects.explained(id, health);
        }
    }

    /// The objects of the applied revision.
    pub fn objects(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.read(app, |objects| objects.select(|_| true))
    }

    /// Objects whose fields are not as we left them.
    pub fn dirty(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.read(app, |objects| objects.select(Tracked::is_dirty))
    }

    /// Whether there are objects whose fields are not as we left them.
    pub fn is_dirty(&self, app: &AppKey) -> bool {
        self.read(app, |objects| objects.has(Tracked::is_dirty))
    }

    /// Objects whose health may have changed.
    pub fn to_look_at(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.read(app, |objects| objects.select(Tracked::wants_look))
    }

    /// UIDs of the objects that are seen and that we made or took over.
    pub fn uids(&self, app: &AppKey) -> HashMap<ObjectId, String> {
        self.read(app, Objects::uids)
    }

    /// The objects when they were as we want them, without kinds that nobody can watch.
    pub fn known(&self, app: &AppKey, unwatched: &Kinds) -> InventoryDigest {
        self.read(app, |objects| objects.known(unwatched))
    }

    /// The objects as they are seen, without kinds that nobody can watch: equal to what was known when nobody has
    /// touched them in between.
    pub fn shown(&self, app: &AppKey, unwatched: &Kinds) -> InventoryDigest {
        self.read(app, |objects| objects.shown(unwatched))
    }

    /// Takes all objects as they are seen for what we want them to be, with their health; `looked` when it is that
    /// of what is seen.
    pub fn verified(&self, app: &AppKey, health: impl Fn(&ObjectId) -> Health, looked: bool) {
        self.lock().of(app).objects.verify(health, looked);
    }

    /// Takes all objects for changed, so that they are checked one by one.
    pub fn doubt(&self, app: &AppKey) {
        self.lock().of(app).objects.doubt();
    }

    /// The groups and kinds of a release's objects.
    pub fn kinds_of(&self, app: &AppKey) -> Kinds {
        self.read(app, |objects| objects.kinds().collect())
    }

    /// The groups and kinds of all objects that are followed.
    pub fn kinds(&self) -> HashSet<(String, String)> {
        let inner = self.lock();
        inner.apps.values().flat_map(|app| app.objects.kinds()).collect()
    }

    // --- hooks ---

    /// Says which objects of hooks are waited for: what ends one wakes the HelmApp.
    pub fn wait_for(&self, app: &AppKey, objects: Vec<ObjectId>) {
        let mut inner = self.lock();
        if objects.is_empty() {
            inner.awaited.remove(app);
        } else {
            inner.awaited.insert(app.clone(), objects);
        }
    }

    /// The objects that hooks made and that are there.
    pub fn hooks(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.read(app, Objects::hooks)
    }

    /// Remembers a hook's object that we made, before the watch brings it.
    pub fn hooked(&self, app: &AppKey, id: &ObjectId, version: &str, live: &ObjectMeta) {
        let sight = Sight::of(live);
        self.lock().of(app).objects.see(id, version, &sight);
    }

    /// Forgets a hook's object that is gone.
    pub fn unhooked(&self, app: &AppKey, id: &ObjectId) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.objects.lose_hook(id);
        }
    }

    fn read<T>(&self, app: &AppKey, of: impl FnOnce(&Objects) -> T) -> T {
        match self.lock().apps.get(app) {
            Some(remembered) => of(&remembered.objects),
            None => of(&Objects::default()),
        }
    }

    /// Remembers an object with the labels of a HelmApp. Anybody can set them: what is of none that `exists` is not
    /// remembered.
    fn saw_object(
        self: &Arc<Self>,
        app: &AppKey,
        id: &ObjectId,
        version: &str,
        sight: &Sight,
        exists: impl FnOnce() -> bool,
    ) {
        let mut inner = self.lock();
        if !inner.apps.contains_key(app) && (sight.present.is_none() || !exists()) {
            return;
        }
        let objects = &mut inner.of(app).objects;
        let wake = objects.see(id, version, sight);
        if objects.is_patient(id) {
            self.wake_late(&mut inner, app);
        }
        match wake.max(inner.ends_wait(app, id, sight)) {
            Wake::No => {}
            Wake::After(pause) => self.wake_after(&mut inner, app, pause),
            Wake::Now => self.wake(app),
        }
    }

    fn objects_listed(&self, target: &Target, listed: &Listed) {
        let (group, kind) = (&target.resource.group, &target.resource.kind);
        for (app, remembered) in &mut self.lock().apps {
            if remembered.objects.listed(group, kind, listed) == Wake::Now {
                self.wake(app);
            }
        }
    }

    /// Whether the kind can be watched has changed.
    fn wake_kind(&self, group: &str, kind: &str) {
        let inner = self.lock();
        let concerned = inner
            .apps
            .iter()
            .filter(|(_, app)| app.objects.has_kind(group, kind));
        concerned.for_each(|(app, _)| self.wake(app));
    }

    // --- records ---

    /// Says which HelmApp a release belongs to.
    pub fn own(&self, release: &ReleaseKey, app: &AppKey) {
        self.lock().owners.insert(release.clone(), app.clone());
    }

    /// The HelmApp that a release belongs to.
    pub fn owner(&self, release: &ReleaseKey) -> Option<AppKey> {
        self.lock().owners.get(release).cloned()
    }

    /// The revisions of a release, newest first.
    pub fn records(&self, release: &ReleaseKey) -> Vec<Head> {
        self.lock().records.of(release)
    }

    /// Remembers a revision that we wrote, before the watch brings it.
    pub fn recorded(&self, release: &ReleaseKey, head: Head) {
        self.lock().records.wrote(release, head);
    }

    /// Forgets a revision that we deleted.
    pub fn unrecorded(&self, release: &ReleaseKey, revision: i64) {
        self.lock().records.drop(release, revision);
    }

    /// The revisions of a release of which nobody knows whether they are there.
    pub fn doubtful(&self, release: &ReleaseKey) -> Vec<i64> {
        self.lock().records.doubtful(release)
    }

    /// Remembers a revision that was asked for; `None` when it is not there.
    pub fn checked(&self, release: &ReleaseKey, revision: i64, found: Option<Head>) {
        self.lock().records.checked(release, revision, found);
    }

    fn saw_record(&self, metadata: &ObjectMeta, present: bool) {
        let Some((release, head)) = Head::of(metadata) else {
            return;
        };
        let mut inner = self.lock();
        let news = if present {
            inner.records.see(&release, head)
        } else {
            inner.records.drop(&release, head.revision)
        };
        if let Some(app) = inner.owners.get(&release).filter(|_| news) {
            self.wake(app);
        }
    }

    fn records_listed(&self, listed: &Listed) {
        let mut inner = self.lock();
        for release in inner.records.listed(listed) {
            if let Some(app) = inner.owners.get(&release) {
                self.wake(app);
            }
        }
    }

    // --- references ---

    /// Says which objects the spec of a HelmApp names.
    pub fn refer(&self, app: &AppKey, references: &[Reference]) {
        self.lock().references.name(app, references);
    }

    /// The resourceVersion of a referenced object; `None` when it is not there or not watched.
    pub fn reference_version(&self, reference: &Reference) -> Option<String> {
        self.lock().references.version(reference)
    }

    /// Whether it is known if a referenced object is there. One that is named after its kind was listed is not.
    pub fn knows_reference(&self, reference: &Reference) -> bool {
        self.lock().references.is_known(reference)
    }

    /// Remembers a referenced object that was read; `None` when it was not there.
    pub fn read_reference(&self, reference: &Reference, version: Option<&str>) {
        self.lock().references.read(reference, version);
    }

    /// Whether any HelmApp names an object of the kind.
    pub fn is_referred_to(&self, kind: &str) -> bool {
        self.lock().references.has_kind(kind)
    }

    fn saw_reference(&self, reference: &Reference, version: &str, present: bool) {
        let mut inner = self.lock();
        let users = inner.references.see(reference, version, present);
        users.iter().for_each(|app| self.wake(app));
    }

    fn references_listed(&self, kind: &str, listed: &Listed) {
        let users = self.lock().references.listed(kind, listed);
        users.iter().for_each(|app| self.wake(app));
    }
}

#[cfg(test)]
mod tests;
