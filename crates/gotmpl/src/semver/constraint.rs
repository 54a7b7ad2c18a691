//! Constraints: what they may look like and which versions they admit.

use std::cmp::Ordering;
use std::fmt;

use super::{Scanner, Version};

/// The longest text that is read as a constraint, in bytes: looking for ranges costs the square of it.
pub const MAX_CONSTRAINT_LEN: usize = 4096;

/// A set of constraints: alternatives separated by `||`, each a list of comparisons joined by spaces or
/// commas that must all hold.
///
/// A version with a prerelease is admitted only by an alternative that itself names one, as in `>=1.2.0-0`.
#[derive(Debug, Clone)]
pub struct Constraint {
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone)]
struct Alternative {
    comparisons: Vec<Comparison>,
    with_prereleases: bool,
}

/// Why a text is not a constraint. The messages are the Go library's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintError {
    /// The text (one alternative of it) has not the form of a constraint.
    Improper(String),
    /// The form is right but the version in it can not be read.
    Version,
    /// The text has more than [`MAX_CONSTRAINT_LEN`] bytes; holds its length.
    TooLong(usize),
}

impl fmt::Display for ConstraintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Improper(text) => write!(f, "improper constraint: {text}"),
            Self::Version => f.write_str("constraint parser error"),
            Self::TooLong(len) => write!(
                f,
                "improper constraint: {len} bytes long, more than {MAX_CONSTRAINT_LEN} (limit constraint length)"
            ),
        }
    }
}

impl std::error::Error for ConstraintError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// All spellings, the longer first where one begins another.
const OPERATORS: &[(&str, Op)] = &[
    ("=>", Op::GreaterEqual),
    ("=<", Op::LessEqual),
    ("=", Op::Equal),
    ("!=", Op::NotEqual),
    (">=", Op::GreaterEqual),
    (">", Op::Greater),
    ("<=", Op::LessEqual),
    ("<", Op::Less),
    ("~>", Op::Tilde),
    ("~", Op::Tilde),
    ("^", Op::Caret),
    ("", Op::Equal),
];

#[derive(Debug, Clone)]
struct Comparison {
    op: Op,
    op_text: &'static str,
    version: Version,
    written: String,
    /// A number is missing or a wildcard: any, the minor one, the patch one.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

impl Constraint {
    /// Parses as `NewConstraint` does. Operators are `=` (or none), `!=`, `>`, `<`, `>=`, `=>`, `<=`, `=<`,
    /// `~`, `~>` and `^`; `1.2 - 1.4` is a range; `x`, `X`, `*` and missing numbers are wildcards.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > MAX_CONSTRAINT_LEN {
            return Err(ConstraintError::TooLong(text.len()));
        }
        let rewritten = rewrite_ranges(text);
        let alternatives = rewritten
            .split("||")
            .map(parse_alternative)
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether the version is admitted.
    pub fn check(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|alternative| {
            alternative
                .comparisons
                .iter()
                .all(|c| c.check(version, alternative.with_prereleases).is_ok())
        })
    }

    /// Like [`check`](Self::check), but says for each comparison that fails why it does.
    pub fn validate(&self, version: &Version) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        let mut prerelease_told = false;
        for alternative in &self.alternatives {
            let mut holds = true;
            for comparison in &alternative.comparisons {
                if !alternative.with_prereleases && !version.pre.is_empty() {
                    if !prerelease_told {
                        reasons.push(Failure::Prerelease.message(version, &comparison.written));
                        prerelease_told = true;
                    }
                    holds = false;
                } else if let Err(failure) = comparison.check(version, alternative.with_prereleases) {
                    reasons.push(failure.message(version, &comparison.written));
                    holds = false;
                }
            }
            if holds {
                return Ok(());
            }
        }
        Err(reasons)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, alternative) in self.alternatives.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (k, comparison) in alternative.comparisons.iter().enumerate() {
                if k > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{}{}", comparison.op_text, comparison.written)?;
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        Self::parse(text)
    }
}

