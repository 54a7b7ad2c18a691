//! Recorded cases: tests/fixtures/go/*.jsonl hold requests and Go's answers. With HELMAPP_BLESS=1 the answers
//! are asked of Go anew and written back.

use std::path::PathBuf;

use helmapp_oracle::{Oracle, Program};
use serde::{Deserialize, Serialize};

use crate::case::{Answer, Case};

#[derive(Serialize, Deserialize)]
struct Recorded {
    #[serde(flatten)]
    case: Case,
    #[serde(default)]
    want: Answer,
}

#[test]
fn recorded_answers() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/go");
    let mut oracle = std::env::var_os("HELMAPP_BLESS").map(|_| Oracle::start(Program::Template));
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut cases: Vec<Recorded> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{file:?}: {l}: {e}")))
            .collect();
        if let Some(oracle) = &mut oracle {
            cases.iter_mut().for_each(|c| c.want = oracle.ask(&c.case));
            let lines: Vec<_> = cases.iter().map(|c| serde_json::to_string(c).unwrap()).collect();
            std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        }
        for recorded in cases {
            count += 1;
            let got = recorded.case.run();
            if got != recorded.want {
                let case = serde_json::to_string(&recorded.case).unwrap();
                wrong.push(format!("{case}\n  want {:?}\n  got  {got:?}", recorded.want));
            }
        }
    }
    assert!(count > 300, "only {count} cases found in {folder:?}");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
