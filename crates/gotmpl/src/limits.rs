//! What a template may use up before it is stopped. Each limit has a name that its error shows.

use std::fmt;
use std::time::{Duration, Instant};

/// The limits of a render.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Executed actions, loop turns, function calls and (by 64 bytes) text written. Default 50 million.
    pub steps: u64,
    /// Templates executing within templates, through `template` or a function. Default 2,000.
    pub template_depth: u32,
    /// Stack that one render may use, in bytes; the thread must have some 256 KiB more. A template that
    /// includes another takes about 3 KiB. Default 1 MiB, which fits threads of 2 MiB.
    pub stack_bytes: usize,
    /// Bytes of output, captured output included. Default 64 MiB.
    pub output_bytes: usize,
    /// When to stop by the clock; looked at every 1,024 steps. Default: never.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps: 50_000_000,
            template_depth: 2_000,
            stack_bytes: 1 << 20,
            output_bytes: 64 << 20,
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
    /// [`Limits::deadline`]
    Deadline,
    /// [`MAX_VALUE_DEPTH`](crate::value::MAX_VALUE_DEPTH)
    ValueDepth,
    /// [`MAX_PARSE_DEPTH`](crate::parse::MAX_PARSE_DEPTH)
    ParseDepth,
}

impl Limit {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Steps => "steps",
            Limit::TemplateDepth => "template depth",
            Limit::Stack => "stack",
            Limit::Output => "output size",
            Limit::Deadline => "deadline",
            Limit::ValueDepth => "value depth",
            Limit::ParseDepth => "parse depth",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
