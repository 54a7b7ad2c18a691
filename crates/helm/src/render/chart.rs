//! `.Chart`: Chart.yaml as Go's `chart.Metadata`, and whether the chart is the root.

use std::borrow::Cow;
use std::sync::Arc;

use helmapp_gotmpl::sprig::no_error;
use helmapp_gotmpl::{Elem, Error, Kind, List, Map, MapType, Object, Signature, State, Str, Value};

use crate::chart::{Dependency, Maintainer, Metadata};

type Fields = Vec<(Cow<'static, str>, Value)>;

/// The struct that Helm's engine makes around the metadata.
#[derive(Debug)]
pub(super) struct ChartObject {
    pub(super) metadata: Arc<Metadata>,
    pub(super) is_root: bool,
}

impl Object for ChartObject {
    fn type_name(&self) -> Cow<'static, str> {
        "struct { chart.Metadata; IsRoot bool }".into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "IsRoot" => Some(Value::Bool(self.is_root)),
            "Metadata" => Some(Value::object(MetadataObject(Arc::clone(&self.metadata)))),
            _ => metadata_field(&self.metadata, name),
        }
    }

    fn fields(&self) -> Fields {
        vec![
            (
                "Metadata".into(),
                Value::object(MetadataObject(Arc::clone(&self.metadata))),
            ),
            ("IsRoot".into(), Value::Bool(self.is_root)),
        ]
    }

    fn json_members(&self) -> Option<Fields> {
        let mut members = filled(&MetadataObject(Arc::clone(&self.metadata)), &METADATA_JSON);
        members.push(("IsRoot".into(), Value::Bool(self.is_root)));
        Some(members)
    }
}

#[derive(Debug)]
struct MetadataObject(Arc<Metadata>);

const METADATA_FIELDS: [&str; 17] = [
    "Name",
    "Home",
    "Sources",
    "Version",
    "Description",
    "Keywords",
    "Maintainers",
    "Icon",
    "APIVersion",
    "Condition",
    "Tags",
    "AppVersion",
    "Deprecated",
    "Annotations",
    "KubeVersion",
    "Dependencies",
    "Type",
];

const METADATA_JSON: [(&str, &str); 17] = [
    ("name", "Name"),
    ("home", "Home"),
    ("sources", "Sources"),
    ("version", "Version"),
    ("description", "Description"),
    ("keywords", "Keywords"),
    ("maintainers", "Maintainers"),
    ("icon", "Icon"),
    ("apiVersion", "APIVersion"),
    ("condition", "Condition"),
    ("tags", "Tags"),
    ("appVersion", "AppVersion"),
    ("deprecated", "Deprecated"),
    ("annotations", "Annotations"),
    ("kubeVersion", "KubeVersion"),
    ("dependencies", "Dependencies"),
    ("type", "Type"),
];

/// `name` and `repository` are written even when they are empty.
const DEPENDENCY_JSON: [(&str, &str); 6] = [
    ("version", "Version"),
    ("condition", "Condition"),
    ("tags", "Tags"),
    ("enabled", "Enabled"),
    ("import-values", "ImportValues"),
    ("alias", "Alias"),
];

impl Object for MetadataObject {
    fn type_name(&self) -> Cow<'static, str> {
        "chart.Metadata".into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        metadata_field(&self.0, name)
    }

    fn fields(&self) -> Fields {
        named(self, &METADATA_FIELDS)
    }

    fn json_members(&self) -> Option<Fields> {
        Some(filled(self, &METADATA_JSON))
    }
}

