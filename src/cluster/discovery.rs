//! Which kinds the cluster serves, and its capabilities as charts see them.
//!
//! Two requests of aggregated discovery (`/api`, `/apis`) and `/version`; no OpenAPI documents. The answer is
//! kept until a CRD changes or a kind is unknown.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use helmapp_helm::plan::{ObjectId, Scope, split_api_version};
use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::core::discovery::v2::{APIGroupDiscoveryList, APIVersionDiscovery};
use kube::core::{ApiResource, DynamicResourceScope};
use kube::{Api, Client, Resource};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::{Error, Result, retry};

/// An unknown kind leads to a refresh at most this often, so that a chart that asks for one costs no requests.
pub const REFRESH_FOR_UNKNOWN: Duration = Duration::from_secs(10);

/// How long the server of a group may take to say what it serves.
const ANSWER: Duration = Duration::from_secs(5);

/// A kind that the cluster serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Plural, as in request paths.
    pub plural: String,
    /// Namespaced or not.
    pub scope: Scope,
    /// Whether it can be listed and watched.
    pub watchable: bool,
}

/// What the cluster served at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    kinds: HashMap<(String, String, String), Kind>,
    /// Versions in the server's order of preference, by group and kind.
    preferred: HashMap<(String, String), String>,
    /// The API server's version.
    pub version: Version,
    /// `v1`, `apps/v1`, `apps/v1/Deployment`, …: sorted, as Helm's `.Capabilities.APIVersions` holds them.
    pub api_versions: Vec<String>,
}

/// The API server's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// `v1.36.3`
    pub git_version: String,
    /// `1`
    pub major: String,
    /// `36`
    pub minor: String,
}

/// The API of a kind in a namespace, or of all of them where that is empty.
pub(super) fn api<K>(client: &Client, resource: &ApiResource, namespace: &str) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace.is_empty() {
        true => Api::all_with(client.clone(), resource),
        false => Api::namespaced_with(client.clone(), namespace, resource),
    }
}

impl Snapshot {
    /// The kind, if it is served in that version.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Kind> {
        self.kinds
            .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
    }

    /// The kind as the client wants it.
    pub fn resource(&self, group: &str, version: &str, kind: &str) -> Option<ApiResource> {
        let found = self.kind(group, version, kind)?;
        Some(ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            },
            kind: kind.to_owned(),
            plural: found.plural.clone(),
        })
    }

    /// The resource of an object in the given version or, when that is not served any more, in the version
    /// that the server prefers: an object outlives the API version that it was written in.
    pub fn resource_of(&self, id: &ObjectId, version: &str) -> Option<ApiResource> {
        self.resource(&id.group, version, &id.kind).or_else(|| {
            let preferred = self.preferred.get(&(id.group.clone(), id.kind.clone()))?;
            self.resource(&id.group, preferred, &id.kind)
        })
    }

    /// The kind in the version that the server prefers.
    pub fn any_version(&self, group: &str, kind: &str) -> Option<&Kind> {
        let version = self.preferred.get(&(group.to_owned(), kind.to_owned()))?;
        self.kind(group, version, kind)
    }

    /// The resource of a kind in the version that the server prefers.
    pub fn preferred(&self, group: &str, kind: &str) -> Option<ApiResource> {
        let version = self.preferred.get(&(group.to_owned(), kind.to_owned()))?;
        self.resource(group, version, kind)
    }

    fn build(core: APIGroupDiscoveryList, groups: APIGroupDiscoveryList, info: Info) -> Self {
        let mut snapshot = Self {
            version: Version {
                git_version: info.git_version,
                major: info.major,
                minor: info.minor,
            },
            ..Self::default()
        };
        let mut names = BTreeSet::new();
        for group in core.items.into_iter().chain(groups.items) {
            let group_name = group
                .metadata
                .and_then(|metadata| metadata.name)
                .unwrap_or_default();
            for version in group.versions {
                snapshot.add(&group_name, version, &mut names);
            }
        }
        snapshot.api_versions = names.into_iter().collect();
        snapshot
    }

    fn add(&mut self, group: &str, version: APIVersionDiscovery, names: &mut BTreeSet<String>) {
        let version_name = version.version.unwrap_or_default();
        let api_version = if group.is_empty() {
            version_name.clone()
        } else {
            format!("{group}/{version_name}")
        };
        names.insert(api_version.clone());
        for resource in version.resources {
            for subresource in &resource.subresources {
                if let Some(kind) = subresource
                    .response_kind
                    .as_ref()
                    .and_then(|kind| kind.kind.as_ref())
                {
                    names.insert(format!("{api_version}/{kind}"));
                }
            }
            let kind = resource
                .response_kind
                .and_then(|kind| kind.kind)
                .filter(|kind| !kind.is_empty());
            let (Some(kind), Some(plural)) = (kind, resource.resource) else {
                continue;
            };
            names.insert(format!("{api_version}/{kind}"));
            let scope = match resource.scope.as_deref() {
                Some("Namespaced") => Scope::Namespaced,
                _ => Scope::Cluster,
            };
            let can = |verb: &str| resource.verbs.iter().any(|known| known == verb);
            let watchable = can("list") && can("watch");
            self.preferred
                .entry((group.to_owned(), kind.clone()))
                .or_insert_with(|| version_name.clone());
            let key = (group.to_owned(), version_name.clone(), kind);
            self.kinds.entry(key).or_insert(Kind {
                plural,
                scope,
                watchable,
            });
        }
    }
}

