//! JSON exactly as Go's encoding/json reads and writes it: number formats, escapes, error texts.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode_string;
pub use decode::{MAX_DEPTH, decode, decode_partial};
pub use encode::{Style, encode};
