//! Renders a corpus of public charts and compares with what Helm printed for each case.
//!
//! The corpus is other people's work and not part of the repository: `HELMAPP_CORPUS` names its folder, by default
//! `../shared/corpus`. Without one the test says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken corpus is a failure of the test, and its figures are for people"
)]

mod case;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::{Case, Kind, Outcome};

/// Cases in a thousand that must give the same objects, or fail as Helm fails.
const FLOOR_BY_OBJECT: usize = 1000;
/// Cases in a thousand that must be equal to the byte, or fail as Helm fails.
const FLOOR_BY_BYTE: usize = 1000;

const THREADS: usize = 2;
/// Templates may include each other a thousand deep.
const STACK_BYTES: usize = 65 << 20;

#[test]
fn renders_the_corpus_as_helm_does() {
    let folder =
        std::env::var_os("HELMAPP_CORPUS").map_or_else(|| PathBuf::from("../shared/corpus"), PathBuf::from);
    if !folder.join("cases").is_dir() {
        tell(&format!(
            "corpus: not run: no cases/ in {} (HELMAPP_CORPUS names the folder)",
            folder.display()
        ));
        return;
    }
    let cases = Case::all(&folder);
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let outcomes = run_all(&cases);

    let mut tally = [[0usize; 3]; 3];
    for (kind, outcome) in &outcomes {
        let row = &mut tally[*kind as usize];
        row[0] += 1;
        row[1] += usize::from(outcome.bytes);
        row[2] += usize::from(outcome.objects);
    }
    let [[equal, bytes, objects], [errors, agree, _], [random, masked, _]] = tally;
    let total = outcomes.len();
    let messages = outcomes.iter().filter(|(_, outcome)| outcome.messages).count();
    let by_byte = bytes + agree + masked;
    tell(&format!(
        "corpus: {by_byte} of {total} ({bytes} of {equal} byte-equal, {agree} of {errors} errors agree, {masked} of \
         {random} equal but for what is random; {objects} equal by object, {messages} with the same messages)"
    ));
    let by_object = objects + agree + masked;
    assert!(
        by_object * 1000 >= total * FLOOR_BY_OBJECT,
        "{by_object} of {total} agree by object"
    );
    assert_eq!(messages, total, "messages on standard error differ");
    assert!(
        by_byte * 1000 >= total * FLOOR_BY_BYTE,
        "{by_byte} of {total} agree by byte"
    );
}

/// Prints a line past the test runner, which keeps what the macro prints to itself while tests pass.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn run_all(cases: &[Case]) -> Vec<(Kind, Outcome)> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let work = || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = case.run();
                    if let Some(difference) = &outcome.difference {
                        println!("{}: {difference}", case.name);
                    }
                    outcomes.lock().unwrap().push((case.kind, outcome));
                }
            };
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)
                .unwrap();
        }
    });
    outcomes.into_inner().unwrap()
}