/// Lower-case hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The cached answer and what refreshes it.
pub struct Discovery {
    client: Client,
    stale: AtomicBool,
    changed: Notify,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    snapshot: Option<Arc<Snapshot>>,
    taken: Option<Instant>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery")
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

impl Discovery {
    /// Discovery with the operator's identity; every authenticated user may read it.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            stale: AtomicBool::new(false),
            changed: Notify::new(),
            cached: Mutex::default(),
        }
    }

    /// Says that the kinds have changed. The next question asks the server.
    pub fn invalidate(&self) {
        self.stale.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Waits until the kinds have changed since the last call. For one listener.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the cluster serves, from memory where that is current.
    ///
    /// # Errors
    /// A request that failed, after its retries.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut cached = self.cached.lock().await;
        match &cached.snapshot {
            Some(snapshot) if !self.stale.load(Ordering::Acquire) => Ok(snapshot.clone()),
            _ => self.refresh(&mut cached).await,
        }
    }

    /// What the cluster serves, asked again when one of the kinds (`apiVersion`, kind) is unknown.
    ///
    /// # Errors
    /// A request that failed, after its retries.
    pub async fn snapshot_with(&self, kinds: &[(&str, &str)]) -> Result<Arc<Snapshot>> {
        let snapshot = self.snapshot().await?;
        let known = kinds.iter().all(|(api_version, kind)| {
            let (group, version) = split_api_version(api_version);
            snapshot.kind(group, version, kind).is_some()
        });
        if known {
            return Ok(snapshot);
        }
        let mut cached = self.cached.lock().await;
        match cached.taken {
            Some(taken) if taken.elapsed() < REFRESH_FOR_UNKNOWN => Ok(snapshot),
            _ => self.refresh(&mut cached).await,
        }
    }

    /// Whether the cluster surely serves the kind in no version any more, so that no object of it can be left. A
    /// server of the group that does not answer leaves that open, and is the error.
    ///
    /// # Errors
    /// A request that failed, after its retries.
    pub async fn is_gone(&self, group: &str, kind: &str) -> Result<bool> {
        self.invalidate();
        if self.snapshot().await?.any_version(group, kind).is_some() {
            return Ok(false);
        }
        if group.is_empty() {
            return Ok(true);
        }
        let Some(served) = self.read::<APIGroup>(&format!("/apis/{group}")).await? else {
            return Ok(true);
        };
        for version in served.versions {
            let path = format!("/apis/{}", version.group_version);
            let kinds = self.read::<APIResourceList>(&path).await?;
            if kinds.is_some_and(|list| list.resources.iter().any(|resource| resource.kind == kind)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is served at a path; `None` where nothing is.
    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let doing = format!("read {path}");
        let read = retry::transient(|| async {
            let request = Request::get(path)
                .body(Vec::new())
                .map_err(|error| Error::Connection {
                    doing: doing.clone(),
                    message: error.to_string(),
                })?;
            let answer = self.client.request::<T>(request).await;
            answer.map_err(|error| Error::from_kube(&doing, error, false))
        });
        // The API server can wait very long for a server that it passes requests on to.
        match tokio::time::timeout(ANSWER, read).await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(error)) if error.is_not_found() => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Timeout {
                what: format!("{path} does not answer"),
                limit: ANSWER,
            }),
        }
    }

    async fn refresh(&self, cached: &mut Cached) -> Result<Arc<Snapshot>> {
        // Cleared first: a change that comes while we read makes the answer stale again.
        self.stale.store(false, Ordering::Release);
        let read = retry::transient(|| async {
            let failed = |error| Error::from_kube("read the kinds that the cluster serves", error, false);
            futures::try_join!(
                self.client.list_core_api_versions_aggregated(),
                self.client.list_api_groups_aggregated(),
                self.client.apiserver_version(),
            )
            .map_err(failed)
        });
        match read.await {
            Ok((core, groups, info)) => {
                let snapshot = Arc::new(Snapshot::build(core, groups, info));
                *cached = Cached {
                    snapshot: Some(snapshot.clone()),
                    taken: Some(Instant::now()),
                };
                Ok(snapshot)
            }
            Err(error) => {
                self.stale.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        let core = json!({"items": [{"versions": [{"version": "v1", "resources": [
            {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "verbs": ["list", "watch"],
             "subresources": [{"subresource": "eviction", "responseKind": {"group": "policy", "version": "v1", "kind": "Eviction"}}]},
            {"resource": "bindings", "responseKind": {"kind": "Binding"}, "scope": "Namespaced", "verbs": ["create"]},
        ]}]}]});
        let groups = json!({"items": [{"metadata": {"name": "policy"}, "versions": [
            {"version": "v1", "resources": [
                {"resource": "poddisruptionbudgets", "responseKind": {"kind": "PodDisruptionBudget"}, "scope": "Namespaced", "verbs": ["list", "watch"]}]},
            {"version": "v1beta1", "resources": [
                {"resource": "podsecuritypolicies", "responseKind": {"kind": "PodSecurityPolicy"}, "scope": "Cluster", "verbs": []}]},
        ]}]});
        let info = json!({"gitVersion": "v1.36.3", "major": "1", "minor": "36"});
        let parse = |value| serde_json::from_value(value).unwrap();
        Snapshot::build(
            parse(core),
            serde_json::from_value(groups).unwrap(),
            serde_json::from_value(info).unwrap(),
        )
    }

    #[test]
    fn api_versions_are_helms() {
        let expected = [
            "policy/v1",
            "policy/v1/PodDisruptionBudget",
            "policy/v1beta1",
            "policy/v1beta1/PodSecurityPolicy",
            "v1",
            "v1/Binding",
            "v1/Eviction",
            "v1/Pod",
        ];
        assert_eq!(snapshot().api_versions, expected);
    }

    #[test]
    fn kinds_are_found_by_version_and_objects_in_any() {
        let snapshot = snapshot();
        let pod = snapshot.kind("", "v1", "Pod").unwrap();
        assert_eq!(
            (pod.plural.as_str(), pod.scope, pod.watchable),
            ("pods", Scope::Namespaced, true)
        );
        assert!(!snapshot.kind("", "v1", "Binding").unwrap().watchable);
        assert_eq!(snapshot.kind("policy", "v1beta1", "PodDisruptionBudget"), None);
        let id = ObjectId {
            group: "policy".into(),
            kind: "PodDisruptionBudget".into(),
            namespace: "web".into(),
            name: "p".into(),
        };
        let resource = snapshot.resource_of(&id, "v1beta1").unwrap();
        assert_eq!(resource.api_version, "policy/v1");
    }
}
