//! What a record's metadata tells without its content, and which records are too many.

use std::fmt;

use helmapp_helm::release::{Release, Status, parse_secret_name};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// Annotation of a record's Secret that names who works on the revision. Helm's CLI drops it with any change
/// of its own, which says just that the revision is no longer ours.
pub const HOLDER_ANNOTATION: &str = "helmapp.io/holder";

/// A release's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseKey {
    pub namespace: String,
    pub name: String,
}

impl ReleaseKey {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    pub(super) fn of(release: &Release) -> Self {
        Self::new(&release.namespace, &release.name)
    }
}

/// `namespace/name`.
impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A record without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub revision: i64,
    pub status: Status,
    pub uid: String,
    pub resource_version: String,
    /// Who works on it: see [`HOLDER_ANNOTATION`].
    pub holder: Option<String>,
    pub created: Option<Timestamp>,
    /// When it was last written.
    pub changed: Option<Timestamp>,
}

impl Head {
    /// Release and head of a Secret's metadata; None for a Secret that is no record of Helm's.
    pub fn of(metadata: &ObjectMeta) -> Option<(ReleaseKey, Self)> {
        let labels = metadata.labels.as_ref()?;
        if labels.get("owner").map(String::as_str) != Some("helm") {
            return None;
        }
        let (name, revision) = parse_secret_name(metadata.name.as_deref()?)?;
        let key = ReleaseKey::new(metadata.namespace.clone().unwrap_or_default(), name);
        let status = labels
            .get("status")
            .map_or(Status::Unknown, |status| status_of(status));
        Some((key, Self::with(revision, status, metadata)))
    }

    /// Somebody works on it, or did when it died.
    pub fn is_under_way(&self) -> bool {
        self.status.is_pending() || self.status == Status::Uninstalling
    }

    pub(super) fn of_record(release: &Release, metadata: &ObjectMeta) -> Self {
        Self::with(release.version, release.info.status.clone(), metadata)
    }

    fn with(revision: i64, status: Status, metadata: &ObjectMeta) -> Self {
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let modified = metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get("modifiedAt"))
            .and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
        Self {
            revision,
            status,
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            holder: metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(HOLDER_ANNOTATION))
                .cloned(),
            created,
            changed: modified.or(created),
        }
    }
}

pub fn status_of(text: &str) -> Status {
    use serde::de::{IntoDeserializer, value::StrDeserializer};
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    Status::deserialize(text).unwrap_or_default()
}

/// The revisions to delete so that `max` are left, oldest first; 0 keeps all. The newest deployed one and
/// those that are being worked on are never among them.
pub fn surplus(heads: &[Head], max: u32) -> Vec<&Head> {
    if max == 0 {
        return Vec::new();
    }
    let mut sorted: Vec<&Head> = heads.iter().collect();
    sorted.sort_by_key(|head| head.revision);
    let deployed = sorted
        .iter()
        .rev()
        .find(|head| head.status == Status::Deployed)
        .map(|head| head.revision);
    let excess = sorted
        .len()
        .saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
    sorted
        .into_iter()
        .filter(|head| Some(head.revision) != deployed && !head.is_under_way())
        .take(excess)
        .collect()
}

#[cfg(test)]
impl Head {
    /// One of which only this is known.
    pub(crate) fn bare(revision: i64, status: Status) -> Self {
        Self {
            revision,
            status,
            uid: String::new(),
            resource_version: String::new(),
            holder: None,
            created: None,
            changed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn head(revision: i64, status: Status) -> Head {
        Head {
            uid: format!("u{revision}"),
            resource_version: "1".to_owned(),
            ..Head::bare(revision, status)
        }
    }

    #[test]
    fn keeps_the_newest_the_deployed_and_the_pending() {
        use Status::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalling};
        type Case = (&'static [(i64, Status)], u32, &'static [i64]);
        let table: [Case; 8] = [
            (&[(1, Superseded), (2, Deployed)], 0, &[]),
            (&[(1, Superseded), (2, Deployed)], 2, &[]),
            (&[(3, Deployed), (1, Superseded), (2, Superseded)], 2, &[1]),
            (
                &[(1, Deployed), (2, Failed), (3, Failed), (4, Failed)],
                2,
                &[2, 3],
            ),
            (&[(1, Superseded), (2, Deployed), (3, PendingUpgrade)], 1, &[1]),
            (&[(1, PendingUpgrade), (2, Superseded), (3, Deployed)], 1, &[2]),
            (&[(1, Uninstalling), (2, Failed), (3, Failed)], 1, &[2, 3]),
            (&[], 1, &[]),
        ];
        for (heads, max, expected) in table {
            let heads: Vec<Head> = heads.iter().map(|(r, status)| head(*r, status.clone())).collect();
            let revisions: Vec<i64> = surplus(&heads, max).iter().map(|head| head.revision).collect();
            assert_eq!(revisions, expected, "{heads:?} {max}");
        }
    }

    fn metadata(name: &str, labels: &[(&str, &str)]) -> ObjectMeta {
        let pairs = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            all.iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("web".to_owned()),
            uid: Some("u".to_owned()),
            resource_version: Some("7".to_owned()),
            labels: Some(pairs(labels)),
            annotations: Some(pairs(&[(HOLDER_ANNOTATION, "me")])),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn reads_a_head_from_metadata() {
        let labels = [
            ("owner", "helm"),
            ("status", "pending-upgrade"),
            ("modifiedAt", "1700000000"),
        ];
        let (key, head) = Head::of(&metadata("sh.helm.release.v1.my.app.v12", &labels)).unwrap();
        assert_eq!(key, ReleaseKey::new("web", "my.app"));
        let expected = Head {
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
            holder: Some("me".to_owned()),
            changed: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            ..super::tests::head(12, Status::PendingUpgrade)
        };
        assert_eq!(head, expected);
    }

    #[test]
    fn a_foreign_secret_is_no_record() {
        for (name, labels) in [
            ("sh.helm.release.v1.web.v1", vec![("owner", "other")]),
            ("sh.helm.release.v1.web.v1", vec![]),
            ("sh.helm.release.v1.web.vx", vec![("owner", "helm")]),
            ("sh.helm.release.v1.v1", vec![("owner", "helm")]),
            ("password", vec![("owner", "helm")]),
        ] {
            assert_eq!(Head::of(&metadata(name, &labels)), None, "{name}");
        }
    }

    #[test]
    fn an_unknown_status_stays_what_it_is() {
        assert_eq!(status_of("deployed"), Status::Deployed);
        assert_eq!(status_of("odd"), Status::Other("odd".to_owned()));
    }
}
