//! What the annotations of a manifest say of the order of its objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::object::Object;
use super::{Order, OrderError};

/// Weight of nelm: the lower ones are ready before the higher ones are applied.
const WEIGHT: &str = "werf.io/weight";
/// Argo CD's word for the same.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Before an id of the author's choice: an object of the release that goes before.
const DEPENDENCY: &str = "werf.io/deploy-dependency-";
/// Group of HIP-0025 that an object belongs to.
const GROUP: &str = "helm.sh/resource-group";
/// Groups of HIP-0025 that are ready before the object is applied, as a JSON list. It is no key that the API server
/// takes, so that it stays with us.
pub(in super::super) const DEPENDS_ON_GROUPS: &str = "helm.sh/depends-on/resource-groups";
/// In Chart.yaml: sub-charts that are ready before the chart's own objects are applied, as a JSON list.
const DEPENDS_ON_SUBCHARTS: &str = "helm.sh/depends-on/subcharts";

/// What the annotations of one object ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    weight: Option<i64>,
    group: Option<String>,
    groups: Vec<String>,
    dependencies: Vec<Dependency>,
}

/// Objects of the release that go before another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Dependency {
    /// They have to be ready, and not only there.
    ready: bool,
    /// What they are like: `kind`, `name` and so on.
    like: BTreeMap<String, String>,
}

impl Asked {
    /// Whether the object has a place of its own.
    pub(super) fn is_something(&self) -> bool {
        *self != Self::default()
    }
}

/// The sub-charts that the annotations of a Chart.yaml put before the chart's own objects. What is no list is none:
/// Helm does not read it either.
pub fn subcharts_before(metadata: &Value) -> Vec<String> {
    let annotations = metadata.get("annotations");
    let text = annotations.and_then(|all| all.get(DEPENDS_ON_SUBCHARTS)?.as_str());
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Reads the annotations of all objects.
///
/// # Errors
/// Every annotation that can't be read.
pub(super) fn read(objects: &[Object]) -> Result<Vec<Asked>, Vec<OrderError>> {
    let mut errors = Vec::new();
    let mut all = Vec::with_capacity(objects.len());
    for object in objects {
        let annotations = object
            .value
            .pointer("/metadata/annotations")
            .and_then(Value::as_object);
        let mut asked = Asked::default();
        for (key, value) in annotations.into_iter().flatten() {
            if let Some(text) = value.as_str()
                && let Err(why) = asked.take(key, text)
            {
                errors.push(OrderError::Annotation {
                    object: object.id.clone(),
                    annotation: key.clone(),
                    why,
                });
            }
        }
        all.push(asked);
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

impl Asked {
    fn take(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            WEIGHT => self.weight = Some(number(text)?),
            // Where both stand, the weight counts.
            SYNC_WAVE => self.weight = self.weight.or(Some(number(text)?)),
            GROUP => self.group = Some(text.to_owned()).filter(|name| !name.is_empty()),
            DEPENDS_ON_GROUPS => {
                self.groups = serde_json::from_str(text)
                    .map_err(|_| format!("{text:?} is no list of names, such as [\"database\"]"))?;
            }
            _ if key.starts_with(DEPENDENCY) => self.dependencies.push(text.parse()?),
            _ => {}
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is no whole number"))
}

impl std::str::FromStr for Dependency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const KEYS: [&str; 5] = ["name", "namespace", "kind", "group", "version"];
        let mut found = Self::default();
        let mut state = None;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
            {
                Some(("state", value)) => state = Some(value),
                Some((key, value)) if KEYS.contains(&key) => {
                    found.like.insert(key.to_owned(), value.to_owned());
                }
                _ => {
                    return Err(format!(
                        "{part:?} is none of state, name, namespace, kind, group and version"
                    ));
                }
            }
        }
        found.ready = match state {
            Some("ready") => true,
            Some("present") => false,
            _ => return Err("it needs state=ready or state=present".to_owned()),
        };
        if found.like.is_empty() {
            return Err("it needs a name, a kind, or what else tells the object".to_owned());
        }
        Ok(found)
    }
}

impl Dependency {
    fn is(&self, object: &Object) -> bool {
        let id = &object.id;
        self.like.iter().all(|(key, wanted)| {
            let found = match key.as_str() {
                "name" => &id.name,
                "namespace" => &id.namespace,
                "kind" => return id.kind.eq_ignore_ascii_case(wanted),
                "group" => &id.group,
                _ => &object.version,
            };
            found == wanted
        })
    }
}

/// Puts the objects where their annotations say.
pub(super) fn place(order: &mut Order, objects: &[Object], asked: &[Asked], subcharts: &[String]) {
    weights(order, asked);
    dependencies(order, objects, asked);
    let mut charts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, object) in objects.iter().enumerate() {
        charts.entry(&object.chart).or_default().push(index);
    }
    for members in charts.values() {
        groups(order, objects, asked, members);
    }
    if !subcharts.is_empty() {
        charts_before(order, objects, subcharts);
    }
}

