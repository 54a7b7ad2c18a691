//! Where Helm 4 renders otherwise than Helm 3, which this crate follows: tests/fixtures/versions.jsonl has the answers
//! of both. With HELMAPP_BLESS=1 both are asked anew and written back.

use helmapp_oracle::helm::Answer;
use helmapp_oracle::{Oracle, Program};

use crate::compare::agree;
use crate::disk::Written;
use crate::fixtures::{file, read};

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
    println!(
        "{} recorded cases, {differ} in which Helm 4 differs from Helm 3",
        recorded.len()
    );
    assert!(differ > 10, "Helm 4 differs in {differ} cases only");
    assert!(wrong.is_empty(), "not what Helm 4 answers:\n{}", wrong.join("\n"));
}
