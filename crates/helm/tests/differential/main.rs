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
mod expression;
mod fixtures;
mod run;
mod template;
mod values;
mod versions;

use compare::{Outcome, Reached};
use expression::Table;
use helmapp_oracle::{Oracle, Program, Random, seed, setting};

#[test]
fn random_charts_render_as_helm_renders_them() {
    let seed = seed();
    let count = |name, default| usize::try_from(setting(name, default)).expect("a number of cases");
    println!("seed: HELMAPP_DIFF_SEED={seed}");
    let mut oracle = Oracle::start(Program::Helm3);
    let mut random = Random::new(seed);
    let mut functions = Outcome::of(&mut oracle, count("HELMAPP_DIFF_FUNCTIONS", 3_000), |turn| {
        chart::functions(&mut random, turn)
    });
    let mut charts = Outcome::of(&mut oracle, count("HELMAPP_DIFF_CHARTS", 1_500), |_| {
        chart::whole(&mut random)
    });
    functions.print_differences();
    charts.print_differences();
    let missed = print_coverage(&functions, &charts);
    println!("{}", functions.line("functions"));
    println!("{}", charts.line("charts"));
    let different = functions.different.len() + charts.different.len();
    assert_eq!(different, 0, "seed {seed}: {different} cases differ from Helm");
    assert!(
        missed.is_empty(),
        "seed {seed}: never rendered: {}",
        missed.join(", ")
    );
    let lopsided = |o: &Outcome| o.errors * 10 > o.cases * 7;
    assert!(
        !lopsided(&functions) && !lopsided(&charts),
        "most cases are errors: {} of {}, {} of {}",
        functions.errors,
        functions.cases,
        charts.errors,
        charts.cases
    );
}

/// Prints how often each function was reached, and gives those that were in no case that rendered.
fn print_coverage(functions: &Outcome, charts: &Outcome) -> Vec<&'static str> {
    let mut missed = Vec::new();
    let mut cells = Vec::new();
    for name in Table::get().names() {
        let of = |outcome: &Outcome| outcome.reached.get(name).copied().unwrap_or_default();
        let (a, b) = (of(functions), of(charts));
        let reached = Reached {
            cases: a.cases + b.cases,
            rendered: a.rendered + b.rendered,
        };
        // A case with one of these can't render.
        let fails = matches!(name, "fail" | "call");
        if reached.cases == 0 || reached.rendered == 0 && !fails {
            missed.push(name);
        }
        cells.push(format!("{name} {}/{}", reached.rendered, reached.cases));
    }
    println!("functions: cases that rendered / all cases with it");
    for row in cells.chunks(4) {
        let row: Vec<String> = row.iter().map(|cell| format!("{cell:<36}")).collect();
        println!("  {}", row.concat().trim_end());
    }
    missed
}
