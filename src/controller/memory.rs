//! What is remembered of every release, from watches and from our own writes: enough to know that nothing is
//! to be done, without a read.
//!
//! An object is a few numbers: its UID, the mark of our fields on it as last seen and as last verified, and
//! its health. Watch events change these and, when something needs a look, wake the HelmApp.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helmapp_helm::plan::{OWNER_NAME_LABEL, OWNER_NAMESPACE_LABEL, ObjectId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::api::HelmApp;
use crate::cluster::discovery::hex;
use crate::cluster::watches::{Event, Handler, Listed, Selector, Target, stamp};
use crate::store::{Head, ReleaseKey};

use super::drift::Correction;

/// Events of one release within this time lead to one look at its health.
pub const DEBOUNCE: Duration = Duration::from_millis(200);

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
}

/// How an object is doing, as far as it matters for settling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not looked at yet, or changed since.
    Unknown,
    /// Ready.
    Ready,
    /// On its way; the text says what is missing.
    Progressing(Arc<str>),
    /// It will not become ready; the text says why.
    Failed(Arc<str>),
}

/// One object of a release.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// API version without the group.
    pub version: Box<str>,
    /// UID of the live object; empty when it is not there.
    pub uid: Box<str>,
    /// Mark of our fields as last seen; `None` when it is not there.
    seen: Option<u64>,
    /// Mark of our fields when they were last as we want them; `None` before.
    verified: Option<u64>,
    /// Newest resourceVersion seen, as a number.
    resource_version: u64,
    /// resourceVersion at the last look at its health.
    looked_at: u64,
    /// It belongs to the applied revision.
    wanted: bool,
    /// Its health never changes by itself.
    lasting: bool,
    /// How it is doing.
    pub health: Health,
}

impl Tracked {
    fn new(version: &str) -> Self {
        Self {
            version: version.into(),
            uid: Box::default(),
            seen: None,
            verified: None,
            resource_version: 0,
            looked_at: 0,
            wanted: false,
            lasting: false,
            health: Health::Unknown,
        }
    }

    /// Our fields are not as we left them.
    fn is_dirty(&self) -> bool {
        self.wanted && self.verified.is_some() && self.seen != self.verified
    }

    /// Whether the live object is the one that was last seen, unchanged.
    pub fn is_at(&self, live: &ObjectMeta) -> bool {
        self.seen.is_some() && number(live) == self.resource_version
    }

    fn wants_look(&self) -> bool {
        let settled = self.health == Health::Ready && self.lasting;
        self.wanted && self.seen.is_some() && !settled && self.resource_version > self.looked_at
    }
}

/// What a decision rests on: while it is the same, the decision stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// `metadata.uid` of the HelmApp: one made anew under the name is another.
    pub uid: String,
    /// `metadata.generation` of the HelmApp.
    pub generation: i64,
    /// resourceVersions of the objects that the spec names, by kind and name.
    pub references: Vec<(Reference, Option<String>)>,
    /// Newest revision and its resourceVersion.
    pub newest: Option<(i64, String)>,
    /// Digest of the cluster's capabilities.
    pub capabilities: Arc<str>,
}

/// A ConfigMap or Secret that a spec names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

#[derive(Debug, Default)]
struct Remembered {
    objects: BTreeMap<ObjectId, Tracked>,
    basis: Option<Basis>,
    /// The revision that the wanted objects are of; 0 when none is known.
    revision: i64,
    failures: u32,
    waking: bool,
    /// Corrections of objects, and the generation of the HelmApp that they are counted for.
    corrections: (i64, BTreeMap<ObjectId, Correction>),
}

