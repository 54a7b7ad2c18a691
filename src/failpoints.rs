//! Points between the writes of a release at which a test ends the process as `kill -9` does, or holds it. They are
//! in builds with debug assertions only; the released program has neither the points nor the variable.
//!
//! [`VARIABLE`] arms one of them: `record.create.after` at its first pass, `object.apply.after#3` at its third.
//! `=hold` behind that holds the thread instead, until the process was stopped and continued.

/// Each point, by its name; `tests/chaos` goes through all of them.
pub const ALL: &[&str] = &[
    // The flow of a revision.
    "release.planned",
    "release.begun",
    "release.waits",
    "release.goes-on",
    "release.applied",
    "resume.planned",
    "settle.ready",
    "settle.deployed",
    "settle.superseded",
    "settle.trimmed",
    "settle.failing",
    "settle.noted",
    "settle.failed",
    "settle.failed-trimmed",
    "adopt.applied",
    // Between waves of objects.
    "wave.applied",
    "wave.removed",
    // The end of a release.
    "uninstall.begun",
    "uninstall.wave-gone",
    "uninstall.objects-gone",
    "uninstall.records-gone",
    "uninstall.released",
    // Every kind of write.
    "namespace.create.before",
    "namespace.create.after",
    "finalizer.write.before",
    "finalizer.write.after",
    "companion.write.before",
    "companion.write.after",
    "companion.delete.before",
    "companion.delete.after",
    "record.create.before",
    "record.create.after",
    "record.write.before",
    "record.write.after",
    "record.delete.before",
    "record.delete.after",
    "record.note.before",
    "record.note.after",
    "hook.create.before",
    "hook.create.after",
    "hook.delete.before",
    "hook.delete.after",
    "crd.create.before",
    "crd.create.after",
    "object.apply.before",
    "object.apply.after",
    "object.delete.before",
    "object.delete.after",
    "status.write.before",
    "status.write.after",
    "event.write.before",
    "event.write.after",
];

/// The variable that arms a point.
pub const VARIABLE: &str = "HELMAPP_FAILPOINT";

/// The target under which each pass is logged, at level trace.
pub const TARGET: &str = "helmapp::failpoints";

/// A point that is passed.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn failpoint(_point: &'static str) {}

#[cfg(debug_assertions)]
pub(crate) use armed::failpoint;

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    /// How often a held thread looks whether the process was stopped, and the gap that shows it.
    const LOOK: Duration = Duration::from_millis(20);
    const STOPPED: Duration = Duration::from_secs(2);
    /// Longest that a thread is held.
    const LONGEST: Duration = Duration::from_secs(120);

    static ARMED: LazyLock<Option<Armed>> =
        LazyLock::new(|| Armed::parse(&std::env::var(super::VARIABLE).ok()?));

    #[derive(Debug)]
    pub(super) struct Armed {
        point: String,
        /// The pass at which it acts, from 1.
        pass: u64,
        holds: bool,
        passed: AtomicU64,
    }

    impl Armed {
        pub(super) fn parse(text: &str) -> Option<Self> {
            let (text, holds) = match text.split_once('=') {
                Some((text, "hold")) => (text, true),
                Some(_) => return None,
                None => (text, false),
            };
            let (point, pass) = match text.split_once('#') {
                Some((point, pass)) => (point, pass.parse().ok()?),
                None => (text, 1),
            };
            super::ALL.contains(&point).then(|| Self {
                point: point.to_owned(),
                pass,
                holds,
                passed: AtomicU64::new(0),
            })
        }

        /// Whether it acts at this pass.
        pub(super) fn acts(&self, point: &str) -> bool {
            point == self.point && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.pass
        }
    }

    /// A point that is passed.
    pub(crate) fn failpoint(point: &'static str) {
        tracing::trace!(target: super::TARGET, point, "passed");
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.acts(point)) else {
            return;
        };
        if armed.holds {
            tracing::warn!(target: super::TARGET, point, "held");
            hold();
        } else {
            // Nothing is unwound, flushed or said any more.
            std::process::abort();
        }
    }

    fn hold() {
        let begun = Instant::now();
        let mut last = begun;
        while begun.elapsed() < LONGEST && last.elapsed() < STOPPED {
            last = Instant::now();
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn sources(directory: &Path, found: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("failpoints.rs") {
                found.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn each_point_is_in_the_code_once() {
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        let mut found = BTreeMap::new();
        for rest in text.split("failpoint(\"").skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            *found.entry(name).or_insert(0) += 1;
        }
        let expected: BTreeMap<&str, i32> = ALL.iter().map(|name| (*name, 1)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_point_is_armed_for_one_pass() {
        let armed = armed::Armed::parse("object.apply.after#2").unwrap();
        let acts = [
            "object.apply.after",
            "object.apply.before",
            "object.apply.after",
            "object.apply.after",
        ]
        .map(|point| armed.acts(point));
        assert_eq!(acts, [false, false, true, false]);
        for bad in [
            "elsewhere",
            "object.apply.after#x",
            "object.apply.after=sleep",
            "",
        ] {
            assert!(armed::Armed::parse(bad).is_none(), "{bad}");
        }
    }
}
