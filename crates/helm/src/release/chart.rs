//! The chart inside a release record: metadata, values and files, without its dependencies (as Helm keeps it).

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, codec};
use crate::chart::{Chart, File};

/// The chart of a release record.
///
/// It does not change once made, and its compressed form is kept after the first encoding: the releases and revisions
/// of one chart share it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChartRecord {
    /// Chart.yaml.
    pub metadata: Value,
    /// Chart.lock.
    pub lock: Value,
    /// The files under templates/.
    #[serde(deserialize_with = "super::null_default")]
    pub templates: Vec<FileRecord>,
    /// The chart's default values.
    pub values: Value,
    /// values.schema.json in base64.
    pub schema: Option<String>,
    /// All other files.
    #[serde(deserialize_with = "super::null_default")]
    pub files: Vec<FileRecord>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    #[serde(skip)]
    compressed: OnceLock<Vec<u8>>,
}

/// A file of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileRecord {
    /// Its path inside the chart.
    pub name: String,
    /// Its bytes in base64.
    pub data: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl FileRecord {
    /// The record of a file.
    pub fn new(name: impl Into<String>, data: &[u8]) -> Self {
        FileRecord {
            name: name.into(),
            data: Some(codec::to_base64(data)),
            extra: Map::new(),
        }
    }
}

impl ChartRecord {
    /// The record of a chart's parts.
    pub fn new(
        metadata: Value,
        lock: Value,
        templates: Vec<FileRecord>,
        values: Value,
        schema: Option<&[u8]>,
        files: Vec<FileRecord>,
    ) -> Self {
        ChartRecord {
            metadata,
            lock,
            templates,
            values,
            schema: schema.map(codec::to_base64),
            files,
            extra: Map::new(),
            compressed: OnceLock::new(),
        }
    }

    /// The record of a chart: like Helm's, without the sub-charts.
    ///
    /// # Errors
    /// When the metadata can not be written as JSON.
    pub fn of(chart: &Chart) -> Result<Self, Error> {
        let files = |files: &[File]| files.iter().map(|f| FileRecord::new(&*f.name, &f.data)).collect();
        Ok(ChartRecord::new(
            serde_json::to_value(&chart.metadata).map_err(Error::Serialize)?,
            serde_json::to_value(&chart.lock).map_err(Error::Serialize)?,
            files(&chart.templates),
            chart.values.to_json(),
            chart.schema.as_deref(),
            files(&chart.files),
        ))
    }

    /// The chart's name; empty when the record has none.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The chart's version; empty when the record has none.
    pub fn version(&self) -> &str {
        self.text("version")
    }

    /// The application's version; empty when the record has none.
    pub fn app_version(&self) -> &str {
        self.text("appVersion")
    }

    fn text(&self, key: &str) -> &str {
        self.metadata.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The chart without its templates, files and schema, for a record that would be too large with them.
    pub fn without_files(&self) -> ChartRecord {
        ChartRecord {
            metadata: self.metadata.clone(),
            lock: self.lock.clone(),
            values: self.values.clone(),
            extra: self.extra.clone(),
            ..ChartRecord::default()
        }
    }

    /// `{"chart":…,` as one gzip member.
    pub(super) fn compressed(&self) -> Result<&[u8], Error> {
        if let Some(bytes) = self.compressed.get() {
            return Ok(bytes);
        }
        let mut json = b"{\"chart\":".to_vec();
        serde_json::to_writer(&mut json, self).map_err(Error::Serialize)?;
        json.push(b',');
        let member = codec::gzip(&json)?;
        Ok(self.compressed.get_or_init(|| member))
    }
}

impl Clone for ChartRecord {
    fn clone(&self) -> Self {
        ChartRecord {
            metadata: self.metadata.clone(),
            lock: self.lock.clone(),
            templates: self.templates.clone(),
            values: self.values.clone(),
            schema: self.schema.clone(),
            files: self.files.clone(),
            extra: self.extra.clone(),
            compressed: OnceLock::new(),
        }
    }
}

impl PartialEq for ChartRecord {
    fn eq(&self, other: &Self) -> bool {
        (
            &self.metadata,
            &self.lock,
            &self.templates,
            &self.values,
            &self.schema,
            &self.files,
            &self.extra,
        ) == (
            &other.metadata,
            &other.lock,
            &other.templates,
            &other.values,
            &other.schema,
            &other.files,
            &other.extra,
        )
    }
}
