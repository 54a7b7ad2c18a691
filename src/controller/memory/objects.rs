//! The objects of one release.

use std::collections::{BTreeMap, HashMap};

use helmapp_helm::plan::ObjectId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest, Sha256};

use crate::cluster::discovery::hex;
use crate::cluster::watches::Listed;

use super::object::{Health, Sight, Tracked, Wake};

/// The objects of the applied revision, and those that are still seen.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// The revision that the wanted objects are of; 0 when none is known.
    pub(super) revision: i64,
    all: BTreeMap<ObjectId, Tracked>,
}

impl Objects {
    /// Says which objects the applied revision has. Others are followed no longer.
    pub(super) fn want<'a>(
        &mut self,
        revision: i64,
        objects: impl IntoIterator<Item = (&'a ObjectId, &'a str)>,
    ) {
        self.revision = revision;
        self.all.values_mut().for_each(|object| object.wanted = false);
        for (id, version) in objects {
            let object = self.entry(id, version);
            object.wanted = true;
            object.version = version.into();
        }
        self.tidy();
    }

    /// An object is as the server answered to our apply.
    pub(super) fn applied(&mut self, id: &ObjectId, live: &ObjectMeta, health: Health, lasting: bool) {
        self.entry(id, "").applied(live, health, lasting);
    }

    /// An object was read; `None` when it was not there.
    pub(super) fn looked(&mut self, id: &ObjectId, live: Option<&ObjectMeta>, health: Health) {
        if let Some(object) = self.all.get_mut(id) {
            object.looked(live, health);
        }
    }

    /// A watch of kinds in API version `version` shows an object.
    pub(super) fn see(&mut self, id: &ObjectId, version: &str, sight: &Sight) -> Wake {
        if sight.present.is_none() && !self.all.contains_key(id) {
            return Wake::No;
        }
        let wake = self.entry(id, version).see(sight);
        if wake == Wake::Now {
            self.tidy();
        }
        wake
    }

    /// A listing of a kind is complete: what is not in it is gone.
    pub(super) fn listed(&mut self, group: &str, kind: &str, listed: &Listed) -> Wake {
        let mut wake = Wake::No;
        for (id, object) in &mut self.all {
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

    /// No object needs a look or a correction.
    pub(super) fn are_quiet(&self) -> bool {
        !self
            .all
            .values()
            .any(|object| object.is_dirty() || object.wants_look())
    }

    /// The wanted objects that are so.
    pub(super) fn select(&self, so: impl Fn(&Tracked) -> bool) -> Vec<(ObjectId, Tracked)> {
        let selected = self.all.iter().filter(|(_, object)| object.wanted && so(object));
        selected
            .map(|(id, object)| (id.clone(), object.clone()))
            .collect()
    }

    /// UIDs of the objects that we see as ours.
    pub(super) fn uids(&self) -> HashMap<ObjectId, String> {
        let present = self.all.iter().filter(|(_, object)| object.seen.is_some());
        present
            .map(|(id, object)| (id.clone(), object.uid.to_string()))
            .collect()
    }

    /// A digest of the marks of all objects as last seen.
    pub(super) fn marks_digest(&self) -> String {
        let mut hash = Sha256::new();
        for (id, object) in self.all.iter().filter(|(_, object)| object.wanted) {
            hash.update(id.to_string().as_bytes());
            hash.update(object.seen.unwrap_or_default().to_be_bytes());
        }
        hex(hash.finalize().get(..8).unwrap_or_default())
    }

    /// All objects are as we want them, with their health.
    pub(super) fn verify(&mut self, health: impl Fn(&ObjectId) -> (Health, bool)) {
        for (id, object) in &mut self.all {
            let (health, lasting) = health(id);
            object.verify(health, lasting);
        }
    }

    /// All objects are taken for changed.
    pub(super) fn doubt(&mut self) {
        self.all.values_mut().for_each(Tracked::doubt);
    }

    /// There are objects of the kind.
    pub(super) fn has_kind(&self, group: &str, kind: &str) -> bool {
        self.all.keys().any(|id| id.group == group && id.kind == kind)
    }

    /// Groups and kinds.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (String, String)> {
        self.all.keys().map(|id| (id.group.clone(), id.kind.clone()))
    }

    fn entry(&mut self, id: &ObjectId, version: &str) -> &mut Tracked {
        self.all
            .entry(id.clone())
            .or_insert_with(|| Tracked::new(version))
    }

    fn tidy(&mut self) {
        self.all.retain(|_, object| object.matters());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            objects.applied(id, &live(10), Health::Ready, true);
        }
        objects
    }

    fn names(objects: &Objects, so: impl Fn(&Tracked) -> bool) -> Vec<String> {
        objects.select(so).into_iter().map(|(id, _)| id.name).collect()
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
        assert!(!objects.are_quiet());
        assert_eq!(objects.uids().len(), 1);
        assert_eq!(objects.all.len(), 2, "nobody wants the third");
    }

    #[test]
    fn the_deletion_of_what_is_not_known_leaves_nothing() {
        let mut objects = Objects::default();
        assert_eq!(objects.see(&id("a"), "v1", &Sight::gone(&live(1))), Wake::No);
        assert_eq!(objects.kinds().count(), 0);
    }

    #[test]
    fn the_marks_digest_survives_a_restart() {
        let digest = with(&["a"]).marks_digest();
        let mut again = Objects::default();
        again.want(1, [(&id("a"), "v1")]);
        assert_ne!(again.marks_digest(), digest);
        again.see(&id("a"), "v1", &Sight::of(&live(12)));
        assert_eq!(again.marks_digest(), digest);
        again.verify(|_| (Health::Ready, true));
        assert!(again.are_quiet());
        again.doubt();
        assert_eq!(names(&again, Tracked::is_dirty), ["a"]);
    }
}