#[derive(Debug, Default)]
struct Inner {
    apps: HashMap<AppKey, Remembered>,
    owners: HashMap<ReleaseKey, AppKey>,
    records: HashMap<ReleaseKey, BTreeMap<i64, Head>>,
    references: HashMap<Reference, (Option<String>, Vec<AppKey>)>,
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
        (
            Arc::new(Self {
                inner: Mutex::default(),
                wake,
            }),
            woken,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the HelmApp reconciled.
    pub fn wake(&self, app: &AppKey) {
        // The receiver goes only when the process ends.
        let _ = self.wake.send(ObjectRef::new(&app.name).within(&app.namespace));
    }

    /// Has the HelmApp reconciled after [`DEBOUNCE`], once for all calls in between.
    fn wake_soon(self: &Arc<Self>, inner: &mut Inner, app: &AppKey) {
        let remembered = inner.apps.entry(app.clone()).or_default();
        if std::mem::replace(&mut remembered.waking, true) {
            return;
        }
        let (memory, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            tokio::time::sleep(DEBOUNCE).await;
            if let Some(remembered) = memory.lock().apps.get_mut(&app) {
                remembered.waking = false;
            }
            memory.wake(&app);
        });
    }

    // --- decisions ---

    /// The basis of the last decision, if nothing of the release needs a look.
    pub fn standing(&self, app: &AppKey) -> Option<Basis> {
        let inner = self.lock();
        let remembered = inner.apps.get(app)?;
        let quiet = !remembered
            .objects
            .values()
            .any(|object| object.is_dirty() || object.wants_look());
        remembered.basis.clone().filter(|_| quiet)
    }

    /// The basis of the last decision.
    pub fn basis(&self, app: &AppKey) -> Option<Basis> {
        self.lock().apps.get(app)?.basis.clone()
    }

    /// Remembers what a decision rests on; `None` when it has to be made again.
    pub fn decided(&self, app: &AppKey, basis: Option<Basis>) {
        self.lock().apps.entry(app.clone()).or_default().basis = basis;
    }

    /// Counts a failure; returns how many there were in a row.
    pub fn failed(&self, app: &AppKey) -> u32 {
        let mut inner = self.lock();
        let failures = &mut inner.apps.entry(app.clone()).or_default().failures;
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Ends a row of failures.
    pub fn succeeded(&self, app: &AppKey) {
        if let Some(remembered) = self.lock().apps.get_mut(app) {
            remembered.failures = 0;
        }
    }

    /// Forgets a HelmApp that is gone.
    pub fn forget(&self, app: &AppKey) {
        let mut inner = self.lock();
        inner.apps.remove(app);
        inner.owners.retain(|_, owner| owner != app);
        inner.references.retain(|_, (_, users)| {
            users.retain(|user| user != app);
            !users.is_empty()
        });
    }

    // --- objects ---

    /// Says which objects the applied revision has. Others are followed no longer.
    pub fn want<'a>(
        &self,
        app: &AppKey,
        revision: i64,
        objects: impl IntoIterator<Item = (&'a ObjectId, &'a str)>,
    ) {
        let mut inner = self.lock();
        let remembered = inner.apps.entry(app.clone()).or_default();
        remembered.revision = revision;
        let tracked = &mut remembered.objects;
        tracked.values_mut().for_each(|object| object.wanted = false);
        for (id, version) in objects {
            let object = tracked.entry(id.clone()).or_insert_with(|| Tracked::new(version));
            object.wanted = true;
            object.version = version.into();
        }
        tracked.retain(|_, object| object.wanted || object.seen.is_some());
    }

    /// The revision that the wanted objects are of; 0 when none is known.
    pub fn revision(&self, app: &AppKey) -> i64 {
        self.lock().apps.get(app).map_or(0, |app| app.revision)
    }

    /// Remembers an object as the server answered to our apply, with its health.
    pub fn applied(&self, app: &AppKey, id: &ObjectId, live: &ObjectMeta, health: Health, lasting: bool) {
        let mut inner = self.lock();
        let tracked = &mut inner.apps.entry(app.clone()).or_default().objects;
        let object = tracked.entry(id.clone()).or_insert_with(|| Tracked::new(""));
        object.wanted = true;
        object.lasting = lasting;
        let version = number(live);
        let mark = Some(stamp(live));
        object.verified = mark;
        object.looked_at = object.looked_at.max(version);
        if version >= object.resource_version {
            object.seen = mark;
            object.resource_version = version;
            object.uid = live.uid.clone().unwrap_or_default().into();
        }
        object.health = health;
    }

