//! Lookups with their answers, recorded with a render.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Lookup;

/// What the lookups of one render may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupLimits {
    /// Different questions. Default 500.
    pub count: usize,
    /// Bytes of all answers, as JSON. Default 16 MiB.
    pub bytes: usize,
}

impl Default for LookupLimits {
    fn default() -> Self {
        Self {
            count: 500,
            bytes: 16 << 20,
        }
    }
}

/// What a template asked by `lookup`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Secret`.
    pub kind: String,
    /// Empty for all, and for kinds without namespaces.
    pub namespace: String,
    /// Empty for a list.
    pub name: String,
}

impl fmt::Display for Question {
    /// `v1 Secret web/tls`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Question {
            api_version,
            kind,
            namespace,
            name,
        } = self;
        write!(f, "{api_version} {kind} {namespace}/{name}")
    }
}

/// A question and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The question.
    #[serde(flatten)]
    pub question: Question,
    /// SHA-256 of the answer's JSON, in hexadecimal digits.
    pub digest: String,
}

/// Asks another and remembers: the same question gets the same answer for the whole render, and what was answered can
/// be compared with a later one without keeping objects, which may be secret. One recorder serves one render.
///
/// ```
/// use std::sync::Arc;
/// use helmapp_helm::render::{Lookup, LookupLimits, NoLookup, Recorder};
///
/// let recorder = Recorder::new(Arc::new(NoLookup), LookupLimits::default());
/// assert!(recorder.lookup("v1", "Secret", "web", "tls")?.is_empty());
/// assert_eq!(recorder.recorded()[0].question.to_string(), "v1 Secret web/tls");
/// # Ok::<(), String>(())
/// ```
pub struct Recorder {
    inner: Arc<dyn Lookup>,
    limits: LookupLimits,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    by_question: BTreeMap<Question, (Map<String, Value>, String)>,
    bytes: usize,
}

impl Recorder {
    /// A recorder that has recorded nothing and asks `inner`.
    pub fn new(inner: Arc<dyn Lookup>, limits: LookupLimits) -> Recorder {
        Recorder {
            inner,
            limits,
            answers: Mutex::default(),
        }
    }

    /// What was asked so far, in the order of the questions.
    pub fn recorded(&self) -> Vec<Recorded> {
        let answers = self.answers();
        let recorded = answers
            .by_question
            .iter()
            .map(|(question, (_, digest))| Recorded {
                question: question.clone(),
                digest: digest.clone(),
            });
        recorded.collect()
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        // What a panic has left is still a valid map.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    /// Without the answers, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Lookup for Recorder {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, String> {
        let question = Question {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        {
            let answers = self.answers();
            if let Some((answer, _)) = answers.by_question.get(&question) {
                return Ok(answer.clone());
            }
            let most = self.limits.count;
            if answers.by_question.len() >= most {
                return Err(format!("lookups limit exceeded: more than {most} in one render"));
            }
        }
        let answer = self.inner.lookup(api_version, kind, namespace, name)?;
        let text = serde_json::to_vec(&answer).map_err(|e| e.to_string())?;
        let mut answers = self.answers();
        answers.bytes += text.len();
        let most = self.limits.bytes;
        if answers.bytes > most {
            return Err(format!(
                "lookup bytes limit exceeded: answers of more than {most} bytes in one render"
            ));
        }
        let digest = Sha256::digest(&text).iter().map(|b| format!("{b:02x}")).collect();
        answers.by_question.insert(question, (answer.clone(), digest));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    /// Answers each question another way each time.
    #[derive(Default)]
    struct Changing(AtomicUsize, usize);

    impl Lookup for Changing {
        fn lookup(&self, _: &str, _: &str, _: &str, name: &str) -> Result<Map<String, Value>, String> {
            if name == "gone" {
                return Err("the server is away".to_owned());
            }
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Map::from_iter([(
                "n".to_owned(),
                json!("x".repeat(self.1) + &n.to_string()),
            )]))
        }
    }

    #[test]
    fn a_question_has_one_answer_and_is_recorded_with_its_digest() {
        let recorder = Recorder::new(Arc::new(Changing::default()), LookupLimits::default());
        let ask = |name: &str| recorder.lookup("v1", "Secret", "ns", name);
        let first = ask("b").unwrap();
        assert_eq!(ask("a").unwrap()["n"], "1");
        assert_eq!(ask("b").unwrap(), first);
        assert_eq!(ask("gone").unwrap_err(), "the server is away");
        let recorded = recorder.recorded();
        assert_eq!(
            serde_json::to_value(&recorded[1]).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Secret", "namespace": "ns", "name": "b",
                "digest": "891677b8f67b634c012212da50b8badc72f8f914b928c01763befc3e93ae326e",
            })
        );
        assert_eq!(recorded.len(), 2);
        assert_ne!(recorded[0].digest, recorded[1].digest);
        assert_eq!(format!("{recorder:?}"), "Recorder { .. }");
    }

    #[test]
    fn lookups_are_limited_in_number_and_size() {
        let limits = LookupLimits::default();
        let recorder = Recorder::new(Arc::new(Changing::default()), limits);
        for n in 0..limits.count {
            recorder.lookup("v1", "Pod", "", &n.to_string()).unwrap();
        }
        assert!(recorder.lookup("v1", "Pod", "", "0").is_ok());
        let error = recorder.lookup("v1", "Pod", "", "more").unwrap_err();
        assert_eq!(error, "lookups limit exceeded: more than 500 in one render");

        let recorder = Recorder::new(Arc::new(Changing(AtomicUsize::new(0), 6 << 20)), limits);
        let error = (0..3).find_map(|n| recorder.lookup("v1", "Pod", "", &n.to_string()).err());
        assert_eq!(
            error.unwrap(),
            "lookup bytes limit exceeded: answers of more than 16777216 bytes in one render"
        );
    }
}
