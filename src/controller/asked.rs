//! What renderings asked of the cluster's capabilities, by the digest of what they were made from.
//!
//! A digest holds the answers to these questions and no other part of the capabilities, so that a kind that comes to
//! the cluster concerns those releases only whose charts asked for it. The questions are known after a rendering;
//! before one, each digest that is remembered says which of them it holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use helmapp_helm::capabilities::{Capabilities, HelmVersion, KubeVersion};
use helmapp_helm::plan::crd_kinds;
use helmapp_helm::render::Questions;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::api::{AskedStatus, HelmAppStatus};
use crate::cluster::discovery::{Snapshot, hex};
use crate::store::Companion;

use super::Context;
use super::memory::AppKey;
use super::policy::Error;
use super::subject::Subject;

/// Where the companion keeps the questions.
const ASKED: &str = "asked";
/// How long the kinds of the cluster have to stay as they are before those that asked are told: discovery is behind
/// the CRDs, and they come in groups.
const QUIET: Duration = Duration::from_secs(2);

/// Questions by digest. Renderings that asked nothing are left out.
pub(super) type Table = BTreeMap<String, Questions>;

/// What is known of the HelmApp's renderings.
pub(super) fn known(ctx: &Context, subject: &Subject) -> Arc<Table> {
    ctx.asked
        .get(&subject.key)
        .unwrap_or_else(|| Arc::new(table(&ctx.status.current(&subject.app).asked)))
}

/// Remembers what a rendering asked.
pub(super) fn learn(ctx: &Context, subject: &Subject, digest: &str, questions: &Questions) {
    if questions.is_empty() {
        return;
    }
    let mut table = Table::clone(&known(ctx, subject));
    table.insert(digest.to_owned(), questions.clone());
    ctx.asked.insert(&subject.key, Arc::new(table));
}

/// The digest of inputs with the answers to what was asked.
pub(super) fn digest(inputs: &str, questions: &Questions, capabilities: &Capabilities) -> String {
    let mut hash = Sha256::new();
    hash.update(inputs.as_bytes());
    hash.update(questions.answers(capabilities).as_bytes());
    format!("sha256:{}", hex(&hash.finalize()))
}

/// The digest of inputs that a rendering was made from before, if there was one with the same answers.
pub(super) fn find(table: &Table, inputs: &str, capabilities: &Capabilities) -> Option<String> {
    table
        .iter()
        .find(|(known, questions)| digest(inputs, questions, capabilities) == **known)
        .map(|(known, _)| known.clone())
}

/// Identity of the answers to everything that the HelmApp's renderings asked. Empty when they asked nothing.
///
/// # Errors
/// A failed request.
pub(super) async fn answers(ctx: &Context, subject: &Subject) -> Result<String, Error> {
    let mut all = Questions::default();
    for questions in known(ctx, subject).values() {
        all.extend(questions);
    }
    if all.is_empty() {
        return Ok(String::new());
    }
    let snapshot = ctx.discovery.snapshot().await?;
    let answers = all.answers(&capabilities(&snapshot, &[]));
    Ok(hex(&Sha256::digest(answers.as_bytes())))
}

/// What the cluster offers once the CRDs of a chart's crds/ directories are there, as Helm renders after it made
/// them.
pub(super) fn capabilities(snapshot: &Snapshot, crds: &[Value]) -> Capabilities {
    let mut api_versions = snapshot.api_versions.clone();
    for (group, version, kind) in crd_kinds(crds).into_keys() {
        api_versions.push(format!("{group}/{version}"));
        api_versions.push(format!("{group}/{version}/{kind}"));
    }
    api_versions.sort_unstable();
    api_versions.dedup();
    Capabilities {
        kube_version: KubeVersion {
            version: snapshot.version.git_version.clone(),
            major: snapshot.version.major.clone(),
            minor: snapshot.version.minor.clone(),
        },
        api_versions,
        helm_version: HelmVersion::default(),
    }
}

/// What status says of the questions: those of the digests that it or a revision under way names. Others are
/// forgotten.
pub(super) fn shown(ctx: &Context, subject: &Subject, status: &HelmAppStatus) -> Vec<AskedStatus> {
    let table = known(ctx, subject);
    if table.is_empty() {
        return Vec::new();
    }
    let (settling, attempt) = (ctx.settling.get(&subject.key), ctx.attempts.get(&subject.key));
    let release = status.release.as_ref();
    let named = [
        release.and_then(|release| release.input_digest.as_deref()),
        status
            .last_attempted
            .as_ref()
            .map(|attempt| attempt.input_digest.as_str()),
        settling.as_ref().map(|settling| settling.input_digest.as_str()),
        attempt.as_ref().map(|digest| digest.as_str()),
    ];
    let kept: Table = table
        .iter()
        .filter(|(digest, _)| named.contains(&Some(digest.as_str())))
        .map(|(digest, questions)| (digest.clone(), questions.clone()))
        .collect();
    let shown = kept.iter().map(entry).collect();
    if kept != *table {
        ctx.asked.insert(&subject.key, Arc::new(kept));
    }
    shown
}