    /// Remembers the health of an object that was read at a resourceVersion.
    pub fn looked(&self, app: &AppKey, id: &ObjectId, live: Option<&ObjectMeta>, health: Health) {
        let mut inner = self.lock();
        let Some(object) = inner.apps.get_mut(app).and_then(|app| app.objects.get_mut(id)) else {
            return;
        };
        object.looked_at = object.looked_at.max(live.map_or(object.resource_version, number));
        object.health = health;
    }

    /// The objects of the applied revision.
    pub fn objects(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.select(app, |_| true)
    }

    /// Objects whose fields are not as we left them.
    pub fn dirty(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.select(app, Tracked::is_dirty)
    }

    /// The corrections of an object; a new generation begins anew.
    pub fn correction(&self, app: &AppKey, id: &ObjectId, generation: i64) -> Correction {
        let mut inner = self.lock();
        let (counted, corrections) = &mut inner.apps.entry(app.clone()).or_default().corrections;
        if *counted != generation {
            *counted = generation;
            corrections.clear();
        }
        corrections.get(id).cloned().unwrap_or_default()
    }

    /// Remembers the corrections of an object.
    pub fn corrected(&self, app: &AppKey, id: &ObjectId, correction: Correction) {
        let mut inner = self.lock();
        let (_, corrections) = &mut inner.apps.entry(app.clone()).or_default().corrections;
        corrections.insert(id.clone(), correction);
    }

    /// Objects whose health may have changed.
    pub fn to_look_at(&self, app: &AppKey) -> Vec<(ObjectId, Tracked)> {
        self.select(app, Tracked::wants_look)
    }

    /// UIDs of the objects that we see as ours.
    pub fn uids(&self, app: &AppKey) -> HashMap<ObjectId, String> {
        let inner = self.lock();
        let objects = inner.apps.get(app).into_iter().flat_map(|app| &app.objects);
        let present = objects.filter(|(_, object)| object.seen.is_some());
        present
            .map(|(id, object)| (id.clone(), object.uid.to_string()))
            .collect()
    }

    /// A digest of the marks of all objects as last seen: equal to an earlier one when nobody has touched our
    /// fields in between.
    pub fn marks_digest(&self, app: &AppKey) -> String {
        let inner = self.lock();
        let mut hash = Sha256::new();
        for (id, object) in inner.apps.get(app).into_iter().flat_map(|app| &app.objects) {
            if object.wanted {
                hash.update(id.to_string().as_bytes());
                hash.update(object.seen.unwrap_or_default().to_be_bytes());
            }
        }
        hex(hash.finalize().get(..8).unwrap_or_default())
    }

    /// Takes all objects as they are seen for what we want them to be, with their health.
    pub fn verified(&self, app: &AppKey, health: impl Fn(&ObjectId) -> (Health, bool)) {
        let mut inner = self.lock();
        for (id, object) in inner
            .apps
            .get_mut(app)
            .into_iter()
            .flat_map(|app| &mut app.objects)
        {
            object.verified = object.seen;
            object.looked_at = object.resource_version;
            (object.health, object.lasting) = health(id);
        }
    }

    /// Takes all objects for changed, so that they are checked one by one.
    pub fn doubt(&self, app: &AppKey) {
        let mut inner = self.lock();
        for object in inner
            .apps
            .get_mut(app)
            .into_iter()
            .flat_map(|app| app.objects.values_mut())
        {
            object.verified = Some(!object.seen.unwrap_or_default());
        }
    }

