//! Random functions and `now` that give a release the same each time it is rendered.
//!
//! A [`Memo`] is a secret seed and a time, made once for a release and kept with it. What a random function gives
//! follows from the seed, the template file that is rendered, the function's name, and which of its calls in that
//! file it is: adding a template or a call of another function changes nothing of what is there. A new memo gives new
//! values everywhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helmapp_gotmpl::sprig::{Clock, Entropy};
use helmapp_gotmpl::{Error, Func, Functions, State};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;

use super::host::Host;

/// The functions that draw random bytes.
pub const RANDOM_FUNCTIONS: &[&str] = &[
    "bcrypt",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "randAlpha",
    "randAlphaNum",
    "randAscii",
    "randBytes",
    "randInt",
    "randNumeric",
    "shuffle",
    "uuidv4",
];

const SEED_BYTES: usize = 32;

/// What makes the random functions and the clock of a release repeatable. It is as secret as the passwords that a
/// chart makes with it.
///
/// ```
/// use std::sync::Arc;
/// use helmapp_helm::capabilities::Capabilities;
/// use helmapp_helm::chart::{Chart, File};
/// use helmapp_helm::render::{CompiledChart, Memo, ReleaseOptions, RenderInput};
/// use helmapp_helm::values::Shared;
///
/// let chart = Chart::load_files(
///     vec![
///         File::new("Chart.yaml", &b"apiVersion: v2\nname: demo\nversion: 1.0.0\n"[..]),
///         File::new("templates/a.yaml", &b"password: {{ randAlphaNum 16 }}"[..]),
///     ],
///     &Default::default(),
/// )?;
/// let compiled = CompiledChart::compile(&chart)?;
/// let release = ReleaseOptions {
///     name: "a".into(), namespace: "b".into(), revision: 1, is_install: true, is_upgrade: false,
/// };
/// let memo = Memo::new([7; 32], 1_700_000_000);
/// let render = || {
///     let input = RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()));
///     compiled.render(input.with_memo(&memo))
/// };
/// assert_eq!(render()?, render()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    #[serde(serialize_with = "write_seed", deserialize_with = "read_seed")]
    seed: [u8; SEED_BYTES],
    /// Seconds since 1970.
    time: i64,
}

impl Memo {
    /// A memo of 32 bytes that nobody can guess, and of the time that `now` gives, in seconds since 1970.
    pub fn new(seed: [u8; SEED_BYTES], time: i64) -> Memo {
        Memo { seed, time }
    }

    /// The time that `now` gives, in seconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The next bytes of a draw.
    fn block(&self, draw: &Draw) -> Result<[u8; 32], Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.seed).map_err(|e| Error::new(e.to_string()))?;
        for text in [draw.file.as_bytes(), draw.function.as_bytes()] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text);
        }
        mac.update(&draw.call.to_be_bytes());
        mac.update(&draw.block.to_be_bytes());
        Ok(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Memo {
    /// Without the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

fn write_seed<S: Serializer>(seed: &[u8; SEED_BYTES], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(seed))
}

fn read_seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; SEED_BYTES], D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| de::Error::custom("a seed is 32 bytes in base64"))
}

impl Clock for Memo {
    fn now(&self, _: &mut State) -> (i64, u32) {
        (self.time, 0)
    }
}

impl Entropy for Memo {
    fn fill(&self, state: &mut State, out: &mut [u8]) -> Result<(), Error> {
        let Some(calls) = state.user_mut::<Host>().map(|host| &mut host.calls) else {
            return Err(Error::new("random bytes are asked for outside of a rendering"));
        };
        for chunk in out.chunks_mut(32) {
            let draw = calls.draw().ok_or_else(|| {
                Error::new("random bytes are asked for by a function that is not known to be random")
            })?;
            chunk.copy_from_slice(self.block(draw)?.get(..chunk.len()).unwrap_or_default());
            draw.block += 1;
        }
        Ok(())
    }
}

