//! Integers from text.

use crate::strconv::{NumError, NumErrorKind, underscores_ok};

/// Go's `ParseUint`. Base 0 takes the base from the prefix and allows underscores; bit size 0 means 64.
pub fn parse_uint(s: &[u8], base: u32, bits: u32) -> Result<u64, NumError> {
    parse(s, base, bits).map_err(|(_, kind)| NumError {
        func: "ParseUint",
        text: s.to_vec(),
        kind,
    })
}

/// Go's `ParseInt`. Base 0 takes the base from the prefix and allows underscores; bit size 0 means 64.
pub fn parse_int(s: &[u8], base: u32, bits: u32) -> Result<i64, NumError> {
    signed(s, base, bits).map_err(|kind| NumError {
        func: "ParseInt",
        text: s.to_vec(),
        kind,
    })
}

/// Go's `Atoi`: a decimal `int`.
pub fn atoi(s: &[u8]) -> Result<i64, NumError> {
    signed(s, 10, 0).map_err(|kind| NumError {
        func: "Atoi",
        text: s.to_vec(),
        kind,
    })
}

fn signed(s: &[u8], base: u32, bits: u32) -> Result<i64, NumErrorKind> {
    let (negative, digits) = match s {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, s),
    };
    let magnitude = match parse(digits, base, bits) {
        Ok(n) => n,
        Err((n, NumErrorKind::Range)) => n,
        Err((_, kind)) => return Err(kind),
    };
    let bits = if bits == 0 { 64 } else { bits };
    let cutoff = 1u64 << (bits - 1).min(63);
    if !negative && magnitude >= cutoff || negative && magnitude > cutoff {
        return Err(NumErrorKind::Range);
    }
    Ok(if negative {
        (magnitude as i64).wrapping_neg()
    } else {
        magnitude as i64
    })
}

fn parse(s: &[u8], base: u32, bits: u32) -> Result<u64, (u64, NumErrorKind)> {
    let syntax = (0, NumErrorKind::Syntax);
    let implied = base == 0;
    let (base, digits) = match (base, s) {
        (_, []) => return Err(syntax),
        (0, [b'0', b'b' | b'B', rest @ ..]) if !rest.is_empty() => (2, rest),
        (0, [b'0', b'o' | b'O', rest @ ..]) if !rest.is_empty() => (8, rest),
        (0, [b'0', b'x' | b'X', rest @ ..]) if !rest.is_empty() => (16, rest),
        (0, [b'0', rest @ ..]) => (8, rest),
        (0, _) => (10, s),
        (2..=36, _) => (base, s),
        _ => return Err(syntax),
    };
    let max = if bits == 0 || bits >= 64 {
        u64::MAX
    } else {
        (1u64 << bits) - 1
    };
    let mut underscores = false;
    let mut n = 0u64;
    for &c in digits {
        if c == b'_' && implied {
            underscores = true;
            continue;
        }
        let digit = (c as char).to_digit(36).filter(|d| *d < base).ok_or(syntax)?;
        n = n
            .checked_mul(u64::from(base))
            .and_then(|n| n.checked_add(u64::from(digit)))
            .filter(|n| *n <= max)
            .ok_or((max, NumErrorKind::Range))?;
    }
    if underscores && !underscores_ok(s) {
        Err(syntax)
    } else {
        Ok(n)
    }
}
