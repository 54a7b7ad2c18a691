//! What is done to a HelmApp, from how it begins to the step in which processes are killed.

use std::path::Path;
use std::time::Duration;

use helmapp::api::HelmApp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{DEPLOYMENT, Fixture, condition, revision};
use crate::state::{self, State};
use crate::support::wait::{eventually, until, within};

/// How a step has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Ready,
    /// An upgrade failed, and this is the newest revision in the end.
    Failed(i64),
    /// Revision under way, its objects applied.
    Settling(i64),
}

#[derive(Clone, Copy)]
pub(crate) enum Step {
    Apply(fn(&Place) -> Value, End),
    /// Somebody changes one object by hand and deletes another.
    Damage,
    Delete,
}

/// One way through the operator.
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    prepare: &'static [Step],
    pub(crate) act: Step,
    /// The process before was killed at this point of the step.
    pub(crate) begun: Option<&'static str>,
}

impl Flow {
    /// What it begins with is under way: every operator goes on with it.
    pub(crate) fn begins_under_way(&self) -> bool {
        let mut steps = self.prepare.iter();
        steps.any(|step| matches!(step, Step::Apply(_, End::Settling(_))))
    }
}

/// Every flow.
pub(crate) const ALL: &[Flow] = &[
    Flow {
        name: "install",
        prepare: &[],
        act: Step::Apply(elsewhere, End::Ready),
        begun: None,
    },
    Flow {
        name: "upgrade",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(one_more, End::Ready)],
        act: Step::Apply(two, End::Ready),
        begun: None,
    },
    Flow {
        name: "rollback",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(two, End::Ready)],
        act: Step::Apply(back, End::Ready),
        begun: None,
    },
    Flow {
        name: "failure",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(broken, End::Failed(2))],
        act: Step::Apply(broken_again, End::Failed(3)),
        begun: None,
    },
    Flow {
        name: "remedy",
        prepare: &[Step::Apply(one, End::Ready)],
        act: Step::Apply(remedied, End::Failed(3)),
        begun: None,
    },
    Flow {
        name: "retry",
        prepare: &[Step::Apply(one, End::Ready)],
        act: Step::Apply(retried, End::Failed(5)),
        begun: None,
    },
    Flow {
        name: "ordered-install",
        prepare: &[],
        act: Step::Apply(ordered, End::Ready),
        begun: None,
    },
    Flow {
        name: "ordered-upgrade",
        prepare: &[Step::Apply(ordered, End::Ready)],
        act: Step::Apply(ordered_again, End::Ready),
        begun: None,
    },
    Flow {
        name: "ordered-uninstall",
        prepare: &[Step::Apply(ordered, End::Ready)],
        act: Step::Delete,
        begun: None,
    },
    Flow {
        name: "replacement",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(stuck, End::Settling(2))],
        act: Step::Apply(two, End::Ready),
        begun: None,
    },
    Flow {
        name: "resumption",
        prepare: &[Step::Apply(one, End::Ready)],
        act: Step::Apply(two, End::Ready),
        begun: Some("object.apply.after"),
    },
    Flow {
        name: "adoption",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(broken, End::Failed(2))],
        act: Step::Apply(two, End::Ready),
        begun: Some("settle.deployed"),
    },
    Flow {
        name: "drift",
        prepare: &[Step::Apply(one, End::Ready)],
        act: Step::Damage,
        begun: None,
    },
    Flow {
        name: "uninstall",
        prepare: &[Step::Apply(one, End::Ready), Step::Apply(two, End::Ready)],
        act: Step::Delete,
        begun: None,
    },
    Flow {
        name: "uninstall-keeping",
        prepare: &[
            Step::Apply(one, End::Ready),
            Step::Apply(with_history, End::Ready),
        ],
        act: Step::Delete,
        begun: None,
    },
    Flow {
        name: "hooked-install",
        prepare: &[],
        act: Step::Apply(hooked, End::Ready),
        begun: None,
    },
    Flow {
        name: "hooked-upgrade",
        prepare: &[Step::Apply(hooked, End::Ready)],
        act: Step::Apply(hooked_again, End::Ready),
        begun: None,
    },
    Flow {
        name: "hooked-rollback",
        prepare: &[
            Step::Apply(hooked, End::Ready),
            Step::Apply(hooked_again, End::Ready),
        ],
        act: Step::Apply(hooked_back, End::Ready),
        begun: None,
    },
    Flow {
        name: "hooked-failure",
        prepare: &[Step::Apply(hooked, End::Ready)],
        act: Step::Apply(hooked_badly, End::Failed(3)),
        begun: None,
    },
    Flow {
        name: "hooked-uninstall",
        prepare: &[Step::Apply(hooked, End::Ready)],
        act: Step::Delete,
        begun: None,
    },
    Flow {
        name: "taken-away",
        prepare: &[Step::Apply(hooked, End::Ready)],
        act: Step::Apply(taken_away, End::Failed(3)),
        begun: None,
    },
];