/// Which call of a random function is at work.
#[derive(Debug, Default)]
pub(super) struct Calls {
    file: Arc<str>,
    /// How often each function was called in the file.
    counts: HashMap<&'static str, u64>,
    at_work: Option<Draw>,
}

#[derive(Debug)]
struct Draw {
    file: Arc<str>,
    function: &'static str,
    call: u64,
    block: u64,
}

impl Calls {
    /// The file that is rendered next.
    pub(super) fn begin_file(&mut self, name: &Arc<str>) {
        self.file = Arc::clone(name);
        self.counts.clear();
    }

    fn begin(&mut self, function: &'static str) {
        let count = self.counts.entry(function).or_default();
        self.at_work = Some(Draw {
            file: Arc::clone(&self.file),
            function,
            call: *count,
            block: 0,
        });
        *count += 1;
    }

    fn draw(&mut self) -> Option<&mut Draw> {
        self.at_work.as_mut()
    }
}

/// Makes the random functions tell when they are called.
pub(super) fn note_calls(functions: &mut Functions) {
    for name in RANDOM_FUNCTIONS {
        let Some(inner) = functions.get(name).cloned() else {
            continue;
        };
        let signature = inner.signature().clone();
        functions.insert(
            *name,
            Func::new(signature, move |state, args| {
                if let Some(host) = state.user_mut::<Host>() {
                    host.calls.begin(name);
                }
                let result = inner.call(state, args);
                if let Some(host) = state.user_mut::<Host>() {
                    host.calls.at_work = None;
                }
                result
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::*;
    use super::*;
    use crate::chart::File;

    fn render(templates: &[(&str, &str)], memo: &Memo) -> Result<BTreeMap<String, String>, String> {
        let mut files = vec![File::new(
            "Chart.yaml",
            &b"apiVersion: v2\nname: c\nversion: 1.0.0\n"[..],
        )];
        files.extend(
            templates
                .iter()
                .map(|(name, text)| File::new(format!("templates/{name}"), text.as_bytes())),
        );
        let chart = Chart::load_files(files, &crate::limits::Limits::default()).unwrap();
        let release = ReleaseOptions {
            name: "r".into(),
            namespace: "n".into(),
            revision: 1,
            is_install: true,
            is_upgrade: false,
        };
        let input = RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()));
        let compiled = CompiledChart::compile(&chart).unwrap();
        compiled.render(input.with_memo(memo)).map_err(|e| e.to_string())
    }

    fn memo() -> Memo {
        Memo::new([1; 32], 1_795_266_227)
    }

    /// A call of each random function.
    fn call_of(function: &str) -> &'static str {
        match function {
            "bcrypt" => "bcrypt \"p\"",
            "encryptAES" => "encryptAES \"k\" \"text\"",
            "genCA" => "(genCA \"a\" 1).Cert",
            "genCAWithKey" => "(genCAWithKey \"a\" 1 (genPrivateKey \"ed25519\")).Cert",
            "genPrivateKey" => "genPrivateKey \"ecdsa\"",
            "genSelfSignedCert" => "(genSelfSignedCert \"a\" nil nil 1).Key",
            "genSelfSignedCertWithKey" => {
                "(genSelfSignedCertWithKey \"a\" nil nil 1 (genPrivateKey \"ed25519\")).Cert"
            }
            "genSignedCert" => {
                "(genSignedCert \"a\" nil nil 1 (genCAWithKey \"a\" 1 (genPrivateKey \"ed25519\"))).Cert"
            }
            "genSignedCertWithKey" => {
                "(genSignedCertWithKey \"a\" nil nil 1 (genCAWithKey \"a\" 1 (genPrivateKey \"ed25519\")) (genPrivateKey \"ed25519\")).Cert"
            }
            "htpasswd" => "htpasswd \"u\" \"p\"",
            "randAlpha" => "randAlpha 100",
            "randAlphaNum" => "randAlphaNum 100",
            "randAscii" => "randAscii 100 | quote",
            "randBytes" => "randBytes 100",
            "randInt" => "randInt 0 1000000000",
            "randNumeric" => "randNumeric 100",
            "shuffle" => "shuffle \"abcdefghijklmnopqrstuvwxyz\"",
            "uuidv4" => "uuidv4",
            other => panic!("no call of {other}"),
        }
    }

    #[test]
    fn every_random_function_repeats_itself_and_no_two_calls_are_alike() {
        for function in RANDOM_FUNCTIONS {
            let call = call_of(function);
            let text = format!("{{{{ {call} }}}}\x01{{{{ {call} }}}}");
            let once = |memo: &Memo| {
                let output = render(&[("a.yaml", &text)], memo).unwrap_or_else(|e| panic!("{function}: {e}"));
                output["c/templates/a.yaml"].clone()
            };
            let first = once(&memo());
            assert_eq!(first, once(&memo()), "{function}");
            let (one, other) = first.split_once('\x01').unwrap();
            assert_ne!(one, other, "{function}");
            assert_ne!(first, once(&Memo::new([2; 32], memo().time())), "{function}");
        }
    }

    #[test]
    fn now_is_the_memos_time() {
        let text = "{{ now | unixEpoch }} {{ now | date \"2006-01-02\" }}";
        let output = render(&[("a.yaml", text)], &memo()).unwrap();
        assert_eq!(output["c/templates/a.yaml"], "1795266227 2026-11-21");
    }

    #[test]
    fn what_is_there_stays_when_a_chart_grows() {
        let before = render(&[("b.yaml", "{{ randAlphaNum 20 }}")], &memo()).unwrap();
        let password = &before["c/templates/b.yaml"];
        for grown in [
            &[
                ("a.yaml", "{{ randAlphaNum 20 }}"),
                ("b.yaml", "{{ randAlphaNum 20 }}"),
            ][..],
            &[(
                "b.yaml",
                "{{ $x := uuidv4 }}{{ $y := genPrivateKey \"ed25519\" }}{{ randAlphaNum 20 }}",
            )],
            &[
                ("b.yaml", "\n\n# moved\n{{ include \"p\" . }}"),
                ("_p.tpl", "{{ define \"p\" }}{{ randAlphaNum 20 }}{{ end }}"),
            ],
            &[("b.yaml", "{{ randAlphaNum 30 | trunc 20 }}")],
        ] {
            let output = render(grown, &memo()).unwrap();
            assert!(
                output["c/templates/b.yaml"].ends_with(password.as_str()),
                "{grown:?}"
            );
        }
        let other = render(&[("a.yaml", "{{ randAlphaNum 20 }}")], &memo()).unwrap();
        assert_ne!(
            &other["c/templates/a.yaml"], password,
            "another file has other values"
        );
    }

    #[test]
    fn a_memo_is_kept_as_text_and_not_shown() {
        let text = serde_json::to_string(&memo()).unwrap();
        assert_eq!(
            text,
            "{\"seed\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\",\"time\":1795266227}"
        );
        assert_eq!(serde_json::from_str::<Memo>(&text).unwrap(), memo());
        assert!(serde_json::from_str::<Memo>("{\"seed\":\"AQE=\",\"time\":1}").is_err());
        assert_eq!(format!("{:?}", memo()), "Memo { time: 1795266227, .. }");
    }

    /// What the seed gives may not change from one version to the next: every password would change.
    #[test]
    fn the_values_of_a_seed_are_fixed() {
        let output = render(
            &[(
                "a.yaml",
                "{{ randAlphaNum 16 }} {{ uuidv4 }} {{ randInt 0 1000 }}",
            )],
            &memo(),
        )
        .unwrap();
        assert_eq!(
            output["c/templates/a.yaml"],
            "loaZekdcosSiBWGI 7caac4bf-4c56-4326-b57e-d5dbed50db8d 24"
        );
    }
}
