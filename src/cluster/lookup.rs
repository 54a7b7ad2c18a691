//! Helm's `lookup` under a tenant's identity, for a renderer that runs on a thread that may block.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use helmapp_helm::plan::{Scope, split_api_version};
use helmapp_helm::render;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::discovery::{Discovery, api};
use super::{Error, Result, retry};

/// Objects of a list that are asked for at once, so that a list without end is not read to its end.
const PAGE: u32 = 500;

/// Asks the cluster, and remembers what may not be said of the answers.
pub struct Lookup {
    client: Client,
    discovery: Arc<Discovery>,
    handle: Handle,
    /// When a rendering has to have its answers.
    deadline: Option<Instant>,
    /// Bytes of a list after which the rest need not be read: it is refused anyway.
    most_bytes: usize,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    secrets: BTreeSet<String>,
    failure: Option<Error>,
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lookup")
    }
}

/// The object, an empty map where there is none; with an empty name the list of all in the namespace, or in all
/// namespaces when that is empty too.
impl render::Lookup for Lookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, String> {
        let found = self
            .handle
            .block_on(self.in_time(api_version, kind, namespace, name));
        match found {
            Ok(found) => {
                if api_version == "v1" && kind == "Secret" {
                    self.heard().secrets.extend(secrets(&found));
                }
                Ok(match found {
                    Value::Object(found) => found,
                    _ => Map::new(),
                })
            }
            Err(error) => {
                let text = error.to_string();
                self.heard().failure = Some(error);
                Err(text)
            }
        }
    }
}

impl Lookup {
    /// Lookups with `client`'s identity, answered by the runtime of `handle`, for a rendering with these limits.
    pub fn new(
        client: Client,
        discovery: Arc<Discovery>,
        handle: Handle,
        deadline: Option<Instant>,
        most_bytes: usize,
    ) -> Self {
        Self {
            client,
            discovery,
            handle,
            deadline,
            most_bytes,
            heard: Mutex::default(),
        }
    }

    /// The texts that Secrets among the answers hold: nothing that quotes them may be shown.
    pub fn secrets(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.heard().secrets)
    }

    /// Why the last question that has no answer has none.
    pub fn failure(&self) -> Option<Error> {
        self.heard().failure.take()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn in_time(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let asked = self.ask(api_version, kind, namespace, name);
        let Some(deadline) = self.deadline else {
            return asked.await;
        };
        let limit = deadline.saturating_duration_since(Instant::now());
        let answer = tokio::time::timeout(limit, asked).await;
        answer.unwrap_or_else(|_| {
            Err(Error::Timeout {
                what: format!("no answer to the lookup of {kind} {namespace}/{name}"),
                limit,
            })
        })
    }

    async fn ask(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let snapshot = self.discovery.snapshot_with(&[(api_version, kind)]).await?;
        let (group, version) = split_api_version(api_version);
        let unknown = || Error::UnknownKind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        };
        let resource = snapshot.resource(group, version, kind).ok_or_else(unknown)?;
        let namespaced = snapshot
            .kind(group, version, kind)
            .is_some_and(|kind| kind.scope == Scope::Namespaced);
        let within = if namespaced { namespace } else { "" };
        let api: Api<DynamicObject> = api(&self.client, &resource, within);
        let doing = format!("look up {kind} {namespace}/{name}");
        retry::transient(|| async {
            let found = if name.is_empty() {
                list(&api, &resource, self.most_bytes).await
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

/// All objects, or as many as have more than so many bytes.
async fn list(
    api: &Api<DynamicObject>,
    resource: &kube::core::ApiResource,
    most_bytes: usize,
) -> kube::Result<Value> {
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let found = api.list(&page).await?;
        let from = items.len();
        items.extend(found.items.iter().map(to_value).map(|mut item| {
            if let Some(item) = item.as_object_mut() {
                item.entry("apiVersion")
                    .or_insert_with(|| resource.api_version.clone().into());
                item.entry("kind").or_insert_with(|| resource.kind.clone().into());
            }
            item
        }));
        let more = found.metadata.continue_.clone().filter(|token| !token.is_empty());
        if more.is_some() {
            let new = items.iter().skip(from);
            bytes += new.map(|item| item.to_string().len()).sum::<usize>();
        }
        match more {
            Some(token) if bytes <= most_bytes => page = page.continue_token(&token),
            _ => {
                return Ok(json!({
                    "apiVersion": resource.api_version,
                    "kind": format!("{}List", resource.kind),
                    "metadata": serde_json::to_value(&found.metadata).unwrap_or_default(),
                    "items": items,
                }));
            }
        }
    }
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
