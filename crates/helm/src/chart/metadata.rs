//! `Chart.yaml`, its dependencies and its lock: fields in the order, and with the omissions, of Helm's own
//! structs, so that they serialise to the JSON of a release record as Helm's do.

use std::collections::BTreeMap;

use helmapp_gotmpl::semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    error::{Error, Result},
    path,
    typed::{self, Object},
};

fn is_false(value: &bool) -> bool {
    !*value
}

/// The contents of `Chart.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// The name. Required. For a sub-chart that is used under an alias, the alias.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The URL of the project's page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// URLs of the chart's source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The chart's version. Required; a semantic version, a leading `v` and missing parts allowed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence about the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who keeps the chart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// The URL of an icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1` or `v2`; `v1` where the file says nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// A condition; Helm keeps it and does nothing with it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags; Helm keeps them and does nothing with them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of the application.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart is no longer kept.
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The Kubernetes versions that the chart is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The charts that this one uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Whether there is a list of dependencies, be it empty: only then are sub-charts looked into.
    #[serde(skip)]
    pub(crate) declares_dependencies: bool,
    /// `application`, `library` or nothing, which means application.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub r#type: String,
}

impl Metadata {
    /// About how many bytes it takes up.
    pub(crate) fn bytes(&self) -> usize {
        fn texts<'a>(all: impl IntoIterator<Item = &'a String>) -> usize {
            all.into_iter().map(|text| size_of::<String>() + text.len()).sum()
        }
        let lines = [
            &self.name,
            &self.home,
            &self.version,
            &self.description,
            &self.icon,
            &self.api_version,
            &self.condition,
            &self.tags,
            &self.app_version,
            &self.kube_version,
            &self.r#type,
        ];
        let maintainers = self.maintainers.iter();
        texts(lines)
            + texts(&self.sources)
            + texts(&self.keywords)
            + texts(self.annotations.iter().flat_map(|(key, value)| [key, value]))
            + maintainers
                .map(|who| texts([&who.name, &who.email, &who.url]))
                .sum::<usize>()
            + self.dependencies.iter().map(Dependency::bytes).sum::<usize>()
    }
}

impl Dependency {
    fn bytes(&self) -> usize {
        let lines = [
            &self.name,
            &self.version,
            &self.repository,
            &self.condition,
            &self.alias,
        ];
        let texts: usize = lines.into_iter().chain(&self.tags).map(String::len).sum();
        let imports: usize = self
            .import_values
            .iter()
            .map(|import| import.to_string().len())
            .sum();
        size_of::<Self>() + texts + 2 * imports
    }
}

/// Somebody who keeps a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    /// The name of a person or organisation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The mail address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart that a chart uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// The name in the dependency's own `Chart.yaml`; its alias once dependencies are processed.
    pub name: String,
    /// The version, or the range of versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The URL of the repository.
    pub repository: String,
    /// Paths of values, divided by commas; the first that holds a boolean decides whether the chart is used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags by which the chart is used or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether the chart is used; decided by processing dependencies.
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// What of its values the chart around it takes over: names below `exports`, or mappings of `child` and
    /// `parent`. Anything else is kept and ignored, as in Helm.
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    /// The name to use the chart under.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// `Chart.lock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// When the lock was made, as RFC 3339 has it.
    pub generated: String,
    /// The digest of the dependencies in `Chart.yaml`.
    pub digest: String,
    /// The dependencies with their exact versions; Helm tells no list from an empty one.
    pub dependencies: Option<Vec<Dependency>>,
}

/// A `Chart.yaml` as read: a list's null items are only refused by [`Draft::validate`], after all files of the
/// chart were read, as in Helm.
#[derive(Debug, Default)]
pub(super) struct Draft {
    metadata: Metadata,
    maintainers: Vec<Option<Maintainer>>,
    dependencies: Vec<Option<Dependency>>,
}

