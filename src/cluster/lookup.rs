//! Helm's `lookup` under a tenant's identity, for a renderer that runs on a blocking thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use helmapp_helm::plan::{Scope, split_api_version};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::discovery::{Discovery, hex};
use super::{Error, Result, retry};

/// Lookups of one rendering. A chart that wants more fails with an error that names the limit.
pub const MAX_LOOKUPS: usize = 500;

/// Answers lookups and remembers what it answered.
pub struct Lookup {
    client: Client,
    discovery: Arc<Discovery>,
    handle: Handle,
    asked: Mutex<BTreeMap<Question, Answered>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Clone)]
struct Answered {
    value: Value,
    digest: String,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {}/{}",
            self.api_version, self.kind, self.namespace, self.name
        )
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lookup")
    }
}

impl Lookup {
    /// Lookups with `client`'s identity. Call [`Lookup::answer`] from a thread that may block.
    pub fn new(client: Client, discovery: Arc<Discovery>, handle: Handle) -> Self {
        Self {
            client,
            discovery,
            handle,
            asked: Mutex::default(),
        }
    }

    /// The object, an empty map where there is none; with an empty name the list of all in the namespace, or in
    /// all namespaces when that is empty too. The same question gets the same answer for the whole rendering.
    ///
    /// # Errors
    /// An unknown kind, a missing right, a failed request, or [`MAX_LOOKUPS`].
    pub fn answer(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Value, String> {
        let question = Question {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        {
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answered) = asked.get(&question) {
                return Ok(answered.value.clone());
            }
            if asked.len() == MAX_LOOKUPS {
                return Err(format!("more than {MAX_LOOKUPS} lookups in one rendering"));
            }
        }
        let value = self
            .handle
            .block_on(self.ask(&question))
            .map_err(|error| error.to_string())?;
        let digest = hex(&Sha256::digest(value.to_string().as_bytes()));
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(
            question,
            Answered {
                value: value.clone(),
                digest,
            },
        );
        Ok(value)
    }

    /// What was asked and the digest of each answer.
    pub fn answers(&self) -> Map<String, Value> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(question, answered): (&Question, &Answered)| {
            (question.to_string(), Value::from(answered.digest.clone()))
        };
        asked.iter().map(entry).collect()
    }

    /// The texts that Secrets among the answers hold: nothing that quotes them may be shown.
    pub fn secrets(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .filter(|(question, _)| question.api_version == "v1" && question.kind == "Secret")
            .flat_map(|(_, answered)| secrets(&answered.value))
            .collect()
    }

    async fn ask(&self, question: &Question) -> Result<Value> {
        let Question {
            api_version,
            kind,
            namespace,
            name,
        } = question;
        let snapshot = self
            .discovery
            .snapshot_with(&[(api_version.as_str(), kind.as_str())])
            .await?;
        let (group, version) = split_api_version(api_version);
        let unknown = || Error::UnknownKind {
            api_version: api_version.clone(),
            kind: kind.clone(),
        };
        let resource = snapshot.resource(group, version, kind).ok_or_else(unknown)?;
        let namespaced = snapshot
            .kind(group, version, kind)
            .is_some_and(|kind| kind.scope == Scope::Namespaced);
        let api: Api<DynamicObject> = if namespaced && !namespace.is_empty() {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        };
        let doing = format!("look up {kind} {namespace}/{name}");
        retry::transient(|| async {
            let found = if name.is_empty() {
                list(&api, &resource).await
            } else {
                get(&api, name).await
            };
            found.map_err(|error| Error::from_kube(&doing, error, kind == "Secret"))
        })
        .await
    }
}

async fn get(api: &Api<DynamicObject>, name: &str) -> kube::Result<Value> {
    let found = api.get_opt(name).await?;
    Ok(found.map_or_else(|| Value::Object(Map::new()), |object| to_value(&object)))
}

async fn list(api: &Api<DynamicObject>, resource: &kube::core::ApiResource) -> kube::Result<Value> {
    let found = api.list(&ListParams::default()).await?;
    let items = found.items.iter().map(to_value).map(|mut item| {
        if let Some(item) = item.as_object_mut() {
            item.entry("apiVersion")
                .or_insert_with(|| resource.api_version.clone().into());
            item.entry("kind").or_insert_with(|| resource.kind.clone().into());
        }
        item
    });
    Ok(serde_json::json!({
        "apiVersion": resource.api_version,
        "kind": format!("{}List", resource.kind),
        "metadata": serde_json::to_value(&found.metadata).unwrap_or_default(),
        "items": items.collect::<Vec<_>>(),
    }))
}

/// The decoded values of one Secret or of a list of them.
fn secrets(answer: &Value) -> Vec<String> {
    let items = answer.get("items").and_then(Value::as_array);
    let objects = items.map_or_else(|| std::slice::from_ref(answer), Vec::as_slice);
    let values = objects
        .iter()
        .filter_map(|object| object.get("data")?.as_object())
        .flat_map(Map::values);
    values
        .filter_map(|value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok())
        .collect()
}

fn to_value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_in_one_and_in_lists() {
        let one = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg==", "b": "/w=="}});
        for (answer, expected) in [
            (one.clone(), &["hunter2"][..]),
            (
                json!({"items": [one, {"data": {"c": "b3RoZXI="}}, {}]}),
                &["hunter2", "other"],
            ),
            (json!({}), &[]),
        ] {
            assert_eq!(secrets(&answer), expected, "{answer}");
        }
    }
}