/// A number of a constraint. The Go library's character class lets `|` in, so `1|2` has a constraint's
/// form and only fails when its version is read.
fn is_segment(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'x' | b'X' | b'*' | b'|')
}

fn is_wildcard(segment: &str) -> bool {
    matches!(segment, "x" | "X" | "*")
}

/// Turns each `A - B` into `>= A, <= B `. It runs over the whole text, as in Go: before `||` is looked for,
/// and each rewriting replaces the first occurrence of the range's text.
fn rewrite_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    let mut at = 0;
    while at < text.len() {
        match range_at(text, at) {
            Some((end, low, high)) => {
                if let Some(range) = text.get(at..end) {
                    out = out.replacen(range, &format!(">= {low}, <= {high} "), 1);
                }
                at = end;
            }
            None => at += 1,
        }
    }
    out
}

fn range_at(text: &str, at: usize) -> Option<(usize, &str, &str)> {
    let mut scan = Scanner { text, at };
    scan.spaces();
    let low = scan.version(is_segment)?.text;
    if !(scan.spaces() && scan.literal("-") && scan.spaces()) {
        return None;
    }
    let high = scan.version(is_segment)?.text;
    scan.spaces();
    Some((scan.at, low, high))
}

fn parse_alternative(text: &str) -> Result<Alternative, ConstraintError> {
    let improper = || ConstraintError::Improper(text.to_owned());
    let mut scan = Scanner::new(text);
    let mut comparisons = Vec::new();
    // The form is checked to the end before any version is read: that decides which error is given.
    scan.spaces();
    loop {
        let (op_text, op) = *OPERATORS
            .iter()
            .find(|(spelling, _)| scan.literal(spelling))
            .ok_or_else(improper)?;
        scan.spaces();
        comparisons.push((op_text, op, scan.version(is_segment).ok_or_else(improper)?));
        let mut separated = scan.spaces();
        if scan.at_end() {
            break;
        }
        if scan.literal(",") {
            scan.spaces();
            separated = true;
        }
        if !separated {
            return Err(improper());
        }
    }
    let comparisons = comparisons
        .into_iter()
        .map(|(op_text, op, parts)| {
            let suffix = parts.pre.map(|pre| format!("-{pre}")).unwrap_or_default();
            let open = |segment: Option<&str>| segment.is_none_or(is_wildcard);
            let major = parts.major;
            let (mut minor_dirty, mut patch_dirty) = (false, false);
            let version = if is_wildcard(major) {
                format!("0.0.0{suffix}")
            } else if open(parts.minor) {
                minor_dirty = true;
                format!("{major}.0.0{suffix}")
            } else if open(parts.patch) {
                patch_dirty = true;
                format!("{major}.{}.0{suffix}", parts.minor.unwrap_or_default())
            } else {
                parts.text.to_owned()
            };
            Ok(Comparison {
                op,
                op_text,
                dirty: is_wildcard(major) || minor_dirty || patch_dirty,
                version: Version::parse(&version).map_err(|_| ConstraintError::Version)?,
                written: parts.text.to_owned(),
                minor_dirty,
                patch_dirty,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Alternative {
        with_prereleases: comparisons.iter().any(|c| !c.version.pre.is_empty()),
        comparisons,
    })
}

/// Why a comparison fails.
enum Failure {
    Prerelease,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Major,
    MajorMinor,
    Minor,
    MinorUnderMajorZero,
    PatchUnderMinorZero,
}

impl Failure {
    fn message(&self, v: &Version, written: &str) -> String {
        match self {
            Self::Prerelease => {
                format!("{v} is a prerelease version and the constraint is only looking for release versions")
            }
            Self::Equal => format!("{v} is equal to {written}"),
            Self::NotEqual => format!("{v} is not equal to {written}"),
            Self::LessOrEqual => format!("{v} is less than or equal to {written}"),
            Self::GreaterOrEqual => format!("{v} is greater than or equal to {written}"),
            Self::Less => format!("{v} is less than {written}"),
            Self::Greater => format!("{v} is greater than {written}"),
            Self::Major => format!("{v} does not have same major version as {written}"),
            Self::MajorMinor => format!("{v} does not have same major and minor version as {written}"),
            Self::Minor => format!("{v} does not have same minor version as {written}"),
            Self::MinorUnderMajorZero => format!(
                "{v} does not have same minor version as {written}. Expected minor versions to match when constraint major version is 0"
            ),
            Self::PatchUnderMinorZero => format!(
                "{v} does not equal {written}. Expect version and constraint to equal when major and minor versions are 0"
            ),
        }
    }
}

fn require(holds: bool, failure: Failure) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(failure) }
}

impl Comparison {
    fn check(&self, v: &Version, with_prereleases: bool) -> Result<(), Failure> {
        require(v.pre.is_empty() || with_prereleases, Failure::Prerelease)?;
        let order = v.compare(&self.version);
        match self.op {
            Op::Equal if self.dirty => self.check_tilde(v, order),
            Op::Equal => require(order == Ordering::Equal, Failure::NotEqual),
            Op::NotEqual => self.check_not_equal(v, order),
            Op::Greater => self.check_greater(v, order),
            Op::Less => require(order == Ordering::Less, Failure::GreaterOrEqual),
            Op::GreaterEqual => require(order != Ordering::Less, Failure::Less),
            Op::LessEqual => self.check_less_equal(v, order),
            Op::Tilde => self.check_tilde(v, order),
            Op::Caret => self.check_caret(v, order),
        }
    }

    fn check_not_equal(&self, v: &Version, order: Ordering) -> Result<(), Failure> {
        let c = &self.version;
        if self.dirty {
            if c.major != v.major {
                return Ok(());
            }
            if self.minor_dirty {
                return Err(Failure::Equal);
            }
            if c.minor != v.minor {
                return Ok(());
            }
            if self.patch_dirty {
                let differs = (!v.pre.is_empty() || !c.pre.is_empty())
                    && super::compare_prerelease(&v.pre, &c.pre) != Ordering::Equal;
                return require(differs, Failure::Equal);
            }
            if c.patch != v.patch {
                return Ok(());
            }
        }
        require(order != Ordering::Equal, Failure::Equal)
    }

    fn check_greater(&self, v: &Version, order: Ordering) -> Result<(), Failure> {
        let c = &self.version;
        let greater = if !self.dirty || v.major == c.major && !self.minor_dirty && !self.patch_dirty {
            order == Ordering::Greater
        } else if v.major != c.major {
            v.major > c.major
        } else {
            // Above `1` begins at 2, above `1.2` at 1.3.
            !self.minor_dirty && v.minor > c.minor
        };
        require(greater, Failure::LessOrEqual)
    }

    fn check_less_equal(&self, v: &Version, order: Ordering) -> Result<(), Failure> {
        let c = &self.version;
        let holds = if self.dirty {
            v.major <= c.major && (v.major != c.major || v.minor <= c.minor || self.minor_dirty)
        } else {
            order != Ordering::Greater
        };
        require(holds, Failure::Greater)
    }

    fn check_tilde(&self, v: &Version, order: Ordering) -> Result<(), Failure> {
        let c = &self.version;
        require(order != Ordering::Less, Failure::Less)?;
        if (c.major, c.minor, c.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return Ok(());
        }
        require(v.major == c.major, Failure::Major)?;
        require(v.minor == c.minor || self.minor_dirty, Failure::MajorMinor)
    }

    fn check_caret(&self, v: &Version, order: Ordering) -> Result<(), Failure> {
        let c = &self.version;
        require(order != Ordering::Less, Failure::Less)?;
        if c.major > 0 || self.minor_dirty {
            return require(v.major == c.major, Failure::Major);
        }
        require(v.major == 0, Failure::Major)?;
        if c.minor > 0 || self.patch_dirty {
            return require(v.minor == c.minor, Failure::MinorUnderMajorZero);
        }
        require(v.minor == 0, Failure::Minor)?;
        require(v.patch == c.patch, Failure::PatchUnderMinorZero)
    }
}
