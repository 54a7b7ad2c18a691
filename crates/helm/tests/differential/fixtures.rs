//! Cases that once came out otherwise than Helm's, with Helm's answers: tests/fixtures/*.jsonl, one a line.
//! They need no Go; with HELMAPP_BLESS=1 Helm is asked anew and the answers are written back.

use std::path::PathBuf;

use helmapp_oracle::{Oracle, Program, tell};

use crate::compare::{Recorded, agree};
use crate::disk::Written;
use crate::rules;
use crate::run::{STACK_BYTES, answer};

#[test]
fn recorded_answers() {
    let work = || {
        let mut wrong = Vec::new();
        let mut count = 0;
        for file in files() {
            let recorded = read(&file);
            count += recorded.len();
            for Recorded { name, case, want, .. } in recorded {
                let written = Written::of(&case);
                let got = written.told(answer(&written.case));
                if !agree(&got, &want) && rules::explain(&case, &got, &want).is_none() {
                    wrong.push(format!("{name}\n  want {want:?}\n  got  {got:?}"));
                }
            }
        }
        (count, wrong)
    };
    bless();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    let (count, wrong) = thread.unwrap().join().unwrap();
    tell(format!("{count} recorded cases, {} different", wrong.len()));
    assert!(count > 0, "no fixtures");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn bless() {
    if std::env::var_os("HELMAPP_BLESS").is_none() {
        return;
    }
    let mut helm3 = Oracle::start(Program::Helm3);
    let mut helm4 = Oracle::start(Program::Helm4);
    for file in files() {
        let both = file.ends_with("versions.jsonl");
        let mut lines = String::new();
        for mut recorded in read(&file) {
            let written = Written::of(&recorded.case);
            recorded.want = written.told(helm3.ask(&written.case));
            let other = both.then(|| written.told(helm4.ask(&written.case)));
            recorded.helm4 = other.filter(|other| !agree(other, &recorded.want));
            lines.push_str(&serde_json::to_string(&recorded).unwrap());
            lines.push('\n');
        }
        std::fs::write(&file, lines).unwrap();
    }
}

pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(file(""))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
}

pub(crate) fn read(file: &PathBuf) -> Vec<Recorded> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}
