//! One case: what to render, what Helm gave, and how ours compares.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use helmapp::cli::template::{Arguments, template};
use helmapp_goyaml::sigs::{Numbers, to_json};
use helmapp_helm::manifest::split_documents;
use serde::Deserialize;
use serde_json::Value;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    chart: String,
    release: String,
    namespace: String,
    kube_version: Option<String>,
    #[serde(default)]
    api_versions: Vec<String>,
    #[serde(default)]
    values_files: Vec<String>,
    #[serde(default)]
    set_args: Vec<String>,
    #[serde(default, rename = "includeCRDs")]
    include_crds: bool,
    #[serde(default)]
    is_upgrade: bool,
    #[serde(default = "yes")]
    deterministic: bool,
    nondeterministic_lines: Option<Vec<Value>>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The same output every time.
    Equal,
    /// Helm fails.
    Error,
    /// Some lines differ from run to run.
    Random,
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    description: Description,
    charts: PathBuf,
    folder: PathBuf,
}

pub(crate) struct Outcome {
    /// Equal to the byte, or failed as Helm did, or differs only where Helm differs from itself.
    pub(crate) bytes: bool,
    /// The same objects.
    pub(crate) objects: bool,
    /// Standard error is the same.
    pub(crate) messages: bool,
    /// What is different.
    pub(crate) difference: Option<String>,
}

impl Case {
    pub(crate) fn all(corpus: &Path) -> Vec<Case> {
        let mut folders: Vec<PathBuf> = fs::read_dir(corpus.join("cases"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        folders.sort();
        folders
            .into_iter()
            .map(|folder| Case::read(folder, corpus.join("charts")))
            .collect()
    }

    fn read(folder: PathBuf, charts: PathBuf) -> Case {
        let text = fs::read_to_string(folder.join("case.json")).unwrap();
        let description: Description = serde_json::from_str(&text).unwrap();
        let renders = folder.join("expected.yaml.gz").exists() || folder.join("expected.yaml").exists();
        let kind = match (renders, description.deterministic) {
            (false, _) => Kind::Error,
            (true, true) => Kind::Equal,
            (true, false) => Kind::Random,
        };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Case {
            name,
            kind,
            description,
            charts,
            folder,
        }
    }

    pub(crate) fn run(&self) -> Outcome {
        let (mut out, mut messages) = (Vec::new(), Vec::new());
        let result = template(&self.arguments(), &mut out, &mut messages);
        let ours = String::from_utf8_lossy(&out).into_owned();
        let mut messages = String::from_utf8_lossy(&messages).into_owned();
        if let Err(error) = &result {
            messages.push_str(&format!("Error: {error:#}\n"));
        }
        let told = self.expected_messages();
        let mut outcome = self.compare(result, &ours);
        outcome.messages = messages == told || self.kind == Kind::Error && !self.description.deterministic;
        if !outcome.messages && outcome.difference.is_none() {
            outcome.difference = Some(format!("messages: {}", first_difference(&messages, &told)));
        }
        outcome
    }

    fn compare(&self, result: anyhow::Result<()>, ours: &str) -> Outcome {
        match (self.kind, result) {
            (Kind::Error, Err(_)) => Outcome::agrees(),
            (Kind::Error, Ok(())) => Outcome::differs("Helm fails, ours does not"),
            (_, Err(error)) => Outcome::differs(error.to_string().lines().next().unwrap_or_default()),
            (Kind::Random, Ok(())) => match self.alike(ours, &self.expected()) {
                true => Outcome::agrees(),
                false => Outcome::differs("more lines differ than Helm's own"),
            },
            (Kind::Equal, Ok(())) => {
                let expected = self.expected();
                if ours == expected {
                    return Outcome::agrees();
                }
                let objects = objects(ours).is_some_and(|o| Some(o) == objects(&expected));
                Outcome {
                    objects,
                    ..Outcome::differs(&first_difference(ours, &expected))
                }
            }
        }
    }

    fn expected_messages(&self) -> String {
        ["expected_error.txt", "expected_warnings.txt"]
            .iter()
            .find_map(|name| fs::read_to_string(self.folder.join(name)).ok())
            .unwrap_or_default()
    }

    fn arguments(&self) -> Arguments {
        let d = &self.description;
        let chart = self.charts.join(&d.chart);
        let path = |p: &Path| p.to_string_lossy().into_owned();
        let mut line: Vec<String> = vec![
            "template".into(),
            d.release.clone(),
            path(&chart),
            "-n".into(),
            d.namespace.clone(),
        ];
        line.extend(
            d.kube_version
                .iter()
                .flat_map(|v| ["--kube-version".to_owned(), v.clone()]),
        );
        line.extend(
            d.api_versions
                .iter()
                .flat_map(|v| ["--api-versions".to_owned(), v.clone()]),
        );
        line.extend(
            d.values_files
                .iter()
                .flat_map(|f| ["-f".to_owned(), path(&self.folder.join(f))]),
        );
        line.extend(d.set_args.iter().cloned());
        line.extend(d.include_crds.then(|| "--include-crds".to_owned()));
        line.extend(d.is_upgrade.then(|| "--is-upgrade".to_owned()));
        CommandLine::try_parse_from(line).unwrap().arguments
    }

    fn expected(&self) -> String {
        let packed = self.folder.join("expected.yaml.gz");
        if !packed.exists() {
            return fs::read_to_string(self.folder.join("expected.yaml")).unwrap();
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(fs::File::open(packed).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// Whether all lines agree but those that differ between two runs of Helm; where their number varies, the
    /// objects' origins and kinds.
    fn alike(&self, ours: &str, expected: &str) -> bool {
        let Some(lines) = &self.description.nondeterministic_lines else {
            let marks = |text: &str| -> Vec<String> {
                let mark = |l: &&str| l.starts_with("# Source: ") || l.starts_with("kind: ");
                let mut marks: Vec<String> = text.lines().filter(mark).map(str::to_owned).collect();
                marks.sort();
                marks
            };
            return marks(ours) == marks(expected);
        };
        let mut random = BTreeSet::new();
        for range in lines {
            let text = range.as_str().map_or_else(|| range.to_string(), str::to_owned);
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            random.extend(first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap());
        }
        let (a, b): (Vec<&str>, Vec<&str>) = (ours.split('\n').collect(), expected.split('\n').collect());
        a.len() == b.len()
            && a.iter()
                .zip(&b)
                .enumerate()
                .all(|(i, (x, y))| x == y || random.contains(&(i + 1)))
    }
}

impl Outcome {
    fn differs(why: &str) -> Outcome {
        let why: String = why.chars().take(300).collect();
        Outcome {
            bytes: false,
            objects: false,
            messages: false,
            difference: Some(why),
        }
    }

    fn agrees() -> Outcome {
        Outcome {
            bytes: true,
            objects: true,
            messages: true,
            difference: None,
        }
    }
}

/// The objects in a stable order.
fn objects(text: &str) -> Option<Vec<String>> {
    let mut objects = Vec::new();
    for document in split_documents(text) {
        objects.push(to_json(document, Numbers::Exact).ok()?.to_string());
    }
    objects.sort();
    Some(objects)
}

fn first_difference(ours: &str, expected: &str) -> String {
    let (mut a, mut b) = (ours.lines(), expected.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (None, None) => return "only the ends of lines differ".to_owned(),
            (x, y) if x != y => return format!("line {number}: {x:?} instead of {y:?}"),
            _ => {}
        }
    }
}
