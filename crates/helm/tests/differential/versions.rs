//! Where Helm 4 renders otherwise than Helm 3, which this crate follows: tests/fixtures/versions.jsonl has the answers
//! of both. With HELMAPP_BLESS=1 both are asked anew and written back.

use helmapp_helm::render::FunctionSet;
use helmapp_oracle::helm::{Answer, Case};
use helmapp_oracle::{Oracle, Program, Random, seed, setting, tell};

use crate::atoms::atoms;
use crate::chart;
use crate::compare::agree;
use crate::disk::Written;
use crate::fixtures::{file, read};
use crate::run::{STACK_BYTES, answer_with};

#[test]
fn helm_4_differs_as_recorded() {
    let mut oracle = Oracle::start(Program::Helm4);
    let mut wrong = Vec::new();
    let recorded = read(&file("versions.jsonl"));
    for recorded in &recorded {
        let written = Written::of(&recorded.case);
        let now: Answer = written.told(oracle.ask(&written.case));
        let then = recorded.helm4.as_ref().unwrap_or(&recorded.want);
        if !agree(&now, then) {
            wrong.push(format!("{}\n  then {then:?}\n  now  {now:?}", recorded.name));
        }
    }
    let differ = recorded.iter().filter(|r| r.helm4.is_some()).count();
    tell(format!(
        "{} recorded cases, {differ} in which Helm 4 differs from Helm 3",
        recorded.len()
    ));
    assert!(differ > 10, "Helm 4 differs in {differ} cases only");
    assert!(wrong.is_empty(), "not what Helm 4 answers:\n{}", wrong.join("\n"));
}

/// What this crate answers with Helm 4's functions, on a thread with room.
fn with_helm_4s_functions(cases: &[Case]) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let work = || {
            cases
                .iter()
                .map(|case| answer_with(case, FunctionSet::Helm4))
                .collect()
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

/// What a template's error says last: the two Helms say different things before it.
fn last_words(answer: &Answer) -> &str {
    let text = answer
        .err
        .trim_end_matches("\n\nUse --debug flag to render out invalid YAML");
    text.rsplit("error calling ").next().unwrap_or_default()
}

#[test]
fn functions_that_only_helm_4_knows_give_what_it_gives() {
    let recorded = read(&file("versions.jsonl"));
    let only = recorded.iter().filter(|r| r.want.err.contains("\" not defined"));
    let (cases, wanted): (Vec<Case>, Vec<&Answer>) = only
        .filter_map(|r| Some((r.case.clone(), r.helm4.as_ref()?)))
        .unzip();
    assert!(cases.len() > 10, "only {} cases", cases.len());
    for ((case, got), want) in cases.iter().zip(with_helm_4s_functions(&cases)).zip(wanted) {
        assert_eq!(
            (&got.notes, last_words(&got)),
            (&want.notes, last_words(want)),
            "{:?}",
            case.files
        );
    }
}

/// The duration functions, with what may stand for a duration and with what may not.
#[test]
fn random_durations_are_those_of_helm_4() {
    const FUNCTIONS: [&str; 9] = [
        "mustToDuration",
        "durationSeconds",
        "durationMilliseconds",
        "durationMicroseconds",
        "durationNanoseconds",
        "durationMinutes",
        "durationHours",
        "durationDays",
        "durationWeeks",
    ];
    const MORE: [&str; 8] = [
        "\" 90m \"",
        "\"2.5\"",
        "9223372036.854775807",
        "-9223372036.9",
        "9223372037",
        "(mustToDuration \"1h1ns\")",
        "now.Month",
        "\"1e400\"",
    ];
    let count = usize::try_from(setting("HELMAPP_DIFF_DURATIONS", 500)).expect("a number of cases");
    let seed = seed();
    let mut random = Random::new(seed);
    let atom = |random: &mut Random| match random.below(8) {
        0 => random.pick(&MORE),
        at => random.pick(atoms(['D', 'D', 'N', 'F', 'I', 'A', 'S'][at - 1])),
    };
    let cases: Vec<Case> = (0..count)
        .map(|turn| {
            let value = atom(&mut random);
            let text = match turn % 11 {
                9 => format!("durationRoundTo {value} {}", atom(&mut random)),
                10 => format!("durationTruncateTo {value} {}", atom(&mut random)),
                at => format!("{} {value}", FUNCTIONS[at]),
            };
            chart::of_notes(&format!("{{{{ $x := {text} }}}}{{{{ printf \"%T %v\" $x $x }}}}"))
        })
        .collect();
    let mut oracle = Oracle::start(Program::Helm4);
    let wanted: Vec<Answer> = oracle.ask_all(&cases);
    let mut wrong = Vec::new();
    for ((case, got), want) in cases.iter().zip(with_helm_4s_functions(&cases)).zip(&wanted) {
        if (&got.notes, last_words(&got)) != (&want.notes, last_words(want)) {
            let notes = case.files.last().map(|f| &f.text);
            wrong.push(format!("{notes:?}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    let errors = wanted.iter().filter(|want| !want.err.is_empty()).count();
    tell(format!(
        "durations: {count} cases, {errors} with an error, {} different",
        wrong.len()
    ));
    assert!(errors * 2 < count, "{errors} of {count} are errors");
    assert!(
        wrong.is_empty(),
        "seed {seed}: not what Helm 4 answers:\n{}",
        wrong.join("\n")
    );
}
