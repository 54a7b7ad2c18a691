//! The commands, as a person types them.

use std::process::{Command, Output};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, Fixture};
use crate::support::plane;

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  password: {{ .Values.password }}
";

async fn helmapp(fixture: &Fixture, arguments: &[&str]) -> Output {
    let kubeconfig = plane::shared().await.kubeconfig_path().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_helmapp"));
    command
        .env("KUBECONFIG", kubeconfig)
        .args(arguments)
        .args(["-n", &fixture.namespace.name]);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .expect("the binary runs")
}

/// What the command prints; it must succeed.
pub async fn says(fixture: &Fixture, arguments: &[&str]) -> String {
    let output = helmapp(fixture, arguments).await;
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{out}{err}",
        output.status
    );
    out
}

/// What the command says when it fails, as it must.
pub async fn fails(fixture: &Fixture, arguments: &[&str]) -> String {
    let output = helmapp(fixture, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_line_that_is_not_understood_ends_with_two() {
    for line in [
        &["templte", "a", "b"][..],
        &["template", "--no-such-flag"],
        &["status"],
        &[],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_helmapp"))
            .args(line)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_listed_explained_rolled_back_and_removed() {
    let fixture = Fixture::shared("cli").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("shop", spec("one")).await;
    fixture.ready("shop").await;
    fixture.app("shop", spec("two")).await;

    let status = says(&fixture, &["status", "shop", "--wait", "--timeout", "60s"]).await;
    for words in [
        "revision 2, deployed",
        "Ready       True     UpgradeSucceeded",
        "ConfigMap   ",
    ] {
        assert!(status.contains(words), "{words:?} in:\n{status}");
    }
    let list = says(&fixture, &["list"]).await;
    assert!(
        list.starts_with("NAME   CHART   VERSION   REVISION   READY"),
        "{list}"
    );
    assert!(
        list.contains("shop   app     1.2.3     2          True"),
        "{list}"
    );
    let history: Value =
        serde_json::from_str(&says(&fixture, &["history", "shop", "-o", "json"]).await).unwrap();
    let revisions: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["revision"], &one["status"]))
        .collect();
    assert_eq!(
        revisions,
        [(&json!(1), &json!("superseded")), (&json!(2), &json!("deployed"))]
    );

    assert_eq!(
        says(&fixture, &["rollback", "shop"]).await,
        "shop is back at revision 1\n"
    );
    let history = says(&fixture, &["history", "shop"]).await;
    assert!(history.contains("Rollback to 1"), "{history}");

    let unknown = fails(&fixture, &["rollback", "shop", "99"]).await;
    assert!(unknown.contains("revision 99 of release"), "{unknown}");
    assert!(unknown.contains("is not stored"), "{unknown}");
    let mut suspended = spec("two");
    suspended["suspend"] = json!(true);
    suspended["rollback"] = json!({"toRevision": 1});
    fixture.app("shop", suspended).await;
    let stalled = fails(&fixture, &["rollback", "shop", "2", "--timeout", "60s"]).await;
    assert!(
        stalled.contains("will not become ready as it is: Suspended"),
        "{stalled}"
    );
    assert_eq!(
        says(&fixture, &["uninstall", "shop"]).await,
        "shop is uninstalled\n"
    );
    fixture.namespace.left(&[]).await;

    let missing = helmapp(&fixture, &["status", "shop"]).await;
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.starts_with("Error: there is no HelmApp \"shop\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_says_what_would_change_and_changes_nothing() {
    let fixture = Fixture::shared("diff").await;
    let files = [("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", SECRET)];
    let chart = fixture.chart("app", &files);
    let charts = fixture.charts.display().to_string();
    let spec = |text: &str, password: &str| json!({"chart": {"path": chart}, "values": {"text": text, "password": password}});
    fixture.app("shop", spec("one", "hidden-before")).await;
    fixture.ready("shop").await;

    let same = says(&fixture, &["diff", "shop", "--chart-dir", &charts, "--exit-code"]).await;
    assert_eq!(same, "shop: nothing would change\n");

    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let mut app =
        json!({"apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp", "metadata": {"name": "shop"}});
    app["spec"] = spec("two", "hidden-after");
    std::fs::write(file.path(), app.to_string()).unwrap();
    let path = file.path().display().to_string();
    let output = helmapp(&fixture, &["diff", &path, "--chart-dir", &charts, "--exit-code"]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(3),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("shop: revision 2 would change 2 objects"), "{said}");
    assert!(said.contains("-  text: one\n+  text: two\n"), "{said}");
    assert!(!said.contains("hidden-"), "{said}");
    let status = fixture.ready("shop").await;
    assert_eq!(status.release.unwrap().revision, 1);

    app["spec"]["valuez"] = json!({});
    std::fs::write(file.path(), app.to_string()).unwrap();
    let output = helmapp(&fixture, &["diff", &path, "--chart-dir", &charts]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("valuez"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_says_what_others_have_changed() {
    let fixture = Fixture::shared("drifted").await;
    let random =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: random}\ndata: {text: {{ randAlphaNum 9 }}}\n";
    let files = [
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/b.yaml", SECRET),
        ("templates/c.yaml", random),
    ];
    let chart = fixture.chart("app", &files);
    let charts = fixture.charts.display().to_string();
    let values = json!({"text": "one", "password": "hidden-before"});
    let spec = json!({"chart": {"path": chart}, "values": values});
    fixture.app("shop", spec.clone()).await;
    fixture.ready("shop").await;
    let diff = ["diff", "shop", "--chart-dir", &charts, "--exit-code"];
    assert_eq!(says(&fixture, &diff).await, "shop: nothing would change\n");

    let mut suspended = spec;
    suspended["suspend"] = json!(true);
    fixture.app("shop", suspended).await;
    fixture
        .until("shop", |app| {
            crate::fixture::condition(app, "Stalled").is_some_and(|stalled| stalled.reason == "Suspended")
        })
        .await;
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let merge = PatchParams::default();
    let changed = json!({"data": {"text": "mine", "extra": "theirs"}});
    maps.patch("shop", &merge, &Patch::Merge(&changed)).await.unwrap();
    maps.delete("random", &DeleteParams::default()).await.unwrap();
    let secrets: Api<Secret> = fixture.namespace.api();
    let changed = json!({"stringData": {"password": "hidden-by-others"}});
    secrets
        .patch("shop", &merge, &Patch::Merge(&changed))
        .await
        .unwrap();

    let output = helmapp(&fixture, &diff).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.starts_with("shop: others have changed 3 objects, which would be put back\n"),
        "{said}"
    );
    assert!(said.contains("-  text: mine\n+  text: one\n"), "{said}");
    assert!(
        said.contains("/random\n") && said.contains("+  name: random\n"),
        "{said}"
    );
    assert!(said.contains("'[not shown, before]'"), "{said}");
    for hidden in ["hidden-", "theirs", "revision"] {
        assert!(!said.contains(hidden), "{hidden} in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_nothing_that_came_from_a_secret() {
    let fixture = Fixture::shared("veil").await;
    let chart = fixture.chart("app", &[("templates/a.yaml", CONFIG_MAP)]);
    let charts = fixture.charts.display().to_string();
    for (name, text) in [("old", "hidden-before"), ("new", "hidden-after")] {
        let values = json!({"values.yaml": format!("text: {text}\n")});
        let secret = json!({"metadata": {"name": name}, "stringData": values});
        fixture.create::<Secret>(secret).await;
    }
    let spec =
        |secret: &str| json!({"chart": {"path": chart}, "valuesFrom": [{"kind": "Secret", "name": secret}]});
    fixture.app("shop", spec("old")).await;
    fixture.ready("shop").await;

    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let app = json!({
        "apiVersion": "helmapp.io/v1alpha1", "kind": "HelmApp",
        "metadata": {"name": "shop"}, "spec": spec("new"),
    });
    std::fs::write(file.path(), app.to_string()).unwrap();
    let path = file.path().display().to_string();
    let said = says(&fixture, &["diff", &path, "--chart-dir", &charts]).await;
    assert!(!said.contains("hidden-"), "{said}");
    assert!(
        said.contains("-  text: '[redacted] (before)'\n+  text: '[redacted] (after)'\n"),
        "{said}"
    );

    // Nor what is stored, whatever became of the Secrets.
    fixture.app("shop", spec("new")).await;
    let status = fixture.ready("shop").await;
    assert_eq!(status.release.unwrap().revision, 2);
    let secrets: Api<Secret> = fixture.namespace.api();
    for name in ["old", "new"] {
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }
    for arguments in [
        &["diff", "shop", "--revision", "1"][..],
        &["diff", "shop", "--revision", "2", "--revision", "1"],
    ] {
        let said = says(&fixture, arguments).await;
        assert!(!said.contains("hidden-"), "{said}");
        assert!(
            said.contains("1 object changes") && said.contains("[redacted] (before)"),
            "{said}"
        );
    }
    let same = says(&fixture, &["diff", "shop", "--revision", "2"]).await;
    assert_eq!(same, "shop: revisions 2 and 2 have the same objects\n");
    let manifest = says(&fixture, &["get", "manifest", "shop", "--revision", "1"]).await;
    assert!(manifest.contains("hidden-before"), "{manifest}");
    let unknown = fails(&fixture, &["get", "values", "shop", "--revision", "9"]).await;
    assert!(
        unknown.contains("revision 9 of release") && unknown.contains("is not stored"),
        "{unknown}"
    );
}
