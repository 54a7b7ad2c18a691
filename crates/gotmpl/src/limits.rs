//! What a template may use up before it is stopped. Each limit has a name that its error shows.

use std::fmt;
use std::time::{Duration, Instant};

use crate::re2::MAX_PATTERN_LEN;

/// The limits of a render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Executed actions, loop turns and function calls; text and values that functions handle count by their
    /// size. Default 20 million, which is well under a second of work.
    pub steps: u64,
    /// Templates executing within templates, through `template` or a function. Default 2,000.
    pub template_depth: u32,
    /// Stack that one render may use, in bytes; the thread must have some 256 KiB more. A template that
    /// includes another takes about 3 KiB. Default 1 MiB, which fits threads of 2 MiB.
    pub stack_bytes: usize,
    /// Bytes of output of all templates that are executed with one state. Default 32 MiB.
    pub output_bytes: usize,
    /// Bytes of one text that a function gives or a template's captured output holds. Default 16 MiB.
    pub text_bytes: usize,
    /// Bytes of all values that templates have made and still hold, and of output under way. Default 64 MiB.
    pub memory_bytes: usize,
    /// Items of a list that a function makes from a number, such as `until` and `seq`. Default 1 million.
    pub list_items: u64,
    /// Bytes of a regular expression. What it compiles to is bounded by
    /// [`MAX_PROGRAM_SIZE`](crate::re2::MAX_PROGRAM_SIZE). Default and most 64 KiB.
    pub regex_bytes: usize,
    /// Work on keys, certificates and slow hashes, in units of about 5 microseconds. Default 10 million: 1,000
    /// password hashes or some 300 RSA keys; charts of a cluster with a certificate each need more than 60.
    pub key_work: u64,
    /// When to stop by the clock; looked at every 1,024 steps. Default: never.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps: 20_000_000,
            template_depth: 2_000,
            stack_bytes: 1 << 20,
            output_bytes: 32 << 20,
            text_bytes: 16 << 20,
            memory_bytes: 64 << 20,
            list_items: 1_000_000,
            regex_bytes: MAX_PATTERN_LEN,
            key_work: 10_000_000,
            deadline: None,
        }
    }
}

impl Limits {
    /// The same limits with a deadline so much after `now`.
    pub fn with_timeout(mut self, now: Instant, timeout: Duration) -> Limits {
        self.deadline = now.checked_add(timeout);
        self
    }
}

/// The name of a limit, as errors carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::steps`]
    Steps,
    /// [`Limits::template_depth`]
    TemplateDepth,
    /// [`Limits::stack_bytes`]
    Stack,
    /// [`Limits::output_bytes`]
    Output,
    /// [`Limits::text_bytes`]
    Text,
    /// [`Limits::memory_bytes`]
    Memory,
    /// [`Limits::list_items`]
    ListItems,
    /// [`MAX_SOURCE_NODES`](crate::parse::MAX_SOURCE_NODES) and [`MAX_SET_NODES`](crate::set::MAX_SET_NODES)
    SourceNodes,
    /// [`Limits::key_work`]
    KeyWork,
    /// [`Limits::deadline`]
    Deadline,
    /// [`MAX_VALUE_DEPTH`](crate::value::MAX_VALUE_DEPTH)
    ValueDepth,
    /// [`MAX_PARSE_DEPTH`](crate::parse::MAX_PARSE_DEPTH)
    ParseDepth,
    /// [`Limits::regex_bytes`] and [`re2`](crate::re2)'s bounds on patterns.
    Regex,
    /// A limit of the host's own, which its error names.
    Host,
}

impl Limit {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Steps => "steps",
            Limit::TemplateDepth => "template depth",
            Limit::Stack => "stack",
            Limit::Output => "output size",
            Limit::Text => "text size",
            Limit::Memory => "memory",
            Limit::ListItems => "list items",
            Limit::SourceNodes => "source nodes",
            Limit::KeyWork => "key work",
            Limit::Deadline => "deadline",
            Limit::ValueDepth => "value depth",
            Limit::ParseDepth => "parse depth",
            Limit::Regex => "regex size",
            Limit::Host => "host",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
