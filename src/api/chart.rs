//! `spec.chart` and `spec.valuesFrom`: where charts and values come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the chart comes from. Exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.path), has(self.url), has(self.configMap), has(self.secret)].exists_one(x, x)")
    .message("exactly one of path, url, configMap and secret must be set"))]
pub struct ChartSource {
    /// A directory or .tgz file that the operator can read, below a directory that its settings name.
    /// A relative path is looked for in each of those directories, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub path: Option<String>,
    /// The https or http address of a .tgz file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: Option<String>,
    /// A .tgz file in a ConfigMap of the HelmApp's namespace: in binaryData, or base64 in data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ChartReference>,
    /// A .tgz file in a Secret of the HelmApp's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<ChartReference>,
}

/// A key of a ConfigMap or Secret that holds a chart archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartReference {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the archive.
    #[serde(default = "default_chart_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_chart_key() -> String {
    "chart.tgz".to_owned()
}

/// Values from a ConfigMap or Secret of the HelmApp's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.literal || has(self.targetPath)")
    .message("literal says how the content is set at targetPath, and needs one"))]
pub struct ValuesReference {
    /// ConfigMap or Secret.
    pub kind: ValuesKind,
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the values.
    #[serde(default = "default_values_key")]
    #[schemars(length(min = 1, max = 253))]
    pub values_key: String,
    /// Where the key's content goes, in dot notation as of `helm --set`. Without it the content is a YAML
    /// document that is merged at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub target_path: Option<String>,
    /// With targetPath: take the content as one string, as `helm --set-literal` does.
    #[serde(default)]
    pub literal: bool,
    /// Go on without it when the object or its key is not there.
    #[serde(default)]
    pub optional: bool,
}

fn default_values_key() -> String {
    "values.yaml".to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ValuesKind {
    ConfigMap,
    Secret,
}

impl ValuesKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}