    /// The groups and kinds of all objects that are followed, with their versions.
    pub fn kinds(&self) -> std::collections::HashSet<(String, String)> {
        let inner = self.lock();
        let ids = inner.apps.values().flat_map(|app| app.objects.keys());
        ids.map(|id| (id.group.clone(), id.kind.clone())).collect()
    }

    fn select(&self, app: &AppKey, wanted: impl Fn(&Tracked) -> bool) -> Vec<(ObjectId, Tracked)> {
        let inner = self.lock();
        let objects = inner.apps.get(app).into_iter().flat_map(|app| &app.objects);
        let selected = objects.filter(|(_, object)| object.wanted && wanted(object));
        selected
            .map(|(id, object)| (id.clone(), object.clone()))
            .collect()
    }

    // --- records and references ---

    /// Says which HelmApp a release belongs to.
    pub fn own(&self, release: &ReleaseKey, app: &AppKey) {
        self.lock().owners.insert(release.clone(), app.clone());
    }

    /// The revisions of a release, newest first.
    pub fn records(&self, release: &ReleaseKey) -> Vec<Head> {
        let inner = self.lock();
        inner
            .records
            .get(release)
            .into_iter()
            .flat_map(|heads| heads.values().rev().cloned())
            .collect()
    }

    /// Remembers a revision that we wrote, before the watch brings it.
    pub fn recorded(&self, release: &ReleaseKey, head: Head) {
        let mut inner = self.lock();
        inner
            .records
            .entry(release.clone())
            .or_default()
            .insert(head.revision, head);
    }

    /// Forgets a revision that we deleted.
    pub fn unrecorded(&self, release: &ReleaseKey, revision: i64) {
        let mut inner = self.lock();
        if let Some(heads) = inner.records.get_mut(release) {
            heads.remove(&revision);
            if heads.is_empty() {
                inner.records.remove(release);
            }
        }
    }

    /// Says which objects the spec of a HelmApp names.
    pub fn refer(&self, app: &AppKey, references: &[Reference]) {
        let mut inner = self.lock();
        inner.references.retain(|reference, (_, users)| {
            if !references.contains(reference) {
                users.retain(|user| user != app);
            }
            !users.is_empty()
        });
        for reference in references {
            let (_, users) = inner.references.entry(reference.clone()).or_default();
            if !users.contains(app) {
                users.push(app.clone());
            }
        }
    }

    /// The resourceVersion of a referenced object; `None` when it is not there or not watched.
    pub fn reference_version(&self, reference: &Reference) -> Option<String> {
        self.lock().references.get(reference)?.0.clone()
    }

    /// Whether any HelmApp names the object.
    pub fn is_referred_to(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let inner = self.lock();
        inner.references.keys().any(|reference| {
            reference.kind == kind && reference.namespace == namespace && reference.name == name
        })
    }

    fn record_event(&self, metadata: &ObjectMeta, present: bool) {
        let Some((release, head)) = Head::of(metadata) else {
            return;
        };
        let mut inner = self.lock();
        let heads = inner.records.entry(release.clone()).or_default();
        let known = heads.get(&head.revision);
        let newer = known.is_none_or(|known| parse(&known.resource_version) < parse(&head.resource_version));
        let changed = match (present, known.is_some()) {
            (true, _) => newer,
            (false, gone) => gone,
        };
        if !changed {
            return;
        }
        if present {
            heads.insert(head.revision, head);
        } else {
            heads.remove(&head.revision);
        }
        if let Some(app) = inner.owners.get(&release) {
            self.wake(app);
        }
    }

    fn reference_event(&self, target: &Target, metadata: &ObjectMeta, present: bool) {
        let kind = if target.resource.kind == "Secret" {
            "Secret"
        } else {
            "ConfigMap"
        };
        let reference = Reference {
            kind,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        };
        let mut inner = self.lock();
        let Some((version, users)) = inner.references.get_mut(&reference) else {
            return;
        };
        let now = if present {
            metadata.resource_version.clone()
        } else {
            None
        };
        if *version != now {
            *version = now;
            users.iter().for_each(|app| self.wake(app));
        }
    }

