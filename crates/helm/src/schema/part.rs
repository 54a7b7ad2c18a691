//! Parts of a schema by where they are in it: what they say, and what they find wrong with a value alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{BASE_URI, Documents, Given, options};

/// A schema that violations are told of, and what it may refer to.
#[derive(Debug)]
pub(super) struct Parts {
    schema: Value,
    documents: Arc<Documents>,
    /// Validators of parts, and which can't be built.
    built: Mutex<BTreeMap<String, Option<Arc<Validator>>>>,
}

impl Parts {
    pub(super) fn new(schema: Value, documents: &Arc<Documents>) -> Self {
        Self {
            schema,
            documents: Arc::clone(documents),
            built: Mutex::default(),
        }
    }

    /// What stands at an absolute location, if that is in the schema itself.
    pub(super) fn at(&self, location: &str) -> Option<&Value> {
        let pointer = location.strip_prefix(BASE_URI)?.strip_prefix('#')?;
        self.schema.pointer(&decoded(pointer))
    }

    /// Where the reference leads that stands at an absolute location, if that is in the schema itself.
    pub(super) fn target(&self, location: &str) -> Option<String> {
        let reference = self.at(location)?.as_str()?;
        reference
            .starts_with('#')
            .then(|| format!("{BASE_URI}{reference}"))
    }

    /// Where a value is by the count of Helm's validator, for a violation found on this path of keywords: it counts the
    /// items behind those that have schemas of their own from 0 again.
    /// `location` is where the path begins, the whole schema unless it is a part's.
    pub(super) fn counted(
        &self,
        location: Option<&str>,
        path: &[String],
        mut instance: Vec<String>,
    ) -> Vec<String> {
        let mut at = location.map_or(Some(&self.schema), |location| self.at(location));
        let mut depth = 0;
        let mut rest = path;
        while let (Some(schema), [keyword, below @ ..]) = (at, rest) {
            let length = |keyword: &str| schema.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
            let own = match keyword.as_str() {
                "items" => length("prefixItems"),
                "additionalItems" => length("items"),
                _ => 0,
            };
            let inner = schema.get(keyword);
            let listed = matches!(inner, Some(Value::Array(_)));
            let (named, deeper) = match keyword.as_str() {
                "properties" | "patternProperties" | "prefixItems" => (true, true),
                "items" => (listed, true),
                "additionalItems" | "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties" => {
                    (false, true)
                }
                "allOf" | "anyOf" | "oneOf" | "dependentSchemas" | "dependencies" => (true, false),
                _ => (false, false),
            };
            at = match (named, below) {
                (true, [name, ..]) if listed => name.parse::<usize>().ok().and_then(|n| inner?.get(n)),
                (true, [name, ..]) => inner.and_then(|inner| inner.get(name)),
                _ if keyword == "$ref" => inner
                    .and_then(Value::as_str)
                    .and_then(|reference| reference.strip_prefix('#'))
                    .and_then(|pointer| self.schema.pointer(&decoded(pointer))),
                _ => inner,
            };
            rest = below.get(usize::from(named)..).unwrap_or_default();
            if deeper {
                if let Some(place) = instance.get_mut(depth)
                    && let Ok(number) = place.parse::<usize>()
                    && own > 0
                {
                    *place = number.saturating_sub(own).to_string();
                }
                depth += 1;
            }
        }
        instance
    }

    /// A validator of the schema at an absolute location.
    pub(super) fn validator(&self, location: &str) -> Option<Arc<Validator>> {
        self.once(location, || self.build(&self.schema, location))
    }

    /// A validator of the schema at an absolute location without some of its keywords, or of the members of some.
    pub(super) fn validator_without(
        &self,
        location: &str,
        left_out: &[(&str, Option<&str>)],
    ) -> Option<Arc<Validator>> {
        self.once(&format!("{location} {left_out:?}"), || {
            let pointer = location.strip_prefix(BASE_URI)?.strip_prefix('#')?;
            let mut schema = self.schema.clone();
            let part = schema.pointer_mut(&decoded(pointer))?.as_object_mut()?;
            for (keyword, member) in left_out {
                match (member, part.get_mut(*keyword)) {
                    (Some(member), Some(Value::Object(members))) => drop(members.remove(*member)),
                    _ => drop(part.remove(*keyword)),
                }
            }
            self.build(&schema, location)
        })
    }

    /// Builds a validator but once: a list may have many items that it is for.
    fn once(&self, name: &str, build: impl FnOnce() -> Option<Validator>) -> Option<Arc<Validator>> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = built.get(name) {
            return known.clone();
        }
        let validator = build().map(Arc::new);
        built.insert(name.to_owned(), validator.clone());
        validator
    }

    fn build(&self, schema: &Value, location: &str) -> Option<Validator> {
        let mut documents: BTreeMap<String, Value> = (*self.documents).clone();
        documents.insert(BASE_URI.to_owned(), schema.clone());
        let part = match schema.get("$schema") {
            Some(draft) => json!({ "$ref": location, "$schema": draft }),
            None => json!({ "$ref": location }),
        };
        options("file:///part.json", Given::new(&Arc::new(documents), schema))
            .build(&part)
            .ok()
    }
}

/// A pointer as a fragment of a URI.
pub(super) fn encoded(pointer: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/$".contains(byte);
    let mut fragment = String::with_capacity(pointer.len());
    for byte in pointer.as_bytes() {
        match byte {
            byte if plain(byte) => fragment.push(char::from(*byte)),
            byte => fragment.push_str(&format!("%{byte:02X}")),
        }
    }
    fragment
}

/// A fragment of a URI without its percent signs.
pub(super) fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    loop {
        match rest {
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                rest = after;
            }
            [] => return String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}
