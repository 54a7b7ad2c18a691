//! A case: templates or a format, data, options; and running it on this crate.

use std::sync::Arc;

use helmapp_gotmpl::{Limits, Map, MissingKey, State, TemplateSet, fmt};
use serde::{Deserialize, Serialize};

use crate::host;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A request as the oracle reads it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Case {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) templates: Vec<Source>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) execute: String,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub(crate) data: serde_json::Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) missingkey: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
}

/// What came out: the output, or the error's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) error: String,
}

impl Case {
    pub(crate) fn run(&self) -> Answer {
        match self.try_run() {
            Ok(output) => Answer {
                output,
                error: String::new(),
            },
            Err(error) => Answer {
                output: String::new(),
                error,
            },
        }
    }

    fn try_run(&self) -> Result<String, String> {
        let data = host::data(&self.data);
        if let Some(format) = &self.format {
            let args = data.as_list().map(|l| l.to_vec()).unwrap_or_default();
            let mut out = fmt::Output::new();
            fmt::sprintf(&mut out, format.as_bytes(), &args).map_err(|e| e.to_string())?;
            return Ok(out.into_string());
        }
        let missing = match self.missingkey.as_str() {
            "zero" => MissingKey::Zero,
            "error" => MissingKey::Error,
            _ => MissingKey::Default,
        };
        let mut set = TemplateSet::new("root", Arc::new(host::functions())).with_missing_key(missing);
        for source in &self.templates {
            set.add(&source.name, &source.text).map_err(|e| e.to_string())?;
        }
        let mut state = State::new(Limits::default());
        Arc::new(set)
            .execute(&self.execute, &data, &mut state)
            .map_err(|e| e.to_string())
    }
}

/// The number of a map's entries, for hosts in tests.
pub(crate) fn entries(map: &Map) -> i64 {
    map.len() as i64
}
