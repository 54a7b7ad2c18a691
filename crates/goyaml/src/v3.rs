//! `go.yaml.in/yaml/v3` with indent 2: what Helm's `toYamlPretty` writes.

use crate::emit::{Emitter, natural_cmp_v3};
use crate::error::Result;
use crate::sigs::emit_json;

/// Writes a value as v3's encoder does with indent 2, with the trailing newline.
///
/// ```
/// let text = helmapp_goyaml::v3::to_string(&serde_json::json!({"a": [1.5, "yes"]})).unwrap();
/// assert_eq!(text, "a:\n  - 1.5\n  - \"yes\"\n");
/// ```
///
/// # Errors
/// None for a JSON value; the type is shared with [`sigs::from_json`](crate::sigs::from_json).
pub fn to_string(value: &serde_json::Value) -> Result<String> {
    let mut emitter = Emitter::v3();
    emit_json(&mut emitter, value, natural_cmp_v3);
    emitter.finish()
}