    fn object_event(self: &Arc<Self>, target: &Target, metadata: &ObjectMeta, present: bool) {
        let Some((app, id)) = owned(target, metadata) else {
            return;
        };
        let mut inner = self.lock();
        let remembered = inner.apps.entry(app.clone()).or_default();
        let version = number(metadata);
        if !present && !remembered.objects.contains_key(&id) {
            return;
        }
        let object = remembered
            .objects
            .entry(id)
            .or_insert_with(|| Tracked::new(&target.resource.version));
        if version < object.resource_version {
            return;
        }
        object.resource_version = version;
        object.seen = present.then(|| stamp(metadata));
        object.uid = if present {
            metadata.uid.clone().unwrap_or_default().into()
        } else {
            Box::default()
        };
        let (dirty, look) = (object.is_dirty(), object.wants_look());
        let over = !present && !object.wanted;
        if over {
            remembered
                .objects
                .retain(|_, object| object.wanted || object.seen.is_some());
            self.wake(&app);
        } else if dirty {
            self.wake(&app);
        } else if look {
            self.wake_soon(&mut inner, &app);
        }
    }

    fn listed_objects(&self, target: &Target, listed: &Listed) {
        let mut inner = self.lock();
        for (app, remembered) in &mut inner.apps {
            let mut lost = false;
            for (id, object) in &mut remembered.objects {
                let of_kind = id.group == target.resource.group && id.kind == target.resource.kind;
                if of_kind && object.seen.is_some() && !listed.contains(&id.namespace, &id.name) {
                    object.seen = None;
                    lost = true;
                }
            }
            if lost {
                self.wake(app);
            }
        }
    }
}

/// Gives watch events to the memory.
#[derive(Debug)]
pub struct Observer {
    /// The memory.
    pub memory: Arc<Memory>,
    /// Told when a CRD changes.
    pub discovery: Arc<crate::cluster::discovery::Discovery>,
}

impl Handler for Observer {
    fn handle(&self, target: &Target, event: Event<'_>) {
        let (metadata, present) = match event {
            Event::Seen(metadata) => (metadata, true),
            Event::Gone(metadata) => (metadata, false),
            Event::Listed(listed) => {
                if is_owned(target) {
                    self.memory.listed_objects(target, listed);
                }
                return;
            }
        };
        match &target.selector {
            Selector::Labels(labels) if labels == crate::store::HELM_RECORDS => {
                self.memory.record_event(metadata, present);
            }
            Selector::Labels(_) => self.memory.object_event(target, metadata, present),
            Selector::Name(_) => self.memory.reference_event(target, metadata, present),
            Selector::All => self.discovery.invalidate(),
        }
    }
}

fn is_owned(target: &Target) -> bool {
    matches!(&target.selector, Selector::Labels(labels) if labels == OWNER_NAME_LABEL)
}

