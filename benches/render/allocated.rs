//! The memory that rendering asks for, ours and Helm's: `make bench-render`. Counting costs time, so the clock runs in
//! another program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken chart is a failure of the benchmark, and its figures are for people"
)]

mod charts;
mod helm;
mod ours;

use alloc_tracker::{Allocator, Session};
use charts::{Charts, What, title};
use ours::Ours;

#[global_allocator]
static ALLOCATOR: Allocator<tikv_jemallocator::Jemalloc> = Allocator::new(tikv_jemallocator::Jemalloc);

const RUNS: u64 = 5;

fn main() {
    ours::on_a_large_stack(|| {
        let charts = Charts::chosen();
        let mut helm = helm::start();
        for what in charts
            .work
            .into_iter()
            .filter(|w| matches!(w, What::Render | What::Manifest | What::All))
        {
            println!(
                "{:<34} {:>14} {:>14} {:>8}",
                what.name(),
                "Helm, KiB",
                "ours, KiB",
                "ratio"
            );
            for path in &charts.paths {
                let theirs = helm::time(&mut helm, path, what, RUNS).allocated;
                let own = allocated(&Ours::new(path), what);
                let ratio = theirs as f64 / own.max(1) as f64;
                println!(
                    "{:<34} {:>14} {:>14} {ratio:>8.1}",
                    title(path),
                    theirs >> 10,
                    own >> 10
                );
            }
            println!();
        }
    });
}

/// Bytes that one run allocates, once it has run.
fn allocated(ours: &Ours, what: What) -> u64 {
    ours.run(what);
    let session = Session::new();
    let operation = session.operation(what.name());
    let span = operation.measure_thread().iterations(RUNS);
    for _ in 0..RUNS {
        ours.run(what);
    }
    drop(span);
    operation.mean()
}
