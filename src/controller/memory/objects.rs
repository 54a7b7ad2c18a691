//! The objects of one release.

use std::collections::HashMap;
use std::sync::Arc;

use helmapp_helm::health::expr::Checks;
use helmapp_helm::plan::ObjectId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::cluster::watches::Listed;
use crate::controller::health::is_lasting;

use super::Kinds;
use super::digest::{Digester, InventoryDigest};
use super::flat::Flat;
use super::hint::Hint;
use super::object::{Health, Look, Sight, Tracked, Wake};

/// The objects of the applied revision, and those that are still seen.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// The revision that the wanted objects are of; 0 when none is known.
    pub(super) revision: i64,
    /// What tells the health of kinds that have expressions.
    pub(super) checks: Option<Arc<Checks>>,
    all: Flat<ObjectId, Tracked>,
}

impl Objects {
    /// Says which objects the applied revision has. Others are followed no longer.
    pub(super) fn want<'a>(
        &mut self,
        revision: i64,
        objects: impl IntoIterator<Item = (&'a ObjectId, &'a str)>,
    ) {
        self.revision = revision;
        self.all.iter_mut().for_each(|(_, object)| object.wanted = false);
        for (id, version) in objects {
            self.with(id, version, |object| {
                object.wanted = true;
                object.version = version.into();
            });
        }
        self.tidy();
    }

    /// An object is as the server answered to our apply.
    pub(super) fn applied(&mut self, id: &ObjectId, live: &ObjectMeta, health: Health) {
        self.with(id, "", |object| object.applied(live, health));
    }

    /// An object with this UID was ours.
    pub(super) fn made(&mut self, id: &ObjectId, uid: &str) {
        if let Some(object) = self.all.get_mut(id) {
            object.is_made(uid);
        }
    }

    /// An object was read; `None` when it was not there.
    pub(super) fn looked(&mut self, id: &ObjectId, live: Option<&ObjectMeta>, health: Health) {
        if let Some(object) = self.all.get_mut(id) {
            object.looked(live, health);
        }
    }

    /// Other expressions tell the health of objects; those that they concern are looked at again.
    pub(super) fn check_by(&mut self, checks: Option<Arc<Checks>>) {
        let before = std::mem::replace(&mut self.checks, checks);
        for (id, object) in self.all.iter_mut() {
            let now = has(self.checks.as_deref(), id);
            if now || has(before.as_deref(), id) {
                object.reconsider(is_lasting(&id.group, &id.kind) && !now);
            }
        }
    }

    /// Whether an object is ready once it exists.
    pub(super) fn is_lasting(&self, id: &ObjectId) -> bool {
        is_lasting(&id.group, &id.kind) && !has(self.checks.as_deref(), id)
    }

    /// An object is as we want it, as it was read.
    pub(super) fn accepted(&mut self, id: &ObjectId, live: &ObjectMeta, health: Health) {
        if let Some(object) = self.all.get_mut(id) {
            object.accepted(live, health);
        }
    }

    /// An object is not there and is not to be.
    pub(super) fn done(&mut self, id: &ObjectId) {
        if let Some(object) = self.all.get_mut(id) {
            object.done();
        }
    }

    /// What is not seen is as healthy as it was.
    pub(super) fn presume(&mut self, health: impl Fn(&ObjectId) -> Health) {
        for (id, object) in self.all.iter_mut().filter(|(_, object)| object.seen.is_none()) {
            object.health = health(id);
        }
    }

    /// It is known better why an object is not ready.
    pub(super) fn explained(&mut self, id: &ObjectId, health: Health) {
        if let Some(object) = self
            .all
            .get_mut(id)
            .filter(|object| object.health != Health::Ready)
        {
            object.health = health;
        }
    }

    /// A watch of kinds in API version `version` shows an object.
    pub(super) fn see(&mut self, id: &ObjectId, version: &str, sight: &Sight) -> Wake {
        if sight.present.is_none() && self.all.get(id).is_none() {
            return Wake::No;
        }
        let checked = has(self.checks.as_deref(), id);
        let wake = self.with(id, version, |object| match checked {
            true => object.see(&sight.clone().hinted(Hint::Silent)),
            false => object.see(sight),
        });
        if wake == Wake::Now {
            self.tidy();
        }
        wake
    }

    /// A look at the object can wait for a while.
    pub(super) fn is_patient(&self, id: &ObjectId) -> bool {
        self.all.get(id).is_some_and(Tracked::is_patient)
    }

    /// All objects have waited long enough.
    pub(super) fn end_patience(&mut self) {
        self.all.iter_mut().for_each(|(_, object)| object.end_patience());
    }

    /// The objects that hooks made and that are there.
    pub(super) fn hooks(&self) -> Vec<(ObjectId, Tracked)> {
        let hooks = self.all.iter().filter(|(_, object)| object.is_hook());
        hooks.map(|(id, object)| (id.clone(), object.clone())).collect()
    }

    /// A hook's object is not there any more.
    pub(super) fn lose_hook(&mut self, id: &ObjectId) {
        if self.all.get(id).is_some_and(Tracked::is_hook) {
            self.all.remove(id);
        }
    }

    /// A listing of a kind is complete: what is not in it is gone.
    pub(super) fn listed(&mut self, group: &str, kind: &str, listed: &Listed) -> Wake {
        let mut wake = Wake::No;
        for (id, object) in self.all.iter_mut() {
            let of_kind = id.group == group && id.kind == kind;
            if of_kind && !listed.contains(&id.namespace, &id.name) {
                wake = wake.max(object.lose(listed.began()));
            }
        }
        if wake == Wake::Now {
            self.tidy();
        }
        wake
    }

    /// The wanted objects that are so.
    pub(super) fn select(&self, so: impl Fn(&Tracked) -> bool) -> Vec<(ObjectId, Tracked)> {
        let selected = self.all.iter().filter(|(_, object)| object.wanted && so(object));
        selected
            .map(|(id, object)| (id.clone(), object.clone()))
            .collect()
    }

    /// Whether a wanted object is so.
    pub(super) fn has(&self, so: impl Fn(&Tracked) -> bool) -> bool {
        self.all.iter().any(|(_, object)| object.wanted && so(object))
    }

    /// UIDs of the objects that are seen and that we made or took over. Labels alone make no object ours: anybody can
    /// write them, and what an earlier release left in the cluster has them.
    pub(super) fn uids(&self) -> HashMap<ObjectId, String> {
        let ours = |object: &Tracked| object.seen.is_some() && object.was(&object.uid) == Some(true);
        let present = self.all.iter().filter(|(_, object)| ours(object));
        present
            .map(|(id, object)| (id.clone(), object.uid.to_string()))
            .collect()
    }

    /// The objects when they were as we want them. Kinds that nobody can watch are left out.
    pub(super) fn known(&self, unwatched: &Kinds) -> InventoryDigest {
        self.digest(unwatched, Tracked::known)
    }

    /// The objects as they are seen.
    pub(super) fn shown(&self, unwatched: &Kinds) -> InventoryDigest {
        self.digest(unwatched, Tracked::shown)
    }

    fn digest(&self, unwatched: &Kinds, look: fn(&Tracked) -> Look) -> InventoryDigest {
        let mut digest = Digester::default();
        for (id, object) in self.all.iter().filter(|(_, object)| object.wanted) {
            if !unwatched.contains(&(id.group.clone(), id.kind.clone())) {
                digest.add(id, look(object));
            }
        }
        digest.finish()
    }

    /// All objects are as we want them, with their health; `looked` when it is that of what is seen.
    pub(super) fn verify(&mut self, health: impl Fn(&ObjectId) -> Health, looked: bool) {
        for (id, object) in self.all.iter_mut() {
            object.verify(health(id), looked);
        }
    }

    /// All objects are taken for changed.
    pub(super) fn doubt(&mut self) {
        self.all.iter_mut().for_each(|(_, object)| object.doubt());
    }

    /// There are objects of the kind.
    pub(super) fn has_kind(&self, group: &str, kind: &str) -> bool {
        self.all
            .iter()
            .any(|(id, _)| id.group == group && id.kind == kind)
    }

    /// Groups and kinds, of each object.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (String, String)> {
        self.all.iter().map(|(id, _)| (id.group.clone(), id.kind.clone()))
    }

    /// Does something to an object, which is new where it is not known.
    fn with<T>(&mut self, id: &ObjectId, version: &str, change: impl FnOnce(&mut Tracked) -> T) -> T {
        if let Some(object) = self.all.get_mut(id) {
            return change(object);
        }
        let mut object = Tracked::new(version, self.is_lasting(id));
        let changed = change(&mut object);
        self.all.insert(id.clone(), object);
        changed
    }

    fn tidy(&mut self) {
        self.all.retain(Tracked::matters);
    }
}

