//! Our rendering against Helm's own, side by side: `make bench-render`.
//!
//! Helm is linked into the judge of tests/oracle and timed in its own process; the sides take turns, and the medians
//! count. Charts are loaded and their dependencies processed once, ours are compiled once. `render` is the coalescing
//! of values and the templates; `manifest` is that and the split and sort of what was rendered, which is all that
//! `helm template` does with a loaded chart; `all` goes from the packed chart to that, and `again` from a loaded chart
//! that was rendered before, as the operator's upgrades do. Processor time, all threads counted, stands beside the time
//! that passed: other work on the machine does not change it much.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken chart is a failure of the benchmark, and its figures are for people"
)]

mod charts;
mod helm;
mod ours;

use std::path::Path;
use std::time::{Duration, Instant};

use charts::{Charts, What, title};
use helmapp_oracle::Oracle;
use ours::Ours;

/// As in the operator's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How often the sides take turns.
const ROUNDS: usize = 9;
/// How long a turn takes at least; work that takes longer is done three times.
const TURN: Duration = Duration::from_millis(100);

fn main() {
    ours::on_a_large_stack(|| {
        let charts = Charts::chosen();
        // A profiler wants our side alone.
        match std::env::args().any(|a| a == "--ours") {
            true => repeat(&charts),
            false => compare(&charts),
        }
    });
}

fn compare(charts: &Charts) {
    let mut helm = helm::start();
    let mut last = None;
    for &what in &charts.work {
        println!(
            "{:<34} {:>10} {:>10} {:>7} {:>14} {:>14} {:>7}",
            what.name(),
            "Helm, ms",
            "ours, ms",
            "ratio",
            "Helm, CPU ms",
            "ours, CPU ms",
            "ratio"
        );
        let mut ratios = Vec::new();
        for path in &charts.paths {
            let (theirs, own) = alternate(&mut helm, path, what);
            let (passed, processor) = (theirs.passed / own.passed, theirs.processor / own.processor);
            ratios.push((passed, processor));
            println!(
                "{:<34} {:>10.3} {:>10.3} {passed:>7.1} {:>14.3} {:>14.3} {processor:>7.1}",
                title(path),
                theirs.passed,
                own.passed,
                theirs.processor,
                own.processor,
            );
        }
        let (passed, processor): (Vec<f64>, Vec<f64>) = ratios.into_iter().unzip();
        let worst = |of: &[f64]| of.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = geometric_mean(&passed);
        if what == What::Manifest || last.is_none() {
            last = Some(mean);
        }
        if passed.len() < 2 {
            println!();
            continue;
        }
        println!(
            "{:<34} {:>29.1} {:>37.1}\n{:<34} {mean:>29.1} {:>37.1}\n",
            "worst",
            worst(&passed),
            worst(&processor),
            "geometric mean",
            geometric_mean(&processor),
        );
    }
    match last {
        Some(mean) if charts.paths.len() > 1 => println!("geometric mean: {mean:.1} times Helm"),
        // A mean of one would pass for that of all.
        _ => println!("geometric mean: not told of {} chart", charts.paths.len()),
    }
}

fn geometric_mean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp()
}

/// Our side alone, for a profiler.
fn repeat(charts: &Charts) {
    for path in &charts.paths {
        let ours = Ours::new(path);
        for &what in &charts.work {
            let count = runs(&time(&ours, what, 3).nanos);
            let cost = cost((0..ROUNDS).map(|_| time(&ours, what, count)).collect());
            println!(
                "{:<34} {:<10} {:>10.3} ms, {:>10.3} ms of the processor",
                title(path),
                what.name(),
                cost.passed,
                cost.processor
            );
        }
    }
}

/// Times both sides in turns.
fn alternate(helm: &mut Oracle, path: &Path, what: What) -> (Cost, Cost) {
    let mut their_turn = |count| {
        let answer = helm::time(helm, path, what, count);
        Turn {
            nanos: answer.nanos,
            processor: answer.processor,
        }
    };
    let ours = Ours::new(path);
    let their_count = runs(&their_turn(1).nanos);
    let our_count = runs(&time(&ours, what, 3).nanos);
    let (mut theirs, mut own) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(their_turn(their_count));
        own.push(time(&ours, what, our_count));
    }
    (cost(theirs), cost(own))
}

/// How many runs make a turn.
fn runs(nanos: &[u64]) -> u64 {
    let one = nanos.iter().copied().min().unwrap_or(1).max(1);
    (TURN.as_nanos() as u64 / one).clamp(3, 3000)
}

fn time(ours: &Ours, what: What, count: u64) -> Turn {
    let mut nanos = Vec::with_capacity(count as usize);
    let before = processor_time();
    for _ in 0..count {
        let start = Instant::now();
        ours.run(what);
        nanos.push(start.elapsed().as_nanos() as u64);
    }
    Turn {
        nanos,
        processor: (processor_time() - before) / count,
    }
}

/// Nanoseconds that this thread has used so far; 0 where the system does not say.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used = text.split(' ').next().and_then(|n| n.parse().ok());
    used.unwrap_or_default()
}

/// Some runs of one side.
#[derive(Debug, Default)]
struct Turn {
    nanos: Vec<u64>,
    /// Nanoseconds of processor time a run.
    processor: u64,
}

/// Milliseconds that a run takes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    passed: f64,
    processor: f64,
}

/// The medians of all turns.
fn cost(turns: Vec<Turn>) -> Cost {
    let median = |mut of: Vec<u64>| {
        of.sort_unstable();
        of.get(of.len() / 2).copied().unwrap_or_default() as f64 / 1e6
    };
    Cost {
        processor: median(turns.iter().map(|t| t.processor).collect()),
        passed: median(turns.into_iter().flat_map(|t| t.nanos).collect()),
    }
}
