//! For tests: the real Go and the real Helm, each a process that is built once, runs as long as the test, and
//! answers a line of JSON for each line of JSON.
//!
//! The programs are the Go modules beside this crate. A test that needs one fails with a clear line where there is
//! no Go.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "used by tests only, where a broken judge is a failure"
)]

mod build;
pub mod helm;
mod random;

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use build::{Program, binary};
pub use random::{Random, seed, setting};

/// Prints a line of a test's results, where it is seen of tests that pass as well: the test runner keeps what the macros
/// print to itself.
pub fn tell(line: impl std::fmt::Display) {
    // Nobody may be there to read it.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A judge that runs.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Builds the program if need be, and starts it.
    ///
    /// # Panics
    /// There is no Go, or the program does not build or start.
    pub fn start(program: Program) -> Oracle {
        let mut child = Command::new(binary(program))
            // Go's local zone has the name of what this variable says.
            .env_remove("TZ")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the judge starts");
        let input = child.stdin.take().map(BufWriter::new);
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Oracle { child, input, output }
    }

    /// The answer to one question.
    ///
    /// # Panics
    /// The judge ended, or its answer is none.
    pub fn ask<Q: Serialize, A: DeserializeOwned>(&mut self, question: &Q) -> A {
        let input = self.input.as_mut().expect("the judge reads");
        write_line(input, question);
        input.flush().expect("the judge reads");
        read_line(&mut self.output)
    }

    /// The answers to many questions, asked while the first ones are being answered.
    ///
    /// # Panics
    /// The judge ended, or an answer is none.
    pub fn ask_all<Q: Serialize + Sync, A: DeserializeOwned>(&mut self, questions: &[Q]) -> Vec<A> {
        let input = self.input.as_mut().expect("the judge reads");
        let output = &mut self.output;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for question in questions {
                    write_line(input, question);
                }
                input.flush().expect("the judge reads");
            });
            questions.iter().map(|_| read_line(output)).collect()
        })
    }
}

fn write_line<Q: Serialize>(input: &mut BufWriter<ChildStdin>, question: &Q) {
    let mut line = serde_json::to_vec(question).expect("a question is JSON");
    line.push(b'\n');
    input.write_all(&line).expect("the judge reads");
}

fn read_line<A: DeserializeOwned>(output: &mut BufReader<ChildStdout>) -> A {
    let mut answer = String::new();
    output.read_line(&mut answer).expect("the judge writes");
    serde_json::from_str(&answer).unwrap_or_else(|e| panic!("the judge answered {answer:?}: {e}"))
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input.take();
        // What it was still writing is of no use to anybody, and it must not wait for a reader.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
