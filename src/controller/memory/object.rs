//! One object of a release: a few numbers that say whether it is as we left it, and how it is doing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use helmapp_helm::release::HOOK_ANNOTATION;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

use crate::cluster::watches::stamp;

use super::hint::Hint;

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

/// Whether what happened to an object has its HelmApp reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// No.
    No,
    /// After a while, together with what else happens.
    After(Pause),
    /// Now.
    Now,
}

/// How long to wait for what else happens before a look. Each one costs a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pause {
    /// Its metadata will tell when a look is of use, in most cases.
    Long,
    /// As long as it has taken so far: controllers that were slow will be slow on.
    Growing,
    /// What was missing is there.
    Short,
}

/// An object as a watch or an answer of the server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// resourceVersion, as a number.
    pub(super) version: u64,
    /// Mark of our fields, and UID; `None` when it is not there any more.
    pub(super) present: Option<(u64, Box<str>)>,
    /// What the metadata tells of its health.
    pub(super) hint: Hint,
    /// It says that it is a hook.
    hook: bool,
}

impl Sight {
    /// The object with this metadata.
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        Self {
            version: number(metadata),
            present: Some((
                stamp(metadata),
                metadata.uid.as_deref().unwrap_or_default().into(),
            )),
            hint: Hint::Silent,
            hook: is_hook(metadata),
        }
    }

    /// The same, with what the metadata tells of its health.
    pub(super) fn hinted(self, hint: Hint) -> Self {
        Self { hint, ..self }
    }

    /// The object whose last metadata was this.
    pub(super) fn gone(metadata: &ObjectMeta) -> Self {
        Self {
            version: number(metadata),
            present: None,
            hint: Hint::Silent,
            hook: false,
        }
    }
}

/// What is known of our fields being as we want them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verified {
    /// They were never so.
    Never,
    /// They were so when the object had this mark.
    At(u64),
    /// They were so when nobody could see the object.
    Unseen,
}

/// One object of a release.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// API version without the group.
    pub version: Box<str>,
    /// UID of the live object; empty when it is not there.
    pub uid: Box<str>,
    /// How it is doing.
    pub health: Health,
    /// Mark of our fields as last seen; `None` when it is not there.
    pub(super) seen: Option<u64>,
    verified: Verified,
    /// Of the UID that it had when it was last ours; 0 when that is not known.
    made: u64,
    /// Newest resourceVersion seen, as a number.
    resource_version: u64,
    /// resourceVersion at the last look at its health.
    looked_at: u64,
    /// When we wrote what no watch has shown yet.
    unconfirmed: Option<Instant>,
    /// A listing that may be older than our write did not have it.
    uncertain: bool,
    /// It belongs to the applied revision.
    pub(super) wanted: bool,
    /// Its health never changes by itself.
    lasting: bool,
    /// Its metadata told that it is not ready: what it says itself can wait.
    patient: bool,
    /// It says that it is a hook.
    hook: bool,
}

impl Tracked {
    pub(super) fn new(version: &str, lasting: bool) -> Self {
        Self {
            version: version.into(),
            uid: Box::default(),
            health: Health::Unknown,
            seen: None,
            verified: Verified::Never,
            made: 0,
            resource_version: 0,
            looked_at: 0,
            unconfirmed: None,
            uncertain: false,
            wanted: false,
            lasting,
            patient: false,
            hook: false,
        }
    }

    /// Our fields are not as we left them, or may not be.
    pub(super) fn is_dirty(&self) -> bool {
        let changed = match self.verified {
            Verified::Never => false,
            Verified::At(mark) => self.seen != Some(mark) || self.uncertain,
            Verified::Unseen => self.seen.is_some(),
        };
        self.wanted && changed
    }

    /// It was as we want it, and is not there any more.
    pub fn is_missing(&self) -> bool {
        self.wanted && self.seen.is_none() && matches!(self.verified, Verified::At(_))
    }

    /// Whether an object with this UID is the one that was ours; `None` when that is not known.
    pub fn was(&self, uid: &str) -> Option<bool> {
        (self.made != 0).then(|| self.made == short(uid))
    }

    /// An object with this UID was ours.
    pub(super) fn is_made(&mut self, uid: &str) {
        self.made = short(uid);
    }

    /// Its health may have changed in a way that only a look tells, and that is of use now.
    pub(super) fn wants_look(&self) -> bool {
        let settled = self.health == Health::Ready && self.lasting;
        let changed = self.wanted && self.seen.is_some() && !settled;
        changed && !self.patient && self.resource_version > self.looked_at
    }

    /// A look can wait for what the metadata tells next, for a while.
    pub(super) fn is_patient(&self) -> bool {
        self.patient
    }

