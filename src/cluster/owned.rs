//! Which objects of the kinds that others define have data below them: a database's operator makes claims and
//! StatefulSets, and the garbage collector or the operator takes them away with the object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use helmapp_helm::plan::{ObjectId, Scope, split_api_version};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DynamicObject, ListParams};
use kube::client::Client;
use kube::core::{ApiResource, PartialObjectMeta};

use super::discovery::{Snapshot, api};
use super::{Error, Result, retry};

/// Objects of one answer.
const PAGE: u32 = 500;
/// How far the owners of owners are followed.
const DEEPEST: usize = 8;

type Found = PartialObjectMeta<DynamicObject>;
type Owners = Vec<OwnerReference>;

/// Those of `roots` that own a claim or a StatefulSet, directly or by what they own. Where that must not be read, all
/// that may.
///
/// # Errors
/// The server's refusal but for a missing right, or a transient failure after its retries.
pub async fn with_data<'a>(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    roots: &[&'a ObjectId],
) -> Result<BTreeSet<&'a ObjectId>> {
    let mut found = BTreeSet::new();
    let namespaces: BTreeSet<&str> = roots.iter().map(|root| root.namespace.as_str()).collect();
    for namespace in namespaces {
        let roots = roots.iter().copied().filter(|root| root.namespace == namespace);
        let roots: Vec<&'a ObjectId> = roots.collect();
        let search = Search {
            client,
            snapshot,
            roots: &roots,
            known: BTreeMap::new(),
        };
        match search.below(namespace).await {
            Ok(some) => found.extend(some),
            Err(error) if error.is_forbidden() => found.extend(roots),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

struct Search<'a, 'b> {
    client: &'b Client,
    snapshot: &'b Arc<Snapshot>,
    roots: &'b [&'a ObjectId],
    /// Owners of what was asked for, by its namespace and what refers to it.
    known: BTreeMap<(String, String, String, String), Owners>,
}

impl<'a> Search<'a, '_> {
    /// What is found from the data of a namespace; of all of them with an empty one.
    async fn below(mut self, namespace: &str) -> Result<BTreeSet<&'a ObjectId>> {
        let kinds = [
            ApiResource::erase::<PersistentVolumeClaim>(&()),
            ApiResource::erase::<StatefulSet>(&()),
        ];
        let mut found = BTreeSet::new();
        for resource in kinds {
            for (namespace, owners) in list(self.client, namespace, &resource).await? {
                found.extend(self.climb(&namespace, owners).await?);
            }
        }
        Ok(found)
    }

    async fn climb(&mut self, namespace: &str, owners: Owners) -> Result<BTreeSet<&'a ObjectId>> {
        let (mut found, mut seen, mut level) = (BTreeSet::new(), BTreeSet::new(), owners);
        for _ in 0..DEEPEST {
            let mut above = Owners::new();
            level.retain(|owner| seen.insert(owner.uid.clone()));
            for owner in level {
                match self.roots.iter().find(|root| is_of(&owner, root, namespace)) {
                    Some(root) => _ = found.insert(*root),
                    None => above.extend(self.owners(namespace, &owner).await?),
                }
            }
            if above.is_empty() {
                break;
            }
            level = above;
        }
        Ok(found)
    }

    /// Who owns an owner.
    async fn owners(&mut self, namespace: &str, owner: &OwnerReference) -> Result<Owners> {
        let (group, version) = split_api_version(&owner.api_version);
        let Some(kind) = self.snapshot.kind(group, version, &owner.kind) else {
            return Ok(Owners::new());
        };
        let home = if kind.scope == Scope::Namespaced {
            namespace
        } else {
            ""
        };
        let key = (
            home.to_owned(),
            group.to_owned(),
            owner.kind.clone(),
            owner.name.clone(),
        );
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let Some(resource) = self.snapshot.resource(group, version, &owner.kind) else {
            return Ok(Owners::new());
        };
        let api: Api<DynamicObject> = api(self.client, &resource, home);
        let doing = format!("read the owners of {} {}", owner.kind, owner.name);
        let read = retry::transient(|| async {
            let read = api.get_metadata_opt(&owner.name).await;
            read.map_err(|error| Error::from_kube(&doing, error, false))
        });
        let owners = read.await?.and_then(|found| found.metadata.owner_references);
        let owners = owners.unwrap_or_default();
        self.known.insert(key, owners.clone());
        Ok(owners)
    }
}

/// The namespaces and owners of all objects of a kind that have some.
async fn list(client: &Client, namespace: &str, resource: &ApiResource) -> Result<Vec<(String, Owners)>> {
    let api: Api<DynamicObject> = api(client, resource, namespace);
    let doing = format!("list {} of namespace {namespace:?}", resource.plural);
    let (mut all, mut next) = (Vec::new(), None::<String>);
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = next.take();
        let page = retry::transient(|| async {
            let page = api.list_metadata(&params).await;
            page.map_err(|error| Error::from_kube(&doing, error, false))
        });
        let page = page.await?;
        let owned = page.items.into_iter().filter_map(|object: Found| {
            let owners = object.metadata.owner_references?;
            Some((object.metadata.namespace.unwrap_or_default(), owners))
        });
        all.extend(owned);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(all),
        }
    }
}

/// Whether an owner, named by an object of a namespace, is this object.
fn is_of(owner: &OwnerReference, root: &ObjectId, namespace: &str) -> bool {
    let (group, _) = split_api_version(&owner.api_version);
    let here = root.namespace.is_empty() || root.namespace == namespace;
    here && group == root.group && owner.kind == root.kind && owner.name == root.name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(api_version: &str, kind: &str, name: &str) -> OwnerReference {
        OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn an_owner_is_known_in_any_version_and_in_its_namespace() {
        let root = |namespace: &str| ObjectId {
            group: "db.example.com".to_owned(),
            kind: "Cluster".to_owned(),
            namespace: namespace.to_owned(),
            name: "main".to_owned(),
        };
        let named = owner("db.example.com/v1beta1", "Cluster", "main");
        assert!(is_of(&named, &root("web"), "web"));
        assert!(is_of(&named, &root(""), "web"));
        assert!(!is_of(&named, &root("web"), "other"));
        for other in [
            owner("example.com/v1", "Cluster", "main"),
            owner("db.example.com/v1", "Backup", "main"),
            owner("db.example.com/v1", "Cluster", "second"),
            owner("v1", "Cluster", "main"),
        ] {
            assert!(!is_of(&other, &root("web"), "web"), "{other:?}");
        }
    }
}
