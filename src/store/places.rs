//! Where the objects of stored revisions hold what came from Secrets. Places only: a later process looks up in the
//! revision's own record what stands there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Most places that are remembered of one revision. Of one with more, every text counts as secret.
pub const MAX_PLACES: usize = 500;
/// Most places that are remembered of all revisions; the oldest lose theirs first, and every text of them counts.
pub const MAX_ALL_PLACES: usize = 4000;
/// Stands for all objects, and for all texts of one.
const EVERYTHING: &str = "*";

/// Objects, as an `ObjectId` prints, and JSON pointers into them. A pointer leads to a text or a number; lines of a text
/// of several lines follow after `#`, counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Places(BTreeMap<String, BTreeSet<String>>);

impl Places {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, however much there is.
    pub fn everything() -> Self {
        Self(BTreeMap::from([(EVERYTHING.to_owned(), BTreeSet::new())]))
    }

    pub fn is_everything(&self) -> bool {
        self.0.contains_key(EVERYTHING)
    }

    fn len(&self) -> usize {
        self.0.values().map(|pointers| pointers.len().max(1)).sum()
    }

    /// Adds a place, as long as there is room.
    pub fn add(&mut self, object: &str, pointer: String) {
        if self.is_everything() {
            return;
        }
        self.0.entry(object.to_owned()).or_default().insert(pointer);
        if self.len() > MAX_PLACES {
            *self = Self::everything();
        }
    }

    /// Adds the places of another.
    pub fn merge(&mut self, other: &Self) {
        for (object, pointers) in &other.0 {
            if object == EVERYTHING {
                *self = Self::everything();
            }
            for pointer in pointers {
                self.add(object, pointer.clone());
            }
        }
    }

    /// The texts of an object that came from Secrets. `leaves` are its texts and numbers by their pointers.
    pub fn texts<'a>(&self, object: &str, leaves: &'a [(String, String)]) -> Vec<&'a str> {
        if self.is_everything() {
            return leaves.iter().map(|(_, text)| text.as_str()).collect();
        }
        let Some(pointers) = self.0.get(object) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (at, text) in leaves {
            if pointers.contains(at) {
                texts.push(text.as_str());
                continue;
            }
            let lines = text.lines().enumerate();
            texts.extend(
                lines
                    .filter(|(line, _)| pointers.contains(&format!("{at}#{line}")))
                    .map(|(_, text)| text),
            );
        }
        texts
    }
}

/// The places of all stored revisions. Those that have the same are written once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretPlaces(Vec<Shared>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Shared {
    revisions: BTreeSet<i64>,
    places: Places,
}

impl SecretPlaces {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of one revision.
    pub fn of(&self, revision: i64) -> Places {
        let found = self.0.iter().find(|shared| shared.revisions.contains(&revision));
        found.map(|shared| shared.places.clone()).unwrap_or_default()
    }

    /// Those of any revision.
    pub fn all(&self) -> Places {
        let mut all = Places::default();
        for shared in &self.0 {
            // Each has its own limit.
            for (object, pointers) in &shared.places.0 {
                all.0
                    .entry(object.clone())
                    .or_default()
                    .extend(pointers.iter().cloned());
            }
        }
        all
    }

    /// Forgets revisions that are not stored any more.
    pub fn retain(&mut self, stored: impl Fn(i64) -> bool) {
        for shared in &mut self.0 {
            shared.revisions.retain(|revision| stored(*revision));
        }
        self.0.retain(|shared| !shared.revisions.is_empty());
    }

    /// Remembers those of a revision.
    pub fn put(&mut self, revision: i64, places: Places) {
        self.retain(|known| known != revision);
        if places.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|shared| shared.places == places) {
            Some(shared) => _ = shared.revisions.insert(revision),
            None => self.0.push(Shared {
                revisions: BTreeSet::from([revision]),
                places,
            }),
        }
        let mut room = MAX_ALL_PLACES;
        for shared in self.0.iter_mut().rev() {
            match room.checked_sub(shared.places.len()) {
                Some(left) => room = left,
                None => shared.places = Places::everything(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: &[(&str, &str)]) -> Places {
        let mut places = Places::default();
        for (object, pointer) in all {
            places.add(object, (*pointer).to_owned());
        }
        places
    }

    fn leaves() -> Vec<(String, String)> {
        [
            ("/data/a", "one"),
            ("/data/b", "two\nthree\nfour"),
            ("/data/c", "five"),
        ]
        .map(|(at, text)| (at.to_owned(), text.to_owned()))
        .into()
    }

    #[test]
    fn texts_and_lines_are_found_again() {
        let places = places(&[("ConfigMap web/a", "/data/a"), ("ConfigMap web/a", "/data/b#1")]);
        assert_eq!(places.texts("ConfigMap web/a", &leaves()), ["one", "three"]);
        assert_eq!(places.texts("ConfigMap web/b", &leaves()), [""; 0]);
    }

    #[test]
    fn more_than_the_limit_is_everything() {
        let mut places = Places::default();
        for index in 0..MAX_PLACES {
            places.add("a", format!("/{index}"));
        }
        assert_eq!(places.texts("b", &leaves()), [""; 0]);
        places.add("a", "/more".to_owned());
        assert_eq!(places.texts("b", &leaves()), ["one", "two\nthree\nfour", "five"]);
        let text = serde_json::to_string(&places).unwrap();
        assert_eq!(serde_json::from_str::<Places>(&text).unwrap(), places);
    }

    #[test]
    fn revisions_share_what_is_the_same_and_are_forgotten() {
        let (one, other) = (places(&[("a", "/x")]), places(&[("a", "/y")]));
        let mut all = SecretPlaces::default();
        all.put(1, one.clone());
        all.put(2, one.clone());
        all.put(3, other.clone());
        all.put(4, Places::default());
        assert_eq!((all.0.len(), all.of(2), all.of(4)), (2, one, Places::default()));
        assert_eq!(all.all(), places(&[("a", "/x"), ("a", "/y")]));
        all.put(2, other.clone());
        all.retain(|revision| revision > 1);
        assert_eq!((all.0.len(), all.of(1), all.of(2)), (1, Places::default(), other));
        all.retain(|_| false);
        assert!(all.is_empty());
    }

    #[test]
    fn the_oldest_lose_their_places_first() {
        let mut all = SecretPlaces::default();
        for revision in 0..=(MAX_ALL_PLACES / MAX_PLACES) as i64 {
            let mut places = Places::default();
            for index in 0..MAX_PLACES {
                places.add("a", format!("/{revision}/{index}"));
            }
            all.put(revision, places);
        }
        assert_eq!(all.of(0), Places::everything());
        assert_ne!(all.of(1), Places::everything());
        let size = serde_json::to_vec(&all).unwrap().len();
        assert!(size < 200_000, "{size}");
    }
}