/// Whether there are expressions for objects like this one.
fn has(checks: Option<&Checks>, id: &ObjectId) -> bool {
    checks.is_some_and(|checks| checks.has(&id.group, &id.kind))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use helmapp_helm::health::expr::Source;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "web".into(),
            name: name.into(),
        }
    }

    fn live(version: u64) -> ObjectMeta {
        serde_json::from_value(json!({"uid": "u", "resourceVersion": version.to_string()})).unwrap()
    }

    fn with(names: &[&str]) -> Objects {
        let mut objects = Objects::default();
        let ids: Vec<ObjectId> = names.iter().map(|name| id(name)).collect();
        objects.want(1, ids.iter().map(|id| (id, "v1")));
        for id in &ids {
            objects.applied(id, &live(10), Health::Ready);
        }
        objects
    }

    fn names(objects: &Objects, so: impl Fn(&Tracked) -> bool) -> Vec<String> {
        objects.select(so).into_iter().map(|(id, _)| id.name).collect()
    }

    /// The objects that need a look or a correction.
    fn touched(objects: &Objects) -> Vec<String> {
        names(objects, |object| object.is_dirty() || object.wants_look())
    }

    #[test]
    fn another_revision_drops_what_it_does_not_have() {
        let mut objects = with(&["a", "b"]);
        objects.want(2, [(&id("b"), "v1"), (&id("c"), "v1")]);
        assert_eq!(objects.revision, 2);
        assert_eq!(names(&objects, |_| true), ["b", "c"]);
        // It is followed until it is gone.
        assert_eq!(objects.uids().len(), 2);
        assert_eq!(objects.see(&id("a"), "v1", &Sight::gone(&live(11))), Wake::Now);
        assert_eq!(objects.uids().len(), 1);
    }

    #[test]
    fn what_a_listing_does_not_have_is_gone() {
        let mut objects = with(&["a", "b", "c"]);
        objects.want(1, [(&id("a"), "v1"), (&id("b"), "v1")]);
        let later = Instant::now() + Duration::from_millis(1);
        let nothing = Listed::new(later);
        assert_eq!(objects.listed("apps", "Deployment", &nothing), Wake::No);
        let all = Listed::of(later, [("web", "a"), ("web", "b"), ("web", "c")]);
        assert_eq!(objects.listed("", "ConfigMap", &all), Wake::No);
        let one = Listed::of(later, [("web", "a")]);
        assert_eq!(objects.listed("", "ConfigMap", &one), Wake::Now);
        assert_eq!(names(&objects, Tracked::is_dirty), ["b"]);
        assert_eq!(objects.uids().len(), 1);
        assert_eq!(objects.all.iter().count(), 2, "nobody wants the third");
    }

    #[test]
    fn an_object_is_not_ours_by_its_labels() {
        let mut objects = with(&["a"]);
        objects.see(&id("b"), "v1", &Sight::of(&live(11)));
        assert_eq!(objects.uids().into_keys().collect::<Vec<_>>(), [id("a")]);
        let other = ObjectMeta {
            uid: Some("another".to_owned()),
            ..live(12)
        };
        objects.see(&id("a"), "v1", &Sight::of(&other));
        assert_eq!(objects.uids().len(), 0, "it was made anew");
    }

    #[test]
    fn the_deletion_of_what_is_not_known_leaves_nothing() {
        let mut objects = Objects::default();
        assert_eq!(objects.see(&id("a"), "v1", &Sight::gone(&live(1))), Wake::No);
        assert_eq!(objects.kinds().count(), 0);
    }

    /// The objects after a restart, seen at this version.
    fn again(names: &[&str], version: u64) -> Objects {
        let mut objects = Objects::default();
        let ids: Vec<ObjectId> = names.iter().map(|name| id(name)).collect();
        objects.want(1, ids.iter().map(|id| (id, "v1")));
        for id in &ids {
            objects.see(id, "v1", &Sight::of(&live(version)));
        }
        objects
    }

    #[test]
    fn a_restart_finds_the_objects_as_they_were() {
        let none = Kinds::new();
        let known = with(&["a"]).known(&none);
        assert_ne!(again(&[], 0).shown(&none), known);
        let mut objects = again(&["a"], 12);
        assert_eq!(
            objects.shown(&none),
            known,
            "a resourceVersion says nothing of a ConfigMap"
        );
        objects.verify(|_| Health::Ready, true);
        assert!(touched(&objects).is_empty());
        objects.doubt();
        assert_eq!(names(&objects, Tracked::is_dirty), ["a"]);
    }

    #[test]
    fn what_changed_behind_us_does_not_become_what_is_known() {
        let none = Kinds::new();
        let mut objects = with(&["a"]);
        let known = objects.known(&none);
        objects.see(&id("a"), "v1", &Sight::gone(&live(11)));
        assert_eq!(objects.known(&none), known);
        assert_ne!(objects.shown(&none), known);
    }

    #[test]
    fn expressions_have_the_objects_of_their_kind_looked_at() {
        let source = Source {
            api_version: "v1",
            kind: Some("ConfigMap"),
            current: "true",
            ..Source::default()
        };
        let checks = Arc::new(Checks::compile("exprs", [source]).unwrap());
        let mut objects = with(&["a"]);
        assert!(touched(&objects).is_empty() && objects.is_lasting(&id("a")));
        objects.check_by(Some(checks.clone()));
        assert_eq!(names(&objects, Tracked::wants_look), ["a"]);
        objects.looked(&id("a"), Some(&live(10)), Health::Ready);
        objects.see(&id("a"), "v1", &Sight::of(&live(11)));
        assert_eq!(
            names(&objects, Tracked::wants_look),
            ["a"],
            "it may change any time"
        );
        objects.check_by(None);
        assert!(objects.is_lasting(&id("a")));
        let mut later = Objects {
            checks: Some(checks),
            ..Objects::default()
        };
        later.want(1, [(&id("a"), "v1")]);
        assert!(!later.is_lasting(&id("a")));
    }

    #[test]
    fn kinds_that_nobody_can_watch_are_left_out() {
        let unwatched = Kinds::from([(String::new(), "ConfigMap".to_owned())]);
        let mut objects = Objects::default();
        objects.want(1, [(&id("a"), "v1")]);
        assert_eq!(objects.shown(&unwatched), with(&["a"]).known(&unwatched));
    }
}
