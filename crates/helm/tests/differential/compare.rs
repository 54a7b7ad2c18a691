//! The same cases to Helm and to this crate, and whether the answers are the same.

use std::collections::BTreeMap;

use helmapp_oracle::Oracle;
use helmapp_oracle::helm::{Answer, Case};
use serde::{Deserialize, Serialize};

use crate::chart::Made;
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

/// How often a function was called, and how often in a case that rendered.
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
    pub(crate) panics: usize,
    pub(crate) explained: usize,
    pub(crate) different: Vec<(Recorded, Answer)>,
    pub(crate) reached: BTreeMap<&'static str, Reached>,
}

impl Outcome {
    /// Asks about as many cases as wanted.
    pub(crate) fn of(oracle: &mut Oracle, count: usize, mut make: impl FnMut(usize) -> Made) -> Outcome {
        let mut outcome = Outcome::default();
        while outcome.cases < count {
            let turns = outcome.cases..count.min(outcome.cases + BATCH);
            let batch: Vec<Made> = turns.map(&mut make).collect();
            let cases: Vec<Case> = batch.iter().map(|made| made.case.clone()).collect();
            let (ours, wanted) = both(oracle, &cases);
            for ((made, got), want) in batch.into_iter().zip(ours).zip(wanted) {
                outcome.judge(oracle, made, &got, want);
            }
        }
        outcome
    }

    fn judge(&mut self, oracle: &mut Oracle, made: Made, got: &Answer, want: Answer) {
        self.cases += 1;
        self.errors += usize::from(!want.err.is_empty());
        for name in &made.used {
            let reached = self.reached.entry(name).or_default();
            reached.cases += 1;
            reached.rendered += usize::from(want.err.is_empty());
        }
        if agree(got, &want) {
            return;
        }
        if want.err.starts_with("panic: ") && !got.err.is_empty() {
            self.panics += 1;
            return;
        }
        if is_explained(&made.case, got, &want) {
            self.explained += 1;
            return;
        }
        if (0..ATTEMPTS).any(|_| agree(got, &oracle.ask(&made.case))) {
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
        format!(
            "{name}: {} cases, {} with an error, {} where Helm's own answer varies, {} where Helm panics, {} as \
             COMPATIBILITY.md says, {} different",
            self.cases,
            self.errors,
            self.unstable,
            self.panics,
            self.explained,
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
fn both(oracle: &mut Oracle, cases: &[Case]) -> (Vec<Answer>, Vec<Answer>) {
    std::thread::scope(|scope| {
        let ours = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || cases.iter().map(answer).collect())
            .expect("a thread starts");
        let wanted = oracle.ask_all(cases);
        (ours.join().expect("this crate does not panic"), wanted)
    })
}

/// Whether two answers are the same. Warnings come in the order of Go's maps.
pub(crate) fn agree(got: &Answer, want: &Answer) -> bool {
    let sorted = |answer: &Answer| {
        let mut lines: Vec<String> = answer
            .warnings
            .iter()
            .flat_map(|w| w.split('\n').map(str::to_owned))
            .collect();
        // What was logged before the manifest turned out to be no YAML.
        if !answer.err.is_empty() {
            lines.retain(|line| !line.starts_with("info: skipping unknown hook"));
        }
        lines.sort();
        lines
    };
    (&got.out, ordered(&got.err), &got.notes) == (&want.out, ordered(&want.err), &want.notes)
        && sorted(got) == sorted(want)
}

/// Violations of a schema, and the names in one, come in random order from Helm.
fn ordered(error: &str) -> Vec<String> {
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

const SCHEMA: &str = "values don't meet the specifications of the schema(s)";

/// Whether COMPATIBILITY.md has the difference.
fn is_explained(case: &Case, got: &Answer, want: &Answer) -> bool {
    // A schema that is none is refused in other words.
    let no_schema = ["EOF", "is not valid against metaschema", "invalid character"];
    let schema = want.err.starts_with(SCHEMA)
        && got.err.starts_with(SCHEMA)
        && no_schema.iter().any(|text| want.err.contains(text));
    // What is no TOML is refused in other words, too.
    let told = |answer: &Answer| {
        [&answer.notes, &answer.out, &answer.err]
            .iter()
            .any(|t| t.contains("toml: "))
    };
    let toml = told(got) && told(want);
    // toToml of times and of what is no number.
    let calls = |name: &str| case.files.iter().any(|f| f.text.contains(name));
    let rare = ["NaN", "Inf", "toDate", "ToDate", "odify", "fromToml"];
    let to_toml = calls("toToml") && rare.iter().any(|name| calls(name));
    // Verbs for numbers show what a time is made of, with an address.
    let innards = want.notes.contains("time.Location=") || want.out.contains("time.Location=");
    // A file that is no text is refused before one that is no YAML.
    let yaml = |answer: &Answer| answer.err.starts_with("YAML parse error on ");
    let no_text = yaml(want) && yaml(got) && (got.err.contains("UTF-8") || want.err.contains("UTF-8"));
    // Go slices a list past its end, into the room that its array has left.
    let room = got.err.contains("slice index out of bounds") && want.err != got.err;
    let texts = |answer: &Answer| [&answer.notes, &answer.out, &answer.err].map(|text| masked(text));
    let addresses = texts(got) == texts(want);
    schema || toml || to_toml || innards || no_text || room || addresses
}

/// A text without the addresses in it.
fn masked(text: &str) -> String {
    let mut parts = text.split("0xc0").flat_map(|part| part.split("0x"));
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let is_address = part.len() - digits.len() >= 8;
        out.push_str(if is_address { digits } else { part });
    }
    out
}
