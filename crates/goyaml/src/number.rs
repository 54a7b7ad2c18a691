//! Number texts: Go's `strconv` as go-yaml uses it to read integers and to print floats.

use std::fmt::Write;

/// What a number-like text reads as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Float(f64),
}

/// Reads a text that starts with a digit or a sign, underscores already removed.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let (negative, unsigned) = without_sign(text)?;
    let signed = unsigned.len() != text.len();
    if let Some(magnitude) = parse_prefixed(unsigned) {
        if let Some(int) = to_signed(negative, magnitude) {
            return Some(Number::Int(int));
        }
        if !signed {
            return Some(Number::Uint(magnitude));
        }
    }
    if is_yaml_float(unsigned)
        && let Some(float) = parse_float(text)
    {
        return Some(Number::Float(float));
    }
    parse_binary(text)
}

/// go-yaml's second look at `0b` texts. It lets a sign follow the prefix.
fn parse_binary(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0b") {
        let (negative, unsigned) = without_sign(digits)?;
        return to_signed(negative, parse_radix(unsigned, 2)?).map(Number::Int);
    }
    None
}

/// Whether a text has a minus, and what follows the sign; nothing for an empty text.
fn without_sign(text: &str) -> Option<(bool, &str)> {
    match text.as_bytes().first()? {
        b'-' => Some((true, text.get(1..)?)),
        b'+' => Some((false, text.get(1..)?)),
        _ => Some((false, text)),
    }
}

fn to_signed(negative: bool, magnitude: u64) -> Option<i64> {
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Go's `ParseUint(text, 0, 64)` without underscores.
fn parse_prefixed(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    match bytes {
        [] => None,
        [b'0', b'x' | b'X', _, ..] => parse_radix(text.get(2..)?, 16),
        [b'0', b'o' | b'O', _, ..] => parse_radix(text.get(2..)?, 8),
        [b'0', b'b' | b'B', _, ..] => parse_radix(text.get(2..)?, 2),
        [b'0'] => Some(0),
        [b'0', ..] => parse_radix(text.get(1..)?, 8),
        _ => parse_radix(text, 10),
    }
}

fn parse_radix(text: &str, radix: u32) -> Option<u64> {
    // from_str_radix takes a leading '+'; Go does not.
    if text.starts_with('+') {
        None
    } else {
        u64::from_str_radix(text, radix).ok()
    }
}

/// `^(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, the sign already removed.
fn is_yaml_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let whole = digits(0);
    let mut at = whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole == 0 && fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return false;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == bytes.len()
}

/// Go's `ParseFloat` of a decimal text; none where Go reports a range error.
fn parse_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// Go's `ParseFloat` of a text that starts with a dot, where go-yaml asks no pattern first: single
/// underscores between digits are let through.
pub(crate) fn parse_dot_float(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return if is_yaml_float(text) {
            parse_float(text)
        } else {
            None
        };
    }
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separates = |at: usize| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
    if !bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'_' || separates(at))
    {
        return None;
    }
    let plain = text.replace('_', "");
    if is_yaml_float(&plain) {
        parse_float(&plain)
    } else {
        None
    }
}

/// The shortest decimal digits of a finite, non-negative number, and the power of ten of the first one. A tie
/// between two shortest texts goes to the even digit, in Go as in zmij (the standard library rounds it up).
fn shortest(float: impl zmij::Float) -> (String, i32) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(float);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i32>().unwrap_or(0);
    let mut digits = format!("{whole}{fraction}");
    let zeros = digits.bytes().take_while(|b| *b == b'0').count();
    if zeros == digits.len() {
        return ("0".to_owned(), 0);
    }
    let point = whole.len() as i32 - zeros as i32;
    digits.drain(..zeros);
    digits.truncate(digits.trim_end_matches('0').len());
    (digits, exponent + point - 1)
}

/// Go's `FormatFloat(f, 'g', -1, 64)`, with YAML's words for what is not finite.
pub(crate) fn push_float(out: &mut String, float: f64) {
    if !push_special(out, float) {
        push_g(out, shortest(float.abs()));
    }
}