/// Adds the questions of a digest to what the companion keeps.
pub(super) fn keep(ctx: &Context, subject: &Subject, digest: &str, extra: &mut Map<String, Value>) {
    let table = known(ctx, subject);
    let asked = table.get_key_value(digest).map(entry);
    if let Some(Ok(asked)) = asked.map(serde_json::to_value) {
        extra.insert(ASKED.to_owned(), asked);
    }
}

/// Takes the questions of a revision that an earlier process began from its companion: that process may have ended
/// before it wrote status. Whoever has read or written the companion in this process knows them.
///
/// # Errors
/// A failed request.
pub(super) async fn recall(ctx: &Context, subject: &Subject) -> Result<(), Error> {
    let heads = ctx.memory.records(&subject.release);
    let ours = heads
        .first()
        .is_some_and(|head| head.is_under_way() && head.holder.is_some());
    if !ours || ctx.settling.get(&subject.key).is_some() || ctx.companions.is_known(&subject.key) {
        return Ok(());
    }
    if let Some(stored) = ctx.companions.read(ctx, subject).await? {
        learn_from(ctx, subject, &stored.companion);
    }
    Ok(())
}

/// Remembers the questions that a companion keeps.
pub(super) fn learn_from(ctx: &Context, subject: &Subject, companion: &Companion) {
    let asked = companion.extra.get(ASKED).cloned();
    if let Some(Ok(asked)) = asked.map(serde_json::from_value::<AskedStatus>) {
        learn(ctx, subject, &asked.input_digest, &questions(&asked));
    }
}

/// Has those HelmApps reconciled whose charts asked for what has changed, as long as the operator runs.
pub(super) async fn tell(ctx: Arc<Context>) {
    loop {
        ctx.discovery.changed().await;
        tokio::time::sleep(QUIET).await;
        for app in ctx.apps.state() {
            if app.status.as_ref().is_some_and(|status| !status.asked.is_empty()) {
                ctx.memory.wake(&AppKey::of(&app));
            }
        }
    }
}

fn table(asked: &[AskedStatus]) -> Table {
    asked
        .iter()
        .map(|asked| (asked.input_digest.clone(), questions(asked)))
        .collect()
}

fn questions(asked: &AskedStatus) -> Questions {
    Questions {
        kube_version: asked.kube_version,
        api_versions: asked.api_versions.iter().cloned().collect(),
        all_api_versions: asked.all_api_versions,
    }
}

fn entry((digest, questions): (&String, &Questions)) -> AskedStatus {
    AskedStatus {
        input_digest: digest.clone(),
        kube_version: questions.kube_version,
        api_versions: questions.api_versions.iter().cloned().collect(),
        all_api_versions: questions.all_api_versions,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served(versions: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.api_versions = versions.iter().map(|version| (*version).to_owned()).collect();
        snapshot
    }

    fn has(version: &str) -> Questions {
        Questions {
            api_versions: [version.to_owned()].into(),
            ..Questions::default()
        }
    }

    #[test]
    fn only_what_was_asked_makes_other_inputs() {
        let (plain, more) = (served(&["v1"]), served(&["a.b/v1", "v1"]));
        let (plain, more) = (capabilities(&plain, &[]), capabilities(&more, &[]));
        for (questions, same) in [
            (Questions::default(), true),
            (has("c.d/v1"), true),
            (has("a.b/v1"), false),
        ] {
            let made = digest("inputs", &questions, &plain);
            let table = Table::from([(made.clone(), questions)]);
            assert_eq!(find(&table, "inputs", &plain), Some(made.clone()));
            assert_eq!(find(&table, "inputs", &more), same.then_some(made), "{table:?}");
            assert_eq!(find(&table, "others", &plain), None);
        }
    }

    #[test]
    fn a_chart_sees_its_own_crds() {
        let crd = json!({
            "kind": "CustomResourceDefinition",
            "spec": {"group": "a.b", "names": {"kind": "C", "plural": "cs"}, "versions": [{"name": "v1"}]},
        });
        let offered = capabilities(&served(&["apps/v1", "v1"]), &[crd]);
        assert_eq!(offered.api_versions, ["a.b/v1", "a.b/v1/C", "apps/v1", "v1"]);
    }

    #[test]
    fn status_brings_the_questions_back() {
        let mut asked = Table::from([("sha256:1".to_owned(), has("a.b/v1"))]);
        asked.insert(
            "sha256:2".to_owned(),
            Questions {
                kube_version: true,
                all_api_versions: true,
                ..Questions::default()
            },
        );
        let shown: Vec<AskedStatus> = asked.iter().map(entry).collect();
        let written = serde_json::to_value(&shown).unwrap();
        let read: Vec<AskedStatus> = serde_json::from_value(written).unwrap();
        assert_eq!(table(&read), asked);
    }
}
