//! `helmapp run` as the tests of this binary start it.

use std::path::Path;

use helmapp::failpoints;
use serde_json::Value;

use crate::support::process::Process;

/// Starts an operator that waits briefly between tries and logs the points that it passes. `armed` is the point that
/// ends or holds it.
pub(crate) fn start(kubeconfig: &Path, charts: &Path, armed: Option<&str>) -> Process {
    start_with(kubeconfig, charts, armed, &[])
}

/// The same with further variables.
pub(crate) fn start_with(
    kubeconfig: &Path,
    charts: &Path,
    armed: Option<&str>,
    more: &[(&str, &str)],
) -> Process {
    let log = format!("info,{}=trace", failpoints::TARGET);
    let charts = charts.to_str().expect("a path");
    let mut variables = vec![
        ("HELMAPP_CHART_DIR", charts),
        ("HELMAPP_LOG", &log),
        ("HELMAPP_RETRY_LEAST", "200ms"),
        ("HELMAPP_RETRY_MOST", "1s"),
        ("HELMAPP_SLOW_RETRY_LEAST", "200ms"),
        ("HELMAPP_SLOW_RETRY_MOST", "1s"),
    ];
    variables.extend(armed.map(|point| (failpoints::VARIABLE, point)));
    variables.extend(more);
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Process::start(Path::new(env!("CARGO_BIN_EXE_helmapp")), kubeconfig, &variables)
}

/// The points that were passed, in their order, by a log without its first lines.
pub(crate) fn passed(log: &[String]) -> Vec<&'static str> {
    log.iter()
        .filter(|line| line.contains(failpoints::TARGET))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|entry| {
            let point = entry["point"].as_str()?;
            failpoints::ALL.iter().find(|known| **known == point).copied()
        })
        .collect()
}
