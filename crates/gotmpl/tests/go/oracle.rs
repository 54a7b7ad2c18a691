//! The real Go, as a child process that answers line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::case::{Answer, Case};

pub(crate) struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Builds and starts it. Panics with a clear line where there is no Go.
    pub(crate) fn start() -> Oracle {
        let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let module = manifest.join("../../tests/oracle/template");
        let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("template-oracle");
        let built = Command::new("go")
            .arg("build")
            .arg("-o")
            .arg(&binary)
            .arg(".")
            .current_dir(&module)
            .output();
        match built {
            Err(e) => {
                panic!("the differential test needs Go (https://go.dev/dl), which could not be run: {e}")
            }
            Ok(out) if !out.status.success() => {
                panic!(
                    "the oracle in tests/oracle/template does not build: {}",
                    String::from_utf8_lossy(&out.stderr)
                )
            }
            Ok(_) => {}
        }
        let mut child = Command::new(&binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the oracle");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("the oracle's output"));
        Oracle { child, input, output }
    }

    pub(crate) fn ask(&mut self, case: &Case) -> Answer {
        let input = self.input.as_mut().expect("the oracle's input");
        let mut line = serde_json::to_string(case).expect("a case is JSON");
        line.push('\n');
        input.write_all(line.as_bytes()).expect("ask the oracle");
        input.flush().expect("ask the oracle");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the oracle's answer");
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("the oracle answered {answer:?}: {e}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}