const MAPS: &str = "\
{{- range .Values.maps }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ . }}
data:
  text: {{ $.Values.text }}
{{- end }}
";

/// A Job before and one after each change.
const HOOKS: &str = "\
{{- range $when := list \"pre\" \"post\" }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $.Release.Name }}-{{ $when }}
  annotations:
    helm.sh/hook: {{ printf \"%s-install,%s-upgrade,%s-rollback,%s-delete\" $when $when $when $when }}
spec:
  backoffLimit: 0
  template:
    metadata:
      annotations:
        local.helmapp.io/pod: {{ quote $.Values.hook }}
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: registry.example.com/hook:{{ $.Values.text }}
{{- end }}
";

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// A Deployment whose pods may take their time.
fn workload() -> String {
    const POD: &str = "        local.helmapp.io/pod:";
    const AFTER: &str = "        {{- with .Values.after }}
        local.helmapp.io/ready-after: {{ quote . }}
        {{- end }}
";
    DEPLOYMENT.replace(POD, &format!("{AFTER}{POD}"))
}

/// A Deployment that waits for the other one, and ConfigMaps that wait for it.
fn waves() -> [String; 2] {
    let wave = |text: &str, name: &str, number: u32| {
        let line = format!("  name: {name}\n");
        let annotated = format!("{line}  annotations: {{argocd.argoproj.io/sync-wave: \"{number}\"}}\n");
        text.replacen(&line, &annotated, 1)
    };
    let own = "{{ .Release.Name }}";
    let next = format!("{own}-next");
    [
        wave(&DEPLOYMENT.replace(own, &next), &next, 1),
        wave(MAPS, "{{ $.Release.Name }}-{{ . }}", 2),
    ]
}

fn spec(place: &Place, text: &str, maps: &[&str], pod: &str, more: &Value) -> Value {
    let mut spec = json!({
        "chart": {"path": place.chart},
        "values": {"text": text, "maps": maps, "replicas": 1, "tag": text, "pod": pod},
        "maxHistory": 2,
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    spec
}

fn one(place: &Place) -> Value {
    spec(place, "one", &["same", "old"], "", &json!({}))
}

fn one_more(place: &Place) -> Value {
    spec(place, "more", &["same", "old"], "", &json!({}))
}

fn two(place: &Place) -> Value {
    spec(place, "two", &["same", "new"], "", &json!({}))
}

fn with_history(place: &Place) -> Value {
    let keep = json!({"uninstall": {"keepHistory": true}});
    spec(place, "two", &["same", "new"], "", &keep)
}

fn back(place: &Place) -> Value {
    let back = json!({"rollback": {"toRevision": 1}});
    spec(place, "two", &["same", "new"], "", &back)
}

fn broken(place: &Place) -> Value {
    let soon = json!({"upgrade": {"timeout": "2s"}});
    spec(place, "bad", &["same", "bad"], "crash-loop", &soon)
}

fn broken_again(place: &Place) -> Value {
    let soon = json!({"upgrade": {"timeout": "2s"}});
    spec(place, "worse", &["same", "worse"], "crash-loop", &soon)
}

fn remedied(place: &Place) -> Value {
    let upgrade = json!({"upgrade": {"timeout": "2s", "remediation": {"strategy": "rollback"}}});
    spec(place, "two", &["same", "new"], "crash-loop", &upgrade)
}

fn retried(place: &Place) -> Value {
    let remediation = json!({"strategy": "rollback", "retries": 1});
    let upgrade = json!({"upgrade": {"timeout": "2s", "remediation": remediation}});
    spec(place, "two", &["same", "new"], "crash-loop", &upgrade)
}

fn in_waves(place: &Place, text: &str, maps: &[&str]) -> Value {
    let mut spec = spec(place, text, maps, "", &json!({}));
    spec["chart"]["path"] = json!(place.chart_of_waves);
    spec
}

fn ordered(place: &Place) -> Value {
    in_waves(place, "one", &["same", "old"])
}

fn ordered_again(place: &Place) -> Value {
    in_waves(place, "two", &["same", "new"])
}

fn taken_away(place: &Place) -> Value {
    // The hooks of the deletion have their own time.
    let upgrade = json!({"timeout": "2s", "disableHooks": true, "remediation": {"strategy": "uninstall"}});
    let mut spec = with_hooks(place, "two", &["same", "new"], &json!({"upgrade": upgrade}));
    spec["values"]["pod"] = json!("crash-loop");
    spec
}

/// It is waited for as long as the flow takes.
fn stuck(place: &Place) -> Value {
    let mut spec = spec(place, "stuck", &["same", "stuck"], "", &json!({}));
    spec["values"]["after"] = json!("1h");
    spec
}

fn with_hooks(place: &Place, text: &str, maps: &[&str], more: &Value) -> Value {
    let mut spec = spec(place, text, maps, "", more);
    spec["chart"]["path"] = json!(place.chart_with_hooks);
    spec
}

/// Its hook fails, and it is gone back from.
fn hooked_badly(place: &Place) -> Value {
    let upgrade = json!({"upgrade": {"remediation": {"strategy": "rollback"}}});
    let mut spec = with_hooks(place, "two", &["same", "new"], &upgrade);
    spec["values"]["hook"] = json!("fail");
    spec
}

fn hooked(place: &Place) -> Value {
    with_hooks(place, "one", &["same", "old"], &json!({}))
}

fn hooked_again(place: &Place) -> Value {
    with_hooks(place, "two", &["same", "new"], &json!({}))
}

fn hooked_back(place: &Place) -> Value {
    with_hooks(
        place,
        "two",
        &["same", "new"],
        &json!({"rollback": {"toRevision": 1}}),
    )
}

/// A chart that brings a kind and an object of it, in a namespace that is not there.
fn elsewhere(place: &Place) -> Value {
    let kind = format!("{}/v1", place.group());
    let more = json!({
        "chart": {"path": place.chart_with_crd}, "targetNamespace": place.target(), "createNamespace": true,
    });
    let mut spec = spec(place, "one", &["same", "old"], "", &more);
    spec["values"]["gadgets"] = json!(kind);
    spec
}

/// A HelmApp named `app` in a namespace of its own.
pub(crate) struct Place {
    pub(crate) fixture: Fixture,
    chart: String,
    chart_with_crd: String,
    chart_with_hooks: String,
    chart_of_waves: String,
}

impl Place {
    pub(crate) async fn new(client: &kube::Client, flow: &Flow, charts: &Path) -> Self {
        let fixture = Fixture::on(client.clone(), &format!("kill-{}", flow.name), charts).await;
        let workload = workload();
        let files = [
            ("templates/a.yaml", MAPS),
            ("templates/b.yaml", workload.as_str()),
        ];
        let chart = fixture.chart("app", &files);
        let group = format!("{}.chaos.helmapp.io", fixture.namespace.name);
        let crd = CRD.replace("GROUP", &group);
        let gadget = "apiVersion: {{ .Values.gadgets }}\nkind: Gadget\nmetadata: {name: app}\n";
        let more = [("crds/crd.yaml", crd.as_str()), ("templates/c.yaml", gadget)];
        let chart_with_crd = fixture.chart("app-crd", &[files.as_slice(), &more].concat());
        let hooks = [("templates/c.yaml", HOOKS)];
        let chart_with_hooks = fixture.chart("app-hooks", &[files.as_slice(), &hooks].concat());
        let [next, last] = waves();
        let waves = [
            ("templates/a.yaml", last.as_str()),
            ("templates/b.yaml", DEPLOYMENT),
            ("templates/c.yaml", next.as_str()),
        ];
        let chart_of_waves = fixture.chart("app-waves", &waves);
        Self {
            fixture,
            chart,
            chart_with_crd,
            chart_with_hooks,
            chart_of_waves,
        }
    }

    fn target(&self) -> String {
        format!("{}-target", self.fixture.namespace.name)
    }

    /// API group of the kind that its chart brings.
    pub(crate) fn group(&self) -> String {
        format!("{}.chaos.helmapp.io", self.fixture.namespace.name)
    }

    pub(crate) fn namespaces(&self) -> [String; 2] {
        [self.fixture.namespace.name.clone(), self.target()]
    }

    pub(crate) async fn state(&self) -> State {
        state::read(&self.fixture.client(), &self.namespaces(), &self.group()).await
    }

    /// Brings about what the flow begins with.
    pub(crate) async fn prepare(&self, flow: &Flow) {
        for step in flow.prepare {
            self.take(*step).await;
            self.done(*step).await;
        }
    }

    /// Asks for the step.
    pub(crate) async fn take(&self, step: Step) {
        match step {
            Step::Apply(spec, _) => {
                self.fixture.app("app", spec(self)).await;
            }
            Step::Damage => {
                let maps: Api<ConfigMap> = self.fixture.namespace.api();
                let patch = Patch::Merge(json!({"data": {"text": "damaged"}}));
                let changed = maps.patch("app-same", &PatchParams::default(), &patch).await;
                changed.expect("it is changed");
                let deleted = maps.delete("app-old", &DeleteParams::default()).await;
                deleted.expect("it is deleted");
            }
            Step::Delete => {
                let apps = self.fixture.apps();
                let deleted = apps.delete("app", &DeleteParams::default()).await;
                deleted.expect("it is deleted");
            }
        }
    }

    /// Waits until the step has ended.
    pub(crate) async fn done(&self, step: Step) {
        match step {
            Step::Apply(_, End::Ready) => {
                self.fixture.ready("app").await;
            }
            Step::Apply(_, End::Failed(number)) => {
                self.fixture
                    .until("app", |app| {
                        let is_failed = condition(app, "Ready")
                            .is_some_and(|ready| ready.status == "False" && ready.reason == "UpgradeFailed");
                        let status = app.status.as_ref();
                        let observed = status.and_then(|status| status.observed_generation);
                        let ended =
                            status
                                .and_then(|status| status.release.as_ref())
                                .is_some_and(|release| {
                                    let under_way = release.status.starts_with("pending")
                                        || release.status == "uninstalling";
                                    release.revision == number && !under_way
                                });
                        is_failed && ended && observed == app.metadata.generation
                    })
                    .await;
            }
            Step::Apply(_, End::Settling(number)) => {
                let is_newest = |app: &HelmApp| {
                    app.status
                        .as_ref()
                        .is_some_and(|status| revision(status) == number)
                };
                self.fixture.until("app", is_newest).await;
                let deployments: Api<Deployment> = self.fixture.namespace.api();
                let is_applied = |deployment: &Deployment| deployment.metadata.generation == Some(number);
                until(&deployments, "app", within(60), is_applied).await;
            }
            Step::Damage => {
                let maps: Api<ConfigMap> = self.fixture.namespace.api();
                eventually("the objects are put back", within(60), || async {
                    for name in ["app-same", "app-old"] {
                        let map = maps.get_opt(name).await.map_err(|error| error.to_string())?;
                        let text = map.and_then(|map| map.data?.remove("text"));
                        if text.as_deref() != Some("one") {
                            return Err(format!("{name}: {text:?}"));
                        }
                    }
                    Ok(())
                })
                .await;
            }
            Step::Delete => {
                eventually("the HelmApp goes", within(60), || async {
                    match self.fixture.apps().get_opt("app").await {
                        Ok(None) => Ok(()),
                        other => Err(format!("{other:?}")),
                    }
                })
                .await;
            }
        }
    }

    /// The state when it has not changed for a while.
    pub(crate) async fn settled(&self) -> State {
        let mut last = self.state().await;
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let state = self.state().await;
            if state == last {
                return state;
            }
            last = state;
        }
        panic!("the state does not settle: {last:#?}");
    }
}
