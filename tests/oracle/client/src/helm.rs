//! What the two Helms are asked and what they answer (tests/oracle/judge).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A file of a chart, or one that `--set-file` reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path below the chart's directory.
    pub name: String,
    /// Its content.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Its content in the place of `text`, if it is no text: in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bytes: String,
    /// Only on disk: the files of the archive that it is, in the place of `text`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packed: Vec<File>,
    /// Only on disk: where it leads, if it is a symbolic link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
}

impl File {
    /// Its content.
    ///
    /// # Panics
    /// `bytes` is not base64.
    pub fn data(&self) -> Vec<u8> {
        match self.bytes.is_empty() {
            true => self.text.clone().into_bytes(),
            false => STANDARD.decode(&self.bytes).expect("bytes in base64"),
        }
    }

    /// The same with its text as UTF-16, with a byte order mark: its low bytes first, or its high ones.
    pub fn utf_16(&self, low_first: bool) -> File {
        let units = std::iter::once(0xFEFF).chain(self.text.encode_utf16());
        let order = |unit: u16| {
            if low_first {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        };
        let bytes: Vec<u8> = units.flat_map(order).collect();
        File {
            text: String::new(),
            bytes: STANDARD.encode(bytes),
            ..self.clone()
        }
    }
}

/// A chart with all that `helm template` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Case {
    /// `template`, `values` or `time`.
    pub op: String,
    /// A chart's directory or archive, in the place of `files`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The chart's files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Where the files are: `dir`, `tgz`, or nothing for in memory. Whoever asks puts them there and sets `path`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// The texts of `-f`, which messages call `case:0`, `case:1` and so on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `--set-json`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_json: Vec<String>,
    /// `--set`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// `--set-string`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_string: Vec<String>,
    /// `--set-file`, with paths of the form `case:NAME`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_file: Vec<String>,
    /// `--set-literal`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_literal: Vec<String>,
    /// What `--set-file` finds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<File>,
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// `--kube-version`; empty for the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// `--api-versions`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// `--is-upgrade`.
    #[serde(skip_serializing_if = "is_false")]
    pub upgrade: bool,
    /// `--include-crds`.
    #[serde(skip_serializing_if = "is_false")]
    pub include_crds: bool,
    /// `--skip-schema-validation`.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_schema: bool,
    /// What is timed: `load`, `values`, `render`, `manifest` or `all`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// How often it is timed.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u64,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What Helm makes of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Standard output, or values as JSON.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub out: String,
    /// The error, as the command prints it behind `Error: `.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub err: String,
    /// The notes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// The lines that were logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How long each run took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nanos: Vec<u64>,
    /// The bytes that a run allocates on average.
    #[serde(skip_serializing_if = "is_zero")]
    pub allocated: u64,
    /// The nanoseconds of processor time, all threads together, that a run takes on average.
    #[serde(skip_serializing_if = "is_zero")]
    pub processor: u64,
}
