//! What others own of an object from before our server-side apply.
//!
//! A client-side Helm owns all that it ever wrote, by updates. While it does, a field that the chart drops would stay
//! in the cluster: the server takes away only what nobody else owns. So its fields become ours. What a person's kubectl
//! wrote and the chart has as well becomes ours alone, and the rest of it stays theirs.
//!
//! The answer to an apply tells who owns what, so an object on which nobody has such fields costs no request.

use http::{Method, Request, header};
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};

use super::apply::{FIELD_MANAGER, send};
use super::brief::METADATA_ONLY;
use super::{Error, Result};

const JSON_PATCH: &str = "application/json-patch+json";
/// Path of the annotation with which every Helm marks what it writes, under whatever name it does.
const HELMS_MARK: [&str; 3] = ["f:metadata", "f:annotations", "f:meta.helm.sh/release-name"];
/// Stands for the parent itself in a set of fields.
const ITSELF: &str = ".";
/// How often a change of somebody else in between is put up with.
const TRIES: u32 = 5;

/// Makes the fields of a client-side Helm ours. `uri` is the object's, `live` it, or its metadata. Returns whether there
/// was something to do: then an apply takes away what the chart does not have any more.
///
/// # Errors
/// The server's refusal, or others that do not stop changing the object.
pub(super) async fn take_over(
    client: &Client,
    uri: &str,
    doing: &str,
    secret: bool,
    live: &Value,
) -> Result<bool> {
    let Some(mut patch) = migration(live) else {
        return Ok(false);
    };
    let mut tries = TRIES;
    loop {
        match write(client, uri, doing, secret, &patch).await {
            Err(error) if error.is_conflict() && tries > 1 => tries -= 1,
            other => return other.map(|()| true),
        }
        let request = Request::get(uri)
            .header(header::ACCEPT, METADATA_ONLY)
            .body(Body::empty());
        let (_, live) = send(client, request, doing, secret).await?;
        let Some(newer) = migration(&live) else {
            return Ok(true);
        };
        patch = newer;
    }
}

async fn write(client: &Client, uri: &str, doing: &str, secret: bool, patch: &Value) -> Result<()> {
    let body = serde_json::to_vec(patch).map_err(|error| Error::Connection {
        doing: doing.to_owned(),
        message: error.to_string(),
    })?;
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(format!("{uri}?fieldManager={FIELD_MANAGER}"))
        .header(header::CONTENT_TYPE, JSON_PATCH)
        .header(header::ACCEPT, METADATA_ONLY)
        .body(Body::from(body));
    send(client, request, doing, secret).await.map(|_| ())
}

/// The JSON patch that makes fields ours, for no other version of the object than this one; `None` when there are none.
fn migration(live: &Value) -> Option<Value> {
    let metadata = live.get("metadata")?;
    let entries = metadata.get("managedFields")?.as_array()?;
    let ours = entries.iter().find(|entry| is_ours(entry))?;
    let version = ours.get("apiVersion");
    let mut fields = ours.get("fieldsV1")?.clone();
    for entry in entries.iter().filter(|entry| is_helms(entry)) {
        // In another version the same field can have another path.
        if entry.get("apiVersion") == version
            && let Some(theirs) = entry.get("fieldsV1")
        {
            add(&mut fields, theirs);
        }
    }
    let next: Vec<Value> = entries
        .iter()
        .filter(|entry| !is_helms(entry))
        .filter_map(|entry| match entry {
            _ if is_ours(entry) => Some(with_fields(entry, fields.clone())),
            _ if is_a_persons(entry) && entry.get("apiVersion") == version => without(entry, &fields),
            _ => Some(entry.clone()),
        })
        .collect();
    if next == *entries {
        return None;
    }
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": next},
        // The server refuses a version that is not the object's as a conflict.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")?},
    ]))
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_of_object(entry: &Value) -> bool {
    text(entry, "subresource").is_empty()
}

fn is_ours(entry: &Value) -> bool {
    text(entry, "manager") == FIELD_MANAGER && text(entry, "operation") == "Apply" && is_of_object(entry)
}

fn is_kubectls(entry: &Value) -> bool {
    text(entry, "manager").starts_with("kubectl")
}

fn is_a_persons(entry: &Value) -> bool {
    is_kubectls(entry) && text(entry, "operation") == "Update" && is_of_object(entry)
}

/// A Helm that is not ours: its CLI before version 4, or a program that has Helm in it.
fn is_helms(entry: &Value) -> bool {
    let marks = || {
        let fields = entry.get("fieldsV1");
        let mark = HELMS_MARK
            .iter()
            .try_fold(fields?, |fields, name| fields.get(name));
        mark.map(drop)
    };
    let by_name = text(entry, "manager") == FIELD_MANAGER && text(entry, "operation") == "Update";
    is_of_object(entry) && !is_ours(entry) && (by_name || !is_kubectls(entry) && marks().is_some())
}

fn with_fields(entry: &Value, fields: Value) -> Value {
    let mut entry = entry.clone();
    if let Some(members) = entry.as_object_mut() {
        members.insert("fieldsV1".to_owned(), fields);
    }
    entry
}

/// The entry without the fields of a set; `None` when nothing is left of it.
fn without(entry: &Value, fields: &Value) -> Option<Value> {
    let theirs = entry.get("fieldsV1")?;
    Some(with_fields(entry, subtract(theirs, fields)?))
}

