//! Hooks: when they run, what becomes of their objects, what a failed one says.

use helmapp::api::{HelmApp, HelmAppStatus};
use helmapp_helm::release::{Hook, HookPhase};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::fixture::{CONFIG_MAP, DEPLOYMENT, Fixture, Own, condition, condition_of, message, revision};
use crate::recovery::heal;
use crate::support::wait::{events, eventually, until, within};

/// Jobs that are hooks, each of `{name, on, weight, policy, output, pod, for}`.
pub const JOBS: &str = r#"
{{- range .Values.jobs }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  annotations:
    helm.sh/hook: {{ .on }}
    helm.sh/hook-weight: "{{ .weight | default 0 }}"
{{- with .policy }}
    helm.sh/hook-delete-policy: {{ . }}
{{- end }}
{{- with .output }}
    helm.sh/hook-output-log-policy: {{ . }}
{{- end }}
spec:
  backoffLimit: 0
  template:
    metadata:
      annotations:
        local.helmapp.io/pod: "{{ .pod }}"
        local.helmapp.io/run-for: "{{ .for | default "0s" }}"
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: registry.example.com/job:v1
{{- end }}
"#;

/// A chart of a ConfigMap and hooks.
pub fn chart(fixture: &Fixture) -> String {
    fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/jobs.yaml", JOBS)],
    )
}

pub fn spec(chart: &str, text: &str, jobs: Value) -> Value {
    json!({"chart": {"path": chart}, "values": {"text": text, "jobs": jobs}})
}

pub fn jobs(fixture: &Fixture) -> Api<Job> {
    fixture.namespace.api()
}

pub async fn uid(fixture: &Fixture, job: &str) -> Option<String> {
    jobs(fixture)
        .get_opt(job)
        .await
        .expect("an answer")
        .and_then(|job| job.metadata.uid)
}

async fn text(fixture: &Fixture) -> Option<String> {
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let found = maps.get_opt("app").await.expect("an answer")?;
    Some(found.data?["text"].clone())
}

fn run<'a>(hooks: &'a [Hook], name: &str) -> &'a helmapp_helm::release::HookExecution {
    &hooks
        .iter()
        .find(|hook| hook.name == name)
        .expect("the hook")
        .last_run
}