/// Each weight waits for those below it. An object that names what it waits for waits for nothing else.
fn weights(order: &mut Order, asked: &[Asked]) {
    if asked.iter().all(|asked| asked.weight.is_none()) {
        return;
    }
    let mut levels: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, asked) in asked.iter().enumerate() {
        if asked.dependencies.is_empty() {
            levels.entry(asked.weight.unwrap_or(0)).or_default().push(index);
        }
    }
    let mut below = None;
    for members in levels.into_values() {
        for member in &members {
            order.wait(*member, below);
        }
        below = Some(order.gate(members));
    }
}

fn dependencies(order: &mut Order, objects: &[Object], asked: &[Asked]) {
    for (index, (object, asked)) in objects.iter().zip(asked).enumerate() {
        for dependency in &asked.dependencies {
            let others = objects.iter().enumerate().filter(|(other, _)| *other != index);
            let found: Vec<usize> = others
                .filter(|(_, other)| dependency.is(other))
                .map(|(other, _)| other)
                .collect();
            if found.is_empty() {
                let like: Vec<String> = dependency
                    .like
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                order.warnings.push(format!(
                    "{}: nothing in the release is {}, which it should wait for",
                    object.id,
                    like.join(",")
                ));
            } else if dependency.ready {
                let gate = order.gate(found);
                order.wait(index, Some(gate));
            } else if let Some(place) = order.places.get_mut(index) {
                place.objects.extend(found);
            }
        }
    }
}

/// The groups of one chart. What belongs to none of them, or to one that has to do with no other, comes last.
fn groups(order: &mut Order, objects: &[Object], asked: &[Asked], chart: &[usize]) {
    let of = |index: &usize| asked.get(*index);
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for index in chart {
        if let Some(group) = of(index).and_then(|asked| asked.group.as_deref()) {
            members.entry(group).or_default().push(*index);
        }
    }
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut misplaced: BTreeSet<usize> = BTreeSet::new();
    for index in chart {
        let Some(asked) = of(index) else { continue };
        for group in asked.groups.iter().map(String::as_str) {
            if !members.contains_key(group) {
                misplaced.insert(*index);
                let id = objects
                    .get(*index)
                    .map(|object| object.id.to_string())
                    .unwrap_or_default();
                order.warnings.push(format!(
                    "{id}: there is no group {group:?}, so that it comes last"
                ));
            } else if let Some(own) = asked.group.as_deref() {
                needs.entry(own).or_default().insert(group);
            }
        }
    }
    let needed: BTreeSet<&str> = chart
        .iter()
        .filter_map(of)
        .flat_map(|asked| asked.groups.iter().map(String::as_str))
        .collect();
    let in_order = |group: &str| needs.contains_key(group) || needed.contains(group);
    let gates: BTreeMap<&str, usize> = members
        .iter()
        .filter(|(group, _)| in_order(group))
        .map(|(group, members)| {
            let placed = members
                .iter()
                .copied()
                .filter(|member| !misplaced.contains(member));
            (*group, order.gate(placed.collect()))
        })
        .collect();
    if gates.is_empty() {
        return;
    }
    let all = order.gate(
        members
            .iter()
            .filter(|(group, _)| gates.contains_key(*group))
            .flat_map(|(_, members)| members.iter().copied())
            .filter(|member| !misplaced.contains(member))
            .collect(),
    );
    for index in chart {
        let Some(asked) = of(index) else { continue };
        let own = asked.group.as_deref().filter(|group| gates.contains_key(group));
        let groups: BTreeSet<&str> = match own {
            Some(own) => needs.get(own).cloned().unwrap_or_default(),
            None => asked.groups.iter().map(String::as_str).collect(),
        };
        if misplaced.contains(index) || own.is_none() && groups.is_empty() {
            order.wait(*index, Some(all));
            continue;
        }
        for group in groups {
            order.wait(*index, gates.get(group).copied());
        }
    }
}

/// The chart's own objects wait for those of sub-charts, and of theirs.
fn charts_before(order: &mut Order, objects: &[Object], subcharts: &[String]) {
    let is_below = |object: &Object| {
        let (_, below) = object.chart.split_once("/charts/")?;
        let name = below.split('/').next()?;
        subcharts.iter().any(|subchart| subchart == name).then_some(())
    };
    let all = objects.iter().enumerate();
    let before: Vec<usize> = all
        .clone()
        .filter(|(_, object)| is_below(object).is_some())
        .map(|(index, _)| index)
        .collect();
    if before.is_empty() {
        return;
    }
    let gate = order.gate(before);
    for (index, _) in all.filter(|(_, object)| !object.chart.contains("/charts/")) {
        order.wait(index, Some(gate));
    }
}

impl Order {
    fn gate(&mut self, members: Vec<usize>) -> usize {
        self.gates.push(members);
        self.gates.len() - 1
    }

    fn wait(&mut self, object: usize, gate: Option<usize>) {
        if let (Some(gate), Some(place)) = (gate, self.places.get_mut(object)) {
            place.gates.push(gate);
        }
    }
}
