//! Versions and version constraints as github.com/Masterminds/semver v3.4.0 reads and compares them.
//!
//! Helm chooses chart versions, checks `kubeVersion` and answers `semverCompare` with that library, whose
//! rules differ from the other semver dialects: `1` and `v1.2` are versions, `>=1.21-0` admits the
//! prereleases that vendors build (`v1.27.3-gke.100`), `||` and `,` and spaces join constraints.

mod constraint;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

pub use constraint::{Constraint, ConstraintError, MAX_CONSTRAINT_LEN};

/// A semantic version, with the text it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
    metadata: String,
    original: String,
}

/// Why a text is not a version. The messages are the Go library's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionError {
    /// The text has not the form of a version.
    Invalid,
    /// Strict parsing of an empty text.
    Empty,
    /// Strict parsing: major, minor or patch is not a number.
    InvalidCharacters,
    /// A number has a leading zero.
    SegmentStartsZero,
    /// The build metadata is malformed.
    InvalidMetadata,
    /// The prerelease is malformed.
    InvalidPrerelease,
    /// A number is empty (strict parsing only) or does not fit 64 bits.
    Number {
        /// The digits.
        digits: String,
        /// Whether strict parsing found it, which words the message differently.
        strict: bool,
    },
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid semantic version",
            Self::Empty => "version string empty",
            Self::InvalidCharacters => "invalid characters in version",
            Self::SegmentStartsZero => "version segment starts with 0",
            Self::InvalidMetadata => "invalid metadata string",
            Self::InvalidPrerelease => "invalid prerelease string",
            Self::Number { digits, strict } => {
                if !strict {
                    f.write_str("error parsing version segment: ")?;
                }
                let what = if digits.is_empty() {
                    "invalid syntax"
                } else {
                    "value out of range"
                };
                return write!(f, "strconv.ParseUint: parsing \"{digits}\": {what}");
            }
        })
    }
}

impl std::error::Error for VersionError {}

impl Version {
    /// Parses leniently, as `NewVersion` does: an optional `v`, one to three numbers (leading zeros are
    /// allowed), then an optional prerelease and build metadata. Missing numbers are 0.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let mut scan = Scanner::new(text);
        let parts = scan
            .version(|b| b.is_ascii_digit())
            .ok_or(VersionError::Invalid)?;
        if !scan.at_end() {
            return Err(VersionError::Invalid);
        }
        let number = |digits: Option<&str>| match digits {
            Some(d) => parse_number(d, false),
            None => Ok(0),
        };
        let version = Self {
            major: number(Some(parts.major))?,
            minor: number(parts.minor)?,
            patch: number(parts.patch)?,
            pre: parts.pre.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.pre.is_empty() {
            validate_prerelease(&version.pre)?;
        }
        if !version.metadata.is_empty() {
            validate_metadata(&version.metadata)?;
        }
        Ok(version)
    }

    /// Parses strictly, as `StrictNewVersion` does: `major.minor.patch` without `v` or leading zeros.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VersionError::Invalid);
        };
        let (rest, metadata) = rest.split_once('+').map_or((rest, None), |(r, m)| (r, Some(m)));
        if let Some(m) = metadata {
            validate_metadata(m)?;
        }
        let (patch, pre) = rest.split_once('-').map_or((rest, None), |(r, p)| (r, Some(p)));
        if let Some(p) = pre {
            validate_prerelease(p)?;
        }
        for part in [major, minor, patch] {
            if !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(VersionError::InvalidCharacters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::SegmentStartsZero);
            }
        }
        Ok(Self {
            major: parse_number(major, true)?,
            minor: parse_number(minor, true)?,
            patch: parse_number(patch, true)?,
            pre: pre.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        })
    }

    /// The major number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The minor number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The patch number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// The prerelease without its hyphen, empty when there is none.
    pub fn prerelease(&self) -> &str {
        &self.pre
    }

    /// The build metadata without its plus sign, empty when there is none.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text that was parsed. `to_string` gives the normal form instead.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Precedence by semver's rules: numbers, then prerelease. Build metadata does not count, so two
    /// versions may compare as equal and yet not be `==`.
    pub fn compare(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prerelease(&self.pre, &other.pre),
            })
    }

    /// The next patch version; for a prerelease, the version it leads to.
    pub fn inc_patch(&self) -> Self {
        let patch = if self.pre.is_empty() {
            self.patch.wrapping_add(1)
        } else {
            self.patch
        };
        self.derived(self.major, self.minor, patch, String::new(), String::new())
    }

    /// The next minor version.
    pub fn inc_minor(&self) -> Self {
        self.derived(
            self.major,
            self.minor.wrapping_add(1),
            0,
            String::new(),
            String::new(),
        )
    }

    /// The next major version.
    pub fn inc_major(&self) -> Self {
        self.derived(self.major.wrapping_add(1), 0, 0, String::new(), String::new())
    }

    /// This version with another prerelease (without hyphen); an empty one removes it.
    pub fn with_prerelease(&self, pre: &str) -> Result<Self, VersionError> {
        if !pre.is_empty() {
            validate_prerelease(pre)?;
        }
        let metadata = self.metadata.clone();
        Ok(self.derived(self.major, self.minor, self.patch, pre.to_owned(), metadata))
    }

    /// This version with other build metadata (without plus sign); an empty one removes it.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() {
            validate_metadata(metadata)?;
        }
        let pre = self.pre.clone();
        Ok(self.derived(self.major, self.minor, self.patch, pre, metadata.to_owned()))
    }

    fn derived(&self, major: u64, minor: u64, patch: u64, pre: String, metadata: String) -> Self {
        let mut next = Self {
            major,
            minor,
            patch,
            pre,
            metadata,
            original: String::new(),
        };
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        next.original = format!("{prefix}{next}");
        next
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

/// The pieces of a version-like text; the numbers may be wildcards when it stands in a constraint.
struct Parts<'a> {
    text: &'a str,
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    pre: Option<&'a str>,
    metadata: Option<&'a str>,
}

