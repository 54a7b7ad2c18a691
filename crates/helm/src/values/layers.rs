//! The values of a command line: files, then `--set-json`, `--set`, `--set-string`, `--set-file` and
//! `--set-literal`, each over what was there (`cli/values.Options` of Helm 3.19).

use helmapp_goyaml::sigs::{self, Numbers};
use helmapp_goyaml::{Limits, Options};
use serde_json::Value;

use super::{
    Table,
    set::{ParseError, parse_file_into, parse_into, parse_json_into, parse_literal_into, parse_string_into},
    text,
};

/// What the flags of a command line say, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// `-f`, `--values`.
    pub value_files: Vec<String>,
    /// `--set-json`.
    pub json_values: Vec<String>,
    /// `--set`.
    pub values: Vec<String>,
    /// `--set-string`.
    pub string_values: Vec<String>,
    /// `--set-file`.
    pub file_values: Vec<String>,
    /// `--set-literal`.
    pub literal_values: Vec<String>,
}

/// The values of a command line could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayersError {
    /// A values file could not be read.
    #[error("{0}")]
    Read(String),
    /// A values file is no YAML, or no mapping.
    #[error("failed to parse {file}: {message}")]
    File {
        /// The file.
        file: String,
        /// Why, with the line where it is known.
        message: String,
    },
    /// A `--set-json` could not be used.
    #[error("failed parsing --set-json data {0}")]
    Json(String),
    /// Another flag could not be used.
    #[error("failed parsing {flag} data: {source}")]
    Set {
        /// The flag.
        flag: &'static str,
        /// Why.
        source: ParseError,
    },
}

impl Layers {
    /// Puts the layers together; `read` gives the contents of a file, or why there are none.
    ///
    /// # Errors
    /// [`LayersError`], in Helm's words.
    pub fn merge(&self, mut read: impl FnMut(&str) -> Result<Vec<u8>, String>) -> Result<Table, LayersError> {
        let mut values = Table::new();
        for file in &self.value_files {
            let bytes = read(file).map_err(LayersError::Read)?;
            let layer = read_yaml(&bytes).map_err(|message| LayersError::File {
                file: file.clone(),
                message,
            })?;
            values = merge_maps(values, layer);
        }
        for text in &self.json_values {
            parse_json_into(text, &mut values).map_err(|_| LayersError::Json(text.clone()))?;
        }
        let flag = |flag: &'static str| move |source| LayersError::Set { flag, source };
        for text in &self.values {
            parse_into(text, &mut values).map_err(flag("--set"))?;
        }
        for text in &self.string_values {
            parse_string_into(text, &mut values).map_err(flag("--set-string"))?;
        }
        for text in &self.file_values {
            let contents = |path: &str| read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            parse_file_into(text, &mut values, contents).map_err(flag("--set-file"))?;
        }
        for text in &self.literal_values {
            parse_literal_into(text, &mut values).map_err(flag("--set-literal"))?;
        }
        Ok(values)
    }
}

/// Reads a values file as Helm does, with all numbers as floats; an empty one is the empty table.
///
/// # Errors
/// The text of Go's YAML or JSON package.
pub fn read_yaml(bytes: &[u8]) -> Result<Table, String> {
    read_yaml_within(bytes, &Limits::default())
}

/// [`read_yaml`] within the caller's limits.
///
/// # Errors
/// As [`read_yaml`].
pub fn read_yaml_within(bytes: &[u8], limits: &Limits) -> Result<Table, String> {
    let text = sigs::decode_text(bytes).map_err(|error| error.to_string())?;
    let options = Options {
        limits: *limits,
        ..Options::default()
    };
    match sigs::to_json_with(&text, Numbers::Float64, &options).map_err(|error| error.to_string())? {
        Value::Null => Ok(Table::new()),
        Value::Object(table) => Ok(table),
        other => Err(text::not_a_map(&other)),
    }
}

/// Puts a layer over a base: tables are merged, all else is replaced, and nulls stay.
pub fn merge_maps(mut base: Table, layer: Table) -> Table {
    for (key, value) in layer {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => {
                *below = merge_maps(std::mem::take(below), value);
            }
            (Some(present), value) => *present = value,
            (None, value) => {
                base.insert(key, value);
            }
        }
    }
    base
}
