//! Pods of a workload, the ReplicaSets between, and the end of what a container has said.

use http::Request;
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::api::{Api, DynamicObject, ListParams, LogParams};
use kube::client::{Body, Client};
use kube::core::{ApiResource, PartialObjectMeta, Resource, request};
use serde_json::Value;

use super::{Error, Result, retry};

/// Most pods that are looked at: the first ones are not better than the others.
const MAX_PODS: u32 = 100;
/// Most lines of a log that are shown.
const LINES: usize = 20;
/// Most bytes of them.
const BYTES: usize = 4 << 10;
/// Most bytes that are read: the server cuts off the end.
const MAX_READ: usize = 256 << 10;

/// The pods that a selector finds, the first hundred.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn list(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Value>> {
    let doing = format!("list the pods of {namespace} with {selector}");
    let resource = ApiResource::erase::<Pod>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let params = ListParams::default().labels(selector).limit(MAX_PODS);
    let found = retry::transient(|| async {
        let found = api.list(&params).await;
        found.map_err(|error| Error::from_kube(&doing, error, false))
    });
    let pods = found.await?.items.into_iter();
    Ok(pods.filter_map(|pod| serde_json::to_value(pod).ok()).collect())
}

/// The metadata of the ReplicaSets that a selector finds.
///
/// # Errors
/// The server's refusal, or a transient failure after its retries.
pub async fn replica_sets(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Value>> {
    let doing = format!("list the ReplicaSets of {namespace} with {selector}");
    let api: Api<PartialObjectMeta<ReplicaSet>> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(selector);
    let found = retry::transient(|| async {
        let found = api.list_metadata(&params).await;
        found.map_err(|error| Error::from_kube(&doing, error, false))
    });
    let sets = found.await?.items.into_iter();
    Ok(sets.filter_map(|set| serde_json::to_value(set).ok()).collect())
}

/// The last lines of a container's log: at most 20, and 4 KiB. With `previous` of the run before the present one.
///
/// # Errors
/// The server's refusal, or a failed request.
pub async fn log_tail(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<String> {
    let doing = format!("read the log of container {container} of pod {namespace}/{pod}");
    let params = LogParams {
        container: Some(container.to_owned()),
        previous,
        tail_lines: Some(i64::try_from(LINES).unwrap_or(i64::MAX)),
        limit_bytes: Some(i64::try_from(MAX_READ).unwrap_or(i64::MAX)),
        ..LogParams::default()
    };
    let failed = |error| Error::from_kube(&doing, error, false);
    let request: Request<Vec<u8>> = request::Request::new(Pod::url_path(&(), Some(namespace)))
        .logs(pod, &params)
        .map_err(|error| failed(kube::Error::BuildRequest(error)))?;
    let unreadable = |message: String| Error::Connection {
        doing: doing.clone(),
        message,
    };
    let response = client.send(request.map(Body::from)).await.map_err(failed)?;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), 2 * MAX_READ)
        .collect()
        .await
        .map_err(|error| unreadable(error.to_string()))?
        .to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    if !status.is_success() {
        return Err(unreadable(format!("HTTP status {status}")));
    }
    Ok(tail(&text))
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let kept = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    let tail = kept.join("\n");
    let from = tail.len().saturating_sub(BYTES);
    let from = (from..tail.len()).find(|at| tail.is_char_boundary(*at));
    tail.get(from.unwrap_or_default()..)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_stays() {
        let lines = |count: usize| (1..=count).map(|n| format!("line {n}\n")).collect::<String>();
        assert_eq!(tail(""), "");
        assert_eq!(tail("one\n\n"), "one");
        let tail_of = tail(&lines(25));
        assert!(
            tail_of.starts_with("line 6\n") && tail_of.ends_with("line 25"),
            "{tail_of}"
        );
        let long = format!("{}\nlast é", "é".repeat(BYTES));
        let short = tail(&long);
        assert!(
            short.len() <= BYTES && short.ends_with("é\nlast é"),
            "{}",
            short.len()
        );
    }
}