impl Draft {
    /// Reads a document over what is already there: `Chart.yaml`, or `requirements.yaml` of a v1 chart.
    pub(super) fn read(&mut self, document: &Value) -> typed::Result<()> {
        let Some(object) = Object::root(document, "Metadata")? else {
            return Ok(());
        };
        let metadata = &mut self.metadata;
        object.string("name", &mut metadata.name)?;
        object.string("home", &mut metadata.home)?;
        object.strings("sources", &mut metadata.sources)?;
        object.string("version", &mut metadata.version)?;
        object.string("description", &mut metadata.description)?;
        object.strings("keywords", &mut metadata.keywords)?;
        object.objects(
            "maintainers",
            "Maintainer",
            &mut self.maintainers,
            read_maintainer,
        )?;
        object.string("icon", &mut metadata.icon)?;
        object.string("apiVersion", &mut metadata.api_version)?;
        object.string("condition", &mut metadata.condition)?;
        object.string("tags", &mut metadata.tags)?;
        object.string("appVersion", &mut metadata.app_version)?;
        object.boolean("deprecated", &mut metadata.deprecated)?;
        object.string_map("annotations", &mut metadata.annotations)?;
        object.string("kubeVersion", &mut metadata.kube_version)?;
        object.objects(
            "dependencies",
            "Dependency",
            &mut self.dependencies,
            read_dependency,
        )?;
        if let Some(declares) = object.last_is_set("dependencies") {
            metadata.declares_dependencies = declares;
        }
        object.string("type", &mut metadata.r#type)
    }

    /// A chart without `apiVersion` is a v1 chart.
    pub(super) fn default_api_version(&mut self) {
        if self.metadata.api_version.is_empty() {
            "v1".clone_into(&mut self.metadata.api_version);
        }
    }

    pub(super) fn is_v1(&self) -> bool {
        self.metadata.api_version == "v1"
    }

    /// Cleans the texts, checks the rules in Helm's order, and gives the metadata.
    pub(super) fn validate(self) -> Result<Metadata> {
        let mut metadata = self.metadata;
        for text in [
            &mut metadata.name,
            &mut metadata.description,
            &mut metadata.home,
            &mut metadata.icon,
            &mut metadata.condition,
            &mut metadata.tags,
            &mut metadata.app_version,
            &mut metadata.kube_version,
        ] {
            sanitize(text);
        }
        metadata.sources.iter_mut().for_each(sanitize);
        metadata.keywords.iter_mut().for_each(sanitize);
        check_head(&metadata)?;
        for maintainer in self.maintainers {
            let mut maintainer =
                maintainer.ok_or_else(|| invalid("maintainers must not contain empty or null nodes"))?;
            sanitize(&mut maintainer.name);
            sanitize(&mut maintainer.email);
            sanitize(&mut maintainer.url);
            metadata.maintainers.push(maintainer);
        }
        let mut names = std::collections::BTreeSet::new();
        for dependency in self.dependencies {
            let dependency = check_dependency(dependency)?;
            let name = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if !names.insert(name.clone()) {
                return Err(invalid(format!(
                    "more than one dependency with name or alias {name:?}"
                )));
            }
            metadata.dependencies.push(dependency);
        }
        Ok(metadata)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::Validation(message.into())
}

fn check_head(metadata: &Metadata) -> Result<()> {
    let Metadata { name, version, .. } = metadata;
    if metadata.api_version.is_empty() {
        return Err(invalid("chart.metadata.apiVersion is required"));
    }
    if name.is_empty() {
        return Err(invalid("chart.metadata.name is required"));
    }
    if name != path::base(name) {
        return Err(invalid(format!("chart.metadata.name {name:?} is invalid")));
    }
    if version.is_empty() {
        return Err(invalid("chart.metadata.version is required"));
    }
    if Version::parse(version).is_err() {
        return Err(invalid(format!("chart.metadata.version {version:?} is invalid")));
    }
    if !matches!(metadata.r#type.as_str(), "" | "application" | "library") {
        return Err(invalid("chart.metadata.type must be application or library"));
    }
    Ok(())
}

fn check_dependency(dependency: Option<Dependency>) -> Result<Dependency> {
    let mut dependency =
        dependency.ok_or_else(|| invalid("dependencies must not contain empty or null nodes"))?;
    sanitize(&mut dependency.name);
    sanitize(&mut dependency.version);
    sanitize(&mut dependency.repository);
    sanitize(&mut dependency.condition);
    dependency.tags.iter_mut().for_each(sanitize);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !dependency.alias.chars().all(allowed) {
        return Err(invalid(format!(
            "dependency {:?} has disallowed characters in the alias",
            dependency.name
        )));
    }
    Ok(dependency)
}

fn read_maintainer(object: &Object<'_>, maintainer: &mut Maintainer) -> typed::Result<()> {
    object.string("name", &mut maintainer.name)?;
    object.string("email", &mut maintainer.email)?;
    object.string("url", &mut maintainer.url)
}

fn read_dependency(object: &Object<'_>, dependency: &mut Dependency) -> typed::Result<()> {
    object.string("name", &mut dependency.name)?;
    object.string("version", &mut dependency.version)?;
    object.string("repository", &mut dependency.repository)?;
    object.string("condition", &mut dependency.condition)?;
    object.strings("tags", &mut dependency.tags)?;
    object.boolean("enabled", &mut dependency.enabled)?;
    object.list(
        "import-values",
        "[]interface {}",
        &mut dependency.import_values,
        |value| Ok(value.clone()),
    )?;
    object.string("alias", &mut dependency.alias)
}

impl Lock {
    /// Reads a lock file; null items of its list are dropped.
    pub(super) fn read(document: &Value) -> typed::Result<Option<Self>> {
        let Some(object) = Object::root(document, "Lock")? else {
            return Ok(None);
        };
        let mut lock = Self {
            generated: ZERO_TIME.to_owned(),
            ..Self::default()
        };
        let mut generated = String::new();
        object.string("generated", &mut generated)?;
        if !generated.is_empty() {
            lock.generated = normal_time(&generated).ok_or_else(|| {
                format!(
                    "error unmarshaling JSON: while decoding JSON: parsing time {generated:?} as RFC 3339 failed"
                )
            })?;
        }
        object.string("digest", &mut lock.digest)?;
        let mut dependencies = Vec::new();
        object.objects("dependencies", "Dependency", &mut dependencies, read_dependency)?;
        if object.last_is_set("dependencies") == Some(true) {
            lock.dependencies = Some(dependencies.into_iter().flatten().collect());
        }
        Ok(Some(lock))
    }
}

/// How Go writes a time that was never set.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// The text that Go writes for an RFC 3339 time it has read: the fraction without trailing zeros, `Z` for UTC.
fn normal_time(text: &str) -> Option<String> {
    let (seconds, rest) = text.split_at_checked(19)?;
    let shape = seconds
        .bytes()
        .zip(b"0000-00-00T00:00:00")
        .all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == *wanted,
        });
    if !shape || !seconds.is_ascii() {
        return None;
    }
    let digits = |from: usize, to: usize| seconds.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || digits(11, 13)? > 23 || digits(14, 16)? > 59 || digits(17, 19)? > 59 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let (fraction, zone) = rest.split_at(end);
            if fraction.is_empty() {
                return None;
            }
            (fraction.get(..9).unwrap_or(fraction).trim_end_matches('0'), zone)
        }
        None => ("", rest),
    };
    let zone = match zone.as_bytes() {
        b"Z" => "Z",
        [
            b'+' | b'-',
            b'0'..=b'2',
            b'0'..=b'9',
            b':',
            b'0'..=b'5',
            b'0'..=b'9',
        ] => match zone {
            "+00:00" | "-00:00" => "Z",
            zone if zone.get(1..3)? < "24" => zone,
            _ => return None,
        },
        _ => return None,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{seconds}{dot}{fraction}{zone}"))
}

/// Makes every white space a space and drops what is not printable.
fn sanitize(text: &mut String) {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| {
            if c.is_whitespace() {
                Some(' ')
            } else {
                is_print(c).then_some(c)
            }
        })
        .collect();
}

/// Letters, marks, numbers, punctuation, symbols and the space (`unicode.IsPrint`). The standard library has
/// this table only inside its escaping: a character after the first is escaped where it is not printable.
fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    let after_first: String = ['a', c].iter().collect();
    after_first.escape_debug().count() == 2
}