/// The same for 32 bits: how sigs.k8s.io/yaml prints a float key.
pub(crate) fn push_float32(out: &mut String, float: f64) {
    #[allow(clippy::cast_possible_truncation)]
    let single = float as f32;
    if !push_special(out, f64::from(single)) {
        push_g(out, shortest(single.abs()));
    }
}

fn push_special(out: &mut String, float: f64) -> bool {
    if float.is_nan() {
        out.push_str(".nan");
        return true;
    }
    if float.is_sign_negative() {
        out.push('-');
    }
    if float.is_infinite() {
        out.push_str(".inf");
        return true;
    }
    false
}

fn push_g(out: &mut String, (digits, exponent): (String, i32)) {
    // Shortest form: Go switches to an exponent from six digits before the point on.
    if (-4..6).contains(&exponent) {
        push_decimal(out, &digits, exponent);
        return;
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
}

fn push_decimal(out: &mut String, digits: &str, exponent: i32) {
    if exponent < 0 {
        out.push_str("0.");
        for _ in 1..-exponent {
            out.push('0');
        }
        out.push_str(digits);
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    match digits.split_at_checked(whole) {
        Some((whole, fraction)) if !fraction.is_empty() => {
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        _ => {
            out.push_str(digits);
            for _ in digits.len()..whole {
                out.push('0');
            }
        }
    }
}

/// The integer that a finite float's JSON text (Go's encoding/json) is, if it has neither fraction nor exponent.
pub(crate) fn json_integer(float: f64) -> Option<Number> {
    if float.fract() != 0.0 || float.abs() >= 1e21 {
        return None;
    }
    // Below 2^53 the shortest digits are the number itself.
    #[allow(clippy::cast_possible_truncation)]
    if float.abs() < 9_007_199_254_740_992.0 {
        return Some(Number::Int(float as i64));
    }
    let mut text = String::new();
    if float < 0.0 {
        text.push('-');
    }
    let (digits, exponent) = shortest(float.abs());
    push_decimal(&mut text, &digits, exponent);
    match parse(&text) {
        Some(Number::Float(_)) | None => None,
        integer => integer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_floats_as_go() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100000.0, "100000"),
            (1000000.0, "1e+06"),
            (123456789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (12345.678, "12345.678"),
            (f64::INFINITY, ".inf"),
            (f64::NEG_INFINITY, "-.inf"),
            (f64::NAN, ".nan"),
            (5e-324, "5e-324"),
            (94266733460260.62, "9.426673346026062e+13"),
        ];
        for (float, want) in cases {
            let mut out = String::new();
            push_float(&mut out, float);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn reads_numbers_as_go() {
        let cases = [
            ("0", Some(Number::Int(0))),
            ("-0", Some(Number::Int(0))),
            ("0777", Some(Number::Int(511))),
            ("08", Some(Number::Float(8.0))),
            ("0o17", Some(Number::Int(15))),
            ("0x1F", Some(Number::Int(31))),
            ("-0x8000000000000000", Some(Number::Int(i64::MIN))),
            ("18446744073709551615", Some(Number::Uint(u64::MAX))),
            (
                "+18446744073709551615",
                Some(Number::Float(18446744073709551615.0)),
            ),
            (
                "18446744073709551616",
                Some(Number::Float(18446744073709551616.0)),
            ),
            ("1e3", Some(Number::Float(1000.0))),
            ("1.", Some(Number::Float(1.0))),
            ("1e999", None),
            ("0b-101", Some(Number::Int(-5))),
            ("0x", None),
            ("1.2.3", None),
            ("-", None),
            ("+.5", Some(Number::Float(0.5))),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn json_integers_carry_shortest_digits() {
        assert_eq!(json_integer(1e6), Some(Number::Int(1_000_000)));
        assert_eq!(
            json_integer(9223372036854775808.0),
            Some(Number::Uint(9223372036854776000))
        );
        assert_eq!(json_integer(-9223372036854775808.0), None);
        assert_eq!(json_integer(1e20), None);
        assert_eq!(json_integer(1.5), None);
    }
}
