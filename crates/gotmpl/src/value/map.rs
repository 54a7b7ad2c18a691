//! Go's map with string keys: shared and mutable, so that a change is visible through every alias.

use std::cell::{Cell, Ref, RefCell};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::meter;
use crate::value::list::OVERHEAD;
use crate::value::release::release;
use crate::value::types::MapType;
use crate::value::{Str, Value};

/// A map value. Cloning shares it. Entries are kept sorted by key, the order in which Go's templates
/// and fmt show maps.
#[derive(Clone)]
pub struct Map {
    ty: &'static MapType,
    inner: Rc<Inner>,
}

/// A reference that does not keep the map's entries alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakMap(Weak<Inner>);

struct Inner {
    nil: bool,
    tracked: Cell<bool>,
    /// The bytes that are counted for it.
    counted: Cell<usize>,
    entries: RefCell<Vec<(Str, Value)>>,
}

impl Inner {
    /// Counts what the entries take after a change.
    fn recount(&self, entries: &Vec<(Str, Value)>) {
        let bytes = entries.capacity() * size_of::<(Str, Value)>() + OVERHEAD;
        let before = self.counted.replace(bytes);
        if bytes > before {
            meter::made(bytes - before);
        } else if bytes < before {
            meter::dropped(before - bytes);
        }
    }

    fn clear(&self) {
        let old = self.entries.take();
        self.recount(&Vec::new());
        drop(old);
    }
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Map {
        Map::typed(&MapType::ANY)
    }

    /// An empty map of another type.
    pub fn typed(ty: &'static MapType) -> Map {
        Map::make(ty, false, Vec::new())
    }

    /// A nil map: empty, `null` as JSON, and an error to store into.
    pub fn nil(ty: &'static MapType) -> Map {
        Map::make(ty, true, Vec::new())
    }

    /// A map of the given type and entries, in any order; of equal keys the last wins.
    pub fn with_entries(ty: &'static MapType, mut entries: Vec<(Str, Value)>) -> Map {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries.reverse();
        }
        Map::make(ty, false, entries)
    }

    fn make(ty: &'static MapType, nil: bool, entries: Vec<(Str, Value)>) -> Map {
        let inner = Inner {
            nil,
            tracked: Cell::new(false),
            counted: Cell::new(0),
            entries: RefCell::new(Vec::new()),
        };
        inner.recount(&entries);
        inner.entries.replace(entries);
        Map {
            ty,
            inner: Rc::new(inner),
        }
    }

    /// The same entries (copied one level deep) as a map of another type.
    pub fn retyped(&self, ty: &'static MapType) -> Map {
        Map::make(ty, self.inner.nil, self.inner.entries.borrow().clone())
    }

    /// The same map (not a copy) as a value of another type: Go's conversion between map types.
    pub fn converted(&self, ty: &'static MapType) -> Map {
        Map {
            ty,
            inner: Rc::clone(&self.inner),
        }
    }

    /// The map's type.
    pub fn map_type(&self) -> &'static MapType {
        self.ty
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.inner.nil
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.inner.entries.borrow().len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the key, `None` where it is missing.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.get_bytes(key.as_bytes())
    }

    /// As [`Map::get`] for a key of any bytes.
    pub fn get_bytes(&self, key: &[u8]) -> Option<Value> {
        let entries = self.inner.entries.borrow();
        lookup(&entries, key)
            .and_then(|i| entries.get(i))
            .map(|e| e.1.clone())
    }

    /// As [`Map::get`], looking first where another map had the key.
    pub(crate) fn get_hinted(&self, key: &str, hint: &AtomicU32) -> Option<Value> {
        let entries = self.inner.entries.borrow();
        let at = hint.load(Relaxed);
        if let Some((found, value)) = entries.get(at as usize)
            && found.as_bytes() == key.as_bytes()
        {
            return Some(value.clone());
        }
        let i = lookup(&entries, key.as_bytes())?;
        hint.store(i as u32, Relaxed);
        entries.get(i).map(|e| e.1.clone())
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &[u8]) -> bool {
        lookup(&self.inner.entries.borrow(), key).is_some()
    }

    /// Stores the value and returns the one it replaces. A nil map stays as it is (Go panics with
    /// "assignment to entry in nil map": functions check [`Map::is_nil`] first).
    pub fn insert(&self, key: impl Into<Str>, value: Value) -> Option<Value> {
        if self.inner.nil {
            return None;
        }
        let key = key.into();
        let mut entries = self.inner.entries.borrow_mut();
        match find(&entries, key.as_bytes()) {
            Ok(i) => entries.get_mut(i).map(|e| std::mem::replace(&mut e.1, value)),
            Err(i) => {
                entries.insert(i, (key, value));
                self.inner.recount(&entries);
                None
            }
        }
    }

    /// Removes the key and returns its value.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let mut entries = self.inner.entries.borrow_mut();
        let i = lookup(&entries, key)?;
        Some(entries.remove(i).1)
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.inner.clear();
    }

    /// The entries in key order. The borrow must end before anything can change the map: use
    /// [`Map::entries`] around calls into templates or functions.
    pub fn borrow(&self) -> Ref<'_, [(Str, Value)]> {
        Ref::map(self.inner.entries.borrow(), Vec::as_slice)
    }

    /// A copy of the entries in key order (keys and values shared).
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.inner.entries.borrow().clone()
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<Str> {
        self.inner.entries.borrow().iter().map(|e| e.0.clone()).collect()
    }

    /// The values in key order.
    pub fn values(&self) -> Vec<Value> {
        self.inner.entries.borrow().iter().map(|e| e.1.clone()).collect()
    }

    /// A new map of the same type with the same entries; nested containers stay shared.
    pub fn shallow_copy(&self) -> Map {
        self.retyped(self.ty)
    }

    /// Whether both are one and the same map.
    pub fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    /// Marks the map as recorded by a render; `false` where it already was.
    pub(crate) fn track(&self) -> Option<WeakMap> {
        if self.inner.tracked.replace(true) {
            None
        } else {
            Some(WeakMap(Rc::downgrade(&self.inner)))
        }
    }
}

impl WeakMap {
    /// Empties the map if it is still there, which breaks any cycle through it.
    pub(crate) fn clear(&self) {
        if let Some(inner) = self.0.upgrade() {
            inner.tracked.set(false);
            inner.clear();
        }
    }
}

/// Maps of so few entries are searched from the start: most keys differ in length already.
const SHORT: usize = 16;

fn lookup(entries: &[(Str, Value)], key: &[u8]) -> Option<usize> {
    if entries.len() <= SHORT {
        entries.iter().position(|e| e.0.as_bytes() == key)
    } else {
        find(entries, key).ok()
    }
}

fn find(entries: &[(Str, Value)], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|e| e.0.as_bytes().cmp(key))
}

impl Default for Map {
    fn default() -> Self {
        Map::new()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Map::with_entries(
            &MapType::ANY,
            entries.into_iter().map(|(k, v)| (k.into(), v)).collect(),
        )
    }
}

/// Shows the type and size only: a map may contain itself.
impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} entries)", self.ty.name, self.len())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries", self.entries.borrow().len())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        meter::dropped(self.counted.get());
        let entries = std::mem::take(self.entries.get_mut());
        if entries.iter().any(|e| e.1.is_container()) {
            release(entries.into_iter().map(|e| e.1).collect());
        }
    }
}
