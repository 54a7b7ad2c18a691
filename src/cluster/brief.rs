//! Writes that are answered with the object's metadata: what was written is known, and to read it back, a release
//! record above all, costs more than to write it.

use http::{HeaderValue, Request, header::ACCEPT};
use kube::{
    Client, Resource,
    api::PostParams,
    core::{ObjectMeta, PartialObjectMeta, request},
};
use serde::Serialize;

/// The form of an answer that is an object's metadata.
pub const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// Creates an object.
///
/// # Errors
/// The server's refusal, or a failed request.
pub async fn create<K>(client: &Client, namespace: &str, object: &K) -> kube::Result<ObjectMeta>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let url = K::url_path(&(), Some(namespace));
    let request = request::Request::new(url).create(&PostParams::default(), body);
    send(client, request.map_err(kube::Error::BuildRequest)?).await
}

/// Replaces an object.
///
/// # Errors
/// The server's refusal, or a failed request.
pub async fn replace<K>(client: &Client, namespace: &str, name: &str, object: &K) -> kube::Result<ObjectMeta>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let url = K::url_path(&(), Some(namespace));
    let request = request::Request::new(url).replace(name, &PostParams::default(), body);
    send(client, request.map_err(kube::Error::BuildRequest)?).await
}

/// Sends a request that changes one object.
///
/// # Errors
/// The server's refusal, or a failed request.
pub async fn send(client: &Client, mut request: Request<Vec<u8>>) -> kube::Result<ObjectMeta> {
    request.headers_mut().insert(ACCEPT, METADATA_ONLY);
    let answer: PartialObjectMeta = client.request(request).await?;
    Ok(answer.metadata)
}