/// Kind and name of what status says that hooks made.
fn left(status: &HelmAppStatus) -> Vec<String> {
    let hooks = status.inventory.iter().filter(|entry| entry.hook);
    hooks
        .map(|entry| format!("{}/{}", entry.kind, entry.name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_before_and_after_the_objects_one_after_the_other() {
    let fixture = Fixture::shared("hookorder").await;
    let all = json!([
        {"name": "last", "on": "pre-install", "weight": 5, "for": "1s"},
        {"name": "behind", "on": "post-install", "for": "1s"},
        {"name": "b", "on": "pre-install", "weight": -5, "for": "1s"},
        {"name": "a", "on": "pre-install", "weight": -5, "for": "1s"},
        {"name": "never", "on": "pre-upgrade"},
    ]);
    fixture.app("app", spec(&chart(&fixture), "one", all)).await;
    let status = fixture.ready("app").await;
    let record = fixture.record("app", 1).await;
    let ran: Vec<_> = ["a", "b", "last", "behind"]
        .map(|name| run(&record.hooks, name))
        .into();
    for run in &ran {
        assert_eq!(run.phase, HookPhase::Succeeded, "{record:?}");
        assert!(run.started_at.timestamp() < run.completed_at.timestamp());
    }
    for pair in ran.windows(2) {
        assert!(
            pair[0].completed_at.timestamp() <= pair[1].started_at.timestamp(),
            "{pair:?}"
        );
    }
    assert_eq!(run(&record.hooks, "never").phase, HookPhase::Never);
    // The server's times have no fractions.
    let maps: Api<ConfigMap> = fixture.namespace.api();
    let made = maps
        .get("app")
        .await
        .unwrap()
        .metadata
        .creation_timestamp
        .unwrap()
        .0
        .as_second();
    let (before, after) = (
        ran[2].completed_at.timestamp().unwrap(),
        ran[3].started_at.timestamp().unwrap(),
    );
    assert!(
        before.as_second() <= made && made <= after.as_second() + 1,
        "{before} {made} {after}"
    );
    assert_eq!(left(&status), ["Job/a", "Job/b", "Job/behind", "Job/last"]);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_hooks_go_as_their_policies_say() {
    let fixture = Fixture::shared("hookpolicy").await;
    let chart = chart(&fixture);
    let on = "pre-install,pre-upgrade";
    let all = |more: Value| {
        json!([
            {"name": "default", "on": on},
            {"name": "succeeded", "on": on, "policy": "hook-succeeded"},
            {"name": "failed", "on": on, "weight": 1, "policy": "before-hook-creation,hook-failed"},
            more,
        ])
    };
    let good = json!({"name": "more", "on": on, "weight": 2, "policy": "before-hook-creation,hook-failed"});
    fixture.app("app", spec(&chart, "one", all(good))).await;
    let status = fixture.ready("app").await;
    assert_eq!(left(&status), ["Job/default", "Job/failed", "Job/more"]);
    let before = (uid(&fixture, "default").await, uid(&fixture, "failed").await);
    assert_eq!(uid(&fixture, "succeeded").await, None);
    let bad = json!({"name": "more", "on": on, "weight": 2, "policy": "before-hook-creation,hook-failed", "pod": "fail"});
    fixture.app("app", spec(&chart, "two", all(bad))).await;
    fixture.refused("app", "UpgradeFailed").await;
    let after = (uid(&fixture, "default").await, uid(&fixture, "failed").await);
    assert!(after.0.is_some() && after.0 != before.0, "made anew");
    assert!(after.1.is_some() && after.1 != before.1, "made anew");
    assert_eq!(
        (uid(&fixture, "succeeded").await, uid(&fixture, "more").await),
        (None, None)
    );
    assert_eq!(
        text(&fixture).await.as_deref(),
        Some("one"),
        "nothing is applied after a failed hook"
    );
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// The condition says which hook failed and what it wrote last, without what is secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_hook_says_what_its_pod_wrote() {
    let fixture = Fixture::shared("hooklog").await;
    let chart = chart(&fixture);
    fixture.app("app", spec(&chart, "one", json!([]))).await;
    fixture.ready("app").await;
    let jobs = json!([{"name": "migrate", "on": "pre-upgrade", "pod": "fail", "output": "hook-failed"}]);
    let mut wanted = spec(&chart, "two", jobs);
    // The pods of the local control plane write one line, which says what they are.
    fixture
        .create::<Secret>(
            json!({"metadata": {"name": "values"}, "stringData": {"values.yaml": "password: simulated"}}),
        )
        .await;
    wanted["valuesFrom"] = json!([{"kind": "Secret", "name": "values"}]);
    fixture.app("app", wanted).await;
    let status = fixture.refused("app", "UpgradeFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("pre-upgrade hook Job migrate: BackoffLimitExceeded"),
        "{said}"
    );
    assert!(
        said.contains("the end of the log of container main of pod migrate-"),
        "{said}"
    );
    assert!(
        said.contains("the node is [redacted]") && !said.contains("simulated"),
        "{said}"
    );
    assert_eq!(condition_of(&status, "Released").status, "False");
    assert_eq!(
        condition_of(&status, "Healthy").status,
        "True",
        "what is there is as it was"
    );
    let record = fixture.record("app", 2).await;
    assert_eq!(run(&record.hooks, "migrate").phase, HookPhase::Failed);
    assert!(
        record.info.description.contains("migrate"),
        "{}",
        record.info.description
    );
    let said = events(fixture.client(), &fixture.namespace.name).await;
    assert!(
        said.contains("HookOutput: pre-upgrade hook Job migrate"),
        "{said}"
    );
    let words: Vec<String> = fixture
        .revisions("app")
        .await
        .into_iter()
        .map(|(_, word)| word)
        .collect();
    assert_eq!(words, ["deployed", "failed"]);
}

/// One that fails after the objects are ready fails the revision, and is remedied; health does not heal it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_behind_ready_objects_fails_the_revision() {
    for strategy in ["none", "rollback"] {
        let fixture = Fixture::shared(&format!("hookafter-{strategy}")).await;
        let chart = chart(&fixture);
        fixture.app("app", spec(&chart, "one", json!([]))).await;
        fixture.ready("app").await;
        let all = json!([
            {"name": "check", "on": "post-upgrade", "pod": "fail"},
            {"name": "back", "on": "pre-rollback"},
        ]);
        let mut wanted = spec(&chart, "two", all);
        wanted["upgrade"] = json!({"remediation": {"strategy": strategy}});
        fixture.app("app", wanted).await;
        let rolls_back = strategy == "rollback";
        let newest = if rolls_back { 3 } else { 2 };
        let status = fixture
            .until("app", |app| {
                let ready = condition(app, "Ready").is_some_and(|ready| ready.reason == "UpgradeFailed");
                let ended = app.status.as_ref().and_then(|status| status.release.as_ref());
                ready
                    && ended
                        .is_some_and(|ended| ended.revision == newest && !ended.status.starts_with("pending"))
            })
            .await;
        assert!(
            message(&status, "Ready").contains("post-upgrade hook Job check"),
            "{status:?}"
        );
        assert_eq!(condition_of(&status, "Healthy").status, "True");
        assert_eq!(
            text(&fixture).await.as_deref(),
            Some(if rolls_back { "one" } else { "two" })
        );
        // The way back is that of revision 1, which had no hooks.
        assert_eq!(uid(&fixture, "back").await, None);
        fixture.delete("app").await;
        fixture.namespace.left(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_does_not_end_fails_when_its_time_is_over() {
    let fixture = Fixture::shared("hooktime").await;
    let jobs = json!([{"name": "slow", "on": "pre-install", "for": "600s"}]);
    let mut wanted = spec(&chart(&fixture), "one", jobs);
    wanted["install"] = json!({"timeout": "3s"});
    fixture.app("app", wanted).await;
    let status = fixture.refused("app", "InstallFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("pre-install hook Job slow: not through within 3 s"),
        "{said}"
    );
    assert_eq!(text(&fixture).await, None);
}

/// It is not ended for what its pods say, which may pass, but that is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_hook_from_ending_is_told_when_its_time_is_over() {
    let fixture = Fixture::shared("hookcause").await;
    let jobs = json!([{"name": "pull", "on": "pre-install", "pod": "image-pull"}]);
    let mut wanted = spec(&chart(&fixture), "one", jobs);
    wanted["install"] = json!({"timeout": "4s"});
    fixture.app("app", wanted).await;
    let status = fixture.refused("app", "InstallFailed").await;
    let said = message(&status, "Ready");
    assert!(
        said.contains("not through within 4 s") && said.contains("ImagePullBackOff"),
        "{said}"
    );
}

/// The Secrets of a release are secret in what its hooks' pods write, those that are hooks among them; also for a process
/// that has not rendered them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_that_is_a_hook_holds_is_not_said() {
    const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: password, annotations: {helm.sh/hook: \"pre-install,test\", helm.sh/hook-weight: \"-1\"}}
stringData: {word: simulated}
";
    let mut own = Own::start("hooksecret").await;
    let chart = own.fixture.chart(
        "app",
        &[("templates/a.yaml", SECRET), ("templates/jobs.yaml", JOBS)],
    );
    let failing = |on: &str| json!([{"name": "check", "on": on, "pod": "fail"}]);
    let asks = |on: &str, test: bool| {
        let mut wanted = spec(&chart, "one", failing(on));
        wanted["test"] = json!({"enable": test});
        wanted
    };
    own.fixture.app("app", asks("pre-install", false)).await;
    let status = own.fixture.refused("app", "InstallFailed").await;
    let first = message(&status, "Ready");
    own.fixture.app("app", asks("test", false)).await;
    own.fixture.ready("app").await;
    own.resume().await;
    own.fixture.app("app", asks("test", true)).await;
    let status = own
        .fixture
        .until("app", |app| {
            condition(app, "TestSucceeded").is_some_and(|tested| tested.status == "False")
        })
        .await;
    for said in [first, message(&status, "TestSucceeded")] {
        assert!(
            said.contains("the end of the log of container main") && said.contains("[redacted]"),
            "{said}"
        );
        assert!(!said.contains("simulated"), "{said}");
    }
}

/// What is asked for anew does not wait for the hook of what was asked for before.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_spec_ends_the_wait_for_a_hook() {
    let fixture = Fixture::shared("hookcancel").await;
    let chart = chart(&fixture);
    let on = "pre-install,pre-upgrade";
    let slow = |policy| json!([{"name": "slow", "on": on, "for": "600s", "policy": policy}]);
    // Its policy would not have it go before the next one is made.
    fixture
        .app("app", spec(&chart, "one", slow("hook-succeeded")))
        .await;
    until(&jobs(&fixture), "slow", within(30), |_| true).await;
    let first = uid(&fixture, "slow").await;
    fixture
        .app(
            "app",
            spec(
                &chart,
                "two",
                json!([{"name": "slow", "on": on, "policy": "hook-succeeded"}]),
            ),
        )
        .await;
    let status = fixture.ready("app").await;
    assert_eq!(
        (revision(&status), text(&fixture).await.as_deref()),
        (2, Some("two"))
    );
    assert!(first.is_some() && uid(&fixture, "slow").await.is_none());
    let words: Vec<String> = fixture
        .revisions("app")
        .await
        .into_iter()
        .map(|(_, word)| word)
        .collect();
    assert_eq!(words, ["superseded", "deployed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_runs_the_hooks_of_the_revision_that_comes_back() {
    let fixture = Fixture::shared("hookback").await;
    let chart = chart(&fixture);
    let all = json!([
        {"name": "before", "on": "pre-rollback"},
        {"name": "behind", "on": "post-rollback"},
    ]);
    fixture.app("app", spec(&chart, "one", all)).await;
    fixture.ready("app").await;
    let mut wanted = spec(&chart, "two", json!([]));
    fixture.app("app", wanted.clone()).await;
    fixture.ready("app").await;
    assert_eq!(
        jobs(&fixture)
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        0
    );
    wanted["rollback"] = json!({"toRevision": 1});
    fixture.app("app", wanted).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    let record = fixture.record("app", 3).await;
    for name in ["before", "behind"] {
        assert_eq!(run(&record.hooks, name).phase, HookPhase::Succeeded);
        assert!(uid(&fixture, name).await.is_some());
    }
    assert_eq!(text(&fixture).await.as_deref(), Some("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_turned_off_do_not_run() {
    let fixture = Fixture::shared("hookoff").await;
    let chart = chart(&fixture);
    let on =
        "pre-install,post-install,pre-upgrade,post-upgrade,pre-rollback,post-rollback,pre-delete,post-delete";
    let all = json!([{"name": "bad", "on": on, "pod": "fail"}]);
    let mut wanted = spec(&chart, "one", all);
    for action in ["install", "upgrade", "rollback", "uninstall"] {
        wanted[action] = json!({"disableHooks": true});
    }
    fixture.app("app", wanted.clone()).await;
    fixture.ready("app").await;
    wanted["values"]["text"] = json!("two");
    fixture.app("app", wanted.clone()).await;
    fixture.ready("app").await;
    wanted["rollback"]["toRevision"] = json!(1);
    fixture.app("app", wanted).await;
    assert_eq!(revision(&fixture.ready("app").await), 3);
    fixture.delete("app").await;
    fixture.namespace.left(&[]).await;
}

/// Hooks that are no Jobs: what they make is there for those behind them, also when it can hold data.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_no_jobs_are_through_once_they_are_made() {
    const OBJECTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-1"}}
data: {text: "{{ .Values.text }}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {helm.sh/hook: pre-install, helm.sh/resource-policy: keep}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "1"}}
spec: {restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{name: main, image: registry.example.com/a:v1}]}
"#;
    let fixture = Fixture::shared("hookkinds").await;
    let chart = fixture.chart(
        "app",
        &[("templates/a.yaml", CONFIG_MAP), ("templates/b.yaml", OBJECTS)],
    );
    let spec = |text: &str| json!({"chart": {"path": chart}, "values": {"text": text}});
    fixture.app("app", spec("one")).await;
    let status = fixture.ready("app").await;
    assert_eq!(
        left(&status),
        [
            "ConfigMap/kept",
            "ConfigMap/settings",
            "PersistentVolumeClaim/data",
            "Pod/bare"
        ]
    );
    let claims: Api<PersistentVolumeClaim> = fixture.namespace.api();
    let (maps, pods): (Api<ConfigMap>, Api<Pod>) = (fixture.namespace.api(), fixture.namespace.api());
    let (claim, pod) = (claims.get("data").await.unwrap(), pods.get("bare").await.unwrap());
    fixture.app("app", spec("two")).await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    assert_eq!(maps.get("settings").await.unwrap().data.unwrap()["text"], "two");
    assert_eq!(
        claims.get("data").await.unwrap().metadata.uid,
        claim.metadata.uid,
        "it holds data"
    );
    assert_ne!(pods.get("bare").await.unwrap().metadata.uid, pod.metadata.uid);
    fixture.delete("app").await;
    let left = fixture.namespace.objects().await;
    assert!(left.contains(&"ConfigMap/kept".to_owned()), "{left:?}");
    assert!(
        left.contains(&"PersistentVolumeClaim/data".to_owned()),
        "{left:?}"
    );
    assert!(
        !left.contains(&"ConfigMap/settings".to_owned()) && !left.contains(&"Pod/bare".to_owned()),
        "{left:?}"
    );
}

/// What is nobody's hook is not deleted for one.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_do_not_go_for_a_hook() {
    let fixture = Fixture::shared("hooktheirs").await;
    let theirs = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "theirs"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example.com/a:v1"}]}}}});
    fixture.create::<Job>(theirs).await;
    let before = uid(&fixture, "theirs").await;
    let chart = chart(&fixture);
    fixture
        .app(
            "app",
            spec(&chart, "one", json!([{"name": "theirs", "on": "pre-install"}])),
        )
        .await;
    let status = fixture.refused("app", "InstallFailed").await;
    assert!(
        message(&status, "Ready").contains("exists already: it is no hook"),
        "{status:?}"
    );
    assert_eq!(uid(&fixture, "theirs").await, before);
    fixture.delete("app").await;
    assert_eq!(uid(&fixture, "theirs").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_before_and_after_a_deletion() {
    let fixture = Fixture::shared("hookdelete").await;
    let all = json!([
        {"name": "before", "on": "pre-delete", "for": "3s"},
        {"name": "behind", "on": "post-delete", "for": "3s"},
    ]);
    fixture.app("app", spec(&chart(&fixture), "one", all)).await;
    fixture.ready("app").await;
    fixture
        .apps()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    until(&jobs(&fixture), "before", within(30), |_| true).await;
    assert!(
        text(&fixture).await.is_some(),
        "nothing goes before the hook ended"
    );
    until(&jobs(&fixture), "behind", within(30), |_| true).await;
    assert!(
        text(&fixture).await.is_none(),
        "all is gone when the last hook runs"
    );
    assert!(fixture.apps().get_opt("app").await.unwrap().is_some());
    fixture.gone("app").await;
    fixture.namespace.left(&[]).await;
}

/// A hook that fails keeps everything, and says what a person may do: run it again, or go on without.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_before_a_deletion_says_the_ways_out() {
    for way in ["again", "without", "leave"] {
        let fixture = Fixture::shared(&format!("hookstuck-{way}")).await;
        let all = json!([{"name": "before", "on": "pre-delete", "pod": "fail"}]);
        let wanted = spec(&chart(&fixture), "one", all);
        fixture.app("app", wanted.clone()).await;
        fixture.ready("app").await;
        fixture
            .apps()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        let status = fixture.refused("app", "UninstallFailed").await;
        let said = message(&status, "Ready");
        assert!(
            said.contains("pre-delete hook Job before: BackoffLimitExceeded"),
            "{said}"
        );
        assert!(
            said.contains("spec.uninstall.disableHooks") && said.contains("helmapp.io/leave-behind"),
            "{said}"
        );
        assert!(text(&fixture).await.is_some());
        let first = uid(&fixture, "before").await;
        let merge = |patch: Value| {
            let (apps, patch) = (fixture.apps(), kube::api::Patch::Merge(patch));
            async move {
                apps.patch("app", &kube::api::PatchParams::default(), &patch)
                    .await
                    .unwrap()
            }
        };
        match way {
            "leave" => {
                _ = merge(json!({"metadata": {"annotations": {"helmapp.io/leave-behind": "true"}}})).await
            }
            "without" => _ = merge(json!({"spec": {"uninstall": {"disableHooks": true}}})).await,
            _ => {
                merge(json!({"spec": {"uninstall": {"timeout": "200s"}}})).await;
                eventually("it runs again", within(30), || async {
                    let now = uid(&fixture, "before").await;
                    if now.is_some() && now != first {
                        Ok(())
                    } else {
                        Err(format!("{now:?}"))
                    }
                })
                .await;
                fixture.refused("app", "UninstallFailed").await;
                merge(json!({"spec": {"uninstall": {"disableHooks": true}}})).await;
            }
        }
        fixture.gone("app").await;
        fixture.namespace.left(&[]).await;
    }
}

/// What comes behind the objects of a revision runs when they get ready, if that is after its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_heals_runs_the_hooks_that_come_behind_it() {
    let fixture = Fixture::shared("healed").await;
    let files = [("templates/a.yaml", DEPLOYMENT), ("templates/jobs.yaml", JOBS)];
    let chart = fixture.chart("app", &files);
    let after = json!([{"name": "after", "on": "post-upgrade"}]);
    let spec = |tag: &str, pod: &str| {
        let values = json!({"replicas": 1, "tag": tag, "pod": pod, "jobs": after});
        json!({"chart": {"path": chart}, "values": values, "upgrade": {"timeout": "2s"}})
    };
    fixture.app("app", spec("v1", "")).await;
    fixture.ready("app").await;
    fixture.app("app", spec("v2", "crash-loop")).await;
    fixture.refused("app", "UpgradeFailed").await;
    assert_eq!(uid(&fixture, "after").await, None);
    let healed = |app: &HelmApp| condition(app, "Ready").is_some_and(|ready| ready.status == "True");
    eventually("the revision heals", within(60), || async {
        heal(&fixture).await;
        let apps: Api<HelmApp> = fixture.namespace.api();
        match healed(&apps.get("app").await.unwrap()) {
            true => Ok(()),
            false => Err("not ready".to_owned()),
        }
    })
    .await;
    assert_eq!(revision(&fixture.ready("app").await), 2);
    let hooks = fixture.record("app", 2).await.hooks;
    assert_eq!(run(&hooks, "after").phase, HookPhase::Succeeded);
}
