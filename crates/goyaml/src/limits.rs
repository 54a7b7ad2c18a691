//! What a document may cost to read.

/// Limits on reading one text. Every limit has its own error variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text that is read, in bytes. Default 64 MiB.
    pub input_bytes: usize,
    /// Deepest nesting of sequences and mappings, aliases followed. Default 1000 (go-yaml: 10000).
    pub depth: usize,
    /// Nodes of one document: scalars, sequences and maps, those reached through aliases counted each time.
    /// Default 500,000.
    pub nodes: usize,
    /// Sum of the lengths of all scalars that are reached through aliases. Default 16 MiB. Go shares a
    /// string among its aliases and needs no such limit; a builder may copy it each time.
    pub expanded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            input_bytes: 64 << 20,
            depth: 1000,
            nodes: 500_000,
            expanded_bytes: 16 << 20,
        }
    }
}
