//! This crate against Helm 3 itself (tests/oracle/helm3): random expressions over all functions, and whole random
//! charts with values layers. What they once got different is recorded in tests/fixtures.
//!
//! `HELMAPP_DIFF_SEED` sets the seed (`random` takes the clock's), `HELMAPP_DIFF_FUNCTIONS` and
//! `HELMAPP_DIFF_CHARTS` how many cases of each kind there are.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod atoms;
mod chart;
mod compare;
mod disk;
mod expression;
mod fixtures;
mod formats;
mod packaging;
mod rules;
mod run;
mod schema;
mod template;
mod values;
mod versions;

use compare::Outcome;
use expression::Table;
use helmapp_oracle::{Oracle, Program, Random, seed, setting, tell};

#[test]
fn random_charts_render_as_helm_renders_them() {
    let seed = seed();
    let count = |name, default| usize::try_from(setting(name, default)).expect("a number of cases");
    tell(format!("seed: HELMAPP_DIFF_SEED={seed}"));
    let mut oracle = Oracle::start(Program::Helm3);
    let mut random = Random::new(seed);
    let mut functions = Outcome::of(&mut oracle, count("HELMAPP_DIFF_FUNCTIONS", 3_000), |turn| {
        chart::functions(&mut random, turn)
    });
    let mut charts = Outcome::of(&mut oracle, count("HELMAPP_DIFF_CHARTS", 1_500), |_| {
        chart::whole(&mut random)
    });
    let mut disks = Outcome::of(&mut oracle, count("HELMAPP_DIFF_DISKS", 1_000), |_| {
        chart::on_disk(&mut random)
    });
    let mut schemas = Outcome::of(&mut oracle, count("HELMAPP_DIFF_SCHEMAS", 1_000), |_| {
        chart::with_schema(&mut random)
    });
    // Those that take long have few cases, all of which may have had another reason to fail.
    for name in Table::get().names() {
        if !functions.has_reached(name) {
            let turn = Table::get().turn_of(name);
            functions.ask(&mut oracle, 10, |_| chart::functions(&mut random, turn));
        }
    }
    let missed = print_coverage(&functions);
    let mut all = [
        ("functions", &mut functions),
        ("charts", &mut charts),
        ("charts on disk", &mut disks),
        ("schemas", &mut schemas),
    ];
    for (_, outcome) in &mut all {
        outcome.print_differences();
    }
    for rule in rules::names() {
        let counts: Vec<usize> = all
            .iter()
            .map(|(_, o)| o.explained.get(rule).copied().unwrap_or_default())
            .collect();
        tell(format!(
            "accepted: {} cases, {rule}",
            counts.iter().sum::<usize>()
        ));
    }
    let different: usize = all.iter().map(|(_, outcome)| outcome.different.len()).sum();
    for (name, outcome) in &all {
        tell(outcome.line(name));
    }
    assert_eq!(different, 0, "seed {seed}: {different} cases differ from Helm");
    assert!(
        missed.is_empty(),
        "seed {seed}: never rendered: {}",
        missed.join(", ")
    );
    for (name, outcome) in &all {
        // Of schemas, most find something wrong: that is what they are made for.
        let most = if *name == "schemas" { 95 } else { 70 };
        assert!(
            outcome.errors * 100 <= outcome.cases * most,
            "most cases are errors: {}",
            outcome.line(name)
        );
    }
}

/// Prints how often each function was executed, and gives those that never were. Whole charts do not count: theirs may
/// stand where no execution comes by.
fn print_coverage(functions: &Outcome) -> Vec<&'static str> {
    let mut missed = Vec::new();
    let mut cells = Vec::new();
    for name in Table::get().names() {
        let reached = functions.reached.get(name).copied().unwrap_or_default();
        if reached.rendered == 0 {
            missed.push(name);
        }
        cells.push((
            reached.rendered,
            format!("{name} {}/{}", reached.rendered, reached.cases),
        ));
    }
    tell("functions: cases in which it was executed and returned / all cases with it");
    for row in cells.chunks(4) {
        let row: Vec<String> = row.iter().map(|(_, cell)| format!("{cell:<36}")).collect();
        tell(format!("  {}", row.concat().trim_end()));
    }
    cells.sort();
    if let (Some((_, least)), Some((_, most))) = (cells.first(), cells.last()) {
        tell(format!(
            "coverage: {} functions, the least executed {least}, the most {most}",
            cells.len()
        ));
    }
    missed
}

/// The table has every function that Helm's templates know.
#[test]
fn the_table_has_every_function() {
    let names = Table::get().names();
    // The environment is not for templates, and two names are Helm 4's.
    let others = ["env", "expandenv", "mustToToml", "mustToYaml"];
    let known = include_str!("../../../gotmpl/tests/go/helm_functions.txt").lines();
    let known = known.filter(|name| !others.contains(name));
    let builtins = [
        "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
        "print", "printf", "println", "slice", "urlquery",
    ];
    let helms = [
        "fail",
        "fromJson",
        "fromJsonArray",
        "fromToml",
        "fromYaml",
        "fromYamlArray",
        "include",
        "lookup",
        "required",
        "toJson",
        "toToml",
        "toYaml",
        "toYamlPretty",
        "tpl",
    ];
    let missing: Vec<&str> = known
        .chain(builtins)
        .chain(helms)
        .filter(|name| !names.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in functions.txt: {}", missing.join(", "));
}
