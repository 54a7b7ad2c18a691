//! What Helm's commands do on a release of ours, and what the operator does then.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::Api;
use serde_json::{Value, json};

use crate::adoption::client_side;
use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, revision};
use crate::helm::{Helm, Version, helmapp, word};
use crate::support::wait::{eventually, within};

const TEST: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations:
    helm.sh/hook: test
spec:
  restartPolicy: Never
  containers:
    - {name: main, image: registry.example.com/test:v1}
";

/// A HelmApp `shop` at its second revision, and the chart's directory.
async fn installed(test: &str) -> (Fixture, String) {
    let fixture = Fixture::shared(test).await;
    let files = [
        ("values.yaml", "own: 1\ntext: none\n"),
        ("templates/a.yaml", CONFIG_MAP),
        ("templates/b.yaml", DEPLOYMENT),
        ("templates/test.yaml", TEST),
        (
            "templates/NOTES.txt",
            "Hello {{ .Release.Name }}: {{ .Values.text }}\n",
        ),
    ];
    let chart = fixture.chart("app", &files);
    let spec = |text: &str| {
        let values = json!({"text": text, "replicas": 1, "tag": "v1", "pod": ""});
        json!({"chart": {"path": chart}, "values": values})
    };
    fixture.app("shop", spec("one")).await;
    fixture.ready("shop").await;
    fixture.app("shop", spec("two")).await;
    assert_eq!(revision(&fixture.ready("shop").await), 2);
    let directory = fixture.charts.join(&chart).display().to_string();
    (fixture, directory)
}

/// The table of COMPATIBILITY.md, as it is found.
struct Matrix(Version);

impl Matrix {
    fn row(&self, command: &str, then: &str) {
        println!("| helm {} | {command} | works | {then} |", self.0.number());
    }
}

/// Waits until the operator has put the text back with this revision.
async fn put_back(fixture: &Fixture, number: i64) {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    eventually("the HelmApp's own values are back", within(60), || async {
        let status = fixture
            .apps()
            .get("shop")
            .await
            .map_err(|error| error.to_string())?;
        let status = status.status.unwrap_or_default();
        let found = maps.get_opt("shop").await.map_err(|error| error.to_string())?;
        let text = found.and_then(|map| map.data?.remove("text"));
        match (revision(&status), text.as_deref()) {
            (found, Some("two")) if found == number => Ok(()),
            state => Err(format!("{state:?} {:?}", status.conditions)),
        }
    })
    .await;
    fixture.ready("shop").await;
}

/// Our program prints what Helm's does.
pub async fn same(helm: &Helm, fixture: &Fixture, arguments: &[&str]) {
    let ours = helmapp(fixture, &[&["get"], arguments].concat()).await;
    assert_eq!(ours, helm.gets(arguments).await, "{arguments:?}");
}

async fn shows(version: Version, helm: &Helm, fixture: &Fixture) {
    let matrix = Matrix(version);
    let list = helm.json(&["list"]).await;
    let release = &list[0];
    assert_eq!(
        [
            &release["name"],
            &release["status"],
            &release["chart"],
            &release["app_version"]
        ],
        ["shop", "deployed", "app-1.2.3", "4.5"]
    );
    assert!(
        matches!(&release["revision"], Value::String(text) if text == "2"),
        "{list}"
    );
    matrix.row("list", "-");

    let status = helm.json(&["status", "shop"]).await;
    assert_eq!(
        (&status["version"], &status["info"]["status"]),
        (&json!(2), &json!("deployed"))
    );
    matrix.row("status", "-");

    assert_eq!(
        helm.history("shop").await,
        [word(1, "superseded"), word(2, "deployed")]
    );
    matrix.row("history", "-");

    for revision in ["1", "2"] {
        for what in ["values", "manifest", "hooks", "notes", "all"] {
            same(helm, fixture, &[what, "shop", "--revision", revision]).await;
        }
        same(
            helm,
            fixture,
            &["values", "shop", "--all", "--revision", revision],
        )
        .await;
    }
    let values = helm.says(&["get", "values", "shop", "--revision", "1"]).await;
    assert!(values.contains("text: one"), "{values}");
    let hooks = helm.says(&["get", "hooks", "shop"]).await;
    assert!(hooks.contains("name: shop-test"), "{hooks}");
    for what in ["all", "values", "manifest", "hooks", "notes"] {
        matrix.row(&format!("get {what}"), "-");
    }
    let (theirs, ours) = (
        helm.says(&["get", "metadata", "shop", "--revision", "2"]).await,
        helmapp(fixture, &["get", "metadata", "shop"]).await,
    );
    for line in theirs.lines() {
        assert!(
            ours.lines().any(|ours| ours == line),
            "{line:?} of {theirs} in {ours}"
        );
    }
    matrix.row("get metadata", "-");
}

async fn changes(version: Version, helm: &Helm, fixture: &Fixture, chart: &str) {
    let matrix = Matrix(version);
    let set = "text=three,replicas=1,tag=v1,pod=";
    helm.says(&["upgrade", "shop", chart, "--set", set]).await;
    put_back(fixture, 4).await;
    assert_eq!(client_side(fixture, "shop").await, Vec::<String>::new());
    matrix.row("upgrade", "a further revision brings what the HelmApp says back");

    helm.says(&["rollback", "shop", "1"]).await;
    put_back(fixture, 6).await;
    assert_eq!(client_side(fixture, "shop").await, Vec::<String>::new());
    matrix.row("rollback", "a further revision brings what the HelmApp says back");
    let history = helm.history("shop").await;
    let (last, earlier) = history.split_last().unwrap();
    assert_eq!(last, &word(6, "deployed"));
    assert!(
        earlier.iter().all(|(_, status)| status == "superseded"),
        "{history:?}"
    );
    assert_eq!(earlier.len(), 5);

    helm.says(&["uninstall", "shop", "--wait"]).await;
    put_back(fixture, 1).await;
    matrix.row("uninstall", "the HelmApp installs anew, as revision 1");
    assert_eq!(helm.history("shop").await, [word(1, "deployed")]);
    let app = fixture.apps().get("shop").await.unwrap();
    assert!(!app.finalizers().is_empty());
}

async fn works(version: Version, test: &str) {
    let (fixture, chart) = installed(test).await;
    let helm = Helm::new(version, &fixture).await;
    shows(version, &helm, &fixture).await;
    changes(version, &helm, &fixture, &chart).await;
    fixture.delete("shop").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_3_works_on_our_releases() {
    works(Version::Three, "helm3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_4_works_on_our_releases() {
    works(Version::Four, "helm4").await;
}
