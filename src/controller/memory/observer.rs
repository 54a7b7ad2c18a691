//! From watch events to the memory.

use std::sync::Arc;

use helmapp_helm::plan::{OWNER_NAME_LABEL, OWNER_NAMESPACE_LABEL, ObjectId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ApiResource;
use kube::runtime::reflector::Store;

use crate::api::HelmApp;
use crate::cluster::discovery::Discovery;
use crate::cluster::watches::{Event, Handler, Selector, Target};
use crate::store::HELM_RECORDS;

use super::hint::Hint;
use super::object::Sight;
use super::{AppKey, Memory, Reference};

/// Gives watch events to the memory.
#[derive(Debug)]
pub struct Observer {
    /// The memory.
    pub memory: Arc<Memory>,
    /// Told when a CRD changes.
    pub discovery: Arc<Discovery>,
    /// The HelmApps that there are. They are listed before any is reconciled, and so before any object is watched.
    pub apps: Store<HelmApp>,
}

impl Handler for Observer {
    fn handle(&self, target: &Target, event: Event<'_>) {
        let memory = &self.memory;
        match Watched::of(target) {
            Watched::Records => match event {
                Event::Seen(metadata) => memory.saw_record(metadata, true),
                Event::Gone(metadata) => memory.saw_record(metadata, false),
                Event::Listed(listed) => memory.records_listed(listed),
                Event::Rights => {}
            },
            Watched::Objects => match event {
                Event::Seen(metadata) => {
                    let ApiResource { group, kind, .. } = &target.resource;
                    let sight = Sight::of(metadata).hinted(Hint::of(group, kind, metadata));
                    self.object(target, metadata, &sight);
                }
                Event::Gone(metadata) => self.object(target, metadata, &Sight::gone(metadata)),
                Event::Listed(listed) => memory.objects_listed(target, listed),
                Event::Rights => memory.wake_kind(&target.resource.group, &target.resource.kind),
            },
            Watched::References(kind) => match event {
                Event::Seen(metadata) => self.reference(kind, metadata, true),
                Event::Gone(metadata) => self.reference(kind, metadata, false),
                Event::Listed(listed) => memory.references_listed(kind, listed),
                Event::Rights => {}
            },
            // What went while nobody watched is only seen by its absence.
            Watched::Crds => self.discovery.invalidate(),
        }
    }
}

impl Observer {
    fn object(&self, target: &Target, metadata: &ObjectMeta, sight: &Sight) {
        let Some((app, id)) = owned(target, metadata) else {
            return;
        };
        let exists = || app.is_in(&self.apps);
        self.memory
            .saw_object(&app, &id, &target.resource.version, sight, exists);
    }

    fn reference(&self, kind: &'static str, metadata: &ObjectMeta, present: bool) {
        let reference = Reference {
            kind,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        };
        let version = metadata.resource_version.as_deref().unwrap_or_default();
        self.memory.saw_reference(&reference, version, present);
    }
}

/// What a watch is for.
#[derive(Debug, PartialEq, Eq)]
enum Watched {
    Records,
    Objects,
    References(&'static str),
    Crds,
}

impl Watched {
    fn of(target: &Target) -> Self {
        match (&target.selector, target.resource.kind.as_str()) {
            (Selector::Labels(labels), _) if labels == HELM_RECORDS => Self::Records,
            (Selector::Labels(_), _) => Self::Objects,
            (Selector::All, "Secret") => Self::References("Secret"),
            (Selector::All, "ConfigMap") => Self::References("ConfigMap"),
            (Selector::All, _) => Self::Crds,
        }
    }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use kube::runtime::{reflector, watcher};
    use serde_json::json;

    use super::*;

    fn deployments() -> Target {
        Target {
            resource: ApiResource {
                group: "apps".into(),
                version: "v1".into(),
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                plural: "deployments".into(),
            },
            namespace: None,
            selector: Selector::Labels(OWNER_NAME_LABEL.to_owned()),
        }
    }

    fn labelled(app: &str) -> ObjectMeta {
        let labels = json!({OWNER_NAME_LABEL: app, OWNER_NAMESPACE_LABEL: "apps"});
        serde_json::from_value(json!({"namespace": "web", "name": "d", "uid": "u", "labels": labels}))
            .unwrap()
    }

    #[tokio::test]
    async fn only_objects_of_helmapps_that_there_are_count() {
        let (apps, mut writer) = reflector::store();
        let app =
            json!({"metadata": {"name": "demo", "namespace": "apps"}, "spec": {"chart": {"path": "demo"}}});
        let app: HelmApp = serde_json::from_value(app).unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(app.clone()));
        let client = Client::new(
            tower::service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>()),
            "default",
        );
        let observer = Observer {
            memory: Memory::new().0,
            discovery: Arc::new(Discovery::new(client)),
            apps,
        };
        for name in ["demo", "other"] {
            let metadata = labelled(name);
            observer.handle(&deployments(), Event::Seen(&metadata));
        }
        let kinds = observer.memory.kinds_of(&AppKey::of(&app));
        assert_eq!(kinds.len(), 1);
        let other = AppKey {
            name: "other".into(),
            ..AppKey::of(&app)
        };
        assert!(observer.memory.kinds_of(&other).is_empty());
    }

    #[test]
    fn an_object_is_its_owners_by_both_labels() {
        let target = deployments();
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