/// Adds the fields of another set.
fn add(fields: &mut Value, others: &Value) {
    let (Some(fields), Some(others)) = (fields.as_object_mut(), others.as_object()) else {
        return;
    };
    for (key, other) in others {
        match fields.get_mut(key) {
            None => _ = fields.insert(key.clone(), other.clone()),
            Some(known) => {
                if is_leaf(known) != is_leaf(other)
                    && let Some(known) = known.as_object_mut()
                {
                    known.insert(ITSELF.to_owned(), json!({}));
                }
                add(known, other);
            }
        }
    }
}

/// What of a set is in none of the other's fields; `None` when nothing is.
fn subtract(set: &Value, other: &Value) -> Option<Value> {
    let (Some(members), Some(others)) = (set.as_object(), other.as_object()) else {
        return Some(set.clone());
    };
    let mut rest = Map::new();
    for (key, value) in members {
        let Some(other) = others.get(key) else {
            rest.insert(key.clone(), value.clone());
            continue;
        };
        // A leaf of theirs goes with whatever the other set has of it.
        if !is_leaf(value)
            && let Some(left) = subtract(value, other)
        {
            rest.insert(key.clone(), left);
        }
    }
    if rest.keys().any(|key| key != ITSELF) {
        Some(rest.into())
    } else {
        None
    }
}

fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn object(entries: &[Value]) -> Value {
        json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
    }

    /// The entries after the migration.
    fn migrated(entries: &[Value]) -> Option<Vec<Value>> {
        let patch = migration(&object(entries))?;
        assert_eq!(
            patch[1],
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"})
        );
        Some(patch[0]["value"].as_array().unwrap().clone())
    }

    fn ours(fields: Value) -> Value {
        entry("helm", "Apply", fields)
    }

    fn marked(mut fields: Value) -> Value {
        fields["f:metadata"] = json!({"f:annotations": {".": {}, "f:meta.helm.sh/release-name": {}}});
        fields
    }

    #[test]
    fn nothing_is_done_where_no_other_helm_wrote() {
        let spec = json!({"f:spec": {"f:replicas": {}}});
        let mut scale = entry("helm", "Update", spec.clone());
        scale["subresource"] = json!("scale");
        for entries in [
            vec![],
            vec![entry("helm", "Update", spec.clone())],
            vec![ours(spec.clone())],
            vec![
                ours(spec.clone()),
                entry("kube-controller-manager", "Update", spec.clone()),
            ],
            vec![
                ours(spec.clone()),
                entry("kubectl-edit", "Update", json!({"f:data": {}})),
            ],
            vec![ours(spec.clone()), entry("argo", "Apply", spec.clone()), scale],
        ] {
            assert_eq!(migrated(&entries), None, "{entries:?}");
        }
    }

    #[test]
    fn what_a_client_side_helm_owned_becomes_ours() {
        let entries = [
            ours(json!({"f:spec": {"f:replicas": {}, "f:template": {"f:a": {}}}})),
            entry(
                "helm",
                "Update",
                json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:b": {}}}}),
            ),
            entry("kubelet", "Update", json!({"f:status": {}})),
        ];
        let expected = [
            ours(json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:a": {}, "f:b": {}}}})),
            entries[2].clone(),
        ];
        assert_eq!(migrated(&entries).unwrap(), expected);
        assert_eq!(migrated(&expected), None, "once");
    }

    #[test]
    fn a_helm_is_known_by_what_it_writes() {
        let other = marked(json!({"f:spec": {"f:paused": {}}}));
        for (manager, operation) in [
            ("terraform-provider-helm", "Update"),
            ("helm-controller", "Apply"),
        ] {
            let entries = [
                ours(json!({"f:spec": {}})),
                entry(manager, operation, other.clone()),
            ];
            let after = migrated(&entries).unwrap();
            assert_eq!(after.len(), 1, "{manager}");
            assert_eq!(after[0]["fieldsV1"]["f:spec"], json!({".": {}, "f:paused": {}}));
        }
        // Somebody who marked an object by hand is no Helm.
        let mut by_hand = entry("kubectl-annotate", "Update", other);
        by_hand["fieldsV1"]["f:metadata"]["f:annotations"]["f:own"] = json!({});
        let ours = ours(marked(json!({})));
        let after = migrated(&[ours.clone(), by_hand]).unwrap();
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], ours);
        assert_eq!(
            after[1]["fieldsV1"],
            json!({"f:metadata": {"f:annotations": {"f:own": {}}}, "f:spec": {"f:paused": {}}})
        );
    }

    #[test]
    fn what_a_person_has_in_common_with_the_chart_is_the_charts() {
        let container =
            |fields: Value| json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": fields}}});
        let entries = [
            ours(container(json!({".": {}, "f:name": {}, "f:image": {}}))),
            entry(
                "kubectl-create",
                "Update",
                container(json!({".": {}, "f:name": {}, "f:image": {}, "f:tty": {}})),
            ),
            entry("kubectl-edit", "Update", container(json!({"f:image": {}}))),
        ];
        let after = migrated(&entries).unwrap();
        assert_eq!(
            after,
            [
                entries[0].clone(),
                entry("kubectl-create", "Update", container(json!({"f:tty": {}}))),
            ]
        );
        assert_eq!(migrated(&after), None);
    }

    #[test]
    fn fields_of_another_version_are_let_go_of() {
        let mut older = entry("helm", "Update", json!({"f:spec": {"f:gone": {}}}));
        older["apiVersion"] = json!("apps/v1beta1");
        let ours = ours(json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(migrated(&[ours.clone(), older]).unwrap(), [ours]);
    }
}
