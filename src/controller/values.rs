//! The values of a HelmApp: the chart's values files, then what ConfigMaps and Secrets hold, then
//! `spec.values`, then what goes to a path of its own. Reading is one step, putting together another, pure one.

use std::collections::BTreeMap;

use helmapp_goyaml::{
    Limits, Options,
    sigs::{self, Numbers},
};
use helmapp_helm::{
    chart::Chart,
    values::{
        Table, merge_maps,
        set::{parse_into, parse_literal_into, parse_string_into},
    },
};
use kube::Client;
use serde_json::Value;

use crate::{
    api::{ChartReference, HelmAppSpec, ValuesKind, ValuesReference, conditions::reason},
    cluster::{
        self,
        content::{self, Content},
    },
};

/// A ConfigMap or Secret of the HelmApp's namespace that the spec refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub kind: ValuesKind,
    pub name: String,
}

/// Everything that the spec refers to, chart and values, each once.
pub fn references(spec: &HelmAppSpec) -> Vec<Reference> {
    let charts = [
        (ValuesKind::ConfigMap, &spec.chart.config_map),
        (ValuesKind::Secret, &spec.chart.secret),
    ];
    let charts = charts.into_iter().filter_map(|(kind, chart)| {
        let ChartReference { name, .. } = chart.as_ref()?;
        Some(Reference {
            kind,
            name: name.clone(),
        })
    });
    let values = spec.values_from.iter().map(Reference::of);
    let mut all: Vec<Reference> = charts.chain(values).collect();
    all.sort();
    all.dedup();
    all
}

impl Reference {
    pub fn of(from: &ValuesReference) -> Self {
        Self {
            kind: from.kind,
            name: from.name.clone(),
        }
    }
}

/// The objects of `spec.valuesFrom`; those that are not there are absent.
pub type Contents = BTreeMap<Reference, Content>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(
        "spec.valuesFrom[{index}]: {} \"{name}\" does not exist; create it, or set optional",
        kind.as_str()
    )]
    NotFound {
        index: usize,
        kind: ValuesKind,
        name: String,
    },
    #[error(
        "spec.valuesFrom[{index}]: {} \"{name}\" has no key {key:?}; set valuesKey, or optional",
        kind.as_str()
    )]
    NoKey {
        index: usize,
        kind: ValuesKind,
        name: String,
        key: String,
    },
    #[error(
        "spec.valuesFrom[{index}]: key {key:?} of {} \"{name}\": {message}",
        kind.as_str()
    )]
    Unusable {
        index: usize,
        kind: ValuesKind,
        name: String,
        key: String,
        message: String,
    },
    #[error("spec.valuesFiles[{index}]: the chart has no file {file:?}")]
    NoFile { index: usize, file: String },
    #[error("spec.valuesFiles[{index}]: {file:?} of the chart: {message}")]
    File {
        index: usize,
        file: String,
        message: String,
    },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The reason for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Cluster(error) if error.is_forbidden() => reason::FORBIDDEN,
            Self::Cluster(error) if error.is_transient() => reason::API_UNAVAILABLE,
            _ => reason::VALUES_ERROR,
        }
    }
}

/// Reads the objects of `spec.valuesFrom` from the namespace `home`, each once, with the rights of `client`.
pub async fn read(client: &Client, home: &str, spec: &HelmAppSpec) -> Result<Contents> {
    let mut wanted: Vec<Reference> = spec.values_from.iter().map(Reference::of).collect();
    wanted.sort();
    wanted.dedup();
    let mut contents = Contents::new();
    for reference in wanted {
        let Reference { kind, name } = &reference;
        let doing = format!("read values from {} {home}/{name}", kind.as_str());
        if let Some(content) = content::read(client, *kind, home, name, &doing).await? {
            contents.insert(reference, content);
        }
    }
    Ok(contents)
}

