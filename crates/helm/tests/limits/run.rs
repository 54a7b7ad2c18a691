//! A case in a process of its own, and what the kernel says of it.

use std::process::Command;
use std::time::{Duration, Instant};

const ASKED: &str = "HELMAPP_HOSTILE_CASE";
const TEST: &str = "hostile_charts_are_stopped_by_a_limit_that_is_named";

pub(crate) struct Child {
    pub(crate) outcome: Outcome,
    /// The most memory that was resident, in KiB.
    pub(crate) peak: u64,
    /// By the clock.
    pub(crate) took: Duration,
    /// On a processor, which other work on the machine does not lengthen.
    pub(crate) cpu: Duration,
}

pub(crate) enum Outcome {
    Done,
    Error(String),
    /// It ended in another way: a crash.
    Crashed(String),
}

impl Outcome {
    pub(crate) fn shown(&self) -> String {
        let cut = |text: &str| {
            text.chars()
                .rev()
                .take(160)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>()
        };
        match self {
            Outcome::Done => "no harm".to_owned(),
            Outcome::Error(text) => format!("…{}", cut(text)),
            Outcome::Crashed(text) => format!("CRASHED {}", cut(text)),
        }
    }
}

/// The case that this process was started for.
pub(crate) fn asked_for() -> Option<String> {
    std::env::var(ASKED).ok()
}

/// Tells the parent how it went.
pub(crate) fn report(result: Result<(), String>) {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel's word on this process");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM")
        .trim();
    println!("\nPEAK {peak}");
    println!("CPU {}", cpu_ticks());
    match result {
        Ok(()) => println!("DONE"),
        // Errors may be long; what names the limit stands at the end.
        Err(text) => {
            let start = text.len().saturating_sub(1000);
            let tail = String::from_utf8_lossy(text.as_bytes().get(start..).unwrap_or_default());
            println!("ERROR {}", tail.replace('\n', " "));
        }
    }
}

/// Time of this process on a processor, in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the kernel's word on this process");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

pub(crate) fn in_child(case: &str) -> Child {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe().expect("this test's path"))
        .args(["--exact", TEST, "--nocapture"])
        .env(ASKED, case)
        .output()
        .expect("a child process");
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let peak = line("PEAK ")
        .and_then(|peak| peak.strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0);
    let outcome = if line("DONE").is_some() {
        Outcome::Done
    } else if let Some(text) = line("ERROR ") {
        Outcome::Error(text.to_owned())
    } else {
        Outcome::Crashed(format!(
            "{} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))
    };
    let ticks = line("CPU ").and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
    let cpu = Duration::from_millis(10 * ticks);
    Child {
        outcome,
        peak,
        took,
        cpu,
    }
}
