//! Fields that others have set otherwise: whose they stay.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// A field that the release sets and that another manager has set otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The field, as the server names it: `.spec.replicas`.
    pub field: String,
    /// Who has set it.
    pub manager: String,
    /// By which subresource; empty for the object itself.
    pub subresource: String,
    /// It stays as it is; otherwise the release takes it.
    pub yielded: bool,
}

/// `spec.replicas, by kube-controller-manager (scale)`.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.field.trim_start_matches('.'), self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " ({})", self.subresource)?;
        }
        Ok(())
    }
}

/// A manager whose fields a release does not take: `MANAGER`, or `MANAGER/SUBRESOURCE` for what it sets by a
/// subresource. A star at the end of either stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yield {
    manager: String,
    subresource: Option<String>,
}

/// Why a text is no [`Yield`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no field manager, as kube-controller-manager/scale does")]
pub struct YieldError(String);

impl FromStr for Yield {
    type Err = YieldError;

    fn from_str(text: &str) -> Result<Self, YieldError> {
        let (manager, subresource) = match text.split_once('/') {
            Some((manager, subresource)) => (manager, Some(subresource.to_owned())),
            None => (text, None),
        };
        if manager.is_empty() || subresource.as_deref() == Some("") {
            return Err(YieldError(text.to_owned()));
        }
        let manager = manager.to_owned();
        Ok(Self { manager, subresource })
    }
}

impl Yield {
    /// Whether it is this manager by this subresource. Without one of its own it is the manager by any.
    pub fn is(&self, manager: &str, subresource: &str) -> bool {
        let named = self.subresource.as_deref();
        like(&self.manager, manager) && named.is_none_or(|named| like(named, subresource))
    }
}

fn like(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

/// Takes out of an object what stays another's, and says which of the conflicts are so.
pub fn give_way(value: &mut Value, conflicts: Vec<Conflict>, yields: &[Yield]) -> Vec<Conflict> {
    conflicts
        .into_iter()
        .map(|conflict| {
            let theirs = yields
                .iter()
                .any(|one| one.is(&conflict.manager, &conflict.subresource));
            let yielded = theirs && remove(value, &conflict.field);
            Conflict { yielded, ..conflict }
        })
        .collect()
}

/// Takes a field out, by its path in the server's words: `.spec.containers[name="main"].image`. What is empty then
/// goes with it. Whether it was there.
fn remove(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(members) => {
            let Some(rest) = path.strip_prefix('.') else {
                return false;
            };
            // Names may have dots and brackets themselves: the longest that is there is meant.
            let fits = |key: &str| {
                let after = rest.strip_prefix(key)?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some(after)
            };
            let mut keys: Vec<&String> = members.keys().filter(|key| fits(key).is_some()).collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
            let Some(key) = keys.first().map(|key| (*key).clone()) else {
                return false;
            };
            let after = fits(&key).unwrap_or_default().to_owned();
            if after.is_empty() {
                return members.remove(&key).is_some();
            }
            members.get_mut(&key).is_some_and(|child| remove(child, &after))
        }
        Value::Array(items) => {
            let Some((selector, after)) = selector(path) else {
                return false;
            };
            let Some(place) = items.iter().position(|item| selector.is(item)) else {
                return false;
            };
            if after.is_empty() {
                items.remove(place);
                return true;
            }
            items.get_mut(place).is_some_and(|item| remove(item, after))
        }
        _ => false,
    }
}

/// What tells an item of a list from the others.
enum Selector {
    /// Its fields.
    Keys(Map<String, Value>),
    /// Itself.
    Value(Value),
}

impl Selector {
    fn is(&self, item: &Value) -> bool {
        match self {
            // Keys that the server fills in are not in our object.
            Self::Keys(keys) => keys
                .iter()
                .all(|(key, value)| item.get(key).is_none_or(|known| known == value)),
            Self::Value(value) => item == value,
        }
    }
}

/// Reads `[name="main",port=80]` or `[="text"]`, and what follows.
fn selector(path: &str) -> Option<(Selector, &str)> {
    let mut rest = path.strip_prefix('[')?;
    let mut keys = Map::new();
    loop {
        let (key, after) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let after = after.get(values.byte_offset()..)?;
        if key.is_empty() {
            return Some((Selector::Value(value), after.strip_prefix(']')?));
        }
        keys.insert(key.to_owned(), value);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Selector::Keys(keys), after.strip_prefix(']')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_by_the_servers_words() {
        let object = json!({
            "metadata": {"annotations": {"a.example.com/b": "1", "a": {"example": "2"}}, "finalizers": ["x", "y"]},
            "spec": {"replicas": 1, "containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}],
                     "ports": [{"containerPort": 80}]},
        });
        let table = [
            (".spec.replicas", Some("/spec/replicas")),
            (
                ".metadata.annotations.a.example.com/b",
                Some("/metadata/annotations/a.example.com~1b"),
            ),
            (
                ".spec.containers[name=\"b\"].image",
                Some("/spec/containers/1/image"),
            ),
            (
                ".spec.ports[containerPort=80,protocol=\"TCP\"].containerPort",
                Some("/spec/ports/0/containerPort"),
            ),
            (".spec.nothing", None),
            (".spec.containers[name=\"c\"].image", None),
            (".spec.containers[name=", None),
            ("", None),
        ];
        for (path, pointer) in table {
            let mut changed = object.clone();
            assert_eq!(remove(&mut changed, path), pointer.is_some(), "{path}");
            if let Some(pointer) = pointer {
                assert_eq!(changed.pointer(pointer), None, "{path}");
                assert!(object.pointer(pointer).is_some());
            } else {
                assert_eq!(changed, object, "{path}");
            }
        }
        let mut changed = object.clone();
        assert!(remove(&mut changed, ".metadata.finalizers[=\"x\"]"));
        assert_eq!(changed["metadata"]["finalizers"], json!(["y"]));
    }

    #[test]
    fn only_managers_that_are_named_keep_their_fields() {
        let conflict = |field: &str, manager: &str, subresource: &str| Conflict {
            field: field.into(),
            manager: manager.into(),
            subresource: subresource.into(),
            yielded: false,
        };
        let yields: Vec<Yield> = ["kube-controller-manager/scale", "vpa-*"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let table = [
            ("kube-controller-manager", "scale", true),
            ("kube-controller-manager", "", false),
            ("vpa-updater", "", true),
            ("vpa-updater", "scale", true),
            ("kubectl", "scale", false),
        ];
        for (manager, subresource, yielded) in table {
            let mut object = json!({"spec": {"replicas": 1}});
            let found = give_way(
                &mut object,
                vec![conflict(".spec.replicas", manager, subresource)],
                &yields,
            );
            assert_eq!(found[0].yielded, yielded, "{manager} {subresource}");
            assert_eq!(object["spec"].get("replicas").is_none(), yielded);
        }
        let mut object = json!({});
        let found = give_way(&mut object, vec![conflict(".spec.x", "vpa-updater", "")], &yields);
        assert!(!found[0].yielded, "it is not there to be left out");
        assert_eq!(
            conflict(".spec.replicas", "kube-controller-manager", "scale").to_string(),
            "spec.replicas of kube-controller-manager (scale)"
        );
        for text in ["", "/scale", "a/"] {
            assert!(text.parse::<Yield>().is_err(), "{text}");
        }
    }
}
