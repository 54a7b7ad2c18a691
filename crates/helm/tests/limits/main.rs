//! Hostile charts: each is rendered in a process of its own, ends with an error that names the limit it hits (or
//! does no harm), and the process stays under 256 MiB.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod archives;
mod clock;
mod functions;
mod run;
mod templates;
mod texts;

use std::time::Duration;

use run::{Child, Outcome};

/// What a process may take at most, measured by the kernel.
const MEMORY_KIB: u64 = 256 << 10;

/// How long a case may keep a processor. The work on keys has a limit of its own, which is lower here.
const CPU: Duration = Duration::from_secs(1);

/// How often a case is tried again that takes too long.
const RUNS: usize = 2;

/// How long a case may take. It takes well under a second on an idle machine; tests run on busy ones.
const TIME: Duration = Duration::from_secs(60);

/// What one hostile input must end in.
pub(crate) enum Expected {
    /// An error with this text, which names the limit.
    Error(&'static str),
    /// No harm: it ends in a result.
    Harmless,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    /// What the child does; it gives the error's text.
    pub(crate) work: fn() -> Result<(), String>,
}

fn cases() -> Vec<Case> {
    [templates::cases(), texts::cases(), archives::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn hostile_charts_are_stopped_by_a_limit_that_is_named() {
    if let Some(name) = run::asked_for() {
        let case = cases().into_iter().find(|case| case.name == name);
        run::report((case.expect("a case of that name").work)());
        return;
    }
    let mut wrong = Vec::new();
    for case in cases() {
        let Child {
            outcome,
            peak,
            took,
            mut cpu,
        } = run::in_child(case.name);
        for _ in 0..RUNS {
            if cpu > CPU {
                let slowness = clock::slowness();
                cpu = cpu.min(run::in_child(case.name).cpu.div_f64(slowness));
            }
        }
        println!(
            "{:<33} {:>6} KiB {:>5} ms of CPU {:>6} ms  {}",
            case.name,
            peak,
            cpu.as_millis(),
            took.as_millis(),
            outcome.shown()
        );
        let expected = match (&case.expected, &outcome) {
            (Expected::Error(part), Outcome::Error(text)) => text.contains(part),
            (Expected::Harmless, Outcome::Done) => true,
            _ => false,
        };
        if !expected || peak > MEMORY_KIB || cpu > CPU || took > TIME {
            wrong.push(format!(
                "{}: {} KiB, {cpu:?} of CPU, {took:?}, {}",
                case.name,
                peak,
                outcome.shown()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
