//! What a HelmApp in the cluster becomes when a file is applied to it, as whoever applied it last does.

use anyhow::Context as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Patch, PatchParams, ValidationDirective};
use kube::{Api, ResourceExt as _};
use serde_json::{Map, Value, json};

use crate::api::HelmApp;

/// Applies a HelmApp where there is none yet.
const MANAGER: &str = "helmapp-diff";
/// What `kubectl apply` remembers of the file that it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The HelmApp as the server would store it; nothing is written. Unknown fields are refused.
pub(super) async fn applied(api: &Api<HelmApp>, name: &str, document: &Value) -> anyhow::Result<HelmApp> {
    let live = api.get_opt(name).await;
    let live = live.with_context(|| format!("cannot read the HelmApp {name}"))?;
    let mut parameters = PatchParams {
        dry_run: true,
        force: true,
        field_manager: Some(MANAGER.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let patch = match live.as_ref().map(|live| (applier(live), live)) {
        Some((Some(manager), _)) => {
            parameters.field_manager = Some(manager);
            Patch::Apply(document.clone())
        }
        Some((None, live)) => {
            parameters.force = false;
            Patch::Merge(merge(document, live))
        }
        None => Patch::Apply(document.clone()),
    };
    api.patch(name, &parameters, &patch)
        .await
        .with_context(|| format!("the server does not accept the HelmApp {name}"))
}

/// Who applied the HelmApp last on the server, as `kubectl apply --server-side` does.
fn applier(live: &HelmApp) -> Option<String> {
    let entries = live.managed_fields().iter();
    let applies = |entry: &&ManagedFieldsEntry| {
        entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    let last = entries
        .filter(applies)
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    last.manager.clone()
}

/// The merge patch of a client: what the file has, and the end of what the file applied last had and this one has not.
fn merge(document: &Value, live: &HelmApp) -> Value {
    let last = live.annotations().get(LAST_APPLIED);
    let last: Value = last
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let none = json!({});
    let part = |document: &Value| document.get("spec").unwrap_or(&none).clone();
    let mut patch = document.clone();
    if let Some(patch) = patch.as_object_mut() {
        patch.insert("spec".to_owned(), without(&part(&last), &part(document)));
    }
    patch
}

/// The new value with a null for each key that only the old one has.
fn without(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return new.clone();
    };
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let kept = new.iter().map(|(key, value)| {
        let old = old.get(key).unwrap_or(&Value::Null);
        (key.clone(), without(old, value))
    });
    gone.chain(kept).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(metadata: Value) -> HelmApp {
        serde_json::from_value(json!({
            "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": metadata,
            "spec": {"chart": {"path": "demo"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_file_is_applied_by_whom_the_last_one_was() {
        let entry = |manager: &str, operation: &str, second: u32, subresource: Option<&str>| {
            json!({
                "manager": manager, "operation": operation, "subresource": subresource,
                "time": format!("2026-01-01T00:00:{second:02}Z"),
            })
        };
        for (entries, expected) in [
            (json!([]), None),
            (json!([entry("kubectl-edit", "Update", 1, None)]), None),
            (
                json!([
                    entry("flux", "Apply", 1, None),
                    entry("kubectl", "Apply", 2, None),
                    entry("helmapp", "Apply", 3, Some("status")),
                    entry("helmapp-cli", "Update", 4, None),
                ]),
                Some("kubectl"),
            ),
        ] {
            let app = live(json!({"name": "a", "managedFields": entries}));
            assert_eq!(applier(&app).as_deref(), expected, "{entries}");
        }
    }

    #[test]
    fn what_the_last_file_had_goes() {
        let last = json!({"spec": {"chart": {"path": "a"}, "valuesFrom": [{"name": "x"}], "values": {"a": {"b": 1, "c": 2}}}});
        let app = live(json!({"name": "a", "annotations": {LAST_APPLIED: last.to_string()}}));
        let file = json!({"kind": "HelmApp", "spec": {"chart": {"path": "b"}, "values": {"a": {"c": 3}}}});
        assert_eq!(
            merge(&file, &app),
            json!({"kind": "HelmApp", "spec": {
                "chart": {"path": "b"}, "valuesFrom": null, "values": {"a": {"b": null, "c": 3}},
            }})
        );
        assert_eq!(merge(&file, &live(json!({"name": "a"}))), file);
    }
}
