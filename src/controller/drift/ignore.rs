//! What of the objects may be as others have it: `spec.driftDetection.ignore`, and marks on the objects.

use std::collections::BTreeMap;

use helmapp_helm::plan::{Object, ObjectId};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::api::{DriftIgnore, DriftTarget};

use super::difference::Difference;
use super::fields;
use super::selector::Selector;

/// A label or an annotation of an object that is left to others: ours, and Flux's.
const MARKS: [&str; 2] = [
    "helmapp.io/driftDetection",
    "helm.toolkit.fluxcd.io/driftDetection",
];
/// Their value.
const DISABLED: &str = "disabled";
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 64 << 10;

/// The rules of one HelmApp.
#[derive(Debug, Default)]
pub(in crate::controller) struct Ignore(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    paths: Vec<String>,
    managers: Vec<String>,
    target: Target,
}

/// What a rule is for; what is not said fits everything.
#[derive(Debug, Default)]
struct Target {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Option<Selector>,
    annotations: Option<Selector>,
}

impl Ignore {
    /// Reads the rules of a spec.
    ///
    /// # Errors
    /// A pattern or a selector that is none, with its field.
    pub(in crate::controller) fn compile(rules: &[DriftIgnore]) -> Result<Self, String> {
        let rule = |(position, rule): (usize, &DriftIgnore)| {
            let target = match &rule.target {
                Some(target) => Target::compile(target)
                    .map_err(|why| format!("spec.driftDetection.ignore[{position}].target.{why}"))?,
                None => Target::default(),
            };
            Ok(Rule {
                paths: rule.paths.clone(),
                managers: rule.managers.clone(),
                target,
            })
        };
        rules
            .iter()
            .enumerate()
            .map(rule)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// What of a live object may be as it is.
    pub(in crate::controller) fn of<'r>(&'r self, object: &Object, live: &'r Value) -> Exempt<'r> {
        let rules: Vec<&Rule> = self
            .0
            .iter()
            .filter(|rule| rule.target.fits(&object.id, &object.version, live))
            .collect();
        let whole = is_marked(&object.value)
            || is_marked(live)
            || rules
                .iter()
                .any(|rule| rule.managers.is_empty() && rule.paths.iter().any(String::is_empty));
        Exempt { whole, rules, live }
    }
}

impl Target {
    fn compile(target: &DriftTarget) -> Result<Self, String> {
        let pattern = |field: &str, text: &Option<String>| {
            let whole = |text: &String| {
                RegexBuilder::new(&format!("^(?:{text})$"))
                    .size_limit(PATTERN_BYTES)
                    .build()
                    .map_err(|error| format!("{field} {text:?} is no pattern: {error}").replace('\n', " "))
            };
            text.as_ref().map(whole).transpose()
        };
        let selector = |field: &str, text: &Option<String>| {
            let read = |text: &String| {
                Selector::parse(text).ok_or_else(|| {
                    format!("{field} {text:?} is no selector, such as app=web,tier in (a,b),!other")
                })
            };
            text.as_ref().map(read).transpose()
        };
        Ok(Self {
            group: pattern("group", &target.group)?,
            version: pattern("version", &target.version)?,
            kind: pattern("kind", &target.kind)?,
            name: pattern("name", &target.name)?,
            namespace: pattern("namespace", &target.namespace)?,
            labels: selector("labelSelector", &target.label_selector)?,
            annotations: selector("annotationSelector", &target.annotation_selector)?,
        })
    }

    fn fits(&self, id: &ObjectId, version: &str, live: &Value) -> bool {
        let is =
            |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|known| known.is_match(text));
        let has = |selector: &Option<Selector>, pointer: &str| {
            selector
                .as_ref()
                .is_none_or(|selector| selector.fits(&texts(live, pointer)))
        };
        is(&self.group, &id.group)
            && is(&self.version, version)
            && is(&self.kind, &id.kind)
            && is(&self.name, &id.name)
            && is(&self.namespace, &id.namespace)
            && has(&self.labels, "/metadata/labels")
            && has(&self.annotations, "/metadata/annotations")
    }
}

fn texts<'v>(object: &'v Value, pointer: &str) -> BTreeMap<&'v str, &'v str> {
    let members = object
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    members
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}

fn is_marked(object: &Value) -> bool {
    ["/metadata/labels", "/metadata/annotations"]
        .iter()
        .any(|pointer| {
            let marks = texts(object, pointer);
            MARKS.iter().any(|mark| marks.get(mark) == Some(&DISABLED))
        })
}

/// What of one live object may be as it is.
#[derive(Debug)]
pub(in crate::controller) struct Exempt<'r> {
    whole: bool,
    rules: Vec<&'r Rule>,
    live: &'r Value,
}

