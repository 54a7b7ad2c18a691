//! The API server's own count of requests.

use std::collections::BTreeMap;

use helmapp::local::ControlPlane;
use serde_json::Value;

/// Requests by verb and resource (`APPLY configmaps`), watches left out: they
/// are counted when they end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests(pub BTreeMap<String, u64>);

async fn text(client: &kube::Client) -> String {
    let request = http::Request::get("/metrics")
        .body(Vec::new())
        .expect("a request");
    client.request_text(request).await.expect("metrics")
}

/// The labels and the number of one line of a metric.
fn series<'a>(line: &'a str, metric: &str) -> Option<(&'a str, f64)> {
    let labels = line.strip_prefix(metric)?.strip_prefix('{')?;
    let (labels, number) = labels.split_once("} ")?;
    Some((labels, number.trim().parse().expect("a number")))
}

fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    labels
        .split(',')
        .find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""))
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or_default()
}

/// Watches in flight by what they watch, whoever's they are.
pub async fn watches(client: &kube::Client) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for line in text(client).await.lines() {
        if let Some((labels, count)) = series(line, "apiserver_longrunning_requests")
            && label(labels, "verb") == "WATCH"
        {
            *found.entry(label(labels, "resource").to_owned()).or_insert(0) += count as u64;
        }
    }
    found
}

impl Requests {
    pub async fn read(client: &kube::Client) -> Self {
        Self::parse(&text(client).await)
    }

    /// What one user (or, impersonated, somebody else as) asked a control plane that keeps an audit log;
    /// here an apply is a `patch`, as in the log.
    pub fn of_user(plane: &ControlPlane, user: &str) -> Self {
        let log = std::fs::read_to_string(plane.audit_log()).expect("an audit log");
        let mut requests = Self::default();
        for line in log.lines() {
            requests.add_event(line, user);
        }
        requests
    }

    /// Counts one line of an audit log, if it is a request of the user's.
    pub fn add_event(&mut self, line: &str, user: &str) {
        // Most lines are of others, and reading them takes its time.
        if !line.contains(user) {
            return;
        }
        let event: Value = serde_json::from_str(line).expect("an audit event");
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/user/username") != user || text("/verb") == "watch" {
            return;
        }
        let resource = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
            ("", _) => text("/requestURI").to_owned(),
            (resource, "") => resource.to_owned(),
            (resource, subresource) => format!("{resource}/{subresource}"),
        };
        *self.0.entry(format!("{} {resource}", text("/verb"))).or_insert(0) += 1;
    }

    pub fn parse(text: &str) -> Self {
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let Some((labels, count)) = series(line, "apiserver_request_total") else {
                continue;
            };
            let label = |name: &str| label(labels, name);
            if matches!(label("verb"), "WATCH" | "WATCHLIST" | "CONNECT") {
                continue;
            }
            let resource = match label("subresource") {
                "" => label("resource").to_owned(),
                subresource => format!("{}/{subresource}", label("resource")),
            };
            *counts.entry(format!("{} {resource}", label("verb"))).or_insert(0) += count as u64;
        }
        Self(counts)
    }

    /// What was asked since an earlier reading.
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = self.0.iter().filter_map(|(key, count)| {
            let new = count - earlier.0.get(key).copied().unwrap_or_default();
            (new > 0).then(|| (key.clone(), new))
        });
        Self(difference.collect())
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Requests by verb.
    pub fn by_verb(&self) -> BTreeMap<&str, u64> {
        let mut verbs = BTreeMap::new();
        for (request, count) in &self.0 {
            let verb = request.split(' ').next().unwrap_or_default();
            *verbs.entry(verb).or_insert(0) += count;
        }
        verbs
    }
}