/// Walks over the grammar that versions and constraints share. Each reader takes as much as it can and
/// leaves the position alone when it finds nothing.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn take(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        self.since(start)
    }

    fn spaces(&mut self) -> bool {
        !self
            .take(|b| matches!(b, b'\t' | b'\n' | b'\x0c' | b'\r' | b' '))
            .is_empty()
    }

    fn literal(&mut self, text: &str) -> bool {
        let found = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(text));
        if found {
            self.at += text.len();
        }
        found
    }

    fn version(&mut self, segment: impl Fn(u8) -> bool) -> Option<Parts<'a>> {
        let start = self.at;
        self.literal("v");
        let major = self.take(&segment);
        if major.is_empty() {
            self.at = start;
            return None;
        }
        let minor = self.dotted(&segment);
        let patch = minor.and_then(|_| self.dotted(&segment));
        let pre = self.identifiers("-");
        let metadata = self.identifiers("+");
        Some(Parts {
            text: self.since(start),
            major,
            minor,
            patch,
            pre,
            metadata,
        })
    }

    fn dotted(&mut self, segment: impl Fn(u8) -> bool) -> Option<&'a str> {
        let start = self.at;
        if self.literal(".") {
            let found = self.take(segment);
            if !found.is_empty() {
                return Some(found);
            }
        }
        self.at = start;
        None
    }

    fn identifiers(&mut self, introducer: &str) -> Option<&'a str> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let start = self.at;
        if !self.literal(introducer) {
            return None;
        }
        let first = self.at;
        if self.take(word).is_empty() {
            self.at = start;
            return None;
        }
        while self.dotted(word).is_some() {}
        Some(self.since(first))
    }
}

fn parse_number(digits: &str, strict: bool) -> Result<u64, VersionError> {
    digits.parse().map_err(|_| VersionError::Number {
        digits: digits.to_owned(),
        strict,
    })
}

fn validate_prerelease(text: &str) -> Result<(), VersionError> {
    for part in text.split('.') {
        if part.is_empty() {
            return Err(VersionError::InvalidPrerelease);
        }
        if part.bytes().all(|b| b.is_ascii_digit()) {
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::SegmentStartsZero);
            }
        } else if !is_identifier(part) {
            return Err(VersionError::InvalidPrerelease);
        }
    }
    Ok(())
}

fn validate_metadata(text: &str) -> Result<(), VersionError> {
    if text
        .split('.')
        .all(|part| !part.is_empty() && is_identifier(part))
    {
        Ok(())
    } else {
        Err(VersionError::InvalidMetadata)
    }
}

fn is_identifier(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn compare_prerelease(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let (l, r) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (l, r) => (l.unwrap_or_default(), r.unwrap_or_default()),
        };
        let order = compare_identifier(l, r);
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_identifier(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (a.is_empty(), b.is_empty()) {
        (true, _) => return Ordering::Less,
        (_, true) => return Ordering::Greater,
        _ => {}
    }
    let number = |s: &str| {
        if s.bytes().all(|c| c.is_ascii_digit()) {
            s.parse::<u64>().ok()
        } else {
            None
        }
    };
    match (number(a), number(b)) {
        (None, None) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        // Two spellings of one number cannot both be valid; the Go library answers -1 for them.
        (Some(x), Some(y)) => x.cmp(&y).then(Ordering::Less),
    }
}
