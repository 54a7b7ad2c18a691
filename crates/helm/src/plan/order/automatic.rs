//! What an object refers to goes before it: the configuration and the rights of pods, the roles of bindings, the kinds
//! and namespaces that come with the release.
//!
//! Tiers see to that by themselves. Where annotations put objects behind gates, it has to be said.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::object::{Object, ObjectId};
use super::annotations::Asked;
use super::{Order, graph, tiers};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Puts what objects refer to before them. What says nothing of its own place goes with the first that needs it; what
/// does stays where it says.
pub(super) fn place(order: &mut Order, objects: &[Object], asked: &[Asked]) {
    let known = Known::of(objects);
    let needs: Vec<Vec<usize>> = objects
        .iter()
        .enumerate()
        .map(|(index, object)| {
            let mut found = known.needs(object);
            found.retain(|other| *other != index);
            found
        })
        .collect();
    let is_free = |index: usize| asked.get(index).is_some_and(|asked| !asked.is_something());
    pull(order, &needs, is_free);
    let ranks = graph::ranks(order);
    let rank = |index: usize| ranks.get(index).copied().unwrap_or_default();
    let explicit: Vec<usize> = order.places.iter().map(|place| place.objects.len()).collect();
    for (index, needs) in needs.iter().enumerate() {
        let before = needs.iter().copied().filter(|other| rank(*other) <= rank(index));
        let before: Vec<usize> = before.collect();
        if let Some(place) = order.places.get_mut(index) {
            place.objects.extend(before);
        }
    }
    last(order, objects, is_free);
    // What a person says wins over what we think.
    for index in graph::stuck(order) {
        let said = explicit.get(index).copied().unwrap_or_default();
        if let Some(place) = order.places.get_mut(index) {
            place.objects.truncate(said);
        }
    }
}

/// Gives what would come too late the gates of the first that needs it.
fn pull(order: &mut Order, needs: &[Vec<usize>], is_free: impl Fn(usize) -> bool) {
    // As long as a chain of needs can be: a workload, its binding, the role, its namespace.
    for _ in 0..4 {
        let ranks = graph::ranks(order);
        let rank = |index: usize| ranks.get(index).copied().unwrap_or_default();
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, needs) in needs.iter().enumerate() {
            for other in needs
                .iter()
                .copied()
                .filter(|other| is_free(*other) && rank(*other) > rank(index))
            {
                let known = first.entry(other).or_insert(index);
                if rank(index) < rank(*known) {
                    *known = index;
                }
            }
        }
        if first.is_empty() {
            return;
        }
        for (late, needer) in first {
            let gates = order.places.get(needer).map(|place| place.gates.clone());
            if let Some(place) = order.places.get_mut(late) {
                place.gates = gates.unwrap_or_default();
            }
        }
    }
}

/// What concerns all objects that come after it comes behind all others.
fn last(order: &mut Order, objects: &[Object], is_free: impl Fn(usize) -> bool) {
    let is_last = |index: usize| {
        objects
            .get(index)
            .is_some_and(|object| tiers::is_last(&object.id.kind))
    };
    let others: Vec<usize> = (0..objects.len()).filter(|index| !is_last(*index)).collect();
    for (index, place) in order.places.iter_mut().enumerate() {
        if is_last(index) && is_free(index) {
            place.objects.clone_from(&others);
        }
    }
}

/// The objects of a manifest by what others call them.
struct Known<'a> {
    by_id: BTreeMap<&'a ObjectId, usize>,
    /// Bindings, by the namespace and the name of their ServiceAccounts.
    bindings: BTreeMap<(String, String), Vec<usize>>,
    /// CustomResourceDefinitions, by the group and the kind that they bring.
    kinds: BTreeMap<(&'a str, &'a str), usize>,
}

