//! Coverage-guided fuzzing of `values`.
#![no_main]

#[allow(dead_code, reason = "each target uses one function")]
#[path = "../../crates/helm/tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::values(data));
