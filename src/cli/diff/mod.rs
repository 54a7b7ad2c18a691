//! `helmapp diff`.

mod apply;

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use helmapp_helm::plan::{Action, Propagation};
use helmapp_helm::render::FunctionSet;
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use super::cluster::{ClusterArguments, Connection};
use super::output::{self, Format};
use crate::api::HelmApp;
use crate::controller::Operator;
use crate::controller::preview::{Change, Compared, Preview};
use crate::settings::{Allowed, Fetch, Settings};

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Show what a HelmApp would change in the cluster, without changing anything
///
/// TARGET is a file with a HelmApp (- reads standard input) or the name of one in the cluster. The chart is
/// rendered and every object is dry-run on the server, with your own rights, so that what others have changed and
/// would be put back is shown as well. With --revision, what is different in two stored revisions of the HelmApp is
/// shown instead. Values of Secrets are not shown. Exit code with --exit-code: 0 nothing would change, 3 something would.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// File or name
    target: String,
    /// Directory below which spec.chart.path is looked for here; can be given more than once
    #[arg(long, value_name = "DIR", default_value = "charts")]
    chart_dir: Vec<PathBuf>,
    /// Whose functions templates may call, as the operator's setting of the same name: helm3 or helm4
    #[arg(long, default_value = "helm3", value_name = "HELM")]
    template_functions: FunctionSet,
    /// Show what is different in the newest revision, or in the one of a second --revision
    #[arg(id = "revision", long = "revision", value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    revisions: Vec<i64>,
    /// Exit with 3 when something would change
    #[arg(long)]
    exit_code: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// One changed object, for programs.
#[derive(Debug, Serialize)]
struct Document {
    object: String,
    action: &'static str,
    /// What a person should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    diff: String,
}

/// Whether something would change and the caller wants to know by the exit code.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let connection = arguments.cluster.connect().await?;
    let app = match arguments.revisions.as_slice() {
        [] => app(&connection, &arguments.target).await?,
        [_] | [_, _] => connection.helmapp(&arguments.target).await?,
        _ => anyhow::bail!("two revisions can be compared, not more"),
    };
    let settings = Settings {
        chart_dirs: super::dev::existing(arguments.chart_dir)?,
        template_functions: arguments.template_functions,
        fetch: Fetch {
            allowed: anywhere(),
            ..Fetch::default()
        },
        ..Settings::default()
    };
    let operator = Operator::new(connection.client.clone(), settings)?;
    let name = app.name_any();
    let (head, changes) = match arguments.revisions.first() {
        Some(from) => {
            let compared = operator
                .compare(app, *from, arguments.revisions.get(1).copied())
                .await?;
            (compared_head(&name, &compared), compared.changes)
        }
        None => {
            let preview = operator.preview(app).await;
            let preview = preview.with_context(|| format!("{name} would not be released"))?;
            (preview_head(&name, &preview), preview.changes)
        }
    };
    let documents: Vec<Document> = changes.iter().map(document).collect();
    output::print(arguments.output, &documents, || {
        format!("{head}{}", text(&documents, output::has_colours()))
    })?;
    Ok(arguments.exit_code && !documents.is_empty())
}

/// Whoever runs the command connects from their own place in the network, not from the operator's.
fn anywhere() -> Vec<Allowed> {
    let all = |address: IpAddr| Allowed::Network { address, bits: 0 };
    vec![
        all(Ipv4Addr::UNSPECIFIED.into()),
        all(Ipv6Addr::UNSPECIFIED.into()),
    ]
}

/// The HelmApp as the server would store it, unknown fields refused.
async fn app(connection: &Connection, target: &str) -> anyhow::Result<HelmApp> {
    let path = Path::new(target);
    if !is_file(path) {
        return connection.helmapp(target).await;
    }
    let text = if target == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {target}"))?
    };
    let document = helmapp(&text).with_context(|| format!("cannot use {target}"))?;
    let name = document
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .context("metadata.name is missing")?;
    let namespace = document.pointer("/metadata/namespace").and_then(Value::as_str);
    let api: Api<HelmApp> = Api::namespaced(
        connection.client.clone(),
        namespace.unwrap_or(&connection.namespace),
    );
    apply::applied(&api, name, &document).await
}

