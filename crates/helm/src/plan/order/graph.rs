//! Objects and gates as a graph: whether it has an order at all, and how far each object is from the beginning.

use super::super::object::{Object, ObjectId};
use super::{Order, OrderError};

/// What goes before what. Objects are the first nodes, gates those behind them.
struct Graph {
    objects: usize,
    /// For each node, those that come right after it.
    after: Vec<Vec<usize>>,
    /// For each node, how many come right before it.
    before: Vec<usize>,
}

impl Graph {
    fn of(order: &Order) -> Self {
        let objects = order.places.len();
        let nodes = objects + order.gates.len();
        let mut graph = Self {
            objects,
            after: vec![Vec::new(); nodes],
            before: vec![0; nodes],
        };
        for (gate, members) in order.gates.iter().enumerate() {
            for member in members {
                graph.edge(*member, objects + gate);
            }
        }
        for (object, place) in order.places.iter().enumerate() {
            for gate in &place.gates {
                graph.edge(objects + gate, object);
            }
            for other in &place.objects {
                graph.edge(*other, object);
            }
        }
        graph
    }

    fn edge(&mut self, from: usize, to: usize) {
        if let (Some(after), Some(before)) = (self.after.get_mut(from), self.before.get_mut(to)) {
            after.push(to);
            *before += 1;
        }
    }

    /// The nodes, each behind all that come before it, as far as that goes.
    fn sorted(&self) -> Vec<usize> {
        let mut before = self.before.clone();
        let nothing = before.iter().enumerate().filter(|(_, count)| **count == 0);
        let mut sorted: Vec<usize> = nothing.map(|(node, _)| node).collect();
        let mut next = 0;
        while let Some(node) = sorted.get(next).copied() {
            next += 1;
            for after in self.after.get(node).into_iter().flatten() {
                if let Some(count) = before.get_mut(*after) {
                    *count -= 1;
                    if *count == 0 {
                        sorted.push(*after);
                    }
                }
            }
        }
        sorted
    }

    /// The objects of one of the circles among the nodes that have no order.
    fn circle(&self, sorted: &[usize]) -> Vec<usize> {
        let mut stuck = vec![true; self.after.len()];
        for node in sorted {
            if let Some(stuck) = stuck.get_mut(*node) {
                *stuck = false;
            }
        }
        let is_stuck = |node: &usize| stuck.get(*node).copied().unwrap_or(false);
        // Each of them has one before it that has none either: that way lies a circle.
        let before = |node: usize| {
            let all = (0..self.after.len()).filter(is_stuck);
            let mut befores =
                all.filter(|other| self.after.get(*other).is_some_and(|after| after.contains(&node)));
            befores.next()
        };
        let mut way: Vec<usize> = (0..self.after.len())
            .find(|node| is_stuck(node))
            .into_iter()
            .collect();
        while let Some(node) = way.last().and_then(|last| before(*last)) {
            if let Some(start) = way.iter().position(|known| *known == node) {
                let circle = way.split_off(start);
                return circle
                    .into_iter()
                    .rev()
                    .filter(|node| *node < self.objects)
                    .collect();
            }
            way.push(node);
        }
        Vec::new()
    }
}

/// Makes sure that nothing waits for itself.
///
/// # Errors
/// [`OrderError::Cycle`] with the objects of one circle.
pub(super) fn check(order: &Order, objects: &[Object]) -> Result<(), Vec<OrderError>> {
    let graph = Graph::of(order);
    let sorted = graph.sorted();
    if sorted.len() == graph.after.len() {
        return Ok(());
    }
    let circle = graph.circle(&sorted).into_iter();
    let ids: Vec<ObjectId> = circle
        .filter_map(|index| objects.get(index))
        .map(|object| object.id.clone())
        .collect();
    Err(vec![OrderError::Cycle(ids)])
}

/// The objects that could never be applied: they wait for each other.
pub(super) fn stuck(order: &Order) -> Vec<usize> {
    let graph = Graph::of(order);
    let sorted: std::collections::BTreeSet<usize> = graph.sorted().into_iter().collect();
    (0..graph.objects)
        .filter(|object| !sorted.contains(object))
        .collect()
}

/// How many gates there are on the longest way to each object.
pub(super) fn ranks(order: &Order) -> Vec<usize> {
    let graph = Graph::of(order);
    let mut ranks = vec![0; graph.after.len()];
    for node in graph.sorted() {
        let rank = ranks.get(node).copied().unwrap_or_default() + usize::from(node >= graph.objects);
        for after in graph.after.get(node).into_iter().flatten() {
            if let Some(known) = ranks.get_mut(*after) {
                *known = rank.max(*known);
            }
        }
    }
    ranks.truncate(graph.objects);
    ranks
}