fn owned(target: &Target, metadata: &ObjectMeta) -> Option<(AppKey, ObjectId)> {
    let labels = metadata.labels.as_ref()?;
    let app = AppKey {
        namespace: labels.get(OWNER_NAMESPACE_LABEL)?.clone(),
        name: labels.get(OWNER_NAME_LABEL)?.clone(),
    };
    let id = ObjectId {
        group: target.resource.group.clone(),
        kind: target.resource.kind.clone(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone()?,
    };
    Some((app, id))
}

fn number(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().map_or(0, parse)
}

/// resourceVersions are numbers that grow; Kubernetes says so since 1.35 and etcd always made them so.
fn parse(resource_version: &str) -> u64 {
    resource_version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;
    use serde_json::{Value, json};

    use super::*;

    fn app() -> AppKey {
        AppKey {
            namespace: "apps".into(),
            name: "demo".into(),
        }
    }

    fn id() -> ObjectId {
        ObjectId {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "web".into(),
            name: "c".into(),
        }
    }

    fn target() -> Target {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
        };
        Target {
            resource,
            namespace: None,
            selector: Selector::Labels(OWNER_NAME_LABEL.to_owned()),
        }
    }

    /// The object as a watch or an apply shows it: its version, and the fields that we own.
    fn seen(version: u64, fields: Value) -> ObjectMeta {
        serde_json::from_value(json!({
            "namespace": "web", "name": "c", "uid": "u", "resourceVersion": version.to_string(),
            "labels": {OWNER_NAME_LABEL: "demo", OWNER_NAMESPACE_LABEL: "apps"},
            "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": fields}],
        }))
        .unwrap()
    }

    fn steady() -> (Arc<Memory>, mpsc::UnboundedReceiver<ObjectRef<HelmApp>>) {
        let (memory, woken) = Memory::new();
        memory.want(&app(), 1, [(&id(), "v1")]);
        memory.applied(&app(), &id(), &seen(10, json!({"f:a": {}})), Health::Ready, true);
        let basis = Basis {
            uid: "u".into(),
            generation: 1,
            references: vec![],
            newest: None,
            capabilities: "c".into(),
        };
        memory.decided(&app(), Some(basis));
        (memory, woken)
    }

    #[test]
    fn only_what_touches_our_fields_wakes() {
        // metadata, present, woken
        let table = [
            (seen(10, json!({"f:a": {}})), true, false),
            (seen(11, json!({"f:a": {}})), true, false),
            (seen(11, json!({})), true, true),
            (seen(11, json!({"f:a": {}})), false, true),
            // From before our apply.
            (seen(9, json!({})), true, false),
            (seen(9, json!({"f:a": {}})), false, false),
        ];
        for (metadata, present, expected) in table {
            let (memory, mut woken) = steady();
            memory.object_event(&target(), &metadata, present);
            assert_eq!(woken.try_recv().is_ok(), expected, "{metadata:?} {present}");
            assert_eq!(memory.standing(&app()).is_none(), expected);
            assert_eq!(memory.dirty(&app()).len(), usize::from(expected));
        }
    }

    #[tokio::test]
    async fn the_marks_digest_survives_a_restart() {
        let (memory, _woken) = steady();
        let digest = memory.marks_digest(&app());
        let (again, _woken) = Memory::new();
        again.want(&app(), 1, [(&id(), "v1")]);
        assert_ne!(again.marks_digest(&app()), digest);
        again.object_event(&target(), &seen(12, json!({"f:a": {}})), true);
        assert_eq!(again.marks_digest(&app()), digest);
        again.verified(&app(), |_| (Health::Ready, true));
        assert!(again.dirty(&app()).is_empty());
        again.doubt(&app());
        assert_eq!(again.dirty(&app()).len(), 1);
    }

    #[tokio::test]
    async fn a_workload_that_is_not_ready_is_looked_at_after_a_while() {
        let (memory, mut woken) = Memory::new();
        memory.want(&app(), 1, [(&id(), "v1")]);
        let waiting = Health::Progressing("0 of 1".into());
        memory.applied(&app(), &id(), &seen(10, json!({})), waiting, false);
        assert!(
            memory.to_look_at(&app()).is_empty(),
            "the apply's answer was a look"
        );
        for version in 11..14 {
            memory.object_event(&target(), &seen(version, json!({})), true);
        }
        assert!(woken.try_recv().is_err());
        assert_eq!(memory.to_look_at(&app()).len(), 1);
        tokio::time::sleep(DEBOUNCE * 2).await;
        assert!(
            woken.try_recv().is_ok() && woken.try_recv().is_err(),
            "woken once"
        );
        memory.looked(&app(), &id(), Some(&seen(13, json!({}))), Health::Ready);
        assert!(memory.to_look_at(&app()).is_empty());
    }
}
