//! Waiting for something to become so.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(50);

pub fn within(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asks until the answer is `Ok`, and returns it. Panics with the last `Err`
/// when the time is over.
pub async fn eventually<T, F, Fut>(what: &str, timeout: Duration, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + timeout;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(state) if Instant::now() >= end => {
                panic!("{what}: not so after {}s; at the end: {state}", timeout.as_secs())
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Waits until an object is so, and returns it. Panics with the object's status
/// and the events of its namespace when the time is over.
pub async fn until<K>(api: &Api<K>, name: &str, timeout: Duration, so: impl Fn(&K) -> bool) -> K
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let end = Instant::now() + timeout;
    loop {
        let state = match api.get_opt(name).await {
            Ok(Some(object)) if so(&object) => return object,
            Ok(Some(object)) => {
                let json = serde_json::to_value(&object).expect("an object is JSON");
                serde_json::to_string_pretty(&json["status"]).expect("JSON")
            }
            Ok(None) => "it does not exist".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= end {
            let events = match api.namespace() {
                Some(namespace) => events(api.clone().into_client(), namespace).await,
                None => String::new(),
            };
            panic!(
                "{name}: not so after {}s; its status: {state}\nevents:\n{events}",
                timeout.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The newest events of a namespace, a line each.
pub async fn events(client: kube::Client, namespace: &str) -> String {
    const MOST: usize = 20;
    let api: Api<Event> = Api::namespaced(client, namespace);
    let Ok(list) = api.list(&ListParams::default()).await else {
        return "not to be read".to_owned();
    };
    let lines: Vec<_> = list
        .items
        .iter()
        .map(|event| {
            format!(
                "{} {} {}: {}",
                event.involved_object.kind.as_deref().unwrap_or_default(),
                event.involved_object.name.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event.message.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    lines[lines.len().saturating_sub(MOST)..].join("\n")
}