fn metadata_field(m: &Metadata, name: &str) -> Option<Value> {
    Some(match name {
        "Name" => text(&m.name),
        "Home" => text(&m.home),
        "Sources" => strings(&m.sources),
        "Version" => text(&m.version),
        "Description" => text(&m.description),
        "Keywords" => strings(&m.keywords),
        "Maintainers" => pointers(
            "*chart.Maintainer",
            m.maintainers.iter().cloned().map(MaintainerObject),
        ),
        "Icon" => text(&m.icon),
        "APIVersion" => text(&m.api_version),
        "Condition" => text(&m.condition),
        "Tags" => text(&m.tags),
        "AppVersion" => text(&m.app_version),
        "Deprecated" => Value::Bool(m.deprecated),
        "Annotations" if m.annotations.is_empty() => Value::Map(Map::nil(&MapType::STRING)),
        "Annotations" => {
            let entries = m.annotations.iter().map(|(k, v)| (Str::from(k), text(v)));
            Value::Map(Map::with_entries(&MapType::STRING, entries.collect()))
        }
        "KubeVersion" => text(&m.kube_version),
        "Dependencies" => pointers(
            "*chart.Dependency",
            m.dependencies.iter().cloned().map(DependencyObject),
        ),
        "Type" => text(&m.r#type),
        _ => return None,
    })
}

#[derive(Debug)]
struct MaintainerObject(Maintainer);

impl Object for MaintainerObject {
    fn type_name(&self) -> Cow<'static, str> {
        "*chart.Maintainer".into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn method(&self, name: &str) -> Option<Signature> {
        validate(name)
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(no_error())
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(text(&self.0.name)),
            "Email" => Some(text(&self.0.email)),
            "URL" => Some(text(&self.0.url)),
            _ => None,
        }
    }

    fn fields(&self) -> Fields {
        named(self, &["Name", "Email", "URL"])
    }

    fn json_members(&self) -> Option<Fields> {
        Some(filled(
            self,
            &[("name", "Name"), ("email", "Email"), ("url", "URL")],
        ))
    }
}

#[derive(Debug)]
struct DependencyObject(Dependency);

impl Object for DependencyObject {
    fn type_name(&self) -> Cow<'static, str> {
        "*chart.Dependency".into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn method(&self, name: &str) -> Option<Signature> {
        validate(name)
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(no_error())
    }

    fn field(&self, name: &str) -> Option<Value> {
        let d = &self.0;
        Some(match name {
            "Name" => text(&d.name),
            "Version" => text(&d.version),
            "Repository" => text(&d.repository),
            "Condition" => text(&d.condition),
            "Tags" => strings(&d.tags),
            "Enabled" => Value::Bool(d.enabled),
            "ImportValues" => Value::List(d.import_values.iter().map(Value::from_json).collect()),
            "Alias" => text(&d.alias),
            _ => return None,
        })
    }

    fn fields(&self) -> Fields {
        named(
            self,
            &[
                "Name",
                "Version",
                "Repository",
                "Condition",
                "Tags",
                "Enabled",
                "ImportValues",
                "Alias",
            ],
        )
    }

    fn json_members(&self) -> Option<Fields> {
        let mut members = filled(self, &DEPENDENCY_JSON);
        members.insert(0, ("name".into(), text(&self.0.name)));
        let version = usize::from(!self.0.version.is_empty());
        members.insert(1 + version, ("repository".into(), text(&self.0.repository)));
        Some(members)
    }
}

/// `Validate`, which finds nothing wrong with what was loaded.
fn validate(name: &str) -> Option<Signature> {
    (name == "Validate").then(|| Signature::fixed(&[]))
}

fn text(s: &str) -> Value {
    Value::from(s)
}

fn strings(items: &[String]) -> Value {
    if items.is_empty() {
        return Value::List(List::nil(Elem::String));
    }
    Value::List(List::strings(items.iter().map(String::as_str)))
}

fn pointers<T: Object>(elem: &'static str, items: impl Iterator<Item = T>) -> Value {
    let items: Vec<Value> = items.map(Value::object).collect();
    if items.is_empty() {
        return Value::List(List::nil(Elem::Named(elem)));
    }
    Value::List(List::typed(Elem::Named(elem), items))
}

fn named(object: &dyn Object, names: &[&'static str]) -> Fields {
    names
        .iter()
        .map(|n| (Cow::Borrowed(*n), object.field(n).unwrap_or_default()))
        .collect()
}

/// The fields that are not empty, by their JSON names (`omitempty`).
fn filled(object: &dyn Object, names: &[(&'static str, &str)]) -> Fields {
    let value = |field: &str| object.field(field).filter(Value::is_true);
    names
        .iter()
        .filter_map(|(json, field)| Some((Cow::Borrowed(*json), value(field)?)))
        .collect()
}
