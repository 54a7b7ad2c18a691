//! What `helmapp template` takes: the flags of `helm template`.

use clap::{ArgAction, Args};
use helmapp_helm::render::FunctionSet;

use super::unused::{Unused, go_bool};

/// Render a chart to standard output, byte for byte as `helm template` does
///
/// Takes the flags of helm template. Those that speak of a cluster or of a chart's server are taken and change
/// nothing; those that would change the output and can't be honoured here are refused.
#[derive(Args, Clone, Debug, Default)]
#[command(args_override_self = true)]
pub struct Arguments {
    /// NAME and CHART, or CHART alone; a chart is a directory or a .tgz
    #[arg(value_name = "[NAME] CHART", required = true, num_args = 1..)]
    pub positional: Vec<String>,
    /// Namespace of the release
    #[arg(short, long, env = "HELM_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Values from a YAML file, - for standard input (repeatable, later ones win)
    #[arg(short = 'f', long = "values", value_delimiter = ',', value_name = "FILE")]
    pub values: Vec<String>,
    /// Values: key1=val1,key2=val2 (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub set: Vec<String>,
    /// Values that stay strings (repeatable)
    #[arg(long, value_name = "KEY=TEXT", allow_hyphen_values = true)]
    pub set_string: Vec<String>,
    /// Values from files: key1=path1,key2=path2 (repeatable)
    #[arg(long, value_name = "KEY=FILE", allow_hyphen_values = true)]
    pub set_file: Vec<String>,
    /// Values in JSON: key1=json1,key2=json2, or one object (repeatable)
    #[arg(long, value_name = "KEY=JSON", allow_hyphen_values = true)]
    pub set_json: Vec<String>,
    /// Values taken literally (repeatable)
    #[arg(long, value_name = "KEY=TEXT", allow_hyphen_values = true)]
    pub set_literal: Vec<String>,
    /// Kubernetes version for .Capabilities.KubeVersion
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// Kubernetes API versions for .Capabilities.APIVersions (repeatable)
    #[arg(short, long, value_delimiter = ',', value_name = "VERSION")]
    pub api_versions: Vec<String>,
    /// Whose functions templates may call: helm3, or helm4 for those too that Helm 4 added, such as durationHours and
    /// mustToYaml
    #[arg(long, default_value = "helm3", value_name = "HELM")]
    pub template_functions: FunctionSet,
    /// Include the CRDs of crds/
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub include_crds: bool,
    /// Only what these templates render; * and ? match within a path (repeatable)
    #[arg(short, long, value_name = "TEMPLATE")]
    pub show_only: Vec<String>,
    /// Leave out test hooks
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub skip_tests: bool,
    /// Leave out all hooks
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub no_hooks: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub is_upgrade: bool,
    /// A template for the release's name
    #[arg(long, value_name = "TEMPLATE")]
    pub name_template: Option<String>,
    /// Accepted as in Helm, whose template command calls a nameless release release-name all the same
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub generate_name: bool,
    /// Write files below this directory instead of standard output
    #[arg(long, value_name = "DIRECTORY")]
    pub output_dir: Option<String>,
    /// With --output-dir: a directory named after the release in between
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub release_name: bool,
    /// Do not check values against values.schema.json
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set)]
    pub skip_schema_validation: bool,
    /// Show what was rendered even when it is not valid
    #[arg(long, env = "HELM_DEBUG", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = debug, action = ArgAction::Set)]
    pub debug: bool,
    #[command(flatten)]
    pub unused: Unused,
}

/// HELM_DEBUG is off where it is no truth value, as in Helm.
fn debug(text: &str) -> Result<bool, String> {
    Ok(go_bool(text).unwrap_or_default())
}