    /// It has waited long enough.
    pub(super) fn end_patience(&mut self) {
        self.patient = false;
    }

    /// It was made by a hook, and is there.
    pub(super) fn is_hook(&self) -> bool {
        self.hook && !self.wanted && self.seen.is_some()
    }

    /// There is a reason to remember it.
    pub(super) fn matters(&self) -> bool {
        self.wanted || self.seen.is_some()
    }

    /// It is as the server answered to our apply.
    pub(super) fn applied(&mut self, live: &ObjectMeta, health: Health) {
        let version = number(live);
        let mark = stamp(live);
        self.wanted = true;
        self.health = health;
        self.verified = Verified::At(mark);
        self.made = short(live.uid.as_deref().unwrap_or_default());
        self.looked_at = self.looked_at.max(version);
        if version > self.resource_version {
            self.unconfirmed = Some(Instant::now());
        }
        self.uncertain = false;
        if version >= self.resource_version {
            self.seen = Some(mark);
            self.resource_version = version;
            self.uid = live.uid.as_deref().unwrap_or_default().into();
        }
    }

    /// It is as we want it, as it was read: what others have changed may stay.
    pub(super) fn accepted(&mut self, live: &ObjectMeta, health: Health) {
        let (version, mark) = (number(live), stamp(live));
        self.verified = Verified::At(mark);
        self.made = short(live.uid.as_deref().unwrap_or_default());
        self.uncertain = false;
        if version >= self.resource_version {
            self.seen = Some(mark);
            self.resource_version = version;
            self.uid = live.uid.as_deref().unwrap_or_default().into();
            self.looked_at = version;
            self.health = health;
        }
    }

    /// It is not there, and is not to be: what it was for is done.
    pub(super) fn done(&mut self) {
        if self.seen.is_none() {
            self.verified = Verified::Unseen;
            self.uncertain = false;
        }
    }

    /// Something else tells its health from now on.
    pub(super) fn reconsider(&mut self, lasting: bool) {
        self.lasting = lasting;
        self.looked_at = 0;
        self.patient = false;
    }

    /// The newest resourceVersion that was seen of it.
    pub fn seen_at(&self) -> u64 {
        self.resource_version
    }

    /// It was read; `None` when it was not there.
    pub(super) fn looked(&mut self, live: Option<&ObjectMeta>, health: Health) {
        self.looked_at = self.looked_at.max(live.map_or(self.resource_version, number));
        self.health = health;
    }

    /// A watch shows it. What is older than what is known says nothing.
    pub(super) fn see(&mut self, sight: &Sight) -> Wake {
        if sight.version < self.resource_version {
            return Wake::No;
        }
        self.unconfirmed = None;
        self.uncertain = false;
        self.resource_version = sight.version;
        self.hook = sight.hook;
        self.seen = sight.present.as_ref().map(|(mark, _)| *mark);
        self.uid = sight
            .present
            .as_ref()
            .map(|(_, uid)| uid.clone())
            .unwrap_or_default();
        let waited = std::mem::take(&mut self.patient);
        match (self.calls_for(), sight.hint) {
            (Wake::After(_), Hint::Unready(why)) => self.wait(why),
            (Wake::After(_), Hint::MayBeReady) if waited => Wake::After(Pause::Short),
            (Wake::After(_), Hint::MayBeReady) => Wake::After(Pause::Long),
            (wake, _) => wake,
        }
    }

    /// It is not ready; how far it is can be seen later.
    fn wait(&mut self, why: &str) -> Wake {
        self.patient = true;
        if !matches!(self.health, Health::Ready | Health::Unknown) {
            return Wake::No;
        }
        self.health = Health::Progressing(why.into());
        Wake::After(Pause::Short)
    }

    /// A listing that began then does not have it. What we wrote since may be newer than the listing, or gone.
    pub(super) fn lose(&mut self, began: Instant) -> Wake {
        if self.seen.is_none() {
            return Wake::No;
        }
        if self.unconfirmed.is_some_and(|written| written >= began) {
            self.uncertain = true;
        } else {
            self.seen = None;
            self.uid = Box::default();
        }
        Wake::Now
    }

    fn calls_for(&self) -> Wake {
        if self.is_dirty() || !self.matters() {
            Wake::Now
        } else if self.wants_look() {
            Wake::After(Pause::Growing)
        } else {
            Wake::No
        }
    }

    /// It is as we want it, with this health. Where that is not the health of what is seen, it is looked at again.
    pub(super) fn verify(&mut self, health: Health, looked: bool) {
        self.verified = self.seen.map_or(Verified::Unseen, Verified::At);
        self.looked_at = if looked { self.resource_version } else { 0 };
        self.health = health;
        self.patient = false;
    }

