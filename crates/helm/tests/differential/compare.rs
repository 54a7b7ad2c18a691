//! The same cases to Helm and to this crate, and whether the answers are the same.

use std::collections::BTreeMap;

use helmapp_oracle::Oracle;
use helmapp_oracle::helm::{Answer, Case};
use serde::{Deserialize, Serialize};

use crate::chart::Made;
use crate::disk::Written;
use crate::rules::{self, SCHEMA};
use crate::run::{STACK_BYTES, answer};

/// Cases that are asked at once.
const BATCH: usize = 256;

/// How often Helm is asked again about a case in which it answered otherwise: it walks maps in random order.
const ATTEMPTS: usize = 100;

/// A case with Helm's answer, as fixtures hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) case: Case,
    pub(crate) want: Answer,
    /// Helm 4's, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) helm4: Option<Answer>,
}

/// How often a function was called, and how often in a case that rendered, where every call has returned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) cases: usize,
    pub(crate) rendered: usize,
}

/// What came out of some cases.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) cases: usize,
    pub(crate) errors: usize,
    pub(crate) unstable: usize,
    /// By the rule that explains the difference.
    pub(crate) explained: BTreeMap<&'static str, usize>,
    pub(crate) different: Vec<(Recorded, Answer)>,
    pub(crate) reached: BTreeMap<&'static str, Reached>,
}

impl Outcome {
    /// Asks about as many cases as wanted.
    pub(crate) fn of(oracle: &mut Oracle, count: usize, make: impl FnMut(usize) -> Made) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.ask(oracle, count, make);
        outcome
    }

    /// Asks about so many cases more.
    pub(crate) fn ask(&mut self, oracle: &mut Oracle, more: usize, mut make: impl FnMut(usize) -> Made) {
        let count = self.cases + more;
        while self.cases < count {
            let turns = self.cases..count.min(self.cases + BATCH);
            let batch: Vec<Made> = turns.map(&mut make).collect();
            let written: Vec<Written> = batch.iter().map(|made| Written::of(&made.case)).collect();
            let (ours, wanted) = both(oracle, &written);
            for (((made, written), got), want) in batch.into_iter().zip(written).zip(ours).zip(wanted) {
                self.judge(oracle, made, &written, &got, want);
            }
        }
    }

    /// Whether a function was executed in a case.
    pub(crate) fn has_reached(&self, name: &str) -> bool {
        self.reached.get(name).is_some_and(|reached| reached.rendered > 0)
    }

    fn judge(&mut self, oracle: &mut Oracle, made: Made, written: &Written, got: &Answer, want: Answer) {
        self.cases += 1;
        self.errors += usize::from(!want.err.is_empty());
        for name in &made.used {
            let reached = self.reached.entry(name).or_default();
            reached.cases += 1;
            // These two can only end in an error of their own.
            let own_error = match *name {
                "fail" => "execution error at (",
                "call" => ": error calling call: ",
                _ => "",
            };
            let executed = want.err.is_empty() || !own_error.is_empty() && want.err.contains(own_error);
            reached.rendered += usize::from(executed);
        }
        if agree(got, &want) {
            return;
        }
        if let Some(rule) = rules::explain(&made.case, got, &want) {
            *self.explained.entry(rule).or_default() += 1;
            return;
        }
        let varies = (0..ATTEMPTS).any(|_| {
            let other = written.told(oracle.ask(&written.case));
            agree(got, &other)
                || rules::explain(&made.case, got, &other).is_some()
                || stops_elsewhere(got, &want, &other)
        });
        if varies {
            self.unstable += 1;
            return;
        }
        let name = String::new();
        let case = made.case;
        let recorded = Recorded {
            name,
            case,
            want,
            helm4: None,
        };
        self.different.push((recorded, got.clone()));
    }

    /// One line of counts.
    pub(crate) fn line(&self, name: &str) -> String {
        let explained: usize = self.explained.values().sum();
        format!(
            "{name}: {} cases, {} with an error, {} where Helm's own answer varies, {explained} as COMPATIBILITY.md says, {} \
             different",
            self.cases,
            self.errors,
            self.unstable,
            self.different.len()
        )
    }

    /// Prints the smallest of the cases that differ, each as a fixture can hold it.
    pub(crate) fn print_differences(&mut self) {
        self.different
            .sort_by_key(|(recorded, _)| recorded.case.files.iter().map(|f| f.text.len()).sum::<usize>());
        for (recorded, got) in self.different.iter().take(30) {
            println!("{}", serde_json::to_string(recorded).expect("a case is JSON"));
            println!("  want {}", serde_json::to_string(&recorded.want).expect("JSON"));
            println!("  got  {}", serde_json::to_string(got).expect("JSON"));
        }
    }
}

/// Both at once: Helm in its process, ours on a thread with room.
fn both(oracle: &mut Oracle, written: &[Written]) -> (Vec<Answer>, Vec<Answer>) {
    let told = |answers: Vec<Answer>| answers.into_iter().zip(written).map(|(a, w)| w.told(a)).collect();
    std::thread::scope(|scope| {
        let ours = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || written.iter().map(|w| answer(&w.case)).collect())
            .expect("a thread starts");
        let cases: Vec<&Case> = written.iter().map(|w| &w.case).collect();
        let wanted = oracle.ask_all(&cases);
        (
            told(ours.join().expect("this crate does not panic")),
            told(wanted),
        )
    })
}

/// Whether Helm comes to the same error by several ways through the sub-charts, whose order is that of a Go map: it has
/// warned of more or of fewer of them by then, and fewest are seldom met.
fn stops_elsewhere(got: &Answer, want: &Answer, other: &Answer) -> bool {
    let same_error = !got.err.is_empty() && got.err == want.err && got.err == other.err;
    same_error && want.warnings.len() != other.warnings.len()
}

/// Whether two answers are the same.
pub(crate) fn agree(got: &Answer, want: &Answer) -> bool {
    settled(got) == settled(want)
}

/// An answer without what comes in the random order of Go's maps.
pub(crate) fn settled(answer: &Answer) -> Answer {
    let lines = |warning: &String| warning.split('\n').map(str::to_owned).collect::<Vec<_>>();
    let mut warnings: Vec<String> = answer.warnings.iter().flat_map(lines).collect();
    // What was logged before the manifest turned out to be no YAML.
    if !answer.err.is_empty() {
        warnings.retain(|line| !line.starts_with("info: skipping unknown hook"));
    }
    warnings.sort();
    Answer {
        out: answer.out.clone(),
        notes: answer.notes.clone(),
        err: ordered(&answer.err).join("\n"),
        warnings,
        ..Answer::default()
    }
}

/// Violations of a schema, and the names in one, come in random order from Helm.
pub(crate) fn ordered(error: &str) -> Vec<String> {
    let mut lines: Vec<String> = error.split('\n').map(str::to_owned).collect();
    if error.starts_with(SCHEMA) {
        for line in &mut lines {
            if line.contains("additional properties") {
                let mut names: Vec<&str> = line.split(['\'', ' ', ',']).collect();
                names.sort_unstable();
                *line = names.concat();
            }
        }
        lines.sort();
    }
    lines
}
