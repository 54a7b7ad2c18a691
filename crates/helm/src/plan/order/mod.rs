//! The order in which the objects of a revision are applied.
//!
//! Without a word in the manifest it is Helm's order of kinds, in tiers: what is of one tier does not depend on each
//! other and is applied at once, and nothing is waited for between them. Annotations put objects behind others, and
//! then mostly behind their readiness: weights and waves (`werf.io/weight`, `argocd.argoproj.io/sync-wave`),
//! dependencies (`werf.io/deploy-dependency-…`), groups and sub-charts (HIP-0025). Where they do, what an object refers
//! to goes before it, wherever the default would have put that.

mod annotations;
mod automatic;
mod graph;
#[cfg(test)]
mod tests;
mod tiers;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::object::{Object, ObjectId};

pub(super) use annotations::DEPENDS_ON_GROUPS;
pub use annotations::subcharts_before;

/// Why the objects of a manifest have no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// An annotation that can't be read.
    #[error("{object}: annotation {annotation}: {why}")]
    Annotation {
        /// The object that has it.
        object: ObjectId,
        /// Its key.
        annotation: String,
        /// What it should be.
        why: String,
    },
    /// Objects that wait for each other.
    #[error("these wait for each other, by their annotations: {}", cycle(.0))]
    Cycle(Vec<ObjectId>),
}

fn cycle(objects: &[ObjectId]) -> String {
    let names: Vec<String> = objects
        .iter()
        .chain(objects.first())
        .map(ToString::to_string)
        .collect();
    names.join(" -> ")
}

/// The waves in which objects go, by their positions: what was applied last goes first, and within a wave they go as they
/// stand. Where the annotations give no order, there is one wave.
pub fn removal_waves(objects: &[Object], subcharts: &[String]) -> Vec<Vec<usize>> {
    let waves = match Order::of(objects, subcharts) {
        Ok(order) => order.waves(),
        Err(_) => vec![0; objects.len()],
    };
    let mut groups: BTreeMap<Reverse<usize>, Vec<usize>> = BTreeMap::new();
    for (position, wave) in waves.into_iter().enumerate() {
        groups.entry(Reverse(wave)).or_default().push(position);
    }
    groups.into_values().collect()
}

/// What an object waits for before it is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    /// Position among Helm's kinds.
    tier: usize,
    /// Gates that have to be open.
    gates: Vec<usize>,
    /// Objects that have to be applied.
    objects: Vec<usize>,
}

/// The order of a revision's objects, which are named by their position in the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    places: Vec<Place>,
    /// A gate opens when all these objects are applied and ready.
    gates: Vec<Vec<usize>>,
    /// What of the annotations could not be followed.
    pub warnings: Vec<String>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Apply these, at once.
    Apply(Vec<usize>),
    /// Wait until these are ready; the rest comes after them.
    Wait(Vec<usize>),
    /// Nothing is left.
    Done,
}

impl Order {
    /// The order of `objects`. `subcharts` are those that Chart.yaml puts before the chart's own objects.
    ///
    /// # Errors
    /// An annotation that can't be read, and objects that wait for each other.
    pub fn of(objects: &[Object], subcharts: &[String]) -> Result<Self, Vec<OrderError>> {
        let mut order = Self {
            places: objects
                .iter()
                .map(|object| Place {
                    tier: tiers::tier(&object.id.kind),
                    ..Place::default()
                })
                .collect(),
            ..Self::default()
        };
        let asked = annotations::read(objects)?;
        let asks = !subcharts.is_empty() || asked.iter().any(annotations::Asked::is_something);
        if asks {
            annotations::place(&mut order, objects, &asked, subcharts);
            graph::check(&order, objects)?;
            let said = order.clone();
            automatic::place(&mut order, objects, &asked);
            if graph::check(&order, objects).is_err() {
                order = said;
            }
        }
        Ok(order)
    }

    /// The same for objects that are there already: nothing is waited for.
    #[must_use]
    pub fn at_once(&self) -> Self {
        let places = self.places.iter().cloned().map(|place| Place {
            gates: Vec::new(),
            ..place
        });
        Self {
            places: places.collect(),
            ..Self::default()
        }
    }

    /// The wave of each object: 0 for what waits for nothing, and for the rest one more than that of what has to be ready
    /// first.
    fn waves(&self) -> Vec<usize> {
        let mut waves = vec![0; self.places.len()];
        // Nothing waits for itself, so that each pass settles a wave at least.
        for _ in 0..self.places.len() {
            let last = |members: &Vec<usize>| {
                let waves = members.iter().filter_map(|member| waves.get(*member));
                waves.max().map_or(0, |wave: &usize| wave.saturating_add(1))
            };
            let gates: Vec<usize> = self.gates.iter().map(last).collect();
            let wave = |place: &Place| {
                let gated = place.gates.iter().filter_map(|gate| gates.get(*gate));
                let behind = place.objects.iter().filter_map(|object| waves.get(*object));
                gated.chain(behind).max().copied().unwrap_or(0)
            };
            let next: Vec<usize> = self.places.iter().map(wave).collect();
            if next == waves {
                break;
            }
            waves = next;
        }
        waves
    }

    /// Whether something is waited for before all objects are applied.
    pub fn waits(&self) -> bool {
        !self.gates.is_empty()
    }

    /// What comes next, when the objects that are `done` are applied, and `ready` tells which of them are so.
    pub fn next(&self, done: &[bool], ready: impl Fn(usize) -> bool) -> Turn {
        let is_done = |object: &usize| done.get(*object).copied().unwrap_or(false);
        let late = |gate: &Vec<usize>| -> Vec<usize> {
            let members = gate.iter().copied();
            members
                .filter(|member| !is_done(member) || !ready(*member))
                .collect()
        };
        let closed: Vec<Vec<usize>> = self.gates.iter().map(late).collect();
        let is_open = |gate: &usize| closed.get(*gate).is_none_or(Vec::is_empty);
        let left = || {
            self.places
                .iter()
                .enumerate()
                .filter(|(index, _)| !is_done(index))
        };
        let free: Vec<(usize, &Place)> = left()
            .filter(|(_, place)| place.gates.iter().all(is_open) && place.objects.iter().all(is_done))
            .collect();
        if let Some(tier) = free.iter().map(|(_, place)| place.tier).min() {
            let first = free.into_iter().filter(|(_, place)| place.tier == tier);
            return Turn::Apply(first.map(|(index, _)| index).collect());
        }
        let gates = left().flat_map(|(_, place)| &place.gates);
        let mut waited: Vec<usize> = gates
            .filter_map(|gate| closed.get(*gate))
            .flatten()
            .copied()
            .filter(is_done)
            .collect();
        waited.sort_unstable();
        waited.dedup();
        match left().next() {
            Some(_) => Turn::Wait(waited),
            None => Turn::Done,
        }
    }
}
