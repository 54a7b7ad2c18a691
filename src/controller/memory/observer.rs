//! From watch events to the memory.

use std::sync::Arc;

use helmapp_helm::plan::{OWNER_NAME_LABEL, OWNER_NAMESPACE_LABEL, ObjectId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::cluster::discovery::Discovery;
use crate::cluster::watches::{Event, Handler, Selector, Target};
use crate::store::HELM_RECORDS;

use super::object::Sight;
use super::{AppKey, Memory, Reference};

/// Gives watch events to the memory.
#[derive(Debug)]
pub struct Observer {
    /// The memory.
    pub memory: Arc<Memory>,
    /// Told when a CRD changes.
    pub discovery: Arc<Discovery>,
}

impl Handler for Observer {
    fn handle(&self, target: &Target, event: Event<'_>) {
        let (metadata, present) = match event {
            Event::Seen(metadata) => (metadata, true),
            Event::Gone(metadata) => (metadata, false),
            Event::Listed(listed) => {
                if is_owned(target) {
                    self.memory.objects_listed(target, listed);
                }
                return;
            }
        };
        match &target.selector {
            Selector::Labels(labels) if labels == HELM_RECORDS => self.memory.saw_record(metadata, present),
            Selector::Labels(_) => {
                if let Some((app, id)) = owned(target, metadata) {
                    let sight = if present {
                        Sight::of(metadata)
                    } else {
                        Sight::gone(metadata)
                    };
                    self.memory
                        .saw_object(&app, &id, &target.resource.version, &sight);
                }
            }
            Selector::Name(_) => {
                let version = metadata.resource_version.clone().filter(|_| present);
                self.memory.saw_reference(&reference(target, metadata), version);
            }
            Selector::All => self.discovery.invalidate(),
        }
    }
}

fn is_owned(target: &Target) -> bool {
    matches!(&target.selector, Selector::Labels(labels) if labels == OWNER_NAME_LABEL)
}

/// The HelmApp and the identity of an object of a release, by its labels.
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

fn reference(target: &Target, metadata: &ObjectMeta) -> Reference {
    Reference {
        kind: if target.resource.kind == "Secret" {
            "Secret"
        } else {
            "ConfigMap"
        },
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_its_owners_by_both_labels() {
        let target = Target {
            resource: ApiResource {
                group: "apps".into(),
                version: "v1".into(),
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                plural: "deployments".into(),
            },
            namespace: None,
            selector: Selector::Labels(OWNER_NAME_LABEL.to_owned()),
        };
        let of = |labels| {
            let metadata = json!({"namespace": "web", "name": "d", "labels": labels});
            let (app, id) = owned(&target, &serde_json::from_value(metadata).unwrap())?;
            Some(format!("{}/{} {id}", app.namespace, app.name))
        };
        assert_eq!(
            of(json!({OWNER_NAME_LABEL: "demo", OWNER_NAMESPACE_LABEL: "apps"})).as_deref(),
            Some("apps/demo Deployment.apps web/d")
        );
        assert_eq!(of(json!({OWNER_NAME_LABEL: "demo"})), None);
        assert_eq!(of(json!({})), None);
    }
}