impl Exempt<'_> {
    /// All of it.
    pub(in crate::controller) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Nothing of it.
    pub(in crate::controller) fn is_nothing(&self) -> bool {
        !self.whole && self.rules.is_empty()
    }

    /// Whether a difference may stay.
    pub(in crate::controller) fn covers(&self, difference: &Difference) -> bool {
        let covers = |rule: &&Rule| {
            let named = rule.paths.is_empty() || rule.paths.iter().any(|path| is_below(&difference.at, path));
            let theirs = rule.managers.is_empty() || fields::is_of(&rule.managers, &difference.at, self.live);
            named && theirs
        };
        self.whole || self.rules.iter().any(covers)
    }
}

/// Whether a pointer leads to a place or below it.
fn is_below(pointer: &str, place: &str) -> bool {
    pointer
        .strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(labels: Value) -> Object {
        let id = ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "web".into(),
            name: "front".into(),
        };
        Object {
            id,
            version: "v1".into(),
            value: json!({"metadata": {"labels": labels}}),
            chart: String::new(),
            warnings: Vec::new(),
        }
    }

    fn at(pointer: &str) -> Difference {
        Difference {
            at: pointer.into(),
            live: None,
            wanted: None,
        }
    }

    fn rule(rule: Value) -> Result<Ignore, String> {
        Ignore::compile(&[serde_json::from_value(rule).unwrap()])
    }

    #[test]
    fn paths_cover_what_is_below_them() {
        let ignore = rule(json!({"paths": ["/spec/replicas", "/metadata/annotations/a~1b"]})).unwrap();
        let (object, live) = (object(json!({})), json!({}));
        let exempt = ignore.of(&object, &live);
        for (pointer, covered) in [
            ("/spec/replicas", true),
            ("/spec/replicas/x", true),
            ("/spec/replicasOther", false),
            ("/spec", false),
            ("/metadata/annotations/a~1b", true),
        ] {
            assert_eq!(exempt.covers(&at(pointer)), covered, "{pointer}");
        }
        assert!(!exempt.is_whole() && !exempt.is_nothing());
        assert!(
            rule(json!({"paths": [""]}))
                .unwrap()
                .of(&object, &live)
                .is_whole()
        );
        assert!(Ignore::default().of(&object, &live).is_nothing());
    }

    #[test]
    fn managers_cover_what_they_have() {
        let live = json!({"spec": {"replicas": 5, "paused": true}, "metadata": {"managedFields": [
            {"manager": "scaler", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        let object = object(json!({}));
        let ignore = rule(json!({"managers": ["scaler"]})).unwrap();
        let exempt = ignore.of(&object, &live);
        assert!(exempt.covers(&at("/spec/replicas")) && !exempt.covers(&at("/spec/paused")));
        let both = rule(json!({"managers": ["scaler"], "paths": ["/spec/paused"]})).unwrap();
        let exempt = both.of(&object, &live);
        assert!(!exempt.covers(&at("/spec/replicas")) && !exempt.covers(&at("/spec/paused")));
    }

    #[test]
    fn a_target_says_for_which_objects() {
        let live = json!({"metadata": {"labels": {"tier": "web"}, "annotations": {"team": "a"}}});
        for (target, fits) in [
            (json!({}), true),
            (
                json!({"kind": "Deployment", "group": "apps", "version": "v1"}),
                true,
            ),
            (json!({"kind": "Deploy"}), false),
            (json!({"name": "fr.*", "namespace": "web|shop"}), true),
            (json!({"group": ""}), false),
            (json!({"labelSelector": "tier in (web,api),!old"}), true),
            (json!({"labelSelector": "tier=api"}), false),
            (json!({"annotationSelector": "team"}), true),
            (json!({"annotationSelector": "team!=a"}), false),
        ] {
            let ignore = rule(json!({"paths": [""], "target": target})).unwrap();
            assert_eq!(ignore.of(&object(json!({})), &live).is_whole(), fits, "{target}");
        }
    }

    #[test]
    fn marks_on_the_object_or_in_the_chart_count() {
        let none = Ignore::default();
        let (ours, flux) = (json!({MARKS[0]: "disabled"}), json!({MARKS[1]: "disabled"}));
        assert!(none.of(&object(ours.clone()), &json!({})).is_whole());
        let live = json!({"metadata": {"annotations": flux}});
        assert!(none.of(&object(json!({})), &live).is_whole());
        assert!(
            none.of(&object(json!({MARKS[0]: "enabled"})), &json!({}))
                .is_nothing()
        );
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        for (target, part) in [
            (
                json!({"name": "("}),
                "spec.driftDetection.ignore[0].target.name \"(\" is no pattern",
            ),
            (json!({"kind": "a{1000}{1000}"}), "ignore[0].target.kind"),
            (
                json!({"labelSelector": "a in b"}),
                "ignore[0].target.labelSelector \"a in b\" is no selector",
            ),
        ] {
            let error = rule(json!({"paths": [""], "target": target})).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}
