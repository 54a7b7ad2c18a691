//! What ConfigMaps and Secrets hold, read as one shape, and StorageClasses.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Client, api::ObjectMeta};

use super::{Error, Result, retry};
use crate::api::ValuesKind;

/// What was read of a ConfigMap or a Secret.
#[derive(Clone, Default, PartialEq)]
pub struct Content {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The bytes of every key. Of a key that a ConfigMap has as text and as bytes, the bytes.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Values may be secret: only their keys are shown.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("uid", &self.uid)
            .field("resource_version", &self.resource_version)
            .field("keys", &self.data.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Content {
    fn new(metadata: ObjectMeta, data: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self {
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            data: data.into_iter().collect(),
        }
    }
}

/// Reads a ConfigMap or a Secret with the rights of `client`; `None` when it is not there. Errors begin with
/// `doing`.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn read(
    client: &Client,
    kind: ValuesKind,
    namespace: &str,
    name: &str,
    doing: &str,
) -> Result<Option<Content>> {
    match kind {
        ValuesKind::ConfigMap => {
            let found = get::<ConfigMap>(client, namespace, name, doing, false).await?;
            Ok(found.map(|found| {
                let text = found.data.unwrap_or_default().into_iter();
                let binary = found.binary_data.unwrap_or_default().into_iter();
                let data = text
                    .map(|(key, text)| (key, text.into_bytes()))
                    .chain(binary.map(|(key, bytes)| (key, bytes.0)));
                Content::new(found.metadata, data)
            }))
        }
        ValuesKind::Secret => {
            let found = get::<Secret>(client, namespace, name, doing, true).await?;
            Ok(found.map(|found| {
                let data = found.data.unwrap_or_default().into_iter();
                Content::new(found.metadata, data.map(|(key, bytes)| (key, bytes.0)))
            }))
        }
    }
}

/// Reads a StorageClass with the rights of `client`; `None` when it is not there.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn storage_class(client: &Client, name: &str) -> Result<Option<serde_json::Value>> {
    let doing = format!("read StorageClass {name}");
    let api: Api<StorageClass> = Api::all(client.clone());
    let found = retry::transient(|| async {
        let found = api.get_opt(name).await;
        found.map_err(|error| Error::from_kube(&doing, error, false))
    });
    Ok(found.await?.and_then(|class| serde_json::to_value(class).ok()))
}

async fn get<K>(client: &Client, namespace: &str, name: &str, doing: &str, secret: bool) -> Result<Option<K>>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    retry::transient(|| async {
        api.get_opt(name)
            .await
            .map_err(|error| Error::from_kube(doing, error, secret))
    })
    .await
}
