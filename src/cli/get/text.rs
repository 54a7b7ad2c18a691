//! The forms in which `helm get` prints a release.

use helmapp_helm::release::{ApplyMethod, HookEvent, Release};
use helmapp_helm::values::Merger;
use jiff::fmt::temporal::Pieces;
use serde_json::{Map, Value, json};

use crate::store::CHUNKS_LABEL;

/// The values that were given; null for none, as Helm has it.
pub(super) fn given(release: &Release) -> Value {
    match release.config.is_empty() {
        true => Value::Null,
        false => release.config.clone().into(),
    }
}

/// What was given, over the values of the chart itself. A record has no sub-charts.
pub(super) fn computed(release: &Release) -> anyhow::Result<Value> {
    let none = Map::new();
    let own = release.chart.values.as_object().unwrap_or(&none);
    let computed = Merger::default().coalesce_tables(&release.config, own)?;
    Ok(computed.to_json())
}

pub(super) fn values(values: &Value, all: bool) -> String {
    let head = if all { "COMPUTED" } else { "USER-SUPPLIED" };
    format!("{head} VALUES:\n{}", yaml(values))
}

pub(super) fn hooks(release: &Release) -> String {
    let hooks = release.hooks.iter();
    hooks
        .map(|hook| format!("---\n# Source: {}\n{}\n", hook.path, hook.manifest))
        .collect()
}

pub(super) fn notes(release: &Release) -> String {
    match release.info.notes.as_str() {
        "" => String::new(),
        notes => format!("NOTES:\n{notes}\n"),
    }
}

/// Chart, versions, state and time, under the names that Helm gives them.
pub(super) fn facts(release: &Release) -> Value {
    let chart = &release.chart;
    let mut facts = json!({
        "name": release.name,
        "chart": chart.name(),
        "version": chart.version(),
        "appVersion": chart.app_version(),
        "namespace": release.namespace,
        "revision": release.version,
        "status": release.info.status.as_str(),
        "deployedAt": deployed_at(release),
    });
    let optional = [
        ("annotations", chart.metadata.get("annotations").cloned()),
        ("dependencies", chart.metadata.get("dependencies").cloned()),
        (
            "labels",
            Some(labels(release)).filter(|labels| labels != &json!({})),
        ),
        ("applyMethod", serde_json::to_value(&release.apply_method).ok()),
    ];
    for (key, value) in optional {
        if let (Some(value), Some(facts)) = (value.filter(|value| !value.is_null()), facts.as_object_mut()) {
            facts.insert(key.to_owned(), value);
        }
    }
    facts
}

pub(super) fn metadata(release: &Release) -> String {
    let facts = facts(release);
    let text = |key: &str| match facts.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(pairs)) => {
            let pairs = pairs.iter();
            let pairs: Vec<String> = pairs
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                .collect();
            pairs.join(",")
        }
        Some(Value::Array(items)) => {
            let names = items.iter().filter_map(|item| item.get("name")?.as_str());
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            names.join(",")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut lines: String = [
        ("NAME", "name"),
        ("CHART", "chart"),
        ("VERSION", "version"),
        ("APP_VERSION", "appVersion"),
        ("ANNOTATIONS", "annotations"),
        ("LABELS", "labels"),
        ("DEPENDENCIES", "dependencies"),
        ("NAMESPACE", "namespace"),
        ("REVISION", "revision"),
        ("STATUS", "status"),
        ("DEPLOYED_AT", "deployedAt"),
    ]
    .map(|(word, key)| format!("{word}: {}\n", text(key)))
    .concat();
    let method = match &release.apply_method {
        None => "client-side apply (defaulted)",
        Some(ApplyMethod::ClientSide) => "client-side apply",
        Some(ApplyMethod::ServerSide) => "server-side apply",
        Some(_) => "unknown",
    };
    lines.push_str(&format!("APPLY_METHOD: {method}\n"));
    lines
}

pub(super) fn all(release: &Release) -> String {
    let info = &release.info;
    let mut text = format!("NAME: {}\n", release.name);
    if let Some(time) = time(release, "%a %b %e %H:%M:%S %Y") {
        text.push_str(&format!("LAST DEPLOYED: {time}\n"));
    }
    text.push_str(&format!(
        "NAMESPACE: {}\nSTATUS: {}\nREVISION: {}\nCHART: {}\nVERSION: {}\nAPP_VERSION: {}\n",
        release.namespace,
        info.status.as_str(),
        release.version,
        release.chart.name(),
        release.chart.version(),
        release.chart.app_version(),
    ));
    text.push_str(&tests(release));
    text.push_str(&format!("{}\n", values(&given(release), false)));
    // Values that can't be put together were never rendered either.
    if let Ok(computed) = computed(release) {
        text.push_str(&format!("{}\n", values(&computed, true)));
    }
    text.push_str(&format!(
        "HOOKS:\n{}MANIFEST:\n{}\n",
        hooks(release),
        release.manifest
    ));
    if !info.notes.is_empty() {
        text.push_str(&format!("NOTES:\n{}\n", info.notes.trim()));
    }
    text
}