impl<'a> Known<'a> {
    fn of(objects: &'a [Object]) -> Self {
        let mut known = Self {
            by_id: objects
                .iter()
                .enumerate()
                .map(|(index, object)| (&object.id, index))
                .collect(),
            bindings: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        for (index, object) in objects.iter().enumerate() {
            for account in accounts(object) {
                known.bindings.entry(account).or_default().push(index);
            }
            let text = |pointer| object.value.pointer(pointer).and_then(Value::as_str);
            if object.id.kind == "CustomResourceDefinition"
                && let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind"))
            {
                known.kinds.insert((group, kind), index);
            }
        }
        known
    }

    fn find(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<usize> {
        let id = ObjectId {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.by_id.get(&id).copied()
    }

    /// The objects that this one refers to.
    fn needs(&self, object: &Object) -> Vec<usize> {
        let id = &object.id;
        let mut found: Vec<usize> = Vec::new();
        found.extend(self.find("", "Namespace", "", &id.namespace));
        found.extend(self.kinds.get(&(id.group.as_str(), id.kind.as_str())));
        if let Some(pod) = pod(object) {
            self.needs_of_pod(pod, &id.namespace, &mut found);
        }
        let text = |pointer| object.value.pointer(pointer).and_then(Value::as_str);
        match (id.group.as_str(), id.kind.as_str()) {
            ("apps", "StatefulSet") => {
                let service = text("/spec/serviceName");
                found.extend(service.and_then(|name| self.find("", "Service", &id.namespace, name)));
            }
            (RBAC, "RoleBinding" | "ClusterRoleBinding") => {
                if let (Some(kind), Some(name)) = (text("/roleRef/kind"), text("/roleRef/name")) {
                    let namespace = if kind == "Role" { id.namespace.as_str() } else { "" };
                    found.extend(self.find(RBAC, kind, namespace, name));
                }
                let accounts = accounts(object);
                let accounts = accounts
                    .iter()
                    .map(|(namespace, name)| (namespace.as_str(), name.as_str()));
                found.extend(
                    accounts.filter_map(|(namespace, name)| self.find("", "ServiceAccount", namespace, name)),
                );
            }
            ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => {
                let target = object.value.pointer("/spec/scaleTargetRef");
                found.extend(target.and_then(|target| self.target(target, &id.namespace)));
            }
            _ => {}
        }
        found
    }

    fn target(&self, target: &Value, namespace: &str) -> Option<usize> {
        let text = |key| target.get(key).and_then(Value::as_str);
        let (group, _) = super::super::object::split_api_version(text("apiVersion").unwrap_or("apps/v1"));
        self.find(
            group,
            text("kind").unwrap_or("Deployment"),
            namespace,
            text("name")?,
        )
    }

    fn needs_of_pod(&self, pod: &Value, namespace: &str, found: &mut Vec<usize>) {
        let account = ["serviceAccountName", "serviceAccount"]
            .into_iter()
            .find_map(|key| pod.get(key).and_then(Value::as_str));
        if let Some(name) = account {
            found.extend(self.find("", "ServiceAccount", namespace, name));
            let of = (namespace.to_owned(), name.to_owned());
            found.extend(self.bindings.get(&of).into_iter().flatten());
        }
        for (key, group, kind) in [
            ("priorityClassName", "scheduling.k8s.io", "PriorityClass"),
            ("runtimeClassName", "node.k8s.io", "RuntimeClass"),
        ] {
            let name = pod.get(key).and_then(Value::as_str);
            found.extend(name.and_then(|name| self.find(group, kind, "", name)));
        }
        let mut refer = |kind: &str, name: Option<&Value>| {
            let name = name.and_then(Value::as_str);
            found.extend(name.and_then(|name| self.find("", kind, namespace, name)));
        };
        for secret in items(pod, "imagePullSecrets") {
            refer("Secret", secret.get("name"));
        }
        for volume in items(pod, "volumes") {
            refer(
                "PersistentVolumeClaim",
                volume.pointer("/persistentVolumeClaim/claimName"),
            );
            refer("Secret", volume.pointer("/secret/secretName"));
            refer("ConfigMap", volume.pointer("/configMap/name"));
            let sources = volume
                .get("projected")
                .into_iter()
                .flat_map(|projected| items(projected, "sources"));
            for source in sources {
                refer("Secret", source.pointer("/secret/name"));
                refer("ConfigMap", source.pointer("/configMap/name"));
            }
        }
        let containers = ["containers", "initContainers"]
            .into_iter()
            .flat_map(|key| items(pod, key));
        for container in containers {
            for variable in items(container, "env") {
                refer("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
                refer("ConfigMap", variable.pointer("/valueFrom/configMapKeyRef/name"));
            }
            for source in items(container, "envFrom") {
                refer("Secret", source.pointer("/secretRef/name"));
                refer("ConfigMap", source.pointer("/configMapRef/name"));
            }
        }
    }
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The pod that an object makes.
fn pod(object: &Object) -> Option<&Value> {
    let pointer = match (object.id.group.as_str(), object.id.kind.as_str()) {
        ("", "Pod") => "/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job")
        | ("", "ReplicationController") => "/spec/template/spec",
        _ => return None,
    };
    object.value.pointer(pointer)
}

/// The ServiceAccounts that a binding gives rights to, with their namespaces.
fn accounts(object: &Object) -> Vec<(String, String)> {
    if object.id.group != RBAC || !object.id.kind.ends_with("Binding") {
        return Vec::new();
    }
    let subjects = items(&object.value, "subjects");
    subjects
        .filter(|subject| subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount"))
        .filter_map(|subject| {
            let text = |key| subject.get(key).and_then(Value::as_str);
            let namespace = text("namespace").unwrap_or(&object.id.namespace);
            Some((namespace.to_owned(), text("name")?.to_owned()))
        })
        .collect()
}