    /// It is taken for changed.
    pub(super) fn doubt(&mut self) {
        self.verified = Verified::At(!self.seen.unwrap_or_default());
    }

    /// What it was like when it was as we want it.
    pub(super) fn known(&self) -> Look {
        let mark = match self.verified {
            Verified::At(mark) => mark,
            Verified::Never | Verified::Unseen => 0,
        };
        let looked = self.health == Health::Ready && self.looked_at >= self.resource_version;
        Look {
            mark,
            version: if looked { self.changing() } else { 0 },
        }
    }

    /// What it is like.
    pub(super) fn shown(&self) -> Look {
        Look {
            mark: self.seen.unwrap_or_default(),
            version: self.changing(),
        }
    }

    /// resourceVersion, where it says something of the health.
    fn changing(&self) -> u64 {
        if self.lasting { 0 } else { self.resource_version }
    }
}

/// What tells whether an object has changed while nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Mark of our fields.
    pub(super) mark: u64,
    /// resourceVersion at which it was ready; 0 where that does not change, or was not so.
    pub(super) version: u64,
}

fn is_hook(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(HOOK_ANNOTATION))
}

fn short(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish().max(1)
}

fn number(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().map_or(0, parse)
}

/// resourceVersions are numbers that grow; Kubernetes says so since 1.35 and etcd always made them so.
pub(super) fn parse(resource_version: &str) -> u64 {
    resource_version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The object as a watch or an apply shows it: its version, and the fields that we own.
    fn live(version: u64, fields: Value) -> ObjectMeta {
        serde_json::from_value(json!({
            "uid": "u", "resourceVersion": version.to_string(),
            "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": fields}],
        }))
        .unwrap()
    }

    fn applied(health: Health, lasting: bool) -> Tracked {
        let mut object = Tracked::new("v1", lasting);
        object.applied(&live(10, json!({"f:a": {}})), health);
        object
    }

    #[test]
    fn only_what_touches_our_fields_wakes() {
        let ours = json!({"f:a": {}});
        let table = [
            (Sight::of(&live(10, ours.clone())), Wake::No),
            (Sight::of(&live(11, ours.clone())), Wake::No),
            (Sight::of(&live(11, json!({}))), Wake::Now),
            (Sight::gone(&live(11, ours.clone())), Wake::Now),
            // From before our apply.
            (Sight::of(&live(9, json!({}))), Wake::No),
            (Sight::gone(&live(9, ours)), Wake::No),
        ];
        for (sight, expected) in table {
            let mut object = applied(Health::Ready, true);
            assert_eq!(object.see(&sight), expected, "{sight:?}");
            assert_eq!(object.is_dirty(), expected == Wake::Now);
        }
    }

    #[test]
    fn what_changes_by_itself_is_looked_at_again() {
        let waiting = Health::Progressing("0 of 1".into());
        let table = [
            (Health::Ready, true, Wake::No),
            (Health::Ready, false, Wake::After(Pause::Growing)),
            (waiting.clone(), true, Wake::After(Pause::Growing)),
            (waiting, false, Wake::After(Pause::Growing)),
        ];
        for (health, lasting, expected) in table {
            let mut object = applied(health.clone(), lasting);
            assert!(!object.wants_look(), "the answer to the apply was a look");
            let changed = live(12, json!({"f:a": {}}));
            assert_eq!(object.see(&Sight::of(&changed)), expected, "{health:?} {lasting}");
            object.looked(Some(&changed), Health::Ready);
            assert!(!object.wants_look());
        }
    }

    #[test]
    fn what_can_not_be_ready_is_looked_at_later() {
        let ours = json!({"f:a": {}});
        let unready =
            |version| Sight::of(&live(version, ours.clone())).hinted(Hint::Unready("2 are missing"));
        let maybe = |version| Sight::of(&live(version, ours.clone())).hinted(Hint::MayBeReady);
        let mut object = applied(Health::Progressing("0 of 2".into()), false);
        assert_eq!(
            object.see(&unready(10)),
            Wake::No,
            "the answer to the apply was a look"
        );
        assert!(!object.is_patient());
        assert_eq!(object.see(&unready(11)), Wake::No);
        assert!(object.is_patient() && !object.wants_look());
        assert_eq!(
            object.health,
            Health::Progressing("0 of 2".into()),
            "that says more"
        );
        object.end_patience();
        assert!(object.wants_look());
        object.looked(
            Some(&live(11, ours.clone())),
            Health::Progressing("1 of 2".into()),
        );
        assert_eq!(object.see(&maybe(12)), Wake::After(Pause::Long));
        assert!(object.wants_look());
        assert_eq!(object.see(&unready(12)), Wake::No);
        assert_eq!(
            object.see(&maybe(12)),
            Wake::After(Pause::Short),
            "what was missing is there"
        );
        object.looked(Some(&live(12, ours.clone())), Health::Ready);
        assert_eq!(
            object.see(&unready(13)),
            Wake::After(Pause::Short),
            "it was ready"
        );
        assert_eq!(object.health, Health::Progressing("2 are missing".into()));
        assert!(object.is_patient());
        let changed = Sight::of(&live(14, json!({}))).hinted(Hint::Unready("2 are missing"));
        assert_eq!(object.see(&changed), Wake::Now, "somebody changed it");
        assert!(!object.is_patient());
    }

    #[test]
    fn what_is_wanted_no_more_wakes_when_it_is_gone() {
        let mut object = applied(Health::Ready, true);
        object.wanted = false;
        assert_eq!(object.see(&Sight::of(&live(11, json!({})))), Wake::No);
        assert!(object.matters());
        assert_eq!(object.see(&Sight::gone(&live(12, json!({})))), Wake::Now);
        assert!(!object.matters());
    }

    #[test]
    fn a_listing_from_before_our_write_proves_nothing() {
        let before = Instant::now();
        let mut object = applied(Health::Ready, true);
        assert_eq!(object.lose(before), Wake::Now);
        assert!(object.is_dirty(), "somebody has to look");
        assert!(!object.is_missing(), "it is known as before");
        object.see(&Sight::of(&live(10, json!({"f:a": {}}))));
        assert!(!object.is_dirty());
        assert_eq!(
            object.lose(before),
            Wake::Now,
            "a watch had it before the listing"
        );
        assert!(object.is_missing());
        assert_eq!(object.lose(before), Wake::No, "it is said once");
        let after = Instant::now() + std::time::Duration::from_millis(1);
        let mut object = applied(Health::Ready, true);
        assert_eq!(object.lose(after), Wake::Now);
        assert!(object.is_missing());
    }

    #[test]
    fn what_is_doubted_is_dirty_until_it_is_applied() {
        let mut object = applied(Health::Ready, true);
        object.doubt();
        assert!(object.is_dirty());
        object.applied(&live(10, json!({"f:a": {}})), Health::Ready);
        assert!(!object.is_dirty());
        let mut absent = Tracked::new("v1", true);
        absent.wanted = true;
        absent.doubt();
        assert!(absent.is_dirty(), "one that was never seen too");
    }

    #[test]
    fn what_others_may_have_is_as_we_want_it_until_it_changes_again() {
        let mut object = applied(Health::Ready, true);
        let theirs = live(12, json!({}));
        assert_eq!(object.see(&Sight::of(&theirs)), Wake::Now);
        object.accepted(&theirs, Health::Ready);
        assert!(!object.is_dirty());
        assert_eq!(
            object.known().mark,
            object.shown().mark,
            "the next process sees no drift"
        );
        assert_eq!(object.see(&Sight::of(&live(13, json!({})))), Wake::No);
        assert_eq!(object.see(&Sight::of(&live(14, json!({"f:b": {}})))), Wake::Now);
    }

    #[test]
    fn what_is_done_need_not_be_there() {
        let mut object = applied(Health::Ready, false);
        object.done();
        assert!(!object.is_dirty(), "it is there");
        object.see(&Sight::gone(&live(11, json!({}))));
        assert!(object.is_dirty());
        object.done();
        assert!(!object.is_dirty());
        assert_eq!((object.health.clone(), object.known().mark), (Health::Ready, 0));
    }

    #[test]
    fn what_nobody_could_see_is_checked_when_it_is_seen() {
        let mut object = Tracked::new("v1", false);
        object.wanted = true;
        object.verify(Health::Ready, false);
        assert!(!object.is_dirty(), "no reason to touch it");
        assert_eq!(object.see(&Sight::of(&live(10, json!({})))), Wake::Now);
        assert!(object.is_dirty());
    }

    #[test]
    fn a_workload_that_changed_unseen_is_looked_at() {
        for (looked, lasting, expected) in [(true, false, false), (false, false, true), (false, true, false)]
        {
            let mut object = Tracked::new("v1", lasting);
            object.wanted = true;
            object.see(&Sight::of(&live(10, json!({}))));
            object.verify(Health::Ready, looked);
            assert_eq!(object.wants_look(), expected, "{looked} {lasting}");
        }
    }

    #[test]
    fn an_object_made_again_is_another() {
        let mut object = Tracked::new("v1", true);
        assert_eq!(object.was("u"), None);
        object.applied(&live(10, json!({})), Health::Ready);
        object.see(&Sight::gone(&live(11, json!({}))));
        assert_eq!((object.was("u"), object.was("v")), (Some(true), Some(false)));
    }
}
