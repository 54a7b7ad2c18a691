//! `.Capabilities` as templates see it: the structs, their methods, and the set of API versions.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use helmapp_gotmpl::{Error, Kind, List, Object, ParamType, Signature, State, Str, Value};

use super::asked::Asked;
use crate::capabilities::Capabilities;

type Fields = Vec<(Cow<'static, str>, Value)>;

/// `*chartutil.Capabilities`
#[derive(Debug)]
pub(super) struct CapabilitiesObject {
    of: Arc<Capabilities>,
    asked: Arc<Asked>,
    versions: OnceCell<Value>,
}

impl CapabilitiesObject {
    pub(super) fn new(of: Arc<Capabilities>, asked: Arc<Asked>) -> Self {
        CapabilitiesObject {
            of,
            asked,
            versions: OnceCell::new(),
        }
    }
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> Cow<'static, str> {
        "*chartutil.Capabilities".into()
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => {
                self.asked.kube_version();
                Some(Value::object(KubeVersion {
                    capabilities: Arc::clone(&self.of),
                    addressable: true,
                }))
            }
            "APIVersions" => Some(
                self.versions
                    .get_or_init(|| {
                        Value::object(VersionSet {
                            of: Arc::clone(&self.of),
                            asked: Arc::clone(&self.asked),
                            list: OnceCell::new(),
                        })
                    })
                    .clone(),
            ),
            "HelmVersion" => Some(Value::object(BuildInfo(Arc::clone(&self.of)))),
            _ => None,
        }
    }

    fn fields(&self) -> Fields {
        named(self, &["KubeVersion", "APIVersions", "HelmVersion"])
    }

    fn json_members(&self) -> Option<Fields> {
        Some(self.fields())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Copy").then(|| Signature::fixed(&[]))
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(Value::object(CapabilitiesObject::new(
            Arc::clone(&self.of),
            Arc::clone(&self.asked),
        )))
    }
}

/// `chartutil.KubeVersion`
#[derive(Debug)]
struct KubeVersion {
    capabilities: Arc<Capabilities>,
    /// Whether it still stands in `.Capabilities`, where Go can take its address.
    addressable: bool,
}

impl Object for KubeVersion {
    fn type_name(&self) -> Cow<'static, str> {
        "chartutil.KubeVersion".into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let version = &self.capabilities.kube_version;
        match name {
            "Version" => Some(Value::from(version.version.as_str())),
            "Major" => Some(Value::from(version.major.as_str())),
            "Minor" => Some(Value::from(version.minor.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Fields {
        named(self, &["Version", "Major", "Minor"])
    }

    fn json_members(&self) -> Option<Fields> {
        Some(self.fields())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "String" | "GitVersion").then(|| Signature::fixed(&[]))
    }

    fn call_method(&self, _: &mut State, _: &str, _: &mut [Value]) -> Result<Value, Error> {
        Ok(Value::from(self.capabilities.kube_version.version.as_str()))
    }

    fn pointer_string(&self) -> Option<Str> {
        self.addressable
            .then(|| Str::from(&self.capabilities.kube_version.version))
    }

    fn as_argument(&self) -> Option<Value> {
        let passed = || KubeVersion {
            capabilities: Arc::clone(&self.capabilities),
            addressable: false,
        };
        self.addressable.then(|| Value::object(passed()))
    }
}

/// `version.BuildInfo`
#[derive(Debug)]
struct BuildInfo(Arc<Capabilities>);

impl Object for BuildInfo {
    fn type_name(&self) -> Cow<'static, str> {
        "version.BuildInfo".into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let helm = &self.0.helm_version;
        match name {
            "Version" => Some(Value::from(helm.version.as_str())),
            "GitCommit" => Some(Value::from(helm.git_commit.as_str())),
            "GitTreeState" => Some(Value::from(helm.git_tree_state.as_str())),
            "GoVersion" => Some(Value::from(helm.go_version.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Fields {
        named(self, &["Version", "GitCommit", "GitTreeState", "GoVersion"])
    }

    fn json_members(&self) -> Option<Fields> {
        let helm = &self.0.helm_version;
        let members = [
            ("version", &helm.version),
            ("git_commit", &helm.git_commit),
            ("git_tree_state", &helm.git_tree_state),
            ("go_version", &helm.go_version),
        ];
        let filled = members.into_iter().filter(|(_, text)| !text.is_empty());
        Some(
            filled
                .map(|(name, text)| (name.into(), Value::from(text.as_str())))
                .collect(),
        )
    }
}

/// `chartutil.VersionSet`
#[derive(Debug)]
struct VersionSet {
    of: Arc<Capabilities>,
    asked: Arc<Asked>,
    list: OnceCell<Value>,
}

impl Object for VersionSet {
    fn type_name(&self) -> Cow<'static, str> {
        "chartutil.VersionSet".into()
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn underlying(&self) -> Option<Value> {
        self.asked.api_versions();
        let build = || Value::List(List::strings(self.of.api_versions.iter().map(String::as_str)));
        Some(self.list.get_or_init(build).clone())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Has").then(|| Signature::fixed(&[ParamType::String]))
    }

    fn call_method(&self, state: &mut State, _: &str, args: &mut [Value]) -> Result<Value, Error> {
        let wanted = args.first().and_then(Value::as_str).and_then(Str::as_utf8);
        // The question is remembered.
        state.spend(8 + wanted.map_or(0, str::len) as u64 / 8)?;
        Ok(Value::Bool(wanted.is_some_and(|version| {
            self.asked.api_version(version);
            self.of.has(version)
        })))
    }
}

fn named(object: &dyn Object, names: &[&'static str]) -> Fields {
    names
        .iter()
        .map(|n| (Cow::Borrowed(*n), object.field(n).unwrap_or_default()))
        .collect()
}