/// The values that the chart is given. Integers stay integers.
pub fn compose(spec: &HelmAppSpec, chart: &Chart, contents: &Contents, limits: &Limits) -> Result<Table> {
    let mut values = Table::new();
    for (index, file) in spec.values_files.iter().enumerate() {
        values = merge_maps(values, chart_file(index, file, chart, limits)?);
    }
    let given = spec.values_from.iter().enumerate();
    for (index, from) in given.clone().filter(|(_, from)| from.target_path.is_none()) {
        if let Some(bytes) = find(index, from, contents)? {
            let layer = mapping(bytes, from.kind == ValuesKind::Secret, limits)
                .map_err(|message| unusable(index, from, message))?;
            values = merge_maps(values, layer);
        }
    }
    if let Some(own) = &spec.values {
        values = merge_maps(values, own.clone());
    }
    for (index, from) in given {
        let Some(path) = &from.target_path else { continue };
        if let Some(bytes) = find(index, from, contents)? {
            put(path, bytes, from, &mut values).map_err(|message| unusable(index, from, message))?;
        }
    }
    Ok(values)
}

fn chart_file(index: usize, file: &str, chart: &Chart, limits: &Limits) -> Result<Table> {
    let name = file.strip_prefix("./").unwrap_or(file);
    let found = chart.raw.iter().find(|candidate| &*candidate.name == name);
    let found = found.ok_or_else(|| Error::NoFile {
        index,
        file: file.to_owned(),
    })?;
    mapping(&found.data, false, limits).map_err(|message| Error::File {
        index,
        file: file.to_owned(),
        message,
    })
}

fn find<'a>(index: usize, from: &ValuesReference, contents: &'a Contents) -> Result<Option<&'a [u8]>> {
    let content = contents.get(&Reference::of(from));
    match (
        content,
        content.and_then(|content| content.data.get(&from.values_key)),
    ) {
        (_, Some(bytes)) => Ok(Some(bytes)),
        _ if from.optional => Ok(None),
        (None, _) => Err(Error::NotFound {
            index,
            kind: from.kind,
            name: from.name.clone(),
        }),
        (Some(_), None) => Err(Error::NoKey {
            index,
            kind: from.kind,
            name: from.name.clone(),
            key: from.values_key.clone(),
        }),
    }
}

fn unusable(index: usize, from: &ValuesReference, message: String) -> Error {
    Error::Unusable {
        index,
        kind: from.kind,
        name: from.name.clone(),
        key: from.values_key.clone(),
        message,
    }
}

fn mapping(bytes: &[u8], secret: bool, limits: &Limits) -> Result<Table, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let options = Options {
        limits: *limits,
        ..Options::default()
    };
    match sigs::to_json_with(text, Numbers::Exact, &options) {
        Ok(Value::Null) => Ok(Table::new()),
        Ok(Value::Object(table)) => Ok(table),
        Ok(_) => Err("it is not a mapping of values".to_owned()),
        // The parser's words could quote a value.
        Err(_) if secret => Err(
            "it is not YAML (the parser's message is not shown because the object is a Secret)".to_owned(),
        ),
        Err(error) => Err(error.to_string()),
    }
}

/// Sets one value at a path. Quotes around the whole content make it a text, as in Flux.
fn put(path: &str, bytes: &[u8], from: &ValuesReference, values: &mut Table) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    let result = if from.literal {
        parse_literal_into(&format!("{path}={text}"), values)
    } else if quoted('\'') || quoted('"') {
        parse_string_into(&format!("{path}={}", text.trim_matches(['\'', '"'])), values)
    } else {
        parse_into(&format!("{path}={text}"), values)
    };
    result.map_err(|error| match from.kind {
        ValuesKind::Secret => {
            format!("it can not be set at targetPath {path:?}; set literal to take it as it is")
        }
        ValuesKind::ConfigMap => format!("it can not be set at targetPath {path:?}: {error}"),
    })
}

#[cfg(test)]
mod tests;
