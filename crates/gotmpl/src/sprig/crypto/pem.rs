//! PEM blocks, as Go's `encoding/pem` writes and finds them.

use super::super::encoding::{base64_decode, base64_encode};

pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    let text = base64_encode(bytes);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first whole block of a text; what stands around it, and headers in it, are skipped.
pub(super) fn decode(text: &str) -> Option<Block> {
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let label = line
            .trim_end()
            .strip_prefix("-----BEGIN ")
            .and_then(|l| l.strip_suffix("-----"));
        let Some(label) = label else { continue };
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        for line in lines.clone() {
            if line.trim_end() == end {
                if let Ok(bytes) = base64_decode(body.as_bytes()) {
                    return Some(Block {
                        label: label.to_owned(),
                        bytes,
                    });
                }
                break;
            }
            if !line.contains(": ") {
                body.push_str(line.trim());
            }
        }
    }
    None
}
