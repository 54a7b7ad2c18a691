//! The dependency rule of ARCHITECTURE.md, and deny.toml's licences and bans.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{output, root};

struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    ours: bool,
}

struct Graph {
    packages: BTreeMap<String, Package>,
    /// Normal and build dependencies: what is linked into what we ship.
    edges: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn load() -> Self {
        // Only this platform's packages: the others' are not downloaded, and nothing may be here.
        let version = output("rustc", &["-vV"]);
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .expect("rustc names its host");
        let text = output(
            env!("CARGO"),
            &[
                "metadata",
                "--format-version",
                "1",
                "--offline",
                "--locked",
                "--filter-platform",
                host,
            ],
        );
        let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
        let members: BTreeSet<&str> = array(&metadata["workspace_members"])
            .filter_map(Value::as_str)
            .collect();
        let packages = array(&metadata["packages"])
            .map(|package| {
                let id = string(&package["id"]);
                let ours = members.contains(id.as_str());
                let entry = Package {
                    name: string(&package["name"]),
                    version: string(&package["version"]),
                    license: package["license"].as_str().map(str::to_owned),
                    ours,
                    id: id.clone(),
                };
                (id, entry)
            })
            .collect();
        let edges = array(&metadata["resolve"]["nodes"])
            .map(|node| {
                let uses = array(&node["deps"])
                    .filter(|dep| array(&dep["dep_kinds"]).any(|kind| kind["kind"].as_str() != Some("dev")))
                    .map(|dep| string(&dep["pkg"]))
                    .collect();
                (string(&node["id"]), uses)
            })
            .collect();
        Self { packages, edges }
    }

    fn id_of(&self, name: &str) -> &str {
        let package = self
            .packages
            .values()
            .find(|package| package.ours && package.name == name);
        &package.unwrap_or_else(|| panic!("no workspace member {name}")).id
    }

    /// Every package linked into `name`, itself left out.
    fn closure(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut queue = vec![self.id_of(name)];
        while let Some(id) = queue.pop() {
            for next in &self.edges[id] {
                if seen.insert(next.as_str()) {
                    queue.push(next);
                }
            }
        }
        seen.into_iter()
            .map(|id| self.packages[id].name.as_str())
            .collect()
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn deny() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is readable");
    text.parse().expect("deny.toml is TOML")
}

#[test]
fn each_crate_uses_only_what_its_room_may() {
    let graph = Graph::load();
    let ours = |name: &str| -> Vec<String> {
        graph
            .closure(name)
            .into_iter()
            .filter(|used| used.starts_with("helmapp"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(ours("helmapp-gotmpl"), Vec::<String>::new());
    assert_eq!(ours("helmapp-goyaml"), Vec::<String>::new());
    assert_eq!(ours("helmapp-helm"), ["helmapp-gotmpl", "helmapp-goyaml"]);
    assert_eq!(
        ours("helmapp"),
        ["helmapp-gotmpl", "helmapp-goyaml", "helmapp-helm"]
    );
}

#[test]
fn the_core_knows_no_cluster_no_runtime_and_no_network() {
    let graph = Graph::load();
    for member in ["helmapp-gotmpl", "helmapp-goyaml", "helmapp-helm"] {
        let used = graph.closure(member);
        for edge in ["kube", "k8s-openapi", "tokio", "reqwest", "hyper", "rustls"] {
            assert!(!used.contains(edge), "{member} uses {edge}; only src/ may");
        }
    }
}

#[test]
fn every_licence_is_on_the_list() {
    let deny = deny();
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow is a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let clarified: BTreeMap<&str, &str> = deny["licenses"]["clarify"]
        .as_array()
        .expect("licenses.clarify is a list")
        .iter()
        .filter_map(|entry| Some((entry.get("crate")?.as_str()?, entry.get("expression")?.as_str()?)))
        .collect();
    let graph = Graph::load();
    let refused: Vec<String> = graph
        .packages
        .values()
        .filter_map(|package| {
            let expression = package
                .license
                .as_deref()
                .or_else(|| clarified.get(package.name.as_str()).copied());
            let fine = expression.is_some_and(|expression| satisfied(expression, &allowed));
            (!fine).then(|| {
                format!(
                    "{} {}: {}",
                    package.name,
                    package.version,
                    expression.unwrap_or("no licence")
                )
            })
        })
        .collect();
    assert!(
        refused.is_empty(),
        "licences that deny.toml does not allow:\n{}",
        refused.join("\n")
    );
}

/// Whether an SPDX expression can be met with `allowed` alone. `/` is an old spelling of OR.
fn satisfied(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let expression = expression.replace('/', " OR ");
    let alternatives = split_outside_parentheses(&expression, " OR ");
    if alternatives.len() > 1 {
        return alternatives.iter().any(|part| satisfied(part, allowed));
    }
    let all = split_outside_parentheses(&expression, " AND ");
    if all.len() > 1 {
        return all.iter().all(|part| satisfied(part, allowed));
    }
    let term = expression.trim();
    match term.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => satisfied(inner, allowed),
        None => allowed.contains(term),
    }
}

fn split_outside_parentheses<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                at += separator.len();
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn spdx_expressions_are_read_as_spdx_reads_them() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("GPL-2.0-only OR ISC", true),
        ("MIT AND GPL-2.0-only", false),
        ("(GPL-2.0-only OR MIT) AND ISC", true),
        ("(GPL-2.0-only AND MIT) OR BSD-3-Clause", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn no_banned_crate_is_linked() {
    let deny = deny();
    let graph = Graph::load();
    let present: BTreeSet<&str> = graph
        .packages
        .values()
        .map(|package| package.name.as_str())
        .collect();
    let banned: Vec<&str> = deny["bans"]["deny"]
        .as_array()
        .expect("bans.deny is a list")
        .iter()
        .filter_map(|entry| entry.get("crate")?.as_str())
        .collect();
    assert!(banned.len() > 3, "deny.toml bans nothing");
    let linked = ["helmapp", "helmapp-helm", "helmapp-gotmpl", "helmapp-goyaml"]
        .into_iter()
        .flat_map(|member| graph.closure(member))
        .collect::<BTreeSet<_>>();
    let found: Vec<&&str> = banned.iter().filter(|name| linked.contains(**name)).collect();
    assert!(
        found.is_empty(),
        "banned crates are linked: {found:?} (of {} packages)",
        present.len()
    );
}