/// What became of the release's tests.
fn tests(release: &Release) -> String {
    let tests = release
        .hooks
        .iter()
        .filter(|hook| hook.events.contains(&HookEvent::Test));
    let mut tests = tests.peekable();
    if tests.peek().is_none() {
        return "TEST SUITE: None\n".to_owned();
    }
    let run = tests.filter(|hook| !hook.last_run.started_at.is_zero());
    run.map(|hook| {
        let run = &hook.last_run;
        let at = |time: &helmapp_helm::release::Time| civil(time, "%a %b %e %H:%M:%S %Y").unwrap_or_default();
        format!(
            "TEST SUITE:     {}\nLast Started:   {}\nLast Completed: {}\nPhase:          {}\n",
            hook.name,
            at(&run.started_at),
            at(&run.completed_at),
            serde_json::to_value(&run.phase)
                .ok()
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    })
    .collect()
}

/// The labels that a user put on the record.
fn labels(release: &Release) -> Value {
    let labels = release.labels.iter().filter(|(key, _)| *key != CHUNKS_LABEL);
    labels
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// RFC 3339 without fractions of a second.
fn deployed_at(release: &Release) -> String {
    let text = release.info.last_deployed.as_str();
    let Some((seconds, rest)) = text.split_once('.') else {
        return text.to_owned();
    };
    let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{seconds}{zone}")
}

fn time(release: &Release, format: &str) -> Option<String> {
    civil(&release.info.last_deployed, format)
}

/// A time as the clock showed it where it was written.
fn civil(time: &helmapp_helm::release::Time, format: &str) -> Option<String> {
    time.timestamp()?;
    let pieces = Pieces::parse(time.as_str()).ok()?;
    let at = pieces.date().to_datetime(pieces.time()?);
    Some(at.strftime(format).to_string())
}

fn yaml(value: &Value) -> String {
    // Values were JSON before, and everything that is JSON is YAML.
    helmapp_goyaml::sigs::from_json(value).unwrap_or_else(|_| format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use helmapp_helm::release::{ChartRecord, Hook, Info, Status};

    use super::*;

    fn release() -> Release {
        let metadata = json!({
            "name": "demo", "version": "1.2.3", "appVersion": "9",
            "annotations": {"b": "2", "a": "1"}, "dependencies": [{"name": "z"}, {"name": "c"}],
        });
        let values = json!({"replicas": 1, "text": "own", "gone": true});
        let chart = ChartRecord::new(metadata, Value::Null, vec![], values, None, vec![]);
        Release {
            name: "shop".to_owned(),
            namespace: "web".to_owned(),
            version: 2,
            chart: Arc::new(chart),
            config: serde_json::from_value(json!({"text": "given", "gone": null})).unwrap(),
            manifest: "---\nkind: A\n".to_owned(),
            hooks: vec![Hook {
                name: "h".to_owned(),
                path: "demo/templates/h.yaml".to_owned(),
                manifest: "kind: Job".to_owned(),
                ..Hook::default()
            }],
            info: Info {
                status: Status::Deployed,
                last_deployed: Some("2026-01-02T03:04:05.678901+01:00".to_owned()).into(),
                notes: "Hello".to_owned(),
                ..Info::default()
            },
            apply_method: Some(ApplyMethod::ServerSide),
            labels: [("team".to_owned(), "a".to_owned())].into(),
            ..Release::default()
        }
    }

    #[test]
    fn metadata_has_helms_words() {
        assert_eq!(
            metadata(&release()),
            "NAME: shop\nCHART: demo\nVERSION: 1.2.3\nAPP_VERSION: 9\nANNOTATIONS: a=1,b=2\nLABELS: team=a\n\
             DEPENDENCIES: c,z\nNAMESPACE: web\nREVISION: 2\nSTATUS: deployed\n\
             DEPLOYED_AT: 2026-01-02T03:04:05+01:00\nAPPLY_METHOD: server-side apply\n"
        );
    }

    #[test]
    fn all_is_what_helm_prints() {
        assert_eq!(
            all(&release()),
            "NAME: shop\nLAST DEPLOYED: Fri Jan  2 03:04:05 2026\nNAMESPACE: web\nSTATUS: deployed\nREVISION: 2\n\
             CHART: demo\nVERSION: 1.2.3\nAPP_VERSION: 9\nTEST SUITE: None\n\
             USER-SUPPLIED VALUES:\ngone: null\ntext: given\n\n\
             COMPUTED VALUES:\nreplicas: 1\ntext: given\n\n\
             HOOKS:\n---\n# Source: demo/templates/h.yaml\nkind: Job\n\
             MANIFEST:\n---\nkind: A\n\nNOTES:\nHello\n"
        );
    }
}