/// Names of HelmApps have no slash; they may have dots, and directories may be named like them.
fn is_file(target: &Path) -> bool {
    let ends = |extension: &str| target.extension().is_some_and(|found| found == extension);
    target == Path::new("-")
        || target.is_file()
        || target.components().count() > 1
        || ["yaml", "yml", "json"].into_iter().any(ends)
}

/// The one HelmApp of a file.
fn helmapp(text: &str) -> anyhow::Result<Value> {
    use helmapp_goyaml::sigs::{self, Numbers};
    use helmapp_helm::manifest::split_documents;
    let mut found = Vec::new();
    for document in split_documents(text) {
        let value = sigs::to_json_strict(document, Numbers::Exact)?;
        if value.get("kind").and_then(Value::as_str) == Some(crate::api::KIND) {
            found.push(value);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => anyhow::bail!("it holds no HelmApp"),
        count => anyhow::bail!("it holds {count} HelmApps; diff takes one at a time"),
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Apply { .. } => "change",
        Action::Adopt { .. } => "adopt",
        Action::Recreate {
            propagation: Propagation::Orphan,
            ..
        } => "make anew around what it owns",
        Action::Recreate { .. } => "delete and make anew",
        Action::CheckAndApply => "apply",
        Action::Keep | Action::SkipCreate => "keep",
        Action::Delete => "delete",
        Action::LeaveBehind => "leave behind",
    }
}

fn document(change: &Change) -> Document {
    let secret = change.id.group.is_empty() && change.id.kind == "Secret";
    let (mut before, mut after) = (change.before.clone(), change.after.clone());
    if secret {
        mask(before.as_mut(), after.as_mut());
    }
    let (old, new) = (yaml(before.as_ref()), yaml(after.as_ref()));
    let diff = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .to_string();
    Document {
        object: change.id.to_string(),
        action: if change.drifted {
            "put back"
        } else {
            word(&change.action)
        },
        notes: notes(change),
        diff,
    }
}

/// Why an object is made anew, and what becomes of fields that others have set.
fn notes(change: &Change) -> Vec<String> {
    let mut notes = Vec::new();
    if let Action::Recreate { fields, .. } = &change.action {
        notes.push(format!("can not be changed: {}", fields.join(", ")));
    }
    notes.extend(change.conflicts.iter().map(|conflict| match conflict.yielded {
        true => format!("left to its manager: {conflict}"),
        false => format!("taken from its manager: {conflict}"),
    }));
    notes
}

fn yaml(object: Option<&Value>) -> String {
    let text = object.map(helmapp_goyaml::sigs::from_json);
    text.and_then(Result::ok).unwrap_or_default()
}

/// Puts a word in the place of each value of a Secret: one word where the value stays, two where it changes.
fn mask(before: Option<&mut Value>, after: Option<&mut Value>) {
    let mut none = (Value::Null, Value::Null);
    let (before, after) = (before.unwrap_or(&mut none.0), after.unwrap_or(&mut none.1));
    for field in ["data", "stringData"] {
        let old = before.get(field).cloned().unwrap_or_default();
        let new = after.get(field).cloned().unwrap_or_default();
        let replace = |object: &mut Value, other: &Value, changed: &str| {
            for (key, value) in object
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flatten()
            {
                let same = other.get(key) == Some(value);
                *value = Value::from(if same { "[not shown]" } else { changed });
            }
        };
        replace(before, &new, "[not shown, before]");
        replace(after, &old, "[not shown, after]");
    }
}

fn preview_head(name: &str, preview: &Preview) -> String {
    if preview.changes.is_empty() {
        return format!("{name}: nothing would change\n");
    }
    let drifted = preview.changes.iter().filter(|change| change.drifted).count();
    let changed = preview.changes.len() - drifted;
    let mut text = String::new();
    if changed > 0 {
        text.push_str(&format!(
            "{name}: revision {} would change {changed} objects\n",
            preview.revision
        ));
    }
    if drifted > 0 {
        text.push_str(&format!(
            "{name}: others have changed {drifted} objects, which would be put back\n"
        ));
    }
    for warning in &preview.warnings {
        text.push_str(&format!("{name}: {}\n", output::printable(warning)));
    }
    text
}

fn compared_head(name: &str, compared: &Compared) -> String {
    let Compared { from, to, changes } = compared;
    match changes.len() {
        0 => format!("{name}: revisions {from} and {to} have the same objects\n"),
        1 => format!("{name}: from revision {from} to revision {to} 1 object changes\n"),
        count => format!("{name}: from revision {from} to revision {to} {count} objects change\n"),
    }
}

fn text(documents: &[Document], colour: bool) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str(&format!("\n{} {}\n", document.action, document.object));
        for note in &document.notes {
            text.push_str(&format!("  {}\n", output::printable(note)));
        }
        for line in output::printable(&document.diff).lines() {
            let code = match line.as_bytes().first() {
                Some(b'+') => "32",
                Some(b'-') => "31",
                _ => "",
            };
            if colour && !code.is_empty() {
                text.push_str(&format!("\x1b[{code}m{line}\x1b[0m\n"));
            } else {
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use helmapp_helm::plan::ObjectId;
    use serde_json::json;

    use super::*;

    fn change(kind: &str, before: Option<Value>, after: Option<Value>) -> Change {
        let id = ObjectId {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: "web".to_owned(),
            name: "a".to_owned(),
        };
        Change {
            id,
            action: Action::Apply { uid: "1".to_owned() },
            before,
            after,
            conflicts: Vec::new(),
            drifted: false,
        }
    }

    #[test]
    fn values_of_secrets_are_not_shown_but_that_they_change_is() {
        let before =
            json!({"kind": "Secret", "data": {"same": "aGlkZGVu", "other": "b2xk", "gone": "Z29uZQ=="}});
        let after = json!({"kind": "Secret", "data": {"same": "aGlkZGVu", "other": "bmV3"}, "stringData": {"x": "plain"}});
        let shown = document(&change("Secret", Some(before), Some(after))).diff;
        for secret in ["aGlkZGVu", "b2xk", "bmV3", "Z29uZQ==", "plain"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("-  other: '[not shown, before]'"), "{shown}");
        assert!(shown.contains("+  other: '[not shown, after]'"), "{shown}");
        assert!(shown.contains("   same: '[not shown]'"), "{shown}");
    }

    #[test]
    fn a_change_is_shown_with_its_lines() {
        let shown = document(&change(
            "ConfigMap",
            Some(json!({"data": {"a": "1"}})),
            Some(json!({"data": {"a": "2"}})),
        ));
        assert_eq!(
            (shown.object.as_str(), shown.action),
            ("ConfigMap web/a", "change")
        );
        assert_eq!(shown.diff, "@@ -1,2 +1,2 @@\n data:\n-  a: \"1\"\n+  a: \"2\"\n");
    }

    #[test]
    fn files_are_told_from_names() {
        for (target, expected) in [
            ("-", true),
            ("app.yaml", true),
            ("app.json", true),
            ("./app", true),
            ("/dev/stdin", true),
            ("Cargo.toml", true),
            ("shop", false),
            ("shop.web", false),
            // A directory here.
            ("charts", false),
        ] {
            assert_eq!(is_file(Path::new(target)), expected, "{target}");
        }
    }

    #[test]
    fn a_file_has_exactly_one_helmapp() {
        let app = "apiVersion: helmapp.io/v1alpha1\nkind: HelmApp\nmetadata:\n  name: a\n";
        let other = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n";
        assert!(helmapp(&format!("{other}---\n{app}")).is_ok());
        assert!(helmapp(other).unwrap_err().to_string().contains("no HelmApp"));
        assert!(
            helmapp(&format!("{app}---\n{app}"))
                .unwrap_err()
                .to_string()
                .contains("2 HelmApps")
        );
        assert!(helmapp("kind: HelmApp\nkind: HelmApp\n").is_err());
    }
}
